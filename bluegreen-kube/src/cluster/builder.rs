//! A cluster where something differs from the defaults.

use std::fmt;
use std::sync::Arc;

use bluegreen_core::{Color, HolderId, Liveness, Load, Pair, Ports};
use kube::Client;

use super::discover::{self, Agent};
use super::{Cluster, ConnectError, holder};
use crate::deployment::Recent;
use crate::rights::Rules;
use crate::{ConfigMapStore, DeploymentSlot, LeaseLiveness, PodClient, ServiceSwitch, Settings};

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
    deployments: Pair<Option<String>>,
    holder: Option<HolderId>,
    liveness: Option<Arc<dyn Liveness>>,
    slots: Adjust<DeploymentSlot>,
    clients: Adjust<PodClient>,
    switch: Adjust<ServiceSwitch>,
    load: Option<MakeLoad>,
}

impl ClusterBuilder {
    pub(super) fn new(client: Client, settings: Settings) -> Self {
        Self {
            client,
            settings,
            name: "default".to_owned(),
            services: Vec::new(),
            deployments: Pair::new(None, None),
            holder: None,
            liveness: None,
            slots: Box::new(|slot| slot),
            clients: Box::new(|client| client),
            switch: Box::new(|switch| switch),
            load: None,
        }
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

    /// Finds the agent. Two requests; nothing is written.
    ///
    /// # Errors
    /// See [`Cluster::connect`].
    ///
    /// # Cancel safety
    /// Only reads.
    pub async fn connect(self) -> Result<Cluster, ConnectError> {
        let found = discover::agent(&self.client, &self.settings, &self.deployments).await?;
        Ok(self.build(&found))
    }

    fn build(self, agent: &Agent) -> Cluster {
        let Self { client, settings, .. } = &self;
        let (recent, rules) = (Recent::default(), Rules::default());
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
                .sharing(&recent, &rules);
            Arc::new((self.slots)(slot))
        });
        let mut switch = ServiceSwitch::new(client.clone(), settings.clone()).sharing(&rules);
        for service in &self.services {
            switch = switch.and_service(service);
        }
        let switch = (self.switch)(switch);
        let liveness = self.liveness.unwrap_or_else(|| {
            let holder = self.holder.unwrap_or_else(holder::unique);
            let lease = LeaseLiveness::new(self.client.clone(), self.settings.clone(), holder);
            Arc::new(lease.sharing(&rules))
        });
        let store = ConfigMapStore::new(self.client.clone(), self.settings.clone());
        let mut cluster = Cluster {
            services: switch.services().to_vec(),
            slots: made,
            clients,
            switch: Arc::new(switch),
            store: Arc::new(store.sharing(&rules)),
            liveness,
            name: self.name,
            client: self.client,
            settings: self.settings,
            load: None,
        };
        cluster.load = self.load.map(|make| {
            let pooled =
                |color| Arc::new(PodClient::clone(cluster.clients.of(color)).pooled()) as _;
            let mut ports = cluster.ports();
            ports.clients = Pair::from_fn(pooled);
            make(&ports)
        });
        cluster
    }
}

impl fmt::Debug for ClusterBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterBuilder").field("settings", &self.settings).finish_non_exhaustive()
    }
}
