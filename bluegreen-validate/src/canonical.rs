//! One text for each JSON value, to take digests of.

use std::fmt::Write as _;

use serde_json::Value;

/// JSON with sorted keys and without blanks. Written here, because whether a `Value` sorts its
/// keys hangs on a feature that any crate of the build may turn on.
pub(crate) fn canonical(value: &Value) -> String {
    let mut text = String::new();
    write(value, &mut text);
    text
}

fn write(value: &Value, text: &mut String) {
    match value {
        Value::Array(items) => {
            text.push('[');
            for (number, item) in items.iter().enumerate() {
                if number > 0 {
                    text.push(',');
                }
                write(item, text);
            }
            text.push(']');
        }
        Value::Object(entries) => {
            let mut entries: Vec<_> = entries.iter().collect();
            entries.sort_by_key(|(name, _)| *name);
            text.push('{');
            for (number, (name, value)) in entries.into_iter().enumerate() {
                if number > 0 {
                    text.push(',');
                }
                let name = Value::from(name.as_str());
                // Writing to a String cannot fail.
                let _ = write!(text, "{name}:");
                write(value, text);
            }
            text.push('}');
        }
        scalar => {
            let _ = write!(text, "{scalar}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_json_sorts_keys_at_every_depth() {
        let value: Value =
            serde_json::from_str(r#"{"b": [1, {"z": null, "a": "x\""}], "a": 1.5}"#).unwrap();
        assert_eq!(canonical(&value), r#"{"a":1.5,"b":[1,{"a":"x\"","z":null}]}"#);
    }
}
