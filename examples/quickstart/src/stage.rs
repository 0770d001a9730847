//! What all scenes play on: one agent in memory, real pods, a real proxy.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bluegreen_core::memory::MemoryCluster;
use bluegreen_core::{
    Change, Color, Configuration, Container, Pair, PhaseName, Plan, Ports, Progress, Releaser,
    SwitchStrategy, SystemClock,
};
use bluegreen_validate::{ErrorRate, Sampling};
use tokio::sync::watch;

use crate::agent::{Agents, Client};
use crate::gate::Answers;
use crate::load::Questions;
use crate::proxy::Proxy;

pub(crate) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// What the agent is told to do.
pub(crate) const PROMPT: &str = "Name the parcel. Say that it is on its way. Say when it comes.";

/// How long a driver is believed to live without a sign of it. In a cluster it is 15 seconds.
const LEASE: Duration = Duration::from_secs(2);

/// How often guards look while both slots have traffic.
const LOOK: Duration = Duration::from_secs(1);

/// Everything that scenes share.
pub(crate) struct Stage {
    pub(crate) cluster: MemoryCluster,
    pub(crate) agents: Agents,
    pub(crate) proxy: Proxy,
    pub(crate) questions: Questions,
    pub(crate) fast: bool,
}

impl Stage {
    /// Version 1.0.0 is live in two pods.
    pub(crate) fn new(fast: bool) -> Self {
        let mut container = Container::new("registry.example.com/agent-service:1.0.0");
        container.set("PROMPT", PROMPT);
        let live = Configuration::new(BTreeMap::from([("agent".to_owned(), container)]));
        let agents = Agents::default();
        let cluster = MemoryCluster::builder("agent-service", live.with_version("1.0.0"))
            .runner(agents.clone())
            .time_to_live(LEASE)
            .clock(SystemClock)
            .build();
        let proxy = Proxy::new(cluster.clone(), agents.clone());
        Self { cluster, agents, proxy, questions: Questions::default(), fast }
    }

    /// A driver process of its own, and what it tells.
    pub(crate) fn driver(&self, name: &str) -> (Releaser, Log) {
        let client = |color| {
            let (agents, cluster) = (self.agents.clone(), self.cluster.clone());
            Arc::new(Client { agents, cluster, color }) as Arc<dyn bluegreen_core::AgentClient>
        };
        let mut ports: Ports = self.cluster.ports(name).with_load(Arc::new(self.proxy.clone()));
        ports.clients = Pair::from_fn(client);
        let log = Log::default();
        let releaser = Releaser::new(ports).gate(Answers).report(log.reporter());
        (releaser, log)
    }

    /// A driver that compares errors of both slots while both have traffic. A hundred questions a second
    /// don't tell small differences in seconds, so the margin is wide.
    pub(crate) fn canary_driver(&self, name: &str) -> (Releaser, Log) {
        let (releaser, log) = self.driver(name);
        let mut sampling = Sampling::default();
        (sampling.window, sampling.history) = (LOOK / 2, Duration::from_mins(1));
        let guard = ErrorRate::from(self.proxy.errors()).margin(0.1).sampling(sampling);
        (releaser.guard(guard), log)
    }

    /// Traffic in steps, each as long as it takes to tell.
    pub(crate) fn canary(&self) -> Plan {
        let mut plan = self.plan();
        plan.steps = Plan::canary([25, 50, 100]).hold(self.seconds(4, 2)).steps;
        plan.look = LOOK;
        plan
    }

    /// All traffic at once, a short bake, and no waits that only matter in production.
    pub(crate) fn plan(&self) -> Plan {
        let mut plan = Plan::all_at_once().bake(self.seconds(5, 2));
        plan.drain.quiet = Duration::from_secs(1);
        plan.drain.max = Duration::from_secs(10);
        plan.keep_failed = Duration::ZERO;
        plan
    }

    pub(crate) fn seconds(&self, normal: u64, fast: u64) -> Duration {
        Duration::from_secs(if self.fast { fast } else { normal })
    }

    /// The slot whose pods get the requests now.
    pub(crate) async fn live(&self) -> Outcome<Color> {
        let observed = self.cluster.switch().observe().await?;
        Ok(observed.routing().ok_or("the routing is not one of ours")?.live)
    }

    /// Ends every process of a slot. Only a moment later does the cluster say that they are gone,
    /// and it starts no others.
    pub(crate) async fn kill(&self, color: Color) {
        let killed = self.agents.crash(color);
        println!("  !! {killed} pods of {color} were killed");
        tokio::time::sleep(Duration::from_millis(200)).await;
        self.cluster.stop_replacing(color);
        self.cluster.kill_all(color);
    }
}

pub(crate) fn image(version: &str) -> Change {
    Change::image("agent", format!("registry.example.com/agent-service:{version}")).version(version)
}

/// What a driver told, and when. Prints it too.
#[derive(Clone)]
pub(crate) struct Log(Arc<watch::Sender<Vec<(Instant, Progress)>>>);

impl Default for Log {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Vec::new())))
    }
}

impl Log {
    fn reporter(&self) -> impl Fn(&Progress) + Send + Sync + 'static {
        let log = Arc::clone(&self.0);
        move |progress| {
            println!("  {progress}");
            log.send_modify(|told| told.push((Instant::now(), progress.clone())));
        }
    }

    /// Returns once the release is in this phase.
    pub(crate) async fn phase(&self, wanted: PhaseName) {
        let is_there = |told: &Vec<(Instant, Progress)>| {
            told.iter().any(|(_, progress)| is_phase(progress, wanted))
        };
        // The sender lives as long as this log: waiting cannot fail.
        let _ = self.0.subscribe().wait_for(is_there).await;
    }

    /// What a validator has kept at its last look.
    pub(crate) fn state_of(&self, name: &str) -> Option<bytes::Bytes> {
        let told = self.0.borrow();
        told.iter().rev().find_map(|(_, progress)| match progress {
            Progress::Judged { validator, judgement } if validator == name => {
                judgement.state.clone()
            }
            _ => None,
        })
    }

    /// From the decision to switch to the proof that traffic follows.
    pub(crate) fn switch(&self) -> Option<Duration> {
        let told = self.0.borrow();
        let mut told = told.iter();
        let (begun, _) = told.find(|(_, it)| is_phase(it, PhaseName::Shifting))?;
        let (done, _) = told.find(|(_, it)| matches!(it, Progress::Shifted { .. }))?;
        Some(done.duration_since(*begun))
    }
}

fn is_phase(progress: &Progress, wanted: PhaseName) -> bool {
    matches!(progress, Progress::Entered { phase, .. } if *phase == wanted)
}

#[cfg(test)]
mod tests {
    use bluegreen_core::{Evidence, EvidenceKind, Routing, Timestamp};

    use super::*;

    #[test]
    fn a_switch_lasts_from_the_decision_to_the_proof() {
        let log = Log::default();
        let tell = log.reporter();
        let entered = |phase| Progress::Entered {
            release: "r".into(),
            phase,
            since: Timestamp::default(),
            deadline: None,
        };
        tell(&entered(PhaseName::Deploying));
        assert_eq!(log.switch(), None);
        tell(&entered(PhaseName::Shifting));
        assert_eq!(log.switch(), None, "there is no proof yet");
        tell(&Progress::Shifted {
            routing: Routing::all(Color::Green),
            evidence: Evidence::new(EvidenceKind::Endpoints, "seen"),
            took: Duration::ZERO,
        });
        let told = log.0.borrow().iter().map(|(at, _)| *at).collect::<Vec<_>>();
        assert_eq!(log.switch(), Some(told[2] - told[1]));
    }
}
