//! A cluster where something differs from the defaults.

use std::fmt;
use std::sync::Arc;

use bluegreen_core::{Color, HolderId, Liveness, Load, Pair, Ports};
use kube::Client;

use super::discover::{self, Agent};
use super::{Cluster, ConnectError, holder};
use crate::JobHooks;
use crate::deployment::Recent;
use crate::rights::Rules;
use crate::route::{RouteKind, RouteName};
use crate::watching::Watches;
use crate::{
    ConfigMapStore, DeploymentSlot, Fleet, IngressCanary, IngressSwitch, LeaseLiveness, PodClient,
    QueueSwitch, RouteWeights, ServiceSwitch, Settings,
};

mod mover;
mod queue;

use mover::Mover;

/// What the parts of an agent share, with those of others where there is a fleet.
struct Common {
    rules: Rules,
    watches: Watches,
}

impl Common {
    fn of(builder: &ClusterBuilder) -> Self {
        match &builder.fleet {
            Some(fleet) => {
                Self { rules: fleet.rules(&builder.settings.namespace), watches: fleet.watches() }
            }
            None => Self { rules: Rules::default(), watches: Watches::default() },
        }
    }
}

type Adjust<T> = Box<dyn Fn(T) -> T + Send>;
type MakeLoad = Box<dyn FnOnce(&Ports) -> Arc<dyn Load> + Send>;

/// Says what differs from the defaults, and [connects](Self::connect).
///
/// ```no_run
/// # async fn example(client: kube::Client) -> Result<(), bluegreen_kube::ConnectError> {
/// use bluegreen_kube::{Cluster, Route};
///
/// let cluster = Cluster::builder(client, "ai-agents", "agent-service")
///     .cluster_name("production")
///     .settings(|settings| settings.slot_label = "color".to_owned())
///     .clients(|client| client.with_route(Route::PodIp).with_port(8080))
///     .switch(|switch| switch.allow_owner("argocd-controller"))
///     .connect()
///     .await?;
/// # Ok(()) }
/// ```
#[must_use]
pub struct ClusterBuilder {
    client: Client,
    settings: Settings,
    name: String,
    services: Vec<String>,
    routes: Vec<RouteName>,
    ingresses: Vec<String>,
    canary: Option<String>,
    queue: Option<String>,
    deployments: Pair<Option<String>>,
    holder: Option<HolderId>,
    liveness: Option<Arc<dyn Liveness>>,
    slots: Adjust<DeploymentSlot>,
    clients: Adjust<PodClient>,
    switch: Adjust<ServiceSwitch>,
    weights: Adjust<RouteWeights>,
    backends: Adjust<IngressSwitch>,
    canaries: Adjust<IngressCanary>,
    pulls: Adjust<QueueSwitch>,
    load: Option<MakeLoad>,
    pulling: Option<MakeLoad>,
    fleet: Option<Fleet>,
}

impl ClusterBuilder {
    pub(super) fn new(client: Client, settings: Settings) -> Self {
        Self {
            client,
            settings,
            name: "default".to_owned(),
            services: Vec::new(),
            routes: Vec::new(),
            ingresses: Vec::new(),
            canary: None,
            queue: None,
            deployments: Pair::new(None, None),
            holder: None,
            liveness: None,
            slots: Box::new(|slot| slot),
            clients: Box::new(|client| client),
            switch: Box::new(|switch| switch),
            weights: Box::new(|weights| weights),
            backends: Box::new(|backends| backends),
            canaries: Box::new(|canary| canary),
            pulls: Box::new(|queue| queue),
            load: None,
            pulling: None,
            fleet: None,
        }
    }

    pub(crate) fn of_fleet(mut self, fleet: Fleet) -> Self {
        self.fleet = Some(fleet);
        self
    }

    /// Changes names of labels, annotations and variables, or how long a call may take.
    pub fn settings(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// The name of the cluster in every record; `default` unless said otherwise.
    pub fn cluster_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Another Service that is live and moves together with the first.
    pub fn and_service(mut self, name: impl Into<String>) -> Self {
        self.services.push(name.into());
        self
    }

    /// An `HTTPRoute` whose weights move traffic, in place of the live Service's selector: see
    /// [`RouteWeights`]. Several move together.
    ///
    /// The agent keeps its name, and needs no Service of that name: what its pods have in common
    /// is read from the Services of the slots.
    ///
    /// ```no_run
    /// # async fn example(client: kube::Client) -> Result<(), bluegreen_kube::ConnectError> {
    /// use bluegreen_kube::Cluster;
    ///
    /// let cluster = Cluster::builder(client, "ai-agents", "agent")
    ///     .route("agent")
    ///     .weights(|weights| weights.with_slot_services("agent-a", "agent-b"))
    ///     .connect()
    ///     .await?;
    /// # Ok(()) }
    /// ```
    pub fn route(mut self, name: impl Into<String>) -> Self {
        self.routes.push(RouteName::new(RouteKind::Http, name));
        self
    }

    /// A `GRPCRoute` whose weights move traffic, as those of [`route`](Self::route) do.
    pub fn grpc_route(mut self, name: impl Into<String>) -> Self {
        self.routes.push(RouteName::new(RouteKind::Grpc, name));
        self
    }

    /// An Ingress whose paths lead to the Service of either slot and move from one to the other, in
    /// place of the live Service's selector: see [`IngressSwitch`]. Several move together.
    ///
    /// The agent keeps its name, and needs no Service of that name.
    ///
    /// ```no_run
    /// # async fn example(client: kube::Client) -> Result<(), bluegreen_kube::ConnectError> {
    /// use bluegreen_kube::Cluster;
    ///
    /// let cluster = Cluster::builder(client, "ai-agents", "agent")
    ///     .ingress("agent")
    ///     .backends(|switch| switch.with_slot_services("agent-a", "agent-b"))
    ///     .connect()
    ///     .await?;
    /// # Ok(()) }
    /// ```
    pub fn ingress(mut self, name: impl Into<String>) -> Self {
        self.ingresses.push(name.into());
        self
    }

    /// A canary Ingress of ingress-nginx, and the Service of the same name that it leads to: with it
    /// the candidate gets shares, be it the live Service's selector that moves all traffic, or
    /// [Ingresses](Self::ingress). See [`IngressCanary`].
    ///
    /// ```no_run
    /// # async fn example(client: kube::Client) -> Result<(), bluegreen_kube::ConnectError> {
    /// use bluegreen_core::Plan;
    /// use bluegreen_kube::Cluster;
    ///
    /// let cluster = Cluster::builder(client, "ai-agents", "agent")
    ///     .canary("agent-canary")
    ///     .connect()
    ///     .await?;
    /// let plan = Plan::canary([5, 25, 100]);
    /// # Ok(()) }
    /// ```
    pub fn canary(mut self, name: impl Into<String>) -> Self {
        self.canary = Some(name.into());
        self
    }

    /// The Deployment of a slot, where it is not to be looked for.
    pub fn deployment(mut self, color: Color, name: impl Into<String>) -> Self {
        match color {
            Color::Blue => self.deployments.blue = Some(name.into()),
            Color::Green => self.deployments.green = Some(name.into()),
        }
        self
    }

    /// What this process calls itself, unique for each start of it:
    /// `<host>-<pid>-<milliseconds>` unless said otherwise.
    pub fn holder(mut self, holder: impl Into<HolderId>) -> Self {
        self.holder = Some(holder.into());
        self
    }

    /// The lease of this process, where another agent has one already.
    pub fn liveness(mut self, liveness: Arc<dyn Liveness>) -> Self {
        self.liveness = Some(liveness);
        self
    }

    /// Adjusts both slots.
    pub fn slots(
        mut self,
        adjust: impl Fn(DeploymentSlot) -> DeploymentSlot + Send + 'static,
    ) -> Self {
        self.slots = Box::new(adjust);
        self
    }

    /// Adjusts the ways to the pods of both slots.
    pub fn clients(mut self, adjust: impl Fn(PodClient) -> PodClient + Send + 'static) -> Self {
        self.clients = Box::new(adjust);
        self
    }

    /// Adjusts what moves traffic.
    pub fn switch(
        mut self,
        adjust: impl Fn(ServiceSwitch) -> ServiceSwitch + Send + 'static,
    ) -> Self {
        self.switch = Box::new(adjust);
        self
    }

    /// Adjusts what moves traffic where routes do.
    pub fn weights(
        mut self,
        adjust: impl Fn(RouteWeights) -> RouteWeights + Send + 'static,
    ) -> Self {
        self.weights = Box::new(adjust);
        self
    }

    /// Adjusts what moves traffic where paths of Ingresses do.
    pub fn backends(
        mut self,
        adjust: impl Fn(IngressSwitch) -> IngressSwitch + Send + 'static,
    ) -> Self {
        self.backends = Box::new(adjust);
        self
    }

    /// Changes the canary Ingress: where answers say which version gave them, or who else may own it.
    pub fn canaries(
        mut self,
        adjust: impl Fn(IngressCanary) -> IngressCanary + Send + 'static,
    ) -> Self {
        self.canaries = Box::new(adjust);
        self
    }

    /// What counts the work that a slot has in hand; nothing unless said otherwise, and then an old
    /// slot is made smaller after the quiet period of the plan.
    ///
    /// It is made from the ports of this agent, whose clients keep their connections here: a slot
    /// that drains is asked about twice a second. With `bluegreen-validate` it is
    /// `.load(|ports| PodLoad::metrics(ports, "/metrics", ["agent_inflight_requests"]))`.
    pub fn load<L: Load + 'static>(
        mut self,
        make: impl FnOnce(&Ports) -> L + Send + 'static,
    ) -> Self {
        self.load = Some(Box::new(move |ports| Arc::new(make(ports))));
        self
    }

    /// Finds the agent. Two requests, three with routes or Ingresses, one with a queue; nothing is written.
    ///
    /// # Errors
    /// See [`Cluster::connect`].
    ///
    /// # Cancel safety
    /// Only reads.
    pub async fn connect(self) -> Result<Cluster, ConnectError> {
        // On the heap, because callers embed this in futures of their own.
        Box::pin(self.find()).await
    }

    async fn find(self) -> Result<Cluster, ConnectError> {
        let shared = Common::of(&self);
        let mover = self.make_mover(&shared)?;
        let (client, settings) = (&self.client, &self.settings);
        let base = match &mover {
            Mover::Weights(weights) if weights.is_between_services() => {
                Some(discover::base_of_slots(client, settings, weights.slot_services()).await?)
            }
            Mover::Weights(weights) => Some(weights.base().await?),
            Mover::Backends(switch) => {
                Some(discover::base_of_slots(client, settings, switch.slot_services()).await?)
            }
            Mover::Selectors(_) => Some(discover::base(client, settings).await?),
            Mover::Queue(_) => None,
        };
        let found = match base {
            Some(base) => discover::agent(client, settings, base, &self.deployments).await?,
            None => discover::workers(client, settings, &self.deployments).await?,
        };
        Ok(self.build(&found, &shared, mover))
    }

    fn build(self, agent: &Agent, shared: &Common, mover: Mover) -> Cluster {
        let Self { client, settings, .. } = &self;
        let recent = Recent::default();
        let Common { rules, watches } = shared;
        let clients = Pair::from_fn(|color| {
            let selector = agent.selector(color, &settings.slot_label);
            let pods = PodClient::new(client.clone(), settings.clone(), selector);
            Arc::new((self.clients)(pods))
        });
        let made = Pair::from_fn(|color| {
            let name = agent.deployments.of(color);
            let slot = DeploymentSlot::new(client.clone(), settings.clone(), color, name)
                .with_other(agent.deployments.of(color.other()))
                .with_client(clients.of(color))
                .sharing(&recent, rules)
                .watching(watches);
            Arc::new((self.slots)(slot))
        });
        let traffic = mover.moved(&self, &agent.deployments, shared);
        let limits = |fleet: &Fleet| (fleet.trust(&self.settings), fleet.throttle());
        let fleet = self.fleet.as_ref().map(limits);
        let of_fleet = || Some(self.fleet.as_ref()?.liveness(&self.settings));
        let liveness = self.liveness.or_else(of_fleet).unwrap_or_else(|| {
            let holder = self.holder.unwrap_or_else(holder::unique);
            let lease = LeaseLiveness::new(self.client.clone(), self.settings.clone(), holder);
            Arc::new(lease.sharing(rules))
        });
        let store = ConfigMapStore::new(self.client.clone(), self.settings.clone());
        let hooks = JobHooks::new(self.client.clone(), self.settings.clone());
        let mut cluster = Cluster {
            services: traffic.services,
            routes: traffic.routes,
            ingresses: traffic.ingresses,
            canary: self.canary,
            queue: traffic.queue,
            slots: made,
            clients,
            switch: traffic.switch,
            store: Arc::new(store.sharing(rules).watching(watches)),
            liveness,
            name: self.name,
            client: self.client,
            settings: self.settings,
            load: None,
            hooks: Arc::new(hooks.sharing(rules)),
            fleet,
        };
        cluster.load = self.load.map(|make| make(&cluster.asking_ports()));
        if let (Some(queue), Some(make)) = (&cluster.queue, self.pulling) {
            queue.count_by(make(&cluster.asking_ports()));
        }
        cluster
    }
}

impl fmt::Debug for ClusterBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterBuilder").field("settings", &self.settings).finish_non_exhaustive()
    }
}
