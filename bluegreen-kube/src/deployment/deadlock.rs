//! The one state that the Deployment controller never leaves by itself, and the way out of it.
//!
//! The controller notes on each `ReplicaSet` how large its Deployment was when it made or resized it.
//! Where the note of one with pods differs from the Deployment's size, it takes that for a change of
//! size: it resizes, and leaves the rollout for the next time. A single `ReplicaSet` with pods that has
//! the right size already is not written, so its note stays, and the next time is the same again. A
//! new template is then never rolled out (kubernetes/kubernetes#138036 and #138840).
//!
//! It takes a change of size that is overtaken by another before it was carried out whole: a slot whose
//! deploy is reverted while its pods are being made, or an autoscaler at the wrong moment, also long
//! before the release.

use bluegreen_core::{Error, ErrorKind, Result};
use kube::ResourceExt as _;
use kube::core::DynamicObject;
use serde_json::json;

use super::DeploymentSlot;
use super::object::Seen;
use super::pods::Sets;
use super::rollout::is_observed;
use crate::names::pointer_step;
use crate::{error, json_patch};

/// The note.
const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";

/// The `ReplicaSet` whose note keeps the Deployment from rolling out what it should run.
pub(super) fn culprit<'a>(
    seen: Seen<'_>,
    sets: &Sets,
    all: impl Iterator<Item = &'a DynamicObject>,
) -> Option<&'a DynamicObject> {
    if !is_observed(seen) || seen.is_paused() {
        return None;
    }
    let size = |set: &DynamicObject| set.data["spec"]["replicas"].as_u64().unwrap_or(1);
    let mut active = all.filter(|set| sets.owns(set) && size(set) > 0);
    let (Some(set), None) = (active.next(), active.next()) else { return None };
    let note: u64 = set.annotations().get(DESIRED)?.parse().ok()?;
    let wanted = u64::from(seen.replicas());
    (!sets.is_newest(set) && size(set) == wanted && note != wanted).then_some(set)
}

/// Corrects the note. Whoever was faster has its way; that, and what came of a write without an answer,
/// is seen by the watch.
pub(super) async fn end(slot: &DeploymentSlot, set: &DynamicObject, wanted: u32) -> Result<()> {
    let name = set.name_any();
    let action = format!("end a deadlock of the Deployment controller at replicaset {name}");
    tracing::warn!(
        deployment = slot.name(),
        replicaset = name,
        "the Deployment controller waits for a change of size that there is not: correcting its note"
    );
    let pointer = format!("/metadata/annotations/{}", pointer_step(DESIRED));
    let operations = vec![
        json!({"op": "test", "path": "/metadata/uid", "value": set.uid()}),
        json!({"op": "test", "path": "/metadata/resourceVersion", "value": set.resource_version()}),
        json!({"op": "replace", "path": pointer, "value": wanted.to_string()}),
    ];
    let patch = json_patch::of(operations, &action)?;
    let params = json_patch::params(false);
    let call = json_patch::send(&slot.client, &slot.sets, &name, &params, &patch);
    match error::write(slot.settings.call, &action, call).await {
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::Conflict | ErrorKind::NotFound | ErrorKind::Unknown
            ) =>
        {
            Ok(())
        }
        Err(error) if error.kind() == ErrorKind::Rejected => {
            let why = format!(
                "{}; somebody may do it: kubectl -n {} annotate replicaset {name} {DESIRED}={wanted} \
                 --overwrite",
                error.chain(),
                slot.settings.namespace
            );
            Err(Error::new(ErrorKind::Rejected, slot.action("roll out")).with_source(why))
        }
        result => result.map(drop),
    }
}

#[cfg(test)]
mod tests;
