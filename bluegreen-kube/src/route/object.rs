//! One route as it was read.

use std::sync::Arc;

use bluegreen_core::Routing;
use kube::ResourceExt as _;
use kube::api::DynamicObject;
use serde_json::Value;

use super::name::RouteName;
use super::note::Note;
use super::pin;
use super::rule::{Rule, Slots};
use crate::Settings;
use crate::printable::quoted;
use crate::stamp::Stamp;

/// What a switch needs to know of a route.
#[derive(Clone, Debug)]
pub(super) struct Object {
    pub(super) name: RouteName,
    pub(super) uid: String,
    pub(super) resource_version: String,
    pub(super) stamp: Stamp,
    /// The last shift; the text that is there in its place, if it is none.
    pub(super) note: Result<Option<Note>, String>,
    pub(super) rules: Vec<Value>,
    pub(super) whole: Arc<DynamicObject>,
}

impl Object {
    pub(super) fn read(name: &RouteName, found: &DynamicObject, settings: &Settings) -> Self {
        let annotations = found.metadata.annotations.as_ref();
        let text = annotations.and_then(|all| all.get(&settings.transition_annotation()));
        let note = text.map(|text| serde_json::from_str(text).map_err(|_| text.clone()));
        Self {
            name: name.clone(),
            uid: found.uid().unwrap_or_default(),
            resource_version: found.resource_version().unwrap_or_default(),
            stamp: Stamp::read(annotations, settings),
            note: note.transpose(),
            rules: found.data["spec"]["rules"].as_array().cloned().unwrap_or_default(),
            whole: Arc::new(found.clone()),
        }
    }

    /// The last shift, if there was one.
    pub(super) fn note(&self) -> Option<&Note> {
        self.note.as_ref().ok()?.as_ref()
    }

    /// Whether a shift away from `from` has left it where it is now, `at`.
    pub(super) fn is_after(&self, from: &Routing, at: &Routing) -> bool {
        self.note().is_some_and(|note| note.from == *from && note.to == *at)
    }

    /// Where the rules are that were added for pins.
    ///
    /// # Errors
    /// What else was found.
    pub(super) fn added(&self) -> Result<Vec<usize>, String> {
        let name = &self.name;
        let note = match &self.note {
            Ok(None) => return Ok(Vec::new()),
            Ok(Some(note)) => note,
            Err(text) => {
                return Err(format!("{name} says of its last transition {}", quoted(text)));
            }
        };
        note.added(&self.rules).ok_or_else(|| {
            let count = note.rules.len();
            format!(
                "{name} lacks some of the {count} rules that its pins had, or they were changed"
            )
        })
    }

    /// How it routes.
    ///
    /// # Errors
    /// What else was found, in words.
    pub(super) fn routing(&self, slots: &Slots) -> Result<Routing, String> {
        let name = &self.name;
        if let Err(text) = self.stamp.epoch() {
            return Err(format!("{name} has the epoch {}, which is no number", quoted(text)));
        }
        let added = self.added()?;
        let note = self.note();
        let mut found: Option<(usize, Routing)> = None;
        for (index, rule) in self.rules.iter().enumerate() {
            if added.contains(&index) {
                continue;
            }
            let split = match slots.read(rule) {
                Rule::Both(split) => split,
                Rule::Twice(color) => {
                    let backend = slots.names.of(color);
                    return Err(format!("{name}, rule {index}, refers to {backend} twice"));
                }
                Rule::One(_) | Rule::Other => continue,
            };
            let in_words = |what: String| format!("{name}, rule {index}: {what}");
            let mut routing = split.routing(note.map(|note| note.to.live)).map_err(in_words)?;
            routing.mirror = pin::mirrored(rule, slots, routing.live.other()).map_err(in_words)?;
            match &found {
                None => found = Some((index, routing)),
                Some((_, first)) if *first == routing => {}
                Some((first, other)) => {
                    return Err(format!(
                        "{name}, rules {first} and {index}, disagree: {other}, and {routing}"
                    ));
                }
            }
        }
        let Some((_, mut routing)) = found else {
            return Err(format!("{name} has no rule that leads to {}", slots.in_words()));
        };
        if !added.is_empty() {
            routing.pins = note.map(|note| note.to.pins.clone()).unwrap_or_default();
        }
        Ok(routing)
    }
}
