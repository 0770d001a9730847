use kube::core::DynamicObject;
use serde_json::{Value, json};

use super::*;
use crate::Settings;

/// A Deployment of three with this status.
fn deployment(status: &Value) -> DynamicObject {
    serde_json::from_value(json!({
        "metadata": {"name": "agent-green", "uid": "d1", "generation": 2},
        "spec": {"replicas": 3, "template": {"spec": {}}},
        "status": status,
    }))
    .unwrap()
}

fn pod(status: &Value) -> Pod {
    serde_json::from_value(json!({
        "metadata": {"name": "agent-green-1", "uid": "p1", "ownerReferences": [{
            "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "agent-green",
            "uid": "s1", "controller": true,
        }]},
        "status": status,
    }))
    .unwrap()
}

fn waiting(reason: &str) -> Pod {
    pod(&json!({"containerStatuses": [{
        "name": "agent", "image": "a:1", "imageID": "", "ready": false, "restartCount": 1,
        "state": {"waiting": {"reason": reason, "message": "says why"}},
        "lastState": {"terminated": {"exitCode": 3, "reason": "Error", "message": "no key\n"}},
    }]}))
}

/// The set of the current template.
fn set() -> DynamicObject {
    serde_json::from_value(json!({
        "metadata": {"name": "agent-green", "uid": "s1", "ownerReferences": [{
            "apiVersion": "apps/v1", "kind": "Deployment", "name": "agent-green",
            "uid": "d1", "controller": true,
        }]},
        "spec": {"template": {"spec": {}}},
    }))
    .unwrap()
}

/// Looks at the pods in turn, a second apart.
fn look(status: &Value, pods: &[Pod]) -> Vec<Progress> {
    let settings = Settings::new("agent", "ns");
    let object = deployment(status);
    let seen = Seen::new(&object, &settings);
    let set = set();
    let sets = Sets::of(seen, [&set].into_iter());
    let mut patience = Patience::new(Duration::from_secs(2));
    let mut now = Instant::now();
    let looks = pods.iter().map(|pod| {
        let progress = patience.look(now, seen, &sets, [pod].into_iter());
        now += Duration::from_secs(1);
        progress
    });
    looks.collect()
}

#[test]
fn complete_is_what_kubectl_calls_complete() {
    let settings = Settings::new("agent", "ns");
    let counts = |observed, updated, replicas, available| {
        let object = deployment(&json!({
            "observedGeneration": observed, "updatedReplicas": updated,
            "replicas": replicas, "availableReplicas": available,
        }));
        is_complete(Seen::new(&object, &settings))
    };
    assert!(counts(2, 3, 3, 3));
    assert!(counts(3, 3, 3, 3));
    assert!(!counts(1, 3, 3, 3), "the controller has not seen the change");
    assert!(!counts(2, 2, 3, 3), "not all are new");
    assert!(!counts(2, 3, 4, 3), "old ones are left");
    assert!(!counts(2, 3, 3, 2), "not all are available");
    let object = deployment(&json!({}));
    assert!(!is_complete(Seen::new(&object, &settings)));
}

#[test]
fn what_will_not_start_is_given_up_at_once() {
    for reason in [
        "ImagePullBackOff",
        "CrashLoopBackOff",
        "CreateContainerConfigError",
        "InvalidImageName",
        "ErrImageNeverPull",
    ] {
        let wanted = format!(
            "pod agent-green-1, container agent: {reason}: says why; it ended with exit code 3 \
             (Error): no key"
        );
        assert_eq!(look(&json!({}), &[waiting(reason)]), [Progress::Hopeless(wanted)]);
    }
    for reason in ["ContainerCreating", "PodInitializing"] {
        assert_eq!(look(&json!({}), &[waiting(reason)]), [Progress::Waiting(None)]);
    }
}

#[test]
fn an_image_may_fail_to_be_pulled_once() {
    let (fails, other) = (waiting("ErrImagePull"), waiting("ContainerCreating"));
    let looks = look(&json!({}), &[fails.clone(), fails.clone(), other, fails]);
    assert!(looks[..3].iter().all(|progress| *progress == Progress::Waiting(None)), "{looks:?}");
    assert!(matches!(&looks[3], Progress::Hopeless(why) if why.contains("ErrImagePull")));
}

#[test]
fn what_may_pass_is_waited_for_a_while() {
    let pod = pod(&json!({"conditions": [{
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
        "message": "0/1 nodes are available",
    }]}));
    let looks = look(&json!({}), &[pod.clone(), pod.clone(), pod]);
    assert!(matches!(looks[0], Progress::Waiting(Some(_))), "{looks:?}");
    assert!(matches!(looks[1], Progress::Waiting(Some(_))), "{looks:?}");
    let wanted = "pod agent-green-1: Unschedulable: 0/1 nodes are available (for 2 s)".to_owned();
    assert_eq!(looks[2], Progress::Hopeless(wanted));
}

#[test]
fn what_has_passed_is_waited_for_anew() {
    let (fails, other) = (waiting("RunContainerError"), waiting("ContainerCreating"));
    let looks = look(&json!({}), &[fails.clone(), other, fails.clone(), fails]);
    assert!(looks.iter().all(|progress| matches!(progress, Progress::Waiting(_))), "{looks:?}");
}

#[test]
fn pods_of_another_template_do_not_count() {
    let mut old = waiting("CrashLoopBackOff");
    old.metadata.owner_references.as_mut().unwrap()[0].uid = "s0".to_owned();
    assert_eq!(look(&json!({}), &[old]), [Progress::Waiting(None)]);
}

#[test]
fn the_controllers_own_verdict_counts_once_it_has_seen_the_change() {
    let status = |observed| {
        json!({"observedGeneration": observed, "conditions": [{
            "type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded",
            "message": "timed out",
        }]})
    };
    let pods = [waiting("ContainerCreating")];
    assert_eq!(look(&status(1), &pods), [Progress::Waiting(None)]);
    let why = "ProgressDeadlineExceeded: timed out".to_owned();
    assert_eq!(look(&status(2), &pods), [Progress::Hopeless(why)]);
}

#[test]
fn a_quota_that_lets_no_pod_be_made_is_waited_for_a_while() {
    let status = json!({"observedGeneration": 2, "conditions": [{
        "type": "ReplicaFailure", "status": "True", "reason": "FailedCreate",
        "message": "exceeded quota",
    }]});
    let pods = vec![waiting("ContainerCreating"); 3];
    let looks = look(&status, &pods);
    let wanted = "FailedCreate: exceeded quota (for 2 s)".to_owned();
    assert_eq!(looks[2], Progress::Hopeless(wanted));
}

#[test]
fn ready_pods_need_not_wait_until_they_are_counted() {
    let settings = Settings::new("agent", "ns");
    let ready = || pod(&json!({"conditions": [{"type": "Ready", "status": "True"}]}));
    let ending = || {
        let mut pod = pod(&json!({}));
        pod.metadata.deletion_timestamp =
            serde_json::from_value(json!("2026-01-01T00:00:00Z")).ok();
        pod
    };
    let is_complete = |spec: Value, observed: i64, pods: &[Pod]| {
        let mut object = deployment(&json!({"observedGeneration": observed}));
        for (key, value) in spec.as_object().unwrap() {
            object.data["spec"][key] = value.clone();
        }
        let seen = Seen::new(&object, &settings);
        let set = set();
        let sets = Sets::of(seen, [&set].into_iter());
        is_complete_by_pods(seen, &sets, pods.iter())
    };
    let three = || vec![ready(), ready(), ready()];
    assert!(is_complete(json!({}), 2, &three()));
    let with = |pod| [three(), vec![pod]].concat();
    assert!(is_complete(json!({}), 2, &with(ending())), "one that ends does not count");
    assert!(!is_complete(json!({}), 1, &three()), "nobody has seen this generation");
    assert!(!is_complete(json!({}), 2, &three()[1..]), "one is missing");
    assert!(!is_complete(json!({}), 2, &with(ready())), "one is too many");
    assert!(!is_complete(json!({}), 2, &[ready(), ready(), pod(&json!({}))]), "one is not ready");
    assert!(!is_complete(json!({"minReadySeconds": 5}), 2, &three()), "none is available yet");
    assert!(!is_complete(json!({"paused": true}), 2, &three()));
    let other = json!({"template": {"spec": {"containers": []}}});
    assert!(!is_complete(other, 2, &three()), "they run something else");
}
