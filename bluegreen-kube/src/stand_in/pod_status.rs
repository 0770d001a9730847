//! What a pod says about itself.

use bluegreen_core::Digest;
use serde_json::{Value, json};

use super::json::{list, text};
use super::pods::{Life, Startup};
use super::store::now;

/// The status of a pod that fares so.
pub(super) fn of(pod: &Value, life: &Life) -> Value {
    let since = match text(pod, "/status/startTime") {
        "" => now(),
        since => since.to_owned(),
    };
    if life.startup == Startup::Unschedulable {
        let why = "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are \
                   available: 1 No preemption victims found for incoming pod.";
        let condition = condition(pod, "PodScheduled", false, ("Unschedulable", why));
        return json!({ "phase": "Pending", "conditions": [condition], "qosClass": "BestEffort" });
    }
    let runs = life.startup != Startup::PullFails && life.lacks.is_none();
    let is_ready = life.is_ready && runs;
    let names: Vec<&str> =
        list(pod, "/spec/containers").iter().map(|one| text(one, "/name")).collect();
    let unready = format!("containers with unready status: [{}]", names.join(" "));
    let not_ready = ("ContainersNotReady", unready.as_str());
    let containers: Vec<Value> = list(pod, "/spec/containers")
        .iter()
        .map(|one| container(pod, one, life, is_ready, &since))
        .collect();
    json!({
        "phase": if runs { "Running" } else { "Pending" },
        "conditions": [
            condition(pod, "PodReadyToStartContainers", true, ("", "")),
            condition(pod, "Initialized", true, ("", "")),
            condition(pod, "Ready", is_ready, not_ready),
            condition(pod, "ContainersReady", is_ready, not_ready),
            condition(pod, "PodScheduled", true, ("", "")),
        ],
        "hostIP": "192.0.2.1", "hostIPs": [{ "ip": "192.0.2.1" }],
        "podIP": life.address, "podIPs": [{ "ip": life.address }],
        "startTime": since, "containerStatuses": containers, "qosClass": "BestEffort",
    })
}

fn container(pod: &Value, container: &Value, life: &Life, is_ready: bool, since: &str) -> Value {
    let image = text(container, "/image");
    let name = text(container, "/name");
    let (mut state, mut last) = (json!({ "running": { "startedAt": since } }), json!({}));
    let mut image_id = identity(image);
    let waiting = |reason: &str, message: String| json!({ "waiting": { "reason": reason, "message": message } });
    let ended = json!({ "terminated": {
        "exitCode": 1, "reason": "Error", "startedAt": since, "finishedAt": since,
    } });
    if life.restarts > 0 {
        last = ended.clone();
    }
    if life.startup == Startup::PullFails {
        let why = format!(
            "failed to pull and unpack image \"{image}\": failed to resolve reference \"{image}\": \
             {image}: not found"
        );
        state = if life.backs_off {
            let why = format!("Back-off pulling image \"{image}\": ErrImagePull: {why}");
            waiting("ImagePullBackOff", why)
        } else {
            waiting("ErrImagePull", why)
        };
        image_id.clear();
    } else if let Some(lacks) = &life.lacks {
        state = waiting("CreateContainerConfigError", lacks.clone());
        image_id.clear();
    } else if life.startup == Startup::CrashLoops {
        let (pod, uid) = (text(pod, "/metadata/name"), text(pod, "/metadata/uid"));
        let why = format!("back-off 10s restarting failed container={name} pod={pod}({uid})");
        state = waiting("CrashLoopBackOff", why);
        last = ended;
    }
    json!({
        "name": name, "image": image, "imageID": image_id, "ready": is_ready,
        "started": state.get("running").is_some(), "state": state, "lastState": last,
        "restartCount": life.restarts.max(u32::from(life.startup == Startup::CrashLoops)),
    })
}

/// What an image really is. The same name is always the same image.
fn identity(image: &str) -> String {
    let repository = image.split('@').next().unwrap_or_default();
    let tag = repository.rfind(':').filter(|at| !repository[*at..].contains('/'));
    let repository = tag.map_or(repository, |at| &repository[..at]);
    match image.split_once('@') {
        Some((_, digest)) => format!("{repository}@{digest}"),
        None => format!("{repository}@{}", Digest::of([image])),
    }
}

/// A condition, which keeps its time while it stays as it is.
fn condition(pod: &Value, kind: &str, is_true: bool, otherwise: (&str, &str)) -> Value {
    let status = if is_true { "True" } else { "False" };
    let old = list(pod, "/status/conditions").iter().find(|one| one["type"] == kind);
    let since = match old {
        Some(old) if old["status"] == status => old["lastTransitionTime"].clone(),
        _ => now().into(),
    };
    let mut condition = json!({ "type": kind, "status": status, "lastTransitionTime": since });
    if !is_true {
        condition["reason"] = otherwise.0.into();
        condition["message"] = otherwise.1.into();
    }
    condition
}
