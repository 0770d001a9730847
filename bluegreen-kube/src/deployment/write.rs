//! The writes of a slot.

use std::error::Error as _;
use std::sync::Arc;

use bluegreen_core::{Epoch, Error, ErrorKind, ResolvedChange, Result};
use kube::api::{ObjectMeta, PostParams};
use kube::core::DynamicObject;
use kube::core::subresource::{Scale, ScaleSpec};
use serde_json::Value;

use super::DeploymentSlot;
use super::files;
use super::object::{Seen, Stale};
use super::patch::{self, Operations};
use super::secrets::Secrets;
use crate::{FIELD_MANAGER, error, json_patch};

/// How often a write whose only rival is the status that controllers write is tried.
const ATTEMPTS: usize = 10;

/// Stamps the epoch.
pub(super) async fn fence(slot: &DeploymentSlot, epoch: Epoch) -> Result<()> {
    for _ in 1..ATTEMPTS {
        match fence_once(slot, epoch).await {
            Err(error) if is_disturbed(&error) => {}
            result => return result,
        }
    }
    fence_once(slot, epoch).await
}

async fn fence_once(slot: &DeploymentSlot, epoch: Epoch) -> Result<()> {
    let action = slot.action("fence");
    let object = slot.recent(&slot.name).await?;
    let seen = slot.seen(&object);
    seen.refuse_stale(&action, epoch)?;
    let stamp = Operations::new(seen, &slot.settings, epoch).into_list();
    send(slot, &action, stamp, false).await
}

pub(super) async fn deploy(
    slot: &DeploymentSlot,
    change: &ResolvedChange,
    replicas: u32,
    epoch: Epoch,
) -> Result<()> {
    // The pods that the patch starts look for them at once.
    files::put(slot, change, epoch).await?;
    edit(slot, "deploy to", epoch, |seen| {
        patch::deploy(seen, &slot.settings, change, replicas, epoch)
    })
    .await
}

pub(super) async fn commit(slot: &DeploymentSlot, epoch: Epoch) -> Result<()> {
    edit(slot, "commit", epoch, |seen| patch::commit(seen, &slot.settings, epoch)).await?;
    files::collect(slot).await;
    Ok(())
}

pub(super) async fn revert(slot: &DeploymentSlot, epoch: Epoch) -> Result<()> {
    edit(slot, "revert", epoch, |seen| patch::revert(seen, &slot.settings, epoch)).await
}

/// Reads, decides and writes once: on a conflict the caller decides anew. What was read a moment
/// ago gets a try of its own, since the write tests all that it builds on.
async fn edit(
    slot: &DeploymentSlot,
    verb: &str,
    epoch: Epoch,
    decide: impl Fn(Seen<'_>) -> Result<Option<Vec<Value>>>,
) -> Result<()> {
    let action = slot.action(verb);
    if let Some(object) = slot.recent.get(&slot.name)
        && let seen = slot.seen(&object)
        && seen.refuse_stale(&action, epoch).is_ok()
        && let Some(operations) = decide(seen)?
    {
        match send(slot, &action, operations, false).await {
            Err(error) if is_disturbed(&error) => {}
            result => return result,
        }
    }
    let object = slot.get().await?;
    let seen = slot.seen(&object);
    seen.refuse_stale(&action, epoch)?;
    match decide(seen)? {
        Some(operations) => send(slot, &action, operations, false).await,
        None => Ok(()),
    }
}

/// Sends one patch.
pub(super) async fn send(
    slot: &DeploymentSlot,
    action: &str,
    operations: Vec<Value>,
    is_dry_run: bool,
) -> Result<()> {
    let secrets = Secrets::in_all(&operations);
    let patch = patch::of(operations, action)?;
    let params = patch::params(is_dry_run);
    let call = json_patch::send(&slot.client, &slot.api, &slot.name, &params, &patch);
    let done = error::write(slot.settings.call, action, call).await;
    let done = done.map_err(|error| secrets.hide(error));
    if is_dry_run {
        return done.map(drop);
    }
    slot.recent.forget(&slot.name);
    slot.recent.put(Arc::new(done?));
    Ok(())
}

/// Sets the size.
///
/// The scale subresource has no annotations to test. So the epoch is tested on the Deployment
/// that is read first, and its resource version goes with the write: since a fence writes the
/// Deployment, a write that was decided before the fence comes with a version that is gone.
pub(super) async fn scale(slot: &DeploymentSlot, replicas: u32, epoch: Epoch) -> Result<()> {
    for _ in 1..ATTEMPTS {
        match scale_once(slot, replicas, epoch).await {
            Err(error) if is_disturbed(&error) => {}
            result => return result,
        }
    }
    scale_once(slot, replicas, epoch).await
}

async fn scale_once(slot: &DeploymentSlot, replicas: u32, epoch: Epoch) -> Result<()> {
    let action = slot.action("scale");
    let mut object = slot.get().await?;
    slot.seen(&object).refuse_stale(&action, epoch)?;
    if slot.seen(&object).epoch()? != epoch {
        // The fence writes; what was read before is no longer good for a scale.
        fence(slot, epoch).await?;
        object = slot.get().await?;
        slot.seen(&object).refuse_stale(&action, epoch)?;
    }
    if slot.seen(&object).replicas() == replicas {
        return Ok(());
    }
    send_scale(slot, &action, &object, replicas, false).await
}

/// Sends one scale.
pub(super) async fn send_scale(
    slot: &DeploymentSlot,
    action: &str,
    object: &DynamicObject,
    replicas: u32,
    is_dry_run: bool,
) -> Result<()> {
    let size = i32::try_from(replicas).map_err(|error| {
        Error::new(ErrorKind::Rejected, action).with_source(format!("{replicas} pods: {error}"))
    })?;
    let scale = Scale {
        metadata: ObjectMeta {
            name: Some(slot.name.clone()),
            namespace: Some(slot.settings.namespace.clone()),
            uid: object.metadata.uid.clone(),
            resource_version: object.metadata.resource_version.clone(),
            ..ObjectMeta::default()
        },
        spec: Some(ScaleSpec { replicas: Some(size) }),
        status: None,
    };
    let params = PostParams { dry_run: is_dry_run, field_manager: Some(FIELD_MANAGER.to_owned()) };
    let call = slot.api.replace_scale(&slot.name, &params, &scale);
    let done = error::write(slot.settings.call, action, call).await;
    if !is_dry_run {
        slot.recent.forget(&slot.name);
    }
    done.map(drop)
}

/// Whether it is a conflict that everything read anew may end: the writes of controllers are no
/// reason to fail. That somebody has taken over is found by the reading.
fn is_disturbed(error: &Error) -> bool {
    let is_stale = error.source().is_some_and(<dyn std::error::Error>::is::<Stale>);
    error.kind() == ErrorKind::Conflict && !is_stale
}
