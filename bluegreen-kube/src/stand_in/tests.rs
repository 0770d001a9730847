//! Each verb through `kube::Api`. What is expected here was asked of a real server first.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams, PostParams};
use kube::core::Status;
use kube::{Api, Client};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::StandIn;

mod faults;
mod reads;
mod watches;
mod workloads;
mod writes;

const NAMESPACE: &str = "agents";

fn from<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn to_json(object: &impl serde::Serialize) -> Value {
    serde_json::to_value(object).unwrap()
}

fn maps(client: &Client) -> Api<ConfigMap> {
    Api::default_namespaced(client.clone())
}

fn map(name: &str, value: &str) -> ConfigMap {
    from(json!({
        "metadata": { "name": name, "labels": { "app": name } }, "data": { "key": value },
    }))
}

fn deployment(name: &str, replicas: u32, image: &str) -> Deployment {
    from(json!({
        "metadata": { "name": name },
        "spec": {
            "replicas": replicas,
            "selector": { "matchLabels": { "app": "agent", "slot": name } },
            "template": {
                "metadata": { "labels": { "app": "agent", "slot": name } },
                "spec": { "containers": [{
                    "name": "agent", "image": image,
                    "ports": [{ "name": "http", "containerPort": 8000 }],
                    "readinessProbe": { "httpGet": { "path": "/readyz", "port": 8000 } },
                }] },
            },
        },
    }))
}

async fn create_deployment(client: &Client, name: &str, replicas: u32, image: &str) -> Deployment {
    let deployments: Api<Deployment> = Api::default_namespaced(client.clone());
    let made = deployment(name, replicas, image);
    deployments.create(&PostParams::default(), &made).await.unwrap()
}

/// Patches with JSON Patch operations.
async fn patch<K>(api: &Api<K>, name: &str, operations: Value) -> kube::Result<K>
where
    K: Clone + std::fmt::Debug + DeserializeOwned,
{
    let patch = Patch::<()>::Json(from(operations));
    api.patch(name, &PatchParams::default(), &patch).await
}

fn refused<T: std::fmt::Debug>(answer: kube::Result<T>) -> Status {
    match answer {
        Err(kube::Error::Api(status)) => *status,
        other => panic!("not refused: {other:?}"),
    }
}
