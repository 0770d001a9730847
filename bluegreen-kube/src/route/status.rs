//! What gateways say about a route.

use serde_json::Value;

use super::object::Object;

/// What a route still lacks before every gateway that it names has taken it as it is now; nothing
/// when all have.
///
/// That they have taken it is no proof that they do what it says: there is none in a route's
/// status.
pub(super) fn lacks(route: &Object) -> Vec<String> {
    let data = &route.whole.data;
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let statuses = list(&data["status"]["parents"]);
    let parents = list(&data["spec"]["parentRefs"]);
    let generation = route.whole.metadata.generation;
    let mut lacks = Vec::new();
    if parents.is_empty() {
        lacks.push("no parentRefs: no gateway is to serve it".to_owned());
    }
    for parent in &parents {
        let about: Vec<&Value> =
            statuses.iter().filter(|it| is_same(&it["parentRef"], parent, route)).collect();
        let name = in_words(parent);
        if about.is_empty() {
            lacks.push(format!("no gateway says anything of it for {name}"));
        }
        for status in about {
            for kind in ["Accepted", "ResolvedRefs"] {
                let conditions = list(&status["conditions"]);
                let found = conditions.iter().find(|it| it["type"] == kind);
                lacks.extend(lack(found, kind, generation).map(|it| format!("{name}: {it}")));
            }
        }
    }
    lacks
}

fn lack(condition: Option<&Value>, kind: &str, generation: Option<i64>) -> Option<String> {
    let Some(condition) = condition else { return Some(format!("no condition {kind}")) };
    let text = |key: &str| condition[key].as_str().unwrap_or_default();
    let seen = condition["observedGeneration"].as_i64();
    if let (Some(seen), Some(generation)) = (seen, generation)
        && seen < generation
    {
        return Some(format!("{kind} is about generation {seen}, not {generation}"));
    }
    if text("status") == "True" {
        return None;
    }
    let (status, reason, message) = (text("status"), text("reason"), text("message"));
    let message = crate::printable::printable(message, 200);
    Some(format!("{kind} is {status} ({reason}: {message})"))
}

/// Whether a status is about a parent. What a reference does not say is what it means.
fn is_same(status: &Value, parent: &Value, route: &Object) -> bool {
    let namespace = route.whole.metadata.namespace.as_deref().unwrap_or_default();
    let default = |key: &str| match key {
        "group" => "gateway.networking.k8s.io",
        "kind" => "Gateway",
        "namespace" => namespace,
        _ => "",
    };
    let text = |reference: &Value, key: &str| match &reference[key] {
        Value::Null => default(key).to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    ["group", "kind", "namespace", "name", "sectionName", "port"]
        .iter()
        .all(|key| text(status, key) == text(parent, key))
}

/// A reference to a parent, for people: `Gateway public`.
pub(super) fn in_words(parent: &Value) -> String {
    let kind = parent["kind"].as_str().unwrap_or("Gateway");
    let name = parent["name"].as_str().unwrap_or_default();
    match parent["sectionName"].as_str() {
        Some(section) => format!("{kind} {name}/{section}"),
        None => format!("{kind} {name}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Settings;
    use crate::route::name::{RouteKind, RouteName};

    fn lacking(parents: &Value, conditions: &[(&str, &str, i64)]) -> Vec<String> {
        let conditions: Vec<Value> = conditions
            .iter()
            .map(|(kind, status, seen)| {
                json!({"type": kind, "status": status, "observedGeneration": seen,
                    "reason": "Why", "message": "so"})
            })
            .collect();
        let status = json!({"parentRef": {"name": "public", "group": "gateway.networking.k8s.io"},
            "controllerName": "example.com/one", "conditions": conditions});
        let route = serde_json::from_value(json!({
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
            "metadata": {"name": "agent", "namespace": "ns", "generation": 3},
            "spec": {"parentRefs": parents}, "status": {"parents": [status]},
        }));
        let settings = Settings::new("agent", "ns");
        let name = RouteName::new(RouteKind::Http, "agent");
        lacks(&Object::read(&name, &route.unwrap(), &settings))
    }

    #[test]
    fn every_parent_has_to_have_taken_what_is_there_now() {
        let public = json!([{"name": "public", "kind": "Gateway", "namespace": "ns"}]);
        let good = [("Accepted", "True", 3), ("ResolvedRefs", "True", 3)];
        assert_eq!(lacking(&public, &good), Vec::<String>::new());
        let old = [("Accepted", "True", 2), ("ResolvedRefs", "True", 3)];
        assert_eq!(
            lacking(&public, &old),
            ["Gateway public: Accepted is about generation 2, not 3"]
        );
        let bad = [("Accepted", "True", 3), ("ResolvedRefs", "False", 3)];
        assert_eq!(lacking(&public, &bad), ["Gateway public: ResolvedRefs is False (Why: so)"]);
        assert_eq!(lacking(&public, &good[..1]), ["Gateway public: no condition ResolvedRefs"]);
        let two = json!([{"name": "public"}, {"name": "private", "sectionName": "http"}]);
        assert_eq!(
            lacking(&two, &good),
            ["no gateway says anything of it for Gateway private/http"]
        );
        assert_eq!(lacking(&json!([]), &good).len(), 1);
    }
}
