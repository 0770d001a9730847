//! The ConfigMap as it was read.

use std::sync::Arc;

use bluegreen_core::{Color, Epoch, Observed, ObservedState, Routing};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt as _;

use crate::Settings;
use crate::printable::quoted;
use crate::stamp::Stamp;

/// Who may pull.
#[derive(Clone, Debug)]
pub(super) struct Right {
    pub(super) uid: String,
    pub(super) stamp: Stamp,
    /// The slot that has the right, or what else was found, in words.
    pub(super) holder: Result<Color, String>,
    /// The slot that the last release prepared: what goes to the other one goes back.
    pub(super) candidate: Option<Color>,
    pub(super) whole: Arc<ConfigMap>,
}

impl Right {
    pub(super) fn read(found: &ConfigMap, key: &str, settings: &Settings) -> Self {
        let stamp = Stamp::read(found.metadata.annotations.as_ref(), settings);
        Self {
            uid: found.uid().unwrap_or_default(),
            holder: holder(found, key, &stamp),
            candidate: candidate(found, settings),
            stamp,
            whole: Arc::new(found.clone()),
        }
    }

    /// What it means for work.
    pub(super) fn observed(&self) -> Observed {
        let epoch = self.stamp.epoch().unwrap_or_default();
        match &self.holder {
            Ok(color) => Observed::routed(Routing::all(*color), epoch),
            Err(found) => Observed::new(ObservedState::Foreign(found.clone()), epoch),
        }
    }

    /// The same with the epoch and what is new. It carries the version at which it was read, so it is
    /// taken only where nobody has written in between.
    pub(super) fn rewritten(&self, new: New<'_>, epoch: Epoch, settings: &Settings) -> ConfigMap {
        let mut map = (*self.whole).clone();
        map.annotations_mut().insert(settings.epoch_annotation(), epoch.number().to_string());
        match new {
            New::Nothing => {}
            New::Holder(key, color) => {
                map.data.get_or_insert_default().insert(key.to_owned(), color.to_string());
            }
            New::Candidate(color) => {
                map.annotations_mut().insert(settings.candidate_annotation(), color.to_string());
            }
        }
        map
    }
}

/// What a write changes beside the epoch.
#[derive(Clone, Copy, Debug)]
pub(super) enum New<'a> {
    /// A fence.
    Nothing,
    /// Who has the right, by this key.
    Holder(&'a str, Color),
    /// The slot that may get it.
    Candidate(Color),
}

fn candidate(map: &ConfigMap, settings: &Settings) -> Option<Color> {
    Color::parse(map.annotations().get(&settings.candidate_annotation())?)
}

/// The slot that a ConfigMap names. White space around it, which files tend to end with, is nothing.
fn holder(map: &ConfigMap, key: &str, stamp: &Stamp) -> Result<Color, String> {
    let name = map.name_any();
    if let Err(text) = stamp.epoch() {
        return Err(format!("configmap {name} has the epoch {}, which is no number", quoted(text)));
    }
    let text = map.data.as_ref().and_then(|data| data.get(key));
    let text = text.ok_or_else(|| format!("configmap {name} has no key {key}"))?;
    Color::parse(text.trim())
        .ok_or_else(|| format!("configmap {name} has {key}: {}, which is no slot", quoted(text)))
}
