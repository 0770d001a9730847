//! Slots with autoscalers that go by what is measured.

use bluegreen_core::{Color, Outcome};
use bluegreen_tests::{Agent, ExternalMetrics, Manifests, baking, change, plan, seconds};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;

const METRICS: [&str; 2] = ["load-blue", "load-green"];

/// As many of the last values as have to come in until an autoscaler of the test cluster makes a
/// slot smaller: it waits for ten seconds, and asks every five.
const ENOUGH: u64 = 5;

/// What the autoscalers are told, and what beside the fencing number stands on them.
async fn told(agent: &Agent) -> Vec<String> {
    let mut all = Vec::new();
    for color in Color::BOTH {
        let api = agent.api::<HorizontalPodAutoscaler>();
        let mut found = api.get(&format!("agent-{color}")).await.unwrap();
        let annotations = found.metadata.annotations.get_or_insert_default();
        annotations.remove("bluegreen.dev/epoch");
        all.push(format!("{} {annotations:?}", serde_json::to_string(&found.spec).unwrap()));
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_without_load_keeps_its_pods_until_the_release_is_over() {
    let agent = Agent::of(Manifests::shipped().sized(3, 0).autoscaled()).await;
    let metrics = ExternalMetrics::of(&agent).await;
    metrics.set_all(&METRICS, 30);
    metrics.asked(&["load-blue"], ENOUGH).await;
    assert_eq!(agent.sizes().await, [3, 0], "at zero an autoscaler rests");
    let before = told(&agent).await;

    let cluster = agent.cluster("one").await;
    let release = baking(&cluster, plan(seconds(600))).await;
    metrics.set_all(&METRICS, 0);
    metrics.asked(&METRICS, ENOUGH).await;
    assert_eq!(agent.sizes().await, [3, 3], "neither has any load, and neither gets smaller");
    metrics.set("load-green", 50);
    agent.becomes(Color::Green, 5).await;
    cluster.operations().promote("ann").await.unwrap();
    assert_eq!(release.await.unwrap().unwrap(), Outcome::Released);
    assert_eq!(told(&agent).await, before);
    metrics.set("load-green", 10);
    agent.becomes(Color::Green, 1).await;
    assert_eq!(agent.sizes().await, [0, 1], "once it is over, it does");

    metrics.set("load-green", 20);
    agent.becomes(Color::Green, 2).await;
    agent.all_settled().await;
    let releaser = cluster.releaser();
    let mut release =
        tokio::spawn(async move { releaser.run(change("1.4.0"), &plan(seconds(600))).await });
    tokio::select! {
        () = bluegreen_tests::reaches(&cluster, bluegreen_core::PhaseName::Baking) => {}
        ended = &mut release => panic!("it should come to its bake: {ended:?}"),
    }
    assert_ne!(told(&agent).await, before, "both are frozen again");
    cluster.operations().rollback("ann", "wrong refunds").await.unwrap();
    let outcome = release.await.unwrap().unwrap();
    assert!(matches!(outcome, Outcome::RolledBack { .. }), "{outcome}");
    assert_eq!(told(&agent).await, before);
    assert_eq!(agent.sizes().await, [0, 2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bounds_go_with_the_role_and_come_back() {
    let mut manifests = Manifests::shipped().sized(3, 0).autoscaled();
    for (color, least, most) in [(Color::Blue, 2, 6), (Color::Green, 1, 2)] {
        let scaler = manifests.object("HorizontalPodAutoscaler", &format!("agent-{color}"));
        (scaler["spec"]["minReplicas"], scaler["spec"]["maxReplicas"]) =
            (least.into(), most.into());
    }
    let agent = Agent::of(manifests).await;
    let bounds = async || {
        let mut all = Vec::new();
        for color in Color::BOTH {
            let api = agent.api::<HorizontalPodAutoscaler>();
            let spec = api.get(&format!("agent-{color}")).await.unwrap().spec;
            all.push((spec.min_replicas.unwrap(), spec.max_replicas));
        }
        all
    };
    let before = told(&agent).await;
    let cluster = agent.cluster("one").await;
    let standby = |bake| {
        let mut plan = plan(bake);
        plan.standby = 1;
        plan
    };
    let release = baking(&cluster, standby(seconds(600))).await;
    assert_eq!(bounds().await, [(2, 6), (2, 6)], "the candidate is as large as live");
    cluster.operations().rollback("ann", "wrong refunds").await.unwrap();
    let outcome = release.await.unwrap().unwrap();
    assert!(matches!(outcome, Outcome::RolledBack { .. }), "{outcome}");
    assert_eq!(told(&agent).await, before);

    let outcome = cluster.releaser().run(change("1.3.0"), &standby(seconds(2))).await.unwrap();
    assert_eq!(outcome, Outcome::Released);
    assert_eq!(bounds().await, [(1, 6), (2, 6)], "the standby may be as small as it is");
}
