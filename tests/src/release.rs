//! What tests of releases have in common.

use std::time::Duration;

use crate::image;
use bluegreen_core::{Change, OperationError, Outcome, PhaseName, Plan, Reason};
use bluegreen_kube::Cluster;
use tokio::task::JoinHandle;

/// How long a release may stay in the phases before the one that is waited for.
const PATIENCE: Duration = Duration::from_mins(2);

/// A release that somebody else waits for.
pub type Release = JoinHandle<Result<Outcome, OperationError>>;

/// A plan without the patience that real releases need.
pub fn plan(bake: Duration) -> Plan {
    let mut plan = Plan::all_at_once().bake(bake);
    plan.drain.quiet = Duration::from_secs(3);
    plan.keep_failed = Duration::ZERO;
    plan.look = Duration::from_secs(1);
    plan
}

/// So many seconds.
pub fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A version that the cluster has an image of.
pub fn change(tag: &str) -> Change {
    Change::image("agent", image(tag)).version(tag)
}

/// Returns once the stored release is in this phase.
pub async fn reaches(cluster: &Cluster, phase: PhaseName) {
    let operations = cluster.operations();
    let mut last = None;
    let waiting = async {
        let mut known = None;
        loop {
            let stored = operations.watch(known).await.unwrap();
            let record = stored.as_ref().and_then(|stored| stored.document.current());
            last = record.map(|record| record.phase.name());
            if last == Some(phase) {
                return;
            }
            known = stored.map(|stored| stored.revision);
        }
    };
    let ended = tokio::time::timeout(PATIENCE, waiting).await;
    assert!(ended.is_ok(), "{phase} should come: it is {last:?}");
}

/// A release of 1.3.0 in a task of its own, once its bake has begun.
pub async fn baking(cluster: &Cluster, plan: Plan) -> Release {
    let releaser = cluster.releaser();
    let mut release = tokio::spawn(async move { releaser.run(change("1.3.0"), &plan).await });
    tokio::select! {
        () = reaches(cluster, PhaseName::Baking) => release,
        ended = &mut release => panic!("it should come to its bake: {ended:?}"),
    }
}

/// Why a release went back.
#[track_caller]
pub fn reason(outcome: Outcome) -> Reason {
    match outcome {
        Outcome::RolledBack { reason } => reason,
        other => panic!("it should be rolled back: {other}"),
    }
}
