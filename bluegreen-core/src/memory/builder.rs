//! How an in-memory cluster begins.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Response;
use tokio::task::JoinSet;

use super::changes::Changes;
use super::client::{self, Answer};
use super::cluster::Inner;
use super::liveness::TIME_TO_LIVE;
use super::world::{SlotWorld, Template, Traffic, World};
use super::{
    Asked, Autoscaler, InstantRunner, MemoryCluster, MemoryLeases, MemoryLoad, MemoryStore,
    PodRunner, TokioClock,
};
use crate::{
    AgentName, AnswerBody, Approver, Capabilities, Clock, Color, Configuration, Epoch,
    ObservedState, Pair, Result, Routing,
};

/// Says how a [`MemoryCluster`] begins.
#[must_use]
pub struct MemoryClusterBuilder {
    agent: AgentName,
    name: String,
    live: Color,
    running: Pair<Configuration>,
    replicas: u32,
    idle_replicas: u32,
    autoscalers: Pair<Option<Autoscaler>>,
    capabilities: Capabilities,
    time_to_live: Duration,
    runner: Arc<dyn PodRunner>,
    clock: Option<Arc<dyn Clock>>,
    approver: Option<Arc<dyn Approver>>,
    answer: Answer,
}

impl MemoryClusterBuilder {
    pub(super) fn new(agent: AgentName, live: Configuration) -> Self {
        Self {
            agent,
            name: "memory".to_owned(),
            live: Color::Blue,
            running: Pair::new(live.clone(), live),
            replicas: 2,
            idle_replicas: 0,
            autoscalers: Pair::new(None, None),
            capabilities: Capabilities::ALL,
            time_to_live: TIME_TO_LIVE,
            runner: Arc::new(InstantRunner),
            clock: None,
            approver: None,
            answer: Arc::new(client::tell_version),
        }
    }

    /// The name of the cluster; `memory` unless said otherwise.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The slot that has the traffic; blue unless said otherwise. Say it before
    /// [`idle`](Self::idle).
    pub fn live(mut self, live: Color) -> Self {
        self.live = live;
        self
    }

    /// How many pods the live slot has; two unless said otherwise.
    pub fn replicas(mut self, replicas: u32) -> Self {
        self.replicas = replicas;
        self
    }

    /// What the idle slot runs, and in how many pods; the same as live in none unless said
    /// otherwise.
    pub fn idle(mut self, configuration: Configuration, replicas: u32) -> Self {
        match self.live {
            Color::Blue => self.running.green = configuration,
            Color::Green => self.running.blue = configuration,
        }
        self.idle_replicas = replicas;
        self
    }

    /// Gives a slot an autoscaler.
    pub fn autoscaler(mut self, color: Color, autoscaler: Autoscaler) -> Self {
        match color {
            Color::Blue => self.autoscalers.blue = Some(autoscaler),
            Color::Green => self.autoscalers.green = Some(autoscaler),
        }
        self
    }

    /// Which routings the switch can make; every one unless said otherwise.
    pub fn capabilities(mut self, capabilities: Capabilities) -> Self {
        self.capabilities = capabilities;
        self
    }

    /// How long a lease is good without being renewed; 15 seconds unless said otherwise.
    pub fn time_to_live(mut self, time_to_live: Duration) -> Self {
        self.time_to_live = time_to_live;
        self
    }

    /// What starts pods; they are ready at once unless said otherwise.
    pub fn runner(mut self, runner: impl PodRunner + 'static) -> Self {
        self.runner = Arc::new(runner);
        self
    }

    /// The clock of all ports; a [`TokioClock`] unless said otherwise.
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// Who says yes; nobody unless said otherwise.
    pub fn approver(mut self, approver: impl Approver + 'static) -> Self {
        self.approver = Some(Arc::new(approver));
        self
    }

    /// How pods answer. Without it they say 200, with the version in `x-agent-version` and a
    /// body of three pieces with the pod's name.
    pub fn answer(
        mut self,
        answer: impl Fn(&Asked<'_>) -> Result<Response<AnswerBody>> + Send + Sync + 'static,
    ) -> Self {
        self.answer = Arc::new(answer);
        self
    }

    /// The cluster, whose pods are starting, or ready where the runner needs no time.
    pub fn build(self) -> MemoryCluster {
        let Pair { blue, green } = self.running;
        let slot = |color, configuration, autoscaler| SlotWorld {
            color,
            exists: true,
            uid: format!("slot-{color}-0"),
            template: Template::new(configuration, 0),
            wanted: if color == self.live { self.replicas } else { self.idle_replicas },
            pods: Vec::new(),
            epoch: Epoch::default(),
            found: None,
            autoscaler,
            replacing: true,
            problems: Vec::new(),
            caveats: Vec::new(),
            author: None,
        };
        let world = World {
            agent: self.agent.clone(),
            slots: Pair::new(
                slot(Color::Blue, blue, self.autoscalers.blue),
                slot(Color::Green, green, self.autoscalers.green),
            ),
            traffic: Traffic {
                state: ObservedState::Routed(Routing::all(self.live)),
                epoch: Epoch::default(),
                prepared: None,
                follows: true,
                problems: Vec::new(),
                author: None,
            },
            files: std::collections::BTreeMap::new(),
            numbers: 0,
        };
        let cluster = MemoryCluster {
            inner: Arc::new(Inner {
                agent: self.agent,
                name: self.name,
                capabilities: self.capabilities,
                time_to_live: self.time_to_live,
                approver: self.approver,
                world: Mutex::new(world),
                changes: Changes::default(),
                runner: self.runner,
                answer: Mutex::new(self.answer),
                tasks: Mutex::new(JoinSet::new()),
                store: MemoryStore::default(),
                leases: MemoryLeases::default(),
                load: MemoryLoad::default(),
                hooks: Arc::default(),
            }),
            clock: self.clock.unwrap_or_else(|| Arc::new(TokioClock::new())),
        };
        // Nothing is written: the pods that are wanted are missing, and get started.
        cluster.write(|_| ());
        cluster
    }
}

impl fmt::Debug for MemoryClusterBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryClusterBuilder")
            .field("agent", &self.agent)
            .field("live", &self.live)
            .field("replicas", &self.replicas)
            .finish_non_exhaustive()
    }
}
