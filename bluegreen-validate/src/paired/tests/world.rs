//! Suites made up for tests.

use crate::paired::dice::Dice;
use crate::paired::stats::distribution::beta_quantile;
use crate::paired::{Attempt, CaseOutcomes};

pub(super) fn attempt(passed: bool) -> Attempt {
    if passed { Attempt::passed() } else { Attempt::failed() }
}

/// So many cases that pass three times on both slots.
pub(super) fn perfect(cases: usize) -> Vec<CaseOutcomes> {
    let all = [Attempt::passed(); 3];
    (0..cases).map(|number| CaseOutcomes::new(format!("case {number}"), all, all)).collect()
}

/// The same, of which idle always fails the first `broken`.
pub(super) fn broken(cases: usize, broken: usize) -> Vec<CaseOutcomes> {
    let mut suite = perfect(cases);
    suite.iter_mut().take(broken).for_each(|case| case.idle = vec![Attempt::failed(); 3]);
    suite
}

/// How a made-up candidate differs from live.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    /// Every case passes less often, by this much on average.
    Everywhere(f64),
    /// A few cases fail always, as many as make this much on average.
    Concentrated(f64),
}

/// A population of cases to draw suites from.
pub(super) struct Population {
    rates: Vec<f64>,
    change: Change,
}

impl Population {
    /// Cases that pass 95 times in a hundred on average, most of them nearly always: Beta(9.5,
    /// 0.5).
    pub(super) fn noisy(change: Change) -> Self {
        let at = |step: u32| beta_quantile((f64::from(step) + 0.5) / 400.0, 9.5, 0.5);
        Self { rates: (0..400).map(at).collect(), change }
    }

    /// Cases that always pass.
    pub(super) fn steady(change: Change) -> Self {
        Self { rates: vec![1.0], change }
    }

    fn mean(&self) -> f64 {
        self.rates.iter().sum::<f64>() / self.rates.len() as f64
    }

    /// The chances of a case to pass on live and on idle.
    pub(super) fn case(&self, dice: &mut Dice) -> (f64, f64) {
        let live = self.rates[dice.below(self.rates.len())];
        let idle = match self.change {
            Change::Everywhere(drop) => live * (1.0 - drop / self.mean()),
            Change::Concentrated(drop) if dice.falls(drop / self.mean()) => 0.0,
            Change::Concentrated(_) => live,
        };
        (live, idle)
    }

    /// A suite of so many cases and repeats.
    pub(super) fn suite(&self, cases: usize, repeats: usize, dice: &mut Dice) -> Vec<CaseOutcomes> {
        (0..cases)
            .map(|number| {
                let (live, idle) = self.case(dice);
                let mut attempts =
                    |p: f64| (0..repeats).map(|_| attempt(dice.falls(p))).collect::<Vec<_>>();
                CaseOutcomes::new(format!("case {number}"), attempts(live), attempts(idle))
            })
            .collect()
    }

    /// A suite of conversations whose cases all break together.
    pub(super) fn conversations(
        &self,
        conversations: usize,
        turns: usize,
        dice: &mut Dice,
    ) -> Vec<CaseOutcomes> {
        let mut suite = Vec::new();
        for conversation in 0..conversations {
            let (live, idle) = self.case(dice);
            for turn in 0..turns {
                let name = format!("conversation {conversation}, turn {turn}");
                let case = CaseOutcomes::new(
                    name,
                    [attempt(dice.falls(live))],
                    [attempt(dice.falls(idle))],
                );
                suite.push(case.in_conversation(format!("{conversation}")));
            }
        }
        suite
    }
}
