//! The candidate is written to the idle slot, and its pods start.

use std::fmt::Write as _;

use super::Driver;
use super::ahead::{Ahead, Seen};
use super::drift::differs;
use crate::release::{Drift, Drifted, EventKind};
use crate::{Color, ErrorKind, Record, Result, Share, SlotState, Timestamp};

impl Driver {
    /// Both slots as they are now.
    pub(super) async fn states(&self, record: &Record) -> Result<(SlotState, SlotState)> {
        let call = record.plan.call;
        let candidate = self.ports.slots.of(record.candidate_color());
        let live = self.ports.slots.of(record.envelope.live);
        let (candidate, live) = tokio::join!(
            self.bounded_read("read the candidate's slot", call, candidate.state()),
            self.bounded_read("read the live slot", call, live.state()),
        );
        Ok((candidate?, live?))
    }

    pub(super) async fn deploy(&self, record: &Record, mut ahead: Option<Ahead>) -> EventKind {
        let deadline = record.last_instant();
        match self.tried(deadline, || self.try_deploy(record, ahead.take())).await {
            Ok(event) => event,
            Err(error) => EventKind::Failed { message: error.chain() },
        }
    }

    async fn try_deploy(&self, record: &Record, ahead: Option<Ahead>) -> Result<EventKind> {
        let (call, epoch) = (record.plan.call, record.envelope.epoch);
        let color = record.candidate_color();
        let observing = self.ports.switch.observe();
        // Where traffic goes is always read after the fence: nobody moves it from then on.
        let (states, observed) = tokio::join!(
            self.states_or_now(record, ahead),
            self.bounded_read("observe the routing", call, observing)
        );
        let ((candidate, live), observed) = (states?, observed?);
        // The slot must not be written to while any traffic is its.
        match observed.routing() {
            Some(routing) if routing.share_of(color) == Share::NONE => {}
            _ => {
                return Ok(EventKind::Stuck {
                    message: format!("{color} has traffic: found {}", observed.state),
                    advice: "move traffic back by hand and `resume`, or `abort`".to_owned(),
                });
            }
        }
        let written = candidate.digest() == record.change.digest;
        let change =
            record.change.clone().completed_from(&candidate.running).completed_from(&live.running);
        if !change.is_complete() && !written {
            return Ok(EventKind::Failed {
                message: "the values of some environment variables were given to a process that \
                          ended before they were written; they are not stored: start again"
                    .to_owned(),
            });
        }
        let replicas = wanted(&live).saturating_add(record.plan.headroom);
        let slot = self.ports.slots.of(color);
        let peer = self.ports.slots.of(color.other());
        let preparing = self.ports.switch.prepare(color, epoch);
        let (prepared, mine, other) = tokio::join!(
            self.bounded("prepare the switch", call, preparing),
            self.bounded("freeze the candidate's autoscaler", call, slot.freeze(epoch)),
            self.bounded("freeze the live autoscaler", call, peer.freeze(epoch)),
        );
        prepared.and(mine).and(other)?;
        self.bounded("deploy", call, slot.deploy(&change, replicas, epoch)).await?;
        Ok(EventKind::Deployed { replicas })
    }

    pub(super) async fn await_ready(
        &self,
        record: &Record,
        deadline: Option<Timestamp>,
    ) -> (EventKind, Seen) {
        let deadline = deadline.unwrap_or_else(|| record.last_instant());
        let color = record.candidate_color();
        let waiting = self.tried(deadline, || self.try_ready(record, color));
        let message = tokio::select! {
            biased;
            result = waiting => match result {
                Ok(seen) => return seen,
                Err(error) => error.chain(),
            },
            () = self.sleep_until(deadline) => format!(
                "the pods of {color} were not ready by {deadline}{}",
                self.laggard(record, color).await
            ),
        };
        (EventKind::Failed { message }, Seen::Nothing)
    }

    /// How many pods of a slot are ready, and what the first of the others says; nothing when
    /// that cannot be read.
    async fn laggard(&self, record: &Record, color: Color) -> String {
        let reading = self.ports.slots.of(color).state();
        let reading = self.bounded_read("read the candidate's slot", record.plan.call, reading);
        let Ok(state) = reading.await else { return String::new() };
        let numbers = state.replicas;
        let mut text = format!(": found {} of {} ready", numbers.ready, numbers.wanted);
        let lagging = || state.pods.iter().filter(|pod| !pod.ready);
        // One that says why tells more than one that is only late.
        let told = lagging().find(|pod| pod.trouble.is_some()).or_else(|| lagging().next());
        if let Some(pod) = told {
            let why = pod.trouble.as_deref().unwrap_or("not ready");
            // Writing to a String cannot fail.
            let _ = write!(text, "; pod {}: {why}", pod.name);
        }
        text
    }

    async fn try_ready(&self, record: &Record, color: Color) -> Result<(EventKind, Seen)> {
        let slot = self.ports.slots.of(color);
        let (state, is_ready) = match slot.await_ready().await {
            // Somebody else has changed what was waited for.
            Err(error) if error.kind() == ErrorKind::Conflict => (slot.state().await?, false),
            result => (result?, true),
        };
        if let Some(drift) = not_deployed(record, &state) {
            return Ok((self.named(record, drift).await, Seen::Nothing));
        }
        if !is_ready {
            return Err(crate::Error::new(ErrorKind::Conflict, format!("roll out slot {color}"))
                .with_source("someone else changes it again and again"));
        }
        Ok((EventKind::Ready { binding: state.binding() }, Seen::Candidate(Box::new(state))))
    }

    /// Raises the candidate to what live serves with now, if it has fewer, and waits for it. Says
    /// whether it had to.
    pub(super) async fn raise(
        &self,
        record: &Record,
        candidate: &SlotState,
        live: &SlotState,
    ) -> Result<bool> {
        let needed = live.replicas.serving.max(1);
        if candidate.replicas.ready >= needed {
            return Ok(false);
        }
        let color = record.candidate_color();
        let slot = self.ports.slots.of(color);
        if candidate.replicas.wanted < needed {
            let scaling = slot.scale(needed, record.envelope.epoch);
            self.bounded("raise the candidate's size", record.plan.call, scaling).await?;
        }
        let (limit, waiting) = (record.plan.gates, slot.await_ready());
        let action = format!("wait for {needed} ready pods of {color}");
        let state = match self.bounded_read_unqueued(&action, limit, waiting).await {
            Err(error) if error.kind() == ErrorKind::Unavailable => {
                let found = self.laggard(record, color).await;
                return Err(error.with_source(format!("not in {limit:?}{found}")));
            }
            result => result?,
        };
        if state.replicas.ready < needed {
            return Err(crate::Error::new(ErrorKind::Conflict, "raise the candidate's size")
                .with_source(format!("{} pods ready, {needed} needed", state.replicas.ready)));
        }
        Ok(true)
    }
}

/// What pods are made from is not what was deployed, or there should be fewer of them.
fn not_deployed(record: &Record, found: &SlotState) -> Option<Drift> {
    let text = |digest: &crate::Digest| format!("configuration {}", digest.short());
    if found.digest() == record.change.digest {
        return differs(record, found);
    }
    let what = Drifted::Candidate(Box::new(found.binding()));
    Some(Drift::new(what, text(&found.digest()), text(&record.change.digest)))
}

/// How many pods the candidate gets: as many as live has, or should have.
pub(super) fn wanted(live: &SlotState) -> u32 {
    live.replicas.wanted.max(live.replicas.serving).max(1)
}
