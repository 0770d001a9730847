//! What stands in an annotation of a template: which files it is of, and what of it is kept elsewhere.
//!
//! In the template, so that pods that differ in it are others, a revert puts it back with all else, and
//! a pod can be told of it (`fieldRef: metadata.annotations[…]`).

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// What is noted under `key`, by name. What is no such note is none.
pub(super) fn read<T: DeserializeOwned>(template: &Value, key: &str) -> BTreeMap<String, T> {
    let text = template["metadata"]["annotations"][key].as_str();
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// Notes `all` under `key`, or takes the note away where there is nothing to note.
pub(super) fn write<T: Serialize>(template: &mut Value, key: &str, all: &BTreeMap<String, T>) {
    let Some(template) = template.as_object_mut() else { return };
    let metadata = template.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
    let Some(metadata) = metadata.as_object_mut() else { return };
    if all.is_empty() {
        if let Some(Value::Object(annotations)) = metadata.get_mut("annotations")
            && annotations.remove(key).is_some()
            && annotations.is_empty()
        {
            metadata.remove("annotations");
        }
        return;
    }
    let text = serde_json::to_string(all).unwrap_or_default();
    let annotations = metadata.entry("annotations").or_insert_with(|| Value::Object(Map::new()));
    if !annotations.is_object() {
        *annotations = Value::Object(Map::new());
    }
    if let Some(annotations) = annotations.as_object_mut() {
        annotations.insert(key.to_owned(), text.into());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_note_is_read_as_it_was_written_and_leaves_nothing_behind() {
        let all = BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 2)]);
        for before in [json!({}), json!({"metadata": {"labels": {"app": "a"}}})] {
            let mut template = before.clone();
            write(&mut template, "x/note", &all);
            assert_eq!(template["metadata"]["annotations"]["x/note"], r#"{"a":1,"b":2}"#);
            assert_eq!(read::<u8>(&template, "x/note"), all);
            write::<u8>(&mut template, "x/note", &BTreeMap::new());
            assert_eq!(template["metadata"].get("annotations"), None);
        }
        let mut other = json!({"metadata": {"annotations": {"other": "1", "x/note": "{}"}}});
        write::<u8>(&mut other, "x/note", &BTreeMap::new());
        assert_eq!(other, json!({"metadata": {"annotations": {"other": "1"}}}));
    }

    #[test]
    fn what_is_no_note_is_none_and_no_panic() {
        for odd in [json!(5), json!({"metadata": {"annotations": {"x/note": "["}}})] {
            assert!(read::<u8>(&odd, "x/note").is_empty(), "{odd}");
        }
        let mut odd = json!(5);
        write(&mut odd, "x/note", &BTreeMap::from([("a".to_owned(), 1)]));
        assert_eq!(odd, json!(5));
    }
}
