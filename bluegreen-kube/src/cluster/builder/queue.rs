//! An agent that has no Service and pulls its work.

use std::sync::Arc;

use bluegreen_core::{Load, Pair, Ports};

use super::{Cluster, ClusterBuilder};
use crate::{PodClient, QueueSwitch};

impl ClusterBuilder {
    /// A ConfigMap whose key `pull` says which slot has the right to pull work, for an agent that
    /// has no Service and gets its work from a queue: see [`QueueSwitch`].
    ///
    /// The agent keeps its name. Its Deployments are `<agent>-blue` and `<agent>-green`, or those that
    /// are [named](Self::deployment), and what its pods have in common is read from their selectors.
    ///
    /// ```no_run
    /// # async fn example(client: kube::Client) -> Result<(), bluegreen_kube::ConnectError> {
    /// use std::time::Duration;
    ///
    /// use bluegreen_kube::Cluster;
    ///
    /// let cluster = Cluster::builder(client, "ai-agents", "agent")
    ///     .queue("agent-queue")
    ///     .pulls(|queue| queue.settles_in(Duration::from_secs(10)))
    ///     .connect()
    ///     .await?;
    /// # Ok(()) }
    /// ```
    pub fn queue(mut self, config_map: impl Into<String>) -> Self {
        self.queue = Some(config_map.into());
        self
    }

    /// Adjusts what moves the right to pull.
    pub fn pulls(mut self, adjust: impl Fn(QueueSwitch) -> QueueSwitch + Send + 'static) -> Self {
        self.pulls = Box::new(adjust);
        self
    }

    /// What counts the workers of a slot that pull, as evidence that they follow the right to:
    /// nothing unless said otherwise, and then a time is waited for. See [`QueueSwitch::counting`].
    ///
    /// It is made as [`load`](Self::load) is. With `bluegreen-validate` it is
    /// `.pulling(|ports| PodLoad::metrics(ports, "/metrics", ["agent_pulling"]))`.
    pub fn pulling<L: Load + 'static>(
        mut self,
        make: impl FnOnce(&Ports) -> L + Send + 'static,
    ) -> Self {
        self.pulling = Some(Box::new(move |ports| Arc::new(make(ports))));
        self
    }
}

impl Cluster {
    /// The ports of this agent, with clients that keep their connections: what counts something asks
    /// often.
    pub(super) fn asking_ports(&self) -> Ports {
        let pooled = |color| Arc::new(PodClient::clone(self.clients.of(color)).pooled()) as _;
        let mut ports = self.ports();
        ports.clients = Pair::from_fn(pooled);
        ports
    }
}
