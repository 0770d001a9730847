//! Releases that fail before traffic: the live slot is not touched.

use bluegreen_core::{Change, Color, Document, Outcome, Phase, Reason, Slot as _};
use bluegreen_tests::{Agent, ask, change, image, plan, reason, seconds};
use bluegreen_validate::{Request, Smoke, json};
use http::Method;

#[tokio::test]
async fn a_failed_gate_puts_the_slot_back() {
    let agent = Agent::new().await;
    let cluster = agent.cluster("one").await;
    let before = cluster.slot(Color::Green).state().await.unwrap();
    let live = cluster.slot(Color::Blue).state().await.unwrap();
    let gate = Smoke::from(Request::post("/chat", json!("hello")).expect_json("/reply", "goodbye"));

    let outcome = cluster.releaser().gate(gate).run(change("1.3.0"), &plan(seconds(5))).await;
    let outcome = outcome.unwrap();
    untouched(&agent, &cluster, &live, &outcome).await;
    let Reason::Unfit { message } = reason(outcome) else { panic!("another reason") };
    assert!(message.contains("smoke") && message.contains("goodbye"), "{message}");
    let after = cluster.slot(Color::Green).state().await.unwrap();
    assert_eq!((after.running, after.replicas.wanted), (before.running, before.replicas.wanted));
    assert!(!after.open, "nothing of the release is left open");
}

#[tokio::test]
async fn pods_that_never_get_ready_are_given_up() {
    let agent = Agent::new().await;
    let cluster = agent.cluster("one").await;
    let live = cluster.slot(Color::Blue).state().await.unwrap();
    let mut plan = plan(seconds(5));
    plan.rollout = Some(seconds(5));

    let change = change("1.3.0").env("AGENT_UNREADY", "1");
    let outcome = cluster.releaser().run(change, &plan).await.unwrap();
    untouched(&agent, &cluster, &live, &outcome).await;
    let Reason::Failed { message } = reason(outcome) else { panic!("another reason") };
    assert!(message.contains("0 of 2"), "{message}");
}

#[tokio::test]
async fn an_image_that_cannot_be_pulled_fails_with_the_reason_of_the_pod() {
    let agent = Agent::new().await;
    let cluster = agent.cluster("one").await;
    let live = cluster.slot(Color::Blue).state().await.unwrap();

    let began = std::time::Instant::now();
    let change = Change::image("agent", image("9.9.9"));
    let outcome = cluster.releaser().run(change, &plan(seconds(5))).await.unwrap();
    // The Deployment itself gives up after ten minutes.
    assert!(began.elapsed() < seconds(60), "it took {:?}", began.elapsed());
    untouched(&agent, &cluster, &live, &outcome).await;
    let Reason::Failed { message } = reason(outcome) else { panic!("another reason") };
    assert!(message.contains("ErrImagePull") || message.contains("ImagePullBackOff"), "{message}");
    assert!(message.contains("agent-service:9.9.9"), "{message}");
    assert!(message.contains("pod agent-green-"), "{message}");
}

/// The live slot has its traffic and is what it was, and the record says what happened.
async fn untouched(
    agent: &Agent,
    cluster: &bluegreen_kube::Cluster,
    before: &bluegreen_core::SlotState,
    ended: &Outcome,
) {
    assert_eq!(agent.live().await, Some(before.color));
    let mut after = cluster.slot(before.color).state().await.unwrap();
    // The epoch is stamped on both slots, and is all that changes.
    after.epoch = before.epoch;
    assert_eq!(&after, before);
    let answer = ask(agent.address(), Method::GET, "/").await.unwrap();
    assert_eq!(answer.headers()["x-agent-version"], "1.2.0");

    let record = cluster.operations().status().await.unwrap().record.unwrap();
    assert_eq!(record.phase, Phase::Done { outcome: ended.clone() });
    let history = cluster.operations().history().await.unwrap();
    let [Document::Current(kept)] = history.as_slice() else { panic!("{history:?}") };
    assert_eq!(kept.phase, record.phase);
}
