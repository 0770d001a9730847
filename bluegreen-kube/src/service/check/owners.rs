//! Who else writes the selector, by the API server's own notes.

use std::collections::BTreeSet;

use bluegreen_core::Problem;
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt as _;

use crate::FIELD_MANAGER;

/// Managers that put back whatever others change.
const RECONCILERS: [&str; 6] = [
    "argocd-controller",
    "argocd-application-controller",
    "kustomize-controller",
    "helm-controller",
    "fleetagent",
    "config-sync",
];

/// What an object carries that such a manager keeps, and who that is. A manager that applied it
/// from the client's side shows only here.
const MARKS: [(&str, &str); 4] = [
    ("argocd.argoproj.io/tracking-id", "argocd-controller"),
    ("argocd.argoproj.io/instance", "argocd-controller"),
    ("kustomize.toolkit.fluxcd.io/name", "kustomize-controller"),
    ("helm.toolkit.fluxcd.io/name", "helm-controller"),
];

pub(super) fn problems(
    service: &Service,
    object: &str,
    allowed: &BTreeSet<String>,
) -> Vec<Problem> {
    let mut owners = owners(service);
    for (mark, owner) in MARKS {
        if service.annotations().contains_key(mark) || service.labels().contains_key(mark) {
            owners.insert(owner.to_owned());
        }
    }
    owners.remove(FIELD_MANAGER);
    owners.retain(|owner| !allowed.contains(owner));
    owners.iter().map(|owner| problem(owner, object)).collect()
}

fn problem(owner: &str, object: &str) -> Problem {
    let object = format!("{object}, spec.selector");
    if RECONCILERS.contains(&owner) {
        Problem::new("gitops-owner", object)
            .found(format!("owned by {owner}, which puts back what others change"))
            .wanted("no such owner")
            .mend(format!("tell it to ignore spec.selector, and then allow_owner({owner:?})"))
    } else {
        Problem::new("foreign-owner", object)
            .found(format!("last written by {owner}"))
            .wanted("that it does not write it again: this switch takes it over")
            .warning()
    }
}

/// The managers that own the selector or a part of it.
fn owners(service: &Service) -> BTreeSet<String> {
    let entries = service.managed_fields().iter();
    entries
        .filter(|entry| {
            let fields = entry.fields_v1.as_ref();
            fields.is_some_and(|fields| fields.0.pointer("/f:spec/f:selector").is_some())
        })
        .filter_map(|entry| entry.manager.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn service(manager: &str, fields: &serde_json::Value) -> Service {
        serde_json::from_value(json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "agent", "managedFields": [
                {"manager": manager, "operation": "Update", "fieldsV1": fields}
            ]},
        }))
        .unwrap()
    }

    fn codes(service: &Service, allowed: &[&str]) -> Vec<(String, bool)> {
        let allowed = allowed.iter().map(ToString::to_string).collect();
        let problems = problems(service, "Service ns/agent", &allowed);
        problems.into_iter().map(|it| (it.code.clone(), it.is_refusal())).collect()
    }

    #[test]
    fn a_reconciler_is_refused_unless_it_is_allowed_by_name() {
        let atomic = json!({"f:spec": {"f:selector": {}}});
        let owned = service("kustomize-controller", &atomic);
        assert_eq!(codes(&owned, &[]), [("gitops-owner".to_owned(), true)]);
        assert_eq!(codes(&owned, &["argocd-controller"]), [("gitops-owner".to_owned(), true)]);
        assert_eq!(codes(&owned, &["kustomize-controller"]), []);
    }

    #[test]
    fn a_one_shot_manager_is_a_warning_and_we_are_nothing() {
        let selector = json!({"f:spec": {"f:selector": {"f:slot": {}}}});
        let owned = service("kubectl-client-side-apply", &selector);
        assert_eq!(codes(&owned, &[]), [("foreign-owner".to_owned(), false)]);
        assert_eq!(codes(&service(FIELD_MANAGER, &selector), &[]), []);
    }

    #[test]
    fn owners_of_other_fields_do_not_matter() {
        let ports = json!({"f:spec": {"f:ports": {}}, "f:metadata": {"f:labels": {}}});
        assert_eq!(codes(&service("argocd-controller", &ports), &[]), []);
    }

    #[test]
    fn a_mark_of_a_reconciler_counts_as_its_ownership() {
        let mut tracked = service("kubectl", &json!({"f:metadata": {}}));
        let mark = ("argocd.argoproj.io/tracking-id".to_owned(), "a:/Service:ns/agent".to_owned());
        tracked.metadata.annotations = Some([mark].into());
        assert_eq!(codes(&tracked, &[]), [("gitops-owner".to_owned(), true)]);
    }
}
