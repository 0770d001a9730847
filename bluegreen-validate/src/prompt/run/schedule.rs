//! In which order what is run.

use fastrand::Rng;

use crate::paired::Rules;
use crate::prompt::prepare::Prepared;

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
/// results are of all kinds of cases, and an outage does not hit one case alone.
pub(super) fn order(prepared: &Prepared, rules: &Rules) -> Vec<Slotted> {
    let mut cases: Vec<usize> = (0..prepared.cases.len()).collect();
    let mut random = Rng::with_seed(rules.seed);
    let mut order = Vec::with_capacity(cases.len() * rules.repeats as usize);
    for repeat in 0..rules.repeats {
        random.shuffle(&mut cases);
        for case in &cases {
            order.push(Slotted { case: *case, repeat, live_first: random.bool() });
        }
    }
    order
}
