//! How much work a slot still has in hand.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{Color, Result};

/// Counts the requests, streams and conversations that a slot has not finished.
///
/// While a slot drains it is asked about twice a second.
///
/// # Contract
/// * `an_idle_slot_has_nothing_in_hand`.
/// * `work_in_hand_is_counted`.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait Load: Send + Sync {
    /// The work that `slot` has in hand now; `None` where it cannot be measured, which is not
    /// zero. What can be measured only in part is not known either.
    ///
    /// # Errors
    /// It is not known now, for this reason. To a drain that is the same as `None`.
    ///
    /// # Cancel safety
    /// Only reads.
    async fn in_flight(&self, slot: Color) -> Result<Option<u64>>;
}

#[async_trait]
impl<L: Load + ?Sized> Load for Arc<L> {
    async fn in_flight(&self, slot: Color) -> Result<Option<u64>> {
        (**self).in_flight(slot).await
    }
}
