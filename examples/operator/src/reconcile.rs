//! What is done for one object whenever it, or its agent's record, has changed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bluegreen_core::{ErrorKind, Liveness, OperationError, PhaseName, Record, Status, chain};
use bluegreen_kube::Cluster;
use kube::runtime::controller::Action;
use kube::runtime::reflector::Store;
use kube::{Client, Resource as _};

use crate::crd::AgentRelease;
use crate::decide::{Facts, Step, decide, is_changed};
use crate::drive::{Drivers, Job, has_other_gates};
use crate::say::{Seen, say_of};
use crate::status::{Attempt, End};
use crate::wanted::Wanted;

mod agent;
mod attempt;
mod object;
mod pause;
mod rival;
#[cfg(test)]
mod tests;

pub(crate) use pause::failed;
use pause::{BREATH, PAUSE, REFUSED};

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

impl Context {
    /// Forgets what is known of objects, and of agents, that are gone. That an object at rest is
    /// deleted is told to nobody, so it is looked for whenever more is known than there can be.
    fn forget_the_gone(&self) {
        let agents = || self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.drivers.len().max(agents().len());
        if known <= self.objects.len() {
            return;
        }
        let all = self.objects.state();
        let uids: BTreeSet<&str> = all.iter().filter_map(|it| it.meta().uid.as_deref()).collect();
        self.drivers.retain(|uid| uids.contains(uid));
        let services: BTreeSet<&str> = all.iter().map(|it| it.spec.service.as_str()).collect();
        agents().retain(|service, _| services.contains(service.as_str()));
    }
}

/// Why an object could not be looked after. It is tried again.
#[derive(Debug)]
pub(crate) struct Failure {
    why: String,
    /// There is a newer object than the one that was looked at.
    is_newer: bool,
    /// It will fail however often it is tried, until somebody does something about it.
    lasts: bool,
}

impl Failure {
    fn of(action: &str, error: &(dyn std::error::Error + 'static)) -> Self {
        let why = format!("failed to {action}: {}", chain(error));
        Self { why, is_newer: false, lasts: false }
    }

    fn of_port(action: &str, error: &bluegreen_core::Error) -> Self {
        Self { lasts: error.kind() == ErrorKind::Rejected, ..Self::of(action, error) }
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
    context.forget_the_gone();
    let look = Look { object: &object, context: &context };
    // On the heap: it is spawned once for each object.
    match Box::pin(look.all()).await {
        // It is on its way here, and looked at when it comes.
        Err(failure) if failure.is_newer => Ok(Action::requeue(BREATH)),
        Err(failure) if failure.lasts => {
            // What is said of the release stays as it was seen last.
            look.fail(&failure.why).await?;
            Err(failure)
        }
        done => done,
    }
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
        // What is still driven for an object that had this name before is this one's to see to.
        self.context.drivers.forget_namesakes(&self.name(), &self.uid()).await;
        let cluster = match self.cluster().await? {
            Ok(cluster) => cluster,
            // Without an agent nothing is left to be taken back.
            Err(none) if none.is_gone && self.is_deleted() => return self.let_go().await,
            Err(none) => {
                return match self.rival(None) {
                    Some(rival) => self.duplicate(&rival, self.attempt(None).as_ref()).await,
                    None => self.missing(none.why).await,
                };
            }
        };
        let status = self.status(&cluster).await?;
        if !is_newer(&status)
            && let Some(rival) = self.rival(status.record.as_ref())
        {
            return self.give_way(&rival).await;
        }
        let mut found = self.find(status);
        if found.step == Step::Stop {
            self.context.drivers.stop(&self.uid()).await;
            found = self.find(self.status(&cluster).await?);
        }
        self.carry_out(found, cluster).await
    }

    async fn status(&self, cluster: &Cluster) -> Result<Status, Failure> {
        let status = cluster.operations().status().await;
        status.map_err(|error| match &error {
            OperationError::Port(error) => Failure::of_port("read the record", error),
            _ => Failure::of("read the record", &error),
        })
    }

    /// Looks at all that counts, and decides.
    fn find(&self, status: Status) -> Found {
        let wanted = Wanted::read(&self.object.spec);
        let attempt = self.attempt(status.record.as_ref());
        let actor = self.actor();
        let gates = attempt.as_ref().map_or(&self.object.spec.smoke, |it| &it.smoke);
        let step = decide(&Facts {
            wanted: wanted.as_ref().ok().map(|it| it.digest.as_str()),
            retry: self.object.spec.retry.as_deref(),
            deleted: self.is_deleted(),
            attempt: attempt.as_ref(),
            doing: self.context.drivers.doing(&self.uid()),
            record: status.record.as_ref(),
            is_newer: is_newer(&status),
            is_orphan: status
                .record
                .as_ref()
                .is_some_and(|it| self.is_orphan(it, attempt.as_ref())),
            has_other_gates: status.record.as_ref().is_some_and(|it| has_other_gates(it, gates)),
            actor: &actor,
        });
        Found { wanted, status, attempt, step }
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
        let actor = self.actor();
        let failure = self.failure();
        let record_name = self.record_name(&cluster);
        let say = say_of(&Seen {
            step,
            status: &found.status,
            record_name: &record_name,
            attempt: found.attempt.as_ref(),
            wanted: &found.wanted,
            failure: failure.as_deref(),
            actor: &actor,
        });
        // Before the release begins: whoever comes after this process has to know what it was for.
        let written = self.write_status(&say, found.attempt.as_ref(), Some(&found.status)).await?;
        // Not before: what was not written does not begin, and is to be decided once more.
        if let Some(attempt) = &found.attempt {
            self.context.drivers.note(&self.uid(), attempt);
        }
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
        Ok(match step {
            // Whoever drives it may be gone without a word.
            Step::Busy => Action::requeue(REFUSED),
            _ if pause.is_zero() => Action::await_change(),
            _ => Action::requeue(pause),
        })
    }

    /// What a task has to do, if there is something. What the operator does is noted in the attempt. The
    /// finalizer is set before anything else: whatever happens next, the release is not left alone.
    async fn job(&self, found: &mut Found, cluster: &Cluster) -> Result<Option<Job>, Failure> {
        let wanted = found.wanted.as_ref().ok();
        match (found.step, wanted) {
            (Step::Begin, Some(wanted)) => {
                // Where nothing is needed after all, the finalizer goes again with the next look.
                let looking = self.unless_needless(cluster, wanted, found);
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
                let mut attempt = self.first(wanted, found.record());
                attempt.end = Some(End::Refused);
                attempt.message = found.attempt.take().and_then(|it| it.message);
                found.attempt = Some(attempt);
                let (change, plan) = (wanted.change.clone(), wanted.plan.clone());
                Ok(Some(Job::Again { change, plan }))
            }
            (Step::Resume, _) => {
                self.keep().await?;
                let record = found.status.record.as_ref();
                let stuck = record.is_some_and(|it| it.stuck.is_some());
                let mut attempt = self.known(found.attempt.take(), record);
                if stuck {
                    attempt.retry.clone_from(&self.object.spec.retry);
                }
                found.attempt = Some(attempt);
                Ok(Some(Job::Resume))
            }
            (Step::Abort(reason), _) => {
                let record = found.status.record.as_ref();
                found.attempt = Some(self.known(found.attempt.take(), record));
                Ok(Some(Job::Abort { reason }))
            }
            _ => Ok(None),
        }
    }
}

/// Whether there is a record that only a newer version of this program understands.
fn is_newer(status: &Status) -> bool {
    status.record.is_none() && status.envelope.is_some()
}
