//! Workers without a Service, of which one slot has the right to pull.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bluegreen_core::{Color, Outcome, PhaseName, Plan, Progress, Reason};
use bluegreen_kube::{Cluster, ClusterBuilder};
use bluegreen_tests::{Agent, Manifests, QUEUE, Queue, SERVICE, change, plan, reason, seconds};
use bluegreen_validate::{PodLoad, Smoke};
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use kube::api::DeleteParams;
use serde_json::json;

const DOCUMENT: &str = include_str!("../../docs/queue-workers.md");
const OLD: &str = "1.2.0";
const NEW: &str = "1.3.0";

/// Workers of two pods in blue, and a queue that is fed.
struct Workers {
    agent: Agent,
    queue: Queue,
}

impl Workers {
    /// With the manifests that the guide to workers gives. Where they mount the right it is there already,
    /// else `init` gives it: to wait for the kubelet once is long enough.
    async fn new(is_mounted: bool) -> Self {
        let namespace = bluegreen_tests::Namespace::new().await;
        let queue = Queue::start(namespace.access()).await;
        let shipped = Manifests::shipped().sized(2, 0).pulling(&queue.url(), is_mounted);
        let mut manifests = shipped.and(Manifests::told(DOCUMENT));
        if is_mounted {
            manifests = manifests.with(json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": QUEUE}, "data": {"pull": "blue"},
            }));
        }
        let agent = Agent::of(manifests).await;
        agent.api::<Service>().delete(SERVICE, &DeleteParams::default()).await.unwrap();
        let name = agent.namespace().name();
        let account = agent.namespace().access().account(name, "agent-worker").await;
        queue.right_from(account.client(), name);
        let workers = Self { agent, queue };
        let done = workers.cluster("first").await.init().await.unwrap();
        assert_eq!(done.len(), usize::from(!is_mounted), "{done:?}");
        workers
    }

    fn builder(&self, holder: &str) -> ClusterBuilder {
        let namespace = self.agent.namespace().name();
        Cluster::builder(self.agent.client(), namespace, "agent")
            .queue(QUEUE)
            .holder(holder)
            .pulling(|ports| PodLoad::metrics(ports, "/metrics", ["agent_pulling"]))
            .load(|ports| PodLoad::metrics(ports, "/metrics", ["agent_inflight_requests"]))
    }

    async fn cluster(&self, holder: &str) -> Cluster {
        self.builder(holder).connect().await.unwrap()
    }

    async fn right(&self) -> String {
        let map = self.agent.api::<ConfigMap>().get(QUEUE).await.unwrap();
        map.data.unwrap()["pull"].clone()
    }

    /// Nothing was lost, and nothing done twice.
    async fn all_is_done_once(&self) {
        let (often, count) = self.queue.drained().await;
        assert_eq!(often, [0; 0], "{count} items");
        println!("{count} items were done once each");
    }
}

/// What each version had taken by then, and what was told.
#[derive(Clone, Debug)]
struct Taken {
    old: u64,
    new: u64,
    told: String,
}

/// What each version had taken when something was told.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<BTreeMap<String, Taken>>>);

impl Seen {
    fn at(&self, what: &str) -> Taken {
        self.0.lock().unwrap()[what].clone()
    }
}

/// A release of the new version, and what both had taken at the beginning and the end of the shift.
async fn release(workers: &Workers, cluster: &Cluster, plan: &Plan) -> (Outcome, Seen) {
    let (seen, tally) = (Seen::default(), workers.queue.tally());
    let noting = seen.clone();
    let releaser = cluster.releaser().report(move |progress: &Progress| {
        let (what, told) = match progress {
            Progress::Entered { phase: PhaseName::Shifting, .. } => ("begun", String::new()),
            Progress::Shifted { evidence, took, .. } => {
                println!("workers followed after {took:?}: {evidence}");
                ("shifted", evidence.detail.clone())
            }
            _ => return,
        };
        let taken = Taken { old: tally(OLD), new: tally(NEW), told };
        noting.0.lock().unwrap().insert(what.to_owned(), taken);
    });
    (releaser.run(change(NEW), plan).await.unwrap(), seen)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_item_is_done_once_while_a_release_moves_the_right() {
    let workers = Workers::new(false).await;
    let cluster = workers.cluster("one").await;
    let feeding = workers.queue.feed();
    workers.queue.goes_on(20).await;
    let (outcome, seen) = release(&workers, &cluster, &plan(seconds(2))).await;
    assert_eq!(outcome, Outcome::Released);
    workers.queue.goes_on(20).await;
    drop(feeding);
    workers.all_is_done_once().await;
    let (early, Taken { old, told: evidence, .. }) = (seen.at("begun").new, seen.at("shifted"));
    assert_eq!(early, 0, "the candidate takes nothing before the switch");
    assert_eq!(workers.queue.taken_by(OLD), old, "the old one takes nothing after it");
    assert!(workers.queue.taken_by(NEW) > 0);
    assert!(evidence.starts_with("configmap agent-queue: green 100 %; "), "{evidence}");
    assert!(evidence.ends_with(" of green pull, nobody of blue pulls"), "{evidence}");
    assert_eq!(workers.right().await, "green");
    workers.agent.is_retired(Color::Blue).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollback_gives_the_right_back_by_one_write() {
    let workers = Workers::new(false).await;
    let cluster = workers.cluster("one").await;
    let feeding = workers.queue.feed();
    let release = bluegreen_tests::baking(&cluster, plan(seconds(60))).await;
    workers.queue.goes_on(20).await;
    assert_eq!(workers.right().await, "green");
    let (begun, taken) = (Instant::now(), workers.queue.taken_by(OLD));
    workers.cluster("two").await.operations().rollback("ann", "wrong refunds").await.unwrap();
    assert_eq!(workers.right().await, "blue");
    println!("the right was back after {:?}", begun.elapsed());
    assert!(matches!(release.await.unwrap().unwrap(), Outcome::RolledBack { .. }));
    let new = workers.queue.taken_by(NEW);
    workers.queue.goes_on(20).await;
    drop(feeding);
    workers.all_is_done_once().await;
    assert!(workers.queue.taken_by(OLD) > taken);
    assert_eq!(workers.queue.taken_by(NEW), new, "the candidate takes nothing after it");
    workers.agent.is_retired(Color::Green).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_gate_leaves_live_pulling() {
    let workers = Workers::new(false).await;
    let cluster = workers.cluster("one").await;
    let feeding = workers.queue.feed();
    let releaser = cluster.releaser().gate(Smoke::get("/nowhere"));
    let outcome = releaser.run(change(NEW), &plan(seconds(2))).await.unwrap();
    assert!(matches!(reason(outcome), Reason::Unfit { .. }));
    assert_eq!(workers.right().await, "blue");
    workers.queue.goes_on(20).await;
    drop(feeding);
    workers.all_is_done_once().await;
    assert_eq!(workers.queue.taken_by(NEW), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_candidate_that_does_not_keep_to_the_right_is_put_back() {
    let workers = Workers::new(false).await;
    let cluster = workers.cluster("one").await;
    let feeding = workers.queue.feed();
    // It takes itself for the other slot.
    let change = change(NEW).env("AGENT_SLOT", "blue");
    let mut plan = plan(seconds(2));
    // It is never quiet while there is work.
    plan.drain.max = seconds(5);
    let outcome = cluster.releaser().run(change, &plan).await.unwrap();
    let Reason::Failed { message } = reason(outcome) else { panic!("another reason") };
    // It may be ready before it has read the right for the first time. Then it shows what it takes
    // itself for only after the switch: nobody of its slot pulls.
    let is_seen = message.contains("of green that pull, wanted none");
    assert!(is_seen || message.contains("traffic did not follow"), "{message}");
    assert_eq!(workers.right().await, "blue");
    workers.agent.is_retired(Color::Green).await;
    drop(feeding);
    workers.all_is_done_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_that_mount_the_right_hear_of_it_when_the_kubelet_does() {
    let workers = Workers::new(true).await;
    let feeding = workers.queue.feed();
    workers.queue.goes_on(20).await;
    let cluster = workers.cluster("one").await;
    let mut plan = plan(seconds(2));
    plan.converge = Duration::from_mins(3);
    let begun = Instant::now();
    let (outcome, seen) = release(&workers, &cluster, &plan).await;
    println!("a release of workers that mount the right took {:?}", begun.elapsed());
    assert_eq!(outcome, Outcome::Released);
    drop(feeding);
    workers.all_is_done_once().await;
    assert_eq!(seen.at("begun").new, 0, "the candidate takes nothing before the switch");
    assert_eq!(workers.queue.taken_by(OLD), seen.at("shifted").old);
}

#[tokio::test]
async fn what_stands_in_the_way_of_workers_is_said_before_anything_is_touched() {
    let workers = Workers::new(false).await;
    let cluster = workers.cluster("one").await;
    let found = cluster.releaser().check(&change(NEW), &plan(seconds(1))).await.unwrap();
    assert!(!found.iter().any(bluegreen_core::Problem::is_refusal), "{found:#?}");
    let canary = Plan::canary([5]);
    let found = cluster.releaser().check(&change(NEW), &canary).await.unwrap();
    assert!(found.iter().any(|it| it.code == "beyond-capabilities"), "{found:#?}");
    let maps = workers.agent.api::<ConfigMap>();
    maps.delete(QUEUE, &DeleteParams::default()).await.unwrap();
    let found = cluster.releaser().check(&change(NEW), &plan(seconds(1))).await.unwrap();
    let codes: Vec<_> = found.iter().filter(|it| it.is_refusal()).map(|it| &it.code).collect();
    assert_eq!(codes, ["no-right"], "{found:#?}");
    let done = cluster.init().await.unwrap();
    assert_eq!(done.len(), 1, "{done:?}");
    assert_eq!(workers.right().await, "blue");
}
