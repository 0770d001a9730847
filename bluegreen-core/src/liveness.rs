//! How one driver process tells the others that it lives.

use std::time::Duration;

use async_trait::async_trait;

use crate::{HolderId, Problem, Result};

/// The lease of a driver process. One for the process, not one for each release.
///
/// It only keeps two drivers from working on the same release in turns; what makes the late
/// write of a dead one harmless is the [`Epoch`](crate::Epoch).
///
/// # Contract
/// * `a_renewed_holder_is_alive` as others see it.
/// * `a_silent_holder_lapses`: once its lease did not change for its time to live, measured by
///   the watcher's own clock, so that two clocks that differ do not matter.
/// * `a_holder_that_resigned_is_gone_at_once`.
/// * `an_unknown_holder_is_gone`.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait Liveness: Send + Sync {
    /// This process.
    fn holder(&self) -> HolderId;

    /// For how long a renewal is good.
    fn time_to_live(&self) -> Duration;

    /// What stands in the way of renewing: rights, mostly. Reads only.
    async fn check(&self) -> Result<Vec<Problem>>;

    /// Says that this process lives, for another [`time_to_live`](Self::time_to_live).
    ///
    /// # Errors
    /// [`Conflict`](crate::ErrorKind::Conflict) when another process uses the same name.
    async fn renew(&self) -> Result<()>;

    /// Says that this process ends. Others need not wait for the lease to lapse.
    async fn resign(&self) -> Result<()>;

    /// Whether `holder` lives, as far as this process has seen. A lease that is seen for the
    /// first time is alive; it lapses when it stays unchanged while one keeps asking.
    async fn vitality(&self, holder: &HolderId) -> Result<Vitality>;
}

/// Whether another driver lives.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Vitality {
    /// It does, or may.
    Alive,
    /// Its lease did not change for its whole time to live, or was given back, or never was.
    Gone,
}
