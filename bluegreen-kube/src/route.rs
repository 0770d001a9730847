//! Traffic by the weights of routes: any share for either slot, by one conditional write to each.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Mutex;

use async_trait::async_trait;
use bluegreen_core::{
    Capabilities, Color, Epoch, Error, ErrorKind, Evidence, EvidenceKind, Observed, Pair, Pin,
    Problem, Result, Routing, SwitchStrategy,
};
use futures_util::future::try_join_all;
use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::DynamicObject;
use kube::{Api, Client};
use tokio::time::Instant;

use crate::remembered::Remembered;
use crate::rights::Rules;
use crate::selector::Selector;
use crate::watching::Watches;
use crate::{Settings, VersionSource, owners};

mod answers;
mod check;
mod converge;
mod endpoints;
mod name;
mod note;
mod object;
mod observe;
mod patch;
mod pin;
mod rule;
mod shift;
mod slots;
mod status;

#[cfg(test)]
mod tests;

pub(crate) use name::{GROUP, RouteKind, RouteName};
use object::Object;
use rule::{Backend, Slots};

/// Moves traffic by the weights of Gateway API routes between the Services of the two slots, which
/// never change.
///
/// Ours are the rules of the named routes whose `backendRefs` lead to both slots; other rules,
/// filters and backends stay as they are. A shift is one JSON Patch on each route, sent at the
/// same time, which tests the route's identity, its fencing number and the whole old list of
/// backends, and writes weights in parts of a million. Pins are rules of their own after all
/// others, which match what ours match and one header more, and go when the pins end; the
/// annotation `transition` says which rules they are.
///
/// The Services of the slots are called `<agent>-blue` and `<agent>-green` unless said otherwise;
/// each selects exactly the pods of its slot. A share for a slot whose Service lists no endpoint
/// that serves is refused, because a gateway would answer it with 503.
///
/// A mirror ([`with_mirror`](Self::with_mirror)) copies requests to live, so it can be made only
/// while the candidate has no share: a route mirrors the requests of a rule, whichever backend
/// gets them.
///
/// Needs the verbs `get`, `list`, `watch` and `patch` on `httproutes` (and `grpcroutes` where some
/// are named) of `gateway.networking.k8s.io`, `get` and `list` on `services`, `list` and `watch`
/// on `endpointslices`, and `list` on `pods` and `deployments`.
///
/// ```no_run
/// # fn made(client: kube::Client) {
/// use bluegreen_kube::{RouteWeights, Settings, VersionSource};
///
/// let switch = RouteWeights::new(client, Settings::new("agent", "ai-agents"))
///     .with_route("agent")
///     .with_slot_services("agent-a", "agent-b")
///     .with_cookie_pins()
///     .with_version(VersionSource::JsonPointer("/version".to_owned()));
/// # }
/// ```
pub struct RouteWeights {
    client: Client,
    services_api: Api<Service>,
    slices_api: Api<EndpointSlice>,
    pods_api: Api<Pod>,
    settings: Settings,
    routes: Vec<RouteName>,
    slots: Slots,
    version: VersionSource,
    probe_path: String,
    allowed_owners: BTreeSet<String>,
    ignored_routes: BTreeSet<String>,
    ignored_services: BTreeSet<String>,
    pins: Pins,
    has_mirror: bool,
    /// What was last read or written of each route.
    known: Remembered<RouteName, Object>,
    /// What the pods of both slots have in common, once it was read.
    base: Mutex<Option<Selector>>,
    /// The slot whose endpoints were last awaited, and when they were there.
    listed: Mutex<Option<(Color, Instant)>>,
    rules: Rules,
    watches: Watches,
}

/// Which pins the gateway can tell apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Pins {
    None,
    Headers,
    HeadersAndCookies,
}

impl RouteWeights {
    /// A switch that has no routes yet: name them with [`with_route`](Self::with_route).
    pub fn new(client: Client, settings: Settings) -> Self {
        let slots = Slots {
            names: Pair::from_fn(|color| format!("{}-{color}", settings.agent)),
            backend: Backend::Service,
            namespace: settings.namespace.clone(),
        };
        Self {
            services_api: Api::namespaced(client.clone(), &settings.namespace),
            slices_api: Api::namespaced(client.clone(), &settings.namespace),
            pods_api: Api::namespaced(client.clone(), &settings.namespace),
            client,
            routes: Vec::new(),
            slots,
            version: VersionSource::Header(settings.version_header.clone()),
            settings,
            probe_path: "/readyz".to_owned(),
            allowed_owners: BTreeSet::new(),
            ignored_routes: BTreeSet::new(),
            ignored_services: BTreeSet::new(),
            pins: Pins::Headers,
            has_mirror: false,
            known: Remembered::default(),
            base: Mutex::default(),
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

    /// An `HTTPRoute` whose weights move. Several move together.
    #[must_use]
    pub fn with_route(self, name: impl Into<String>) -> Self {
        self.and(RouteName::new(RouteKind::Http, name))
    }

    /// A `GRPCRoute` whose weights move.
    #[must_use]
    pub fn with_grpc_route(self, name: impl Into<String>) -> Self {
        self.and(RouteName::new(RouteKind::Grpc, name))
    }

    pub(crate) fn and(mut self, route: RouteName) -> Self {
        if !self.routes.contains(&route) {
            self.routes.push(route);
        }
        self
    }

    /// The Services of the slots; `<agent>-blue` and `<agent>-green` unless said otherwise.
    #[must_use]
    pub fn with_slot_services(mut self, blue: impl Into<String>, green: impl Into<String>) -> Self {
        self.slots.names = Pair::new(blue.into(), green.into());
        self
    }

    /// The slots are `InferencePool`s (`inference.networking.k8s.io/v1`) of these names, and the
    /// routes lead to those: `<agent>-blue` and `<agent>-green` unless
    /// [`with_slot_services`](Self::with_slot_services) says otherwise.
    ///
    /// Pools have no EndpointSlices, so evidence by endpoints is by their pods: they are ready, and
    /// the pool's endpoint picker, which has to hear of them too, is not asked. Requests cannot be
    /// mirrored to a pool. Needs `get` and `list` on `inferencepools` and `watch` on `pods`.
    #[must_use]
    pub fn with_inference_pools(mut self) -> Self {
        self.slots.backend = Backend::InferencePool;
        self
    }

    /// Pins by cookie, too. The Gateway API knows cookies only as a regular expression for a
    /// header, and leaves it to gateways whether they take one: Envoy's and Traefik do.
    #[must_use]
    pub fn with_cookie_pins(mut self) -> Self {
        self.pins = Pins::HeadersAndCookies;
        self
    }

    /// No pins at all, for routes to which no rule may be added.
    #[must_use]
    pub fn without_pins(mut self) -> Self {
        self.pins = Pins::None;
        self
    }

    /// A copy of live's traffic for the candidate, by the filter `RequestMirror`. Not every gateway
    /// has it.
    #[must_use]
    pub fn with_mirror(mut self) -> Self {
        self.has_mirror = true;
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
    /// told to leave the weights alone.
    #[must_use]
    pub fn allow_owner(mut self, manager: impl Into<String>) -> Self {
        self.allowed_owners.insert(manager.into());
        self
    }

    /// Lets another route lead to a slot although it does not move with the switch.
    #[must_use]
    pub fn ignore_route(mut self, name: impl Into<String>) -> Self {
        self.ignored_routes.insert(name.into());
        self
    }

    /// Lets another Service lead to pods of a slot although its traffic does not move with the
    /// switch.
    #[must_use]
    pub fn ignore_service(mut self, name: impl Into<String>) -> Self {
        self.ignored_services.insert(name.into());
        self
    }

    /// The names of the slots' Services.
    pub fn slot_services(&self) -> &Pair<String> {
        &self.slots.names
    }

    /// Whether the slots are Services.
    pub(crate) fn is_between_services(&self) -> bool {
        self.slots.backend == Backend::Service
    }

    /// The routes whose weights move.
    pub(crate) fn routes(&self) -> &[RouteName] {
        &self.routes
    }

    fn api(&self, kind: RouteKind) -> Api<DynamicObject> {
        kind.api(&self.client, &self.settings.namespace)
    }

    fn action(&self, verb: &str, name: &RouteName) -> String {
        format!("{verb} {} in {}", name, self.settings.namespace)
    }

    /// What `routing` needs and this switch lacks, in words.
    fn lacks(&self, routing: &Routing) -> Vec<&'static str> {
        let mut lacks = self.capabilities().lacks(routing);
        let is_cookie = |pin: &Pin| !matches!(pin, Pin::Header { .. });
        if self.pins == Pins::Headers && routing.pins.iter().any(is_cookie) {
            lacks.push("pins by cookie");
        }
        if routing.mirror.is_some() && !routing.is_whole() {
            lacks.push("mirrored traffic together with a share for the candidate");
        }
        lacks
    }

    fn remember(&self, name: &RouteName, found: &DynamicObject) -> Object {
        let route = Object::read(name, found, &self.settings);
        self.known.keep(name.clone(), route.clone());
        route
    }
}

#[async_trait]
impl SwitchStrategy for RouteWeights {
    #[allow(clippy::unnecessary_literal_bound, reason = "the trait has this signature")]
    fn name(&self) -> &str {
        "route-weights"
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::ALL;
        capabilities.pins = self.pins != Pins::None;
        capabilities.mirror = self.has_mirror && self.slots.backend == Backend::Service;
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
        self.read_routing().await
    }

    /// The Services of both slots are always there: nothing has to be made ready.
    async fn prepare(&self, _candidate: Color, _epoch: Epoch) -> Result<()> {
        Ok(())
    }

    async fn await_known(&self, candidate: Color, pods: &[String]) -> Result<()> {
        self.await_listed(candidate, pods).await
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
        let read = try_join_all(self.routes.iter().map(|name| self.read(name))).await?;
        let latest = |route: &Object| owners::latest(&route.whole.metadata, &["/f:spec/f:rules"]);
        Ok(read.iter().find_map(latest))
    }
}

impl fmt::Debug for RouteWeights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouteWeights")
            .field("namespace", &self.settings.namespace)
            .field("routes", &self.routes)
            .field("slots", &self.slots.names)
            .finish_non_exhaustive()
    }
}
