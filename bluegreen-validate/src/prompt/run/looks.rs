//! When it is looked whether a run may end.

use std::time::Duration;

use tokio::time::Instant;

/// The least time between looks, times what a look takes: a suite of thousands of cases and a fast agent
/// would spend its time on them.
const PATIENCE: u32 = 200;
/// The most pairs between looks: what a crash loses, and what an early end comes too late by, is not to
/// grow with the suite.
const MOST_PAIRS: usize = 500;
/// The most time between looks: each is kept, and what is not is paid again after a crash.
const MOST: Duration = Duration::from_secs(20);

/// Looks at what is known, each of which is also kept.
pub(super) struct Looks {
    /// So many pairs make one due.
    batch: usize,
    since: usize,
    not_before: Instant,
    is_patient: bool,
}

impl Looks {
    /// The looks at so many pairs. A replay is not patient: it has no more than what came before the
    /// look that ended the run.
    pub(super) fn new(planned: usize, is_replay: bool) -> Self {
        let batch = (planned / 20).clamp(10, MOST_PAIRS);
        Self { batch, since: 0, not_before: Instant::now(), is_patient: !is_replay }
    }

    /// A pair has come.
    pub(super) fn came(&mut self) {
        self.since += 1;
    }

    pub(super) fn is_due(&self) -> bool {
        let is_time = !self.is_patient || Instant::now() >= self.not_before;
        self.since >= self.batch && is_time
    }

    /// One is over that took this time.
    pub(super) fn over(&mut self, took: Duration) {
        self.since = 0;
        self.not_before = Instant::now() + took.saturating_mul(PATIENCE).min(MOST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn looks_that_take_long_are_far_between() {
        for (is_replay, wanted) in [(false, false), (true, true)] {
            let mut looks = Looks::new(200, is_replay);
            (0..9).for_each(|_| looks.came());
            assert!(!looks.is_due());
            looks.came();
            assert!(looks.is_due());
            looks.over(Duration::from_millis(4));
            (0..20).for_each(|_| looks.came());
            assert_eq!(looks.is_due(), wanted);
            tokio::time::advance(Duration::from_millis(800)).await;
            assert!(looks.is_due());
        }
    }
}
