//! Small help with untyped objects.

use serde_json::{Map, Value};

/// The text at a JSON pointer; empty if there is none.
pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// As much as a float counts without gaps, and little enough to be added up.
const MOST: i64 = 1 << 53;

/// The number at a JSON pointer. One beyond all reason is the largest that is not.
pub(super) fn number(object: &Value, pointer: &str) -> Option<i64> {
    object.pointer(pointer).and_then(Value::as_i64).map(reasonable)
}

/// A number that can be added to others and counted up.
pub(super) fn reasonable(number: i64) -> i64 {
    number.clamp(-MOST, MOST)
}

/// The list at a JSON pointer; empty if there is none.
pub(super) fn list<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The map at a JSON pointer.
pub(super) fn map<'a>(object: &'a Value, pointer: &str) -> Option<&'a Map<String, Value>> {
    object.pointer(pointer).and_then(Value::as_object)
}

/// The object at a path of keys, made where it is missing. What stands in the way is replaced.
pub(super) fn at<'a>(object: &'a mut Value, path: &[&str]) -> &'a mut Map<String, Value> {
    let mut here = object;
    for key in path {
        here = entry(here).entry((*key).to_owned()).or_insert(Value::Null);
    }
    entry(here)
}

fn entry(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(map) => map,
        _ => unreachable!("it was just made an object"),
    }
}

/// Sets a field, or removes it.
pub(super) fn set(map: &mut Map<String, Value>, key: &str, value: Option<Value>) {
    match value {
        Some(value) => map.insert(key.to_owned(), value),
        None => map.remove(key),
    };
}

/// Sets a field that is not there yet.
pub(super) fn default(map: &mut Map<String, Value>, key: &str, value: impl Into<Value>) {
    map.entry(key.to_owned()).or_insert_with(|| value.into());
}

/// The labels or another map of texts as pairs.
pub(super) fn pairs<'a>(
    object: &'a Value,
    pointer: &str,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    map(object, pointer)
        .into_iter()
        .flatten()
        .map(|(key, value)| (key.as_str(), value.as_str().unwrap_or_default()))
}

/// What Go's `omitempty` leaves out: nothing, empty lists, empty maps, and an empty `value` of
/// a variable. Where a map has texts, nothing is an empty text.
pub(super) fn tidy(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map.iter_mut() {
                if is_map_of_texts(key)
                    && let Value::Object(texts) = inner
                {
                    for text in texts.values_mut().filter(|text| text.is_null()) {
                        *text = Value::String(String::new());
                    }
                } else if key != "fieldsV1" {
                    tidy(inner);
                }
            }
            map.retain(|key, inner| match inner {
                Value::Null => false,
                Value::Array(list) => !list.is_empty(),
                Value::Object(map) => !map.is_empty() || !is_omitted_when_empty(key),
                Value::String(text) => !(key == "value" && text.is_empty()),
                _ => true,
            });
        }
        Value::Array(list) => list.iter_mut().for_each(tidy),
        _ => {}
    }
}

fn is_map_of_texts(key: &str) -> bool {
    matches!(key, "labels" | "annotations" | "data" | "matchLabels" | "nodeSelector")
}

fn is_omitted_when_empty(key: &str) -> bool {
    is_map_of_texts(key)
        || matches!(key, "selector" | "binaryData" | "stringData" | "limits" | "requests")
}
