//! Values that people put keys into, kept out of what others say.
//!
//! The API server quotes a value that it does not accept, an admission webhook quotes what it likes,
//! and a container's last words are its own. All of that goes into records, Events and reports.

use bluegreen_core::Error;
use serde_json::Value;

use super::template::items;

/// Shorter ones are no secrets, and would blot out half of every text.
const SHORTEST: usize = 4;

/// The literal values of variables and of probes' headers.
#[derive(Debug, Default)]
pub(crate) struct Secrets(Vec<String>);

impl Secrets {
    /// Those that stand anywhere in `value`: in a template, or in a patch with some. What images
    /// and labels there show as well is no secret.
    pub(crate) fn in_value(value: &Value) -> Self {
        Self::in_all(std::slice::from_ref(value))
    }

    /// Those that stand anywhere in any of `values`.
    pub(crate) fn in_all(values: &[Value]) -> Self {
        let (mut found, mut shown) = (Vec::new(), Vec::new());
        for value in values {
            collect(value, &mut found, &mut shown);
        }
        found.retain(|text| {
            text.len() >= SHORTEST && !shown.iter().any(|shown: &String| shown.contains(text))
        });
        // As JSON has them.
        let escaped = found.iter().map(|text| Value::from(text.as_str()).to_string());
        let escaped: Vec<String> = escaped.map(|text| text[1..text.len() - 1].to_owned()).collect();
        found.extend(escaped);
        // The longest first, so that one that contains another is hidden as a whole.
        found.sort_by_key(|text| std::cmp::Reverse(text.len()));
        found.dedup();
        Self(found)
    }

    /// The text without them.
    pub(crate) fn hide_in(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.0 {
            text = text.replace(secret.as_str(), "***");
            // What was too long to be shown was cut off, perhaps in the middle of one.
            for part in (SHORTEST..secret.len()).rev().filter_map(|length| secret.get(..length)) {
                text = text.replace(&format!("{part}…"), "***…");
            }
        }
        text
    }

    /// The error without them, with its causes as one where they told any.
    pub(crate) fn hide(&self, error: Error) -> Error {
        let told = error.chain();
        if self.hide_in(&told) == told {
            return error;
        }
        let begins = error.to_string();
        let causes = told.strip_prefix(&begins).unwrap_or(&told).trim_start_matches(": ");
        Error::new(error.kind(), self.hide_in(error.action())).with_source(self.hide_in(causes))
    }
}

fn collect(value: &Value, found: &mut Vec<String>, shown: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                match (key.as_str(), value) {
                    ("env" | "httpHeaders", Value::Array(_)) => {
                        let texts = items(value).iter().filter_map(|it| it["value"].as_str());
                        found.extend(texts.map(str::to_owned));
                    }
                    ("image", Value::String(image)) => shown.push(image.clone()),
                    ("labels", Value::Object(labels)) => {
                        shown.extend(labels.values().filter_map(Value::as_str).map(str::to_owned));
                    }
                    _ => collect(value, found, shown),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, found, shown)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use bluegreen_core::ErrorKind;
    use serde_json::json;

    use super::*;

    fn secrets() -> Secrets {
        Secrets::in_value(&json!([{"op": "replace", "path": "/spec/template", "value": {
            "metadata": {"labels": {"version": "1.3.0"}},
            "spec": {"containers": [{
                "image": "registry.example.com/agent:1.4.0",
                "env": [
                    {"name": "KEY", "value": "sk-\"12345"}, {"name": "A", "value": "1.3.0"},
                    {"name": "B", "value": "1.4.0"}, {"name": "C", "value": "yes"},
                ],
                "livenessProbe": {"httpGet": {"httpHeaders": [{"name": "x", "value": "Bearer x"}]}},
            }]},
        }}]))
    }

    #[test]
    fn values_are_hidden_however_they_are_quoted() {
        let said = r#"env[0].value: Invalid value: "sk-\"12345" (sk-"12345), Bearer x, yes, 1.3.0"#;
        let hidden = r#"env[0].value: Invalid value: "***" (***), ***, yes, 1.3.0"#;
        assert_eq!(secrets().hide_in(said), hidden);
        let image = "Back-off pulling image registry.example.com/agent:1.4.0";
        assert_eq!(secrets().hide_in(image), image);
        assert_eq!(secrets().hide_in("it is Bearer… (422)"), "it is ***… (422)");
    }

    #[test]
    fn an_error_keeps_everything_else() {
        let error =
            |said: &str| Error::new(ErrorKind::Rejected, "deploy").with_source(said.to_owned());
        let hidden = secrets().hide(error("no Bearer x here"));
        assert_eq!(
            (hidden.kind(), hidden.chain().as_str()),
            (ErrorKind::Rejected, "deploy: rejected: no *** here")
        );
        assert!(!format!("{hidden:?}").contains("Bearer x"));
        assert_eq!(secrets().hide(error("no")).chain(), "deploy: rejected: no");
    }
}
