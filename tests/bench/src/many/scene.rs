//! The objects of many agents, and the node that their pods are said to run on.

use bluegreen_core::Color;
use futures_util::StreamExt as _;
use futures_util::stream;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Node, Service};
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use super::{PATIENCE, agent};

/// The name of the node that there is not.
pub(super) const NODE: &str = "said-to-be";

/// Says that there is such a node, and that it is well.
pub(super) async fn add_node(client: &Client) {
    let nodes: Api<Node> = Api::all(client.clone());
    let node = json!({"metadata": {"name": NODE}});
    let node = serde_json::from_value(node).unwrap();
    nodes.create(&PostParams::default(), &node).await.unwrap();
    let status = json!({"status": {"conditions": [{
        "type": "Ready", "status": "True", "reason": "SaidToBe",
        "lastHeartbeatTime": k8s_openapi::jiff::Timestamp::now().to_string(),
    }]}});
    nodes.patch_status(NODE, &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
}

/// Makes the agents and returns once all of them have their pod.
pub(super) async fn add_agents(client: &Client, namespaces: &[&str], count: usize) {
    let making = stream::iter(0..count).for_each_concurrent(8, |number| async move {
        let (namespace, name) = agent(namespaces, number);
        let services: Api<Service> = Api::namespaced(client.clone(), namespace);
        let service = serde_json::from_value(service(&name)).unwrap();
        services.create(&PostParams::default(), &service).await.unwrap();
        let deployments: Api<Deployment> = Api::namespaced(client.clone(), namespace);
        for color in Color::BOTH {
            let wanted = serde_json::from_value(deployment(&name, color)).unwrap();
            deployments.create(&PostParams::default(), &wanted).await.unwrap();
        }
    });
    making.await;
    let ready = async {
        for namespace in namespaces {
            while !all_ready(client, namespace).await {
                tokio::time::sleep(std::time::Duration::from_secs(2)).await;
            }
        }
    };
    tokio::time::timeout(PATIENCE, ready).await.expect("all agents have their pod");
}

async fn all_ready(client: &Client, namespace: &str) -> bool {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let all = deployments.list(&ListParams::default().labels("slot=blue")).await.unwrap();
    all.iter().all(|it| it.status.as_ref().and_then(|it| it.ready_replicas) == Some(1))
}

fn service(name: &str) -> Value {
    json!({
        "metadata": {"name": name},
        "spec": {
            "selector": {"app": name, "slot": "blue"},
            "ports": [{"port": 80, "targetPort": 8080}],
        },
    })
}

fn deployment(name: &str, color: Color) -> Value {
    let labels = json!({"app": name, "slot": color.as_str(), "version": "1.2.0"});
    json!({
        "metadata": {"name": format!("{name}-{color}"), "labels": labels},
        "spec": {
            "replicas": u32::from(color == Color::Blue),
            "selector": {"matchLabels": {"app": name, "slot": color.as_str()}},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "nodeName": NODE,
                    "tolerations": [{"operator": "Exists"}],
                    "automountServiceAccountToken": false,
                    "terminationGracePeriodSeconds": 30,
                    "containers": [{
                        "name": "agent",
                        "image": bluegreen_tests::image("1.2.0"),
                        "ports": [{"containerPort": 8080}],
                        "env": [
                            {"name": "AGENT_VERSION", "value": "1.2.0"},
                            {"name": "MODEL", "value": "a-model-2026-01-01"},
                            {"name": "SYSTEM_PROMPT", "value": "You answer briefly."},
                        ],
                        "readinessProbe": {"httpGet": {"path": "/readyz", "port": 8080}},
                        "resources": {"requests": {"cpu": "1m", "memory": "1Mi"}},
                    }],
                },
            },
        },
    })
}
