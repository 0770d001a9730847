//! One case, counted.

use super::cases::{Cases, Pair};
use super::{Attempt, Errors, Rules};

/// What a missing attempt is taken for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Missing {
    /// The run is over, so it is lost.
    Lost,
    /// The run was stopped, so it was not to be made.
    NotWanted,
}

/// One case, counted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sample {
    pub(super) live: Tally,
    pub(super) idle: Tally,
    pub(super) pairs: Pairs,
    /// The pairs besides that only idle lost, by what live came to in them.
    pub(super) lost_on_idle: Pairs,
    /// The pairs in which all that is wrong with live's answer is that idle's was preferred.
    pub(super) beaten: u64,
    pub(super) errors: Errors,
}

/// The attempts on one slot.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) passed: u64,
    pub(super) failed: u64,
    pub(super) lost: u64,
}

/// Pairs of attempts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pairs {
    pub(super) all: u64,
    pub(super) live_passed: u64,
    pub(super) idle_passed: u64,
    /// Those that came out differently.
    pub(super) differ: u64,
}

impl Sample {
    pub(super) fn of<C: Cases + ?Sized>(
        cases: &C,
        index: usize,
        rules: &Rules,
        missing: Missing,
    ) -> Self {
        let mut sample = Self::default();
        let mut listed = 0;
        for pair in cases.attempts(index) {
            // What was never run is counted below, wherever it stands.
            let is_wanted = match missing {
                Missing::Lost => pair.0.is_some() || pair.1.is_some(),
                Missing::NotWanted => pair.0.is_some() && pair.1.is_some(),
            };
            if is_wanted {
                listed += 1;
                sample.add(pair);
            }
        }
        // Repeats beyond what rules may ask for are a problem of the rules, and nothing is lost by them.
        if missing == Missing::Lost && rules.repeats <= Rules::MOST_REPEATS {
            (listed..rules.repeats).for_each(|_| sample.add((None, None)));
        }
        sample
    }

    fn add(&mut self, (live, idle): Pair) {
        let never_run = live.is_none() && idle.is_none();
        let is_beaten = matches!(live, Some(Attempt::Failed { beaten: true, .. }));
        let [live, idle] = [live, idle].map(|attempt| attempt.and_then(Attempt::outcome));
        self.live.add(live);
        self.idle.add(idle);
        self.errors.pairs += 1;
        match (live, idle) {
            (Some(live), Some(idle)) => {
                self.pairs.add(live, idle);
                self.beaten += u64::from(is_beaten);
            }
            (Some(live), None) => {
                self.errors.idle_only += 1;
                self.lost_on_idle.add(live, false);
            }
            (None, Some(_)) => self.errors.live_only += 1,
            (None, None) if never_run => self.errors.missing += 1,
            (None, None) => self.errors.upstream += 1,
        }
    }

    /// Idle's pass rate minus live's, each over the same pairs; `None` without pairs. With
    /// `suspicious`, what only idle lost counts as if idle had failed it.
    pub(super) fn difference(&self, suspicious: bool) -> Option<f64> {
        let Pairs { mut all, mut live_passed, idle_passed, .. } = self.pairs;
        if suspicious {
            all += self.lost_on_idle.all;
            live_passed += self.lost_on_idle.live_passed;
        }
        (all > 0).then(|| (idle_passed as f64 - live_passed as f64) / all as f64)
    }
}

/// The mean scores of a case, live's first, over the pairs in which both have one.
pub(super) fn scores<C: Cases + ?Sized>(cases: &C, index: usize) -> Option<(f64, f64)> {
    let (mut count, mut live_sum, mut idle_sum) = (0, 0.0, 0.0);
    for pair in cases.attempts(index) {
        let (Some(live), Some(idle)) = pair else { continue };
        if live.outcome().is_none() || idle.outcome().is_none() {
            continue;
        }
        if let (Some(live), Some(idle)) = (live.score(), idle.score()) {
            count += 1;
            live_sum += live;
            idle_sum += idle;
        }
    }
    (count > 0).then(|| (live_sum / f64::from(count), idle_sum / f64::from(count)))
}

impl Tally {
    fn add(&mut self, outcome: Option<bool>) {
        match outcome {
            Some(true) => self.passed += 1,
            Some(false) => self.failed += 1,
            None => self.lost += 1,
        }
    }

    pub(super) fn attempts(&self) -> u64 {
        self.passed + self.failed
    }

    pub(super) fn is_mixed(&self) -> bool {
        self.passed > 0 && self.failed > 0
    }
}

impl Pairs {
    fn add(&mut self, live: bool, idle: bool) {
        self.all += 1;
        self.live_passed += u64::from(live);
        self.idle_passed += u64::from(idle);
        self.differ += u64::from(live != idle);
    }
}
