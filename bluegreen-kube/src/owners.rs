//! Who else writes an object, by the API server's own notes and by the marks that reconcilers
//! leave on it.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::FIELD_MANAGER;

/// Managers that put back whatever others change.
const RECONCILERS: [&str; 7] = [
    "argocd-controller",
    "argocd-application-controller",
    "kustomize-controller",
    "helm-controller",
    "fleetagent",
    "config-sync",
    "configsync.gke.io",
];

/// What an object carries that such a manager keeps, and who that is. A manager that applied it
/// from the client's side shows only here.
const MARKS: [(&str, &str); 4] = [
    ("argocd.argoproj.io/tracking-id", "argocd-controller"),
    ("argocd.argoproj.io/instance", "argocd-controller"),
    ("kustomize.toolkit.fluxcd.io/name", "kustomize-controller"),
    ("helm.toolkit.fluxcd.io/name", "helm-controller"),
];

/// Whether this manager puts back what others change.
pub(crate) fn is_reconciler(manager: &str) -> bool {
    RECONCILERS.contains(&manager)
}

/// The managers, other than this crate, that own one of `fields` or a part of it, or that keep
/// the whole object. Fields are pointers into `fieldsV1`: `/f:spec/f:selector`.
pub(crate) fn of(metadata: &ObjectMeta, fields: &[&str]) -> BTreeSet<String> {
    let entries = metadata.managed_fields.as_deref().unwrap_or_default();
    let mut owners: BTreeSet<String> = entries
        .iter()
        .filter(|entry| entry.subresource.as_deref().unwrap_or_default().is_empty())
        .filter(|entry| {
            let owned = entry.fields_v1.as_ref();
            owned.is_some_and(|owned| fields.iter().any(|it| owned.0.pointer(it).is_some()))
        })
        .filter_map(|entry| entry.manager.clone())
        .collect();
    let maps = || metadata.annotations.iter().chain(&metadata.labels);
    let marks = MARKS.iter().filter(|(mark, _)| maps().any(|map| map.contains_key(*mark)));
    owners.extend(marks.map(|(_, owner)| (*owner).to_owned()));
    owners.remove(FIELD_MANAGER);
    owners
}

/// Who, other than this crate, last wrote to one of `fields` or a part of it, also through a
/// subresource.
pub(crate) fn latest(metadata: &ObjectMeta, fields: &[&str]) -> Option<String> {
    let entries = metadata.managed_fields.as_deref().unwrap_or_default();
    entries
        .iter()
        .filter(|entry| entry.manager.as_deref() != Some(FIELD_MANAGER))
        .filter(|entry| entry.subresource.as_deref() != Some("status"))
        .filter(|entry| {
            let owned = entry.fields_v1.as_ref();
            owned.is_some_and(|owned| fields.iter().any(|it| owned.0.pointer(it).is_some()))
        })
        .max_by_key(|entry| entry.time.as_ref().map(|time| time.0))
        .and_then(|entry| entry.manager.clone())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const SELECTOR: &str = "/f:spec/f:selector";

    fn owners(metadata: Value) -> Vec<String> {
        of(&serde_json::from_value(metadata).unwrap(), &[SELECTOR, "/f:spec/f:replicas"])
            .into_iter()
            .collect()
    }

    fn entry(manager: &str, fields: &Value) -> Value {
        json!({"manager": manager, "operation": "Update", "fieldsV1": fields})
    }

    #[test]
    fn who_owns_a_field_or_a_part_of_it_is_an_owner() {
        let (whole, part) = (
            json!({"f:spec": {"f:replicas": {}}}),
            json!({"f:spec": {"f:selector": {"f:slot": {}}}}),
        );
        let other = json!({"f:spec": {"f:ports": {}}, "f:metadata": {"f:labels": {}}});
        let mut scale = entry("autoscaler", &whole);
        scale["subresource"] = "scale".into();
        let fields = json!([
            entry("helm", &whole),
            entry("kubectl-edit", &part),
            entry(FIELD_MANAGER, &part),
            entry("controller", &other),
            scale,
        ]);
        assert_eq!(owners(json!({"managedFields": fields})), ["helm", "kubectl-edit"]);
        assert_eq!(owners(json!({})), Vec::<String>::new());
    }

    #[test]
    fn the_latest_is_who_wrote_last_and_not_us() {
        let part = json!({"f:spec": {"f:replicas": {}}});
        let at = |manager, time: &str, subresource: &str| {
            let mut entry = entry(manager, &part);
            entry["time"] = time.into();
            entry["subresource"] = subresource.into();
            entry
        };
        let fields = json!([
            at("helm", "2026-01-01T00:00:01Z", ""),
            at("kubectl", "2026-01-01T00:00:03Z", "scale"),
            at("kubectl-edit", "2026-01-01T00:00:02Z", ""),
            at(FIELD_MANAGER, "2026-01-01T00:00:05Z", ""),
            at("kubelet", "2026-01-01T00:00:06Z", "status"),
        ]);
        let metadata = serde_json::from_value(json!({"managedFields": fields})).unwrap();
        let found = |field| latest(&metadata, &[SELECTOR, field]);
        assert_eq!(found("/f:spec/f:replicas").as_deref(), Some("kubectl"));
        assert_eq!(found("/f:spec/f:template"), None);
    }

    #[test]
    fn a_mark_is_as_good_as_a_field_and_its_manager_is_a_reconciler() {
        for (mark, owner) in MARKS {
            assert!(is_reconciler(owner), "{owner}");
            for map in ["annotations", "labels"] {
                assert_eq!(owners(json!({map: {mark: "x"}})), [owner], "{mark}");
            }
        }
        assert!(!is_reconciler("kubectl-edit"));
    }
}
