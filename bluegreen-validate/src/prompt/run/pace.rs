//! How fast the agents are asked: slower while they say that it is too fast.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bluegreen_core::{Clock, Timestamp};

/// So many answers in a row, times what is under way, make it faster again.
const STREAK: usize = 4;

/// How many conversations go on at a time. Both slots share it, because they share what is behind
/// them: asking the candidate must not take from live what its customers need.
pub(in crate::prompt) struct Pace(Mutex<State>);

struct State {
    most: usize,
    now: usize,
    streak: usize,
    not_before: Timestamp,
    forbidden: Option<Duration>,
}

impl Pace {
    pub(in crate::prompt) fn new(most: u32) -> Self {
        let most = (most as usize).max(1);
        let not_before = Timestamp::default();
        Self(Mutex::new(State { most, now: most, streak: 0, not_before, forbidden: None }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether another conversation may begin where so many go on.
    pub(super) fn has_place(&self, going_on: usize) -> bool {
        going_on < self.at_once() && self.forbidden().is_none()
    }

    /// How many conversations may go on now.
    fn at_once(&self) -> usize {
        self.state().now
    }

    /// There was an answer.
    pub(in crate::prompt) fn answered(&self) {
        let mut state = self.state();
        state.streak += 1;
        if state.streak >= STREAK * state.now && state.now < state.most {
            state.now += 1;
            state.streak = 0;
        }
    }

    /// It was too fast: half as many, and none at all for this time.
    pub(in crate::prompt) fn slow_down(&self, now: Timestamp, pause: Duration) {
        let mut state = self.state();
        state.streak = 0;
        // The answers to what was under way together say the same thing once.
        if state.not_before <= now {
            state.now = (state.now / 2).max(1);
        }
        state.not_before = state.not_before.max(now.plus(pause));
    }

    /// Nothing may be asked for this time, which is longer than the run waits.
    pub(in crate::prompt) fn forbid(&self, pause: Duration) {
        self.state().forbidden = Some(pause);
    }

    /// For how long nothing may be asked, if that is longer than the run waits.
    pub(in crate::prompt) fn forbidden(&self) -> Option<Duration> {
        self.state().forbidden
    }

    /// Waits until it may be asked again.
    pub(in crate::prompt) async fn wait(&self, clock: &dyn Clock) {
        loop {
            let left = self.state().not_before.since(clock.now());
            if left.is_zero() {
                return;
            }
            clock.sleep(left).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_halves_once_per_pause_and_grows_again_with_answers() {
        let pace = Pace::new(8);
        let now = Timestamp::from_unix_millis(1_000_000);
        pace.slow_down(now, Duration::from_secs(1));
        pace.slow_down(now, Duration::from_secs(2));
        assert_eq!(pace.at_once(), 4);
        pace.slow_down(now.plus(Duration::from_secs(3)), Duration::from_secs(1));
        assert_eq!(pace.at_once(), 2);
        for _ in 0..STREAK * 2 {
            pace.answered();
        }
        assert_eq!(pace.at_once(), 3);
        for _ in 0..1000 {
            pace.answered();
        }
        assert_eq!(pace.at_once(), 8);
    }
}
