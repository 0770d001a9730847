//! What one task does: everything about one release, from when it begins to its end.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bluegreen_core::{
    Change, OperationError, Outcome, Phase, Plan, Problem, Progress, Record, Releaser, Reporter,
    ValidatorRef, chain,
};
use bluegreen_kube::{AnnotationApprover, Cluster};
use bluegreen_validate::{Request, Smoke};
use futures_util::FutureExt as _;
use kube::runtime::reflector::ObjectRef;
use tokio::sync::Semaphore;

use super::back_off;
use crate::crd::AgentRelease;
use crate::decide::Doing;
use crate::status::Attempt;

/// How long the last Events may take to be written.
const FLUSH: Duration = Duration::from_secs(2);

/// What a task is to do.
#[derive(Debug)]
pub(crate) enum Job {
    /// Release this.
    Begin { change: Change, plan: Plan },
    /// The same, if it is no longer refused: nothing is written before that is known.
    Again { change: Change, plan: Plan },
    /// Go on with what there is.
    Resume,
    /// Take back what there is.
    Abort { reason: &'static str },
}

impl Job {
    /// What whoever does it is at.
    pub(super) fn doing(&self) -> Doing {
        match self {
            Self::Begin { .. } | Self::Again { .. } => Doing::Beginning,
            Self::Resume => Doing::Driving,
            Self::Abort { .. } => Doing::TakingBack,
        }
    }
}

/// For whom a task drives.
pub(crate) struct Order {
    /// The object's uid.
    pub(crate) uid: String,
    /// The object.
    pub(crate) object: ObjectRef<AgentRelease>,
    /// The agent.
    pub(crate) cluster: Cluster,
    /// Who begins the release.
    pub(crate) actor: String,
    /// What the operator does for it.
    pub(crate) attempt: Attempt,
}

/// Why a task came to nothing.
pub(super) enum Failed {
    Operation(OperationError),
    /// What it said goes to the log of this process and nowhere else: it may quote anything.
    Panicked,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operation(error) => f.write_str(&chain(error)),
            Self::Panicked => f.write_str(
                "what drives the release has panicked, which is a bug: the log of the operator says where",
            ),
        }
    }
}

/// Does it. `failures` is how many times in a row that will have come to nothing if it does.
pub(super) async fn carry_out(
    order: &Order,
    job: Job,
    places: &Semaphore,
    failures: u32,
) -> Result<Outcome, Failed> {
    let cluster = &order.cluster;
    let events = Arc::new(cluster.events(cluster.liveness().holder().as_str()));
    let heard = events.clone();
    let object = order.object.name.clone();
    let report = move |progress: &Progress| {
        crate::tell(&object, progress);
        heard.report(progress);
    };
    // All that a task has is its own, and goes with it: nothing is left half done in this process, and
    // what is left half done elsewhere is what releases are made for.
    let driving = AssertUnwindSafe(drive(order, job, places, report)).catch_unwind();
    let result = match Box::pin(driving).await {
        Ok(Ok(outcome)) => Ok(outcome),
        Ok(Err(error)) => Err(Failed::Operation(error)),
        Err(_) => Err(Failed::Panicked),
    };
    if let Err(failed @ Failed::Panicked) = &result {
        crate::tell(&order.object.name, failed);
        let message = failed.to_string();
        events.report(&Progress::Retrying { message, after: back_off(failures) });
    }
    events.flush(FLUSH).await;
    result
}

async fn drive(
    order: &Order,
    job: Job,
    places: &Semaphore,
    report: impl Reporter + 'static,
) -> Result<Outcome, OperationError> {
    let releaser = releaser(order).report(report);
    match job {
        Job::Begin { change, plan } => begin(&releaser, change, &plan, places).await,
        Job::Again { change, plan } => match refusals(&releaser, &change, &plan).await {
            Ok(problems) if problems.is_empty() => begin(&releaser, change, &plan, places).await,
            Ok(problems) => Ok(Outcome::Refused { problems }),
            Err(error) => Err(error),
        },
        Job::Resume => releaser.resume().await,
        Job::Abort { reason } => abort(&releaser, &order.actor, reason).await,
    }
}

/// What releases this agent, with the gates of the attempt.
fn releaser(order: &Order) -> Releaser {
    let cluster = &order.cluster;
    let approver = AnnotationApprover::new(cluster.client().clone(), cluster.settings());
    let ports = cluster.ports().with_approver(Arc::new(approver));
    let releaser = Releaser::new(ports).actor(order.actor.as_str());
    match gate(&order.attempt.smoke) {
        Some(gate) => releaser.gate(gate),
        None => releaser,
    }
}

/// The gate that asks for these paths, if there are any.
fn gate(smoke: &[String]) -> Option<Smoke> {
    let (first, more) = smoke.split_first()?;
    Some(more.iter().fold(Smoke::get(first), |smoke, path| smoke.and(Request::get(path))))
}

/// Whether a release began with gates that these paths do not make: nobody can go on with it then.
pub(crate) fn has_other_gates(record: &Record, smoke: &[String]) -> bool {
    let here = gate(smoke).map(|gate| ValidatorRef::of(&gate));
    record.gates.iter().any(|named| here.as_ref() != Some(named))
}

async fn begin(
    releaser: &Releaser,
    change: Change,
    plan: &Plan,
    places: &Semaphore,
) -> Result<Outcome, OperationError> {
    // It is never closed; and if it were, that would be no reason to release nothing.
    let _place = places.acquire().await;
    releaser.run(change, plan).await
}

async fn refusals(
    releaser: &Releaser,
    change: &Change,
    plan: &Plan,
) -> Result<Vec<Problem>, OperationError> {
    let mut problems = releaser.check(change, plan).await?;
    problems.retain(Problem::is_refusal);
    Ok(problems)
}

/// Takes traffic back at once, and then puts the candidate's slot back.
async fn abort(releaser: &Releaser, actor: &str, reason: &str) -> Result<Outcome, OperationError> {
    let operations = releaser.operations();
    let status = operations.abort(actor, reason).await?;
    match status.record.map(|record| record.phase) {
        Some(Phase::Done { outcome }) => Ok(outcome),
        _ => operations.finish().await,
    }
}
