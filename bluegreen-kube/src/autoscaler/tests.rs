use std::sync::Arc;

use bluegreen_core::conformance::slot::SlotFixture;
use bluegreen_core::{Change, Color, Plan, Problem, ResolvedChange, Slot as _};
use kube::api::{DeleteParams, PostParams};
use serde_json::json;

use super::*;
use crate::DeploymentSlot;
use crate::fixtures::deployment;
use crate::stand_in::{Denial, Failure, Fault, StandIn};

mod bounds;
mod checks;
mod keda;

bluegreen_core::slot_conformance_tests!(async || {
    let stand_in = world().await;
    let slot = slot(&stand_in, Color::Green);
    let running = slot.state().await.unwrap().running;
    let change = |image: &str| Change::image("agent", image).resolve(&running, "VERSION").unwrap();
    SlotFixture {
        config: None,
        good: change("registry.example.com/agent:2"),
        better: change("registry.example.com/agent:3"),
        broken: change("registry.example.com/does-not-exist:1"),
        slot: Arc::new(slot),
        other: Arc::new(self::slot(&stand_in, Color::Blue)),
        guard: Box::new(stand_in),
    }
});

const NAMESPACE: &str = "ai-agents";
const HORIZONTAL: &str = "horizontalpodautoscalers.autoscaling";
const SCALED: &str = "scaledobjects.keda.sh";
const ONE: Epoch = Epoch::new(1);
const TWO: Epoch = Epoch::new(2);

fn settings() -> Settings {
    Settings::new("agent", NAMESPACE)
}

fn slot(stand_in: &StandIn, color: Color) -> DeploymentSlot {
    let name = |color: Color| format!("agent-{color}");
    DeploymentSlot::new(stand_in.client(NAMESPACE), settings(), color, name(color))
        .with_other(name(color.other()))
}

fn autoscaler(color: Color, more: &Value) -> Value {
    let mut spec = json!({
        "minReplicas": 2, "maxReplicas": 9,
        "scaleTargetRef": {
            "apiVersion": "apps/v1", "kind": "Deployment", "name": format!("agent-{color}"),
        },
    });
    let fields = more.as_object().cloned().unwrap_or_default();
    spec.as_object_mut().unwrap().extend(fields);
    json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": format!("agent-{color}")}, "spec": spec,
    })
}

async fn create(stand_in: &StandIn, kind: Kind, object: Value) {
    let api = Api::<DynamicObject>::namespaced_with(
        stand_in.client(NAMESPACE),
        NAMESPACE,
        &kind.resource(),
    );
    let object = serde_json::from_value(object).unwrap();
    api.create(&PostParams::default(), &object).await.unwrap();
}

/// Two slots, each with an autoscaler of which nothing else is said.
async fn world() -> StandIn {
    world_with(&json!({})).await
}

/// The same, where more is said of each autoscaler.
async fn world_with(more: &Value) -> StandIn {
    let stand_in = StandIn::new();
    for color in Color::BOTH {
        let resource = ApiResource::erase::<k8s_openapi::api::apps::v1::Deployment>(&());
        let api: Api<DynamicObject> =
            Api::namespaced_with(stand_in.client(NAMESPACE), NAMESPACE, &resource);
        let object = serde_json::from_value(deployment(color)).unwrap();
        api.create(&PostParams::default(), &object).await.unwrap();
        create(&stand_in, Kind::Horizontal, autoscaler(color, more)).await;
    }
    stand_in
}

/// The same, where KEDA makes green's autoscaler.
async fn keda(annotations: &Value) -> StandIn {
    let stand_in = world().await;
    stand_in.add_kind(KEDA, "v1alpha1", "scaledobjects", "ScaledObject");
    scaled(&stand_in, Color::Green, "queue", annotations, [None, Some(9)]).await;
    stand_in
}

/// Says that KEDA made the autoscaler of this slot, from an object of this name with these bounds.
async fn scaled(
    stand_in: &StandIn,
    color: Color,
    name: &str,
    annotations: &Value,
    [min, max]: [Option<u32>; 2],
) {
    let mut spec = json!({"scaleTargetRef": {"name": format!("agent-{color}")}});
    for (field, bound) in Kind::Keda.fields().into_iter().zip([min, max]) {
        if let Some(bound) = bound {
            spec[field] = bound.into();
        }
    }
    let object = json!({
        "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject",
        "metadata": {"name": name, "annotations": annotations}, "spec": spec,
    });
    create(stand_in, Kind::Keda, object).await;
    let uid = stand_in.object(SCALED, NAMESPACE, name).unwrap()["metadata"]["uid"].clone();
    let owner = json!({
        "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": name, "uid": uid,
        "controller": true,
    });
    let patch = json!({"metadata": {"ownerReferences": [owner]}});
    let made = format!("agent-{color}");
    assert!(stand_in.edit("keda-operator", HORIZONTAL, NAMESPACE, &made, &patch));
}

fn spec(stand_in: &StandIn) -> Value {
    stand_in.object(HORIZONTAL, NAMESPACE, "agent-green").unwrap()["spec"].clone()
}

fn annotations(stand_in: &StandIn, resource: &str, name: &str) -> Value {
    stand_in.object(resource, NAMESPACE, name).unwrap()["metadata"]["annotations"].clone()
}

fn edit(stand_in: &StandIn, spec: &Value) {
    let patch = json!({"spec": spec});
    assert!(stand_in.edit("kubectl-edit", HORIZONTAL, NAMESPACE, "agent-green", &patch));
}

#[tokio::test]
async fn whatever_it_was_told_before_it_is_told_again() {
    let policy = json!([{"type": "Pods", "value": 1, "periodSeconds": 60}]);
    for more in [
        json!({}),
        json!({"behavior": {"scaleUp": {"stabilizationWindowSeconds": 7}}}),
        json!({"behavior": {"scaleDown": {"selectPolicy": "Min", "policies": policy}}}),
        json!({"behavior": {"scaleDown": {"selectPolicy": "Disabled"}}}),
        json!({"behavior": {"scaleDown": {"selectPolicy": "Max"}}}),
    ] {
        let stand_in = world_with(&more).await;
        let before = spec(&stand_in);
        let slot = slot(&stand_in, Color::Green);
        for _ in 0..2 {
            slot.freeze(ONE).await.unwrap();
            let frozen = spec(&stand_in);
            assert_eq!(frozen["behavior"]["scaleDown"]["selectPolicy"], "Disabled", "{more}");
            assert_eq!(frozen["maxReplicas"], 9, "it may still grow");
        }
        for _ in 0..2 {
            slot.thaw(ONE).await.unwrap();
            assert_eq!(spec(&stand_in), before, "{more}");
        }
        let left = annotations(&stand_in, HORIZONTAL, "agent-green");
        assert_eq!(left, json!({"bluegreen.dev/epoch": "1"}));
    }
}

#[tokio::test]
async fn what_somebody_else_tells_it_meanwhile_stays() {
    let stand_in = world().await;
    let slot = slot(&stand_in, Color::Green);
    slot.freeze(ONE).await.unwrap();
    edit(
        &stand_in,
        &json!({
            "maxReplicas": 20, "behavior": {"scaleUp": {"stabilizationWindowSeconds": 30}},
        }),
    );
    slot.thaw(ONE).await.unwrap();
    let after = spec(&stand_in);
    assert_eq!(after["maxReplicas"], 20);
    assert_eq!(after["behavior"]["scaleUp"]["stabilizationWindowSeconds"], 30);
    assert_eq!(after["behavior"]["scaleDown"]["selectPolicy"], "Max");

    slot.freeze(ONE).await.unwrap();
    edit(&stand_in, &json!({"behavior": {"scaleDown": {"selectPolicy": "Min"}}}));
    slot.thaw(ONE).await.unwrap();
    assert_eq!(spec(&stand_in)["behavior"]["scaleDown"]["selectPolicy"], "Min");
}

#[tokio::test]
async fn an_annotation_of_keda_holds_what_keda_makes() {
    for before in [json!({"a": "b"}), json!({"autoscaling.keda.sh/paused-scale-in": "false"})] {
        let stand_in = keda(&before).await;
        let untouched = spec(&stand_in);
        let slot = slot(&stand_in, Color::Green);
        for _ in 0..2 {
            slot.freeze(ONE).await.unwrap();
            let found = annotations(&stand_in, SCALED, "queue");
            assert_eq!(found["autoscaling.keda.sh/paused-scale-in"], "true");
        }
        for _ in 0..2 {
            slot.thaw(ONE).await.unwrap();
            let mut after = annotations(&stand_in, SCALED, "queue");
            assert_eq!(after["bluegreen.dev/epoch"].take(), "1");
            after.as_object_mut().unwrap().remove("bluegreen.dev/epoch");
            assert_eq!(after, before);
        }
        assert_eq!(spec(&stand_in), untouched, "KEDA would put that back");
    }
}

#[tokio::test]
async fn a_late_freeze_finds_the_number_of_whoever_thawed() {
    let stand_in = world().await;
    let before = spec(&stand_in);
    let mut brief = settings();
    brief.call = Duration::from_millis(100);
    let client = stand_in.client(NAMESPACE);
    let stale = DeploymentSlot::new(client, brief, Color::Green, "agent-green");
    stand_in.fail(Fault::new("patch", "horizontalpodautoscalers", Failure::Late));
    let error = stale.freeze(ONE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unknown, "{}", error.chain());
    slot(&stand_in, Color::Green).thaw(TWO).await.unwrap();
    assert_eq!(stand_in.deliver_late(), 1);
    assert_eq!(spec(&stand_in), before, "it came too late");
    for done in [stale.freeze(ONE).await, stale.thaw(ONE).await] {
        assert_eq!(done.unwrap_err().kind(), ErrorKind::Conflict);
    }
}

#[tokio::test]
async fn a_fence_of_the_deployment_keeps_an_older_driver_from_it() {
    let stand_in = world().await;
    let before = spec(&stand_in);
    let slot = slot(&stand_in, Color::Green);
    slot.fence(TWO).await.unwrap();
    for done in [slot.freeze(ONE).await, slot.thaw(ONE).await] {
        assert_eq!(done.unwrap_err().kind(), ErrorKind::Conflict);
    }
    assert_eq!(spec(&stand_in), before);
    assert_eq!(annotations(&stand_in, HORIZONTAL, "agent-green"), Value::Null);
}

#[tokio::test]
async fn a_status_in_between_is_no_reason_to_fail() {
    let stand_in = world().await;
    let slot = slot(&stand_in, Color::Green);
    for code in [409, 422] {
        let fault = || Fault::new("patch", "horizontalpodautoscalers", Failure::Status(code));
        stand_in.fail(fault().times(4));
        slot.freeze(ONE).await.unwrap();
        stand_in.fail(fault().times(5));
        assert_eq!(slot.thaw(ONE).await.unwrap_err().kind(), ErrorKind::Conflict);
    }
}

#[tokio::test]
async fn without_one_or_the_right_to_see_it_nothing_is_written() {
    let stand_in = world().await;
    stand_in.deny(Denial::new("list", "horizontalpodautoscalers"));
    let blind = slot(&stand_in, Color::Green);
    blind.freeze(ONE).await.unwrap();
    blind.thaw(ONE).await.unwrap();
    assert_eq!(annotations(&stand_in, HORIZONTAL, "agent-green"), Value::Null);
    stand_in.allow_all();
    let slot = slot(&stand_in, Color::Green);
    slot.freeze(ONE).await.unwrap();
    // It is known, and gone when it is written to.
    let api: Api<DynamicObject> =
        Api::namespaced_with(stand_in.client(NAMESPACE), NAMESPACE, &Kind::Horizontal.resource());
    api.delete("agent-green", &DeleteParams::default()).await.unwrap();
    slot.freeze(ONE).await.unwrap();
    slot.thaw(ONE).await.unwrap();
    assert_eq!(annotations(&stand_in, HORIZONTAL, "agent-blue"), Value::Null);
}

#[tokio::test]
async fn one_that_was_frozen_is_not_left_so_because_nobody_may_look() {
    let stand_in = world().await;
    let before = spec(&stand_in);
    slot(&stand_in, Color::Green).freeze(ONE).await.unwrap();
    let slot = slot(&stand_in, Color::Green);
    stand_in.deny(Denial::new("list", "horizontalpodautoscalers"));
    assert_eq!(slot.thaw(ONE).await.unwrap_err().kind(), ErrorKind::Rejected);
    stand_in.allow_all();
    slot.thaw(ONE).await.unwrap();
    assert_eq!(spec(&stand_in), before);
}

#[tokio::test]
async fn what_is_kept_and_cannot_be_read_is_said() {
    let stand_in = world().await;
    let slot = slot(&stand_in, Color::Green);
    slot.freeze(ONE).await.unwrap();
    let patch = json!({"metadata": {"annotations": {"bluegreen.dev/found": "{\"a\": 1}"}}});
    assert!(stand_in.edit("kubectl-edit", HORIZONTAL, NAMESPACE, "agent-green", &patch));
    let error = slot.thaw(ONE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert!(error.chain().contains("bluegreen.dev/found"), "{}", error.chain());
}
