//! What a deploy found, kept in an annotation of the Deployment until it is committed or
//! reverted.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::object::Seen;
use crate::Settings;

/// Everything that a deploy changes, as it was before.
///
/// It stands on the Deployment that it is about, so it is there whenever the Deployment is and
/// shows nothing that cannot be read there anyway.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Found {
    pub(super) replicas: u32,
    pub(super) strategy: Value,
    pub(super) template: Value,
    /// The version label of the Deployment itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<String>,
    /// Our digest annotation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) digest: Option<String>,
}

impl Found {
    pub(super) fn of(seen: Seen<'_>, settings: &Settings) -> Self {
        let version = seen.labels().and_then(|labels| labels.get(&settings.version_label));
        Self {
            replicas: seen.replicas(),
            strategy: seen.strategy().clone(),
            template: seen.template().clone(),
            version: version.cloned(),
            digest: seen.annotation(&settings.digest_annotation()).map(str::to_owned),
        }
    }

    pub(super) fn parse(text: &str) -> serde_json::Result<Self> {
        serde_json::from_str(text)
    }

    pub(super) fn to_text(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }
}
