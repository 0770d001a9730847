//! A gateway controller: it accepts every route, and says which backends it cannot find.

use serde_json::{Value, json};

use super::json::{default, list, text};
use super::state::{CONTROLLERS_STATUS, State};
use super::store::{Key, now};

/// The kinds of the Gateway API that there are, with their plurals.
pub(super) const KINDS: [(&str, &str); 2] =
    [("httproutes", "HTTPRoute"), ("grpcroutes", "GRPCRoute")];
pub(super) const GROUP: &str = "gateway.networking.k8s.io";
pub(super) const HTTP_ROUTES: &str = "httproutes.gateway.networking.k8s.io";
pub(super) const GRPC_ROUTES: &str = "grpcroutes.gateway.networking.k8s.io";

/// What a route may have at most.
const MOST_RULES: usize = 16;
const MOST_BACKENDS: usize = 16;
const MOST_MATCHES: usize = 64;
const MOST_WEIGHT: i64 = 1_000_000;

pub(super) fn reconcile(state: &mut State, namespace: &str) {
    for id in [HTTP_ROUTES, GRPC_ROUTES] {
        for key in state.store.keys(id, namespace) {
            let Some(route) = state.store.get(&key) else { continue };
            let unresolved = unresolved(state, &route, namespace);
            state.revise(&key, CONTROLLERS_STATUS, |route| accept(route, unresolved.as_deref()));
        }
    }
}

/// The first backend that there is not.
fn unresolved(state: &State, route: &Value, namespace: &str) -> Option<String> {
    let rules = list(route, "/spec/rules").iter();
    let mut services = rules
        .flat_map(|rule| list(rule, "/backendRefs"))
        .filter(|backend| text(backend, "/kind") == "Service")
        .map(|backend| text(backend, "/name"));
    let is_missing =
        |name: &&str| state.store.get(&Key::new("services", namespace, name)).is_none();
    services.find(is_missing).map(str::to_owned)
}

fn accept(route: &mut Value, unresolved: Option<&str>) {
    let generation = route["metadata"]["generation"].clone();
    let condition = |kind: &str, lack: Option<&str>| {
        let (status, reason) =
            if lack.is_some() { ("False", "BackendNotFound") } else { ("True", kind) };
        json!({
            "type": kind, "status": status, "reason": reason,
            "message": lack.map(|name| format!("Service {name} not found")).unwrap_or_default(),
            "observedGeneration": generation, "lastTransitionTime": now(),
        })
    };
    let wanted = |parent: &Value| {
        json!({
            "parentRef": parent, "controllerName": "stand-in.example.com/gateway",
            "conditions": [condition("Accepted", None), condition("ResolvedRefs", unresolved)],
        })
    };
    let statuses: Vec<Value> = list(route, "/spec/parentRefs").iter().map(wanted).collect();
    // The time alone is no news.
    let timeless = |statuses: &[Value]| -> Vec<Value> {
        let mut statuses = statuses.to_vec();
        for status in &mut statuses {
            for condition in status["conditions"].as_array_mut().into_iter().flatten() {
                condition["lastTransitionTime"] = Value::Null;
            }
        }
        statuses
    };
    if timeless(&statuses) != timeless(list(route, "/status/parents")) {
        route["status"] = json!({ "parents": statuses });
    }
}

/// Fills in what the definitions of the kinds fill in.
pub(super) fn fill(object: &mut Value, is_http: bool) {
    for parent in at_list(object.pointer_mut("/spec/parentRefs")) {
        for (field, value) in [("group", GROUP), ("kind", "Gateway")] {
            default(super::json::at(parent, &[]), field, value);
        }
    }
    for rule in at_list(object.pointer_mut("/spec/rules")) {
        if is_http {
            let anything = json!({ "type": "PathPrefix", "value": "/" });
            default(super::json::at(rule, &[]), "matches", json!([{ "path": anything }]));
        }
        for one in at_list(rule.get_mut("matches")) {
            if is_http {
                let anything = json!({ "type": "PathPrefix", "value": "/" });
                default(super::json::at(one, &[]), "path", anything);
            }
            for header in at_list(one.get_mut("headers")) {
                default(super::json::at(header, &[]), "type", "Exact");
            }
        }
        for backend in at_list(rule.get_mut("backendRefs")) {
            let backend = super::json::at(backend, &[]);
            default(backend, "group", "");
            default(backend, "kind", "Service");
            default(backend, "weight", 1);
        }
    }
}

fn at_list(value: Option<&mut Value>) -> impl Iterator<Item = &mut Value> {
    value.and_then(Value::as_array_mut).into_iter().flatten()
}

/// What is evidently wrong with a route: the field, and why.
pub(super) fn mistakes(route: &Value) -> Vec<(String, Value, String)> {
    let mut mistakes = Vec::new();
    let mut too_many = |field: String, found: usize, most: usize| {
        if found > most {
            let why = format!("must have at most {most} items");
            mistakes.push((field, found.into(), why));
        }
    };
    let rules = list(route, "/spec/rules");
    too_many("spec.rules".into(), rules.len(), MOST_RULES);
    for (index, rule) in rules.iter().enumerate() {
        let field = |name: &str| format!("spec.rules[{index}].{name}");
        too_many(field("backendRefs"), list(rule, "/backendRefs").len(), MOST_BACKENDS);
        too_many(field("matches"), list(rule, "/matches").len(), MOST_MATCHES);
    }
    for (index, rule) in rules.iter().enumerate() {
        for (at, backend) in list(rule, "/backendRefs").iter().enumerate() {
            let weight = backend["weight"].as_i64();
            if weight.is_none_or(|weight| !(0..=MOST_WEIGHT).contains(&weight)) {
                let field = format!("spec.rules[{index}].backendRefs[{at}].weight");
                let why = format!("should be an integer from 0 to {MOST_WEIGHT}");
                mistakes.push((field, backend["weight"].clone(), why));
            }
        }
        for (at, one) in list(rule, "/matches").iter().enumerate() {
            let mut names: Vec<&str> =
                list(one, "/headers").iter().map(|header| text(header, "/name")).collect();
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            if names.len() < count {
                let field = format!("spec.rules[{index}].matches[{at}].headers");
                mistakes.push((field, count.into(), "names must be unique".to_owned()));
            }
        }
    }
    mistakes
}
