//! Guards look while traffic is on the candidate: at intervals, and whenever its pods change.

use std::time::Duration;

use super::Driver;
use super::judge::told;
use crate::plan::OnDrift;
use crate::release::{EventKind, Look};
use crate::{Observed, PhaseName, Record, Result, Routing, SlotState, Timestamp, Verdict};

/// How soon guards look again when pods are missing.
const SOON: Duration = Duration::from_secs(1);

impl Driver {
    pub(super) async fn hold(&self, record: &Record, until: Timestamp) -> EventKind {
        loop {
            match self.try_hold(record, until).await {
                Ok(event) => return event,
                Err(error) if error.kind() == crate::ErrorKind::NotFound => {
                    return EventKind::Failed { message: error.chain() };
                }
                // Nothing can be seen: neither good nor bad. The hold goes on.
                Err(error) => self.pause(&mut super::tries::Pause::default(), &error).await,
            }
        }
    }

    async fn try_hold(&self, record: &Record, until: Timestamp) -> Result<EventKind> {
        let call = record.plan.call;
        let observing = self.ports.switch.observe();
        let (states, observed) = tokio::join!(
            self.states(record),
            self.bounded_read("observe the routing", call, observing)
        );
        let ((mut candidate, live), mut observed) = (states?, observed?);
        loop {
            if let Some(event) = drifted(record, &observed) {
                return Ok(event);
            }
            let (look, soon) = self.look_round(record, &candidate, &live).await?;
            let now = self.now();
            let over = now >= until && record.paused.is_none();
            if look.failed.is_some() || look.winner.is_some() || over {
                if over && look.failed.is_none() && look.undecided.is_some() {
                    // An extension: looking again at once would only write the same again.
                    self.ports.clock.sleep(SOON.min(record.plan.look)).await;
                }
                return Ok(EventKind::Looked { look });
            }
            let pause = if soon { SOON.min(record.plan.look) } else { record.plan.look };
            let next = if record.paused.is_some() { pause } else { pause.min(until.since(now)) };
            let slot = self.ports.slots.of(record.candidate_color());
            tokio::select! {
                state = slot.watch(&candidate) => candidate = state?,
                routing = self.ports.switch.watch(&observed) => observed = routing?,
                () = self.ports.clock.sleep(next) => {
                    let state = slot.state();
                    candidate = self.bounded_read("read the candidate's slot", call, state).await?;
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
    ) -> Result<(Look, bool)> {
        let mut look = Look::default();
        let mut soon = false;
        let deadline = self.now().plus(record.plan.gates);
        for guard in &self.validators.guards {
            let name = format!("guard-{}", guard.name());
            let judgement = self.look(record, guard, &name, candidate, live, deadline).await?;
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
    let found = format!("{:?}", observed.state);
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
