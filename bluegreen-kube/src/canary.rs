//! Shares of traffic by a canary Ingress of ingress-nginx, around a switch that moves all of it.

use std::collections::BTreeSet;
use std::fmt;

use async_trait::async_trait;
use bluegreen_core::{
    Capabilities, Color, Epoch, Error, ErrorKind, Evidence, EvidenceKind, Observed, Problem,
    Result, Routing, SwitchStrategy,
};
use kube::Client;

use crate::ingress::Slots;
use crate::rights::Rules;
use crate::watching::Watches;
use crate::{IngressSwitch, ServiceSwitch, Settings, VersionSource, owners};

mod check;
mod converge;
mod marks;
mod objects;
mod observe;
mod shift;
mod steps;

#[cfg(test)]
mod tests;

/// Gives a candidate a share of the traffic by the annotations of a canary Ingress, as
/// ingress-nginx reads them, and moves all of it by a switch that can do only that.
///
/// There are a primary Ingress, which leads to the slot that is live through the other switch, and
/// beside it, always, a *canary* Ingress (`nginx.ingress.kubernetes.io/canary: "true"`) with the
/// same hosts, paths and path types. The canary leads to a Service of its own that no other Ingress
/// uses. Both are called `<agent>-canary` unless said otherwise, and are there before the first
/// release, the Ingress with weight 0:
///
/// * A share, and pins for the candidate, are annotations of the canary Ingress.
/// * All traffic moves by the other switch; after that the canary's weight goes back to 0. In
///   between both lead to the same slot.
/// * The canary's Service selects the candidate. It moves only while nothing comes through it.
///
/// Wherever a release is killed, every request is answered by a slot that may have it. The way
/// back from a share is one write, and so is the one from the whole.
///
/// Pins: nginx knows one header with one value for the candidate, or one header or cookie with
/// `always` for the candidate and `never` for live. Others are refused, and so are those that a
/// plan's conversations make, which have a value for either slot.
///
/// ingress-nginx drops a header's value that has other characters than letters, digits and `-._~/:`, and
/// the header leads to the candidate by `always` then: such pins are refused, too.
///
/// What was tried with real traffic (`tests/routes`) went through Traefik 3.7.13, whose provider
/// `kubernetesIngressNGINX` reads the same annotations: releases in steps and the way back from each step,
/// around either switch, and pins. ingress-nginx itself was not run. Where Traefik differs, by its source:
///
/// * It gives shares by turns, not by chance: of 20 requests at 5 %, one is the candidate's.
/// * It takes up one change at once, and the next 2 s after that (`providers.providersThrottleDuration`).
///   Let a step be held for longer; for ingress-nginx, for more than 3.5 s.
/// * It knows a primary by its Service and port: every Ingress of the namespace that leads there gives the
///   canary its share, whether or not the canary has its host.
/// * Of `nginx.ingress.kubernetes.io/canary`, it takes `true` only, in any case; `1` and `t` make a second
///   primary.
/// * A primary without endpoints fails its own share of the requests, and not the canary's.
/// * A canary without endpoints is none, and its pins are not, either: they go to live.
///
/// Needs the verbs of the switch that it is around, and `get`, `list`, `watch` and `patch` on
/// `ingresses` of `networking.k8s.io` and on `services`.
///
/// ```no_run
/// # fn made(client: kube::Client) {
/// use bluegreen_kube::{IngressCanary, ServiceSwitch, Settings};
///
/// let settings = Settings::new("agent", "ai-agents");
/// let switch = ServiceSwitch::new(client.clone(), settings.clone());
/// let switch = IngressCanary::around_service(client, settings, switch)
///     .with_canary("agent-canary")
///     .with_canary_service("agent-canary");
/// # }
/// ```
pub struct IngressCanary {
    client: Client,
    settings: Settings,
    inner: Inner,
    canary: String,
    service: String,
    slots: Slots,
    version: VersionSource,
    probe_path: String,
    allowed_owners: BTreeSet<String>,
    rules: Rules,
    watches: Watches,
}

/// What moves all traffic.
enum Inner {
    Service(Box<ServiceSwitch>),
    Ingress(Box<IngressSwitch>),
}

impl IngressCanary {
    /// Around the selector of the live Service that the primary Ingress leads to.
    pub fn around_service(client: Client, settings: Settings, switch: ServiceSwitch) -> Self {
        Self::new(client, settings, Inner::Service(Box::new(switch)))
    }

    /// Around the paths of the primary Ingress itself.
    pub fn around_ingress(client: Client, settings: Settings, switch: IngressSwitch) -> Self {
        Self::new(client, settings, Inner::Ingress(Box::new(switch)))
    }

    fn new(client: Client, settings: Settings, inner: Inner) -> Self {
        let name = format!("{}-canary", settings.agent);
        let names = bluegreen_core::Pair::from_fn(|_| name.clone());
        Self {
            slots: Slots::new(client.clone(), settings.clone(), names),
            client,
            inner: inner.ignoring(&name, &name),
            canary: name.clone(),
            service: name,
            version: VersionSource::Header(settings.version_header.clone()),
            settings,
            probe_path: "/readyz".to_owned(),
            allowed_owners: BTreeSet::new(),
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

    /// The canary Ingress; `<agent>-canary` unless said otherwise.
    #[must_use]
    pub fn with_canary(mut self, name: impl Into<String>) -> Self {
        self.canary = name.into();
        self.inner = self.inner.ignoring(&self.canary, &self.service);
        self
    }

    /// The Service that the canary Ingress leads to, and nothing else; `<agent>-canary` unless said
    /// otherwise.
    #[must_use]
    pub fn with_canary_service(mut self, name: impl Into<String>) -> Self {
        self.service = name.into();
        self.inner = self.inner.ignoring(&self.canary, &self.service);
        self.slots.names = bluegreen_core::Pair::from_fn(|_| self.service.clone());
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

    /// Lets a field manager own what this switch writes of the canary, although it is known to put
    /// back what others change. It must have been told to leave the annotations and the Service's
    /// selector alone.
    #[must_use]
    pub fn allow_owner(mut self, manager: impl Into<String>) -> Self {
        self.allowed_owners.insert(manager.into());
        self
    }

    /// The canary Ingress.
    pub fn canary(&self) -> &str {
        &self.canary
    }

    /// The Service of the canary.
    pub fn canary_service(&self) -> &str {
        &self.service
    }

    fn inner(&self) -> &dyn SwitchStrategy {
        match &self.inner {
            Inner::Service(switch) => &**switch,
            Inner::Ingress(switch) => &**switch,
        }
    }

    /// What `routing` needs and this switch lacks, in words.
    fn lacks(&self, routing: &Routing) -> Vec<String> {
        let lacks = self.capabilities().lacks(routing).into_iter();
        let mut lacks: Vec<String> = lacks.map(str::to_owned).collect();
        lacks.extend(marks::Asked::of(routing).err().into_iter().flatten());
        lacks
    }
}

impl Inner {
    /// What is of the canary is no other way to a slot.
    fn ignoring(self, canary: &str, service: &str) -> Self {
        match self {
            Self::Service(switch) => Self::Service(Box::new(switch.ignore_service(service))),
            Self::Ingress(switch) => {
                Self::Ingress(Box::new(switch.ignore_service(service).ignore_ingress(canary)))
            }
        }
    }
}

/// The annotation that makes weights parts of a million.
pub(crate) fn total() -> String {
    marks::key(marks::TOTAL)
}

#[async_trait]
impl SwitchStrategy for IngressCanary {
    #[allow(clippy::unnecessary_literal_bound, reason = "the trait has this signature")]
    fn name(&self) -> &str {
        "ingress-canary"
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::ALL;
        capabilities.mirror = false;
        capabilities
    }

    async fn check(&self, routings: &[Routing], evidence: &EvidenceKind) -> Result<Vec<Problem>> {
        // On the heap: it looks at many things at once.
        Box::pin(self.find_problems(routings, evidence)).await
    }

    async fn fence(&self, epoch: Epoch) -> Result<()> {
        self.fence_all(epoch).await
    }

    async fn observe(&self) -> Result<Observed> {
        Ok(self.read_if_there().await?.0)
    }

    async fn prepare(&self, candidate: Color, epoch: Epoch) -> Result<()> {
        self.inner().prepare(candidate, epoch).await?;
        self.select_idle(candidate, epoch).await
    }

    async fn await_known(&self, candidate: Color, pods: &[String]) -> Result<()> {
        let listed = self.slots.await_listed(&self.service, candidate, pods);
        tokio::try_join!(self.inner().await_known(candidate, pods), listed).map(drop)
    }

    async fn shift(&self, from: &Routing, to: &Routing, epoch: Epoch) -> Result<()> {
        let lacks = self.lacks(to);
        if !lacks.is_empty() {
            let reason = format!("switch {} has no {}", self.name(), lacks.join(", "));
            let action = format!("shift traffic to {to}");
            return Err(Error::new(ErrorKind::Rejected, action).with_source(reason));
        }
        self.shift_all(from, to, epoch).await
    }

    async fn converge(&self, to: &Routing, evidence: &EvidenceKind) -> Result<Evidence> {
        self.await_evidence(to, evidence).await
    }

    async fn watch(&self, known: &Observed) -> Result<Observed> {
        self.watch_routing(known).await
    }

    async fn author(&self) -> Result<Option<String>> {
        let canary = self.get_canary().await?;
        let fields = objects::fields();
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        match owners::latest(&canary.metadata, &fields) {
            Some(found) => Ok(Some(found)),
            None => self.inner().author().await,
        }
    }
}

impl fmt::Debug for IngressCanary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IngressCanary")
            .field("namespace", &self.settings.namespace)
            .field("around", &self.inner().name())
            .field("canary", &self.canary)
            .field("service", &self.service)
            .finish_non_exhaustive()
    }
}
