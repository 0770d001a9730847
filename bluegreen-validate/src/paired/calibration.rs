//! What a suite makes of two slots that are the same.

use bluegreen_core::Verdict;
use serde::{Deserialize, Serialize};

use super::assess::{Look, assess};
use super::dice::Dice;
use super::stats::distribution::beta_quantile;
use super::{Attempt, CaseOutcomes, Power, Rules};

/// Into how many equally likely pass rates the cases are divided.
const RATES: u32 = 200;

/// What a suite makes of live compared with itself: how noisy it is, and how often it would hold
/// up a candidate that is no different.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Calibration {
    /// The cases that came to something.
    pub cases: u64,
    /// The share of attempts that passed.
    pub pass_rate: f64,
    /// The share of pairs that came out differently, though nothing differs.
    pub discordance: f64,
    /// The share of cases that passed sometimes and failed sometimes.
    pub flaky: f64,
    /// Of runs in which idle is the same as live, the share that would pass.
    pub pass: f64,
    /// The share that would be inconclusive.
    pub inconclusive: f64,
    /// The share that would fail.
    pub fail: f64,
    /// What the suite can see with this much noise.
    pub power: Power,
}

/// Tells what a suite makes of two slots that are the same, from one run of it in which live was
/// asked on *both* sides. `None` when no case came to something.
///
/// The pass rates of the cases are taken for a beta distribution of the mean and spread that were
/// found, and `runs` runs of the suite with its categories, conversations and critical cases are
/// drawn from it by the seed of the rules, and judged. A thousand runs tell the shares to about
/// three points.
///
/// ```
/// use bluegreen_validate::paired::{Attempt, CaseOutcomes, Rules, calibrate};
///
/// // Every tenth case fails one attempt in six.
/// let suite: Vec<CaseOutcomes> = (0..100)
///     .map(|number| {
///         let mut live = [Attempt::passed(); 3];
///         if number % 10 == 0 {
///             live[number % 3] = Attempt::failed();
///         }
///         CaseOutcomes::new(format!("case {number}"), live, [Attempt::passed(); 3])
///     })
///     .collect();
/// let found = calibrate(&Rules::default(), &suite, 50).unwrap();
/// assert!((found.discordance - 0.033).abs() < 0.001 && found.fail < 0.05);
/// ```
pub fn calibrate(rules: &Rules, outcomes: &[CaseOutcomes], runs: u32) -> Option<Calibration> {
    let counts: Vec<(u32, u32)> = outcomes.iter().map(passes).filter(|(_, n)| *n > 0).collect();
    if counts.is_empty() {
        return None;
    }
    let mean = |of: &dyn Fn(f64, f64) -> f64| {
        let sum: f64 = counts.iter().map(|(c, n)| of(f64::from(*c), f64::from(*n))).sum();
        sum / counts.len() as f64
    };
    let pass_rate = mean(&|passed, n| passed / n);
    let flaky = mean(&|passed, n| f64::from(0.0 < passed && passed < n));
    let pairs: Vec<(bool, bool)> = outcomes.iter().flat_map(CaseOutcomes::pairs).collect();
    let differ = pairs.iter().filter(|(live, idle)| live != idle).count();
    let discordance = differ as f64 / pairs.len().max(1) as f64;

    let rates = rates(&counts, pass_rate);
    let mut dice = Dice::new(rules.seed);
    let (mut pass, mut fail) = (0u32, 0u32);
    for _ in 0..runs {
        let look = Look { scores: false, lists: false, ..Look::COMPLETE };
        match assess(rules, &drawn(rules, outcomes, &rates, &mut dice)[..], look).verdict {
            Verdict::Pass => pass += 1,
            Verdict::Fail => fail += 1,
            Verdict::Inconclusive => {}
        }
    }
    let share = |count: u32| f64::from(count) / f64::from(runs.max(1));
    Some(Calibration {
        cases: counts.len() as u64,
        pass_rate,
        discordance,
        flaky,
        pass: share(pass),
        inconclusive: share(runs - pass - fail),
        fail: share(fail),
        power: Power::new(rules, counts.len() as u64, discordance),
    })
}

/// Passes and attempts of a case on both sides, which are the same.
fn passes(case: &CaseOutcomes) -> (u32, u32) {
    let outcomes = case.live.iter().chain(&case.idle).filter_map(|attempt| attempt.outcome());
    outcomes.fold((0, 0), |(passed, n), outcome| (passed + u32::from(outcome), n + 1))
}

/// Pass rates that are equally likely: quantiles of the beta distribution with the mean and the
/// spread of the cases, less the spread that comes of trying each only a few times.
fn rates(counts: &[(u32, u32)], mean: f64) -> Vec<f64> {
    let cases = counts.len() as f64;
    let (mut squares, mut share) = (0.0, 0.0);
    for (passed, n) in counts {
        squares += (f64::from(*passed) / f64::from(*n) - mean).powi(2);
        share += 1.0 / f64::from(*n);
    }
    let (found, share) = (squares / (cases - 1.0).max(1.0), share / cases);
    let most = mean * (1.0 - mean);
    let spread = ((found - most * share) / (1.0 - share)).max(0.0);
    if most <= 0.0 || spread <= 1e-9 || share >= 1.0 {
        return vec![mean];
    }
    // The sum of the parameters. Below a hundredth the cases pass always or never.
    let sum = (most / spread - 1.0).max(0.01);
    let (a, b) = (mean * sum, (1.0 - mean) * sum);
    let at = |step: u32| (f64::from(step) + 0.5) / f64::from(RATES);
    (0..RATES).map(|step| beta_quantile(at(step), a, b)).collect()
}

/// A run of the suite in which both slots are the same.
fn drawn(
    rules: &Rules,
    outcomes: &[CaseOutcomes],
    rates: &[f64],
    dice: &mut Dice,
) -> Vec<CaseOutcomes> {
    let mut run = outcomes.to_vec();
    for case in &mut run {
        let rate = rates[dice.below(rates.len())];
        let mut attempts = || {
            (0..rules.repeats)
                .map(|_| if dice.falls(rate) { Attempt::passed() } else { Attempt::failed() })
                .collect()
        };
        case.live = attempts();
        case.idle = attempts();
    }
    run
}
