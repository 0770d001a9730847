//! Guards look while traffic is on the candidate: at intervals, and whenever its pods change.

use std::time::Duration;

use super::Driver;
use super::ahead::Ahead;
use super::judge::{Memory, told};
use crate::plan::OnDrift;
use crate::release::{EventKind, Look};
use crate::{Observed, Phase, PhaseName, Record, Result, Routing, SlotState, Timestamp, Verdict};

/// How soon guards look again when pods are missing.
const SOON: Duration = Duration::from_secs(1);

/// For how long a watch that says nothing is believed. A connection can be dead without a word.
const TRUST: Duration = crate::clock::minutes(1);

/// For how long guards look at least after nothing could be seen. Whoever tells how the pods fare
/// may have been cut off too, and tells a little later what happened meanwhile.
const CATCH_UP: Duration = Duration::from_secs(15);

/// What ended a wait.
enum Change {
    Pods(SlotState),
    Routing(Observed),
    /// Nothing did, for so long or at such a moment that everything is read again.
    Unknown,
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
        loop {
            match self.try_hold(record, until, ahead.take(), &mut memory).await {
                Ok(event) => return event,
                Err(error) if error.kind() == crate::ErrorKind::NotFound => {
                    return EventKind::Failed { message: error.chain() };
                }
                // Nothing can be seen: neither good nor bad. The hold goes on.
                Err(error) => {
                    self.pause(&mut super::tries::Pause::default(), &error).await;
                    until = until.max(self.now().plus(CATCH_UP));
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
        let ahead = self.ahead_or_now(record, ahead).await?;
        let (mut candidate, live, mut observed) = (ahead.candidate, ahead.live, ahead.observed);
        let mut fresh = true;
        loop {
            let begun = self.now();
            let changed = {
                let slot = self.ports.slots.of(record.candidate_color());
                // Both live as long as nothing changes: while holding, waiting costs no calls.
                let mut pods = slot.watch(&candidate);
                let mut routing = self.ports.switch.watch(&observed);
                loop {
                    if let Some(event) = drifted(record, &observed) {
                        return Ok(event);
                    }
                    let looking = self.look_round(record, &candidate, &live, memory);
                    let (look, soon) = looking.await?;
                    let now = self.now();
                    let over = now >= until && record.paused.is_none();
                    // A hold does not end well on what was seen some time ago.
                    if over && look.failed.is_none() && !fresh {
                        break Change::Unknown;
                    }
                    if look.failed.is_some() || look.winner.is_some() || over {
                        if over && look.failed.is_none() && look.undecided.is_some() {
                            // Extended: to look again at once would only say the same again.
                            self.ports.clock.sleep(SOON.min(record.plan.look)).await;
                        }
                        return Ok(EventKind::Looked { look });
                    }
                    if now.since(begun) >= TRUST {
                        break Change::Unknown;
                    }
                    let pause = if soon { SOON.min(record.plan.look) } else { record.plan.look };
                    let paused = record.paused.is_some();
                    let next = if paused { pause } else { pause.min(until.since(now)) };
                    tokio::select! {
                        biased;
                        state = &mut pods => break Change::Pods(state?),
                        state = &mut routing => break Change::Routing(state?),
                        () = self.ports.clock.sleep(next) => fresh = false,
                    }
                }
            };
            fresh = matches!(changed, Change::Unknown);
            match changed {
                Change::Pods(state) => candidate = state,
                Change::Routing(state) => observed = state,
                Change::Unknown => {
                    let call = record.plan.call;
                    let slot = self.ports.slots.of(record.candidate_color());
                    let (state, routing) = tokio::join!(
                        self.bounded_read("read the candidate's slot", call, slot.state()),
                        self.bounded_read("observe the routing", call, self.ports.switch.observe()),
                    );
                    (candidate, observed) = (state?, routing?);
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
            match judgement.verdict {
                Verdict::Pass => {}
                Verdict::Fail => look.failed = look.failed.or(Some(message)),
                Verdict::Inconclusive => {
                    soon |= pods;
                    look.undecided = look.undecided.or(Some(message));
                }
            }
            let primary = record.plan.experiment.as_ref().and_then(|it| it.primary.as_deref());
            if record.phase.name() == PhaseName::Holding && primary == Some(guard.name()) {
                look.winner = judgement.winner;
            }
            if look.failed.is_some() {
                break;
            }
        }
        Ok((look, soon))
    }
}

/// What a routing leads to that is not the one that the release made.
fn drifted(record: &Record, observed: &Observed) -> Option<EventKind> {
    if observed.routing() == Some(&record.envelope.routing) {
        return None;
    }
    let found = observed.state.to_string();
    if observed.routing() == Some(&Routing::all(record.envelope.live)) {
        return Some(EventKind::MovedBack { found });
    }
    let message = format!("found {found}, wanted {}", record.envelope.routing);
    Some(match record.plan.on_drift {
        OnDrift::Return => EventKind::Failed { message },
        OnDrift::Hold => EventKind::Stuck {
            message,
            advice: "put the routing back and `resume`, or `rollback`".to_owned(),
        },
    })
}
