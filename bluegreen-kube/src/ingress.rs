//! Traffic by the backends of Ingresses: all or nothing, by one conditional write to each.

use std::collections::BTreeSet;
use std::fmt;

use async_trait::async_trait;
use bluegreen_core::{
    Capabilities, Color, Epoch, Error, ErrorKind, Evidence, EvidenceKind, Observed, Pair, Problem,
    Result, Routing, SwitchStrategy,
};
use futures_util::future::try_join_all;
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::DynamicObject;
use kube::discovery::ApiResource;
use kube::{Api, Client};

use crate::remembered::Remembered;
use crate::rights::Rules;
use crate::watching::Watches;
use crate::{Settings, VersionSource, owners};

pub(crate) mod answers;
pub(crate) mod canary;
pub(crate) mod check;
mod converge;
mod note;
mod object;
mod observe;
mod patch;
mod shift;
pub(crate) mod slots;

#[cfg(test)]
mod tests;

use object::Object;
pub(crate) use object::{Place, class, places};
pub(crate) use slots::Slots;

/// The API group of Ingresses.
pub(crate) const GROUP: &str = "networking.k8s.io";

/// Moves traffic by the Service that the paths of one or more Ingresses lead to: blue's, or
/// green's. The Services themselves never change.
///
/// Ours are the backends of the named Ingresses, `spec.defaultBackend` among them, that lead to a
/// slot's Service; all other paths, hosts and annotations stay as they are. A shift is one JSON
/// Patch on each Ingress, sent at the same time, which tests the Ingress's identity, its fencing
/// number and all its old rules, and writes names of Services.
///
/// The Services of the slots are called `<agent>-blue` and `<agent>-green` unless said otherwise;
/// each selects exactly the pods of its slot, and has every port that the paths name. All traffic
/// goes to one slot: a plan with shares, pins or a mirror is refused. For shares and pins with
/// ingress-nginx see [`IngressCanary`](crate::IngressCanary).
///
/// A controller learns of a Service by the Ingresses that lead to it. Contour with Envoy answers some
/// requests with 503 when paths move to a Service that nothing led to before; Traefik does not. An
/// Ingress of its own that always leads to both Services, by a host for each, keeps both known:
/// name it with [`ignore_ingress`](Self::ignore_ingress). Preflight warns where there is none.
///
/// An Ingress says nothing of whether its controller has taken it as it is now. Evidence by
/// [`Endpoints`](EvidenceKind::Endpoints) shows what the controller is told, no more; ask for
/// [`Answers`](EvidenceKind::Answers) through the URL that clients use to see what it does.
///
/// Needs the verbs `get`, `list`, `watch` and `patch` on `ingresses` of `networking.k8s.io`, `get`
/// and `list` on `services`, `list` and `watch` on `endpointslices`, and `list` on `pods` and
/// `deployments`.
///
/// ```no_run
/// # fn made(client: kube::Client) {
/// use bluegreen_kube::{IngressSwitch, Settings, VersionSource};
///
/// let switch = IngressSwitch::new(client, Settings::new("agent", "ai-agents"))
///     .with_ingress("agent")
///     .with_ingress("agent-internal")
///     .with_slot_services("agent-a", "agent-b")
///     .with_version(VersionSource::JsonPointer("/version".to_owned()));
/// # }
/// ```
pub struct IngressSwitch {
    client: Client,
    settings: Settings,
    ingresses: Vec<String>,
    slots: Slots,
    version: VersionSource,
    probe_path: String,
    allowed_owners: BTreeSet<String>,
    ignored_ingresses: BTreeSet<String>,
    ignored_services: BTreeSet<String>,
    /// What was last read or written of each Ingress.
    known: Remembered<String, Object>,
    rules: Rules,
    watches: Watches,
}

impl IngressSwitch {
    /// A switch that has no Ingresses yet: name them with [`with_ingress`](Self::with_ingress).
    pub fn new(client: Client, settings: Settings) -> Self {
        let names = Pair::from_fn(|color| format!("{}-{color}", settings.agent));
        Self {
            slots: Slots::new(client.clone(), settings.clone(), names),
            client,
            ingresses: Vec::new(),
            version: VersionSource::Header(settings.version_header.clone()),
            settings,
            probe_path: "/readyz".to_owned(),
            allowed_owners: BTreeSet::new(),
            ignored_ingresses: BTreeSet::new(),
            ignored_services: BTreeSet::new(),
            known: Remembered::default(),
            rules: Rules::default(),
            watches: Watches::default(),
        }
    }

    /// Shares the question of rights with other parts.
    pub(crate) fn sharing(mut self, rules: &Rules) -> Self {
        self.rules = rules.clone();
        self
    }

    /// Waits on watches that others share.
    pub(crate) fn watching(mut self, watches: &Watches) -> Self {
        self.watches = watches.clone();
        self
    }

    /// An Ingress whose paths move. Several move together.
    #[must_use]
    pub fn with_ingress(mut self, name: impl Into<String>) -> Self {
        let name = name.into();
        if !self.ingresses.contains(&name) {
            self.ingresses.push(name);
        }
        self
    }

    /// The Services of the slots; `<agent>-blue` and `<agent>-green` unless said otherwise.
    #[must_use]
    pub fn with_slot_services(mut self, blue: impl Into<String>, green: impl Into<String>) -> Self {
        self.slots.names = Pair::new(blue.into(), green.into());
        self
    }

    /// Where an answer says which version gave it. The default is the header that the settings
    /// name.
    #[must_use]
    pub fn with_version(mut self, version: VersionSource) -> Self {
        self.version = version;
        self
    }

    /// The path that [`EvidenceKind::Answers`] asks for by `GET` where its URL names none;
    /// `/readyz` unless said otherwise.
    #[must_use]
    pub fn with_probe_path(mut self, path: impl Into<String>) -> Self {
        self.probe_path = path.into();
        self
    }

    /// Lets a field manager own the rules that this switch writes, although it is known to put
    /// back what others change (`argocd-controller`, `kustomize-controller`). It must have been
    /// told to leave the backends alone.
    #[must_use]
    pub fn allow_owner(mut self, manager: impl Into<String>) -> Self {
        self.allowed_owners.insert(manager.into());
        self
    }

    /// Lets another Ingress lead to a slot although it does not move with the switch.
    #[must_use]
    pub fn ignore_ingress(mut self, name: impl Into<String>) -> Self {
        self.ignored_ingresses.insert(name.into());
        self
    }

    /// Lets another Service lead to pods of a slot although its traffic does not move with the
    /// switch.
    #[must_use]
    pub fn ignore_service(mut self, name: impl Into<String>) -> Self {
        self.ignored_services.insert(name.into());
        self
    }

    /// The Ingresses whose paths move.
    pub fn ingresses(&self) -> &[String] {
        &self.ingresses
    }

    /// The names of the slots' Services.
    pub fn slot_services(&self) -> &Pair<String> {
        &self.slots.names
    }

    fn api(&self) -> Api<DynamicObject> {
        api(&self.client, &self.settings.namespace)
    }

    fn action(&self, verb: &str, name: &str) -> String {
        format!("{verb} ingress {}/{name}", self.settings.namespace)
    }

    fn remember(&self, name: &str, found: &DynamicObject) -> Object {
        let ingress = Object::read(found, &self.settings);
        self.known.keep(name.to_owned(), ingress.clone());
        ingress
    }
}

/// Ingresses. What is not read of them is kept as it is.
pub(crate) fn api(client: &Client, namespace: &str) -> Api<DynamicObject> {
    let resource = ApiResource::erase::<Ingress>(&());
    Api::namespaced_with(client.clone(), namespace, &resource)
}

#[async_trait]
impl SwitchStrategy for IngressSwitch {
    #[allow(clippy::unnecessary_literal_bound, reason = "the trait has this signature")]
    fn name(&self) -> &str {
        "ingress-backend"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::SWITCH_ONLY
    }

    async fn check(&self, routings: &[Routing], evidence: &EvidenceKind) -> Result<Vec<Problem>> {
        // On the heap: it looks at many things at once.
        Box::pin(self.find_problems(routings, evidence)).await
    }

    async fn fence(&self, epoch: Epoch) -> Result<()> {
        self.fence_all(epoch).await
    }

    async fn observe(&self) -> Result<Observed> {
        self.read_routing().await
    }

    /// The Services of both slots are always there: nothing has to be made ready.
    async fn prepare(&self, _candidate: Color, _epoch: Epoch) -> Result<()> {
        Ok(())
    }

    async fn await_known(&self, candidate: Color, pods: &[String]) -> Result<()> {
        self.slots.await_listed(self.slots.names.of(candidate), candidate, pods).await
    }

    async fn shift(&self, from: &Routing, to: &Routing, epoch: Epoch) -> Result<()> {
        let action = || format!("shift traffic to {to}");
        let lacks = self.capabilities().lacks(to);
        if !lacks.is_empty() {
            let reason = format!("switch {} has no {}", self.name(), lacks.join(", "));
            return Err(Error::new(ErrorKind::Rejected, action()).with_source(reason));
        }
        if !self.capabilities().lacks(from).is_empty() {
            let reason = format!("wanted to find {from}, which an Ingress cannot be");
            return Err(Error::new(ErrorKind::Conflict, action()).with_source(reason));
        }
        self.shift_all(from.live, to.live, epoch).await
    }

    async fn converge(&self, to: &Routing, evidence: &EvidenceKind) -> Result<Evidence> {
        self.await_evidence(to, evidence).await
    }

    async fn watch(&self, known: &Observed) -> Result<Observed> {
        self.watch_routing(known).await
    }

    async fn author(&self) -> Result<Option<String>> {
        let read = try_join_all(self.ingresses.iter().map(|name| self.read(name))).await?;
        let latest = |ingress: &Object| owners::latest(&ingress.whole.metadata, &check::WRITTEN);
        Ok(read.iter().find_map(latest))
    }
}

impl fmt::Debug for IngressSwitch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IngressSwitch")
            .field("namespace", &self.settings.namespace)
            .field("ingresses", &self.ingresses)
            .field("slots", &self.slots.names)
            .finish_non_exhaustive()
    }
}
