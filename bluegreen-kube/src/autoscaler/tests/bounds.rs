//! Bounds belong to the role of a slot.

use super::*;

/// Bounds of green's autoscaler, and what is kept of those it had.
fn green(stand_in: &StandIn) -> (Value, Value) {
    let spec = spec(stand_in);
    let kept = annotations(stand_in, HORIZONTAL, "agent-green")["bluegreen.dev/found"].clone();
    let kept = kept.as_str().map(|text| serde_json::from_str::<Value>(text).unwrap());
    (json!([spec["minReplicas"], spec["maxReplicas"]]), kept.unwrap_or_default()["bounds"].clone())
}

/// Live has at least 2 and at most 9, and the candidate something else.
async fn differing() -> (StandIn, DeploymentSlot, ResolvedChange) {
    let stand_in = world().await;
    edit(&stand_in, &json!({"minReplicas": 1, "maxReplicas": 3}));
    let slot = slot(&stand_in, Color::Green);
    let running = slot.state().await.unwrap().running;
    let change = Change::image("agent", "registry.example.com/agent:2");
    let change = change.resolve(&running, "VERSION").unwrap();
    (stand_in, slot, change)
}

#[tokio::test]
async fn a_candidate_gets_those_of_live_and_its_own_where_it_is_reverted() {
    let (stand_in, slot, change) = differing().await;
    let before = spec(&stand_in);
    for _ in 0..2 {
        slot.freeze(ONE).await.unwrap();
        slot.deploy(&change, 5, ONE).await.unwrap();
        let kept = json!({"found": {"min": 1, "max": 3}, "given": {"min": 2, "max": 9}});
        assert_eq!(green(&stand_in), (json!([2, 9]), kept));
    }
    for _ in 0..2 {
        slot.revert(ONE).await.unwrap();
        assert_eq!(green(&stand_in), (json!([1, 3]), Value::Null));
    }
    slot.thaw(ONE).await.unwrap();
    assert_eq!(spec(&stand_in), before);
}

#[tokio::test]
async fn what_was_listed_before_the_last_write_decides_nothing() {
    let (stand_in, slot, change) = differing().await;
    for epoch in [ONE, TWO] {
        slot.freeze(epoch).await.unwrap();
        slot.deploy(&change, 5, epoch).await.unwrap();
        assert_eq!(green(&stand_in).0, json!([2, 9]), "{epoch}");
        // Listed anew, with live's bounds.
        tokio::time::sleep(FRESH).await;
        slot.revert(epoch).await.unwrap();
        slot.thaw(epoch).await.unwrap();
        assert_eq!(green(&stand_in).0, json!([1, 3]), "{epoch}");
    }
}

#[tokio::test]
async fn one_that_is_released_keeps_those_of_live() {
    let (stand_in, slot, change) = differing().await;
    slot.freeze(ONE).await.unwrap();
    slot.deploy(&change, 5, ONE).await.unwrap();
    slot.commit(ONE).await.unwrap();
    slot.thaw(ONE).await.unwrap();
    assert_eq!(green(&stand_in), (json!([2, 9]), Value::Null));
    let left = annotations(&stand_in, HORIZONTAL, "agent-green");
    assert_eq!(left, json!({"bluegreen.dev/epoch": "1"}));
}

#[tokio::test]
async fn bounds_that_somebody_else_gives_it_meanwhile_stay() {
    let (stand_in, slot, change) = differing().await;
    slot.freeze(ONE).await.unwrap();
    slot.deploy(&change, 5, ONE).await.unwrap();
    edit(&stand_in, &json!({"maxReplicas": 20}));
    slot.revert(ONE).await.unwrap();
    assert_eq!(green(&stand_in), (json!([2, 20]), Value::Null));
}

#[tokio::test]
async fn equal_ones_cost_no_write() {
    let stand_in = world().await;
    let slot = slot(&stand_in, Color::Green);
    let running = slot.state().await.unwrap().running;
    let change = Change::image("agent", "registry.example.com/agent:2");
    slot.deploy(&change.resolve(&running, "VERSION").unwrap(), 5, ONE).await.unwrap();
    slot.scale(2, ONE).await.unwrap();
    slot.revert(ONE).await.unwrap();
    assert_eq!(annotations(&stand_in, HORIZONTAL, "agent-green"), Value::Null);
}

#[tokio::test]
async fn a_standby_may_be_smaller_than_the_minimum_was() {
    let stand_in = world().await;
    let slot = slot(&stand_in, Color::Green);
    slot.freeze(ONE).await.unwrap();
    for size in [0, 3] {
        slot.scale(size, ONE).await.unwrap();
        assert_eq!(green(&stand_in), (json!([2, 9]), Value::Null), "{size}");
    }
    slot.scale(1, ONE).await.unwrap();
    slot.thaw(ONE).await.unwrap();
    assert_eq!(green(&stand_in), (json!([1, 9]), Value::Null));
}

#[tokio::test]
async fn a_stale_driver_gives_none() {
    let (stand_in, slot, change) = differing().await;
    slot.fence(TWO).await.unwrap();
    let error = slot.deploy(&change, 5, ONE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{}", error.chain());
    assert_eq!(green(&stand_in), (json!([1, 3]), Value::Null));
}

#[tokio::test]
async fn one_that_keda_makes_keeps_its_own_beside_one_that_it_does_not() {
    let stand_in = keda(&json!({})).await;
    let slot = slot(&stand_in, Color::Green);
    let running = slot.state().await.unwrap().running;
    let change = Change::image("agent", "registry.example.com/agent:2");
    slot.deploy(&change.resolve(&running, "VERSION").unwrap(), 5, ONE).await.unwrap();
    let scaled = stand_in.object(SCALED, NAMESPACE, "queue").unwrap();
    assert_eq!(scaled["spec"]["maxReplicaCount"], 9);
    assert_eq!(scaled["metadata"]["annotations"]["bluegreen.dev/found"], Value::Null);
}

#[tokio::test]
async fn bounds_that_come_too_late_are_not_left() {
    let (stand_in, slot, change) = differing().await;
    let mut brief = settings();
    brief.call = Duration::from_millis(100);
    let stale = DeploymentSlot::new(stand_in.client(NAMESPACE), brief, Color::Green, "agent-green");
    let stale = stale.with_other("agent-blue");
    stale.freeze(ONE).await.unwrap();
    stand_in.fail(Fault::new("patch", "horizontalpodautoscalers", Failure::Late));
    let error = stale.deploy(&change, 5, ONE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unknown, "{}", error.chain());
    slot.fence(TWO).await.unwrap();
    slot.revert(TWO).await.unwrap();
    assert_eq!(stand_in.deliver_late(), 1);
    slot.thaw(TWO).await.unwrap();
    assert_eq!(green(&stand_in), (json!([1, 3]), Value::Null));
}
