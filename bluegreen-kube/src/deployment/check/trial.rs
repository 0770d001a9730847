//! The writes of a release, tried without effect: admission and validation have their say.

use std::sync::Arc;

use bluegreen_core::{Error, ErrorKind, Intent, Problem, Result, Role};
use kube::core::DynamicObject;

use super::Report;
use crate::deployment::{DeploymentSlot, patch, write};

/// How often a trial that a controller's write has disturbed is repeated.
const ATTEMPTS: usize = 5;

pub(super) async fn check(
    report: &mut Report<'_>,
    slot: &DeploymentSlot,
    intent: &Intent,
) -> Result<()> {
    // Live's size stays as it is, and a trial of that would show nothing.
    if intent.role != Role::Idle {
        return Ok(());
    }
    for attempt in 1..=ATTEMPTS {
        let tried = deploy(slot, intent, attempt).await;
        if settled(report, slot, tried, attempt)? {
            break;
        }
    }
    for attempt in 1..=ATTEMPTS {
        let tried = scale(slot, intent, attempt).await;
        if settled(report, slot, tried, attempt)? {
            break;
        }
    }
    Ok(())
}

/// With the stamp that is there, whoever's it is: the release has not begun.
async fn deploy(slot: &DeploymentSlot, intent: &Intent, attempt: usize) -> Result<()> {
    let object = object(slot, attempt).await?;
    let seen = slot.seen(&object);
    let operations =
        patch::deploy(seen, &slot.settings, &intent.change, intent.replicas, seen.epoch()?)?;
    match operations {
        Some(operations) => write::send(slot, &slot.action("try to patch"), operations, true).await,
        None => Ok(()),
    }
}

async fn scale(slot: &DeploymentSlot, intent: &Intent, attempt: usize) -> Result<()> {
    let object = object(slot, attempt).await?;
    let action = slot.action("try to scale");
    write::send_scale(slot, &action, &object, intent.replicas, true).await
}

/// What preflight has just read, and after a conflict what there is now.
async fn object(slot: &DeploymentSlot, attempt: usize) -> Result<Arc<DynamicObject>> {
    if attempt == 1 { slot.recent(&slot.name).await } else { slot.get().await }
}

/// Whether there is an answer, and adds it if it is a refusal.
fn settled(
    report: &mut Report<'_>,
    slot: &DeploymentSlot,
    tried: Result<()>,
    attempt: usize,
) -> Result<bool> {
    match tried {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::Conflict && attempt < ATTEMPTS => Ok(false),
        Err(error) if matches!(error.kind(), ErrorKind::Rejected | ErrorKind::Conflict) => {
            let problem = Problem::new("write-refused", &report.object)
                .found(error.chain())
                .wanted("the API server to accept the writes of the release");
            report.add(problem, &slot.name);
            Ok(true)
        }
        // Nothing was meant to happen, so nothing can have.
        Err(error) if error.kind() == ErrorKind::Unknown => {
            Err(Error::new(ErrorKind::Unavailable, error.action()).with_source(error))
        }
        Err(error) => Err(error),
    }
}
