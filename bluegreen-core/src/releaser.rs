//! Begins and resumes releases, with the validators that judge them.

use std::sync::Arc;
use std::time::Duration;

use crate::driver::{At, Driver, Haste, Held, Validators, Wanted, held, span};
use crate::operations::{busy_because, call};
use crate::release::{Event, EventKind, Membership, Next};
use crate::{
    Actor, Change, Document, ErrorKind, OperationError, Operations, Outcome, PhaseName, Plan,
    PodHealth, Ports, Problem, Progress, Record, Reporter, Stored, Validator, ValidatorRef,
};

mod diff;

/// What has come of the beginning of a release.
enum Begun {
    Driven(Box<At>),
    Refused(Outcome),
}

/// Begins and resumes releases of one agent.
///
/// [`PodHealth`] is always among the guards. Everything else is up to the user: a release
/// without gates goes on to traffic as soon as its pods are ready.
///
/// ```no_run
/// # async fn example(ports: bluegreen_core::Ports) -> Result<(), bluegreen_core::OperationError> {
/// use bluegreen_core::{Change, Plan, Progress, Releaser, clock::minutes};
///
/// let releaser = Releaser::new(ports)
///     .actor("ann")
///     .report(|progress: &Progress| println!("{progress}"));
/// let plan = Plan::all_at_once().bake(minutes(30));
/// let change = Change::image("agent", "registry.example.com/agent-service:1.3.0");
/// println!("{}", releaser.run(change, &plan).await?);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Releaser {
    pub(crate) driver: Driver,
    actor: Actor,
}

impl std::fmt::Debug for Releaser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Releaser").field("ports", &self.driver.ports).finish_non_exhaustive()
    }
}

impl Releaser {
    /// Releases through `ports`.
    pub fn new(ports: Ports) -> Self {
        let actor = Actor::new(ports.liveness.holder().as_str());
        let guards: Vec<Arc<dyn Validator>> = vec![Arc::new(PodHealth::default())];
        let validators = Validators { guards, ..Validators::default() };
        Self { driver: Driver::new(ports, validators), actor }
    }

    /// Adds a validator that must pass before the candidate gets traffic. Gates are asked one
    /// after the other, in the order in which they were added: put what is cheap first.
    #[must_use]
    pub fn gate(mut self, gate: impl Validator + 'static) -> Self {
        self.driver.validators.gates.push(Arc::new(gate));
        self
    }

    /// Adds a validator that looks again and again while the candidate has traffic.
    #[must_use]
    pub fn guard(mut self, guard: impl Validator + 'static) -> Self {
        self.driver.validators.guards.push(Arc::new(guard));
        self
    }

    /// Sets what gives the candidate's pods real work until they are fast, for plans with a
    /// warm-up. It is asked until it passes.
    #[must_use]
    pub fn warm_up(mut self, warm_up: impl Validator + 'static) -> Self {
        self.driver.validators.warm_up = Some(Arc::new(warm_up));
        self
    }

    /// Tells `reporter` of every step.
    #[must_use]
    pub fn report(mut self, reporter: impl Reporter + 'static) -> Self {
        self.driver.reporter = Arc::new(reporter);
        self
    }

    /// Sets who asks for the release; the name of this process by default.
    #[must_use]
    pub fn actor(mut self, actor: impl Into<Actor>) -> Self {
        self.actor = actor.into();
        self
    }

    /// The operations that need no validators.
    pub fn operations(&self) -> Operations {
        let mut driver = self.driver.clone();
        driver.haste = Haste::of_operation();
        Operations { driver }
    }

    /// Everything that stands in the way of this release, warnings included. Reads only.
    pub async fn check(
        &self,
        change: &Change,
        plan: &Plan,
    ) -> Result<Vec<Problem>, OperationError> {
        self.look_before(change, plan, None).await
    }

    pub(crate) async fn look_before(
        &self,
        change: &Change,
        plan: &Plan,
        group: Option<&Membership>,
    ) -> Result<Vec<Problem>, OperationError> {
        let wanted = Wanted::Delta(change.clone());
        let none = crate::Epoch::default();
        let looking = self.driver.preflight(&wanted, plan, &self.actor, none);
        let mut problems = Box::pin(looking).await?.problems;
        problems.extend(without_group(plan, group));
        Ok(problems)
    }

    /// Releases `change` as `plan` says, from preflight to the end.
    ///
    /// Returns [`Outcome::Refused`] with every problem at once, before anything was touched. The
    /// history of an agent that was released before shows it, if it is known what the change
    /// would have come to.
    ///
    /// # Errors
    /// [`OperationError::Busy`] while another release is under way.
    ///
    /// # Cancel safety
    /// May be dropped at any await: the release stays where it is, stored, and
    /// [`resume`](Self::resume) goes on. Call [`Operations::resign`] to spare the next process
    /// the wait for this one's lease.
    pub async fn run(&self, change: Change, plan: &Plan) -> Result<Outcome, OperationError> {
        // On the heap, because callers embed this in futures of their own.
        Box::pin(self.begin(change, plan, None)).await
    }

    /// Begins a release, in a span of its own.
    pub(crate) async fn begin(
        &self,
        change: Change,
        plan: &Plan,
        group: Option<Membership>,
    ) -> Result<Outcome, OperationError> {
        let span = span::release(&self.driver.ports, &self.actor);
        let beginning = Box::pin(self.begin_in(&span, change, plan, group));
        span::ended(&span, beginning).await
    }

    async fn begin_in(
        &self,
        span: &tracing::Span,
        change: Change,
        plan: &Plan,
        group: Option<Membership>,
    ) -> Result<Outcome, OperationError> {
        let turn = self.driver.turn().await;
        // What a release does once is not kept room for while it waits.
        match Box::pin(self.first_steps(span, change, plan, group)).await? {
            Begun::Driven(at) => self.driver.afresh().drive_from(at, turn).await,
            Begun::Refused(outcome) => Ok(outcome),
        }
    }

    /// Looks, and saves the record with which a release begins.
    async fn first_steps(
        &self,
        span: &tracing::Span,
        change: Change,
        plan: &Plan,
        group: Option<Membership>,
    ) -> Result<Begun, OperationError> {
        let (last, unread) = match Box::pin(self.clear()).await {
            Ok(last) => (last, None),
            // Where not even the record may be read, the list of all that is missing says more.
            Err(OperationError::Port(error)) if error.kind() == ErrorKind::Rejected => {
                (None, Some(error))
            }
            Err(error) => return Err(error),
        };
        let epoch = last.as_ref().map(|stored| stored.document.envelope().epoch);
        let wanted = Wanted::Delta(change);
        let epoch = epoch.unwrap_or_default();
        let looking = Box::pin(self.driver.preflight(&wanted, plan, &self.actor, epoch));
        let mut preflight = Box::pin(span::preflight(looking)).await?;
        preflight.problems.extend(without_group(plan, group.as_ref()));
        let (refusals, warnings): (Vec<Problem>, Vec<Problem>) =
            preflight.problems.into_iter().partition(Problem::is_refusal);
        for problem in warnings {
            self.driver.report(&Progress::Warned { problem });
        }
        let record = match preflight.record {
            Some(record) if refusals.is_empty() => record,
            record => {
                // Where nothing of ours is yet, nothing is made for a release that did not begin.
                if let Some(record) = record.filter(|_| last.is_some()) {
                    self.driver.finish(&record.refused(self.driver.now(), refusals.clone())?).await;
                }
                let outcome = Outcome::Refused { problems: refusals };
                self.driver.report(&Progress::Finished { outcome: outcome.clone() });
                return Ok(Begun::Refused(outcome));
            }
        };
        if let Some(error) = unread {
            return Err(error.into());
        }
        if self.driver.validators.guards.len() == 1 {
            let text = "the only guard watches whether pods are up, not what they answer";
            self.driver.report(&Progress::note(text));
        }
        let mut record = record.apply(Event::new(self.driver.now(), EventKind::Checked))?;
        record.group = group.map(Box::new);
        span::begun(span, &record);
        let began = Box::pin(self.first_save(record, last)).await?;
        Ok(Begun::Driven(At::of(began, preflight.ahead)))
    }

    /// Goes on with the release that is stored.
    ///
    /// Waits for the lease of the process that drove it to lapse, if it has not given it back.
    ///
    /// # Errors
    /// [`OperationError::NoRelease`] if none is under way, [`OperationError::Busy`] while another
    /// process drives it, [`OperationError::OtherValidators`] when a gate or guard that the record
    /// names is missing or has other settings. On the way back, and once the old slot ends its work,
    /// none of them is asked any more, so that whoever comes may end the release.
    pub async fn resume(&self) -> Result<Outcome, OperationError> {
        Box::pin(self.go_on()).await
    }

    async fn go_on(&self) -> Result<Outcome, OperationError> {
        let Some(stored) = self.operations().stored().await? else {
            return Err(OperationError::NoRelease);
        };
        let mut it = held(stored)?;
        let driver = self.driver.afresh();
        // One that goes back does not begin by waiting for others.
        driver.haste.follow(&it.record);
        if matches!(it.record.next(), Next::Finish(_)) {
            return Err(self.over(&it.record).await);
        }
        self.same_validators(&it.record)?;
        if let Some(holder) = it.record.envelope.holder.clone()
            && holder != self.driver.me()
        {
            let text = format!("waits until {holder} is known to be gone");
            self.driver.report(&Progress::note(text));
            // Long enough for a lease that was just renewed to lapse, and be seen to.
            let patience = self.driver.ports.liveness.time_to_live() * 2;
            tokio::select! {
                biased;
                () = driver.await_gone(&holder, Duration::ZERO) => {}
                () = self.driver.ports.clock.sleep(patience) => {
                    return Err(busy_because(&it.record, format!("{holder} drives it and lives")));
                }
            }
            it = held(driver.load().await?)?;
            if matches!(it.record.next(), Next::Finish(_)) {
                return Err(self.over(&it.record).await);
            }
        }
        let resume = EventKind::Resume { actor: self.actor.clone() };
        let taken = driver.take_over(it, Some(resume)).await?;
        driver.drive(taken).await
    }

    /// There is nothing to go on with. Whoever ended the release may have died before it was in
    /// the history.
    async fn over(&self, record: &Record) -> OperationError {
        self.driver.finish(record).await;
        OperationError::NoRelease
    }

    /// Finishes what a failed release left, and refuses while one is under way.
    async fn clear(&self) -> Result<Option<Stored>, OperationError> {
        let Some(stored) = self.operations().stored().await? else { return Ok(None) };
        let it = match &stored.document {
            Document::Newer { format, .. } => {
                return Err(OperationError::Newer { format: *format });
            }
            Document::Current(record) => {
                Held { record: record.clone(), revision: stored.revision.clone() }
            }
        };
        match it.record.phase.name() {
            PhaseName::Done => return Ok(Some(stored)),
            PhaseName::KeepingFailed => {}
            _ => return Err(self.driver.busy(&it.record).await),
        }
        let note = format!("{} begins another release", self.actor);
        // It goes back, other than what comes after it.
        let driver = self.driver.afresh();
        let taken = driver.take_over(it, Some(EventKind::Kept { note })).await?;
        // One that is stuck is not over: the next release would write over what it left.
        if let Outcome::Stuck { stuck } = driver.drive(taken).await? {
            return Err(OperationError::Stuck { stuck });
        }
        self.operations().stored().await
    }

    async fn first_save(
        &self,
        record: Record,
        last: Option<Stored>,
    ) -> Result<Held, OperationError> {
        let before = last.as_ref().and_then(|stored| stored.document.current());
        self.driver.announce_after(before, record.plan.call).await?;
        let document = Document::Current(record.clone());
        let expected = last.map(|stored| stored.revision);
        let saving = self.driver.ports.store.save(&document, expected);
        let error = match self.driver.bounded("save the record", call(), saving).await {
            Ok(revision) => return Ok(Held { record, revision }),
            Err(error) => error,
        };
        if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::Unknown) {
            let stored = match self.driver.load().await {
                // It may still arrive: that its outcome is not known is what there is to say.
                Err(missing) if missing.kind() == ErrorKind::NotFound => return Err(error.into()),
                stored => stored?,
            };
            if stored.document == document {
                return Ok(Held { record, revision: stored.revision });
            }
            let other = held(stored)?;
            return Err(self.driver.busy(&other.record).await);
        }
        Err(OperationError::Port(error))
    }

    fn same_validators(&self, record: &Record) -> Result<(), OperationError> {
        if record.phase.name().is_backward() || record.phase.is_proven() {
            return Ok(());
        }
        let it = &self.driver.validators;
        let refs = |all: &[Arc<dyn Validator>]| -> Vec<ValidatorRef> {
            all.iter().map(|it| ValidatorRef::of(it.as_ref())).collect()
        };
        let warm_up: Vec<_> = it.warm_up.iter().cloned().collect();
        // Each by its task: a gate does not watch what a guard would.
        let tasks = [
            (&record.gates[..], refs(&it.gates)),
            (&record.guards[..], refs(&it.guards)),
            (record.warm_up.as_slice(), refs(&warm_up)),
        ];
        let missing = tasks.iter().flat_map(|(named, here)| {
            named.iter().filter(|named| !here.contains(named)).map(|named| named.name.clone())
        });
        let names: Vec<String> = missing.collect();
        if names.is_empty() { Ok(()) } else { Err(OperationError::OtherValidators { names }) }
    }
}

/// Nobody would let a release pass a barrier that belongs to no group.
fn without_group(plan: &Plan, group: Option<&Membership>) -> Vec<Problem> {
    let barriers = plan.barriers.iter().filter(|_| group.is_none());
    let problems = barriers.map(|barrier| {
        Problem::new("plan-barrier", format!("plan, barrier {}", barrier.name))
            .found("a release that is of no group")
            .wanted("none, or a `Group`, which sets its barriers itself")
    });
    problems.collect()
}
