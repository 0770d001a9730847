//! An agent in a cluster: everything that a release of it acts through.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bluegreen_core::{
    Color, Liveness, Load, Operations, Pair, Ports, Releaser, SwitchStrategy, Throttle,
};
use kube::Client;

use crate::event::Subject;
use crate::route::RouteName;
use crate::{
    ConfigMapStore, DeploymentSlot, EventReporter, JobHooks, PodClient, QueueSwitch, Settings,
};

mod adopt;
mod builder;
mod detach;
mod discover;
mod done;
mod error;
mod holder;
mod init;

pub use adopt::Adopt;
pub use builder::ClusterBuilder;
pub use done::Done;
pub use error::{AdoptError, ConnectError};
pub(crate) use holder::unique as unique_holder;

/// One agent in one namespace of a cluster.
///
/// ```no_run
/// # async fn example(client: kube::Client) -> Result<(), Box<dyn std::error::Error>> {
/// use bluegreen_core::{Change, Plan};
/// use bluegreen_kube::Cluster;
///
/// let cluster = Cluster::connect(client, "ai-agents", "agent-service").await?;
/// let change = Change::image("agent", "registry.example.com/agent-service:1.3.0");
/// let outcome = cluster.releaser().run(change, &Plan::all_at_once()).await?;
/// # Ok(()) }
/// ```
///
/// A process that releases many agents lets them share watches and leases: see [`Fleet`](crate::Fleet).
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    settings: Settings,
    name: String,
    services: Vec<String>,
    routes: Vec<RouteName>,
    ingresses: Vec<String>,
    /// The canary Ingress, and its Service of the same name.
    canary: Option<String>,
    /// What moves the right to pull, where there is no traffic to move.
    queue: Option<Arc<QueueSwitch>>,
    slots: Pair<Arc<DeploymentSlot>>,
    clients: Pair<Arc<PodClient>>,
    switch: Arc<dyn SwitchStrategy>,
    store: Arc<ConfigMapStore>,
    liveness: Arc<dyn Liveness>,
    load: Option<Arc<dyn Load>>,
    hooks: Arc<JobHooks>,
    /// For how long its watches are believed, and how many releases go on at a time, where a fleet
    /// looks after them.
    fleet: Option<(Duration, Throttle)>,
}

impl Cluster {
    /// Finds the agent that is named after its live Service, with every default.
    ///
    /// The pods of the two slots carry the labels of the Service's selector and the slot label;
    /// the Deployments are found by their pod templates. When one of the two is missing, it is
    /// named after the other and [`init`](Self::init) makes it.
    ///
    /// # Errors
    /// When there is no such Service, or it selects no pods, or it is not clear which are its
    /// Deployments.
    pub async fn connect(
        client: Client,
        namespace: impl Into<String>,
        service: impl Into<String>,
    ) -> Result<Self, ConnectError> {
        Self::builder(client, namespace, service).connect().await
    }

    /// The same, where something differs from the defaults.
    pub fn builder(
        client: Client,
        namespace: impl Into<String>,
        service: impl Into<String>,
    ) -> ClusterBuilder {
        ClusterBuilder::new(client, Settings::new(service.into(), namespace))
    }

    /// Everything that a release acts through.
    pub fn ports(&self) -> Ports {
        let (slots, clients) = (&self.slots, &self.clients);
        let ports = Ports::new(
            self.settings.agent.clone(),
            Pair::from_fn(|color| Arc::clone(slots.of(color)) as _),
            Pair::from_fn(|color| Arc::clone(clients.of(color)) as _),
            Arc::clone(&self.switch),
            Arc::clone(&self.store) as _,
            Arc::clone(&self.liveness),
        )
        .with_cluster(&self.name)
        .with_namespace(&self.settings.namespace)
        .with_version_env(&self.settings.version_env)
        .with_hooks(Arc::clone(&self.hooks) as _);
        let ports = match &self.fleet {
            Some((trust, throttle)) => ports.with_trust(*trust).with_throttle(throttle.clone()),
            None => ports,
        };
        match &self.load {
            Some(load) => ports.with_load(Arc::clone(load)),
            None => ports,
        }
    }

    /// Releases this agent.
    pub fn releaser(&self) -> Releaser {
        Releaser::new(self.ports())
    }

    /// What can be done with a release of this agent from any process.
    pub fn operations(&self) -> Operations {
        Operations::new(self.ports())
    }

    /// The way to the API server.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The settings that everything carries.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// One of the slots.
    pub fn slot(&self, color: Color) -> &Arc<DeploymentSlot> {
        self.slots.of(color)
    }

    /// The way to the pods of one of the slots.
    pub fn agent_client(&self, color: Color) -> &Arc<PodClient> {
        self.clients.of(color)
    }

    /// What moves traffic.
    pub fn switch(&self) -> &Arc<dyn SwitchStrategy> {
        &self.switch
    }

    /// Where records are kept.
    pub fn store(&self) -> &Arc<ConfigMapStore> {
        &self.store
    }

    /// Writes what a release tells as Events of the live Service, or of the first route or Ingress
    /// where such move the traffic, or of the ConfigMap with the right to pull. `instance` is who reports: the holder, say.
    ///
    /// Must be called within a tokio runtime, on which the reporter's task runs.
    pub fn events(&self, instance: impl Into<String>) -> EventReporter {
        let (client, settings) = (self.client.clone(), self.settings.clone());
        let subject = match (self.routes.first(), self.ingresses.first(), &self.queue) {
            (Some(route), ..) => Subject::Route(route.clone()),
            (None, Some(ingress), _) => Subject::Ingress(ingress.clone()),
            (None, None, Some(queue)) => Subject::ConfigMap(queue.config_map().to_owned()),
            (None, None, None) => Subject::Service,
        };
        EventReporter::about(client, settings, subject, instance.into())
    }

    /// The lease of this process.
    pub fn liveness(&self) -> &Arc<dyn Liveness> {
        &self.liveness
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("name", &self.name)
            .field("namespace", &self.settings.namespace)
            .field("services", &self.services)
            .field("routes", &self.routes)
            .field("ingresses", &self.ingresses)
            .field("queue", &self.queue)
            .field("blue", &self.slots.blue.name())
            .field("green", &self.slots.green.name())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
