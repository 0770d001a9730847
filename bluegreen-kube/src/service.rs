//! Traffic by the selector of Services: all or nothing, by one conditional write to each.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bluegreen_core::{
    Capabilities, Color, Epoch, Error, ErrorKind, Evidence, EvidenceKind, Observed, Problem,
    Result, Routing, SwitchStrategy,
};
use futures_util::future::try_join_all;
use k8s_openapi::api::core::v1::{Pod, Service, ServiceSpec};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::{Api, Client};
use tokio::time::Instant;

use crate::remembered::FRESH;
use crate::rights::Rules;
use crate::selector::Selector;
use crate::watching::Watches;
use crate::{Settings, VersionSource, owners};

mod answers;
mod check;
mod converge;
mod live;
mod observe;
mod patch;
mod preview;
mod shift;

#[cfg(test)]
mod tests;

use live::Live;
use preview::Preview;

/// Moves traffic by the selector of one or more live Services.
///
/// A shift is one JSON Patch on each of them, sent at the same time. Each tests the Service's
/// identity, its whole old selector and the fencing number, so that it either does exactly what
/// was decided or nothing. The slot key is exchanged; the other keys of a selector are its *base*
/// and stay. A selector without the slot key counts as one of the slot that alone has pods, and the
/// first write ([`fence`](SwitchStrategy::fence), in a release) adds the key; where both slots have
/// pods, or none has, [`check`](SwitchStrategy::check) refuses.
///
/// Needs the verbs `get`, `list`, `watch`, `create`, `patch` and `delete` on `services` (the last
/// for our own preview Service), `list` and `watch` on `endpointslices`, and `list` on `pods` and
/// `deployments`.
///
/// ```no_run
/// # fn made(client: kube::Client) {
/// use bluegreen_kube::{ServiceSwitch, Settings, VersionSource};
///
/// let switch = ServiceSwitch::new(client, Settings::new("agent-service", "ai-agents"))
///     .and_service("agent-service-grpc")
///     .with_version(VersionSource::JsonPointer("/version".to_owned()))
///     .with_probe_path("/healthz")
///     .allow_owner("helm-controller");
/// # }
/// ```
pub struct ServiceSwitch {
    client: Client,
    services_api: Api<Service>,
    slices_api: Api<EndpointSlice>,
    pods_api: Api<Pod>,
    settings: Settings,
    /// The live Services. The first one is the agent's own.
    services: Vec<String>,
    version: VersionSource,
    probe_path: String,
    probe_port: Option<u16>,
    allowed_owners: BTreeSet<String>,
    ignored_services: BTreeSet<String>,
    /// What was last read or written of each live Service.
    known: Mutex<BTreeMap<String, Box<Known>>>,
    /// The preview Service as it was last read.
    preview: Mutex<Option<Preview>>,
    /// The pods that the endpoint controller was last seen to know, and their slot.
    listed: Mutex<Option<(Color, BTreeSet<String>)>>,
    rules: Rules,
    watches: Watches,
}

/// What is known of a live Service.
#[derive(Clone, Debug)]
struct Known {
    live: Live,
    /// Its selector without the slot, as it was first seen or found to be meant.
    base: Selector,
    /// What its preview is made like.
    spec: Arc<ServiceSpec>,
    /// When it was read or written.
    at: Instant,
}

impl ServiceSwitch {
    /// A switch of the Service that the agent is named after.
    pub fn new(client: Client, settings: Settings) -> Self {
        Self {
            services_api: Api::namespaced(client.clone(), &settings.namespace),
            slices_api: Api::namespaced(client.clone(), &settings.namespace),
            pods_api: Api::namespaced(client.clone(), &settings.namespace),
            client,
            services: vec![settings.agent.to_string()],
            version: VersionSource::Header(settings.version_header.clone()),
            settings,
            probe_path: "/readyz".to_owned(),
            probe_port: None,
            allowed_owners: BTreeSet::new(),
            ignored_services: BTreeSet::new(),
            known: Mutex::default(),
            preview: Mutex::default(),
            listed: Mutex::default(),
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

    /// Another Service that is live and moves together with the first.
    #[must_use]
    pub fn and_service(mut self, name: impl Into<String>) -> Self {
        let name = name.into();
        if !self.services.contains(&name) {
            self.services.push(name);
        }
        self
    }

    /// Where an answer says which version gave it. The default is the header that the settings
    /// name.
    #[must_use]
    pub fn with_version(mut self, version: VersionSource) -> Self {
        self.version = version;
        self
    }

    /// The path that [`EvidenceKind::Answers`] asks for by `GET`; `/readyz` unless said otherwise.
    #[must_use]
    pub fn with_probe_path(mut self, path: impl Into<String>) -> Self {
        self.probe_path = path.into();
        self
    }

    /// The port of the Services that [`EvidenceKind::Answers`] asks on; the first TCP port unless
    /// said otherwise.
    #[must_use]
    pub fn with_probe_port(mut self, port: u16) -> Self {
        self.probe_port = Some(port);
        self
    }

    /// Lets a field manager own the selectors that this switch writes, although it is known to
    /// put back what others change (`argocd-controller`, `kustomize-controller`). It must have
    /// been told to leave the selector alone.
    #[must_use]
    pub fn allow_owner(mut self, manager: impl Into<String>) -> Self {
        self.allowed_owners.insert(manager.into());
        self
    }

    /// Lets another Service lead to pods of a slot although it does not move with the switch.
    #[must_use]
    pub fn ignore_service(mut self, name: impl Into<String>) -> Self {
        self.ignored_services.insert(name.into());
        self
    }

    /// The live Services, the agent's own first.
    pub fn services(&self) -> &[String] {
        &self.services
    }

    fn action(&self, verb: &str, name: &str) -> String {
        format!("{verb} service {}/{name}", self.settings.namespace)
    }

    fn known(&self, name: &str) -> Option<Known> {
        self.lock().get(name).map(|known| Known::clone(known))
    }

    /// What was read or written a moment ago.
    fn recent(&self, name: &str) -> Option<Known> {
        self.known(name).filter(|known| known.at.elapsed() < FRESH)
    }

    /// Keeps what was read. The base stays what it was, unless this is another Service.
    fn remember(&self, service: &Service) -> Known {
        let live = Live::read(service, &self.settings);
        let mut all = self.lock();
        let base = match all.get(&live.name) {
            Some(known) if known.live.uid == live.uid => known.base.clone(),
            _ => live.base(&self.settings.slot_label),
        };
        let spec = Arc::new(preview::pattern(service));
        let known = Known { live, base, spec, at: Instant::now() };
        all.insert(known.live.name.clone(), Box::new(known.clone()));
        known
    }

    /// Takes what a Service selects now for what is meant.
    fn adopt(&self, name: &str) {
        if let Some(known) = self.lock().get_mut(name) {
            known.base = known.live.base(&self.settings.slot_label);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Box<Known>>> {
        // Every write to the map is one insertion: a panic elsewhere leaves nothing half-done.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl SwitchStrategy for ServiceSwitch {
    #[allow(clippy::unnecessary_literal_bound, reason = "the trait has this signature")]
    fn name(&self) -> &str {
        "service-selector"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::SWITCH_ONLY
    }

    async fn check(&self, routings: &[Routing], evidence: &EvidenceKind) -> Result<Vec<Problem>> {
        self.find_problems(routings, evidence).await
    }

    async fn fence(&self, epoch: Epoch) -> Result<()> {
        self.fence_all(epoch).await
    }

    async fn observe(&self) -> Result<Observed> {
        self.read_routing().await
    }

    async fn prepare(&self, candidate: Color, epoch: Epoch) -> Result<()> {
        self.prepare_preview(candidate, epoch).await
    }

    async fn await_known(&self, candidate: Color, pods: &[String]) -> Result<()> {
        self.await_listed(candidate, pods).await
    }

    async fn shift(&self, from: &Routing, to: &Routing, epoch: Epoch) -> Result<()> {
        let action = || format!("shift traffic to {to}");
        let lacks = self.capabilities().lacks(to);
        if !lacks.is_empty() {
            let reason = format!("switch {} has no {}", self.name(), lacks.join(", "));
            return Err(Error::new(ErrorKind::Rejected, action()).with_source(reason));
        }
        if !self.capabilities().lacks(from).is_empty() {
            let reason = format!("wanted to find {from}, which a Service cannot be");
            return Err(Error::new(ErrorKind::Conflict, action()).with_source(reason));
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
        let read = try_join_all(self.services.iter().map(|name| self.get(name))).await?;
        for service in &read {
            self.remember(service);
        }
        let latest = |it: &Service| owners::latest(&it.metadata, &["/f:spec/f:selector"]);
        Ok(read.iter().find_map(latest))
    }
}

impl fmt::Debug for ServiceSwitch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceSwitch")
            .field("namespace", &self.settings.namespace)
            .field("services", &self.services)
            .finish_non_exhaustive()
    }
}
