//! Everything that a release acts through, in one place.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::{
    AgentClient, AgentName, Approver, Clock, Color, HookRunner, Liveness, Load, ReleaseStore, Slot,
    SwitchStrategy, SystemClock, Throttle,
};

/// For how long a watch that says nothing is believed unless said otherwise.
const TRUST: Duration = crate::clock::minutes(1);

/// One thing for each slot.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Pair<T> {
    /// That of the blue slot.
    pub blue: T,
    /// That of the green slot.
    pub green: T,
}

impl<T> Pair<T> {
    /// One for each slot.
    pub fn new(blue: T, green: T) -> Self {
        Self { blue, green }
    }

    /// One for each slot, made from its color.
    pub fn from_fn(mut make: impl FnMut(Color) -> T) -> Self {
        Self { blue: make(Color::Blue), green: make(Color::Green) }
    }

    /// That of one slot.
    pub fn of(&self, color: Color) -> &T {
        match color {
            Color::Blue => &self.blue,
            Color::Green => &self.green,
        }
    }
}

/// Everything that a release acts through: the two slots and ways to talk to them, the switch,
/// the store, the process's lease, the clock.
#[derive(Clone)]
#[non_exhaustive]
pub struct Ports {
    /// What is released.
    pub agent: AgentName,
    /// Where, by the name that its users gave it. Part of every record.
    pub cluster: String,
    /// The namespace of the agent, where there are namespaces. For metrics and traces.
    pub namespace: Option<String>,
    /// The environment variable from which agents read their own version.
    pub version_env: String,
    /// The slots.
    pub slots: Pair<Arc<dyn Slot>>,
    /// How validators talk to the slots.
    pub clients: Pair<Arc<dyn AgentClient>>,
    /// What moves traffic.
    pub switch: Arc<dyn SwitchStrategy>,
    /// Where records are kept.
    pub store: Arc<dyn ReleaseStore>,
    /// The lease of this process.
    pub liveness: Arc<dyn Liveness>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What counts work in hand, if something does.
    pub load: Option<Arc<dyn Load>>,
    /// Who says yes, if not a person through `approve`.
    pub approver: Option<Arc<dyn Approver>>,
    /// What runs the hooks of plans, if something does.
    pub hooks: Option<Arc<dyn HookRunner>>,
    /// For how long a watch that says nothing is believed, before what it watches is read: a
    /// connection can be dead without a word.
    pub trust: Duration,
    /// What many releases of this process share so that they go on in turns, if they do.
    pub throttle: Option<Throttle>,
}

impl Ports {
    /// Everything that there must be, on the machine's clock.
    pub fn new(
        agent: AgentName,
        slots: Pair<Arc<dyn Slot>>,
        clients: Pair<Arc<dyn AgentClient>>,
        switch: Arc<dyn SwitchStrategy>,
        store: Arc<dyn ReleaseStore>,
        liveness: Arc<dyn Liveness>,
    ) -> Self {
        Self {
            agent,
            cluster: "default".to_owned(),
            namespace: None,
            version_env: "AGENT_VERSION".to_owned(),
            slots,
            clients,
            switch,
            store,
            liveness,
            clock: Arc::new(SystemClock),
            load: None,
            approver: None,
            hooks: None,
            trust: TRUST,
            throttle: None,
        }
    }

    /// Another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The name of the cluster.
    #[must_use]
    pub fn with_cluster(mut self, cluster: impl Into<String>) -> Self {
        self.cluster = cluster.into();
        self
    }

    /// The namespace of the agent.
    #[must_use]
    pub fn with_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// The environment variable from which agents read their own version.
    #[must_use]
    pub fn with_version_env(mut self, version_env: impl Into<String>) -> Self {
        self.version_env = version_env.into();
        self
    }

    /// What counts work in hand.
    #[must_use]
    pub fn with_load(mut self, load: Arc<dyn Load>) -> Self {
        self.load = Some(load);
        self
    }

    /// Who says yes.
    #[must_use]
    pub fn with_approver(mut self, approver: Arc<dyn Approver>) -> Self {
        self.approver = Some(approver);
        self
    }

    /// What runs the hooks of plans.
    #[must_use]
    pub fn with_hooks(mut self, hooks: Arc<dyn HookRunner>) -> Self {
        self.hooks = Some(hooks);
        self
    }

    /// For how long a watch that says nothing is believed; a minute unless said otherwise. Longer
    /// where whoever keeps the watches finds out by himself that one is dead.
    #[must_use]
    pub fn with_trust(mut self, trust: Duration) -> Self {
        self.trust = trust;
        self
    }

    /// Lets releases of this process go on in turns.
    #[must_use]
    pub fn with_throttle(mut self, throttle: Throttle) -> Self {
        self.throttle = Some(throttle);
        self
    }
}

impl fmt::Debug for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ports")
            .field("agent", &self.agent)
            .field("cluster", &self.cluster)
            .field("switch", &self.switch.name())
            .finish_non_exhaustive()
    }
}
