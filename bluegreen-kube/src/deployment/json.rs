//! Comparing and hashing what the API server sends.

use std::fmt::Write as _;

use serde_json::Value;

/// The label that the Deployment controller adds to the template of a `ReplicaSet`.
pub(super) const TEMPLATE_HASH: &str = "pod-template-hash";

/// One text for all that mean the same: keys sorted, and nothing for a null (older API servers
/// write `creationTimestamp: null` into templates).
pub(super) fn canonical(value: &Value) -> String {
    let mut text = String::new();
    write(&mut text, value);
    text
}

fn write(text: &mut String, value: &Value) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().filter(|(_, value)| !value.is_null()).collect();
            entries.sort_by_key(|(key, _)| *key);
            text.push('{');
            for (number, (key, value)) in entries.into_iter().enumerate() {
                if number > 0 {
                    text.push(',');
                }
                // Writing to a String cannot fail.
                let _ = write!(text, "{}:", Value::from(key.as_str()));
                write(text, value);
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (number, item) in items.iter().enumerate() {
                if number > 0 {
                    text.push(',');
                }
                write(text, item);
            }
            text.push(']');
        }
        other => {
            let _ = write!(text, "{other}");
        }
    }
}

/// Whether the template of a `ReplicaSet` is the one of its Deployment, which is how the
/// Deployment controller finds the current one too.
pub(super) fn is_same_template(of_set: &Value, of_deployment: &Value) -> bool {
    is_same(of_set, of_deployment, &["metadata", "labels", TEMPLATE_HASH])
}

/// Whether two values mean the same; what is at the path `but` in the first does not count.
fn is_same(one: &Value, other: &Value, but: &[&str]) -> bool {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let (here, below) = match but {
                [] => (None, &[][..]),
                [key] => (Some(*key), &[][..]),
                [key, rest @ ..] => (Some(*key), rest),
            };
            let is_skipped = |key: &String| below.is_empty() && here == Some(key.as_str());
            let count = |map: &serde_json::Map<String, Value>| {
                map.iter().filter(|(key, value)| !value.is_null() && !is_skipped(key)).count()
            };
            count(one) == count(other)
                && one.iter().filter(|(key, value)| !value.is_null() && !is_skipped(key)).all(
                    |(key, value)| {
                        let but = if here == Some(key.as_str()) { below } else { &[] };
                        other.get(key).is_some_and(|other| is_same(value, other, but))
                    },
                )
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len()
                && one.iter().zip(other).all(|(one, other)| is_same(one, other, &[]))
        }
        (one, other) => one == other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn order_and_nulls_do_not_count() {
        let one = json!({"b": [1, {"y": null, "x": "\"q\""}], "a": null});
        assert_eq!(canonical(&one), r#"{"b":[1,{"x":"\"q\""}]}"#);
        assert_eq!(canonical(&one), canonical(&json!({"b": [1, {"x": "\"q\""}]})));
        assert_ne!(canonical(&one), canonical(&json!({"b": [{"x": "\"q\""}, 1]})));
    }

    #[test]
    fn only_the_hash_label_of_the_pods_may_differ() {
        let deployment = json!({
            "metadata": {"creationTimestamp": null, "labels": {"app": "a"}},
            "spec": {"containers": [{"name": "agent", "image": "a:1"}]},
        });
        let mut set = deployment.clone();
        set["metadata"]["labels"][TEMPLATE_HASH] = "abc".into();
        assert!(is_same_template(&set, &deployment));
        set["metadata"].as_object_mut().unwrap().remove("creationTimestamp");
        assert!(is_same_template(&set, &deployment));
        set["metadata"]["labels"]["version"] = "2".into();
        assert!(!is_same_template(&set, &deployment));
        let mut set = deployment.clone();
        set["spec"]["containers"][0]["image"] = "a:2".into();
        assert!(!is_same_template(&set, &deployment));
        set = deployment.clone();
        set["spec"]["containers"][0][TEMPLATE_HASH] = "abc".into();
        assert!(
            !is_same_template(&set, &deployment),
            "only in metadata.labels it is no difference"
        );
    }
}
