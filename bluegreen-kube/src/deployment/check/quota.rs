//! Whether the namespace's quotas have room for both slots.

use bluegreen_core::{ErrorKind, Intent, Problem, Result};
use k8s_openapi::api::core::v1::ResourceQuota;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use serde_json::Value;

use super::{Report, quantity};
use crate::deployment::DeploymentSlot;
use crate::deployment::object::Seen;
use crate::deployment::template::items;
use crate::error;

mod scope;

/// Compares what the candidate's pods need beyond those that the slot has with what is left.
/// Live's pods are in use already, so what is left must do for the candidate.
pub(super) async fn check(
    report: &mut Report<'_>,
    slot: &DeploymentSlot,
    seen: Seen<'_>,
    intent: &Intent,
) -> Result<()> {
    let api: Api<ResourceQuota> = Api::namespaced(slot.client.clone(), &slot.settings.namespace);
    let all = ListParams::default().match_any();
    let call = error::read(slot.settings.call, "list resourcequotas", api.list(&all));
    let quotas = match call.await {
        Ok(quotas) => quotas,
        // The missing right is a problem already.
        Err(error) if error.kind() == ErrorKind::Rejected => return Ok(()),
        Err(error) => return Err(error),
    };
    let more = intent.replicas.saturating_sub(seen.replicas());
    if more == 0 {
        return Ok(());
    }
    for quota in quotas {
        check_one(report, &quota, seen, more);
    }
    Ok(())
}

fn check_one(report: &mut Report<'_>, quota: &ResourceQuota, seen: Seen<'_>, more: u32) {
    let spec = quota.spec.as_ref();
    // Where the template does not say, what is refused may be what the cluster allows.
    if spec.is_some_and(|spec| scope::counts(spec, seen.template()) != Some(true)) {
        return;
    }
    let Some(status) = &quota.status else { return };
    for (resource, hard) in status.hard.iter().flatten() {
        let used = status.used.as_ref().and_then(|used| used.get(resource));
        let used = used.map_or("0", |used| used.0.as_str());
        let (Some(each), Some(most), Some(taken)) =
            (per_pod(seen.template(), resource), quantity::parse(&hard.0), quantity::parse(used))
        else {
            continue;
        };
        let needed = each * f64::from(more);
        // Decimal fractions are not exact in binary.
        if needed > 0.0 && taken + needed > most * (1.0 + 1e-9) {
            let object = format!("ResourceQuota {}, {resource}", quota.name_any());
            let problem = Problem::new("quota", object)
                .found(format!("{used} of {} used", hard.0))
                .wanted(format!("room for {more} more pods that need {each} each"))
                .mend("raise the quota: both slots run at the same time");
            report.add(problem, &quota.name_any());
        }
    }
}

/// How much of a quota's resource one pod takes; `None` for what pods do not take.
fn per_pod(template: &Value, resource: &str) -> Option<f64> {
    let (list, name) = match resource {
        "pods" | "count/pods" => return Some(1.0),
        "cpu" | "memory" => ("requests", resource),
        _ => resource.split_once('.').filter(|(list, _)| matches!(*list, "requests" | "limits"))?,
    };
    let needs = |container: &Value| {
        let resources = &container["resources"];
        let amount = [&resources[list][name], &resources["limits"][name]];
        let amount = amount.into_iter().find_map(|amount| match amount {
            Value::String(text) => quantity::parse(text),
            Value::Number(number) => number.as_f64(),
            _ => None,
        });
        amount.unwrap_or(0.0)
    };
    let spec = &template["spec"];
    let first = items(&spec["initContainers"]);
    let (beside, before): (Vec<&Value>, Vec<&Value>) =
        first.iter().partition(|container| container["restartPolicy"] == "Always");
    let together: f64 = items(&spec["containers"]).iter().chain(beside).map(needs).sum();
    // Those that run before the others need not have room beside them.
    Some(before.into_iter().map(needs).fold(together, f64::max))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pod_takes_what_its_containers_request_together() {
        let container = |cpu: &str| json!({"resources": {"requests": {"cpu": cpu}}});
        let template = json!({"spec": {
            "initContainers": [container("3"), {
                "restartPolicy": "Always", "resources": {"limits": {"cpu": "500m"}},
            }],
            "containers": [container("1"), container("250m"), {}],
        }});
        assert_eq!(per_pod(&template, "requests.cpu"), Some(3.0));
        assert_eq!(per_pod(&template, "cpu"), Some(3.0));
        assert_eq!(per_pod(&template, "limits.cpu"), Some(0.5));
        assert_eq!(per_pod(&template, "pods"), Some(1.0));
        assert_eq!(per_pod(&template, "services"), None);
    }
}
