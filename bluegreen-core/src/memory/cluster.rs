//! The world that all in-memory implementations share.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::task::{AbortHandle, JoinSet};

use super::changes::Changes;
use super::client::Answer;
use super::hook_runner;
use super::world::{Orders, World};
use super::{
    MemoryClient, MemoryClusterBuilder, MemoryHooks, MemoryLeases, MemoryLiveness, MemoryLoad,
    MemorySlot, MemoryStore, MemorySwitch, PodRunner, PodSpec, lock,
};
use crate::{
    AgentName, Approver, Capabilities, Clock, Color, Configuration, ErrorKind, HolderId, Pair,
    Ports, Result,
};

/// An agent with two slots, its routing, its records and its drivers' leases, in memory.
///
/// Cheap to clone: all clones are one cluster. Pods that start or stop slowly do so in tasks
/// that end when the last clone (slots, switch and clients are clones too) is dropped.
///
/// # Panics
/// A [`PodRunner`] that is not done at once needs a tokio runtime: whatever then starts a pod
/// panics outside of one.
#[derive(Clone)]
pub struct MemoryCluster {
    pub(super) inner: Arc<Inner>,
    pub(super) clock: Arc<dyn Clock>,
}

pub(super) struct Inner {
    pub(super) agent: AgentName,
    pub(super) name: String,
    pub(super) capabilities: Capabilities,
    pub(super) time_to_live: Duration,
    pub(super) approver: Option<Arc<dyn Approver>>,
    pub(super) world: Mutex<World>,
    pub(super) changes: Changes,
    pub(super) runner: Arc<dyn PodRunner>,
    pub(super) answer: Mutex<Answer>,
    pub(super) tasks: Mutex<JoinSet<()>>,
    pub(super) store: MemoryStore,
    pub(super) leases: MemoryLeases,
    pub(super) load: MemoryLoad,
    pub(super) hooks: Arc<Mutex<hook_runner::State>>,
}

impl MemoryCluster {
    /// A cluster whose blue slot is live with two pods of `live`; green has the same
    /// configuration and no pods.
    pub fn new(agent: impl Into<AgentName>, live: Configuration) -> Self {
        Self::builder(agent, live).build()
    }

    /// A cluster whose live slot runs `live`, with everything else to be said.
    pub fn builder(agent: impl Into<AgentName>, live: Configuration) -> MemoryClusterBuilder {
        MemoryClusterBuilder::new(agent.into(), live)
    }

    /// The same cluster seen by a process with another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Everything that one driver process acts through: what is shared by all, and a lease of
    /// its own. Each field may be replaced.
    pub fn ports(&self, holder: impl Into<HolderId>) -> Ports {
        let mut ports = Ports::new(
            self.inner.agent.clone(),
            Pair::new(Arc::new(self.slot(Color::Blue)), Arc::new(self.slot(Color::Green))),
            Pair::new(Arc::new(self.client(Color::Blue)), Arc::new(self.client(Color::Green))),
            Arc::new(self.switch()),
            Arc::new(self.store()),
            Arc::new(self.liveness(holder)),
        )
        .with_clock(Arc::clone(&self.clock))
        .with_cluster(&self.inner.name)
        .with_load(Arc::new(self.load()))
        .with_hooks(Arc::new(self.hooks()));
        ports.approver.clone_from(&self.inner.approver);
        ports
    }

    /// One of the slots.
    pub fn slot(&self, color: Color) -> MemorySlot {
        MemorySlot::new(self.clone(), color)
    }

    /// What moves traffic.
    pub fn switch(&self) -> MemorySwitch {
        MemorySwitch::new(self.clone())
    }

    /// The way to the agent in one slot.
    pub fn client(&self, color: Color) -> MemoryClient {
        MemoryClient::new(self.clone(), color)
    }

    /// Where records are kept.
    pub fn store(&self) -> MemoryStore {
        self.inner.store.clone()
    }

    /// The lease of one driver process. Each call is another process, whatever its name.
    pub fn liveness(&self, holder: impl Into<HolderId>) -> MemoryLiveness {
        MemoryLiveness::new(self.inner.leases.clone(), holder, Arc::clone(&self.clock))
            .with_time_to_live(self.inner.time_to_live)
    }

    /// The work that the slots have in hand, to be set by a test.
    pub fn load(&self) -> MemoryLoad {
        self.inner.load.clone()
    }

    /// What runs hooks, to be told by a test what becomes of them.
    pub fn hooks(&self) -> MemoryHooks {
        MemoryHooks::sharing(Arc::clone(&self.inner.hooks), Arc::clone(&self.clock))
    }

    /// The clock that ports get.
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }

    pub(super) fn read<T>(&self, read: impl FnOnce(&World) -> T) -> T {
        read(&lock(&self.inner.world))
    }

    pub(super) fn write<T>(&self, write: impl FnOnce(&mut World) -> T) -> T {
        let (result, orders) = {
            let mut world = lock(&self.inner.world);
            let result = write(&mut world);
            (result, world.reconcile())
        };
        self.inner.carry_out(orders);
        self.inner.changed();
        result
    }

    /// Returns once `find` finds something. Sees every state that lasts, misses none of them:
    /// it counts the changes before it looks.
    pub(super) async fn when<T>(&self, mut find: impl FnMut(&World) -> Option<T>) -> T {
        loop {
            let seen = self.inner.changes.count();
            if let Some(found) = self.read(&mut find) {
                return found;
            }
            self.inner.changes.after(seen).await;
        }
    }
}

impl Inner {
    pub(super) fn changed(&self) {
        self.changes.tell();
    }

    /// Starts and stops pods, without the lock: a runner may look at the cluster.
    fn carry_out(self: &Arc<Self>, orders: Orders) {
        for pod in orders.stop {
            if let Some(starting) = pod.starting {
                starting.abort();
            }
            let runner = Arc::clone(&self.runner);
            self.run(async move { runner.stop(&pod.name).await });
        }
        for pod in orders.start {
            let (runner, uid) = (Arc::clone(&self.runner), pod.uid.clone());
            let cluster = Arc::downgrade(self);
            let starting = self.run(async move {
                let result = runner.start(&pod).await;
                if let Some(cluster) = cluster.upgrade() {
                    cluster.started(&pod, result);
                }
            });
            // On another thread the start may have ended by now.
            if let Some(pod) = lock(&self.world).pod_mut(&uid)
                && starting.as_ref().is_some_and(|task| !task.is_finished())
                && !pod.ready
                && pod.trouble.is_none()
            {
                pod.starting = starting;
            }
        }
    }

    /// Runs `work` to its first wait at once, so that what needs no time takes none, and the
    /// rest in a task of the cluster.
    fn run(&self, work: impl Future<Output = ()> + Send + 'static) -> Option<AbortHandle> {
        let mut work: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(work);
        if work.as_mut().poll(&mut Context::from_waker(Waker::noop())) == Poll::Ready(()) {
            return None;
        }
        let mut tasks = lock(&self.tasks);
        while tasks.try_join_next().is_some() {}
        Some(tasks.spawn(work))
    }

    fn started(&self, spec: &PodSpec, result: Result<()>) {
        if let Some(pod) = lock(&self.world).pod_mut(&spec.uid) {
            pod.starting = None;
            match result {
                Ok(()) => pod.ready = true,
                Err(error) => {
                    pod.hopeless = error.kind() == ErrorKind::Rejected;
                    pod.trouble = Some(error.chain());
                }
            }
        }
        self.changed();
    }
}

impl fmt::Debug for MemoryCluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryCluster")
            .field("agent", &self.inner.agent)
            .field("routing", &self.read(|world| world.traffic.state.clone()))
            .finish_non_exhaustive()
    }
}
