//! Releases of one agent, one after the other, some of which are taken back.

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use bluegreen_core::{
    Color, EvidenceKind, OperationError, Outcome, PhaseName, Plan, Progress, Reason, Releaser,
};
use bluegreen_kube::{Cluster, Route};
use bluegreen_tests::{Agent, change, plan, reaches, seconds};
use bluegreen_validate::PodLoad;

use crate::Size;
use crate::clients::Seen;

/// What the cluster has images of.
const VERSIONS: [&str; 3] = ["1.2.0", "1.3.0", "1.4.0"];

/// What becomes of a release.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Job {
    /// It goes well, and traffic stays switched.
    Switch,
    /// Somebody takes it back in its bake.
    Rollback,
}

/// What is left to be done by all agents together.
#[derive(Debug)]
pub(crate) struct Jobs(Mutex<Vec<Job>>);

impl Jobs {
    /// So many of each, evenly mixed.
    pub(crate) fn of(size: Size) -> Self {
        let all = size.switches + size.rollbacks;
        let is_rollback = |at: usize| at * size.rollbacks % all < size.rollbacks;
        let job = |at| if is_rollback(at) { Job::Rollback } else { Job::Switch };
        Self(Mutex::new((0..all).map(job).collect()))
    }

    fn next(&self) -> Option<Job> {
        self.0.lock().unwrap().pop()
    }
}

/// Releases the agent until nothing is left to be done, or a release ends as it should not.
pub(crate) async fn drive(agent: &Agent, evidence: &EvidenceKind, seen: &Arc<Seen>, jobs: &Jobs) {
    let (one, two) = (connected(agent, "one").await, connected(agent, "two").await);
    let mut live = (Color::Blue, VERSIONS[0]);
    seen.settled(live.1);
    while let Some(job) = jobs.next() {
        let at = VERSIONS.iter().position(|it| *it == live.1).unwrap();
        let candidate = VERSIONS[(at + 1) % VERSIONS.len()];
        let releaser = told(one.releaser(), seen, live, candidate);
        let began = Instant::now();
        let ended = match job {
            Job::Switch => releaser.run(change(candidate), &policy(2, evidence)).await,
            Job::Rollback => {
                taken_back(releaser, &policy(120, evidence), &two, seen, candidate).await
            }
        };
        match (job, ended) {
            (Job::Switch, Ok(Outcome::Released)) => live = (live.0.other(), candidate),
            (Job::Rollback, Ok(Outcome::RolledBack { reason: Reason::Requested { .. } })) => {}
            (_, ended) => return seen.wrong(&format!("{job:?} ended as {ended:?}")),
        }
        seen.ledger.ended(job, began.elapsed());
    }
}

/// A process that reaches pods at their addresses and counts what they have in hand.
async fn connected(agent: &Agent, holder: &str) -> Cluster {
    agent
        .builder(holder)
        .clients(|client| client.with_route(Route::PodIp))
        .load(|ports| PodLoad::metrics(ports, "/metrics", ["agent_inflight_requests"]))
        .connect()
        .await
        .unwrap()
}

fn policy(bake: u64, evidence: &EvidenceKind) -> Plan {
    plan(seconds(bake)).evidence(evidence.clone()).leave("/admin/leave").longest_stream(seconds(30))
}

/// A releaser that says which version has the traffic, as soon as there is evidence of it.
fn told(
    releaser: Releaser,
    seen: &Arc<Seen>,
    (color, live): (Color, &'static str),
    candidate: &'static str,
) -> Releaser {
    let seen = seen.clone();
    releaser.report(move |progress: &Progress| match progress {
        Progress::Entered { phase: PhaseName::Shifting | PhaseName::Returning, .. } => {
            seen.moving();
        }
        Progress::Shifted { routing, .. } => {
            seen.settled(if routing.reaches(color) { live } else { candidate });
        }
        _ => {}
    })
}

/// A release that somebody else takes back as soon as it bakes and a client has a stream of it.
async fn taken_back(
    releaser: Releaser,
    plan: &Plan,
    other: &Cluster,
    seen: &Arc<Seen>,
    candidate: &'static str,
) -> Result<Outcome, OperationError> {
    let mut release = pin!(releaser.run(change(candidate), plan));
    let taking = async {
        reaches(other, PhaseName::Baking).await;
        seen.streamed(candidate).await;
        seen.moving();
        other.operations().rollback("ann", "wrong refunds").await
    };
    let mut taking = pin!(taking);
    let taken = tokio::select! {
        taken = &mut taking => taken,
        // As soon as traffic is taken away, the release may know it first.
        ended = &mut release => return taking.await.and(ended),
    };
    taken?;
    release.await
}
