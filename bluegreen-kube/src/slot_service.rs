//! What the Service of a slot must be like, whatever leads to it.

use bluegreen_core::Problem;
use k8s_openapi::api::core::v1::{PodTemplateSpec, Service};

use crate::selector::{Selector, matches};

/// What a slot's Service itself must be like.
pub(crate) fn about_service(service: &Service, object: &str) -> Vec<Problem> {
    let spec = service.spec.clone().unwrap_or_default();
    let problem = |code: &str| Problem::new(code, object);
    let mut problems = Vec::new();
    if service.metadata.deletion_timestamp.is_some() {
        problems.push(problem("being-deleted").found("it is being deleted"));
    }
    if spec.type_.as_deref() == Some("ExternalName") {
        problems
            .push(problem("external-name").found("type ExternalName").wanted("it to select pods"));
    }
    if spec.session_affinity.as_deref() == Some("ClientIP") {
        problems.push(
            problem("session-affinity")
                .found("sessionAffinity ClientIP")
                .wanted("None: it may keep clients of a gateway on one pod")
                .warning(),
        );
    }
    if spec.publish_not_ready_addresses == Some(true) {
        problems.push(
            problem("publishes-not-ready")
                .found("publishNotReadyAddresses true")
                .wanted("false: pods get traffic before they are ready")
                .warning(),
        );
    }
    problems
}

/// Whether pods of a template are selected.
pub(crate) fn has(template: &PodTemplateSpec, selector: &Selector) -> bool {
    let labels = template.metadata.as_ref().and_then(|meta| meta.labels.as_ref());
    labels.is_some_and(|labels| matches(selector, labels))
}
