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
    /// In parts per million of the right one.
    rate: u32,
}

const RIGHT: u32 = 1_000_000;

impl TokioClock {
    /// A clock that now shows 2026-01-01T00:00:00Z.
    pub fn new() -> Self {
        Self::starting_at(Timestamp::from_unix_millis(1_767_225_600_000))
    }

    /// A clock that now shows `start`.
    pub fn starting_at(start: Timestamp) -> Self {
        Self { start, began: Instant::now(), rate: RIGHT }
    }

    /// A clock that is `by` ahead of this one, as the clocks of two machines differ.
    #[must_use]
    pub fn ahead(self, by: Duration) -> Self {
        Self { start: self.start.plus(by), ..self }
    }

    /// A clock that shows `by` less than this one.
    #[must_use]
    pub fn behind(self, by: Duration) -> Self {
        let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        let start = Timestamp::from_unix_millis(self.start.unix_millis().saturating_sub(by));
        Self { start, ..self }
    }

    /// A clock that from its start on runs at another rate, in parts per million of the right one;
    /// its waits are shorter or longer accordingly. A rate of nothing is taken for one.
    #[must_use]
    pub fn at_rate(self, parts_per_million: u32) -> Self {
        Self { rate: parts_per_million.max(1), ..self }
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
        self.start.plus(scaled(self.began.elapsed(), self.rate, RIGHT))
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(scaled(duration, RIGHT, self.rate)).await;
    }
}

/// `duration` times `by` over `of`.
fn scaled(duration: Duration, by: u32, of: u32) -> Duration {
    if by == of {
        return duration;
    }
    let nanos = duration.as_nanos().saturating_mul(by.into()) / u128::from(of);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_clock_may_be_wrong_in_offset_and_in_rate() {
        let right = TokioClock::new();
        let began = right.now();
        let fast = right.ahead(Duration::from_mins(1)).at_rate(1_250_000);
        let slow = right.behind(Duration::from_mins(1)).at_rate(500_000);
        fast.sleep(Duration::from_secs(10)).await;
        let seconds = |seconds| Duration::from_secs(seconds);
        assert_eq!(right.now().since(began), seconds(8));
        assert_eq!(fast.now().since(began), seconds(70));
        assert_eq!(began.since(slow.now()), seconds(56));
    }
}
