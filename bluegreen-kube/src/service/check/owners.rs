//! Who else writes the selector, by the API server's own notes.

use std::collections::BTreeSet;

use bluegreen_core::Problem;
use k8s_openapi::api::core::v1::Service;

use crate::owners;

/// What a switch writes.
const SELECTOR: &str = "/f:spec/f:selector";

pub(super) fn problems(
    service: &Service,
    object: &str,
    allowed: &BTreeSet<String>,
) -> Vec<Problem> {
    let mut owners = owners::of(&service.metadata, &[SELECTOR]);
    owners.retain(|owner| !allowed.contains(owner));
    owners.iter().map(|owner| problem(owner, object)).collect()
}

fn problem(owner: &str, object: &str) -> Problem {
    let object = format!("{object}, spec.selector");
    if owners::is_reconciler(owner) {
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::FIELD_MANAGER;

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
