//! What can be done with a release from any process, without its validators.

use std::sync::Arc;
use std::time::Duration;

use crate::driver::{Driver, Haste, Held, Validators, held, span};
use crate::release::{Event, EventKind, Next, Undo};
use crate::{
    Actor, Document, ErrorKind, Outcome, PhaseName, Plan, Ports, Reason, Record, Reporter,
    ResolvedChange, Revision, Stored,
};

mod back;
mod error;
mod newer;
mod status;

pub use error::OperationError;
pub(crate) use error::busy_because;
use error::contracted;
pub use status::Status;

/// What can be done with the release of one agent, from any process: no validator is needed.
///
/// ```no_run
/// # async fn example(ports: bluegreen_core::Ports) -> Result<(), bluegreen_core::OperationError> {
/// use bluegreen_core::Operations;
///
/// let operations = Operations::new(ports);
/// println!("{}", operations.status().await?);
/// operations.rollback("ann", "wrong refunds").await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Operations {
    pub(crate) driver: Driver,
}

impl std::fmt::Debug for Operations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Operations").field("ports", &self.driver.ports).finish_non_exhaustive()
    }
}

impl Operations {
    /// Operations on what is reached through `ports`.
    pub fn new(ports: Ports) -> Self {
        let mut driver = Driver::new(ports, Validators::default());
        driver.haste = Haste::of_operation();
        Self { driver }
    }

    /// Tells `reporter` of what happens.
    #[must_use]
    pub fn report(mut self, reporter: impl Reporter + 'static) -> Self {
        self.driver.reporter = Arc::new(reporter);
        self
    }

    /// How the release fares, or the last one did.
    pub async fn status(&self) -> Result<Status, OperationError> {
        let stored = self.stored().await?;
        Ok(Status::of(stored.as_ref().map(|stored| &stored.document), self.driver.now()))
    }

    /// Returns once what is stored differs from `known`.
    ///
    /// # Cancel safety
    /// Only waits.
    pub async fn watch(&self, known: Option<Revision>) -> Result<Option<Stored>, OperationError> {
        Ok(self.driver.ports.store.watch(known).await?)
    }

    /// The finished releases, newest first.
    pub async fn history(&self) -> Result<Vec<Document>, OperationError> {
        let listing = self.driver.ports.store.list();
        Ok(self.driver.bounded_read("list the history", call(), listing).await?)
    }

    /// Calls the release off: traffic goes back at once, by this process itself.
    ///
    /// Returns when traffic is back. Whoever drove the release cleans up after it; if nobody
    /// does, [`finish`](Self::finish) does.
    ///
    /// # Errors
    /// [`OperationError::Stuck`] when traffic cannot be given back.
    pub async fn abort(
        &self,
        actor: impl Into<Actor>,
        reason: impl Into<String>,
    ) -> Result<Status, OperationError> {
        let (actor, reason) = (actor.into(), reason.into());
        let span = span::operation(&self.driver.ports, "abort", &actor);
        span::done(&span, self.call_off(actor, reason)).await
    }

    async fn call_off(&self, actor: Actor, reason: String) -> Result<Status, OperationError> {
        let Some(stored) = self.stored().await? else { return Err(OperationError::NoRelease) };
        if let Some(record) = stored.document.current()
            && matches!(record.next(), Next::Finish(_))
        {
            return Err(OperationError::NoRelease);
        }
        Box::pin(self.go_back(stored, EventKind::Abort { actor, reason })).await
    }

    /// Takes the old version back.
    ///
    /// During a release traffic goes back at once, by this process itself and in one write. After
    /// it, the old slot is made as large as live if it is not, awaited, and given the traffic.
    ///
    /// # Errors
    /// [`OperationError::Stuck`] when traffic cannot be given back, [`OperationError::NoWayBack`]
    /// when there is nothing to go back to, [`OperationError::Contracted`] when a hook has taken away
    /// what the old version may need.
    pub async fn rollback(
        &self,
        actor: impl Into<Actor>,
        reason: impl Into<String>,
    ) -> Result<Status, OperationError> {
        let (actor, reason) = (actor.into(), reason.into());
        let span = span::operation(&self.driver.ports, "rollback", &actor);
        span::done(&span, self.take_back(actor, reason)).await
    }

    async fn take_back(&self, actor: Actor, reason: String) -> Result<Status, OperationError> {
        let Some(stored) = self.stored().await? else { return Err(OperationError::NoRelease) };
        match stored.document.current().map(Record::next) {
            Some(Next::Finish(Outcome::Released | Outcome::Concluded { .. })) => {
                Box::pin(self.undo(held(stored)?, actor, reason)).await
            }
            Some(Next::Finish(_)) => Err(OperationError::NoWayBack {
                found: "the last release did not change what is live".to_owned(),
            }),
            _ => Box::pin(self.go_back(stored, EventKind::Rollback { actor, reason })).await,
        }
    }

    /// Says yes: to the candidate that waits for approval, or to the step that does.
    pub async fn approve(&self, actor: impl Into<Actor>) -> Result<Status, OperationError> {
        self.tell(EventKind::Approved { actor: actor.into() }).await
    }

    /// Ends the current wait: the approval, the step, the bake. Where a hook of the old slot's end has
    /// failed, the release goes on without it.
    pub async fn promote(&self, actor: impl Into<Actor>) -> Result<Status, OperationError> {
        self.tell(EventKind::Promote { actor: actor.into() }).await
    }

    /// Lets traffic move in spite of a freeze, now and for the rest of the release. Who and why stay
    /// in the history.
    ///
    /// # Errors
    /// [`OperationError::Illegal`] if the plan has no freeze, no step is still to come, or there is no
    /// name or reason.
    pub async fn override_freeze(
        &self,
        actor: impl Into<Actor>,
        reason: impl Into<String>,
    ) -> Result<Status, OperationError> {
        self.tell(EventKind::OverrideFreeze { actor: actor.into(), reason: reason.into() }).await
    }

    /// Stops the release where it is. Guards go on watching, and the way back stays open.
    pub async fn pause(&self, actor: impl Into<Actor>) -> Result<Status, OperationError> {
        self.tell(EventKind::Pause { actor: actor.into() }).await
    }

    /// Lets a paused release go on, with all deadlines later by the time that the pause took.
    pub async fn unpause(&self, actor: impl Into<Actor>) -> Result<Status, OperationError> {
        self.tell(EventKind::Continue { actor: actor.into() }).await
    }

    /// Finishes a release that is on its way back: waits for whoever does, and does it itself
    /// when nobody does. Needs no validator.
    pub async fn finish(&self) -> Result<Outcome, OperationError> {
        Box::pin(self.see_to_the_end()).await
    }

    async fn see_to_the_end(&self) -> Result<Outcome, OperationError> {
        let Some(stored) = self.stored().await? else { return Err(OperationError::NoRelease) };
        let it = held(stored)?;
        let name = it.record.phase.name();
        if !name.is_backward() && name != PhaseName::Done {
            let advice = self.driver.advice(&it.record).await;
            return Err(busy_because(&it.record, format!("it is not on its way back; {advice}")));
        }
        // The one that drove it sees at once that nobody holds the record, and goes on.
        if it.record.envelope.holder.is_none() && name != PhaseName::Done {
            let watching = self.driver.ports.store.watch(Some(it.revision.clone()));
            tokio::select! {
                biased;
                stored = watching => if let Some(stored) = stored? {
                    return self.driver.drive(held(stored)?).await;
                },
                () = self.driver.ports.clock.sleep(Duration::from_secs(1)) => {}
            }
        }
        self.driver.drive(it).await
    }

    /// Gives back the lease of this process, so that another need not wait for it to lapse.
    /// To be called after a release was interrupted, by Ctrl-C say.
    pub async fn resign(&self) -> Result<(), OperationError> {
        let resigning = self.driver.ports.liveness.resign();
        Ok(self.driver.bounded("give back the lease", call(), resigning).await?)
    }

    pub(crate) async fn stored(&self) -> Result<Option<Stored>, OperationError> {
        let loading = self.driver.ports.store.load();
        Ok(self.driver.bounded_read("load the record", call(), loading).await?)
    }

    /// Changes the record of a release that another process drives.
    async fn tell(&self, kind: EventKind) -> Result<Status, OperationError> {
        let span = span::operation(&self.driver.ports, kind.name(), &actor(&kind));
        span::done(&span, Box::pin(self.change(kind))).await
    }

    async fn change(&self, kind: EventKind) -> Result<Status, OperationError> {
        for _ in 0..10 {
            let Some(stored) = self.stored().await? else { return Err(OperationError::NoRelease) };
            let it = held(stored)?;
            let wanted = it.record.clone().apply(Event::new(self.driver.now(), kind.clone()))?;
            let saved = self.driver.save(wanted.clone(), it.revision).await?;
            if saved.record == wanted {
                let document = Document::Current(saved.record);
                return Ok(Status::of(Some(&document), self.driver.now()));
            }
        }
        Err(OperationError::Port(crate::Error::new(ErrorKind::Conflict, "change the record")))
    }

    /// Undoes a release that is over: the old slot becomes the candidate, as it is.
    async fn undo(&self, it: Held, actor: Actor, reason: String) -> Result<Status, OperationError> {
        if let Some(error) = contracted(&it.record) {
            return Err(error);
        }
        let old = it.record.envelope.live;
        let reading = self.driver.ports.slots.of(old).state();
        let state = self.driver.bounded_read("read the old slot", call(), reading).await?;
        if state.digest() != it.record.baseline.digest {
            return Err(OperationError::NoWayBack {
                found: format!(
                    "slot {old} runs {} ({}), wanted {} ({})",
                    state.running,
                    state.digest().short(),
                    it.record.baseline.version(),
                    it.record.baseline.digest.short(),
                ),
            });
        }
        let mut plan = Plan::all_at_once().bake(Duration::ZERO).standby(it.record.plan.standby);
        plan.drain = it.record.plan.drain.clone();
        plan.keep_failed = Duration::ZERO;
        plan.allow.clone_from(&it.record.plan.allow);
        plan.call = it.record.plan.call;
        let undo = Undo { release: it.record.envelope.release.clone(), actor, reason };
        let wanted = crate::driver::Wanted::Undo(ResolvedChange::exactly(state.running), undo);
        let began = self.begin(&wanted, &plan, &it).await?;
        let outcome = self.driver.drive(began).await?;
        match outcome {
            Outcome::Released => self.status().await,
            Outcome::RolledBack { reason: Reason::Failed { message } } => {
                Err(OperationError::NoWayBack { found: message })
            }
            other => Err(OperationError::NoWayBack { found: other.to_string() }),
        }
    }

    async fn begin(
        &self,
        wanted: &crate::driver::Wanted,
        plan: &Plan,
        it: &Held,
    ) -> Result<Held, OperationError> {
        let crate::driver::Wanted::Undo(_, undo) = wanted else {
            return Err(OperationError::NoRelease);
        };
        let last = it.record.envelope.epoch;
        let preflight = self.driver.preflight(wanted, plan, &undo.actor, last).await?;
        let refusals: Vec<String> = preflight
            .problems
            .iter()
            .filter(|problem| problem.is_refusal())
            .map(ToString::to_string)
            .collect();
        match preflight.record {
            Some(record) if refusals.is_empty() => {
                let event = Event::new(self.driver.now(), EventKind::Checked);
                let record = record.apply(event)?;
                self.driver.announce_after(Some(&it.record), plan.call).await?;
                self.driver.save(record, it.revision.clone()).await
            }
            _ => Err(OperationError::NoWayBack { found: refusals.join("; ") }),
        }
    }
}

/// How long one call may take where no plan says so.
pub(crate) fn call() -> Duration {
    Plan::default().call
}

fn actor(kind: &EventKind) -> Actor {
    match kind {
        EventKind::Abort { actor, .. }
        | EventKind::Rollback { actor, .. }
        | EventKind::Approved { actor }
        | EventKind::Promote { actor }
        | EventKind::OverrideFreeze { actor, .. }
        | EventKind::Pause { actor }
        | EventKind::Continue { actor } => actor.clone(),
        _ => Actor::new("unknown"),
    }
}
