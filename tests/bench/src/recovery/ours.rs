//! A release by the library.

use std::time::{Duration, Instant};

use bluegreen_core::{Change, OperationError, Outcome, PhaseName, Plan, Progress};
use bluegreen_kube::Cluster;
use bluegreen_tests::{Agent, Manifests, SERVICE, image};
use bluegreen_validate::PodLoad;
use kube::api::ListParams;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{NEW, Peer};
use crate::traced::{Calls, traced};

/// An agent with a process that releases it, and another that looks on.
pub(super) struct Ours {
    agent: Agent,
    cluster: Cluster,
    other: Cluster,
    /// What the other one asked for.
    calls: Calls,
    release: Option<JoinHandle<Result<Outcome, OperationError>>>,
    /// The phase that the release has entered, and when.
    phase: watch::Receiver<(PhaseName, Instant)>,
}

impl Ours {
    async fn connect(agent: &Agent, holder: &str) -> (Cluster, Calls) {
        let namespace = agent.namespace().name();
        let (client, calls) = traced(agent.client(), namespace);
        let metrics = ["agent_inflight_requests"];
        let builder = Cluster::builder(client, namespace, SERVICE).holder(holder);
        let builder = builder.load(move |ports| PodLoad::metrics(ports, "/metrics", metrics));
        (builder.connect().await.unwrap(), calls)
    }

    /// When it decided to go back.
    pub(super) async fn decided(&mut self) -> Instant {
        let limit = Duration::from_mins(1);
        let going = self.phase.wait_for(|(phase, _)| *phase == PhaseName::Returning);
        tokio::time::timeout(limit, going).await.expect("it decides").unwrap().1
    }
}

impl Peer for Ours {
    const NAME: &'static str = "ours";

    async fn start() -> Self {
        let agent = Agent::of(Manifests::shipped()).await;
        let (cluster, _) = Self::connect(&agent, "driver").await;
        let (other, calls) = Self::connect(&agent, "ann").await;
        let (_, phase) = watch::channel((PhaseName::Preflight, Instant::now()));
        Self { agent, cluster, other, calls, release: None, phase }
    }

    fn agent(&self) -> &Agent {
        &self.agent
    }

    async fn release(&mut self) {
        let (tell, phase) = watch::channel((PhaseName::Preflight, Instant::now()));
        self.phase = phase;
        let releaser = self.cluster.releaser().report(move |progress: &Progress| {
            if let Progress::Entered { phase, .. } = progress {
                tell.send_replace((*phase, Instant::now()));
            }
        });
        let mut plan = Plan::all_at_once().bake(Duration::from_secs(30));
        plan.drain.quiet = Duration::from_secs(3);
        plan.keep_failed = Duration::ZERO;
        let change = Change::image("agent", image(NEW)).version(NEW);
        self.release = Some(tokio::spawn(async move { releaser.run(change, &plan).await }));
        let baking = self.phase.wait_for(|(phase, _)| *phase == PhaseName::Baking);
        tokio::time::timeout(Duration::from_mins(1), baking).await.expect("a bake").unwrap();
    }

    async fn alone(&mut self) {
        if let Some(release) = self.release.take() {
            release.abort();
            drop(release.await);
        }
    }

    async fn back(&self) {
        let begun = Instant::now();
        self.other.operations().rollback("ann", "its database is gone").await.unwrap();
        self.calls.print(begun);
    }

    fn new_pods(&self) -> ListParams {
        ListParams::default().labels(&format!("app={SERVICE},slot=green"))
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        if let Some(release) = &self.release {
            release.abort();
        }
    }
}
