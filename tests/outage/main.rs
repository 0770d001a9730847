//! Releases while a program of the cluster is away. `tests/outage/run` gives each test a cluster of its
//! own; on one cluster they run one after another:
//!
//! ```console
//! $ tests/cluster/with outage -- cargo test -p bluegreen-tests --test outage -- --test-threads=1
//! ```

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod phases;

use std::time::Instant;

use bluegreen_core::{
    Color, ErrorKind, EvidenceKind, OperationError, Outcome, PhaseName, Plan, Reason, Slot as _,
};
use bluegreen_kube::Cluster;
use bluegreen_tests::{
    Agent, Load, Outage, Release, SERVICE, change, plan, reaches, reason, seconds,
};

/// An agent that answers through its Service, on a cluster that has got over the last outage.
async fn answering() -> Agent {
    Outage::forget();
    Agent::new().await
}

/// A release in its bake, under load, when the traffic has really followed.
async fn baking(plan: Plan) -> (Agent, Cluster, Release, Load) {
    let agent = answering().await;
    let cluster = agent.cluster("one").await;
    let plan = plan.evidence(EvidenceKind::answers(20));
    let release = bluegreen_tests::baking(&cluster, plan).await;
    let load = Load::start(agent.address());
    (agent, cluster, release, load)
}

/// Longer than a call to the API server may take, and than a lease lasts.
async fn a_while() {
    tokio::time::sleep(seconds(20)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_api_server_nothing_begins() {
    let agent = answering().await;
    let cluster = agent.cluster("one").await;
    let green = cluster.slot(Color::Green).state().await.unwrap();
    let load = Load::start(agent.address());
    for make in [Outage::crash as fn(&'static str) -> Outage, Outage::freeze] {
        let outage = make("kube-apiserver");
        let began = Instant::now();
        let (refused, unknown) = tokio::join!(
            async { cluster.releaser().run(change("1.3.0"), &plan(seconds(2))).await },
            agent.builder("two").connect(),
        );
        let took = began.elapsed();
        outage.end();
        assert!(took < seconds(15), "a person waits for it: {took:?}");
        let (refused, unknown) = (refused.unwrap_err(), unknown.unwrap_err());
        let OperationError::Port(error) = &refused else { panic!("{refused}") };
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{}", error.chain());
        assert!(error.chain().contains("configmap"), "it names the object: {}", error.chain());
        let said = bluegreen_core::chain(&unknown);
        assert!(said.contains("read service") && said.contains(SERVICE), "{said}");
    }
    assert_eq!(cluster.operations().status().await.unwrap().record, None, "nothing has begun");
    assert_eq!(cluster.slot(Color::Green).state().await.unwrap(), green);
    assert_eq!(agent.live().await, Some(Color::Blue));
    let tally = load.stop().await;
    assert!(tally.failures.is_empty(), "{tally}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deaf_api_server_delays_a_release_and_no_more() {
    let (agent, _, release, load) = baking(plan(seconds(10))).await;
    let outage = Outage::freeze("kube-apiserver");
    a_while().await;
    assert!(!release.is_finished(), "nobody can tell that all is well");
    outage.end();
    assert_eq!(release.await.unwrap().unwrap(), Outcome::Released);
    let tally = load.stop().await;
    assert!(tally.failures.is_empty(), "{tally}");
    assert_eq!(agent.live().await, Some(Color::Green));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_that_nobody_could_see_brings_traffic_back_once_it_is_seen() {
    let (agent, cluster, release, load) = baking(plan(seconds(10))).await;
    let pods = agent.pods(Color::Green).await;
    let outage = Outage::crash("kube-apiserver");
    for pod in &pods {
        agent.crash(pod).await;
    }
    a_while().await;
    outage.end();
    let Reason::Unfit { message } = reason(release.await.unwrap().unwrap()) else {
        panic!("another reason")
    };
    assert!(message.contains("pod-health"), "{message}");
    load.stop().await;
    assert_eq!(agent.live().await, Some(Color::Blue));
    let green = cluster.slot(Color::Green).state().await.unwrap();
    assert_eq!((green.replicas.wanted, green.open), (0, false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_deaf_delays_a_release_and_no_more() {
    let (agent, _, release, load) = baking(plan(seconds(10))).await;
    let outage = Outage::freeze("etcd");
    a_while().await;
    outage.end();
    assert_eq!(release.await.unwrap().unwrap(), Outcome::Released);
    let tally = load.stop().await;
    assert!(tally.failures.is_empty(), "{tally}");
    assert_eq!(agent.live().await, Some(Color::Green));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn traffic_that_does_not_follow_is_noticed_and_taken_back() {
    let agent = answering().await;
    let cluster = agent.cluster("one").await;
    let mut plan = plan(seconds(10)).evidence(EvidenceKind::answers(20));
    plan.converge = seconds(5);
    plan.keep_failed = seconds(10);
    let load = Load::start(agent.address());
    // The endpoints are right, and no node hears of it.
    let outage = Outage::freeze("kube-proxy");
    let releaser = cluster.releaser();
    let mut release = tokio::spawn(async move { releaser.run(change("1.3.0"), &plan).await });
    tokio::select! {
        () = reaches(&cluster, PhaseName::KeepingFailed) => {}
        ended = &mut release => panic!("it should keep the candidate: {ended:?}"),
    }
    // The node now hears of both moves, one after the other, and may follow each of them.
    outage.end();
    let outcome = release.await.unwrap().unwrap();
    let Reason::Failed { message } = reason(outcome) else { panic!("another reason") };
    assert!(message.contains("traffic did not follow"), "{message}");
    let tally = load.stop().await;
    assert!(tally.failures.is_empty(), "{tally}");
    assert_eq!(agent.live().await, Some(Color::Blue));
}
