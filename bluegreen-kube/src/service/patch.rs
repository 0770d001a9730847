//! The conditional writes of a switch, as JSON Patches that test everything they build on.

use serde_json::{Value, json};

use super::live::Live;
use crate::Settings;
pub(super) use crate::json_patch::{of, params};
use crate::selector::Selector;
use crate::stamp::{annotate, test};

/// Tests that nothing at all has changed since `live` was read.
pub(super) fn exactly(live: &Live) -> Vec<Value> {
    vec![test("/metadata/resourceVersion", &live.resource_version)]
}

/// Stamps `epoch` on what was read as `live`, and changes nothing else.
pub(super) fn stamp(live: &Live, epoch: u64, settings: &Settings) -> Vec<Value> {
    let mut operations = vec![test("/metadata/uid", &live.uid)];
    live.stamp.push(&mut operations, &live.resource_version, epoch, settings);
    operations
}

/// Stamps `epoch` and names a slot in the selector of `live`, which names none.
pub(super) fn complete(live: &Live, to: &Selector, epoch: u64, settings: &Settings) -> Vec<Value> {
    let mut operations =
        vec![test("/metadata/uid", &live.uid), test("/spec/selector", &live.selector)];
    live.stamp.push(&mut operations, &live.resource_version, epoch, settings);
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
    live.stamp.push(&mut operations, &live.resource_version, epoch, settings);
    operations.push(json!({"op": "replace", "path": "/spec/selector", "value": to}));
    operations.push(annotate(&settings.transition_annotation(), transition));
    operations
}
