//! The conditional writes of a switch, as JSON Patches that test everything they build on.

use bluegreen_core::{Error, ErrorKind, Result};
use kube::api::{Patch, PatchParams};
use serde::Serialize;
use serde_json::{Value, json};

use super::live::{Live, Selector, Stamp};
use crate::names::pointer_step;
use crate::{FIELD_MANAGER, Settings};

/// How a patch is sent.
pub(super) fn params(is_dry_run: bool) -> PatchParams {
    PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        dry_run: is_dry_run,
        ..PatchParams::default()
    }
}

/// Makes what kube sends of the operations.
pub(super) fn of(operations: Vec<Value>, action: &str) -> Result<Patch<()>> {
    serde_json::from_value(Value::Array(operations))
        .map(Patch::Json)
        .map_err(|error| Error::new(ErrorKind::Rejected, action).with_source(error))
}

/// Tests that nothing at all has changed since `live` was read.
pub(super) fn exactly(live: &Live) -> Vec<Value> {
    vec![test("/metadata/resourceVersion", &live.resource_version)]
}

/// Stamps `epoch` on what was read as `live`, and changes nothing else.
pub(super) fn stamp(live: &Live, epoch: u64, settings: &Settings) -> Vec<Value> {
    let mut operations = vec![test("/metadata/uid", &live.uid)];
    push_stamp(&mut operations, live, epoch, settings);
    operations
}

/// Stamps `epoch` and names a slot in the selector of `live`, which names none.
pub(super) fn complete(live: &Live, to: &Selector, epoch: u64, settings: &Settings) -> Vec<Value> {
    let mut operations =
        vec![test("/metadata/uid", &live.uid), test("/spec/selector", &live.selector)];
    push_stamp(&mut operations, live, epoch, settings);
    operations.push(json!({"op": "replace", "path": "/spec/selector", "value": to}));
    operations
}

/// Exchanges the whole selector of `live`. Whatever it is now must be `from`, unless `live` is
/// no longer what the API server has.
pub(super) fn shift(
    live: &Live,
    from: &Selector,
    to: &Selector,
    epoch: u64,
    transition: &str,
    settings: &Settings,
) -> Vec<Value> {
    let mut operations = vec![test("/metadata/uid", &live.uid), test("/spec/selector", from)];
    push_stamp(&mut operations, live, epoch, settings);
    operations.push(json!({"op": "replace", "path": "/spec/selector", "value": to}));
    operations.push(add(&settings.transition_annotation(), transition));
    operations
}

/// Tests what is there in place of the epoch, and writes ours.
///
/// A JSON Patch cannot test that something is missing. For that the object must be just as it
/// was read.
fn push_stamp(operations: &mut Vec<Value>, live: &Live, epoch: u64, settings: &Settings) {
    let (key, ours) = (settings.epoch_annotation(), epoch.to_string());
    match &live.stamp {
        Stamp::Text(text) => {
            operations.push(test(&annotation(&key), text));
            operations.push(json!({"op": "replace", "path": annotation(&key), "value": ours}));
        }
        Stamp::Missing => {
            operations.push(test("/metadata/resourceVersion", &live.resource_version));
            operations.push(add(&key, &ours));
        }
        Stamp::NoAnnotations => {
            operations.push(test("/metadata/resourceVersion", &live.resource_version));
            operations.push(json!({"op": "add", "path": "/metadata/annotations", "value": {}}));
            operations.push(add(&key, &ours));
        }
    }
}

fn test(path: &str, value: impl Serialize) -> Value {
    json!({"op": "test", "path": path, "value": value})
}

fn add(key: &str, value: &str) -> Value {
    json!({"op": "add", "path": annotation(key), "value": value})
}

fn annotation(key: &str) -> String {
    format!("/metadata/annotations/{}", pointer_step(key))
}
