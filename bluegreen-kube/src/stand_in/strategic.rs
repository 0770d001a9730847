//! Strategic merge patch: like a merge patch, but lists of named things are merged by name.

use serde_json::{Map, Value};

use super::status::Refusal;

const DIRECTIVE: &str = "$patch";

/// Applies a strategic merge patch.
pub(super) fn apply(document: &Value, patch: &Value) -> Result<Value, Refusal> {
    let patch = patch.as_object().ok_or_else(|| Refusal::bad_request("Invalid JSON Patch"))?;
    let mut merged = document.clone();
    merge_map(&mut merged, patch)?;
    Ok(merged)
}

fn merge_map(document: &mut Value, patch: &Map<String, Value>) -> Result<(), Refusal> {
    if !document.is_object() || patch.get(DIRECTIVE).is_some_and(|how| how == "replace") {
        *document = Value::Object(Map::new());
    }
    let Value::Object(document) = document else { return Ok(()) };
    for (key, value) in patch.iter().filter(|(key, _)| *key != DIRECTIVE) {
        if key.starts_with('$') {
            return Err(Refusal::bad_request(format!("the stand-in does not know {key}")));
        }
        match value {
            Value::Null => {
                document.remove(key);
            }
            Value::Object(inner) if inner.get(DIRECTIVE).is_some_and(|how| how == "delete") => {
                document.remove(key);
            }
            Value::Object(inner) => {
                merge_map(document.entry(key.clone()).or_insert(Value::Null), inner)?;
            }
            Value::Array(inner) => match merge_key(key) {
                Some(merge_key) => {
                    let list = document.entry(key.clone()).or_insert(Value::Null);
                    merge_list(list, inner, merge_key)?;
                }
                None => {
                    document.insert(key.clone(), value.clone());
                }
            },
            _ => {
                document.insert(key.clone(), value.clone());
            }
        }
    }
    Ok(())
}

/// The field that tells the elements of a list apart; `None` for lists that are replaced.
fn merge_key(list: &str) -> Option<&'static str> {
    Some(match list {
        "containers" | "initContainers" | "env" | "volumes" | "imagePullSecrets" => "name",
        "volumeMounts" => "mountPath",
        "ownerReferences" => "uid",
        "conditions" => "type",
        _ => return None,
    })
}

fn merge_list(list: &mut Value, patch: &[Value], merge_key: &str) -> Result<(), Refusal> {
    if !list.is_array() {
        *list = Value::Array(Vec::new());
    }
    let Value::Array(list) = list else { return Ok(()) };
    // What is new goes in front, in the patch's order, as the real server does it.
    let mut front = Vec::new();
    for element in patch {
        let Value::Object(element) = element else {
            return Err(Refusal::bad_request("an element of a merged list is no object"));
        };
        if element.get(DIRECTIVE).is_some_and(|how| how == "replace") {
            list.clear();
            continue;
        }
        let Some(name) = element.get(merge_key) else {
            let message = format!("map does not contain declared merge key: {merge_key}");
            return Err(Refusal::bad_request(message));
        };
        let found = list.iter().position(|one| one.get(merge_key) == Some(name));
        let is_deleted = element.get(DIRECTIVE).is_some_and(|how| how == "delete");
        match found {
            Some(index) if is_deleted => {
                list.remove(index);
            }
            Some(index) => merge_map(&mut list[index], element)?,
            None if is_deleted => {}
            None => {
                let mut new = Value::Null;
                merge_map(&mut new, element)?;
                front.push(new);
            }
        }
    }
    list.splice(0..0, front);
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod() -> Value {
        json!({ "spec": { "containers": [
            { "name": "agent", "image": "a:1", "env": [{ "name": "A", "value": "1" }] },
            { "name": "proxy", "image": "p:1" },
        ], "tolerations": [{ "key": "x" }] } })
    }

    #[test]
    fn containers_and_variables_are_merged_by_name() {
        let patch = json!({ "spec": { "containers": [
            { "name": "agent", "env": [{ "name": "B", "value": "2" }] },
        ] } });
        let merged = apply(&pod(), &patch).unwrap();
        assert_eq!(merged["spec"]["containers"][0]["image"], "a:1");
        assert_eq!(
            merged["spec"]["containers"][0]["env"],
            json!([{ "name": "B", "value": "2" }, { "name": "A", "value": "1" }])
        );
        assert_eq!(merged["spec"]["containers"][1]["name"], "proxy");
    }

    #[test]
    fn an_element_goes_by_directive_and_a_field_by_null() {
        let patch = json!({ "spec": { "containers": [
            { "name": "proxy", "$patch": "delete" },
            { "name": "agent", "env": null },
        ] } });
        let merged = apply(&pod(), &patch).unwrap();
        assert_eq!(merged["spec"]["containers"], json!([{ "name": "agent", "image": "a:1" }]));
    }

    #[test]
    fn other_lists_are_replaced() {
        let merged = apply(&pod(), &json!({ "spec": { "tolerations": [] } })).unwrap();
        assert_eq!(merged["spec"]["tolerations"], json!([]));
    }

    #[test]
    fn an_element_without_its_name_is_refused() {
        let patch = json!({ "spec": { "containers": [{ "image": "b" }] } });
        assert_eq!(apply(&pod(), &patch).unwrap_err().code, 400);
    }
}
