//! What an autoscaler was told before a release, as an annotation of it keeps that.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::bounds::Moved;
use super::patch::{PAUSED_SCALE_IN, behavior};
use super::{Autoscaler, Kind};
use crate::Settings;
use crate::printable::quoted;
use crate::stamp::annotate;

/// All of it.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Note {
    #[serde(flatten)]
    pub(super) found: Found,
    /// The bounds that were given to it, and those that it had.
    #[serde(rename = "bounds", default, skip_serializing_if = "Option::is_none")]
    pub(super) moved: Option<Moved>,
}

/// Whether it might make the Deployment smaller.
#[derive(Debug, Deserialize, Serialize)]
#[serde(untagged)]
pub(super) enum Found {
    Horizontal {
        /// `spec.behavior`; `null` where there was none.
        behavior: Value,
    },
    Keda {
        #[serde(rename = "pausedScaleIn")]
        paused: Option<String>,
    },
}

impl Note {
    /// What it is told now.
    pub(super) fn of(it: &Autoscaler) -> Self {
        let found = match it.kind {
            Kind::Horizontal => Found::Horizontal { behavior: behavior(it).clone() },
            Kind::Keda => Found::Keda { paused: text(it, PAUSED_SCALE_IN).map(str::to_owned) },
        };
        Self { found, moved: None }
    }

    /// What is kept.
    ///
    /// # Errors
    /// What stands there and is no such note.
    pub(super) fn read(it: &Autoscaler, settings: &Settings) -> Result<Option<Self>, String> {
        let key = settings.found_annotation();
        let Some(kept) = text(it, &key) else { return Ok(None) };
        serde_json::from_str(kept)
            .map(Some)
            .map_err(|error| format!("annotation {key}: {}: {error}", quoted(kept)))
    }

    /// The operation that keeps it.
    pub(super) fn write(&self, settings: &Settings) -> Result<Value, String> {
        let text = serde_json::to_string(self).map_err(|error| error.to_string())?;
        Ok(annotate(&settings.found_annotation(), &text))
    }
}

/// An annotation.
pub(super) fn text<'a>(it: &'a Autoscaler, key: &str) -> Option<&'a str> {
    it.object.metadata.annotations.as_ref()?.get(key).map(String::as_str)
}
