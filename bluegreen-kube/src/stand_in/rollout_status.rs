//! What a Deployment says about its rollout.

use std::time::Duration;

use serde_json::{Value, json};

use super::json::{at, list, number, set, text};
use super::pods::Timer;
use super::rollout::{Sets, leeway, set_name};
use super::state::{CONTROLLERS_STATUS, State};
use super::store::{Key, now};

/// Writes the status of a Deployment.
pub(super) fn report(state: &mut State, key: &Key, deployment: &Value) {
    let sets = Sets::of(state, deployment);
    let wanted = number(deployment, "/spec/replicas").unwrap_or(1);
    let of_new =
        |pointer| sets.newest().and_then(|(_, set)| number(set, pointer)).unwrap_or_default();
    let total = sets.sum("/status/replicas");
    let available = sets.sum("/status/availableReplicas");
    let updated = of_new("/status/replicas");
    let (_, unavailable) = leeway(deployment, wanted);
    let is_complete = updated == wanted && total == wanted && available == wanted;
    let name = set_name(deployment);
    let generation = number(deployment, "/metadata/generation").unwrap_or_default();
    let deadline = number(deployment, "/spec/progressDeadlineSeconds").unwrap_or(600);
    let uid = text(deployment, "/metadata/uid").to_owned();
    let is_late = state.kubelet.is_late(&uid, generation);
    if !is_complete && !is_late && state.kubelet.awaits_progress(&uid, generation) {
        let after = Duration::from_secs(deadline.unsigned_abs());
        state.due.push((after, Timer::Deadline(uid, generation)));
    }
    let progressing = if is_complete {
        let message = format!("ReplicaSet \"{name}\" has successfully progressed.");
        ("True", "NewReplicaSetAvailable", message)
    } else if is_late {
        let message = format!("ReplicaSet \"{name}\" has timed out progressing.");
        ("False", "ProgressDeadlineExceeded", message)
    } else {
        ("True", "ReplicaSetUpdated", format!("ReplicaSet \"{name}\" is progressing."))
    };
    let availability = if available >= wanted - unavailable {
        ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.".to_owned())
    } else {
        let message = "Deployment does not have minimum availability.".to_owned();
        ("False", "MinimumReplicasUnavailable", message)
    };
    state.revise(key, CONTROLLERS_STATUS, |object| {
        let conditions = [
            condition(object, "Available", availability),
            condition(object, "Progressing", progressing),
        ];
        let status = at(object, &["status"]);
        status.insert("observedGeneration".into(), generation.into());
        status.insert("terminatingReplicas".into(), sets.sum("/status/terminatingReplicas").into());
        for (field, number) in [
            ("replicas", total),
            ("updatedReplicas", updated),
            ("readyReplicas", sets.sum("/status/readyReplicas")),
            ("availableReplicas", available),
            ("unavailableReplicas", (total.max(wanted) - available).max(0)),
        ] {
            set(status, field, (number > 0).then(|| number.into()));
        }
        status.insert("conditions".into(), conditions.to_vec().into());
    });
}

/// A condition, which keeps its times while nothing changes.
fn condition(object: &Value, kind: &str, (status, reason, message): (&str, &str, String)) -> Value {
    let old = list(object, "/status/conditions").iter().find(|one| one["type"] == kind);
    let is_same = |fields: &[(&str, &str)]| {
        old.is_some_and(|old| fields.iter().all(|(field, value)| old[field] == **value))
    };
    let kept = |field: &str, is_kept: bool| match old {
        Some(old) if is_kept => old[field].clone(),
        _ => now().into(),
    };
    let is_unchanged = is_same(&[("status", status), ("reason", reason), ("message", &message)]);
    json!({
        "type": kind, "status": status, "reason": reason, "message": message,
        "lastUpdateTime": kept("lastUpdateTime", is_unchanged),
        "lastTransitionTime": kept("lastTransitionTime", is_same(&[("status", status)])),
    })
}
