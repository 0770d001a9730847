//! Guards look while traffic is on the candidate: at intervals, and whenever its pods change.

use std::time::Duration;

use super::Driver;
use super::ahead::Ahead;
use super::drift::{Waiting, differs, moved, next_state};
use super::judge::{Memory, told};
use crate::plan::{Step, Until};
use crate::release::{Drift, EventKind, Look};
use crate::{Phase, Record, Result, SlotState, Timestamp, Verdict, Winner};

/// How soon guards look again when pods are missing.
const SOON: Duration = Duration::from_secs(1);

/// For how long guards look at least after nothing could be seen. Whoever tells how the pods fare
/// may have been cut off too, and tells a little later what happened meanwhile.
const CATCH_UP: Duration = Duration::from_secs(15);

/// What came of a look.
enum Looked {
    /// All guards looked; whether they should again soon, and how the candidate is by now if it has
    /// changed meanwhile.
    All { look: Look, soon: bool, newer: Option<SlotState> },
    /// Somebody else has written to the candidate.
    Drifted(Drift),
}

impl Driver {
    pub(super) async fn hold(
        &self,
        record: &Record,
        mut until: Timestamp,
        mut ahead: Option<Ahead>,
    ) -> EventKind {
        // What was read ahead came with the step, so no look was taken in it yet; and before the
        // first step there was none. Later steps go on with the tests of the first.
        let is_first =
            record.plan.steps.len() == 1 || matches!(record.phase, Phase::Holding { step: 0, .. });
        let mut memory = Memory::new(ahead.is_some() && is_first);
        let (mut pause, mut failed) = (self.pauses(), self.now());
        loop {
            match self.try_hold(record, until, ahead.take(), &mut memory).await {
                Ok(event) => return event,
                Err(error) if error.kind() == crate::ErrorKind::NotFound => {
                    return EventKind::Failed { message: error.chain() };
                }
                // Nothing can be seen: neither good nor bad. The hold goes on.
                Err(error) => {
                    if self.now().since(failed) > CATCH_UP {
                        pause = self.pauses();
                    }
                    self.pause(&mut pause, &error).await;
                    failed = self.now();
                    until = until.max(failed.plus(CATCH_UP));
                }
            }
        }
    }

    async fn try_hold(
        &self,
        record: &Record,
        until: Timestamp,
        ahead: Option<Ahead>,
        memory: &mut Memory,
    ) -> Result<EventKind> {
        let slot = self.ports.slots.of(record.candidate_color());
        let ahead = Box::pin(self.ahead_or_now(record, ahead)).await?;
        let (mut candidate, mut live, mut observed) = (ahead.candidate, ahead.live, ahead.observed);
        loop {
            if let Some(drift) = moved(record, &observed).or_else(|| differs(record, &candidate)) {
                return Ok(Box::pin(self.named(record, drift)).await);
            }
            let (begun, mut fresh) = (self.now(), true);
            // Lives as long as nothing has to be read again: while holding, waiting costs no calls.
            let mut pods = next_state(slot, candidate.clone());
            loop {
                let newer;
                // On the heap, as all that is not there while a hold waits for its next look.
                let looking = Box::pin(self.look_round(record, &candidate, &live, memory));
                let looked = self.look_beside(record, looking, &mut pods).await?;
                let (look, soon) = match looked {
                    Looked::Drifted(drift) => return Ok(Box::pin(self.named(record, drift)).await),
                    Looked::All { look, soon, newer: seen } => {
                        newer = seen;
                        (look, soon)
                    }
                };
                let now = self.now();
                let over = now >= until && record.paused.is_none();
                // A hold does not end well on what was seen some time ago.
                if (over || look.winner.is_some()) && look.failed.is_none() && !fresh {
                    break;
                }
                if look.failed.is_some() || look.winner.is_some() || over {
                    if over && look.failed.is_none() && look.undecided.is_some() {
                        // Extended: to look again at once would only say the same again.
                        self.ports.clock.sleep(SOON.min(record.plan.look)).await;
                    }
                    return Ok(EventKind::Looked { look });
                }
                if now.since(begun) >= self.ports.trust {
                    break;
                }
                fresh = false;
                if let Some(state) = newer {
                    candidate = state;
                    continue;
                }
                let pause = if soon { SOON.min(record.plan.look) } else { record.plan.look };
                let paused = record.paused.is_some();
                let next = if paused { pause } else { pause.min(until.since(now)) };
                tokio::select! {
                    biased;
                    state = &mut pods => {
                        candidate = state?;
                        if let Some(drift) = differs(record, &candidate) {
                            return Ok(Box::pin(self.named(record, drift)).await);
                        }
                        pods = next_state(slot, candidate.clone());
                    }
                    () = self.ports.clock.sleep(next) => {}
                }
            }
            // Of two versions that are compared the other one may be changed, too. Nobody else has to
            // read the slot that has lost its traffic, which may be gone.
            if is_deciding(record) {
                let read = Box::pin(self.read_ahead(record)).await?;
                (candidate, live, observed) = (read.candidate, read.live, read.observed);
                continue;
            }
            let call = record.plan.call;
            let reading = async {
                tokio::join!(
                    self.bounded_read("read the candidate's slot", call, slot.state()),
                    self.bounded_read("observe the routing", call, self.ports.switch.observe()),
                )
            };
            let (state, routing) = Box::pin(reading).await;
            (candidate, observed) = (state?, routing?);
        }
    }

    /// Guards may take their time, and meanwhile somebody may write to what they look at.
    async fn look_beside(
        &self,
        record: &Record,
        mut looking: impl Future<Output = Result<(Look, bool)>> + Send + Unpin,
        pods: &mut Waiting<SlotState>,
    ) -> Result<Looked> {
        let slot = self.ports.slots.of(record.candidate_color());
        let mut newer = None;
        loop {
            tokio::select! {
                biased;
                look = &mut looking => {
                    let (look, soon) = look?;
                    return Ok(Looked::All { look, soon, newer });
                }
                state = &mut *pods => {
                    let state = state?;
                    if let Some(drift) = differs(record, &state) {
                        return Ok(Looked::Drifted(drift));
                    }
                    *pods = next_state(slot, state.clone());
                    newer = Some(state);
                }
            }
        }
    }

    /// One look of every guard. Says also whether the next one should come soon.
    async fn look_round(
        &self,
        record: &Record,
        candidate: &SlotState,
        live: &SlotState,
        memory: &mut Memory,
    ) -> Result<(Look, bool)> {
        let mut look = Look::default();
        let mut soon = false;
        let deadline = self.now().plus(record.plan.gates);
        for guard in &self.validators.guards {
            let name = format!("guard-{}", guard.name());
            let sides = (candidate, live);
            let judgement = self.look(record, guard, &name, sides, deadline, memory).await?;
            let message = format!("guard {}: {}", guard.name(), told(&judgement));
            let pods = guard.name() == crate::POD_HEALTH;
            let decides = is_deciding(record) && is_primary(record, guard.name());
            // To promote takes a verdict that says the same.
            let concluded = judgement.winner.filter(|winner| {
                decides && (*winner == Winner::Live || judgement.verdict == Verdict::Pass)
            });
            match judgement.verdict {
                Verdict::Pass => {}
                // The loser of an experiment has not failed.
                Verdict::Fail if concluded.is_some() => {}
                Verdict::Fail => look.failed = look.failed.or(Some(message)),
                // Somebody has promoted what was not decided, and now there is nothing to compare.
                Verdict::Inconclusive if is_over(record, guard.name()) => {}
                Verdict::Inconclusive => {
                    soon |= pods;
                    look.undecided = look.undecided.or(Some(message));
                }
            }
            // What is paused is concluded later, and until then there is nothing to tell at once.
            if record.paused.is_none() {
                look.winner = look.winner.or(concluded);
            }
            if look.failed.is_some() {
                break;
            }
        }
        Ok((look, soon))
    }
}

/// Whether this step lasts until an experiment is decided.
fn is_deciding(record: &Record) -> bool {
    let Phase::Holding { step, .. } = &record.phase else { return false };
    record.plan.steps.get(*step).is_some_and(is_decided)
}

fn is_decided(step: &Step) -> bool {
    matches!(step.until, Until::Decided { .. })
}

/// Whether this guard is of an experiment whose steps are over.
fn is_over(record: &Record, guard: &str) -> bool {
    let last = record.plan.steps.iter().rposition(is_decided);
    let is_after = |last: usize| match &record.phase {
        Phase::Frozen { step, .. } | Phase::Holding { step, .. } => *step > last,
        phase => matches!(phase, Phase::Baking { .. }),
    };
    last.is_some_and(is_after) && is_primary(record, guard)
}

fn is_primary(record: &Record, guard: &str) -> bool {
    record.plan.experiment.as_ref().and_then(|it| it.primary.as_deref()) == Some(guard)
}
