//! Performs what the record says comes next: report, perform under a bound, apply, save.
//!
//! Only this module acts. Each effect begins by reading, so that it can be performed again after
//! a crash, a lost answer or a conflict; an effect done twice is done once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tracing::Instrument as _;

use crate::observability::PhaseEnd;
use crate::release::{Effect, EventKind, Next, Wait};
use crate::throttle::Turn;
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
mod haste;
mod heartbeat;
mod hold;
mod hook;
mod judge;
mod preflight;
mod record;
mod shift;
pub(crate) mod span;
mod takeover;
mod tries;

pub(crate) use ahead::Ahead;
use ahead::Seen;
pub(crate) use away::Away;
pub(crate) use haste::Haste;
pub(crate) use heartbeat::Heartbeat;
pub(crate) use preflight::Wanted;
pub(crate) use record::{Held, held};

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
    pub(crate) haste: Haste,
}

/// How far the driver has come. On the heap, or every future that hands it on has room for it too.
pub(crate) struct At {
    held: Held,
    /// What was read for the next effect.
    ahead: Option<Ahead>,
    routing: drift::RoutingWatch,
}

impl At {
    /// With the record of a release, and what was read for its next effect.
    pub(crate) fn of(held: Held, ahead: Option<Ahead>) -> Box<Self> {
        Box::new(Self { held, ahead, routing: drift::RoutingWatch::default() })
    }
}

impl Driver {
    /// A driver that tells nobody.
    pub(crate) fn new(ports: Ports, validators: Validators) -> Self {
        let reporter = Arc::new(crate::Silent);
        let (doubt, away, haste) = (Arc::default(), Away::default(), Haste::default());
        Self { ports, reporter, validators, doubt, away, haste }
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
        let span = span::release(&self.ports, &held.record.started.by);
        span::begun(&span, &held.record);
        span::ended(&span, self.drive_from(At::of(held, None), None)).await
    }

    /// Drives a release that has just begun, with what its preflight has read and the turn that it has,
    /// in the span of the caller.
    pub(crate) async fn drive_from(
        &self,
        at: Box<At>,
        turn: Option<Turn>,
    ) -> Result<Outcome, OperationError> {
        // On the heap: the state of all effects together is large, and callers embed it.
        Box::pin(self.drive_on(at, turn)).await
    }

    async fn drive_on(
        &self,
        mut at: Box<At>,
        mut turn: Option<Turn>,
    ) -> Result<Outcome, OperationError> {
        let heartbeat = Heartbeat::start(self.ports.clone());
        let mut fenced: Option<Epoch> = None;
        let mut entered = None;
        let (mut phase, mut paused) = (span::Phase::default(), false);
        // Who holds a record that this process has just read may be dead for long. Whoever takes
        // it away from this process later has only just done so.
        let mut first = Duration::ZERO;
        loop {
            let record = &at.held.record;
            self.haste.follow(record);
            let over = matches!(record.next(), Next::Finish(_));
            let is_mine = record.envelope.holder.as_ref() == Some(&self.me());
            // Who does not act keeps nobody from it.
            let acts = is_mine && record.paused.is_none();
            turn.take_if(|_| !acts || !haste::is_on_its_way(record.phase.name()));
            if !over && !is_mine {
                phase.ends(PhaseEnd::Lost);
                at.held = Box::pin(self.follow(at.held, first)).await?;
                // Whatever was told of it before, another one has driven it meanwhile.
                (fenced, entered) = (None, None);
                continue;
            }
            if !over && fenced != Some(record.envelope.epoch) {
                first = takeover::MOMENT;
                if let Err(error) = Box::pin(self.fence(record.envelope.epoch, record)).await {
                    at.held = Box::pin(self.taken_away(at.held, error)).await?;
                    continue;
                }
                fenced = Some(record.envelope.epoch);
            }
            if paused && record.paused.is_none() {
                paused = false;
                self.report(&Progress::Paused { by: None });
            }
            let name = (record.phase.name(), record.since);
            let deadline = record.phase.deadline();
            if entered != Some((name, deadline)) {
                // What moves the deadline, as the end of a pause does, begins no other phase.
                if entered.is_none_or(|(last, _)| last != name) {
                    phase.enter(record);
                }
                entered = Some((name, deadline));
                self.report(&Progress::Entered {
                    release: record.envelope.release.clone(),
                    phase: name.0,
                    since: name.1,
                    deadline,
                });
                // Whoever hears this for the first time does not know of a pause.
                paused = false;
            }
            if let Some(it) = &record.paused
                && !paused
            {
                paused = true;
                self.report(&Progress::Paused { by: Some(it.by.clone()) });
            }
            let outcome;
            (at, outcome) = Box::pin(self.step(at)).instrument(phase.span()).await?;
            if let Some(outcome) = outcome {
                phase.ends_with(&outcome);
                self.report(&Progress::Finished { outcome: outcome.clone() });
                if matches!(outcome, Outcome::Stuck { .. }) {
                    Box::pin(self.let_go(at.held)).await;
                }
                drop(heartbeat);
                return Ok(outcome);
            }
        }
    }

    /// Does what comes next. Says how the release has ended, if it has.
    async fn step(&self, mut at: Box<At>) -> Result<(Box<At>, Option<Outcome>), OperationError> {
        let At { held, ahead, routing } = &mut *at;
        match held.record.next() {
            Next::Finish(outcome) => {
                Box::pin(self.finish(&held.record)).await;
                return Ok((at, Some(outcome)));
            }
            Next::Wait(Wait::Stuck(stuck)) => return Ok((at, Some(Outcome::Stuck { stuck }))),
            Next::Wait(Wait::Paused) => {
                let event = tokio::select! {
                    biased;
                    changed = self.changed(held) => {
                        at.held = changed?;
                        return Ok((at, None));
                    }
                    event = self.drifted(&held.record, routing) => event,
                };
                let drift = drift::told(&event);
                at.held = Box::pin(self.commit(at.held, event)).await?;
                self.tell(drift, &at.held.record);
            }
            Next::Perform(effect) => {
                // What is soon over is not watched: its save finds out what has changed.
                let waits = effect.waits();
                let read = ahead.take();
                self.doubt.store(false, Ordering::Release);
                let event = tokio::select! {
                    biased;
                    event = self.perform(&held.record, effect, read) => Some(event),
                    changed = self.changed(held), if waits => {
                        at.held = changed?;
                        None
                    }
                    event = self.drifted(&held.record, routing), if waits => {
                        Some((event, Seen::Nothing))
                    }
                };
                let doubt = self.doubt.swap(false, Ordering::AcqRel);
                if let Some((kind, seen)) = event {
                    let drift = drift::told(&kind);
                    let saving = Box::pin(self.commit_and_read(at.held, kind, seen));
                    (at.held, at.ahead) = saving.await?;
                    self.tell(drift, &at.held.record);
                }
                if doubt && self.goes_on(&at.held.record) {
                    (at.held, at.ahead) = (Box::pin(self.shut_out(at.held)).await?, None);
                }
            }
        }
        Ok((at, None))
    }

    /// Performs an effect. Says what came of it, and what was seen on the way that is still good.
    ///
    /// Each effect on the heap: a thousand releases that wait must not have room for all that they do
    /// at other times.
    async fn perform(
        &self,
        record: &Record,
        effect: Effect,
        ahead: Option<Ahead>,
    ) -> (EventKind, Seen) {
        let kind = match effect {
            // A stored record is always past its preflight; `start` looks before it saves.
            Effect::Check => EventKind::Checked,
            Effect::AwaitEmpty { slot } => Box::pin(self.await_empty(record, slot)).await,
            Effect::RunHook { hook, attempt, deadline } => {
                Box::pin(self.run_hook(record, hook, attempt, deadline)).await
            }
            Effect::Deploy => Box::pin(self.deploy(record, ahead)).await,
            Effect::AwaitReady { deadline } => {
                return Box::pin(self.await_ready(record, deadline)).await;
            }
            Effect::WarmUp { deadline } => Box::pin(self.warm_up(record, deadline)).await,
            Effect::Judge { deadline } => {
                return Box::pin(self.gates(record, deadline, ahead)).await;
            }
            Effect::AwaitApproval { deadline } => {
                Box::pin(self.await_approval(record, deadline)).await
            }
            Effect::AwaitThaw { until } => {
                self.sleep_until(until).await;
                EventKind::Thawed
            }
            Effect::AwaitGroup { deadline, bound } => {
                Box::pin(self.await_group(deadline, bound)).await
            }
            Effect::Shift { to } => return Box::pin(self.shift(record, &to, ahead)).await,
            Effect::Hold { until } => Box::pin(self.hold(record, until, ahead)).await,
            Effect::Drain { slot, deadline } => Box::pin(self.drain(record, slot, deadline)).await,
            Effect::Unpin { to } => Box::pin(self.unpin(record, &to)).await,
            Effect::Retire { slot, replicas } => {
                Box::pin(self.retire(record, slot, replicas)).await
            }
            Effect::Return { to } => Box::pin(self.give_back(record, to)).await,
            Effect::Keep { until, drain } => Box::pin(self.keep(record, until, drain)).await,
            Effect::Restore { slot } => Box::pin(self.restore(record, slot)).await,
        };
        (kind, Seen::Nothing)
    }
}

#[cfg(test)]
mod tests;
