//! Performs what the record says comes next: report, perform under a bound, apply, save.
//!
//! Only this module acts. Each effect begins by reading, so that it can be performed again after
//! a crash, a lost answer or a conflict; an effect done twice is done once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::release::{Effect, EventKind, Next, Wait};
use crate::{
    Epoch, HolderId, OperationError, Outcome, Ports, Progress, Record, Reporter, Result, Timestamp,
    Validator,
};

mod advice;
mod ahead;
mod away;
mod backward;
mod deploy;
mod doubt;
mod drain;
mod drift;
mod group;
mod heartbeat;
mod hold;
mod hook;
mod judge;
mod preflight;
mod record;
mod shift;
mod takeover;
mod tries;

pub(crate) use ahead::Ahead;
use ahead::Seen;
pub(crate) use away::Away;
pub(crate) use heartbeat::Heartbeat;
pub(crate) use preflight::Wanted;
pub(crate) use record::{Held, held};
pub(crate) use tries::Pause;

/// The longest pause between two tries, and between two looks at another driver's lease.
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The validators of a release.
#[derive(Clone, Default)]
pub(crate) struct Validators {
    pub(crate) gates: Vec<Arc<dyn Validator>>,
    pub(crate) guards: Vec<Arc<dyn Validator>>,
    pub(crate) warm_up: Option<Arc<dyn Validator>>,
}

/// One process's hand on one release.
#[derive(Clone)]
pub(crate) struct Driver {
    pub(crate) ports: Ports,
    pub(crate) reporter: Arc<dyn Reporter>,
    pub(crate) validators: Validators,
    /// Whether a write was lost since this was last asked: it may still be under way.
    doubt: Arc<AtomicBool>,
    pub(crate) away: Away,
}

impl Driver {
    /// A driver that tells nobody.
    pub(crate) fn new(ports: Ports, validators: Validators) -> Self {
        let reporter = Arc::new(crate::Silent);
        Self { ports, reporter, validators, doubt: Arc::default(), away: Away::default() }
    }

    pub(crate) fn me(&self) -> HolderId {
        self.ports.liveness.holder()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.ports.clock.now()
    }

    pub(crate) fn report(&self, progress: &Progress) {
        tracing::debug!(%progress, "release progress");
        self.reporter.report(progress);
    }

    /// Drives the release to its end, or until it is stuck. When another process takes it over,
    /// follows it; when that one lets go or dies, goes on.
    pub(crate) async fn drive(&self, held: Held) -> Result<Outcome, OperationError> {
        self.drive_from(held, None).await
    }

    /// Drives a release that has just begun, with what its preflight has read.
    pub(crate) async fn drive_from(
        &self,
        held: Held,
        ahead: Option<Ahead>,
    ) -> Result<Outcome, OperationError> {
        // On the heap: the state of all effects together is large, and callers embed it.
        Box::pin(self.drive_on(held, ahead)).await
    }

    async fn drive_on(
        &self,
        mut held: Held,
        mut ahead: Option<Ahead>,
    ) -> Result<Outcome, OperationError> {
        let _heartbeat = Heartbeat::start(self.ports.clone());
        let mut fenced: Option<Epoch> = None;
        let mut entered = None;
        let mut routing = drift::RoutingWatch::default();
        loop {
            let envelope = &held.record.envelope;
            let over = matches!(held.record.next(), Next::Finish(_));
            if !over && envelope.holder.as_ref() != Some(&self.me()) {
                held = self.follow(held).await?;
                fenced = None;
                continue;
            }
            if !over && fenced != Some(envelope.epoch) {
                self.fence(envelope.epoch, &held.record).await?;
                fenced = Some(held.record.envelope.epoch);
            }
            let name = (held.record.phase.name(), held.record.since);
            if entered != Some(name) {
                entered = Some(name);
                self.report(&Progress::Entered {
                    release: held.record.envelope.release.clone(),
                    phase: name.0,
                    deadline: held.record.phase.deadline(),
                });
            }
            match held.record.next() {
                Next::Finish(outcome) => {
                    self.finish(&held.record).await;
                    self.report(&Progress::Finished { outcome: outcome.clone() });
                    return Ok(outcome);
                }
                Next::Wait(Wait::Stuck(stuck)) => {
                    let outcome = Outcome::Stuck { stuck };
                    self.report(&Progress::Finished { outcome: outcome.clone() });
                    self.let_go(held).await;
                    return Ok(outcome);
                }
                Next::Wait(Wait::Paused) => {
                    let event = tokio::select! {
                        biased;
                        changed = self.changed(&held) => {
                            held = changed?;
                            continue;
                        }
                        event = self.drifted(&held.record, &mut routing) => event,
                    };
                    let drift = drift::told(&event);
                    held = self.commit(held, event).await?;
                    self.tell(drift, &held.record);
                }
                Next::Perform(effect) => {
                    // What is soon over is not watched: its save finds out what has changed.
                    let waits = effect.waits();
                    let read = ahead.take();
                    self.doubt.store(false, Ordering::Release);
                    let event = tokio::select! {
                        biased;
                        event = self.perform(&held.record, effect, read) => Some(event),
                        changed = self.changed(&held), if waits => {
                            held = changed?;
                            None
                        }
                        event = self.drifted(&held.record, &mut routing), if waits => {
                            Some((event, Seen::Nothing))
                        }
                    };
                    let doubt = self.doubt.swap(false, Ordering::AcqRel);
                    if let Some((kind, seen)) = event {
                        let drift = drift::told(&kind);
                        (held, ahead) = self.commit_and_read(held, kind, seen).await?;
                        self.tell(drift, &held.record);
                    }
                    if doubt && self.goes_on(&held.record) {
                        (held, ahead) = (self.shut_out(held).await?, None);
                    }
                }
            }
        }
    }

    /// Performs an effect. Says what came of it, and what was seen on the way that is still good.
    async fn perform(
        &self,
        record: &Record,
        effect: Effect,
        ahead: Option<Ahead>,
    ) -> (EventKind, Seen) {
        let kind = match effect {
            // A stored record is always past its preflight; `start` looks before it saves.
            Effect::Check => EventKind::Checked,
            Effect::AwaitEmpty { slot } => self.await_empty(record, slot).await,
            Effect::RunHook { hook, attempt, deadline } => {
                self.run_hook(record, hook, attempt, deadline).await
            }
            Effect::Deploy => self.deploy(record, ahead).await,
            Effect::AwaitReady { deadline } => return self.await_ready(record, deadline).await,
            Effect::WarmUp { deadline } => self.warm_up(record, deadline).await,
            Effect::Judge { deadline } => return self.gates(record, deadline, ahead).await,
            Effect::AwaitApproval { deadline } => self.await_approval(record, deadline).await,
            Effect::AwaitThaw { until } => {
                self.sleep_until(until).await;
                EventKind::Thawed
            }
            Effect::AwaitGroup { deadline, bound } => self.await_group(deadline, bound).await,
            Effect::Shift { to } => return self.shift(record, &to, ahead).await,
            Effect::Hold { until } => self.hold(record, until, ahead).await,
            Effect::Drain { slot, deadline } => self.drain(record, slot, deadline).await,
            Effect::Unpin { to } => self.unpin(record, &to).await,
            Effect::Retire { slot, replicas } => self.retire(record, slot, replicas).await,
            Effect::Return { to } => self.give_back(record, to).await,
            Effect::Keep { until, drain } => self.keep(record, until, drain).await,
            Effect::Restore { slot } => self.restore(record, slot).await,
        };
        (kind, Seen::Nothing)
    }
}

#[cfg(test)]
mod tests;
