//! The objects of a canary as they were read, and the conditional writes to them.

use std::collections::BTreeMap;

use bluegreen_core::{Color, Epoch, Routing};
use k8s_openapi::api::core::v1::Service;
use kube::api::DynamicObject;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::marks::{Asked, OURS, key};
use crate::Settings;
use crate::ingress::slots::selector;
use crate::names::pointer_step;
use crate::stamp::{Stamp, annotate, annotation, test};

/// The pointers into `managedFields` of what is written on the Ingress.
pub(super) fn fields() -> Vec<String> {
    OURS.iter()
        .map(|name| format!("/f:metadata/f:annotations/f:{}", pointer_step(&key(name))))
        .collect()
}

/// The annotations of an object.
pub(super) fn annotations(ingress: &DynamicObject) -> BTreeMap<String, String> {
    ingress.metadata.annotations.clone().unwrap_or_default()
}

/// The last shift that was written to the canary, as the annotation `transition` tells it. What a
/// later version says beside it is passed over.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub(super) struct Note {
    pub(super) from: Routing,
    pub(super) to: Routing,
    /// Whether more is to be written until it is `to`.
    #[serde(default, rename = "moving")]
    pub(super) is_moving: bool,
}

/// The note that stands on the canary, if there is one.
pub(super) fn last(ingress: &DynamicObject, settings: &Settings) -> Option<Note> {
    let all = ingress.metadata.annotations.as_ref()?;
    serde_json::from_str(all.get(&settings.transition_annotation())?).ok()
}

/// The slot that the Service selects.
pub(super) fn color(service: &Service, settings: &Settings) -> Option<Color> {
    selector(service).get(&settings.slot_label).and_then(|value| Color::parse(value))
}

/// Stamps `epoch` on an object, and changes nothing else.
pub(super) fn stamp(
    metadata: &kube::api::ObjectMeta,
    epoch: Epoch,
    settings: &Settings,
) -> Vec<Value> {
    let mut operations = vec![test("/metadata/uid", &metadata.uid)];
    let version = metadata.resource_version.clone().unwrap_or_default();
    let stamp = Stamp::read(metadata.annotations.as_ref(), settings);
    stamp.push(&mut operations, &version, epoch.number(), settings);
    operations
}

/// Writes what a canary is to be asked for, as one patch that tests all annotations that there
/// are: those that are to be added cannot be tested by themselves.
pub(super) fn ask(
    ingress: &DynamicObject,
    asked: &Asked,
    note: &Note,
    epoch: Epoch,
    settings: &Settings,
) -> Result<Vec<Value>, String> {
    let found = annotations(ingress);
    let mut operations = vec![test("/metadata/uid", &ingress.metadata.uid)];
    if !found.is_empty() {
        operations.push(test("/metadata/annotations", &found));
    }
    operations.extend(stamp(&ingress.metadata, epoch, settings).into_iter().skip(1));
    for (name, wanted) in asked.marks() {
        let key = key(name);
        match (found.get(&key), wanted) {
            (Some(old), Some(new)) if *old == new => {}
            (_, Some(new)) => operations.push(annotate(&key, &new)),
            (Some(_), None) => {
                operations.push(json!({"op": "remove", "path": annotation(&key)}));
            }
            (None, None) => {}
        }
    }
    let note = serde_json::to_string(note).map_err(|error| error.to_string())?;
    operations.push(annotate(&settings.transition_annotation(), &note));
    Ok(operations)
}

/// Makes the canary's Service select a slot.
pub(super) fn select(
    service: &Service,
    to: Color,
    epoch: Epoch,
    settings: &Settings,
) -> Vec<Value> {
    let old = selector(service);
    let mut new = old.clone();
    new.insert(settings.slot_label.clone(), to.to_string());
    let mut operations = stamp(&service.metadata, epoch, settings);
    operations.push(test("/spec/selector", &old));
    operations.push(json!({"op": "replace", "path": "/spec/selector", "value": new}));
    operations
}

/// The fencing number on an object; nothing where it is none.
pub(super) fn epoch(
    metadata: &kube::api::ObjectMeta,
    settings: &Settings,
) -> Result<Epoch, String> {
    Stamp::read(metadata.annotations.as_ref(), settings).epoch().map_err(str::to_owned)
}

/// An object as errors name it.
pub(super) fn named(kind: &str, object: &impl kube::ResourceExt) -> String {
    format!("{kind} {}", object.name_any())
}
