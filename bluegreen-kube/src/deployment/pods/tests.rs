use serde_json::{Value, json};

use super::*;
use crate::Settings;

/// A pod of a set of the Deployment `agent-green`.
fn pod(hash: &str, is_ready: bool) -> Pod {
    let status = if is_ready { "True" } else { "False" };
    serde_json::from_value(json!({
        "metadata": {
            "name": "p", "labels": {"pod-template-hash": hash},
            "ownerReferences": [{
                "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": format!("agent-green-{hash}"),
                "uid": format!("set-{hash}"), "controller": true,
            }],
        },
        "status": {"conditions": [{"type": "Ready", "status": status}]},
    }))
    .unwrap()
}

/// What is evident of a Deployment of two with this status, and these pods.
fn evident(status: &Value, pods: &[Pod]) -> Option<Sets> {
    let object: DynamicObject = serde_json::from_value(json!({
        "metadata": {"name": "agent-green", "uid": "d1", "generation": 4},
        "spec": {"replicas": 2},
        "status": status,
    }))
    .unwrap();
    Sets::evident(Seen::new(&object, &Settings::new("agent", "ns")), pods)
}

fn settled() -> Value {
    json!({"observedGeneration": 4, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2})
}

#[test]
fn restarts_without_number_are_many() {
    let status = |count: i32| {
        json!({
            "name": "c", "image": "a", "imageID": "a", "ready": false, "restartCount": count,
        })
    };
    let mut pod = pod("a", true);
    let statuses = json!({"containerStatuses": [status(i32::MAX), status(i32::MAX), status(-5)]});
    pod.status = serde_json::from_value(statuses).unwrap();
    assert_eq!(state(&pod).restarts, u32::MAX - 1);
    pod.status = serde_json::from_value(json!({"containerStatuses": [status(-5)]})).unwrap();
    assert_eq!(state(&pod).restarts, 0);
}

#[test]
fn pods_that_agree_with_all_counts_need_no_list_of_sets() {
    let pods = [pod("a", true), pod("a", true)];
    let sets = evident(&settled(), &pods).unwrap();
    assert!(pods.iter().all(|pod| sets.has(pod) && sets.is_current(pod)));
}

#[test]
fn a_cache_that_is_behind_or_ahead_is_not_taken_for_the_truth() {
    let two = || vec![pod("a", true), pod("a", true)];
    for (field, other) in
        [("observedGeneration", 3), ("replicas", 3), ("updatedReplicas", 1), ("readyReplicas", 1)]
    {
        let mut status = settled();
        status[field] = other.into();
        assert!(evident(&status, &two()).is_none(), "{field}");
    }
    for pods in [
        vec![],
        vec![pod("a", true)],
        vec![pod("a", true), pod("a", true), pod("a", true)],
        vec![pod("a", true), pod("a", false)],
        vec![pod("a", true), pod("b", true)],
    ] {
        assert!(evident(&settled(), &pods).is_none(), "{pods:?}");
    }
}

#[test]
fn pods_of_others_are_not_taken_for_the_deployments_own() {
    for (field, other) in [("kind", "StatefulSet"), ("name", "agent-blue-a")] {
        let mut first = serde_json::to_value(pod("a", true)).unwrap();
        first["metadata"]["ownerReferences"][0][field] = other.into();
        let first: Pod = serde_json::from_value(first).unwrap();
        assert!(evident(&settled(), &[first.clone(), first]).is_none(), "{field}");
    }
    let mut nobodys = pod("a", true);
    nobodys.metadata.owner_references = None;
    assert!(evident(&settled(), &[pod("a", true), nobodys]).is_none());
}

#[test]
fn a_pod_none_of_whose_containers_runs_has_nothing_in_hand() {
    let with = |state: Value| {
        let mut pod = pod("a", false);
        let status = json!([{"name": "agent", "image": "i", "imageID": "", "ready": false,
            "restartCount": 1, "state": state}]);
        pod.status.as_mut().unwrap().container_statuses = serde_json::from_value(status).unwrap();
        super::state(&pod).running
    };
    assert!(with(json!({"running": {}})), "one that is not ready may still be at work");
    assert!(!with(json!({"waiting": {"reason": "CrashLoopBackOff"}})));
    assert!(!with(json!({"terminated": {"exitCode": 1}})));
}
