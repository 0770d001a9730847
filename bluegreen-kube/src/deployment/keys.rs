//! Secrets that were written after a slot's pods have started: they may still run with a key that
//! has been taken back since.
//!
//! Only the metadata of Secrets is read. The verb is one that the Role which we ship does not give,
//! as it reads what is in them too: without it nothing is said.

use std::collections::BTreeSet;

use bluegreen_core::Result;
use futures_util::future::join_all;
use k8s_openapi::api::core::v1::{Pod, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::Api;
use kube::api::ListParams;
use serde_json::Value;

use super::DeploymentSlot;
use crate::error;

/// What to say of each Secret that the slot's pods use and that was written after the first of them
/// had started.
pub(super) async fn newer(slot: &DeploymentSlot) -> Result<Vec<String>> {
    let object = slot.recent(&slot.name).await?;
    let seen = slot.seen(&object);
    let names = used_by(seen.template());
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let params = ListParams::default().labels_from(&seen.selector()?).match_any();
    let pods = slot.list_pods(&params).await?;
    let Some(started) = pods.iter().filter_map(start).min() else { return Ok(Vec::new()) };
    let api: Api<Secret> = Api::namespaced(slot.client.clone(), &slot.settings.namespace);
    let api = &api;
    let reading = names.iter().map(|name| async move {
        let action = format!("read the metadata of secret {name}");
        let found = error::read_opt(slot.settings.call, action, api.get_metadata(name)).await;
        match found {
            Ok(Some(secret)) => told(name, written(&secret.metadata)?, started),
            // It may be one that the pods can do without.
            Ok(None) => None,
            Err(error) => {
                tracing::debug!(error = error.chain(), "the age of a secret is not known");
                None
            }
        }
    });
    Ok(join_all(reading).await.into_iter().flatten().collect())
}

fn told(name: &str, written: &Time, started: &Time) -> Option<String> {
    (written.0 > started.0).then(|| {
        format!(
            "rollback may use a revoked key: secret {name} was written at {}, after the pods that \
             use it had started ({})",
            written.0, started.0
        )
    })
}

fn start(pod: &Pod) -> Option<&Time> {
    pod.status.as_ref()?.start_time.as_ref()
}

/// When a Secret was last written.
fn written(metadata: &ObjectMeta) -> Option<&Time> {
    let entries = metadata.managed_fields.as_deref().unwrap_or_default();
    entries.iter().filter_map(|entry| entry.time.as_ref()).chain(&metadata.creation_timestamp).max()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// The Secrets that pods of this template take keys from: by a variable, all of it as variables, or
/// as files.
fn used_by(template: &Value) -> BTreeSet<&str> {
    let spec = &template["spec"];
    let mut names = BTreeSet::new();
    for list in ["containers", "initContainers"] {
        for container in items(&spec[list]) {
            names.extend(
                items(&container["envFrom"]).filter_map(|it| it["secretRef"]["name"].as_str()),
            );
            let keys = items(&container["env"]).map(|it| &it["valueFrom"]["secretKeyRef"]["name"]);
            names.extend(keys.filter_map(Value::as_str));
        }
    }
    for volume in items(&spec["volumes"]) {
        names.extend(volume["secret"]["secretName"].as_str());
        let parts = items(&volume["projected"]["sources"]);
        names.extend(parts.filter_map(|it| it["secret"]["name"].as_str()));
    }
    names
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_found_wherever_a_template_can_name_them() {
        let from = |name: &str| json!({"valueFrom": {"secretKeyRef": {"name": name, "key": "k"}}});
        let template = json!({"spec": {
            "initContainers": [{"env": [from("init")]}],
            "containers": [
                {"env": [{"name": "A", "value": "b"}, from("key")], "envFrom": [
                    {"secretRef": {"name": "all"}}, {"configMapRef": {"name": "not"}},
                ]},
                {"name": "no variables"},
            ],
            "volumes": [
                {"secret": {"secretName": "files"}},
                {"projected": {"sources": [{"secret": {"name": "part"}}, {"configMap": {}}]}},
                {"emptyDir": {}},
            ],
        }});
        let found: Vec<_> = used_by(&template).into_iter().collect();
        assert_eq!(found, ["all", "files", "init", "key", "part"]);
        assert!(used_by(&json!({})).is_empty());
    }

    #[test]
    fn a_secret_is_as_old_as_its_last_write() {
        let metadata: ObjectMeta = serde_json::from_value(json!({
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "managedFields": [
                {"manager": "a", "time": "2026-01-03T00:00:00Z"},
                {"manager": "b", "time": "2026-01-02T00:00:00Z"},
            ],
        }))
        .unwrap();
        let last = written(&metadata).unwrap();
        let at = |text: &str| -> Time { serde_json::from_value(json!(text)).unwrap() };
        assert_eq!(*last, at("2026-01-03T00:00:00Z"));
        assert_eq!(told("key", last, &at("2026-01-03T00:00:00Z")), None);
        let said = told("key", last, &at("2026-01-02T23:59:59Z")).unwrap();
        assert!(said.contains("revoked key: secret key was written at 2026-01-03"), "{said}");
    }
}
