//! In which order what is run.

use fastrand::Rng;

use super::Results;
use crate::paired::Rules;

/// One run of a case in both slots.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct Slotted {
    /// Which case.
    pub(super) case: usize,
    /// Which of its repeats, from 0.
    pub(super) repeat: u32,
    /// Whether live is asked first.
    pub(super) live_first: bool,
}

/// All runs: every case once in an order drawn from the seed, then every case again. So early
/// results are of all kinds of cases, and an outage does not hit one case alone. They are drawn as
/// they are asked for, since a suite of many cases has many more of them.
pub(super) struct Schedule {
    cases: Vec<u32>,
    random: Rng,
    repeats: u32,
    /// The repeat that is under way, and how many of its runs have been drawn.
    repeat: u32,
    drawn: usize,
}

impl Schedule {
    pub(super) fn new(cases: usize, rules: &Rules) -> Self {
        // A suite of more cases than that is refused.
        let cases = (0..u32::try_from(cases).unwrap_or(u32::MAX)).collect();
        let random = Rng::with_seed(rules.seed);
        Self { cases, random, repeats: rules.repeats, repeat: 0, drawn: 0 }
    }
}

impl Iterator for Schedule {
    type Item = Slotted;

    fn next(&mut self) -> Option<Slotted> {
        if self.drawn == self.cases.len() {
            (self.repeat, self.drawn) = (self.repeat + 1, 0);
        }
        if self.repeat >= self.repeats {
            return None;
        }
        if self.drawn == 0 {
            self.random.shuffle(&mut self.cases);
        }
        let case = *self.cases.get(self.drawn)? as usize;
        self.drawn += 1;
        Some(Slotted { case, repeat: self.repeat, live_first: self.random.bool() })
    }
}

/// What is still to be run.
pub(super) enum Todo {
    /// All of the schedule but what is known from before, which is so much.
    Drawn(Schedule, usize),
    /// These runs, in this order.
    Listed(std::vec::IntoIter<Slotted>),
}

impl Todo {
    pub(super) fn left(&self) -> usize {
        match self {
            Self::Drawn(_, left) => *left,
            Self::Listed(runs) => runs.len(),
        }
    }

    /// The next run. `results` are those of the beginning and of what was given out since.
    pub(super) fn next(&mut self, results: &Results) -> Option<Slotted> {
        match self {
            Self::Drawn(schedule, left) => {
                let next = schedule.find(|it| !results.is_known(*it))?;
                *left = left.saturating_sub(1);
                Some(next)
            }
            Self::Listed(runs) => runs.next(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_comes_once_before_any_comes_again_and_the_seed_tells_the_order() {
        let mut rules = Rules { repeats: 3, ..Rules::default() };
        let all: Vec<Slotted> = Schedule::new(50, &rules).collect();
        assert_eq!(all.len(), 150);
        for (repeat, runs) in (0..).zip(all.chunks(50)) {
            let mut cases: Vec<_> = runs.iter().map(|it| it.case).collect();
            assert!(runs.iter().all(|it| it.repeat == repeat) && !cases.is_sorted());
            cases.sort_unstable();
            assert!(cases.into_iter().eq(0..50));
        }
        assert!(Schedule::new(50, &rules).eq(all.iter().copied()));
        rules.seed += 1;
        assert!(!Schedule::new(50, &rules).eq(all));
        assert_eq!(Schedule::new(0, &rules).count(), 0);
    }
}
