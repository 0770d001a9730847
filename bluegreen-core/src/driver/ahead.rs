//! What was read while the record was saved, for the effect that comes next.

use std::time::Duration;

use super::Driver;
use crate::{Observed, Record, Result, SlotState, Timestamp};

/// For how long what was read ahead is good. A save that took longer was tried again, and the
/// world may have moved on.
const FRESH: Duration = Duration::from_secs(1);

/// Both slots and the routing, as they were a moment ago.
pub(super) struct Ahead {
    /// When that was.
    pub(super) read: Timestamp,
    /// The candidate's slot.
    pub(super) candidate: SlotState,
    /// The live slot.
    pub(super) live: SlotState,
    /// The routing.
    pub(super) observed: Observed,
}

impl Driver {
    /// Reads both slots and the routing.
    pub(super) async fn read_ahead(&self, record: &Record) -> Result<Ahead> {
        let read = self.now();
        let observing = self.ports.switch.observe();
        let (states, observed) = tokio::join!(
            self.states(record),
            self.bounded_read("observe the routing", record.plan.call, observing)
        );
        let (candidate, live) = states?;
        Ok(Ahead { read, candidate, live, observed: observed? })
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
