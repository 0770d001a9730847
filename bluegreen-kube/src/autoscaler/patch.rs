//! What is written to an autoscaler, as patches that test the version that they were decided on.

use bluegreen_core::Epoch;
use serde_json::{Value, json};

use super::note::{Found, Note, text};
use super::{Autoscaler, Kind};
use crate::Settings;
use crate::stamp::{Stamp, annotate, annotation, test};

/// Keeps KEDA from making a Deployment smaller, and its autoscaler too.
pub(super) const PAUSED_SCALE_IN: &str = "autoscaling.keda.sh/paused-scale-in";

/// Tells it not to make the Deployment smaller, and keeps what it was told before. Told again, what
/// is kept stays.
pub(super) fn freeze(
    it: &Autoscaler,
    epoch: Epoch,
    settings: &Settings,
) -> Result<Vec<Value>, String> {
    let mut operations = begin(it, epoch, settings);
    if text(it, &settings.found_annotation()).is_none() {
        operations.push(Note::of(it).write(settings)?);
    }
    operations.push(match it.kind {
        Kind::Horizontal => {
            let frozen = with_policy(behavior(it).clone(), "Disabled");
            json!({"op": "add", "path": "/spec/behavior", "value": frozen})
        }
        Kind::Keda => annotate(PAUSED_SCALE_IN, "true"),
    });
    Ok(operations)
}

/// Tells it again what it was told before. What somebody else has told it meanwhile stays.
pub(super) fn thaw(
    it: &Autoscaler,
    epoch: Epoch,
    settings: &Settings,
) -> Result<Vec<Value>, String> {
    let mut operations = begin(it, epoch, settings);
    let key = settings.found_annotation();
    let Some(note) = Note::read(it, settings)? else { return Ok(operations) };
    operations.push(json!({"op": "remove", "path": annotation(&key)}));
    match (it.kind, note.found) {
        (Kind::Horizontal, Found::Horizontal { behavior: before }) => {
            let now = behavior(it);
            if now["scaleDown"]["selectPolicy"] != "Disabled" {
                return Ok(operations);
            }
            let policy = before["scaleDown"]["selectPolicy"].as_str().unwrap_or("Max");
            let thawed = with_policy(now.clone(), policy);
            operations.push(if before.is_null() && thawed == defaults() {
                json!({"op": "remove", "path": "/spec/behavior"})
            } else {
                json!({"op": "replace", "path": "/spec/behavior", "value": thawed})
            });
        }
        (Kind::Keda, Found::Keda { paused }) => match (text(it, PAUSED_SCALE_IN), paused) {
            (Some("true"), Some(before)) => operations.push(annotate(PAUSED_SCALE_IN, &before)),
            (Some("true"), None) => {
                operations.push(json!({"op": "remove", "path": annotation(PAUSED_SCALE_IN)}));
            }
            _ => {}
        },
        (_, found) => return Err(format!("annotation {key} is of another kind: {found:?}")),
    }
    Ok(operations)
}

/// The very object that was read, in the version that was read, with the fencing number.
pub(super) fn begin(it: &Autoscaler, epoch: Epoch, settings: &Settings) -> Vec<Value> {
    let metadata = &it.object.metadata;
    let version = metadata.resource_version.clone().unwrap_or_default();
    let mut operations =
        vec![test("/metadata/uid", &metadata.uid), test("/metadata/resourceVersion", &version)];
    let stamp = Stamp::read(metadata.annotations.as_ref(), settings);
    stamp.push(&mut operations, &version, epoch.number(), settings);
    operations
}

pub(super) fn behavior(it: &Autoscaler) -> &Value {
    &it.object.data["spec"]["behavior"]
}

/// A behavior with this policy for getting smaller.
fn with_policy(mut behavior: Value, policy: &str) -> Value {
    if !behavior.is_object() {
        behavior = json!({});
    }
    if !behavior["scaleDown"].is_object() {
        behavior["scaleDown"] = json!({});
    }
    behavior["scaleDown"]["selectPolicy"] = policy.into();
    behavior
}

/// What the API server makes of a behavior that says only how to get smaller, with its own policy.
fn defaults() -> Value {
    let policy =
        |kind: &str, value: u32| json!({"type": kind, "value": value, "periodSeconds": 15});
    json!({
        "scaleUp": {
            "stabilizationWindowSeconds": 0,
            "selectPolicy": "Max",
            "policies": [policy("Pods", 4), policy("Percent", 100)],
        },
        "scaleDown": {"selectPolicy": "Max", "policies": [policy("Percent", 100)]},
    })
}
