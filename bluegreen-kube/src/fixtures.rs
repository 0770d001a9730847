//! Objects that several tests begin with.

use bluegreen_core::Color;
use serde_json::{Value, json};

/// A slot with two pods.
pub(crate) fn deployment(color: Color) -> Value {
    let labels = json!({"app": "agent", "slot": color.as_str(), "version": format!("1-{color}")});
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": format!("agent-{color}")},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "agent", "slot": color.as_str()}},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{
                    "name": "agent", "image": "registry.example.com/agent:1",
                    "ports": [{"name": "http", "containerPort": 8080}],
                }]},
            },
        },
    })
}

/// The Service of a slot.
pub(crate) fn slot_service(color: Color) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": format!("agent-{color}")},
        "spec": {
            "selector": {"app": "agent", "slot": color.as_str()},
            "ports": [{"name": "http", "port": 80, "targetPort": "http"}],
        },
    })
}
