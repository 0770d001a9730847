//! What a driver does about writes of its own that were lost.

use super::{Driver, Held};
use crate::release::Next;
use crate::{OperationError, Record};

impl Driver {
    /// Whether this process has still something to do with the release.
    pub(super) fn goes_on(&self, record: &Record) -> bool {
        record.envelope.holder.as_ref() == Some(&self.me())
            && matches!(record.next(), Next::Perform(_))
    }

    /// Takes the release over from itself. A write that was lost may arrive later than those that
    /// follow it; the fence of the next epoch keeps it out.
    pub(super) async fn shut_out(&self, held: Held) -> Result<Held, OperationError> {
        self.take_over(held, None).await
    }
}
