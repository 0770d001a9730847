//! What the real server refuses with 422 and the causes. Only what is evident.

use serde_json::Value;

use super::json::{list, map, number, pairs, text};
use super::resource::Resource;
use super::selector::selects;
use super::status::{Cause, Refusal};
use super::{gateway, ingress};

/// The most bytes of a `ConfigMap` or Secret.
const MOST_DATA: usize = 1024 * 1024;
/// The most bytes of all annotations of an object.
const MOST_ANNOTATIONS: usize = 256 * 1024;

/// Checks what is to be stored. `old` is what it replaces.
pub(super) fn check(resource: &Resource, old: Option<&Value>, new: &Value) -> Result<(), Refusal> {
    let mut causes = Vec::new();
    metadata(new, &mut causes);
    match resource.id.as_str() {
        "deployments.apps" => deployment(old, new, &mut causes),
        "jobs.batch" => {
            containers(
                new,
                "/spec/template/spec/containers",
                "spec.template.spec.containers",
                &mut causes,
            );
            let policy = text(new, "/spec/template/spec/restartPolicy");
            if !matches!(policy, "OnFailure" | "Never") {
                let field = "spec.template.spec.restartPolicy";
                causes.push(Cause::not_one_of(field, policy, &["OnFailure", "Never"]));
            }
        }
        "pods" => containers(new, "/spec/containers", "spec.containers", &mut causes),
        "services" => service(old, new, &mut causes),
        gateway::HTTP_ROUTES | gateway::GRPC_ROUTES => {
            let mistakes = gateway::mistakes(new).into_iter();
            causes.extend(mistakes.map(|(field, found, why)| Cause::invalid(field, &found, &why)));
        }
        ingress::INGRESSES => ingress::check(new, &mut causes),
        "configmaps" | "secrets" => data(old, new, &mut causes),
        "leases.coordination.k8s.io" => {
            let seconds = number(new, "/spec/leaseDurationSeconds");
            if let Some(seconds) = seconds.filter(|seconds| *seconds <= 0) {
                causes.push(Cause::invalid(
                    "spec.leaseDurationSeconds",
                    &seconds.into(),
                    "must be greater than 0",
                ));
            }
        }
        "horizontalpodautoscalers.autoscaling" => autoscaler(new, &mut causes),
        _ => {}
    }
    if causes.is_empty() {
        return Ok(());
    }
    Err(Refusal::invalid(&resource.kind, &resource.group, text(new, "/metadata/name"), &causes))
}

fn metadata(new: &Value, causes: &mut Vec<Cause>) {
    let name = text(new, "/metadata/name");
    let is_plain = |part: &str| {
        let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        part.starts_with(inner)
            && part.ends_with(inner)
            && part.chars().all(|c| inner(c) || c == '-')
    };
    if name.is_empty() {
        let cause = Cause::required("metadata.name").saying("name or generateName is required");
        causes.push(cause);
    } else if name.len() > 253 || !name.split('.').all(is_plain) {
        let why = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric \
                   characters, '-' or '.', and must start and end with an alphanumeric character \
                   (e.g. 'example.com', regex used for validation is \
                   '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
        causes.push(Cause::invalid("metadata.name", &name.into(), why));
    }
    for (_, value) in pairs(new, "/metadata/labels") {
        label_value("metadata.labels", value, causes);
    }
    let bytes: usize =
        pairs(new, "/metadata/annotations").map(|(key, value)| key.len() + value.len()).sum();
    if bytes > MOST_ANNOTATIONS {
        causes.push(Cause::too_long("metadata.annotations", MOST_ANNOTATIONS));
    }
}

fn label_value(field: &str, value: &str, causes: &mut Vec<Cause>) {
    let is_edge = |c: char| c.is_ascii_alphanumeric();
    let is_good = value.is_empty()
        || (value.len() <= 63
            && value.starts_with(is_edge)
            && value.ends_with(is_edge)
            && value.chars().all(|c| is_edge(c) || matches!(c, '-' | '_' | '.')));
    if !is_good {
        let why = "a valid label must be an empty string or consist of alphanumeric characters, \
                   '-', '_' or '.', and must start and end with an alphanumeric character (e.g. \
                   'MyValue',  or 'my_value',  or '12345', regex used for validation is \
                   '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
        causes.push(Cause::invalid(field, &value.into(), why));
    }
}

fn deployment(old: Option<&Value>, new: &Value, causes: &mut Vec<Cause>) {
    not_negative(new, "/spec/replicas", "spec.replicas", causes);
    let selector = map(new, "/spec/selector/matchLabels");
    let labels = map(new, "/spec/template/metadata/labels");
    let by_expressions = !list(new, "/spec/selector/matchExpressions").is_empty();
    if selector.is_none_or(serde_json::Map::is_empty) && !by_expressions {
        causes.push(Cause::required("spec.selector"));
    }
    if !by_expressions && !selects(selector, labels) {
        let labels = labels.cloned().map_or(Value::Null, Value::Object);
        causes.push(Cause::invalid(
            "spec.template.metadata.labels",
            &labels,
            "`selector` does not match template `labels`",
        ));
    }
    containers(new, "/spec/template/spec/containers", "spec.template.spec.containers", causes);
    if text(new, "/spec/strategy/type") == "Recreate"
        && new.pointer("/spec/strategy/rollingUpdate").is_some()
    {
        causes.push(Cause::forbidden(
            "spec.strategy.rollingUpdate",
            "may not be specified when strategy `type` is 'Recreate'",
        ));
    }
    if let Some(old) = old
        && old.pointer("/spec/selector") != new.pointer("/spec/selector")
    {
        let selector = new.pointer("/spec/selector").cloned().unwrap_or_default();
        causes.push(Cause::invalid("spec.selector", &selector, "field is immutable"));
    }
}

fn containers(new: &Value, pointer: &str, field: &str, causes: &mut Vec<Cause>) {
    let containers = list(new, pointer);
    if containers.is_empty() {
        causes.push(Cause::required(field));
    }
    for (index, container) in containers.iter().enumerate() {
        let name = text(container, "/name");
        if name.is_empty() {
            causes.push(Cause::required(format!("{field}[{index}].name")));
        } else if containers[..index].iter().any(|one| text(one, "/name") == name) {
            causes.push(Cause::duplicate(format!("{field}[{index}].name"), &name.into()));
        }
        if text(container, "/image").is_empty() {
            causes.push(Cause::required(format!("{field}[{index}].image")));
        }
    }
}

fn service(old: Option<&Value>, new: &Value, causes: &mut Vec<Cause>) {
    let is_headless = text(new, "/spec/clusterIP") == "None";
    let is_external = text(new, "/spec/type") == "ExternalName";
    if list(new, "/spec/ports").is_empty() && !is_headless && !is_external {
        causes.push(Cause::required("spec.ports"));
    }
    for (_, value) in pairs(new, "/spec/selector") {
        label_value("spec.selector", value, causes);
    }
    if let Some(old) = old
        && !is_external
        && text(old, "/spec/clusterIP") != text(new, "/spec/clusterIP")
        && !text(old, "/spec/clusterIP").is_empty()
    {
        let addresses = Value::Array(vec![text(new, "/spec/clusterIP").into()]);
        causes.push(Cause::invalid("spec.clusterIPs[0]", &addresses, "may not change once set"));
    }
}

fn data(old: Option<&Value>, new: &Value, causes: &mut Vec<Cause>) {
    let bytes: usize = ["/data", "/binaryData"]
        .into_iter()
        .flat_map(|pointer| pairs(new, pointer))
        .map(|(_, value)| value.len())
        .sum();
    if bytes > MOST_DATA {
        causes.push(Cause::too_long("[]", MOST_DATA));
    }
    if let Some(old) = old
        && old["immutable"] == true
    {
        let why = "field is immutable when `immutable` is set";
        for field in ["immutable", "data", "binaryData"] {
            if old.get(field) != new.get(field) {
                causes.push(Cause::forbidden(field, why));
            }
        }
    }
}

fn autoscaler(new: &Value, causes: &mut Vec<Cause>) {
    let least = number(new, "/spec/minReplicas").unwrap_or(1);
    let most = number(new, "/spec/maxReplicas").unwrap_or_default();
    if least < 1 {
        causes.push(Cause::forbidden(
            "spec.metrics",
            "must specify at least one Object or External metric to support scaling to zero \
             replicas",
        ));
    }
    if most < 1 {
        causes.push(Cause::required("spec.maxReplicas"));
    } else if most < least {
        let why = "must be greater than or equal to `minReplicas`";
        causes.push(Cause::invalid("spec.maxReplicas", &most.into(), why));
    }
}

/// Adds a cause if the number at a pointer is below zero.
pub(super) fn not_negative(new: &Value, pointer: &str, field: &str, causes: &mut Vec<Cause>) {
    if let Some(found) = number(new, pointer).filter(|found| *found < 0) {
        causes.push(Cause::invalid(field, &found.into(), "must be greater than or equal to 0"));
    }
}
