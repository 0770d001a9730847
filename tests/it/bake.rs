//! What goes wrong after the switch: traffic goes back.

use bluegreen_core::{Color, EvidenceKind, Outcome, PhaseName, Reason, Slot as _};
use bluegreen_tests::{Agent, Load, SERVICE, change, plan, reaches, reason, seconds};
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::ResourceExt as _;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_crash_of_a_candidate_brings_traffic_back() {
    crash(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_of_every_candidate_brings_traffic_back() {
    crash(3).await;
}

#[tokio::test]
async fn traffic_moved_back_by_hand_ends_the_release() {
    let agent = Agent::new().await;
    let cluster = agent.cluster("one").await;
    let releaser = cluster.releaser();
    let release =
        tokio::spawn(async move { releaser.run(change("1.3.0"), &plan(seconds(60))).await });
    reaches(&cluster, PhaseName::Baking).await;
    let patch = Patch::Merge(json!({"spec": {"selector": {"slot": "blue"}}}));
    agent.api::<Service>().patch(SERVICE, &PatchParams::default(), &patch).await.unwrap();

    let outcome = release.await.unwrap().unwrap();
    assert!(matches!(reason(outcome), Reason::External { .. }));
    assert_eq!(agent.live().await, Some(Color::Blue));
    let green = cluster.slot(Color::Green).state().await.unwrap();
    assert_eq!((green.replicas.wanted, green.open), (0, false), "the candidate is put back");
}

#[tokio::test]
async fn a_candidate_that_is_evicted_and_replaced_does_not_end_the_release() {
    let agent = Agent::new().await;
    let cluster = agent.cluster("one").await;
    let releaser = cluster.releaser();
    let release =
        tokio::spawn(async move { releaser.run(change("1.3.0"), &plan(seconds(10))).await });
    reaches(&cluster, PhaseName::Baking).await;
    let evicted = agent.pods(Color::Green).await[0].name_any();
    agent.api::<Pod>().delete(&evicted, &DeleteParams::default()).await.unwrap();
    assert_eq!(release.await.unwrap().unwrap(), Outcome::Released);
    let pods = agent.pods(Color::Green).await;
    assert_eq!(pods.len(), 3);
    assert!(pods.iter().all(|pod| pod.name_any() != evicted));
}

/// Ends the processes in so many pods of a candidate that has the traffic.
async fn crash(count: usize) {
    let agent = Agent::new().await;
    let cluster = agent.cluster("one").await;
    let releaser = cluster.releaser();
    // So that traffic has really followed when the bake begins.
    let plan = plan(seconds(60)).evidence(EvidenceKind::answers(20));
    let release = tokio::spawn(async move { releaser.run(change("1.3.0"), &plan).await });
    reaches(&cluster, PhaseName::Baking).await;
    let mut load = Load::start(agent.address());
    load.answered_by("1.3.0").await;

    let pods = agent.pods(Color::Green).await;
    assert_eq!(pods.len(), 3);
    for pod in &pods[..count] {
        agent.crash(pod).await;
    }
    let began = std::time::Instant::now();
    load.answered_by("1.2.0").await;
    let took = began.elapsed();
    assert!(took < seconds(20), "traffic was back after {took:?} only");
    load.stop().await;
    let Reason::Unfit { message } = reason(release.await.unwrap().unwrap()) else {
        panic!("another reason")
    };
    assert!(message.contains("pod-health"), "{message}");
    assert_eq!(agent.live().await, Some(Color::Blue));

    // Back, and nothing is lost any more.
    let mut load = Load::start(agent.address());
    load.answered_by("1.2.0").await;
    let tally = load.stop().await;
    assert!(tally.failures.is_empty() && tally.answers.len() == 1, "{tally}");
}
