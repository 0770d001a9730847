//! What somebody can do who finds a release under way.

use super::Driver;
use crate::operations::busy_because;
use crate::{OperationError, PhaseName, Record, Vitality};

impl Driver {
    /// The error of an operation that cannot be done during this release.
    pub(crate) async fn busy(&self, record: &Record) -> OperationError {
        busy_because(record, self.advice(record).await)
    }

    /// What can be done instead, which depends on whether anybody still drives it.
    pub(crate) async fn advice(&self, record: &Record) -> String {
        // Its last steps cannot be called off any more.
        let is_going = matches!(record.phase.name(), PhaseName::Returning | PhaseName::Restoring);
        let can_abort = !is_going && !record.phase.is_past_return();
        let or_abort = if can_abort { " or `abort`" } else { "" };
        let Some(holder) = &record.envelope.holder else {
            return format!("nobody drives it: `resume`{or_abort} it");
        };
        let asking = self.ports.liveness.vitality(holder);
        match self.bounded_read("read the lease", record.plan.call, asking).await {
            Ok(Vitality::Gone) => {
                format!("nobody drives it any more, {holder} is gone: `resume`{or_abort} it")
            }
            // One that has just died still looks alive, and so does one that cannot be asked for.
            Ok(Vitality::Alive) | Err(_) => {
                let or_abort = if can_abort { ", `abort` it" } else { "" };
                format!("{holder} drives it: wait{or_abort}, or `resume` it once {holder} is gone")
            }
        }
    }
}
