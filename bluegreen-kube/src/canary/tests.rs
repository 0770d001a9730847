use bluegreen_core::Color::{Blue, Green};
use bluegreen_core::{ObservedState, Pin, Share};
use kube::Api;
use kube::api::{DynamicObject, PostParams};
use kube::discovery::ApiResource;
use serde_json::{Value, json};

use super::*;
use crate::fixtures::{deployment, slot_service};
use crate::stand_in::StandIn;

mod checks;
mod killed;
mod writing;

const NAMESPACE: &str = "ai-agents";
const INGRESSES: &str = "ingresses.networking.k8s.io";
const ONE: Epoch = Epoch::new(1);

fn settings() -> Settings {
    Settings::new("agent", NAMESPACE)
}

fn blue() -> Routing {
    Routing::all(Blue)
}

fn green() -> Routing {
    Routing::all(Green)
}

fn share(percent: u32) -> Routing {
    blue().with_candidate(Share::percent(percent))
}

/// With requests that choose the candidate.
fn pinned(mut routing: Routing) -> Routing {
    let (name, value, color) = ("x-try".to_owned(), "new".to_owned(), routing.live.other());
    routing.pins.push(Pin::Header { name, value, color });
    routing
}

fn service(name: &str, color: Color) -> Value {
    let mut service = slot_service(color);
    service["metadata"]["name"] = name.into();
    service
}

fn ingress(name: &str, service: &str, annotations: &Value) -> Value {
    let backend = json!({"service": {"name": service, "port": {"name": "http"}}});
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": {"name": name, "annotations": annotations},
        "spec": {
            "ingressClassName": "nginx",
            "rules": [{
                "host": "agent.example.com",
                "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]},
            }],
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

/// What the canary is around.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Around {
    Service,
    Ingress,
}

const BOTH: [Around; 2] = [Around::Service, Around::Ingress];

/// A primary that leads to blue, and a canary beside it that is asked for nothing.
async fn world(around: Around) -> StandIn {
    let stand_in = StandIn::new();
    for color in Color::BOTH {
        create(&stand_in, "deployments", deployment(color)).await;
    }
    let primary = match around {
        Around::Service => {
            create(&stand_in, "services", service("agent", Blue)).await;
            "agent"
        }
        Around::Ingress => {
            for color in Color::BOTH {
                create(&stand_in, "services", slot_service(color)).await;
            }
            "agent-blue"
        }
    };
    create(&stand_in, "services", service("agent-canary", Blue)).await;
    create(&stand_in, "ingresses", ingress("agent", primary, &json!({}))).await;
    let marks = json!({"nginx.ingress.kubernetes.io/canary": "true", "example.com/say": "a<b>&c"});
    create(&stand_in, "ingresses", ingress("agent-canary", "agent-canary", &marks)).await;
    stand_in
}

fn switch(stand_in: &StandIn, around: Around) -> IngressCanary {
    let client = || stand_in.client(NAMESPACE);
    match around {
        Around::Service => {
            let inner = ServiceSwitch::new(client(), settings());
            IngressCanary::around_service(client(), settings(), inner)
        }
        Around::Ingress => {
            let inner = IngressSwitch::new(client(), settings()).with_ingress("agent");
            IngressCanary::around_ingress(client(), settings(), inner)
        }
    }
}

fn mark(stand_in: &StandIn, name: &str, annotation: &str, value: &Value) {
    let key = format!("nginx.ingress.kubernetes.io/{annotation}");
    let patch = json!({"metadata": {"annotations": {key: value}}});
    assert!(stand_in.edit("kubectl-edit", INGRESSES, NAMESPACE, name, &patch));
}

fn marked(stand_in: &StandIn, annotation: &str) -> Value {
    let canary = stand_in.object(INGRESSES, NAMESPACE, "agent-canary").unwrap();
    canary["metadata"]["annotations"][format!("nginx.ingress.kubernetes.io/{annotation}")].clone()
}

/// The slot that a Service selects.
fn selected(stand_in: &StandIn, service: &str) -> Value {
    stand_in.object("services", NAMESPACE, service).unwrap()["spec"]["selector"]["slot"].clone()
}

/// The slot that the primary leads to.
fn main(stand_in: &StandIn, around: Around) -> Color {
    let found = match around {
        Around::Service => selected(stand_in, "agent"),
        Around::Ingress => {
            let primary = stand_in.object(INGRESSES, NAMESPACE, "agent").unwrap();
            let backend = &primary["spec"]["rules"][0]["http"]["paths"][0]["backend"];
            backend["service"]["name"].as_str().unwrap().replace("agent-", "").into()
        }
    };
    Color::parse(found.as_str().unwrap()).unwrap()
}

fn set_ready(stand_in: &StandIn, color: Color, is_ready: bool) {
    for name in stand_in.pods(NAMESPACE, &[("slot", color.as_str())]) {
        stand_in.set_ready(NAMESPACE, &name, is_ready);
    }
}

async fn state(stand_in: &StandIn, around: Around) -> ObservedState {
    // Another process has to find the same.
    switch(stand_in, around).observe().await.unwrap().state
}
