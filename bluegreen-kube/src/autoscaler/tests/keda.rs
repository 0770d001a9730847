//! Bounds that KEDA brings to the autoscalers that it makes, when it looks.

use std::time::Duration;

use super::*;

/// Live has at least 2 and at most 9, and the candidate at least 1 and at most 3.
async fn differing() -> (StandIn, DeploymentSlot, ResolvedChange) {
    let stand_in = world().await;
    stand_in.add_kind(KEDA, "v1alpha1", "scaledobjects", "ScaledObject");
    scaled(&stand_in, Color::Blue, "blue", &json!({}), [Some(2), Some(9)]).await;
    scaled(&stand_in, Color::Green, "green", &json!({}), [Some(1), Some(3)]).await;
    edit(&stand_in, &json!({"minReplicas": 1, "maxReplicas": 3}));
    let slot = slot(&stand_in, Color::Green);
    let running = slot.state().await.unwrap().running;
    let change = Change::image("agent", "registry.example.com/agent:2");
    let change = change.resolve(&running, "VERSION").unwrap();
    (stand_in, slot, change)
}

/// The bounds of KEDA's object for green.
fn told(stand_in: &StandIn) -> Value {
    let spec = &stand_in.object(SCALED, NAMESPACE, "green").unwrap()["spec"];
    json!([spec["minReplicaCount"], spec["maxReplicaCount"]])
}

/// Brings what KEDA's object says to its autoscaler, once it says something else than before.
async fn operator(stand_in: &StandIn) {
    let before = told(stand_in);
    while told(stand_in) == before {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let now = told(stand_in);
    let least = now[0].as_u64().unwrap().max(1);
    edit(stand_in, &json!({"minReplicas": least, "maxReplicas": now[1]}));
}

#[tokio::test(start_paused = true)]
async fn a_candidate_gets_those_of_live_and_no_pods_before_they_count() {
    let (stand_in, slot, change) = differing().await;
    slot.freeze(ONE).await.unwrap();
    let (deployed, ()) = tokio::join!(slot.deploy(&change, 5, ONE), operator(&stand_in));
    deployed.unwrap();
    assert_eq!((told(&stand_in), &spec(&stand_in)["maxReplicas"]), (json!([2, 9]), &json!(9)));
    slot.revert(ONE).await.unwrap();
    assert_eq!(told(&stand_in), json!([1, 3]));
}

#[tokio::test(start_paused = true)]
async fn without_keda_a_candidate_is_not_made_that_would_be_cut() {
    let (stand_in, slot, change) = differing().await;
    // It has its bounds by the second time, and they still do not count.
    for _ in 0..2 {
        let error = slot.deploy(&change, 5, ONE).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{}", error.chain());
        let told = error.chain();
        assert!(told.contains("ScaledObject green") && told.contains("is KEDA up?"), "{told}");
        assert!(told.contains("found at most 3 pods, wanted at least 5"), "{told}");
    }
    slot.deploy(&change, 3, ONE).await.unwrap();
    assert_eq!(spec(&stand_in)["maxReplicas"], 3, "large enough for three");
}

#[tokio::test]
async fn it_lets_a_slot_rest_that_is_left_with_nothing() {
    for (size, bounds) in [(1, json!([1, 3])), (0, json!([0, 3]))] {
        let (stand_in, slot, _) = differing().await;
        slot.scale(size, ONE).await.unwrap();
        assert_eq!(told(&stand_in), bounds, "{size}");
    }
}
