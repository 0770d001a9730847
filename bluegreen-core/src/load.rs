//! How much work a slot still has in hand.

use async_trait::async_trait;

use crate::{Color, Result};

/// Counts the requests, streams and conversations that a slot has not finished.
///
/// # Contract
/// * `an_idle_slot_has_nothing_in_hand`.
/// * `work_in_hand_is_counted`.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait Load: Send + Sync {
    /// The work that `slot` has in hand now; `None` where it cannot be measured, which is not
    /// zero.
    async fn in_flight(&self, slot: Color) -> Result<Option<u64>>;
}
