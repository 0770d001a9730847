//! Where an answer says which version gave it.

use std::collections::BTreeMap;

use bluegreen_core::Problem;
use http::HeaderMap;
use k8s_openapi::api::core::v1::PodTemplateSpec;

use crate::Settings;

/// Where an answer of the agent says which version gave it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum VersionSource {
    /// In this header.
    Header(String),
    /// In the JSON body, at this JSON pointer (`/version`). A number or a flag counts as its text.
    JsonPointer(String),
    /// Nowhere: any answer that is no server error counts, and shows only that somebody answers.
    #[default]
    None,
}

/// A Deployment whose pods have no label that says which version their answers have to show.
fn no_label(namespace: &str, name: &str, label: &str) -> Problem {
    Problem::new("no-version-label", format!("Deployment {namespace}/{name}"))
        .found(format!("pods without the label {label}"))
        .wanted("the version that their answers show")
        .mend("label the pod template, or ask for no version in answers")
        .warning()
}

impl VersionSource {
    /// Those of the Deployments with `templates` whose pods do not say which version their answers
    /// have to show, where that is asked for. `is_ours` says by their labels whose pods matter.
    pub(crate) fn untold(
        &self,
        settings: &Settings,
        templates: &BTreeMap<String, PodTemplateSpec>,
        is_ours: impl Fn(&BTreeMap<String, String>) -> bool,
    ) -> Vec<Problem> {
        if *self == Self::None {
            return Vec::new();
        }
        let label = &settings.version_label;
        let without = templates.iter().filter(|(_, template)| {
            let labels = template.metadata.as_ref().and_then(|meta| meta.labels.as_ref());
            labels.is_some_and(|labels| !labels.contains_key(label) && is_ours(labels))
        });
        without.map(|(name, _)| no_label(&settings.namespace, name, label)).collect()
    }

    /// Whether the body has to be read.
    pub(crate) fn is_in_body(&self) -> bool {
        matches!(self, Self::JsonPointer(_))
    }

    /// The version that an answer shows.
    ///
    /// # Errors
    /// Why it shows none.
    pub(crate) fn read(&self, headers: &HeaderMap, body: &[u8]) -> Result<Option<String>, String> {
        match self {
            Self::Header(name) => match headers.get(name.as_str()) {
                Some(value) => Ok(Some(String::from_utf8_lossy(value.as_bytes()).into_owned())),
                None => Err(format!("the answer has no header {name}")),
            },
            Self::JsonPointer(pointer) => {
                let body: serde_json::Value = serde_json::from_slice(body)
                    .map_err(|error| format!("the answer is no JSON: {error}"))?;
                match body.pointer(pointer) {
                    Some(serde_json::Value::String(text)) => Ok(Some(text.clone())),
                    Some(value) if value.is_number() || value.is_boolean() => {
                        Ok(Some(value.to_string()))
                    }
                    _ => Err(format!("the answer has no text at {pointer}")),
                }
            }
            Self::None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_from_where_it_is() {
        let headers = HeaderMap::from_iter([(
            http::HeaderName::from_static("x-agent-version"),
            http::HeaderValue::from_static("1.3.0"),
        )]);
        let header = VersionSource::Header("X-Agent-Version".to_owned());
        assert_eq!(header.read(&headers, b""), Ok(Some("1.3.0".to_owned())));
        assert!(header.read(&HeaderMap::new(), b"").is_err());

        let body = br#"{"about": {"version": "1.3.0", "build": 7}}"#;
        let pointer = VersionSource::JsonPointer("/about/version".to_owned());
        assert_eq!(pointer.read(&headers, body), Ok(Some("1.3.0".to_owned())));
        let build = VersionSource::JsonPointer("/about/build".to_owned());
        assert_eq!(build.read(&headers, body), Ok(Some("7".to_owned())));
        assert!(build.read(&headers, b"{}").is_err());
        assert!(build.read(&headers, b"<html>").is_err());
        assert_eq!(VersionSource::None.read(&headers, body), Ok(None));
    }
}
