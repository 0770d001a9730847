//! For how long a slot has been quiet, and what of it is worth telling.

use std::time::Duration;

use crate::Timestamp;

/// A count that changes is told at most so often.
const BUSY: Duration = Duration::from_secs(5);
/// A count that stays the same is told again after so long.
const STILL: Duration = crate::clock::minutes(1);

/// For how long nothing was in hand. Time in which that was not known is left out.
pub(super) struct Quiet {
    lasted: Duration,
    /// When nothing was in hand, if that was found by the last count.
    last: Option<Timestamp>,
    /// Two counts that are further apart than this say nothing of the time between.
    gap: Duration,
}

impl Quiet {
    pub(super) fn new(gap: Duration) -> Self {
        Self { lasted: Duration::ZERO, last: None, gap }
    }

    pub(super) fn saw(&mut self, in_flight: Option<u64>, at: Timestamp) {
        match in_flight {
            Some(0) => {
                let since = self.last.map(|last| at.since(last));
                self.lasted += since.filter(|it| *it <= self.gap).unwrap_or_default();
                self.last = Some(at);
            }
            Some(_) => (self.lasted, self.last) = (Duration::ZERO, None),
            None => self.last = None,
        }
    }

    pub(super) fn lasted(&self) -> Duration {
        self.lasted
    }
}

/// What was told last, and when.
#[derive(Default)]
pub(super) struct Told(Option<(Option<u64>, Timestamp)>);

impl Told {
    /// Whether this count is to be told, which is then taken to be done.
    pub(super) fn is_news(&mut self, in_flight: Option<u64>, now: Timestamp) -> bool {
        let is_news = self
            .0
            .is_none_or(|(told, at)| now.since(at) >= if told == in_flight { STILL } else { BUSY });
        if is_news {
            self.0 = Some((in_flight, now));
        }
        is_news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_unix_millis(1_764_000_000_000 + seconds * 1000)
    }

    fn quiet(counts: &[(u64, Option<u64>)]) -> u64 {
        let mut quiet = Quiet::new(Duration::from_secs(10));
        for (seconds, count) in counts {
            quiet.saw(*count, at(*seconds));
        }
        quiet.lasted().as_secs()
    }

    #[test]
    fn only_time_between_two_counts_of_nothing_is_quiet() {
        assert_eq!(quiet(&[(0, Some(0))]), 0);
        assert_eq!(quiet(&[(0, Some(0)), (5, Some(0)), (9, Some(0))]), 9);
        assert_eq!(quiet(&[(0, Some(0)), (5, None), (9, Some(0)), (10, Some(0))]), 1);
        assert_eq!(quiet(&[(0, Some(0)), (5, Some(1)), (9, Some(0)), (10, Some(0))]), 1);
        assert_eq!(quiet(&[(0, None), (9, None)]), 0);
    }

    #[test]
    fn what_nobody_looked_at_is_not_quiet() {
        assert_eq!(quiet(&[(0, Some(0)), (5, Some(0)), (600, Some(0)), (601, Some(0))]), 6);
        // A clock that is set back takes nothing away.
        assert_eq!(quiet(&[(5, Some(0)), (9, Some(0)), (0, Some(0)), (1, Some(0))]), 5);
    }

    #[test]
    fn a_count_is_told_when_it_changes_and_not_too_often() {
        let mut told = Told::default();
        let mut told_at = Vec::new();
        for second in 0..130 {
            let count = Some(60_u64.saturating_sub(second));
            if told.is_news(count, at(second)) {
                told_at.push(second);
            }
        }
        let falling = (0..=60).step_by(5);
        assert_eq!(told_at, falling.chain([120]).collect::<Vec<_>>());
    }
}
