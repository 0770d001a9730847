//! The Deployment controller: a ReplicaSet for each template, and sizes that move from the old
//! ones to the new one as the strategy allows.

use std::sync::Arc;

use bluegreen_core::Digest;
use serde_json::{Value, json};

use super::json::{at, list, map, number, reasonable, text};
use super::rollout_status;
use super::state::{CONTROLLERS, CONTROLLERS_STATUS, State};
use super::store::Key;

const DEPLOYMENTS: &str = "deployments.apps";
pub(super) const REPLICA_SETS: &str = "replicasets.apps";
const REVISION: &str = "deployment.kubernetes.io/revision";

pub(super) fn reconcile(state: &mut State, namespace: &str) {
    for key in state.store.keys(DEPLOYMENTS, namespace) {
        if let Some(deployment) = state.store.get(&key)
            && text(&deployment, "/metadata/deletionTimestamp").is_empty()
        {
            roll(state, &key, &deployment);
            rollout_status::report(state, &key, &deployment);
        }
    }
}

/// The `ReplicaSet`s of a Deployment, and which of them has its template.
pub(super) struct Sets {
    all: Vec<(Key, Arc<Value>)>,
    new: Option<usize>,
}

impl Sets {
    pub(super) fn of(state: &State, deployment: &Value) -> Self {
        let uid = text(deployment, "/metadata/uid");
        let namespace = text(deployment, "/metadata/namespace");
        let name = set_name(deployment);
        let all: Vec<_> = state
            .store
            .list(REPLICA_SETS, Some(namespace))
            .filter(|(_, set)| is_controlled_by(set, uid))
            .map(|(key, set)| (key.clone(), Arc::clone(set)))
            .collect();
        let new = all.iter().position(|(key, _)| key.name == name);
        Self { all, new }
    }

    pub(super) fn newest(&self) -> Option<&(Key, Arc<Value>)> {
        self.new.map(|index| &self.all[index])
    }

    fn old(&self) -> impl Iterator<Item = &(Key, Arc<Value>)> {
        self.all
            .iter()
            .enumerate()
            .filter(|(index, _)| Some(*index) != self.new)
            .map(|(_, set)| set)
    }

    pub(super) fn sum(&self, pointer: &str) -> i64 {
        self.all.iter().filter_map(|(_, set)| number(set, pointer)).sum()
    }
}

fn roll(state: &mut State, key: &Key, deployment: &Value) {
    let sets = Sets::of(state, deployment);
    let wanted = number(deployment, "/spec/replicas").unwrap_or(1);
    let is_paused = deployment.pointer("/spec/paused").is_some_and(|paused| paused == true);
    let Some((new_key, new)) = sets.newest() else {
        if is_paused {
            for (key, _) in active(&sets) {
                resize(state, key, wanted);
            }
        } else {
            make_set(state, key, deployment, &sets);
        }
        return;
    };
    if !is_paused {
        stamp_revision(state, key, new_key, &sets);
    }
    let size = number(new, "/spec/replicas").unwrap_or_default();
    if is_paused {
        if let [(key, _)] = active(&sets)[..] {
            resize(state, key, wanted);
        }
    } else if text(deployment, "/spec/strategy/type") == "Recreate" {
        let mut left = 0;
        for (key, set) in sets.old() {
            left += number(set, "/status/replicas").unwrap_or_default();
            resize(state, key, 0);
        }
        if left == 0 {
            resize(state, new_key, wanted);
        }
    } else {
        let (surge, unavailable) = leeway(deployment, wanted);
        let total = sets.sum("/spec/replicas");
        let room = (wanted + surge - total).max(0);
        let grown = if size > wanted { wanted } else { (size + room).min(wanted) };
        resize(state, new_key, grown);
        shrink_old(state, &sets, wanted - unavailable, grown);
    }
    forget_sets(state, deployment, &sets);
}

/// Makes old `ReplicaSet`s as small as they may be while `least` pods stay available; pods that
/// are not available go first.
fn shrink_old(state: &mut State, sets: &Sets, least: i64, new_size: i64) {
    let available = |set: &Value| number(set, "/status/availableReplicas").unwrap_or_default();
    let size = |set: &Value| number(set, "/spec/replicas").unwrap_or_default();
    let new_available = sets.newest().map_or(0, |(_, new)| available(new));
    let old_size: i64 = sets.old().map(|(_, set)| size(set)).sum();
    let mut may_go = old_size + new_size - least - (new_size - new_available);
    let mut spare = sets.sum("/status/availableReplicas") - least;
    for (key, set) in sets.old() {
        let unhealthy = (size(set) - available(set)).clamp(0, may_go.max(0));
        let healthy = available(set).clamp(0, spare.max(0)).min((may_go - unhealthy).max(0));
        may_go -= unhealthy + healthy;
        spare -= healthy;
        resize(state, key, size(set) - unhealthy - healthy);
    }
}

fn active(sets: &Sets) -> Vec<&(Key, Arc<Value>)> {
    sets.all
        .iter()
        .filter(|(_, set)| number(set, "/spec/replicas").unwrap_or_default() > 0)
        .collect()
}

fn resize(state: &mut State, key: &Key, replicas: i64) {
    state.revise(key, CONTROLLERS, |set| {
        if number(set, "/spec/replicas") != Some(replicas) {
            set["spec"]["replicas"] = replicas.into();
            let generation = number(set, "/metadata/generation").unwrap_or_default();
            set["metadata"]["generation"] = (generation + 1).into();
        }
    });
}

fn make_set(state: &mut State, key: &Key, deployment: &Value, sets: &Sets) {
    let hash = template_hash(deployment);
    let mut template = deployment["spec"]["template"].clone();
    at(&mut template, &["metadata", "labels"])
        .insert("pod-template-hash".into(), hash.as_str().into());
    let mut selector = deployment["spec"]["selector"].clone();
    at(&mut selector, &["matchLabels"]).insert("pod-template-hash".into(), hash.as_str().into());
    let mut annotations = map(deployment, "/metadata/annotations").cloned().unwrap_or_default();
    annotations.insert(REVISION.into(), (last_revision(sets) + 1).to_string().into());
    let set = json!({
        "metadata": {
            "labels": template["metadata"]["labels"],
            "annotations": annotations,
            "ownerReferences": [owner(deployment)],
        },
        "spec": { "replicas": 0, "selector": selector, "template": template },
        "status": { "replicas": 0 },
    });
    state.found(REPLICA_SETS, &key.namespace, &set_name(deployment), set);
}

/// The new ReplicaSet has the highest revision, and the Deployment says which.
fn stamp_revision(state: &mut State, key: &Key, new: &Key, sets: &Sets) {
    let found = sets.newest().map_or(0, |(_, set)| revision(set));
    let highest = last_revision(sets);
    let is_highest = sets.old().all(|(_, set)| revision(set) < found);
    let revision = if is_highest { found } else { highest + 1 };
    for key in [new, key] {
        state.revise(key, CONTROLLERS_STATUS, |object| {
            let annotations = at(object, &["metadata", "annotations"]);
            annotations.insert(REVISION.into(), revision.to_string().into());
        });
    }
}

fn revision(set: &Value) -> i64 {
    set["metadata"]["annotations"][REVISION]
        .as_str()
        .and_then(|text| text.parse().ok())
        .map_or(0, reasonable)
}

fn last_revision(sets: &Sets) -> i64 {
    sets.all.iter().map(|(_, set)| revision(set)).max().unwrap_or(0)
}

/// Removes the oldest empty `ReplicaSet`s beyond the limit.
fn forget_sets(state: &mut State, deployment: &Value, sets: &Sets) {
    let limit = number(deployment, "/spec/revisionHistoryLimit").unwrap_or(10);
    let mut empty: Vec<_> = sets
        .old()
        .filter(|(_, set)| {
            number(set, "/spec/replicas") == Some(0) && number(set, "/status/replicas") == Some(0)
        })
        .collect();
    empty.sort_by_key(|(_, set)| revision(set));
    let surplus = empty.len().saturating_sub(usize::try_from(limit).unwrap_or_default());
    for (key, _) in &empty[..surplus] {
        state.remove(key);
    }
}

/// How many pods more, and how many fewer, there may be in a rollout.
pub(super) fn leeway(deployment: &Value, wanted: i64) -> (i64, i64) {
    let resolve =
        |field: &str, up: bool| match &deployment["spec"]["strategy"]["rollingUpdate"][field] {
            Value::String(text) => {
                let percent: i64 = text.trim_end_matches('%').parse().unwrap_or_default();
                let parts = wanted.saturating_mul(percent);
                reasonable(if up { parts.saturating_add(99) / 100 } else { parts / 100 })
            }
            number => reasonable(number.as_i64().unwrap_or_default()),
        };
    let (surge, unavailable) = (resolve("maxSurge", true), resolve("maxUnavailable", false));
    (surge, if surge == 0 && unavailable == 0 { 1 } else { unavailable })
}

pub(super) fn set_name(deployment: &Value) -> String {
    format!("{}-{}", text(deployment, "/metadata/name"), template_hash(deployment))
}

/// Ten letters that follow from the template. The real server computes others.
fn template_hash(deployment: &Value) -> String {
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let digest = Digest::of([deployment["spec"]["template"].to_string()]);
    let digits = digest.as_str().bytes().rev().take(20).collect::<Vec<_>>();
    let letter = |pair: &[u8]| {
        let sum = pair.iter().fold(0, |sum, digit| sum * 31 + usize::from(*digit));
        char::from(LETTERS[sum % LETTERS.len()])
    };
    digits.chunks(2).map(letter).collect()
}

pub(super) fn owner(object: &Value) -> Value {
    json!({
        "apiVersion": object["apiVersion"], "kind": object["kind"],
        "name": object["metadata"]["name"], "uid": object["metadata"]["uid"],
        "controller": true, "blockOwnerDeletion": true,
    })
}

pub(super) fn is_controlled_by(object: &Value, uid: &str) -> bool {
    list(object, "/metadata/ownerReferences")
        .iter()
        .any(|owner| owner["controller"] == true && owner["uid"] == uid)
}
