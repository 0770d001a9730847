//! The endpoint slice controller: which pods a Service leads to.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::json::{at, list, map, number, text};
use super::pods::{PODS, is_ending, is_ready};
use super::rollout::{is_controlled_by, owner};
use super::selector::selects;
use super::state::{CONTROLLERS, State};
use super::store::Key;

const SLICES: &str = "endpointslices.discovery.k8s.io";
/// The most endpoints in one slice.
const MOST_ENDPOINTS: usize = 100;

pub(super) fn reconcile(state: &mut State, namespace: &str) {
    for key in state.store.keys("services", namespace) {
        let Some(service) = state.store.get(&key) else { continue };
        // The slices of a Service without a selector are left as they are.
        if map(&service, "/spec/selector").is_some_and(|selector| !selector.is_empty())
            && text(&service, "/spec/type") != "ExternalName"
        {
            slices(state, &key, &service);
        }
    }
}

fn slices(state: &mut State, key: &Key, service: &Value) {
    let mut wanted = endpoints(state, key, service);
    let uid = text(service, "/metadata/uid");
    let found: Vec<Key> = state
        .store
        .list(SLICES, Some(&key.namespace))
        .filter(|(_, slice)| is_controlled_by(slice, uid))
        .map(|(key, _)| key.clone())
        .collect();
    if wanted.is_empty() {
        // A Service keeps one slice, be it an empty one.
        wanted.push((json!([]), Vec::new()));
    }
    let mut labels = map(service, "/metadata/labels").cloned().unwrap_or_default();
    labels.insert("kubernetes.io/service-name".into(), key.name.as_str().into());
    labels.insert(
        "endpointslice.kubernetes.io/managed-by".into(),
        "endpointslice-controller.k8s.io".into(),
    );
    if text(service, "/spec/clusterIP") == "None" {
        labels.insert("service.kubernetes.io/headless".into(), "".into());
    }
    for (index, (ports, endpoints)) in wanted.iter().enumerate() {
        if let Some(slice) = found.get(index) {
            state.revise(slice, CONTROLLERS, |slice| {
                let before = slice.clone();
                let map = at(slice, &[]);
                map.insert("ports".into(), ports.clone());
                map.insert("endpoints".into(), endpoints.clone().into());
                at(slice, &["metadata"]).insert("labels".into(), labels.clone().into());
                if before != *slice {
                    let generation = number(&before, "/metadata/generation").unwrap_or_default();
                    slice["metadata"]["generation"] = (generation + 1).into();
                }
            });
        } else {
            let name = format!("{}-{}", key.name, state.store.next_suffix());
            let slice = json!({
                "metadata": {
                    "generateName": format!("{}-", key.name),
                    "labels": labels,
                    "ownerReferences": [owner(service)],
                },
                "addressType": "IPv4", "ports": ports, "endpoints": endpoints,
            });
            state.found(SLICES, &key.namespace, &name, slice);
        }
    }
    for slice in found.iter().skip(wanted.len()) {
        state.remove(slice);
    }
}

/// The endpoints of a Service, those with the same ports together.
fn endpoints(state: &State, key: &Key, service: &Value) -> Vec<(Value, Vec<Value>)> {
    let selector = map(service, "/spec/selector");
    let always_ready = service.pointer("/spec/publishNotReadyAddresses").is_some_and(|v| v == true);
    let mut by_ports: BTreeMap<String, (Value, Vec<Value>)> = BTreeMap::new();
    for (pod_key, pod) in state.store.list(PODS, Some(&key.namespace)) {
        let address = text(pod, "/status/podIP");
        let has_ended = matches!(text(pod, "/status/phase"), "Succeeded" | "Failed");
        if !selects(selector, map(pod, "/metadata/labels")) || address.is_empty() || has_ended {
            continue;
        }
        let (serving, terminating) = (is_ready(pod), is_ending(pod));
        let endpoint = json!({
            "addresses": [address],
            "conditions": {
                "ready": always_ready || (serving && !terminating),
                "serving": serving,
                "terminating": terminating,
            },
            "targetRef": {
                "kind": "Pod", "namespace": key.namespace, "name": pod_key.name,
                "uid": text(pod, "/metadata/uid"),
            },
            "nodeName": text(pod, "/spec/nodeName"),
        });
        let ports = ports(service, pod);
        by_ports.entry(ports.to_string()).or_insert((ports, Vec::new())).1.push(endpoint);
    }
    by_ports
        .into_values()
        .flat_map(|(ports, endpoints)| {
            let chunks = endpoints.chunks(MOST_ENDPOINTS).map(<[Value]>::to_vec);
            chunks.map(|chunk| (ports.clone(), chunk)).collect::<Vec<_>>()
        })
        .collect()
}

/// The ports of a Service as they are on one pod. A name that the pod does not know is left out.
fn ports(service: &Value, pod: &Value) -> Value {
    let named = |name: &str| {
        list(pod, "/spec/containers")
            .iter()
            .flat_map(|container| list(container, "/ports"))
            .find(|port| port["name"] == name)
            .map(|port| port["containerPort"].clone())
    };
    list(service, "/spec/ports")
        .iter()
        .filter_map(|port| {
            let number = match &port["targetPort"] {
                Value::String(name) => named(name)?,
                number => number.clone(),
            };
            Some(json!({ "name": text(port, "/name"), "protocol": port["protocol"], "port": number }))
        })
        .collect()
}
