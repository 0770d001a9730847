//! What is left of a release: everything in its namespace that is the agent's or ours, field by
//! field, but for what differs between any two runs.

use std::collections::BTreeMap;
use std::fmt::Debug;

use bluegreen_tests::{Agent, seconds};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service};
use kube::api::ListParams;
use kube::runtime::wait::await_condition;
use kube::{Resource, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Objects by kind and name, without what differs between any two runs.
pub(crate) type Left = BTreeMap<String, Value>;

/// What is left, once the cluster has done what was asked of it.
pub(crate) async fn read(agent: &Agent) -> Left {
    for color in ["blue", "green"] {
        let name = format!("agent-{color}");
        let settled = await_condition(agent.api(), &name, is_settled);
        let settled = tokio::time::timeout(seconds(60), Box::pin(settled)).await;
        settled.expect("the slots should come to rest").unwrap();
    }
    let mut left = Left::new();
    add::<Deployment>(agent, &mut left).await;
    add::<ReplicaSet>(agent, &mut left).await;
    add::<HorizontalPodAutoscaler>(agent, &mut left).await;
    add::<Service>(agent, &mut left).await;
    add::<ConfigMap>(agent, &mut left).await;
    add::<Lease>(agent, &mut left).await;
    left.insert("Pods".to_owned(), pods(agent).await);
    left
}

/// What differs, each with its path.
pub(crate) fn differences(found: &Left, wanted: &Left) -> Vec<String> {
    let mut all = Vec::new();
    compare("", &json!(found), &json!(wanted), &mut all);
    all
}

fn compare(path: &str, found: &Value, wanted: &Value, all: &mut Vec<String>) {
    match (found, wanted) {
        (Value::Object(one), Value::Object(two)) => {
            let keys: std::collections::BTreeSet<&String> = one.keys().chain(two.keys()).collect();
            for key in keys {
                let (found, wanted) = (&found[key.as_str()], &wanted[key.as_str()]);
                compare(&format!("{path}/{key}"), found, wanted, all);
            }
        }
        (Value::Array(one), Value::Array(two)) if one.len() == two.len() => {
            for (index, (found, wanted)) in one.iter().zip(two).enumerate() {
                compare(&format!("{path}/{index}"), found, wanted, all);
            }
        }
        _ if found == wanted => {}
        _ => all.push(format!("{path}: found {}, wanted {}", short(found), short(wanted))),
    }
}

fn short(value: &Value) -> String {
    value.to_string().chars().take(400).collect()
}

fn is_settled(found: Option<&Deployment>) -> bool {
    let Some(status) = found.and_then(|it| it.status.as_ref()) else { return false };
    let wanted = found.and_then(|it| it.spec.replicas).unwrap_or(1);
    let generation = found.and_then(|it| it.metadata.generation);
    status.observed_generation == generation
        && status.replicas.unwrap_or_default() == wanted
        && status.updated_replicas.unwrap_or_default() == wanted
        && status.available_replicas.unwrap_or_default() == wanted
}

async fn add<K>(agent: &Agent, left: &mut Left)
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + Debug
        + DeserializeOwned
        + Serialize,
{
    for object in agent.api::<K>().list(&ListParams::default()).await.unwrap() {
        // Kubernetes makes this one itself.
        if object.name_any() == "kube-root-ca.crt" {
            continue;
        }
        let mut value = serde_json::to_value(&object).unwrap();
        plain(&mut value);
        left.insert(format!("{} {}", K::kind(&()), object.name_any()), value);
    }
}

/// How many pods there are of each slot and image, and how many of them are ready.
async fn pods(agent: &Agent) -> Value {
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for pod in agent.api::<Pod>().list(&ListParams::default()).await.unwrap() {
        if pod.metadata.deletion_timestamp.is_some() {
            continue;
        }
        let slot = pod.labels().get("slot").cloned().unwrap_or_default();
        let image = pod.spec.as_ref().and_then(|it| it.containers[0].image.clone());
        let conditions = pod.status.iter().flat_map(|it| it.conditions.iter().flatten());
        let is_ready = conditions.clone().any(|it| it.type_ == "Ready" && it.status == "True");
        *counts.entry(format!("{slot} {} ready: {is_ready}", image.unwrap())).or_default() += 1;
    }
    json!(counts)
}

/// Takes out of an object what differs between any two runs: times, identities, versions,
/// addresses, who drives and with which epoch.
fn plain(object: &mut Value) {
    object["status"] = Value::Null;
    let metadata = &mut object["metadata"];
    for key in ["uid", "resourceVersion", "creationTimestamp", "namespace"] {
        metadata[key] = Value::Null;
    }
    for owner in list(&mut metadata["ownerReferences"]) {
        owner["uid"] = Value::Null;
    }
    // A Deployment counts the stamps of epochs, too.
    if let Some(fields) = metadata.as_object_mut() {
        fields.remove("generation");
    }
    owned_by_others(&mut metadata["managedFields"]);
    if let Value::Object(annotations) = &mut metadata["annotations"] {
        for (key, value) in annotations {
            match key.as_str() {
                "bluegreen.dev/save" | "bluegreen.dev/started" | "bluegreen.dev/epoch" => {
                    *value = "any".into();
                }
                "bluegreen.dev/transition" => {
                    let text = value.as_str().unwrap_or_default();
                    *value = text.split('@').next().unwrap_or_default().into();
                }
                _ => {}
            }
        }
    }
    if object["spec"]["clusterIP"].as_str().is_some_and(|it| it != "None") {
        object["spec"]["clusterIP"] = "any".into();
        object["spec"]["clusterIPs"] = "any".into();
    }
    if let Some(text) = object["data"]["record.json"].as_str() {
        let mut record: Value = serde_json::from_str(text).expect("a record in JSON");
        plain_record(&mut record);
        object["data"]["record.json"] = record;
    }
    // The state of the guard that is always on: the number of the look, and the pods by identity.
    if let Some(text) = object["binaryData"]["content"].as_str() {
        object["binaryData"]["content"] = text.len().into();
    }
}

/// Leaves who owns which fields, but for the controllers, who write when they like.
fn owned_by_others(managed: &mut Value) {
    let Some(all) = managed.as_array_mut() else { return };
    all.retain(|it| it["manager"] != "kube-controller-manager");
    for field in all.iter_mut() {
        field["time"] = Value::Null;
    }
    all.sort_by_key(|it| format!("{} {}", it["manager"], it["subresource"]));
}

fn list(value: &mut Value) -> impl Iterator<Item = &mut Value> {
    value.as_array_mut().into_iter().flatten()
}

fn plain_record(record: &mut Value) {
    for (key, wanted) in [("epoch", "any"), ("holder", "any")] {
        let value = &mut record["envelope"][key];
        if !value.is_null() {
            *value = wanted.into();
        }
    }
    if let Some(trail) = record["trail"].as_array_mut() {
        // That somebody else went on is what differs.
        trail.retain(|entry| {
            let what = entry["what"].as_str().unwrap_or_default();
            !what.contains(" takes over with epoch ") && !what.ends_with(" resumes")
        });
    }
    walk(record);
}

/// Takes times, identities and the names of pods out of all texts.
fn walk(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                if key.ends_with("uid") && value.is_string() {
                    *value = "any".into();
                }
                walk(value);
            }
        }
        Value::Array(all) => all.iter_mut().for_each(walk),
        Value::String(text) => {
            let words: Vec<&str> = text.split(' ').map(word).collect();
            *text = without_counts(&words);
        }
        _ => {}
    }
}

/// Takes out of a text how many endpoints served at a moment, and how many did not. A slice hears
/// of a pod's readiness later than its Deployment does, so in the evidence of a switch the last pod
/// may or may not be there yet. Whose the endpoints were stays in the text.
fn without_counts(mut words: &[&str]) -> String {
    let mut kept: Vec<&str> = Vec::new();
    loop {
        words = match words {
            [_, "serving", "endpoint" | "endpoints", "and", _, "not", "ready", rest @ ..]
            | [_, "serving", "endpoint" | "endpoints", rest @ ..] => {
                kept.extend(["some", "serving", "endpoints"]);
                rest
            }
            [word, rest @ ..] => {
                kept.push(word);
                rest
            }
            [] => return kept.join(" "),
        };
    }
}

fn word(word: &str) -> &str {
    let is_time = word.len() >= 20 && word.as_bytes()[4] == b'-' && word.as_bytes()[10] == b'T';
    let is_pod = (word.starts_with("agent-blue-") || word.starts_with("agent-green-"))
        && word.matches('-').count() >= 3;
    match (is_time, is_pod) {
        (true, _) => "TIME",
        (_, true) => "POD",
        _ => word,
    }
}
