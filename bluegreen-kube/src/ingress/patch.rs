//! The conditional writes of a switch, as JSON Patches that test everything they build on.

use bluegreen_core::{Color, Epoch, Pair};
use serde_json::{Value, json};

use super::note::Note;
use super::object::Object;
use crate::Settings;
use crate::stamp::{annotate, test};

/// Stamps `epoch` on an Ingress, and changes nothing else.
pub(super) fn stamp(ingress: &Object, epoch: Epoch, settings: &Settings) -> Vec<Value> {
    let mut operations = vec![test("/metadata/uid", &ingress.uid)];
    ingress.stamp.push(&mut operations, &ingress.resource_version, epoch.number(), settings);
    operations
}

/// Leads every path of an Ingress that leads to a slot to the slot `to`.
///
/// All rules are tested, not only what is replaced: they are known by their place, and a path that
/// somebody adds meanwhile would stay behind.
pub(super) fn shift(
    ingress: &Object,
    (from, to): (Color, Color),
    epoch: Epoch,
    slots: &Pair<String>,
    settings: &Settings,
) -> Vec<Value> {
    let mut operations = stamp(ingress, epoch, settings);
    let spec = &ingress.whole.data["spec"];
    let ours = ingress.ours(slots);
    for (field, is_default) in [("defaultBackend", true), ("rules", false)] {
        if ours.iter().any(|(place, _)| place.at.is_none() == is_default) {
            operations.push(test(&format!("/spec/{field}"), &spec[field]));
        }
    }
    for (place, _) in ours {
        let path = format!("{}/service/name", place.pointer());
        operations.push(json!({"op": "replace", "path": path, "value": slots.of(to)}));
    }
    let note = Note { from, to, epoch: epoch.number() };
    operations.push(annotate(&settings.transition_annotation(), &note.text()));
    operations
}
