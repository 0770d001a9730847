//! Who set which field: `metadata.managedFields`.
//!
//! Less than the real thing: there are no `.` members for maps as such, and lists whose elements
//! have neither `name`, `type` nor `uid` are one field.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::json::list;

/// A path of members of `fieldsV1`: `["f:spec", "f:replicas"]`.
type Path = Vec<String>;

/// Who writes, as an entry of `managedFields` names it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manager<'a> {
    pub(super) name: &'a str,
    pub(super) subresource: &'a str,
}

/// Writes into `new` who owns its fields, after `manager` made it of `old`.
pub(super) fn track(old: Option<&Value>, new: &mut Value, manager: Manager<'_>, now: &str) {
    let before = old.map(leaves).unwrap_or_default();
    let after = leaves(new);
    let changed: BTreeSet<&Path> = after
        .iter()
        .filter(|(path, value)| before.iter().all(|(old, was)| old != path || was != value))
        .map(|(path, _)| path)
        .collect();
    let there: BTreeSet<&Path> = after.iter().map(|(path, _)| path).collect();

    let mut entries = Vec::new();
    let mut own: BTreeSet<Path> = changed.iter().map(|path| (*path).clone()).collect();
    let mut own_before = None;
    for entry in list(old.unwrap_or(&Value::Null), "/metadata/managedFields") {
        let mut fields = BTreeSet::new();
        collect(&entry["fieldsV1"], &mut Vec::new(), &mut fields);
        fields.retain(|path| there.contains(path));
        let is_own = entry["manager"] == manager.name
            && entry["subresource"].as_str().unwrap_or_default() == manager.subresource
            && entry["operation"] == "Update";
        if is_own {
            own_before = Some((fields.clone(), entry["time"].clone()));
            own.extend(fields);
            continue;
        }
        let was = fields.len();
        fields.retain(|path| !changed.contains(path));
        if !fields.is_empty() || was == 0 {
            let mut entry = entry.clone();
            entry["fieldsV1"] = nest(&fields);
            entries.push(entry);
        }
    }
    if !own.is_empty() {
        let mut entry = json!({
            "manager": manager.name, "operation": "Update", "apiVersion": new["apiVersion"],
            "time": now, "fieldsType": "FieldsV1", "fieldsV1": nest(&own),
        });
        if let Some((_, time)) =
            own_before.filter(|(fields, _)| *fields == own && changed.is_empty())
        {
            entry["time"] = time;
        }
        if !manager.subresource.is_empty() {
            entry["subresource"] = manager.subresource.into();
        }
        entries.push(entry);
    }
    new["metadata"]["managedFields"] = entries.into();
}

fn leaves(object: &Value) -> Vec<(Path, Value)> {
    let mut leaves = Vec::new();
    let Value::Object(object) = object else { return leaves };
    for (key, value) in object {
        match key.as_str() {
            "apiVersion" | "kind" => {}
            "metadata" => {
                for (key, value) in value.as_object().into_iter().flatten() {
                    let is_theirs = matches!(
                        key.as_str(),
                        "labels"
                            | "annotations"
                            | "finalizers"
                            | "ownerReferences"
                            | "generateName"
                    );
                    if is_theirs {
                        walk(value, vec!["f:metadata".into(), format!("f:{key}")], &mut leaves);
                    }
                }
            }
            _ => walk(value, vec![format!("f:{key}")], &mut leaves),
        }
    }
    leaves
}

fn walk(value: &Value, path: Path, leaves: &mut Vec<(Path, Value)>) {
    match value {
        Value::Object(map)
            if !map.is_empty() && path.last().is_none_or(|last| last != "f:selector") =>
        {
            for (key, value) in map {
                walk(value, deeper(&path, format!("f:{key}")), leaves);
            }
        }
        Value::Array(list) => match keys(list) {
            Some(keys) => {
                for (key, value) in keys.into_iter().zip(list) {
                    walk(value, deeper(&path, key), leaves);
                }
            }
            None => leaves.push((path, value.clone())),
        },
        _ => leaves.push((path, value.clone())),
    }
}

/// How the elements of a list are told apart, if they are.
fn keys(list: &[Value]) -> Option<Vec<String>> {
    let field = ["name", "type", "uid"].into_iter().find(|field| {
        list.iter().all(|element| element.get(field).is_some_and(Value::is_string))
    })?;
    let keys = list.iter().map(|element| format!("k:{}", json!({ field: element[field] })));
    (!list.is_empty()).then(|| keys.collect())
}

fn deeper(path: &[String], key: String) -> Path {
    let mut path = path.to_vec();
    path.push(key);
    path
}

fn nest(paths: &BTreeSet<Path>) -> Value {
    let mut root = Value::Object(Map::new());
    for path in paths {
        let mut here = &mut root;
        for key in path {
            here = &mut here[key];
        }
        if here.is_null() {
            *here = json!({});
        }
    }
    root
}

fn collect(fields: &Value, path: &mut Path, into: &mut BTreeSet<Path>) {
    match fields.as_object() {
        Some(map) if !map.is_empty() => {
            for (key, inner) in map {
                path.push(key.clone());
                collect(inner, path, into);
                path.pop();
            }
        }
        _ if !path.is_empty() => {
            into.insert(path.clone());
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn managers(object: &Value) -> Vec<(&str, &Value)> {
        list(object, "/metadata/managedFields")
            .iter()
            .map(|entry| (entry["manager"].as_str().unwrap(), &entry["fieldsV1"]))
            .collect()
    }

    #[test]
    fn who_changes_a_field_takes_it_over() {
        let mut first = json!({ "metadata": {}, "data": { "a": "1", "b": "1" } });
        track(None, &mut first, Manager { name: "ann", subresource: "" }, "t1");
        let mut second = first.clone();
        second["data"]["b"] = "2".into();
        track(Some(&first), &mut second, Manager { name: "bob", subresource: "" }, "t2");
        assert_eq!(
            managers(&second),
            [
                ("ann", &json!({ "f:data": { "f:a": {} } })),
                ("bob", &json!({ "f:data": { "f:b": {} } })),
            ]
        );
    }

    #[test]
    fn a_removed_field_is_nobodys() {
        let mut first = json!({ "metadata": {}, "data": { "a": "1", "b": "1" } });
        track(None, &mut first, Manager { name: "ann", subresource: "" }, "t1");
        let mut second = json!({ "metadata": {}, "data": { "a": "1" } });
        track(Some(&first), &mut second, Manager { name: "bob", subresource: "" }, "t2");
        assert_eq!(managers(&second), [("ann", &json!({ "f:data": { "f:a": {} } }))]);
    }

    #[test]
    fn containers_are_told_apart_by_name_and_a_selector_is_one_field() {
        let mut object = json!({ "metadata": {}, "spec": {
            "selector": { "a": "b" }, "containers": [{ "name": "agent", "image": "x" }],
        } });
        track(None, &mut object, Manager { name: "ann", subresource: "" }, "t1");
        let fields = json!({ "f:spec": {
            "f:selector": {},
            "f:containers": { "k:{\"name\":\"agent\"}": { "f:name": {}, "f:image": {} } },
        } });
        assert_eq!(managers(&object), [("ann", &fields)]);
    }
}
