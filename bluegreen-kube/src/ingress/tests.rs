use std::time::Duration;

use bluegreen_core::Color::{Blue, Green};
use bluegreen_core::{ObservedState, Pin, Share};
use kube::api::PostParams;
use serde_json::{Value, json};

use super::*;
use crate::fixtures::{deployment, slot_service};
use crate::stand_in::StandIn;

mod answering;
mod checks;
mod evidence;
mod halfway;
mod hostile;
mod writing;

const NAMESPACE: &str = "ai-agents";
const AGENT: &str = "agent";
const INGRESSES: &str = "ingresses.networking.k8s.io";
const ONE: Epoch = Epoch::new(1);

fn settings() -> Settings {
    Settings::new(AGENT, NAMESPACE)
}

fn blue() -> Routing {
    Routing::all(Blue)
}

fn green() -> Routing {
    Routing::all(Green)
}

fn backend(service: &str) -> Value {
    json!({"service": {"name": service, "port": {"name": "http"}}})
}

fn path(path: &str, service: &str) -> Value {
    json!({"path": path, "pathType": "Prefix", "backend": backend(service)})
}

/// An Ingress with two paths of ours, one that is not, and a default backend of ours.
fn ingress(name: &str) -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": {"name": name, "annotations": {"example.com/say": "a<b>&c"}},
        "spec": {
            "ingressClassName": "nginx",
            "defaultBackend": {"service": {"name": "agent-blue", "port": {"number": 80}}},
            "tls": [{"hosts": [format!("{name}.example.com")], "secretName": "certificate"}],
            "rules": [
                {
                    "host": format!("{name}.example.com"),
                    "http": {"paths": [path("/static", "files"), path("/", "agent-blue")]},
                },
                {"http": {"paths": [path("/v1?a&b", "agent-blue")]}},
            ],
        },
    })
}

async fn create(stand_in: &StandIn, plural: &str, object: Value) {
    let object: DynamicObject = serde_json::from_value(object).unwrap();
    let kind = kube::core::GroupVersionKind::try_from(object.types.as_ref().unwrap()).unwrap();
    let resource = ApiResource::from_gvk_with_plural(&kind, plural);
    let client = stand_in.client(NAMESPACE);
    let api: Api<DynamicObject> = Api::namespaced_with(client, NAMESPACE, &resource);
    api.create(&PostParams::default(), &object).await.unwrap();
}

/// Two slots behind one Ingress, and blue is live.
async fn world() -> StandIn {
    let stand_in = StandIn::new();
    for color in Color::BOTH {
        create(&stand_in, "deployments", deployment(color)).await;
        create(&stand_in, "services", slot_service(color)).await;
    }
    let files = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "files"},
        "spec": {"selector": {"app": "files"}, "ports": [{"name": "http", "port": 80}]},
    });
    create(&stand_in, "services", files).await;
    create(&stand_in, "ingresses", ingress(AGENT)).await;
    stand_in
}

fn switch(stand_in: &StandIn) -> IngressSwitch {
    IngressSwitch::new(stand_in.client(NAMESPACE), settings()).with_ingress(AGENT)
}

fn edit(stand_in: &StandIn, name: &str, patch: &Value) {
    assert!(stand_in.edit("kubectl-edit", INGRESSES, NAMESPACE, name, patch));
}

fn spec(stand_in: &StandIn, name: &str) -> Value {
    stand_in.object(INGRESSES, NAMESPACE, name).unwrap()["spec"].clone()
}

/// The same with every backend of a slot led to another.
fn led_to(spec: &Value, color: Color) -> Value {
    let text = spec.to_string();
    let text = text.replace(&format!("agent-{}", color.other()), &format!("agent-{color}"));
    serde_json::from_str(&text).unwrap()
}

fn set_ready(stand_in: &StandIn, color: Color, is_ready: bool) {
    for name in stand_in.pods(NAMESPACE, &[("slot", color.as_str())]) {
        stand_in.set_ready(NAMESPACE, &name, is_ready);
    }
}
