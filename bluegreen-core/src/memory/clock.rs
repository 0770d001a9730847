//! A wall clock that follows tokio's timer, also while that is paused.

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::{Clock, Timestamp};

/// A wall clock that is a fixed start plus the time that tokio's timer has run since.
///
/// In a `#[tokio::test(start_paused = true)]` both stand still and leap together, so that
/// deadlines kept as [`Timestamp`]s come when the waits for them end. Clones tell the same time.
#[derive(Clone, Copy, Debug)]
pub struct TokioClock {
    start: Timestamp,
    began: Instant,
}

impl TokioClock {
    /// A clock that now shows 2026-01-01T00:00:00Z.
    pub fn new() -> Self {
        Self::starting_at(Timestamp::from_unix_millis(1_767_225_600_000))
    }

    /// A clock that now shows `start`.
    pub fn starting_at(start: Timestamp) -> Self {
        Self { start, began: Instant::now() }
    }

    /// A clock that is `by` ahead of this one, as the clocks of two machines differ.
    #[must_use]
    pub fn ahead(self, by: Duration) -> Self {
        Self { start: self.start.plus(by), ..self }
    }
}

impl Default for TokioClock {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        self.start.plus(self.began.elapsed())
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
