//! A slot without traffic ends the work it has in hand, and is made smaller.

use std::time::Duration;

use super::Driver;
use crate::plan::OnExpiry;
use crate::release::EventKind;
use crate::{
    Color, DrainOutcome, ErrorKind, Load, Plan, Problem, Progress, Record, Result, Timestamp,
};

mod leave;
mod quiet;
mod unpin;

use leave::Failures;
use quiet::{Quiet, Told};

/// How often work in hand is counted. The end of the last stream is seen half of that later.
const PACE: Duration = Duration::from_millis(500);

/// What the report says of work that does not end and is not waited for any longer.
const CUT: &str = ": what is left is cut off";

/// How a drain ended.
struct Drained {
    /// What is known, or was waited for.
    note: String,
    /// What went wrong on the way, which may be long.
    details: Vec<String>,
    /// The time was over first.
    expired: bool,
    /// Something counted the work in hand.
    measured: bool,
}

impl Drained {
    fn new(note: String) -> Self {
        Self { note, details: Vec::new(), expired: false, measured: true }
    }

    /// How it ended, where work that has not ended in time is dealt with like that.
    fn outcome(&self, of_the_rest: DrainOutcome) -> DrainOutcome {
        match (self.expired, self.measured) {
            (true, _) => of_the_rest,
            (false, true) => DrainOutcome::Quiet,
            (false, false) => DrainOutcome::Unmeasured,
        }
    }

    /// All of it, with what becomes of work that has not ended. What matters comes first, because
    /// the record cuts what is long.
    fn told(self, of_the_rest: &str) -> String {
        let mut told = self.note;
        if self.expired {
            told.push_str(of_the_rest);
        }
        if !self.details.is_empty() {
            told = format!("{told} ({})", self.details.join("; "));
        }
        told
    }
}

impl Driver {
    pub(super) async fn drain(
        &self,
        record: &Record,
        slot: Color,
        deadline: Timestamp,
    ) -> EventKind {
        let drained = self.drained(record, slot, deadline).await;
        let (expired, took) = (drained.expired, self.now().since(record.since));
        let (rest, of_the_rest) = match record.plan.drain.on_expiry {
            OnExpiry::Keep => (DrainOutcome::Kept, ": the slot keeps its size"),
            OnExpiry::Cut => (DrainOutcome::Cut, CUT),
        };
        let outcome = drained.outcome(rest);
        let note = drained.told(of_the_rest);
        self.report(&Progress::Drained { slot, outcome, took, note: note.clone() });
        EventKind::Drained { note, expired }
    }

    /// Keeps a failed candidate to be looked at. Meanwhile it drains: clients that keep their
    /// connections still use it.
    pub(super) async fn keep(&self, record: &Record, until: Timestamp, drain: bool) -> EventKind {
        let slot = record.candidate_color();
        if !drain {
            self.sleep_until(until).await;
            return EventKind::Kept { note: format!("{slot} was kept until {until}") };
        }
        // From when it began and not from now: another process may have waited already.
        let deadline = until.max(record.since.plus(record.plan.drain.max));
        let draining = async {
            let drained = self.drained(record, slot, deadline).await;
            let (outcome, took) =
                (drained.outcome(DrainOutcome::Cut), self.now().since(record.since));
            let note = drained.told(CUT);
            self.report(&Progress::Drained { slot, outcome, took, note: note.clone() });
            note
        };
        let (note, ()) = tokio::join!(draining, self.sleep_until(until));
        EventKind::Kept { note }
    }

    /// Whether the work that live has in hand can be counted, if something is to count it. That it
    /// can't is no reason not to begin: the release may be what brings the metric.
    pub(super) async fn check_load(&self, plan: &Plan, live: Option<Color>) -> Option<Problem> {
        let (load, slot) = (self.ports.load.as_ref()?, live?);
        let counting = load.in_flight(slot);
        let found = match self.bounded_read("count work in hand", plan.call, counting).await {
            Ok(Some(_)) => return None,
            Ok(None) => "nothing that can be measured".to_owned(),
            Err(error) => error.chain(),
        };
        let problem = Problem::new("load-unknown", format!("work in hand of slot {slot}"))
            .found(found)
            .wanted("a number: without one the old slot drains for as long as the plan allows")
            .mend("look at where it is counted");
        Some(problem.warning())
    }

    /// Asks the slot's clients to leave, and waits until it has had nothing in hand for the quiet
    /// period.
    async fn drained(&self, record: &Record, slot: Color, deadline: Timestamp) -> Drained {
        let waiting = async {
            match &self.ports.load {
                Some(load) => self.await_quiet(record, slot, load.as_ref(), deadline).await,
                None => self.wait_it_out(record, slot).await,
            }
        };
        let failures = Failures::default();
        let mut drained = tokio::select! {
            biased;
            drained = waiting => drained,
            never = self.send_away(record, slot, &failures) => match never {},
        };
        drained.details.extend(failures.last());
        drained
    }

    /// Nothing measures work in hand: the quiet period is waited for, from when traffic had left.
    async fn wait_it_out(&self, record: &Record, slot: Color) -> Drained {
        let quiet = record.plan.drain.quiet;
        self.report(&Progress::note(format!(
            "{slot}: nothing measures its work in hand, so {quiet:?} are waited for"
        )));
        self.sleep_until(self.settled_by(record.since).plus(quiet)).await;
        let note = format!("{slot}: nothing measures its work in hand, waited {quiet:?}");
        Drained { measured: false, ..Drained::new(note) }
    }

    async fn await_quiet(
        &self,
        record: &Record,
        slot: Color,
        load: &dyn Load,
        deadline: Timestamp,
    ) -> Drained {
        let wanted = record.plan.drain.quiet;
        let call = record.plan.call;
        let (mut quiet, mut told) = (Quiet::new(PACE + call), Told::default());
        loop {
            let counting = load.in_flight(slot);
            let count = self.bounded_read("count work in hand", call, counting).await;
            let (in_flight, unknown) = match count {
                Ok(count) => (count, None),
                Err(error) => (None, Some(error.chain())),
            };
            let now = self.now();
            // Nodes that were cut off hear of the new endpoints later than others.
            let is_settled = now >= self.settled_by(record.since);
            quiet.saw(in_flight.filter(|count| *count > 0 || is_settled), now);
            if told.is_news(in_flight, now) {
                let unknown = unknown.clone();
                self.report(&Progress::Draining { slot, in_flight, unknown, deadline });
            }
            if quiet.lasted() >= wanted && in_flight == Some(0) {
                return Drained::new(format!("{slot} has had nothing in hand for {wanted:?}"));
            }
            if now >= deadline {
                let found = match in_flight {
                    Some(0) => "had something in hand a moment before".to_owned(),
                    Some(count) => format!("still has {count} in hand"),
                    None => "has in hand what is not known".to_owned(),
                };
                let note = format!("{slot} {found} at {deadline}");
                let details = unknown.into_iter().collect();
                return Drained { note, details, expired: true, measured: true };
            }
            let rest = wanted.saturating_sub(quiet.lasted()).max(Duration::from_millis(1));
            let pause = if in_flight == Some(0) { PACE.min(rest) } else { PACE };
            self.ports.clock.sleep(pause.min(deadline.since(now))).await;
        }
    }

    pub(super) async fn retire(
        &self,
        record: &Record,
        slot: Color,
        replicas: Option<u32>,
    ) -> EventKind {
        let retiring = || self.try_retire(record, slot, replicas);
        match self.until_available(record.plan.call, retiring).await {
            Ok(event) => event,
            Err(error) => EventKind::Stuck {
                message: error.chain(),
                advice: "the candidate is live; mend this and `resume`".to_owned(),
            },
        }
    }

    async fn try_retire(
        &self,
        record: &Record,
        slot: Color,
        replicas: Option<u32>,
    ) -> Result<EventKind> {
        let (call, epoch) = (record.plan.call, record.envelope.epoch);
        let observing = self.ports.switch.observe();
        let observed = self.bounded_read("observe the routing", call, observing).await?;
        if observed.routing().is_none_or(|routing| routing.reaches(slot)) {
            return Ok(EventKind::Stuck {
                message: format!("{slot} has traffic: found {}", observed.state),
                advice: "the slot was not made smaller; put the routing back and `resume`".into(),
            });
        }
        let (old, new) = (self.ports.slots.of(slot), self.ports.slots.of(slot.other()));
        self.bounded("settle the candidate", call, new.commit(epoch)).await?;
        if let Some(replicas) = replicas {
            match self.bounded("scale the old slot", call, old.scale(replicas, epoch)).await {
                Err(error) if error.kind() == ErrorKind::Conflict => {
                    self.bounded("scale the old slot", call, old.scale(replicas, epoch)).await?;
                }
                result => result?,
            }
        }
        let (a, b) = tokio::join!(
            self.bounded("thaw the old slot's autoscaler", call, old.thaw(epoch)),
            self.bounded("thaw the live slot's autoscaler", call, new.thaw(epoch)),
        );
        a.and(b)?;
        Ok(EventKind::Retired)
    }
}
