//! Whether a candidate is as good as live, from the outcomes of the same cases on both slots.
//!
//! [`judge`] compares the slots pair by pair and gives one of three verdicts. The candidate passes
//! if it is shown to be worse by less than a margin; it fails if it is shown to be worse by more;
//! everything else, and everything that went wrong, is inconclusive. [`curtail`] says when that is
//! decided before all cases have been run.
#![allow(clippy::cast_precision_loss, reason = "counts of cases are far below 2^52")]

use bluegreen_core::{Finding, Verdict};

mod curtail;
mod outcome;
mod power;
mod rules;
mod verdict;

pub use curtail::{Curtailed, curtail};
pub use outcome::{Attempt, CaseOutcomes};
pub use power::Power;
pub use rules::Rules;
pub use verdict::{
    CaseChange, CategoryVerdict, Comparison, CriticalCase, Errors, FlakyCase, Interval, Method,
    Rate, ScoreComparison, SuiteVerdict,
};

/// The verdict on a whole suite.
///
/// Attempts that are missing count as lost. It never panics, whatever the outcomes are.
pub fn judge(rules: &Rules, outcomes: &[CaseOutcomes]) -> SuiteVerdict {
    let cases = outcomes.len() as u64;
    SuiteVerdict {
        verdict: Verdict::Inconclusive,
        reasons: vec![Finding::new("suite", "a comparison of the slots", "none was made")],
        rules: rules.clone(),
        live: Rate::default(),
        idle: Rate::default(),
        overall: None,
        categories: Vec::new(),
        scores: None,
        critical: Vec::new(),
        regressed: Vec::new(),
        improved: Vec::new(),
        flaky: Vec::new(),
        quarantined: Vec::new(),
        errors: Errors::default(),
        power: Power {
            cases,
            repeats: rules.repeats,
            discordance: 1.0,
            power: rules.power,
            visible_margin: 1.0,
            margin: rules.margin,
            needed_cases: u64::MAX,
        },
        curtailed: None,
    }
}

/// The verdict on a suite whose run was stopped because [`curtail`] said so.
///
/// `outcomes` are those that `curtail` was given. The numbers are those of the cases that were
/// run; the verdict is the one that was decided.
pub fn judge_curtailed(
    rules: &Rules,
    outcomes: &[CaseOutcomes],
    curtailed: Curtailed,
) -> SuiteVerdict {
    let verdict = match curtailed {
        Curtailed::Verdict(verdict) => verdict,
        Curtailed::NeverPass => Verdict::Inconclusive,
    };
    SuiteVerdict { verdict, curtailed: Some(curtailed), ..judge(rules, outcomes) }
}
