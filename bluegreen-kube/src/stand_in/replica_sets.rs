//! The ReplicaSet controller: as many pods as there should be.

use std::sync::Arc;

use serde_json::{Value, json};

use super::json::{at, number, set, text};
use super::pods::{PODS, is_ending, is_ready};
use super::rollout::{REPLICA_SETS, is_controlled_by, owner};
use super::state::{CONTROLLERS_STATUS, State};
use super::store::Key;

/// The most pods that are made in one namespace: a size is a number, and could be any.
const MOST_PODS: usize = 250;

pub(super) fn reconcile(state: &mut State, namespace: &str) {
    for key in state.store.keys(REPLICA_SETS, namespace) {
        if let Some(replica_set) = state.store.get(&key)
            && text(&replica_set, "/metadata/deletionTimestamp").is_empty()
        {
            fill(state, &key, &replica_set);
            report(state, &key, &replica_set);
        }
    }
}

/// The pods of a ReplicaSet, by name.
fn pods(state: &State, replica_set: &Value) -> Vec<(Key, Arc<Value>)> {
    let uid = text(replica_set, "/metadata/uid");
    state
        .store
        .list(PODS, Some(text(replica_set, "/metadata/namespace")))
        .filter(|(_, pod)| is_controlled_by(pod, uid))
        .map(|(key, pod)| (key.clone(), Arc::clone(pod)))
        .collect()
}

fn fill(state: &mut State, key: &Key, replica_set: &Value) {
    let wanted = number(replica_set, "/spec/replicas").unwrap_or(1);
    let wanted = usize::try_from(wanted).unwrap_or_default();
    let mut pods = pods(state, replica_set);
    pods.retain(|(_, pod)| !is_ending(pod));
    let there = state.store.list(PODS, Some(&key.namespace)).count();
    let room = pods.len().saturating_add(MOST_PODS.saturating_sub(there));
    for _ in pods.len()..wanted.min(room) {
        let name = format!("{}-{}", key.name, state.store.next_suffix());
        let template = &replica_set["spec"]["template"];
        let mut pod = json!({
            "metadata": template["metadata"],
            "spec": template["spec"],
            "status": { "phase": "Pending" },
        });
        let metadata = at(&mut pod, &["metadata"]);
        metadata.insert("generateName".into(), format!("{}-", key.name).into());
        metadata.insert("ownerReferences".into(), json!([owner(replica_set)]));
        state.found(PODS, &key.namespace, &name, pod);
    }
    // Those that are not ready go first, then the youngest.
    pods.sort_by_key(|(_, pod)| {
        (
            is_ready(pod),
            std::cmp::Reverse(text(pod, "/metadata/uid").rsplit('-').next().map(str::to_owned)),
        )
    });
    let surplus = pods.len().saturating_sub(wanted);
    for (key, _) in &pods[..surplus] {
        state.remove(key);
    }
}

fn report(state: &mut State, key: &Key, replica_set: &Value) {
    let (ending, there): (Vec<_>, Vec<_>) =
        pods(state, replica_set).into_iter().partition(|(_, pod)| is_ending(pod));
    let ready = there.iter().filter(|(_, pod)| is_ready(pod)).count();
    let generation = replica_set["metadata"]["generation"].clone();
    state.revise(key, CONTROLLERS_STATUS, |object| {
        let status = at(object, &["status"]);
        status.insert("replicas".into(), there.len().into());
        status.insert("terminatingReplicas".into(), ending.len().into());
        status.insert("observedGeneration".into(), generation);
        for (field, number) in [
            ("fullyLabeledReplicas", there.len()),
            ("readyReplicas", ready),
            ("availableReplicas", ready),
        ] {
            set(status, field, (number > 0).then(|| number.into()));
        }
    });
}
