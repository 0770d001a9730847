//! Whether a quota that is for some pods only is for these.

use k8s_openapi::api::core::v1::ResourceQuotaSpec;
use serde_json::Value;

use crate::deployment::check::quantity;
use crate::deployment::template::items;

/// Whether the quota counts the pods of this template; `None` if the template alone does not
/// say.
///
/// What the API server adds to pods is not looked at: defaults of a `LimitRange`, with which a
/// pod is not `BestEffort` any more. A plan can allow `quota` by the quota's name.
pub(super) fn counts(spec: &ResourceQuotaSpec, template: &Value) -> Option<bool> {
    let pod = &template["spec"];
    let whole = spec.scopes.iter().flatten().map(|scope| (scope.as_str(), "Exists", &[][..]));
    let expressions = spec.scope_selector.iter().flat_map(|it| it.match_expressions.iter());
    let chosen = expressions.flatten().map(|it| {
        (it.scope_name.as_str(), it.operator.as_str(), it.values.as_deref().unwrap_or_default())
    });
    let mut all = Some(true);
    for (scope, operator, values) in whole.chain(chosen) {
        match is_in(scope, operator, values, pod) {
            Some(true) => {}
            // One that does not hold is enough, whatever the others are.
            Some(false) => return Some(false),
            None => all = None,
        }
    }
    all
}

fn is_in(scope: &str, operator: &str, values: &[String], pod: &Value) -> Option<bool> {
    match (scope, operator) {
        ("BestEffort", "Exists") => Some(is_best_effort(pod)),
        ("NotBestEffort", "Exists") => Some(!is_best_effort(pod)),
        ("Terminating", "Exists") => Some(!pod["activeDeadlineSeconds"].is_null()),
        ("NotTerminating", "Exists") => Some(pod["activeDeadlineSeconds"].is_null()),
        ("CrossNamespacePodAffinity", "Exists") => Some(looks_elsewhere(pod)),
        ("PriorityClass", operator) => {
            // A pod without one gets the default of the cluster, which the template does not say.
            let class = pod["priorityClassName"].as_str().filter(|class| !class.is_empty())?;
            let is_listed = values.iter().any(|value| value == class);
            match operator {
                "Exists" => Some(true),
                "DoesNotExist" => Some(false),
                "In" => Some(is_listed),
                "NotIn" => Some(!is_listed),
                _ => None,
            }
        }
        // For volumes, or newer than this version.
        _ => None,
    }
}

/// Whether nothing in the pod asks for any processor time or memory.
fn is_best_effort(pod: &Value) -> bool {
    let containers = items(&pod["containers"]).iter().chain(items(&pod["initContainers"]));
    let mut resources = containers.map(|it| &it["resources"]).chain([&pod["resources"]]);
    let asks = |amount: &Value| match amount {
        // One that cannot be read is one that is there.
        Value::String(text) => quantity::parse(text).is_none_or(|amount| amount > 0.0),
        Value::Number(number) => number.as_f64().is_some_and(|amount| amount > 0.0),
        _ => false,
    };
    resources.all(|resources| {
        let lists = ["requests", "limits"].map(|list| &resources[list]);
        !lists.iter().any(|list| asks(&list["cpu"]) || asks(&list["memory"]))
    })
}

/// Whether the pod wants to be near pods of other namespaces, or away from them.
fn looks_elsewhere(pod: &Value) -> bool {
    ["podAffinity", "podAntiAffinity"].iter().any(|kind| {
        let affinity = &pod["affinity"][kind];
        let required = items(&affinity["requiredDuringSchedulingIgnoredDuringExecution"]).iter();
        let preferred = items(&affinity["preferredDuringSchedulingIgnoredDuringExecution"]).iter();
        let mut terms = required.chain(preferred.map(|term| &term["podAffinityTerm"]));
        terms.any(|term| {
            !items(&term["namespaces"]).is_empty() || !term["namespaceSelector"].is_null()
        })
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn decided(spec: Value, pod: &Value) -> Option<bool> {
        counts(&serde_json::from_value(spec).unwrap(), &json!({"spec": pod}))
    }

    fn scoped(scope: &str, pod: &Value) -> Option<bool> {
        decided(json!({"scopes": [scope]}), pod)
    }

    fn chosen(operator: &str, values: &[&str], class: Option<&str>) -> Option<bool> {
        let expression =
            json!({"scopeName": "PriorityClass", "operator": operator, "values": values});
        let spec = json!({"scopeSelector": {"matchExpressions": [expression]}});
        decided(spec, &json!({"containers": [], "priorityClassName": class}))
    }

    #[test]
    fn one_without_scopes_counts_every_pod() {
        assert_eq!(decided(json!({}), &json!({})), Some(true));
    }

    #[test]
    fn a_pod_is_best_effort_if_nothing_in_it_asks_for_anything() {
        let with = |resources: Value| json!({"containers": [{}, {"resources": resources}]});
        for (pod, is_best_effort) in [
            (with(json!({})), true),
            (with(json!({"requests": {"cpu": "0", "ephemeral-storage": "1Gi"}})), true),
            (with(json!({"requests": {"cpu": "1m"}})), false),
            (with(json!({"limits": {"memory": "1Gi"}})), false),
            (
                json!({"containers": [], "initContainers": [{"resources": {"limits": {"cpu": 1}}}]}),
                false,
            ),
            (json!({"containers": [{}], "resources": {"requests": {"cpu": "1"}}}), false),
        ] {
            assert_eq!(scoped("BestEffort", &pod), Some(is_best_effort), "{pod}");
            assert_eq!(scoped("NotBestEffort", &pod), Some(!is_best_effort), "{pod}");
        }
    }

    #[test]
    fn a_pod_with_a_deadline_is_terminating() {
        for (pod, ends) in [(json!({"activeDeadlineSeconds": 0}), true), (json!({}), false)] {
            assert_eq!(scoped("Terminating", &pod), Some(ends), "{pod}");
            assert_eq!(scoped("NotTerminating", &pod), Some(!ends), "{pod}");
        }
    }

    #[test]
    fn a_priority_class_is_compared_where_the_template_names_one() {
        assert_eq!(chosen("In", &["high", "low"], Some("high")), Some(true));
        assert_eq!(chosen("In", &["low"], Some("high")), Some(false));
        assert_eq!(chosen("NotIn", &["low"], Some("high")), Some(true));
        assert_eq!(chosen("NotIn", &["high"], Some("high")), Some(false));
        assert_eq!(chosen("Exists", &[], Some("high")), Some(true));
        assert_eq!(chosen("DoesNotExist", &[], Some("high")), Some(false));
        assert_eq!(scoped("PriorityClass", &json!({"priorityClassName": "high"})), Some(true));
        // The cluster may have a default.
        for operator in ["In", "NotIn", "Exists", "DoesNotExist"] {
            assert_eq!(chosen(operator, &["high"], None), None, "{operator}");
        }
    }

    #[test]
    fn terms_of_affinity_may_look_into_other_namespaces() {
        let near = |term: Value| {
            let preferred = json!([{"weight": 1, "podAffinityTerm": term}]);
            let kind = json!({"preferredDuringSchedulingIgnoredDuringExecution": preferred});
            scoped("CrossNamespacePodAffinity", &json!({"affinity": {"podAffinity": kind}}))
        };
        assert_eq!(near(json!({"topologyKey": "zone"})), Some(false));
        assert_eq!(near(json!({"topologyKey": "zone", "namespaces": ["other"]})), Some(true));
        assert_eq!(near(json!({"topologyKey": "zone", "namespaceSelector": {}})), Some(true));
    }

    #[test]
    fn all_scopes_must_hold_and_one_that_is_not_known_decides_nothing() {
        let all = |scopes: &[&str]| decided(json!({"scopes": scopes}), &json!({}));
        assert_eq!(all(&["BestEffort", "NotTerminating"]), Some(true));
        assert_eq!(all(&["BestEffort", "Terminating"]), Some(false));
        assert_eq!(all(&["BestEffort", "VolumeAttributesClass"]), None);
        assert_eq!(all(&["VolumeAttributesClass", "Terminating"]), Some(false));
    }
}
