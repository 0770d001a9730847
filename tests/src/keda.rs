//! The operator of KEDA, as a process beside the cluster.

use std::env;
use std::path::{Path, PathBuf};

use kube::Api;
use kube::api::DynamicObject;
use kube::core::GroupVersionKind;
use kube::discovery::ApiResource;
use serde_json::{Value, json};
use tokio::process::Child;

use crate::program::define;
use crate::{Agent, folder, free_ports, log, program};

/// Defines in the cluster what KEDA wants to find there.
pub async fn define_keda() {
    let folder = env::var_os("BLUEGREEN_KEDA_CRDS").expect("tests/keda/run names it");
    define(Path::new(&folder)).await;
}

/// Starts KEDA for the namespace of an agent. It ends with what is returned. The API of the metrics that
/// its autoscalers go by is not its own here: [`ExternalMetrics`](crate::ExternalMetrics) sets them.
pub fn keda(agent: &Agent) -> Child {
    let namespace = agent.namespace().name();
    let [metrics, health, grpc] = free_ports();
    let folder = folder(namespace);
    // It serves those metrics, to which nobody connects, only with a certificate.
    let certificates = folder.join("keda");
    std::fs::create_dir_all(&certificates).unwrap();
    let pki = PathBuf::from(env::var_os("BLUEGREEN_CLUSTER_RUN").unwrap()).join("pki");
    for (from, to) in
        [("ca.crt", "ca.crt"), ("apiserver.crt", "tls.crt"), ("apiserver.key", "tls.key")]
    {
        std::fs::copy(pki.join(from), certificates.join(to)).unwrap();
    }
    program("BLUEGREEN_KEDA")
        .envs([
            ("WATCH_NAMESPACE", namespace),
            ("POD_NAMESPACE", namespace),
            ("KEDA_CLUSTER_OBJECT_NAMESPACE", namespace),
        ])
        .arg(format!("--cert-dir={}", certificates.display()))
        .arg(format!("--metrics-bind-address=127.0.0.1:{metrics}"))
        .arg(format!("--health-probe-bind-address=127.0.0.1:{health}"))
        .arg(format!("--metrics-service-bind-address=127.0.0.1:{grpc}"))
        .args(["--enable-webhook-patching=false", "--enable-apiservice-patching=false"])
        .stderr(log(&folder, "keda"))
        .spawn()
        .unwrap()
}

/// The `ScaledObject`s of an agent's namespace.
pub fn scaled_objects(agent: &Agent) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("keda.sh", "v1alpha1", "ScaledObject");
    let resource = ApiResource::from_gvk(&kind);
    let namespace = agent.namespace().name();
    Api::namespaced_with(agent.admin().clone(), namespace, &resource)
}

/// One of this name for the Deployment of the same name. What it counts there never is any.
pub fn scaled_object(name: &str, [min, max]: [u32; 2]) -> Value {
    let counted = json!({"podSelector": "app=nobody", "value": "10"});
    json!({
        "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": name},
        "spec": {
            "scaleTargetRef": {"name": name}, "minReplicaCount": min, "maxReplicaCount": max,
            "pollingInterval": 1,
            "triggers": [{"type": "kubernetes-workload", "metadata": counted}],
        },
    })
}
