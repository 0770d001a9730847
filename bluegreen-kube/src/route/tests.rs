use std::time::Duration;

use bluegreen_core::Color::{Blue, Green};
use bluegreen_core::{Mirror, ObservedState, Share};
use kube::api::PostParams;
use kube::core::DynamicObject;
use serde_json::{Value, json};

use super::*;
use crate::fixtures::deployment;
use crate::stand_in::StandIn;

mod answering;
mod checks;
mod evidence;
mod halfway;
mod hostile;
mod pinning;
mod reading;
mod writing;

const NAMESPACE: &str = "ai-agents";
const AGENT: &str = "agent";
const ROUTES: &str = "httproutes.gateway.networking.k8s.io";
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

/// A share for green.
fn canary(percent: u32) -> Routing {
    blue().with_candidate(Share::percent(percent))
}

/// With conversations held by a header.
fn pinned(mut routing: Routing) -> Routing {
    let pin = |color: Color| {
        let (name, value) = ("x-slot".to_owned(), color.to_string());
        Pin::Header { name, value, color }
    };
    routing.pins = Color::BOTH.map(pin).to_vec();
    routing
}

/// With all of live's traffic copied.
fn mirrored(mut routing: Routing, percent: u32) -> Routing {
    routing.mirror = Some(Mirror::new(Share::percent(percent)));
    routing
}

fn service(color: Color) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": format!("agent-{color}")},
        "spec": {
            "selector": {"app": "agent", "slot": color.as_str()},
            "ports": [{"port": 80, "targetPort": "http"}],
        },
    })
}

fn backends(blue: u64, green: u64) -> Value {
    json!([
        {"group": "", "kind": "Service", "name": "agent-blue", "port": 80, "weight": blue},
        {"group": "", "kind": "Service", "name": "agent-green", "port": 80, "weight": green},
    ])
}

/// A route with a rule of ours after one that is not.
fn route(name: &str) -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
        "metadata": {"name": name},
        "spec": {
            "parentRefs": [{"name": "public"}],
            "hostnames": [format!("{name}.example.com")],
            "rules": [
                {
                    "matches": [{"path": {"type": "PathPrefix", "value": "/static"}}],
                    "backendRefs": [{"name": "files", "port": 80}],
                },
                {
                    "filters": [{"type": "RequestHeaderModifier",
                        "requestHeaderModifier": {"set": [{"name": "x-by", "value": "a<b>&c"}]}}],
                    "backendRefs": backends(1, 0),
                    "timeouts": {"request": "0s"},
                },
            ],
        },
    })
}

async fn create(stand_in: &StandIn, plural: &str, object: Value) {
    let object: DynamicObject = serde_json::from_value(object).unwrap();
    let kind = kube::core::GroupVersionKind::try_from(object.types.as_ref().unwrap()).unwrap();
    let resource = kube::discovery::ApiResource::from_gvk_with_plural(&kind, plural);
    let client = stand_in.client(NAMESPACE);
    let api: Api<DynamicObject> = Api::namespaced_with(client, NAMESPACE, &resource);
    api.create(&PostParams::default(), &object).await.unwrap();
}

/// Two slots behind one route, and blue is live.
async fn world() -> StandIn {
    let stand_in = StandIn::new();
    stand_in.add_gateway_api();
    for color in Color::BOTH {
        create(&stand_in, "deployments", deployment(color)).await;
        create(&stand_in, "services", service(color)).await;
    }
    let files = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "files"},
        "spec": {"selector": {"app": "files"}, "ports": [{"port": 80}]},
    });
    create(&stand_in, "services", files).await;
    create(&stand_in, "httproutes", route(AGENT)).await;
    stand_in
}

/// The same with pools in place of the slots' Services.
async fn pools() -> StandIn {
    let stand_in = StandIn::new();
    stand_in.add_gateway_api();
    stand_in.add_kind(POOL_GROUP, "v1", "inferencepools", "InferencePool");
    for color in Color::BOTH {
        create(&stand_in, "deployments", deployment(color)).await;
        let pool = json!({
            "apiVersion": format!("{POOL_GROUP}/v1"), "kind": "InferencePool",
            "metadata": {"name": format!("agent-{color}")},
            "spec": {
                "selector": {"matchLabels": {"app": "agent", "slot": color.as_str()}},
                "targetPorts": [{"number": 8080}],
            },
        });
        create(&stand_in, "inferencepools", pool).await;
    }
    let mut route = route(AGENT);
    let mut refs = backends(1, 0);
    for backend in refs.as_array_mut().unwrap() {
        backend["kind"] = "InferencePool".into();
        backend["group"] = POOL_GROUP.into();
        backend.as_object_mut().unwrap().remove("port");
    }
    route["spec"]["rules"][1]["backendRefs"] = refs;
    route["spec"]["rules"][0].as_object_mut().unwrap().remove("backendRefs");
    create(&stand_in, "httproutes", route).await;
    stand_in
}

const POOL_GROUP: &str = "inference.networking.k8s.io";

fn switch(stand_in: &StandIn) -> RouteWeights {
    RouteWeights::new(stand_in.client(NAMESPACE), settings()).with_route(AGENT)
}

fn edit(stand_in: &StandIn, name: &str, patch: &Value) {
    assert!(stand_in.edit("kubectl-edit", ROUTES, NAMESPACE, name, patch));
}

fn rules(stand_in: &StandIn, name: &str) -> Vec<Value> {
    let route = stand_in.object(ROUTES, NAMESPACE, name).unwrap();
    route["spec"]["rules"].as_array().unwrap().clone()
}

/// Somebody gives the slots other weights.
fn reweigh(stand_in: &StandIn, name: &str, blue: u64, green: u64) {
    let mut rules = rules(stand_in, name);
    rules[1]["backendRefs"] = backends(blue, green);
    edit(stand_in, name, &json!({"spec": {"rules": rules}}));
}

async fn shifted(switch: &RouteWeights, from: &Routing, to: &Routing) {
    switch.shift(from, to, ONE).await.unwrap();
    assert_eq!(switch.observe().await.unwrap().routing(), Some(to));
}
