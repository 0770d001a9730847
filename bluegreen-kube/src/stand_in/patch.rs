//! JSON Patch and merge patch, as the real server applies them.
//!
//! Its library departs from RFC 6902, and callers meet that: a `test` for `null` passes where
//! there is no such key, and a `replace` of a missing key adds it. Both need the object around
//! the key, though: without any annotations, `test /metadata/annotations/x null` fails. And a
//! `test` compares texts as they are written, escapes and all.

use serde_json::{Map, Value};

use super::status::Refusal;

mod written;

/// The most operations in one JSON Patch.
const MOST_OPERATIONS: usize = 10_000;

/// The most bytes that a JSON Patch may copy: each copy of everything doubles it.
const MOST_COPIED: usize = 3 * 1024 * 1024;

/// Applies a JSON Patch, as it was sent.
pub(super) fn apply_json(document: &Value, patch: &[u8]) -> Result<Value, Refusal> {
    let patch = written::as_sent(patch);
    let operations = patch.as_ref().and_then(Value::as_array).ok_or_else(|| {
        Refusal::bad_request(
            "error decoding patch: json: cannot unmarshal object into Go value of type \
             []handlers.jsonPatchOp",
        )
    })?;
    if operations.len() > MOST_OPERATIONS {
        return Err(Refusal::of_code(413));
    }
    let mut patched = written::by_server(document);
    let mut copied = 0_usize;
    for operation in operations {
        copied = copied.saturating_add(copied_by(operation, &patched));
        if copied > MOST_COPIED {
            return Err(Refusal::of_code(413));
        }
        apply_one(&mut patched, operation).ok_or_else(Refusal::patch_does_not_apply)?;
    }
    Ok(written::read(&patched))
}

/// How many bytes an operation copies.
fn copied_by(operation: &Value, document: &Value) -> usize {
    let text = |key| Some(written::read_text(operation.get(key)?.as_str()?));
    let from = text("op").filter(|kind| kind == "copy").and_then(|_| text("from"));
    let copied = from.and_then(|from| look(document, &from)).flatten();
    copied.map_or(0, |copied| copied.to_string().len())
}

/// Applies one operation; `None` if it does not apply.
fn apply_one(document: &mut Value, operation: &Value) -> Option<()> {
    let text = |key| Some(written::read_text(operation.get(key)?.as_str()?));
    let (kind, path) = (text("op")?, text("path")?);
    let (kind, path) = (kind.as_str(), path.as_str());
    let value = operation.get("value").cloned().unwrap_or_default();
    match kind {
        "test" => (look(document, path)?.unwrap_or_default() == value).then_some(()),
        "add" => add(document, path, value),
        "replace" if path.is_empty() => {
            *document = value;
            Some(())
        }
        "replace" => replace(document, path, value),
        "remove" => remove(document, path).map(drop),
        "move" => {
            let moved = remove(document, &text("from")?)?;
            add(document, path, moved)
        }
        "copy" => {
            let copied = look(document, &text("from")?)?.unwrap_or_default();
            add(document, path, copied)
        }
        _ => None,
    }
}

/// What is at a path: `None` if the path leads nowhere, `Some(None)` if only the last key of it
/// is missing in an object.
#[allow(clippy::option_option)]
fn look(document: &Value, path: &str) -> Option<Option<Value>> {
    if path.is_empty() {
        return Some(Some(document.clone()));
    }
    let (parent, key) = parent(path)?;
    match document.pointer(parent)? {
        Value::Object(map) => Some(map.get(&key).cloned()),
        Value::Array(list) => Some(Some(list.get(index(&key, list.len())?)?.clone())),
        _ => None,
    }
}

fn add(document: &mut Value, path: &str, value: Value) -> Option<()> {
    let (parent, key) = parent(path)?;
    match document.pointer_mut(parent)? {
        Value::Object(map) => {
            map.insert(key, value);
        }
        Value::Array(list) if key == "-" => list.push(value),
        Value::Array(list) => list.insert(index(&key, list.len() + 1)?, value),
        _ => return None,
    }
    Some(())
}

fn replace(document: &mut Value, path: &str, value: Value) -> Option<()> {
    let (parent, key) = parent(path)?;
    match document.pointer_mut(parent)? {
        Value::Object(map) => {
            map.insert(key, value);
        }
        Value::Array(list) => {
            let index = index(&key, list.len())?;
            list[index] = value;
        }
        _ => return None,
    }
    Some(())
}

fn remove(document: &mut Value, path: &str) -> Option<Value> {
    let (parent, key) = parent(path)?;
    match document.pointer_mut(parent)? {
        Value::Object(map) => map.remove(&key),
        Value::Array(list) => {
            let index = index(&key, list.len())?;
            Some(list.remove(index))
        }
        _ => None,
    }
}

/// The pointer to the parent, and the last key in plain text.
fn parent(path: &str) -> Option<(&str, String)> {
    let (parent, key) = path.rsplit_once('/')?;
    Some((parent, key.replace("~1", "/").replace("~0", "~")))
}

/// An index into a list of this length. Negative ones count from its end.
fn index(key: &str, length: usize) -> Option<usize> {
    let index: isize = key.parse().ok()?;
    let index =
        if index < 0 { length.checked_sub(index.unsigned_abs())? } else { index.unsigned_abs() };
    (index < length).then_some(index)
}

/// Applies a merge patch (RFC 7386).
pub(super) fn apply_merge(document: &Value, patch: &Value) -> Result<Value, Refusal> {
    if !patch.is_object() {
        return Err(Refusal::bad_request("Invalid JSON Patch"));
    }
    let mut merged = document.clone();
    merge(&mut merged, patch);
    Ok(merged)
}

fn merge(document: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *document = patch.clone();
        return;
    };
    if !document.is_object() {
        *document = Value::Object(Map::new());
    }
    let Value::Object(document) = document else { return };
    for (key, value) in patch {
        if value.is_null() {
            document.remove(key);
        } else {
            merge(document.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests;
