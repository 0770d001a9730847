//! The annotations of ingress-nginx that make an Ingress the canary of another.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// What all annotations of ingress-nginx begin with.
pub(crate) const PREFIX: &str = "nginx.ingress.kubernetes.io/";
/// Whether it is one.
pub(crate) const CANARY: &str = "nginx.ingress.kubernetes.io/canary";

/// Whether an Ingress says that it is a canary. ingress-nginx reads the text as Go reads flags.
pub(crate) fn is_canary(metadata: &ObjectMeta) -> bool {
    let text = metadata.annotations.as_ref().and_then(|all| all.get(CANARY));
    text.is_some_and(|text| matches!(text.as_str(), "1" | "t" | "T" | "true" | "TRUE" | "True"))
}
