//! The writes of a release, tried without effect: admission and validation have their say.

use bluegreen_core::{Error, ErrorKind, Intent, Problem, Result, Role};

use super::Report;
use crate::deployment::{DeploymentSlot, patch, write};

/// How often a trial that a controller's write has disturbed is repeated.
const ATTEMPTS: usize = 5;

pub(super) async fn check(
    report: &mut Report<'_>,
    slot: &DeploymentSlot,
    intent: &Intent,
) -> Result<()> {
    if intent.role == Role::Idle {
        for attempt in 1..=ATTEMPTS {
            let tried = deploy(slot, intent).await;
            if settled(report, slot, tried, attempt)? {
                break;
            }
        }
    }
    for attempt in 1..=ATTEMPTS {
        let tried = scale(slot, intent).await;
        if settled(report, slot, tried, attempt)? {
            break;
        }
    }
    Ok(())
}

/// With the stamp that is there, whoever's it is: the release has not begun.
async fn deploy(slot: &DeploymentSlot, intent: &Intent) -> Result<()> {
    let object = slot.get().await?;
    let seen = slot.seen(&object);
    let operations =
        patch::deploy(seen, &slot.settings, &intent.change, intent.replicas, seen.epoch()?)?;
    match operations {
        Some(operations) => write::send(slot, &slot.action("try to patch"), operations, true).await,
        None => Ok(()),
    }
}

async fn scale(slot: &DeploymentSlot, intent: &Intent) -> Result<()> {
    let object = slot.get().await?;
    let replicas = match intent.role {
        Role::Idle => intent.replicas,
        _ => slot.seen(&object).replicas(),
    };
    write::send_scale(slot, &slot.action("try to scale"), &object, replicas, true).await
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
