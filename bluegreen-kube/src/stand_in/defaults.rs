//! What the real server fills in when it is not said.

use serde_json::{Value, json};

use super::json::{at, default, list, text};
use super::resource::Resource;
use super::{gateway, ingress};

/// Fills in what is missing. `address` is for a Service without one.
pub(super) fn fill(resource: &Resource, object: &mut Value, address: &str) {
    match resource.id.as_str() {
        "deployments.apps" => deployment(object),
        "replicasets.apps" => {
            default(at(object, &["spec"]), "replicas", 1);
            pod_spec(object.pointer_mut("/spec/template/spec"));
        }
        "jobs.batch" => {
            let spec = at(object, &["spec"]);
            for (field, number) in [("parallelism", 1), ("completions", 1), ("backoffLimit", 6)] {
                default(spec, field, number);
            }
            default(spec, "suspend", false);
            default(spec, "completionMode", "NonIndexed");
            pod_spec(object.pointer_mut("/spec/template/spec"));
        }
        "cronjobs.batch" => {
            let spec = at(object, &["spec"]);
            default(spec, "suspend", false);
            default(spec, "concurrencyPolicy", "Allow");
            pod_spec(object.pointer_mut("/spec/jobTemplate/spec/template/spec"));
        }
        "pods" => pod_spec(object.pointer_mut("/spec")),
        "services" => service(object, address),
        gateway::HTTP_ROUTES => gateway::fill(object, true),
        gateway::GRPC_ROUTES => gateway::fill(object, false),
        ingress::INGRESSES => ingress::fill(object),
        "events.events.k8s.io" => default(at(object, &[]), "deprecatedSource", json!({})),
        "horizontalpodautoscalers.autoscaling" => {
            let spec = at(object, &["spec"]);
            default(spec, "minReplicas", 1);
            let target = json!({ "type": "Utilization", "averageUtilization": 80 });
            let metric =
                json!({ "type": "Resource", "resource": { "name": "cpu", "target": target } });
            default(spec, "metrics", json!([metric]));
            if spec.get("behavior").is_some_and(Value::is_object) {
                behavior(object);
            }
        }
        _ => {}
    }
}

/// How fast an autoscaler goes either way, where something is said of it.
fn behavior(object: &mut Value) {
    let policy =
        |kind: &str, value: u32| json!({"type": kind, "value": value, "periodSeconds": 15});
    let up = at(object, &["spec", "behavior", "scaleUp"]);
    default(up, "stabilizationWindowSeconds", 0);
    default(up, "selectPolicy", "Max");
    default(up, "policies", json!([policy("Pods", 4), policy("Percent", 100)]));
    let down = at(object, &["spec", "behavior", "scaleDown"]);
    default(down, "selectPolicy", "Max");
    default(down, "policies", json!([policy("Percent", 100)]));
}

fn deployment(object: &mut Value) {
    let spec = at(object, &["spec"]);
    default(spec, "replicas", 1);
    default(spec, "revisionHistoryLimit", 10);
    default(spec, "progressDeadlineSeconds", 600);
    let strategy = at(object, &["spec", "strategy"]);
    default(strategy, "type", "RollingUpdate");
    if strategy["type"] == "RollingUpdate" {
        let rolling = at(object, &["spec", "strategy", "rollingUpdate"]);
        default(rolling, "maxUnavailable", "25%");
        default(rolling, "maxSurge", "25%");
    }
    pod_spec(object.pointer_mut("/spec/template/spec"));
}

fn pod_spec(spec: Option<&mut Value>) {
    let Some(spec) = spec else { return };
    let map = at(spec, &[]);
    default(map, "restartPolicy", "Always");
    default(map, "terminationGracePeriodSeconds", 30);
    default(map, "dnsPolicy", "ClusterFirst");
    default(map, "securityContext", json!({}));
    default(map, "schedulerName", "default-scheduler");
    if let Some(account) = map.get("serviceAccountName").cloned() {
        map.insert("serviceAccount".into(), account);
    }
    for containers in ["containers", "initContainers"] {
        for one in spec.get_mut(containers).and_then(Value::as_array_mut).into_iter().flatten() {
            container(one);
        }
    }
    for volume in spec.get_mut("volumes").and_then(Value::as_array_mut).into_iter().flatten() {
        for source in ["configMap", "secret", "projected", "downwardAPI"] {
            if volume.get(source).is_some() {
                default(at(volume, &[source]), "defaultMode", 420);
            }
        }
    }
}

fn container(container: &mut Value) {
    let image = text(container, "/image");
    let name = image.rsplit('/').next().unwrap_or_default();
    let is_pinned =
        name.contains('@') || name.split_once(':').is_some_and(|(_, tag)| tag != "latest");
    let policy = if is_pinned { "IfNotPresent" } else { "Always" };
    let map = at(container, &[]);
    default(map, "resources", json!({}));
    default(map, "terminationMessagePath", "/dev/termination-log");
    default(map, "terminationMessagePolicy", "File");
    default(map, "imagePullPolicy", policy);
    for port in map.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        default(at(port, &[]), "protocol", "TCP");
    }
    for variable in map.get_mut("env").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(field) = variable.pointer_mut("/valueFrom/fieldRef") {
            default(at(field, &[]), "apiVersion", "v1");
        }
    }
    for probe in ["readinessProbe", "livenessProbe", "startupProbe"] {
        if let Some(probe) = map.get_mut(probe) {
            let probe_map = at(probe, &[]);
            default(probe_map, "timeoutSeconds", 1);
            default(probe_map, "periodSeconds", 10);
            default(probe_map, "successThreshold", 1);
            default(probe_map, "failureThreshold", 3);
            if let Some(get) = probe.get_mut("httpGet") {
                default(at(get, &[]), "scheme", "HTTP");
                default(at(get, &[]), "path", "/");
            }
        }
    }
}

fn service(object: &mut Value, address: &str) {
    let is_external = text(object, "/spec/type") == "ExternalName";
    let spec = at(object, &["spec"]);
    default(spec, "type", "ClusterIP");
    default(spec, "sessionAffinity", "None");
    for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        let number = port["port"].clone();
        let port = at(port, &[]);
        default(port, "protocol", "TCP");
        default(port, "targetPort", number);
    }
    if !is_external {
        default(spec, "internalTrafficPolicy", "Cluster");
        default(spec, "ipFamilies", json!(["IPv4"]));
        default(spec, "ipFamilyPolicy", "SingleStack");
        default(spec, "clusterIP", address);
        let address = spec["clusterIP"].clone();
        default(spec, "clusterIPs", json!([address]));
        if matches!(spec["type"].as_str(), Some("LoadBalancer" | "NodePort")) {
            default(spec, "externalTrafficPolicy", "Cluster");
        }
    }
    default(at(object, &["status"]), "loadBalancer", json!({}));
}

/// The images of the containers in the list at this pointer.
pub(super) fn images<'a>(object: &'a Value, pointer: &str) -> impl Iterator<Item = &'a str> {
    list(object, pointer).iter().map(|container| text(container, "/image"))
}
