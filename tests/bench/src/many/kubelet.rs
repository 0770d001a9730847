//! What says of pods that they run.

use std::sync::atomic::{AtomicU32, Ordering};

use bluegreen_tests::Access;
use futures_util::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};

use super::scene::NODE;

static COUNT: AtomicU32 = AtomicU32::new(0);

/// Says of all pods of the node that they run and are ready, and ends those that are to end, until
/// it is killed.
pub(crate) async fn kubelet() {
    let client = Access::admin().await.client();
    let all: Api<Pod> = Api::all(client.clone());
    let config = watcher::Config::default().fields(&format!("spec.nodeName={NODE}"));
    let pods = watcher(all, config).default_backoff().applied_objects();
    let pods = pods.filter_map(|pod| async { pod.ok() }).map(Ok::<_, kube::Error>);
    pods.try_for_each_concurrent(32, |pod| settle(client.clone(), pod)).await.unwrap();
}

async fn settle(client: Client, pod: Pod) -> Result<(), kube::Error> {
    let pods: Api<Pod> = Api::namespaced(client, &pod.namespace().unwrap_or_default());
    let name = pod.name_any();
    let done = if pod.metadata.deletion_timestamp.is_some() {
        pods.delete(&name, &DeleteParams::default().grace_period(0)).await.map(drop)
    } else if pod.status.as_ref().and_then(|it| it.phase.as_deref()) == Some("Running") {
        Ok(())
    } else {
        let status = Patch::Merge(status(&pod));
        pods.patch_status(&name, &PatchParams::default(), &status).await.map(drop)
    };
    match done {
        // It is gone.
        Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => Ok(()),
        done => done,
    }
}

fn status(pod: &Pod) -> Value {
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let ip = format!("100.64.{}.{}", number / 250, number % 250 + 1);
    let now = k8s_openapi::jiff::Timestamp::now().to_string();
    let image = pod.spec.as_ref().and_then(|spec| spec.containers[0].image.clone());
    let condition = |kind: &str| json!({"type": kind, "status": "True", "lastTransitionTime": now});
    let conditions = ["PodScheduled", "Initialized", "ContainersReady", "Ready"].map(condition);
    json!({"status": {
        "phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}], "hostIP": "192.0.2.1",
        "startTime": now,
        "conditions": conditions,
        "containerStatuses": [{
            "name": "agent", "ready": true, "started": true, "restartCount": 0,
            "image": image, "imageID": format!("{}@sha256:1", image.clone().unwrap_or_default()),
            "state": {"running": {"startedAt": now}},
        }],
    }})
}
