//! What is done for one object whenever it, or its agent's record, has changed.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bluegreen_core::{Liveness, PhaseName, Record, Status, chain};
use bluegreen_kube::Cluster;
use kube::Client;
use kube::runtime::controller::Action;
use kube::runtime::reflector::Store;

use crate::crd::AgentRelease;
use crate::decide::{Facts, Step, decide, is_changed};
use crate::drive::{Drivers, Job};
use crate::say::{Seen, say_of};
use crate::status::{Attempt, End};
use crate::wanted::Wanted;

mod agent;
mod attempt;
mod object;
#[cfg(test)]
mod tests;

/// After which pause what failed is tried again.
const PAUSE: Duration = Duration::from_secs(15);
/// The same where it should not wait for long: on the way back.
const BREATH: Duration = Duration::from_secs(2);
/// After which pause it is looked whether what was refused still is.
const REFUSED: Duration = Duration::from_mins(1);

/// What all objects share.
pub(crate) struct Context {
    /// The way to the API server.
    pub(crate) client: Client,
    /// The namespace that this operator looks after.
    pub(crate) namespace: String,
    /// The name of the cluster in records.
    pub(crate) cluster_name: String,
    /// The lease of this process, by which its releases are known to be driven.
    pub(crate) liveness: Arc<dyn Liveness>,
    /// What this process drives.
    pub(crate) drivers: Drivers,
    /// All objects of the namespace.
    pub(crate) objects: Store<AgentRelease>,
    /// The agents that were found, by their Services.
    pub(crate) agents: Mutex<BTreeMap<String, Cluster>>,
}

/// Why an object could not be looked after. It is tried again.
#[derive(Debug)]
pub(crate) struct Failure {
    why: String,
    /// There is a newer object than the one that was looked at.
    is_newer: bool,
}

impl Failure {
    fn of(action: &str, error: &(dyn std::error::Error + 'static)) -> Self {
        Self { why: format!("failed to {action}: {}", chain(error)), is_newer: false }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for Failure {}

/// Does what an object needs now.
pub(crate) async fn reconcile(
    object: Arc<AgentRelease>,
    context: Arc<Context>,
) -> Result<Action, Failure> {
    // On the heap: it is spawned once for each object.
    match Box::pin(Look { object: &object, context: &context }.all()).await {
        // It is on its way here, and looked at when it comes.
        Err(failure) if failure.is_newer => Ok(Action::requeue(BREATH)),
        done => done,
    }
}

/// What failed is tried again a little later. The controller tells of it.
#[allow(clippy::needless_pass_by_value, reason = "the controller gives what it gives")]
pub(crate) fn failed(_: Arc<AgentRelease>, _: &Failure, _: Arc<Context>) -> Action {
    Action::requeue(PAUSE)
}

/// One look at one object.
struct Look<'a> {
    object: &'a AgentRelease,
    context: &'a Context,
}

/// What was found, and what follows from it.
struct Found {
    wanted: Result<Wanted, Vec<String>>,
    status: Status,
    attempt: Option<Attempt>,
    step: Step,
}

impl Found {
    fn record(&self) -> Option<&Record> {
        self.status.record.as_ref()
    }

    fn asks_for_another(&self) -> bool {
        let wanted = self.wanted.as_ref().ok().map(|it| it.digest.as_str());
        is_changed(wanted, self.attempt.as_ref())
    }
}

impl Look<'_> {
    async fn all(&self) -> Result<Action, Failure> {
        if let Some(older) = self.older() {
            return self.duplicate(&older).await;
        }
        let cluster = match self.cluster().await? {
            Ok(cluster) => cluster,
            // Without an agent nothing is left to be taken back.
            Err(none) if none.is_gone && self.is_deleted() => return self.let_go().await,
            Err(none) => return self.missing(none.why).await,
        };
        let mut found = self.find(&cluster).await?;
        if found.step == Step::Stop {
            self.context.drivers.stop(&self.uid()).await;
            found = self.find(&cluster).await?;
        }
        self.carry_out(found, cluster).await
    }

    /// Reads all that counts, and decides.
    async fn find(&self, cluster: &Cluster) -> Result<Found, Failure> {
        let wanted = Wanted::read(&self.object.spec);
        let status = cluster.operations().status().await;
        let status = status.map_err(|error| Failure::of("read the record", &error))?;
        let attempt = self.attempt(status.record.as_ref());
        let actor = self.actor();
        let step = decide(&Facts {
            wanted: wanted.as_ref().ok().map(|it| it.digest.as_str()),
            retry: self.object.spec.retry.as_deref(),
            deleted: self.is_deleted(),
            attempt: attempt.as_ref(),
            is_driving: self.context.drivers.is_driving(&self.uid()),
            record: status.record.as_ref(),
            actor: &actor,
        });
        Ok(Found { wanted, status, attempt, step })
    }

    /// Does what was decided, and says so.
    async fn carry_out(&self, mut found: Found, cluster: Cluster) -> Result<Action, Failure> {
        let step = found.step;
        let pause = self.pause(&found);
        let mut job = None;
        if step == Step::LetGo {
            return self.let_go().await;
        }
        if pause.is_zero() {
            job = self.job(&mut found, &cluster).await?;
        }
        if let Some(attempt) = &found.attempt {
            self.context.drivers.note(&self.uid(), attempt);
        }
        let actor = self.actor();
        let failure = self.failure();
        let say = say_of(&Seen {
            step,
            status: &found.status,
            attempt: found.attempt.as_ref(),
            wanted: &found.wanted,
            failure: failure.as_deref(),
            actor: &actor,
        });
        // Before the release begins: whoever comes after this process has to know what it was for.
        let written = self.write_status(&say, found.attempt.as_ref(), found.record()).await?;
        let is_over = found.record().is_none_or(|it| it.phase.name() == PhaseName::Done);
        match job {
            Some(job) => self.start(cluster, found.attempt, job).await,
            None if is_over
                && !written
                && matches!(step, Step::Rest | Step::Begin | Step::Again) =>
            {
                self.unkeep().await?;
            }
            None => {}
        }
        Ok(if pause.is_zero() { Action::await_change() } else { Action::requeue(pause) })
    }

    /// What a task has to do, if there is something. What the operator does is noted in the attempt. The
    /// finalizer is set before anything else: whatever happens next, the release is not left alone.
    async fn job(&self, found: &mut Found, cluster: &Cluster) -> Result<Option<Job>, Failure> {
        let wanted = found.wanted.as_ref().ok();
        match (found.step, wanted) {
            (Step::Begin, Some(wanted)) => {
                let attempt = self.first(wanted);
                let last = found.attempt.as_ref();
                // Where nothing is needed after all, the finalizer goes again with the next look.
                let looking = self.unless_needless(cluster, wanted, last, attempt);
                let (kept, attempt) = tokio::join!(self.keep(), looking);
                let attempt = kept.and(attempt)?;
                let begins = attempt.end.is_none();
                found.attempt = Some(attempt);
                let (change, plan) = (wanted.change.clone(), wanted.plan.clone());
                Ok(begins.then_some(Job::Begin { change, plan }))
            }
            (Step::Again, Some(wanted)) => {
                self.keep().await?;
                // Until it begins, it is still what was refused.
                let mut attempt = self.first(wanted);
                attempt.end = Some(End::Refused);
                attempt.message = found.attempt.take().and_then(|it| it.message);
                found.attempt = Some(attempt);
                let (change, plan) = (wanted.change.clone(), wanted.plan.clone());
                Ok(Some(Job::Again { change, plan }))
            }
            (Step::Resume, wanted) => {
                self.keep().await?;
                let record = found.status.record.as_ref();
                let stuck = record.is_some_and(|it| it.stuck.is_some());
                let mut attempt = self.known(found.attempt.take(), wanted, record);
                if stuck {
                    attempt.retry.clone_from(&self.object.spec.retry);
                }
                found.attempt = Some(attempt);
                Ok(Some(Job::Resume))
            }
            (Step::Abort(reason), _) => {
                let record = found.status.record.as_ref();
                found.attempt = Some(self.known(found.attempt.take(), None, record));
                Ok(Some(Job::Abort { reason }))
            }
            _ => Ok(None),
        }
    }

    /// How long it is waited before what was decided is done.
    fn pause(&self, found: &Found) -> Duration {
        let Some(ended) = self.context.drivers.ended(&self.uid()) else { return Duration::ZERO };
        let pause = match found.step {
            Step::Again => REFUSED,
            Step::Resume => PAUSE,
            Step::Abort(_) if ended.result.is_err() => BREATH,
            Step::Begin if ended.result.is_err() && !found.asks_for_another() => PAUSE,
            _ => Duration::ZERO,
        };
        pause.saturating_sub(ended.at.elapsed())
    }
}
