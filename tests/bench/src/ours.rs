//! A release by the library, without a gate and with one, and its way back.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bluegreen_core::{
    Change, Color, Digest, Judgement, Outcome, PhaseName, Plan, Problem, Progress, Releaser,
    Result, Trial, Validator, Verdict,
};
use bluegreen_kube::Cluster;
use bluegreen_tests::{Agent, Manifests, SERVICE, image};
use bluegreen_validate::Smoke;
use tokio::sync::watch;

use crate::alone::alone;
use crate::floor::{QUIET, count, remove};
use crate::sampler::Sampler;
use crate::sight::Sight;
use crate::table::{FOLLOWED, FOLLOWED_FROM_NOTHING, REVERTED, REVERTED_FROM_NOTHING, Table};
use crate::traced::{Calls, traced};

/// An agent that is about to be released, and everything that looks at it.
pub(crate) struct Scene {
    agent: Agent,
    pub(crate) cluster: Cluster,
    calls: Calls,
    pub(crate) sight: Sight,
    pub(crate) sampler: Sampler,
}

impl Scene {
    async fn new() -> Self {
        Self::of(Manifests::shipped()).await
    }

    pub(crate) async fn of(manifests: Manifests) -> Self {
        alone().await;
        let agent = Agent::of(manifests).await;
        let (client, calls) = traced(agent.client(), agent.namespace().name());
        let builder = Cluster::builder(client, agent.namespace().name(), SERVICE);
        let cluster = builder.connect().await.unwrap();
        let (sight, sampler) = (Sight::start(&agent), Sampler::start(agent.address()));
        sight.selected("blue", Instant::now().checked_sub(QUIET).unwrap()).await;
        tokio::time::sleep(QUIET).await;
        Self { agent, cluster, calls, sight, sampler }
    }

    /// When traffic was moved: the last patch of the live Service.
    pub(crate) fn patched(&self, since: Instant) -> Instant {
        let calls = self.calls.since(since);
        calls.iter().rfind(|call| call.patches(SERVICE)).expect("a patch of the Service").at
    }

    fn requests(&self, since: Instant) -> f64 {
        count(self.calls.since(since).iter().filter(|call| !call.is_heartbeat()).count())
    }
}

pub(crate) fn plan(bake: Duration) -> Plan {
    let mut plan = Plan::all_at_once().bake(bake);
    plan.drain.quiet = Duration::from_secs(3);
    plan.keep_failed = Duration::ZERO;
    plan
}

fn change() -> Change {
    Change::image("agent", image("1.3.0")).version("1.3.0")
}

/// A releaser, and the phase that it is in.
fn watched(releaser: Releaser) -> (Releaser, watch::Receiver<PhaseName>) {
    let (tell, phase) = watch::channel(PhaseName::Preflight);
    let releaser = releaser.report(move |progress: &Progress| {
        if let Progress::Entered { phase, .. } = progress {
            tell.send_replace(*phase);
        }
    });
    (releaser, phase)
}

pub(crate) async fn measure(table: &mut Table) {
    for gate in [Gate::None, Gate::Check, Gate::Slow] {
        Box::pin(forward(table, gate)).await;
    }
    Box::pin(back(table, false)).await;
    Box::pin(back(table, true)).await;
    Box::pin(back_from_nothing(table)).await;
}

/// The way back alone, with a candidate and without one.
pub(crate) async fn measure_back(table: &mut Table) {
    Box::pin(back(table, false)).await;
    Box::pin(back_from_nothing(table)).await;
}

/// What has to pass before traffic.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Gate {
    None,
    /// One HTTP request to every pod.
    Check,
    /// Something that takes as long as the cluster needs to get over new pods, as most gates do.
    Slow,
}

/// A gate that takes its time.
struct Slow;

#[async_trait]
impl Validator for Slow {
    fn name(&self) -> &'static str {
        "slow"
    }

    fn config_digest(&self) -> Digest {
        Digest::of(["slow"])
    }

    async fn check(&self, _: &Plan) -> Result<Vec<Problem>> {
        Ok(Vec::new())
    }

    async fn judge(&self, _: &Trial) -> Result<Judgement> {
        tokio::time::sleep(QUIET).await;
        Ok(Judgement::new(Verdict::Pass, "its time is over"))
    }
}

async fn forward(table: &mut Table, gate: Gate) {
    let scene = Scene::new().await;
    let evident = Arc::new(OnceLock::new());
    let told = evident.clone();
    let mut releaser = scene.cluster.releaser().report(move |progress: &Progress| {
        if matches!(progress, Progress::Shifted { .. }) {
            told.get_or_init(Instant::now);
        }
    });
    match gate {
        Gate::None => {}
        Gate::Check => releaser = releaser.gate(Smoke::get("/readyz")),
        Gate::Slow => releaser = releaser.gate(Slow),
    }
    let begun = Instant::now();
    let outcome = releaser.run(change(), &plan(QUIET)).await.unwrap();
    assert_eq!(outcome, Outcome::Released);
    let (made, ready) = scene.sight.three_ready("1.3.0", begun).await;
    table.add_time("command → first pod of the candidate, ms", "ours", made - begun);
    let patched = scene.patched(begun);
    let to_patch = patched.saturating_duration_since(ready);
    let last = scene.sampler.last_answer("1.2.0", patched);
    let row = match gate {
        Gate::None => {
            table.add_time("pods ready → switch PATCH, no gate, ms", "ours", to_patch);
            "switch PATCH → last old answer, ms"
        }
        Gate::Check => {
            table.add_time("pods ready → switch PATCH, one HTTP check, ms", "ours", to_patch);
            "switch PATCH → last old answer, ms"
        }
        Gate::Slow => "… after a gate of 2.5 s, as the floor waits, ms",
    };
    table.add_time(row, "ours", last);
    table.add_time("command → all idle pods ready, ms", "ours", ready - begun);
    let listed = scene.sight.only("green", patched).await;
    let evident = *evident.get().expect("evidence that traffic follows");
    let late = evident.saturating_duration_since(listed);
    table.add_time("last EndpointSlice update → our evidence, ms", "ours", late);
    if gate == Gate::Check {
        let requests = scene.requests(begun);
        table.add("API requests of a release, without heartbeat", "ours", requests);
    }
    table.add("requests that failed", "ours", count(scene.sampler.failed()));
    scene.calls.print(begun);
    let at = |time: Instant| (time - begun).as_secs_f64() * 1_000.0;
    eprintln!("ready {:.1} ms, patched {:.1} ms", at(ready), at(patched));
}

async fn back(table: &mut Table, soon: bool) {
    let scene = Scene::new().await;
    let (releaser, mut phase) = watched(scene.cluster.releaser());
    // Connected before it is needed, as somebody who watches a release is.
    let (client, calls) = traced(scene.agent.client(), scene.agent.namespace().name());
    let builder = Cluster::builder(client, scene.agent.namespace().name(), SERVICE);
    let other = builder.holder("ann").connect().await.unwrap();
    let release =
        tokio::spawn(async move { releaser.run(change(), &plan(Duration::from_mins(1))).await });
    phase.wait_for(|phase| *phase == PhaseName::Baking).await.unwrap();
    // Without an answer of the bad version there is no last one.
    scene.sampler.answered_by("1.3.0").await;
    if !soon {
        tokio::time::sleep(QUIET).await;
    }
    let begun = Instant::now();
    other.operations().rollback("ann", "wrong refunds").await.unwrap();
    tokio::time::sleep(QUIET).await;
    let last = scene.sampler.last_answer("1.3.0", begun);
    let row = if soon {
        "… within a second of the switch, ms"
    } else {
        "rollback() → last answer of the bad version, ms"
    };
    table.add_time(row, "ours", last);
    if !soon {
        let written = calls.written(SERVICE, begun).expect("a PATCH back");
        table.add_time(REVERTED, "ours", written - begun);
        table.add_time(FOLLOWED, "ours", scene.sight.only("blue", begun).await - begun);
    }
    table.add("requests that failed", "ours", count(scene.sampler.failed()));
    calls.print(begun);
    release.await.unwrap().unwrap();
}

/// The same where nothing is left of the candidate, and nobody drives the release any more.
async fn back_from_nothing(table: &mut Table) {
    let scene = Scene::new().await;
    let (releaser, mut phase) = watched(scene.cluster.releaser());
    let (client, calls) = traced(scene.agent.client(), scene.agent.namespace().name());
    let builder = Cluster::builder(client, scene.agent.namespace().name(), SERVICE);
    let other = builder.holder("ann").connect().await.unwrap();
    let release =
        tokio::spawn(async move { releaser.run(change(), &plan(Duration::from_mins(1))).await });
    phase.wait_for(|phase| *phase == PhaseName::Baking).await.unwrap();
    scene.sampler.answered_by("1.3.0").await;
    release.abort();
    drop(release.await);
    remove(&scene.agent, Color::Green).await;
    tokio::time::sleep(QUIET).await;
    let begun = Instant::now();
    other.operations().rollback("ann", "it is gone").await.unwrap();
    tokio::time::sleep(QUIET).await;
    let last = scene.sampler.last_failure(begun);
    table.add_time("… with no candidate left → last failed request, ms", "ours", last);
    let written = calls.written(SERVICE, begun).expect("a PATCH back");
    table.add_time(REVERTED_FROM_NOTHING, "ours", written - begun);
    table.add_time(FOLLOWED_FROM_NOTHING, "ours", scene.sight.only("blue", begun).await - begun);
    calls.print(begun);
}

/// How many requests a release makes while it holds.
pub(crate) async fn hold(table: &mut Table) {
    let scene = Scene::new().await;
    let (releaser, mut phase) = watched(scene.cluster.releaser());
    let release =
        tokio::spawn(async move { releaser.run(change(), &plan(Duration::from_secs(40))).await });
    phase.wait_for(|phase| *phase == PhaseName::Baking).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let begun = Instant::now();
    tokio::time::sleep(Duration::from_secs(30)).await;
    let requests = scene.requests(begun);
    table.add("API requests in 30 s of holding, without heartbeat", "ours", requests);
    release.await.unwrap().unwrap();
}
