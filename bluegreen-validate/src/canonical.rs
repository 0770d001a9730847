//! One text for each JSON value, to take digests of.

use serde_json::Value;

/// JSON with sorted keys and without blanks. Written here, because whether a `Value` sorts its
/// keys hangs on a feature that any crate of the build may turn on.
pub(crate) fn canonical(value: &Value) -> String {
    let mut text = Vec::new();
    write(value, &mut text);
    // JSON is UTF-8.
    String::from_utf8_lossy(&text).into_owned()
}

fn write(value: &Value, text: &mut Vec<u8>) {
    match value {
        Value::Array(items) => {
            text.push(b'[');
            for (number, item) in items.iter().enumerate() {
                if number > 0 {
                    text.push(b',');
                }
                write(item, text);
            }
            text.push(b']');
        }
        Value::Object(entries) => {
            let mut entries: Vec<_> = entries.iter().collect();
            entries.sort_by_key(|(name, _)| *name);
            text.push(b'{');
            for (number, (name, value)) in entries.into_iter().enumerate() {
                if number > 0 {
                    text.push(b',');
                }
                // Writing a text or number to a Vec cannot fail.
                let _ = serde_json::to_writer(&mut *text, name);
                text.push(b':');
                write(value, text);
            }
            text.push(b'}');
        }
        scalar => {
            let _ = serde_json::to_writer(text, scalar);
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
