//! Releases of slots whose autoscalers a real KEDA makes: `tests/keda/run`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

use bluegreen_core::{Color, Outcome, Plan};
use bluegreen_tests::{
    Agent, ExternalMetrics, Manifests, baking, change, define_keda, keda, plan, scaled_object,
    scaled_objects, seconds,
};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::runtime::wait::await_condition;
use serde_json::Value;

const NAMES: [&str; 2] = ["agent-blue", "agent-green"];

/// So often autoscalers of the test cluster ask until they make a slot smaller.
const ENOUGH: u64 = 5;

/// Returns once KEDA has made an autoscaler with this maximum.
async fn grows_to(agent: &Agent, color: Color, most: i32) {
    let is_so = move |found: Option<&HorizontalPodAutoscaler>| {
        found.is_some_and(|it| it.spec.max_replicas == most)
    };
    let name = format!("keda-hpa-agent-{color}");
    let waiting = Box::pin(await_condition(agent.api(), &name, is_so));
    let ended = tokio::time::timeout(seconds(60), waiting).await;
    ended.unwrap_or_else(|_| panic!("{name} should get a maximum of {most}")).unwrap();
}

/// The bounds of KEDA's objects, and what of ours stands on them beside the fencing number.
async fn told(agent: &Agent) -> Vec<(Value, Value, Vec<String>)> {
    let mut all = Vec::new();
    for name in NAMES {
        let found = scaled_objects(agent).get(name).await.unwrap();
        let annotations = found.metadata.annotations.unwrap_or_default().into_iter();
        let ours = annotations.filter(|(key, _)| key != "bluegreen.dev/epoch");
        let ours = ours.map(|(key, value)| format!("{key}={value}")).collect();
        let spec = &found.data["spec"];
        all.push((spec["minReplicaCount"].clone(), spec["maxReplicaCount"].clone(), ours));
    }
    all
}

fn bounds(of: &[(Value, Value, Vec<String>)]) -> Vec<[u64; 2]> {
    of.iter().map(|(min, max, _)| [min, max].map(|it| it.as_u64().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_keda_makes_does_not_shrink_a_slot_and_its_bounds_go_with_the_role() {
    define_keda().await;
    let mut manifests = Manifests::shipped().sized(3, 0).with_keda();
    for (name, bounds) in NAMES.into_iter().zip([[2, 6], [0, 2]]) {
        manifests = manifests.with(scaled_object(name, bounds));
    }
    let agent = Agent::of(manifests).await;
    let metrics = ExternalMetrics::of(&agent).await;
    metrics.set("agent-blue", 30);
    let _keda = keda(&agent);
    grows_to(&agent, Color::Blue, 6).await;
    grows_to(&agent, Color::Green, 2).await;
    metrics.asked(&["agent-blue"], ENOUGH).await;
    assert_eq!(agent.sizes().await, [3, 0]);
    let before = told(&agent).await;

    let cluster = agent.cluster("one").await;
    let release = baking(&cluster, plan(seconds(600))).await;
    assert_eq!(bounds(&told(&agent).await), [[2, 6], [2, 6]], "the candidate is as large as live");
    metrics.set_all(&NAMES, 0);
    metrics.asked(&NAMES, ENOUGH).await;
    assert_eq!(agent.sizes().await, [3, 3], "neither has any load, and neither gets smaller");
    metrics.set("agent-green", 50);
    agent.becomes(Color::Green, 5).await;
    cluster.operations().rollback("ann", "wrong refunds").await.unwrap();
    let outcome = release.await.unwrap().unwrap();
    assert!(matches!(outcome, Outcome::RolledBack { .. }), "{outcome}");
    assert_eq!(told(&agent).await, before);
    grows_to(&agent, Color::Green, 2).await;

    metrics.set("agent-blue", 30);
    metrics.set("agent-green", 0);
    agent.becomes(Color::Blue, 3).await;
    agent.all_settled().await;
    let plan: Plan = plan(seconds(2));
    let outcome = cluster.releaser().run(change("1.3.0"), &plan).await.unwrap();
    assert_eq!(outcome, Outcome::Released);
    let after = told(&agent).await;
    assert_eq!(bounds(&after), [[0, 6], [2, 6]], "the old slot may rest");
    assert!(after.iter().all(|(_, _, ours)| ours.is_empty()), "{after:?}");
    // KEDA looks every second, and the autoscaler more seldom: by then it would have woken blue.
    agent.becomes(Color::Green, 2).await;
    assert_eq!(agent.sizes().await, [0, 2]);
}
