//! Faults by chance, the same ones for the same seed.

use std::time::Duration;

use super::{Fault, faults::Manner};
use crate::ErrorKind;

/// How many of a thousand calls go wrong, and how.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[allow(clippy::exhaustive_structs, reason = "an initialiser is built as a literal")]
pub struct Odds {
    /// They fail without effect.
    pub unavailable: u64,
    /// They find that somebody else was first; a call that only reads is unavailable instead. A
    /// lease is spared: for it this would mean that another process has its name.
    pub conflict: u64,
    /// They have no effect, and it is not known whether they had.
    pub lost_request: u64,
    /// They have their effect, and it is not known whether they had.
    pub lost_answer: u64,
    /// They never return; half of them with their effect.
    pub hang: u64,
    /// They are late.
    pub late: u64,
    /// How late they are at most.
    pub latest: Duration,
}

impl Default for Odds {
    /// A bad day: one call in eight goes wrong.
    fn default() -> Self {
        Self {
            unavailable: 30,
            conflict: 10,
            lost_request: 10,
            lost_answer: 20,
            hang: 5,
            late: 50,
            latest: Duration::from_secs(8),
        }
    }
}

/// Throws dice for calls. The sequence is `SplitMix64`, which is short and good enough.
pub(super) struct Dice {
    state: u64,
    odds: Odds,
    left: u64,
}

impl Dice {
    pub(super) fn new(seed: u64, odds: Odds, at_most: u64) -> Self {
        Self { state: seed, odds, left: at_most }
    }

    pub(super) fn throw(&mut self, name: &str, manner: Manner) -> Option<Fault> {
        // Drawn also for calls that go well, so that what comes later stays the same.
        let (which, detail) = (self.next() % 1000, self.next());
        if self.left == 0 {
            return None;
        }
        let fault = self.choose(which, detail, name, manner)?;
        self.left -= 1;
        Some(fault)
    }

    fn choose(&self, which: u64, detail: u64, name: &str, manner: Manner) -> Option<Fault> {
        let odds = &self.odds;
        let may_conflict = manner == Manner::Write && !name.starts_with("liveness");
        let conflict = if may_conflict { ErrorKind::Conflict } else { ErrorKind::Unavailable };
        let hang = if detail.is_multiple_of(2) { Fault::Hang } else { Fault::HangAfter };
        let latest = u64::try_from(odds.latest.as_millis()).unwrap_or(u64::MAX);
        let delay = Duration::from_millis(detail % latest.saturating_add(1));
        let choices = [
            (odds.unavailable, Fault::Before(ErrorKind::Unavailable)),
            (odds.conflict, Fault::Before(conflict)),
            (odds.lost_request, Fault::Before(ErrorKind::Unknown)),
            (odds.lost_answer, Fault::After(ErrorKind::Unknown)),
            (odds.hang, hang),
            (odds.late, Fault::Delay(delay)),
        ];
        let mut below = 0;
        for (odds, fault) in choices {
            below += odds;
            if which < below {
                return Some(fault);
            }
        }
        None
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_splitmix64() {
        // The first numbers of seed 1234567, as published with the algorithm.
        let mut dice = Dice::new(1_234_567, Odds::default(), 0);
        assert_eq!(dice.next(), 6_457_827_717_110_365_317);
        assert_eq!(dice.next(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn one_in_eight_goes_wrong_and_then_nothing() {
        let mut dice = Dice::new(7, Odds::default(), u64::MAX);
        let wrong = (0..8000).filter_map(|_| dice.throw("store.save", Manner::Write)).count();
        assert!((900..1100).contains(&wrong), "{wrong} of 8000");
        dice.left = 1;
        assert_eq!((0..8000).filter_map(|_| dice.throw("store.save", Manner::Write)).count(), 1);
    }

    #[test]
    fn neither_reads_nor_leases_conflict() {
        let odds = Odds { conflict: 1000, unavailable: 0, ..Odds::default() };
        let mut dice = Dice::new(7, odds, u64::MAX);
        let unavailable = Some(Fault::Before(ErrorKind::Unavailable));
        assert_eq!(dice.throw("store.load", Manner::Read), unavailable);
        assert_eq!(dice.throw("liveness.renew", Manner::Write), unavailable);
        let conflict = Some(Fault::Before(ErrorKind::Conflict));
        assert_eq!(dice.throw("store.save", Manner::Write), conflict);
    }
}
