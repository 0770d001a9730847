//! What was read before an effect, or while the record was saved, for the effect that comes next.

use std::time::Duration;

use super::Driver;
use crate::{Observed, Record, Result, SlotState, Timestamp};

/// For how long what was read ahead is good. A save that took longer was tried again, and the
/// world may have moved on.
const FRESH: Duration = Duration::from_secs(1);

/// Both slots and the routing, as they were a moment ago.
pub(crate) struct Ahead {
    /// When that was.
    pub(super) read: Timestamp,
    /// The candidate's slot.
    pub(super) candidate: SlotState,
    /// The live slot.
    pub(super) live: SlotState,
    /// The routing.
    pub(super) observed: Observed,
    /// Whether the switch strategy knows all ready pods of the candidate.
    pub(super) known: bool,
}

impl Ahead {
    /// Whether it will still be good when the next effect has begun.
    pub(super) fn is_good_at(&self, now: Timestamp) -> bool {
        now.since(self.read) < FRESH / 2
    }
}

/// What was seen while an effect was performed.
pub(super) enum Seen {
    Nothing,
    /// The candidate's slot, just now.
    Candidate(Box<SlotState>),
    /// Everything.
    All(Box<Ahead>),
}

impl Driver {
    /// Finds out while the record is saved whether the switch strategy knows the candidate's pods.
    /// It mostly does by then, and the shift need not ask; where that is not sure within a moment,
    /// the shift asks again and waits.
    pub(super) async fn with_known(&self, record: &Record, mut ahead: Ahead) -> Ahead {
        ahead.known = self.known(record, &ahead.candidate, FRESH / 4).await.is_ok();
        ahead
    }

    /// Reads both slots and the routing.
    pub(super) async fn read_ahead(&self, record: &Record) -> Result<Ahead> {
        let read = self.now();
        let observing = self.ports.switch.observe();
        let (states, observed) = tokio::join!(
            self.states(record),
            self.bounded_read("observe the routing", record.plan.call, observing)
        );
        let (candidate, live) = states?;
        Ok(Ahead { read, candidate, live, observed: observed?, known: false })
    }

    /// Reads everything but the candidate's slot, which has just been seen.
    pub(super) async fn read_beside(&self, record: &Record, candidate: SlotState) -> Result<Ahead> {
        let (read, call) = (self.now(), record.plan.call);
        let live = self.ports.slots.of(record.envelope.live);
        let (live, observed) = tokio::join!(
            self.bounded_read("read the live slot", call, live.state()),
            self.bounded_read("observe the routing", call, self.ports.switch.observe()),
        );
        Ok(Ahead { read, candidate, live: live?, observed: observed?, known: false })
    }

    /// Both slots as they were read ahead, if that is still good, else as they are now.
    pub(super) async fn states_or_now(
        &self,
        record: &Record,
        ahead: Option<Ahead>,
    ) -> Result<(SlotState, SlotState)> {
        match ahead {
            Some(it) if self.now().since(it.read) < FRESH => Ok((it.candidate, it.live)),
            _ => self.states(record).await,
        }
    }

    /// What was read ahead if it is still good, else everything anew.
    pub(super) async fn ahead_or_now(
        &self,
        record: &Record,
        ahead: Option<Ahead>,
    ) -> Result<Ahead> {
        match ahead {
            Some(ahead) if self.now().since(ahead.read) < FRESH => Ok(ahead),
            _ => self.read_ahead(record).await,
        }
    }
}
