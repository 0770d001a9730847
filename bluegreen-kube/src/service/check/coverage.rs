//! Services that stay on the node: each node that serves now must have a pod of the other slot.

use std::collections::BTreeSet;

use bluegreen_core::Problem;
use k8s_openapi::api::core::v1::{Pod, Service};

use crate::pod::is_ready;

/// What a Service with a local traffic policy risks, if it is one.
///
/// On a node without a pod of its slot such a Service has no endpoints at all, whatever other
/// nodes have.
pub(super) fn problem<'a>(
    service: &Service,
    object: &str,
    live: impl Iterator<Item = &'a Pod>,
    idle: impl Iterator<Item = &'a Pod>,
) -> Option<Problem> {
    let spec = service.spec.as_ref()?;
    let is_local = |policy: &Option<String>| policy.as_deref() == Some("Local");
    let policy = match (&spec.internal_traffic_policy, &spec.external_traffic_policy) {
        (policy, _) if is_local(policy) => "internalTrafficPolicy",
        (_, policy) if is_local(policy) => "externalTrafficPolicy",
        _ => return None,
    };
    let (live, idle) = (ready(live), ready(idle));
    let bare: Vec<&str> = nodes(&live).difference(&nodes(&idle)).copied().collect();
    if bare.is_empty() {
        return None;
    }
    let problem = Problem::new("node-coverage", format!("{object}, spec.{policy}"))
        .wanted("pods of the candidate on every node that has pods of the live slot")
        .mend("spread both slots the same way, or use the policy Cluster");
    // Fewer pods than live has cannot cover as much. They become more before traffic moves.
    if idle.len() < live.len() {
        return Some(problem.found("Local, and the candidate's pods are not there yet").warning());
    }
    Some(problem.found(format!("Local, and no pod of the other slot on {}", bare.join(", "))))
}

fn ready<'a>(pods: impl Iterator<Item = &'a Pod>) -> Vec<&'a Pod> {
    pods.filter(|pod| is_ready(pod)).collect()
}

fn nodes<'a>(pods: &[&'a Pod]) -> BTreeSet<&'a str> {
    pods.iter().filter_map(|pod| pod.spec.as_ref()?.node_name.as_deref()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pods(nodes: &[&str]) -> Vec<Pod> {
        let pod = |node: &&str| {
            serde_json::from_value(json!({
                "metadata": {"name": node}, "spec": {"containers": [], "nodeName": node},
                "status": {"conditions": [{"type": "Ready", "status": "True"}]},
            }))
            .unwrap()
        };
        nodes.iter().map(pod).collect()
    }

    fn is_refusal(policy: &str, live: &[&str], idle: &[&str]) -> Option<bool> {
        let service: Service = serde_json::from_value(json!({
            "metadata": {"name": "agent"}, "spec": {"internalTrafficPolicy": policy},
        }))
        .unwrap();
        let (live, idle) = (pods(live), pods(idle));
        problem(&service, "Service ns/agent", live.iter(), idle.iter())
            .map(|problem| problem.is_refusal())
    }

    #[test]
    fn every_node_must_be_covered_when_traffic_stays_on_it() {
        assert_eq!(is_refusal("Cluster", &["a", "b"], &["a", "a"]), None);
        assert_eq!(is_refusal("Local", &["a", "b"], &["b", "a"]), None);
        assert_eq!(is_refusal("Local", &["a", "b"], &["a", "a"]), Some(true));
        assert_eq!(is_refusal("Local", &["a", "b"], &[]), Some(false));
        assert_eq!(is_refusal("Local", &["a", "b"], &["c"]), Some(false));
    }
}
