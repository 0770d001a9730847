//! Performs what the record says comes next: report, perform under a bound, apply, save.
//!
//! Only this module acts. Each effect begins by reading, so that it can be performed again after
//! a crash, a lost answer or a conflict; an effect done twice is done once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::release::{Effect, Event, EventKind, Next, Wait};
use crate::{
    Document, Epoch, Error, ErrorKind, HolderId, Outcome, Phase, Ports, Progress, Record, Reporter,
    Result, Revision, Stored, Timestamp, Validator, Vitality,
};
use crate::{OperationError, chain};

mod advice;
mod ahead;
mod away;
mod backward;
mod deploy;
mod doubt;
mod drain;
mod heartbeat;
mod hold;
mod judge;
mod preflight;
mod shift;
mod tries;

pub(crate) use ahead::Ahead;
use ahead::Seen;
pub(crate) use away::Away;
pub(crate) use heartbeat::Heartbeat;
pub(crate) use preflight::Wanted;

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

/// A record that this process holds, and the token to replace it.
#[derive(Clone)]
pub(crate) struct Held {
    pub(crate) record: Record,
    pub(crate) revision: Revision,
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
                Next::Wait(Wait::Paused) => held = self.changed(&held).await?,
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
                    };
                    let doubt = self.doubt.swap(false, Ordering::AcqRel);
                    if let Some((kind, seen)) = event {
                        (held, ahead) = self.commit_and_read(held, kind, seen).await?;
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
            Effect::Deploy => self.deploy(record, ahead).await,
            Effect::AwaitReady { deadline } => return self.await_ready(record, deadline).await,
            Effect::WarmUp { deadline } => self.warm_up(record, deadline).await,
            Effect::Judge { deadline } => return self.gates(record, deadline, ahead).await,
            Effect::AwaitApproval { deadline } => self.await_approval(record, deadline).await,
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

    /// Applies what has happened and saves it. When somebody changed the record meanwhile, what
    /// has happened is forgotten, and the effect performed again if it is still wanted.
    pub(crate) async fn commit(&self, held: Held, kind: EventKind) -> Result<Held, OperationError> {
        let fades = matches!(&kind, EventKind::Looked { look } if look.failed.is_none());
        let record = held.record.clone().apply(Event::new(self.now(), kind))?;
        let saving = self.save(record, held.revision.clone());
        if !fades {
            return saving.await;
        }
        // That all was well is not kept for a store that is away: guards look again instead.
        tokio::select! {
            biased;
            saved = saving => saved,
            () = self.ports.clock.sleep(held.record.plan.call) => Ok(held),
        }
    }

    /// Commits, and meanwhile reads what the next effect will want to know: the two have nothing
    /// to do with each other, and together they take no longer than the slower one.
    async fn commit_and_read(
        &self,
        held: Held,
        kind: EventKind,
        seen: Seen,
    ) -> Result<(Held, Option<Ahead>), OperationError> {
        let is_wanted = matches!(
            kind,
            EventKind::Ready { .. } | EventKind::Passed | EventKind::Approved { .. }
        );
        let record = held.record.clone();
        let next = record.clone().apply(Event::new(self.now(), kind.clone()));
        let shifts = next.is_ok_and(|next| matches!(next.phase, Phase::Shifting { .. }));
        let reading = async {
            let ahead = match seen {
                Seen::All(ahead) if ahead.is_good_at(self.now()) => *ahead,
                _ if !is_wanted => return Ok(None),
                Seen::Candidate(candidate) => self.read_beside(&record, *candidate).await?,
                _ => self.read_ahead(&record).await?,
            };
            Ok::<_, Error>(Some(if shifts { self.with_known(&record, ahead).await } else { ahead }))
        };
        let (held, ahead) = tokio::join!(self.commit(held, kind), reading);
        // What could not be read is read again by the effect that needs it.
        Ok((held?, ahead.unwrap_or_default()))
    }

    /// Saves a record at its revision, for as long as the store is away.
    pub(crate) async fn save(
        &self,
        record: Record,
        expected: Revision,
    ) -> Result<Held, OperationError> {
        let document = Document::Current(record.clone());
        let mut pause = tries::Pause::default();
        loop {
            let saving = self.ports.store.save(&document, Some(expected.clone()));
            let error = match self.bounded("save the record", record.plan.call, saving).await {
                Ok(revision) => return Ok(Held { record, revision }),
                Err(error) => error,
            };
            match error.kind() {
                ErrorKind::Conflict | ErrorKind::Unknown => {
                    // A save whose answer was lost looks like a conflict with oneself.
                    match self.load().await {
                        Ok(stored) if stored.document == document => {
                            return Ok(Held { record, revision: stored.revision });
                        }
                        Ok(stored) if stored.revision != expected => return held(stored),
                        Err(error) if error.kind() == ErrorKind::NotFound => {
                            return Err(OperationError::Port(error));
                        }
                        Ok(_) | Err(_) => {}
                    }
                }
                ErrorKind::Rejected if !self.may_pass(&error) => return Err(error.into()),
                ErrorKind::NotFound => return Err(error.into()),
                ErrorKind::Unavailable | ErrorKind::Rejected => {}
            }
            self.pause(&mut pause, &error).await;
        }
    }

    /// The stored record; an error of kind `NotFound` when there is none.
    pub(crate) async fn load(&self) -> Result<Stored> {
        let loading = self.ports.store.load();
        let call = crate::Plan::default().call;
        self.bounded_read("load the record", call, loading)
            .await?
            .ok_or_else(|| Error::new(ErrorKind::NotFound, "load the record"))
    }

    /// Returns once somebody else changed the record.
    async fn changed(&self, held: &Held) -> Result<Held, OperationError> {
        let mut pause = tries::Pause::default();
        loop {
            match self.ports.store.watch(Some(held.revision.clone())).await {
                Ok(Some(stored)) => return self::held(stored),
                Ok(None) => {
                    return Err(OperationError::Port(
                        Error::new(ErrorKind::NotFound, "watch the record")
                            .with_source("it was deleted while the release was under way"),
                    ));
                }
                Err(error) => self.pause(&mut pause, &error).await,
            }
        }
    }

    /// Waits while another process drives. Returns with a record that is over, or that this
    /// process has taken over.
    async fn follow(&self, mut held: Held) -> Result<Held, OperationError> {
        self.report(&Progress::TakenOver { by: held.record.envelope.holder.clone() });
        loop {
            let Some(other) = held.record.envelope.holder.clone() else {
                if matches!(held.record.next(), Next::Finish(_)) {
                    return Ok(held);
                }
                return self.take_over(held, None).await;
            };
            if other == self.me() {
                return Ok(held);
            }
            tokio::select! {
                biased;
                changed = self.changed(&held) => held = changed?,
                () = self.await_gone(&other) => return self.take_over(held, None).await,
            }
        }
    }

    /// Returns once `holder` is known to be gone.
    pub(crate) async fn await_gone(&self, holder: &HolderId) {
        let step = (self.ports.liveness.time_to_live() / 3).min(LONGEST_PAUSE);
        loop {
            let asking = self.ports.liveness.vitality(holder);
            let call = crate::Plan::default().call;
            if let Ok(Vitality::Gone) = self.bounded_read("read the lease", call, asking).await {
                return;
            }
            self.ports.clock.sleep(step).await;
        }
    }

    /// Makes the record this process's own, with the next epoch, and says why in `also`.
    pub(crate) async fn take_over(
        &self,
        held: Held,
        also: Option<EventKind>,
    ) -> Result<Held, OperationError> {
        // Without a lease others take the release away again, which disturbs but does no harm.
        // So what cannot be renewed does not stop a rollback.
        if let Err(error) = self.announce(held.record.plan.call).await {
            self.report(&Progress::note(error.chain()));
        }
        let at = self.now();
        let mut record = held.record;
        let epoch = record.envelope.epoch.next();
        record = record.apply(Event::new(at, EventKind::TakenOver { holder: self.me(), epoch }))?;
        if let Some(kind) = also {
            record = record.apply(Event::new(at, kind))?;
        }
        self.save(record, held.revision).await
    }

    /// Renews the lease before this process holds a record: others take a holder without one for
    /// dead.
    pub(crate) async fn announce(&self, call: Duration) -> Result<()> {
        self.bounded("renew the lease", call, self.ports.liveness.renew()).await
    }

    /// The same before the record of a release that is over is replaced. Whoever ended that one
    /// may have died before it was in the history.
    pub(crate) async fn announce_after(&self, last: Option<&Record>, call: Duration) -> Result<()> {
        let keeping = async {
            if let Some(last) = last {
                self.finish(last).await;
            }
        };
        tokio::join!(self.announce(call), keeping).0
    }

    /// Stamps the epoch on everything that the release writes. Before this has succeeded
    /// nothing else is read or written.
    pub(crate) async fn fence(&self, epoch: Epoch, record: &Record) -> Result<()> {
        let (switch, slots) =
            tokio::join!(self.fence_switch(epoch, record), self.fence_slots(epoch, record));
        switch.and(slots)
    }

    async fn fence_switch(&self, epoch: Epoch, record: &Record) -> Result<()> {
        let call = record.plan.call;
        self.until_available(call, || {
            self.bounded("fence the switch", call, self.ports.switch.fence(epoch))
        })
        .await
    }

    async fn fence_slots(&self, epoch: Epoch, record: &Record) -> Result<()> {
        let (blue, green) = (&self.ports.slots.blue, &self.ports.slots.green);
        let call = record.plan.call;
        self.until_available(call, || async {
            let (blue, green) = tokio::join!(
                self.bounded("fence the blue slot", call, blue.fence(epoch)),
                self.bounded("fence the green slot", call, green.fence(epoch)),
            );
            blue.and(green)
        })
        .await
    }

    /// Keeps the finished record for the history. Its loss does not undo the release.
    pub(crate) async fn finish(&self, record: &Record) {
        let archiving = self.ports.store.archive(record, record.plan.history);
        if let Err(error) = self.bounded("archive the record", record.plan.call, archiving).await {
            self.report(&Progress::note(format!("not in the history: {}", chain(&error))));
        }
    }

    /// Gives the record up, so that another process need not wait for the lease to lapse.
    pub(crate) async fn let_go(&self, held: Held) {
        let _ = self.commit(held, EventKind::LetGo).await;
    }
}

/// The record of a stored document, if this version can drive it.
pub(crate) fn held(stored: Stored) -> Result<Held, OperationError> {
    match stored.document {
        Document::Current(record) => Ok(Held { record, revision: stored.revision }),
        Document::Newer { format, .. } => Err(OperationError::Newer { format }),
    }
}

#[cfg(test)]
mod tests;
