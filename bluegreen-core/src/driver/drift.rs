//! What others write meanwhile to what the release works on, and who they are.
//!
//! The routing is watched here in every phase that waits, and the candidate in those that do not
//! watch it themselves. A watch may be behind, so nobody is accused before it was read again.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::Driver;
use crate::plan::OnDrift;
use crate::release::{Drift, Drifted, EventKind};
use crate::{
    Configuration, ErrorKind, Observed, PhaseName, Progress, Record, Result, Revision, Routing,
    Slot, SlotState, Stored, Timestamp,
};

/// How long it is tried to find out who it was. Not knowing does not stop anything.
const ASKING: Duration = Duration::from_secs(1);

/// Something that is waited for, and can be left and gone on with.
pub(super) type Waiting<T> = Pin<Box<dyn Future<Output = Result<T>> + Send>>;

/// The watch of a routing, kept from phase to phase for as long as that is the right one.
#[derive(Default)]
pub(super) struct RoutingWatch(Option<Kept>);

struct Kept {
    known: Routing,
    begun: Timestamp,
    waiting: Waiting<Observed>,
}

impl Driver {
    /// Returns once somebody else has written to the routing or the candidate.
    pub(super) async fn drifted(&self, record: &Record, routing: &mut RoutingWatch) -> EventKind {
        let mut pause = self.pauses();
        loop {
            let drift = tokio::select! {
                biased;
                drift = self.routing_drift(record, routing) => drift,
                drift = self.candidate_drift(record) => drift,
            };
            match drift {
                Ok(drift) => return Box::pin(self.named(record, drift)).await,
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    return EventKind::Failed { message: error.chain() };
                }
                // Who waits beside this tells of it.
                Err(_) => self.ports.clock.sleep(pause.next()).await,
            }
        }
    }

    async fn routing_drift(&self, record: &Record, watch: &mut RoutingWatch) -> Result<Drift> {
        // Where a step may have been written and not yet saved, both of its ends are right.
        // Where no way leads back, nothing would come of it.
        if record.phase.name() == PhaseName::Shifting || record.phase.is_past_return() {
            std::future::pending::<()>().await;
        }
        let wanted = &record.envelope.routing;
        loop {
            watch.0.take_if(|kept| kept.known != *wanted);
            let kept = watch.0.get_or_insert_with(|| {
                let known = Observed::routed(wanted.clone(), record.envelope.epoch);
                let switch = self.ports.switch.clone();
                let waiting = Box::pin(async move { switch.watch(&known).await });
                Kept { known: wanted.clone(), begun: self.now(), waiting }
            });
            let left = self.ports.trust.saturating_sub(self.now().since(kept.begun));
            let seen = tokio::select! {
                biased;
                seen = &mut kept.waiting => Some(seen),
                () = self.ports.clock.sleep(left) => None,
            };
            watch.0 = None;
            let seen = seen.transpose()?;
            let observing = self.ports.switch.observe();
            let call = record.plan.call;
            let read = "observe the routing";
            let observed = match &seen {
                // A way back may wait for it.
                Some(it) if moved(record, it).is_some() => {
                    Box::pin(self.bounded_read_unqueued(read, call, observing)).await
                }
                _ => Box::pin(self.bounded_read(read, call, observing)).await,
            };
            let observed = match observed {
                // What the watch has seen to be gone is gone.
                Err(error) if error.kind() == ErrorKind::NotFound => seen.ok_or(error)?,
                result => result?,
            };
            if let Some(drift) = moved(record, &observed) {
                return Ok(drift);
            }
        }
    }

    /// Of a candidate that the phase itself does not watch.
    async fn candidate_drift(&self, record: &Record) -> Result<Drift> {
        let is_ours = matches!(
            record.phase.name(),
            PhaseName::WarmingUp
                | PhaseName::Validating
                | PhaseName::AwaitingApproval
                | PhaseName::AwaitingGroup
                | PhaseName::Frozen
                | PhaseName::Draining
                | PhaseName::RunningHook
        );
        if !is_ours || record.phase.is_past_return() {
            std::future::pending::<()>().await;
        }
        let slot = self.ports.slots.of(record.candidate_color());
        // Differs from every state that there can be.
        let mut known = SlotState::new(slot.color(), "", Configuration::new([].into()));
        loop {
            known = slot.watch(&known).await?;
            if differs(record, &known).is_none() {
                continue;
            }
            let reading = slot.state();
            let call = record.plan.call;
            let now = self.bounded_read_unqueued("read the candidate's slot", call, reading);
            let now = Box::pin(now).await?;
            if let Some(drift) = differs(record, &now) {
                return Ok(drift);
            }
        }
    }

    /// The event of a drift, with the name of whoever did it.
    pub(super) async fn named(&self, record: &Record, mut drift: Drift) -> EventKind {
        let slot = self.ports.slots.of(record.candidate_color());
        let asking = async {
            match drift.what {
                Drifted::Routing(_) => self.ports.switch.author().await,
                Drifted::Candidate(_) | Drifted::Size(_) => slot.author().await,
                Drifted::Record => Ok(None),
            }
        };
        let asked = self.bounded_read_unqueued("ask who else wrote", ASKING, asking).await;
        drift.by = drift.by.or(asked.ok().flatten());
        EventKind::Drifted { drift }
    }

    /// Tells of a drift once it is stored. Where it is not, what looked like one was the work of
    /// another process, which has taken over.
    pub(super) fn tell(&self, drift: Option<String>, record: &Record) {
        let is_stored = |what: &String| record.trail.iter().any(|entry| entry.what == *what);
        if let Some(what) = drift.filter(is_stored) {
            self.report(&Progress::note(what));
        }
    }

    /// Whether the record that was `found` in place of the one at hand was written by somebody who
    /// should not, with the token to replace it.
    ///
    /// A record that cannot be read is nobody's who should. One that can be is taken over where
    /// the plan says so.
    pub(super) async fn foreign_record(
        &self,
        record: &Record,
        known: &Revision,
        found: &Result<Option<Stored>>,
    ) -> Option<(Drift, Revision)> {
        let unreadable = match found {
            Ok(Some(_)) => None,
            Err(error) if error.kind() == ErrorKind::Rejected => Some(error.chain()),
            Ok(None) | Err(_) => return None,
        };
        let is_mine = record.envelope.holder.as_ref() == Some(&self.me());
        if !is_mine || (unreadable.is_none() && record.plan.on_drift == OnDrift::Accept) {
            return None;
        }
        let asking = self.ports.store.written();
        let call = record.plan.call;
        let asking = self.bounded_read_unqueued("ask who wrote the record", call, asking);
        let written = asking.await.ok()??;
        if written.revision == *known || (written.by.is_none() && unreadable.is_none()) {
            return None;
        }
        let found = unreadable.unwrap_or_else(|| "another record".to_owned());
        let mut drift = Drift::new(Drifted::Record, found, "what this process had stored");
        drift.by = written.by;
        Some((drift, written.revision))
    }
}

/// What a drift is told as.
pub(super) fn told(kind: &EventKind) -> Option<String> {
    match kind {
        EventKind::Drifted { drift } => Some(drift.to_string()),
        _ => None,
    }
}

/// The next state of a slot that differs from `known`.
pub(super) fn next_state(slot: &Arc<dyn Slot>, known: SlotState) -> Waiting<SlotState> {
    let slot = slot.clone();
    Box::pin(async move { slot.watch(&known).await })
}

/// Traffic does not go where the release has sent it.
pub(super) fn moved(record: &Record, observed: &Observed) -> Option<Drift> {
    let wanted = &record.envelope.routing;
    let found = observed.routing();
    (found != Some(wanted)).then(|| {
        let what = Drifted::Routing(found.cloned());
        Drift::new(what, observed.state.to_string(), wanted.to_string())
    })
}

/// The candidate is not what the gates judged, or has been made smaller.
pub(super) fn differs(record: &Record, candidate: &SlotState) -> Option<Drift> {
    if let Some(judged) = &record.candidate {
        let found = candidate.binding();
        let is_same = found.uid == judged.uid
            && found.template_hash == judged.template_hash
            && found.digest == judged.digest;
        if !is_same {
            let text = |it: &crate::Binding| format!("template {}", it.template_hash);
            let (found_text, wanted) = (text(&found), text(judged));
            return Some(Drift::new(Drifted::Candidate(Box::new(found)), found_text, wanted));
        }
    }
    let (found, deployed) = (candidate.replicas.wanted, record.replicas?);
    (found < deployed).then(|| {
        let text = |count| format!("{count} replicas");
        Drift::new(Drifted::Size(found), text(found), text(deployed))
    })
}
