//! Whether a candidate is as good as live, from the outcomes of the same cases on both slots.
//!
//! [`judge`] compares the slots pair by pair and gives one of three verdicts. The candidate passes
//! if it is shown to be worse by less than a margin; it fails if it is shown to be worse by more;
//! everything else, and everything that went wrong, is inconclusive. [`curtail`] says when that is
//! decided before all cases have been run.
#![allow(clippy::cast_precision_loss, reason = "counts of cases are far below 2^52")]

mod assess;
mod calibration;
mod cases;
mod clusters;
mod compare;
mod critical;
mod curtail;
mod dice;
mod ledger;
mod outcome;
mod power;
mod reasons;
mod rules;
mod sample;
mod scores;
pub mod stats;
#[cfg(test)]
mod tests;
mod verdict;

pub use calibration::{Calibration, calibrate};
#[cfg(feature = "prompts")]
pub(crate) use cases::{Cases, Pair, Traits};
pub use curtail::{Curtailed, curtail, judge_curtailed};
#[cfg(feature = "prompts")]
pub(crate) use curtail::{curtail_cases, is_proven, judge_curtailed_cases};
pub use ledger::{CaseHistory, FlakeLedger, Quarantine};
pub use outcome::{Attempt, CaseOutcomes};
pub use power::Power;
pub use rules::Rules;
pub use verdict::{
    CaseChange, CategoryVerdict, Comparison, CriticalCase, Errors, FlakyCase, Interval, Method,
    Rate, ScoreComparison, SuiteVerdict,
};

/// The verdict on a whole suite.
///
/// # What it comes to
/// * [`Fail`](bluegreen_core::Verdict::Fail): the pass rate over all cases is shown to be worse by
///   more than the margin; or that of some category, after Holm's correction; or a critical case
///   got worse, which counts whatever else is known; or scores did.
/// * [`Pass`](bluegreen_core::Verdict::Pass): it is shown to be worse by less than the margin, over
///   all cases and within each category that has enough of them, and nothing below stands against
///   it.
/// * [`Inconclusive`](bluegreen_core::Verdict::Inconclusive): neither is shown; or there are no
///   cases or too few; more pairs are lost to errors than the budget allows; idle lost attempts
///   that would turn the verdict had it failed them; a critical case cannot be told; live itself
///   fails too much; too much is in quarantine; two cases have one name; the rules have problems.
///
/// [`reasons`](SuiteVerdict::reasons) tell which. Attempts that are missing count as lost. The
/// order of the cases does not matter, and nothing panics, whatever the outcomes are.
///
/// ```
/// use bluegreen_core::Verdict;
/// use bluegreen_validate::paired::{Attempt, CaseOutcomes, Rules, judge};
///
/// let suite = |failing: usize| -> Vec<CaseOutcomes> {
///     (0..100)
///         .map(|number| {
///             let idle = if number < failing { Attempt::failed() } else { Attempt::passed() };
///             CaseOutcomes::new(format!("case {number}"), [Attempt::passed(); 3], [idle; 3])
///         })
///         .collect()
/// };
/// let rules = Rules::default();
/// assert_eq!(judge(&rules, &suite(0)).verdict, Verdict::Pass);
/// assert_eq!(judge(&rules, &suite(4)).verdict, Verdict::Inconclusive);
/// let worse = judge(&rules, &suite(20));
/// assert_eq!(worse.verdict, Verdict::Fail);
/// assert_eq!(
///     worse.reasons[0].to_string(),
///     "suite: wanted idle at most 5 points below live, found -20.0 points, 90 % interval -27.4 to \
///      -14.2, 100 cases: 20 worse, 0 better"
/// );
/// ```
pub fn judge(rules: &Rules, outcomes: &[CaseOutcomes]) -> SuiteVerdict {
    assess::assess(rules, outcomes, assess::Look::COMPLETE)
}

/// [`judge`] of outcomes that are kept otherwise.
#[cfg(feature = "prompts")]
pub(crate) fn judge_cases<C: Cases + ?Sized>(rules: &Rules, cases: &C) -> SuiteVerdict {
    assess::assess(rules, cases, assess::Look::COMPLETE)
}
