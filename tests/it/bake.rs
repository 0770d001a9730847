//! What goes wrong after the switch: traffic goes back.

use bluegreen_core::{Color, EvidenceKind, OperationError, Outcome, PhaseName, Reason, Slot as _};
use bluegreen_tests::{Agent, Load, SERVICE, baking, plan, reason, seconds};
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::ResourceExt as _;
use kube::api::{DeleteParams, ObjectMeta, Patch, PatchParams, PostParams};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_crash_of_a_candidate_brings_traffic_back() {
    death(1, async |agent, pod| agent.crash(pod).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_of_every_candidate_brings_traffic_back() {
    death(2, async |agent, pod| agent.crash(pod).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_loss_of_every_candidate_brings_traffic_back() {
    let at_once = DeleteParams::default().grace_period(0);
    death(2, async |agent, pod| {
        agent.api::<Pod>().delete(&pod.name_any(), &at_once).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn traffic_moved_back_by_hand_ends_the_release() {
    let agent = Agent::new().await;
    let cluster = agent.cluster("one").await;
    let release = baking(&cluster, plan(seconds(60))).await;
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
    let release = baking(&cluster, plan(seconds(10))).await;
    let evicted = agent.pods(Color::Green).await[0].name_any();
    agent.api::<Pod>().delete(&evicted, &DeleteParams::default()).await.unwrap();
    assert_eq!(release.await.unwrap().unwrap(), Outcome::Released);
    let pods = agent.pods(Color::Green).await;
    assert_eq!(pods.len(), 2);
    assert!(pods.iter().all(|pod| pod.name_any() != evicted));
}

#[tokio::test]
async fn traffic_moved_elsewhere_by_hand_is_told_and_can_be_taken_back() {
    let agent = Agent::new().await;
    let cluster = agent.cluster("one").await;
    let release = baking(&cluster, plan(seconds(60))).await;
    let patch = Patch::Merge(json!({"spec": {"selector": {"slot": "purple"}}}));
    agent.api::<Service>().patch(SERVICE, &PatchParams::default(), &patch).await.unwrap();

    let outcome = release.await.unwrap().unwrap();
    let Outcome::Stuck { stuck } = &outcome else { panic!("it should be stuck: {outcome}") };
    let said = outcome.to_string();
    assert_eq!(stuck.at, PhaseName::Baking);
    assert!(
        said.contains("found service agent-service selects slot=purple, wanted green 100 %"),
        "{said}"
    );
    let record = cluster.operations().status().await.unwrap().record.unwrap();
    assert_eq!(record.stuck.as_ref(), Some(stuck), "the record says so too");

    let two = agent.cluster("two").await;
    let error = two.operations().rollback("ann", "who did that?").await.unwrap_err();
    assert!(matches!(error, OperationError::Stuck { .. }), "nothing is forced: {error}");
    assert!(error.to_string().contains("found service agent-service selects slot=purple"));
    assert_eq!(agent.live().await, None);

    let patch = Patch::Merge(json!({"spec": {"selector": {"slot": "green"}}}));
    agent.api::<Service>().patch(SERVICE, &PatchParams::default(), &patch).await.unwrap();
    two.operations().rollback("ann", "who did that?").await.unwrap();
    assert_eq!(agent.live().await, Some(Color::Blue));
    let Reason::Requested { .. } = reason(two.operations().finish().await.unwrap()) else {
        panic!("another reason")
    };
}

#[tokio::test]
async fn a_service_that_is_deleted_is_told_and_nothing_else_is_lost() {
    let agent = Agent::new().await;
    let cluster = agent.cluster("one").await;
    let live = cluster.slot(Color::Blue).state().await.unwrap();
    let release = baking(&cluster, plan(seconds(60))).await;
    let services = agent.api::<Service>();
    let mut service = services.get(SERVICE).await.unwrap();
    services.delete(SERVICE, &DeleteParams::default()).await.unwrap();

    let outcome = release.await.unwrap().unwrap();
    let Outcome::Stuck { .. } = &outcome else { panic!("it should be stuck: {outcome}") };
    assert!(outcome.to_string().contains(&format!("service {SERVICE} is not there")), "{outcome}");
    let mut after = cluster.slot(Color::Blue).state().await.unwrap();
    after.epoch = live.epoch;
    assert_eq!(after, live, "the old slot stands by");

    // Made anew as it was before the release, which is then over.
    service.metadata = ObjectMeta { name: Some(SERVICE.to_owned()), ..ObjectMeta::default() };
    let spec = service.spec.as_mut().unwrap();
    (spec.cluster_ip, spec.cluster_ips) = (None, None);
    spec.selector.as_mut().unwrap().insert("slot".to_owned(), "blue".to_owned());
    services.create(&PostParams::default(), &service).await.unwrap();
    let two = agent.cluster("two").await;
    let resumed = two.releaser().resume().await.unwrap();
    assert!(matches!(reason(resumed), Reason::External { .. }));
    let green = two.slot(Color::Green).state().await.unwrap();
    assert_eq!((green.replicas.wanted, green.open), (0, false), "the candidate is put back");
}

/// Ends so many pods of a candidate that has the traffic.
async fn death(count: usize, end: impl AsyncFn(&Agent, &Pod)) {
    let agent = Agent::new().await;
    let cluster = agent.cluster("one").await;
    // So that traffic has really followed when the bake begins.
    let plan = plan(seconds(60)).evidence(EvidenceKind::answers(20));
    let release = baking(&cluster, plan).await;
    let mut load = Load::start(agent.address());
    load.answered_by("1.3.0").await;

    let pods = agent.pods(Color::Green).await;
    assert_eq!(pods.len(), 2);
    for pod in &pods[..count] {
        end(&agent, pod).await;
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
