//! What gateways say about a route.

use serde_json::Value;

use super::name::GROUP;
use super::object::Object;
use crate::printable::printable;

/// What a gateway has to say of a route.
const NEEDED: [&str; 2] = ["Accepted", "ResolvedRefs"];

/// What a route still lacks before every gateway that it names has taken it as it is now; nothing
/// when all have.
///
/// That they have taken it is no proof that they do what it says: there is none in a route's
/// status.
pub(super) fn lacks(route: &Object) -> Vec<String> {
    let generation = route.whole.metadata.generation;
    let parents = parents(route);
    let mut lacks = Vec::new();
    if parents.is_empty() {
        lacks.push("no parentRefs: no gateway is to serve it".to_owned());
    }
    for parent in parents {
        let (name, about) = (in_words(parent, route), about(parent, route));
        if about.is_empty() {
            lacks.push(format!("no gateway says anything of it for {name}"));
        }
        for status in about {
            for kind in NEEDED {
                let lack = lack(condition(status, kind), kind, generation);
                lacks.extend(lack.map(|it| format!("{name}: {it}")));
            }
        }
    }
    lacks
}

/// The parents for which it is not said which generation of the route was taken. It counts as the
/// one that there is now, since nothing else will ever be said.
pub(super) fn undated(route: &Object) -> Vec<String> {
    let is_undated = |status: &Value| {
        let found = NEEDED.into_iter().filter_map(|kind| condition(status, kind));
        found.into_iter().any(|it| it["observedGeneration"].is_null())
    };
    let parents = parents(route).iter();
    let undated = parents.filter(|parent| about(parent, route).into_iter().any(is_undated));
    undated.map(|parent| in_words(parent, route)).collect()
}

/// The parents that a route names.
pub(super) fn parents(route: &Object) -> &[Value] {
    list(&route.whole.data["spec"]["parentRefs"])
}

/// What gateways say of a route for one of its parents. Whoever attaches a policy to it says
/// something there, too, but not whether the route is accepted: where a gateway does, only that
/// counts.
fn about<'a>(parent: &Value, route: &'a Object) -> Vec<&'a Value> {
    let all = list(&route.whole.data["status"]["parents"]).iter();
    let key = key(parent, route);
    let mut about: Vec<&Value> =
        all.filter(|it| self::key(&it["parentRef"], route) == key).collect();
    let is_gateway = |status: &&Value| condition(status, "Accepted").is_some();
    if about.iter().any(is_gateway) {
        about.retain(is_gateway);
    }
    about
}

fn condition<'a>(status: &'a Value, kind: &str) -> Option<&'a Value> {
    list(&status["conditions"]).iter().find(|it| it["type"] == kind)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
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
    Some(printable(&format!("{kind} is {status} ({reason}: {message})"), 300))
}

/// What tells a parent of a route from others. What a reference does not say is what it means.
pub(super) fn key(reference: &Value, route: &Object) -> [String; 6] {
    let text = |key: &str, otherwise: &str| match &reference[key] {
        Value::Null => otherwise.to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    [
        text("group", GROUP),
        text("kind", "Gateway"),
        text("namespace", namespace(route)),
        text("name", ""),
        text("sectionName", ""),
        text("port", ""),
    ]
}

fn namespace(route: &Object) -> &str {
    route.whole.metadata.namespace.as_deref().unwrap_or_default()
}

/// A reference to a parent, for people: `Gateway public in infra`.
pub(super) fn in_words(parent: &Value, route: &Object) -> String {
    let [_, kind, elsewhere, name, section, port] = key(parent, route);
    let mut words = format!("{kind} {name}");
    if !section.is_empty() {
        words = format!("{words}/{section}");
    }
    if !port.is_empty() {
        words = format!("{words}:{port}");
    }
    if elsewhere != namespace(route) {
        words = format!("{words} in {elsewhere}");
    }
    printable(&words, 200)
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
