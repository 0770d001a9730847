//! Whether every port of a live Service leads somewhere in every slot.

use bluegreen_core::Problem;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Container, PodSpec, PodTemplateSpec, Service, ServicePort};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// A pod without the named port is published with the port silently missing, so that the switch
/// would cut it off.
pub(crate) fn problems<'a>(
    service: &Service,
    object: &str,
    templates: impl Iterator<Item = (&'a String, &'a PodTemplateSpec)>,
) -> Vec<Problem> {
    let ports = service.spec.as_ref().and_then(|spec| spec.ports.as_deref()).unwrap_or_default();
    let mut problems = Vec::new();
    for (deployment, template) in templates {
        for port in ports.iter().filter(|port| !resolves(port, template)) {
            let name = port.name.clone().unwrap_or_else(|| port.port.to_string());
            let Some(IntOrString::String(wanted)) = &port.target_port else { continue };
            problems.push(
                Problem::new("port-unresolved", format!("{object}, port {name}"))
                    .found(format!("Deployment {deployment} without a container port {wanted:?}"))
                    .wanted(format!("a container port named {wanted:?} in both slots"))
                    .mend("name the container port, or give targetPort as a number"),
            );
        }
    }
    problems
}

fn resolves(port: &ServicePort, template: &PodTemplateSpec) -> bool {
    // A number leads to the pod whether or not a container declares it.
    let Some(IntOrString::String(wanted)) = &port.target_port else { return true };
    let protocol = |protocol: &Option<String>| protocol.clone().unwrap_or_else(|| "TCP".to_owned());
    let Some(spec) = &template.spec else { return false };
    let sidecars = spec.init_containers.iter().flatten();
    let sidecars = sidecars.filter(|it| it.restart_policy.as_deref() == Some("Always"));
    let mut declared = spec
        .containers
        .iter()
        .chain(sidecars)
        .flat_map(|container| container.ports.iter().flatten());
    declared.any(|found| {
        found.name.as_ref() == Some(wanted) && protocol(&found.protocol) == protocol(&port.protocol)
    })
}

/// A pod template with nothing but its labels and what is read here: of a namespace with many agents all
/// templates are looked at.
pub(crate) fn outline(template: PodTemplateSpec) -> PodTemplateSpec {
    let container = |it: Container| Container {
        name: it.name,
        ports: it.ports,
        restart_policy: it.restart_policy,
        ..Container::default()
    };
    let spec = template.spec.map(|spec| PodSpec {
        containers: spec.containers.into_iter().map(container).collect(),
        init_containers: spec.init_containers.map(|all| all.into_iter().map(container).collect()),
        ..PodSpec::default()
    });
    let labels = template.metadata.and_then(|metadata| metadata.labels);
    let metadata = ObjectMeta { labels, ..ObjectMeta::default() };
    PodTemplateSpec { metadata: Some(metadata), spec }
}

/// The pod template of a Deployment, whose type differs between versions of Kubernetes.
pub(crate) fn template(deployment: &Deployment) -> Option<PodTemplateSpec> {
    let mut value = serde_json::to_value(deployment).ok()?;
    serde_json::from_value(value.pointer_mut("/spec/template")?.take()).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn codes(target: &serde_json::Value, template: serde_json::Value) -> Vec<String> {
        let service: Service = serde_json::from_value(json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "agent"},
            "spec": {"ports": [{"port": 80, "protocol": "TCP", "targetPort": target}]},
        }))
        .unwrap();
        let template: PodTemplateSpec = serde_json::from_value(template).unwrap();
        let name = "agent-green".to_owned();
        let problems = problems(&service, "Service ns/agent", [(&name, &template)].into_iter());
        problems.into_iter().map(|problem| problem.code).collect()
    }

    #[test]
    fn a_named_port_must_be_declared() {
        let with = |port: serde_json::Value| json!({"spec": {"containers": [{"name": "agent", "ports": [port]}]}});
        let http = json!({"containerPort": 8080, "name": "http"});
        assert!(codes(&json!("http"), with(http.clone())).is_empty());
        assert_eq!(codes(&json!("grpc"), with(http.clone())), ["port-unresolved"]);
        let udp = json!({"containerPort": 8080, "name": "http", "protocol": "UDP"});
        assert_eq!(codes(&json!("http"), with(udp)), ["port-unresolved"]);
        assert!(codes(&json!(9), with(http.clone())).is_empty());
        let sidecar = |policy: &str| {
            json!({"spec": {"containers": [], "initContainers": [
                {"name": "proxy", "restartPolicy": policy, "ports": [http]}
            ]}})
        };
        assert!(codes(&json!("http"), sidecar("Always")).is_empty());
        assert_eq!(codes(&json!("http"), sidecar("Never")), ["port-unresolved"]);
    }
}
