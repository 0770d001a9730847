//! What a suite came to, with the numbers that it rests on.

use bluegreen_core::{Finding, Verdict};
use serde::{Deserialize, Serialize};

use super::{Curtailed, Power, Rules};

/// What a suite came to, and every number that it rests on: with the outcomes of the cases and the
/// [`Rules`] in here, anybody can compute it again.
///
/// Rates, differences and margins are fractions; a difference is idle minus live, so a negative
/// one is a candidate that got worse.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct SuiteVerdict {
    /// The verdict.
    pub verdict: Verdict,
    /// Why, what decided first. Never empty: a pass has its reasons too.
    pub reasons: Vec<Finding>,
    /// What was asked of the candidate.
    pub rules: Rules,
    /// The pass rate of live.
    pub live: Rate,
    /// The pass rate of idle.
    pub idle: Rate,
    /// The comparison over all cases; `None` when not one case could be compared.
    pub overall: Option<Comparison>,
    /// The comparison within each category, by name.
    pub categories: Vec<CategoryVerdict>,
    /// The comparison of mean scores, where attempts have scores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scores: Option<ScoreComparison>,
    /// The critical cases that did not do as they must.
    pub critical: Vec<CriticalCase>,
    /// The cases in which idle did worse than live, those that lost most first.
    pub regressed: Vec<CaseChange>,
    /// The cases in which idle did better than live, those that gained most first.
    pub improved: Vec<CaseChange>,
    /// The cases that came out differently from one repeat to the next on one slot.
    pub flaky: Vec<FlakyCase>,
    /// The cases that were kept out because they are in quarantine.
    pub quarantined: Vec<String>,
    /// What was lost to errors.
    pub errors: Errors,
    /// What the suite can see.
    pub power: Power,
    /// What was decided before all cases were run, if the run was cut short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub curtailed: Option<Curtailed>,
}

/// Passes among attempts on one slot, over all pairs that count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Rate {
    /// The attempts that passed.
    pub passed: u64,
    /// The attempts that count.
    pub attempts: u64,
    /// The share that passed; 0 without attempts.
    pub share: f64,
    /// 95 % Wilson interval of the share. It takes attempts for independent, so with repeats it is
    /// too narrow; no verdict rests on it.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// The chance that a case passes all of its repeats (pass^k, k being the repeats of the rules),
    /// over the cases that have that many attempts; `None` when none has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all_repeats: Option<f64>,
}

/// An interval for a difference.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Interval {
    /// The difference that was found.
    pub estimate: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// How often such intervals hold the true difference: 1 − 2 · alpha.
    pub level: f64,
}

/// How a comparison was computed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Method {
    /// Tango's score interval: one attempt per case and slot, cases independent.
    Tango,
    /// The score interval on means of cases, with Student's t.
    Means,
    /// The score interval on sums of conversations, with Student's t.
    Clusters,
}

/// Idle compared with live over some cases.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Comparison {
    /// What it says by itself.
    pub verdict: Verdict,
    /// How it was computed.
    pub method: Method,
    /// The cases compared.
    pub cases: u64,
    /// The conversations they belong to; a case without one is its own.
    pub clusters: u64,
    /// The cases in which idle did worse.
    pub worse: u64,
    /// The cases in which idle did better.
    pub better: u64,
    /// The difference of pass rates, each case weighing the same.
    pub interval: Interval,
    /// How far idle may be below live.
    pub margin: f64,
    /// How likely so good a result is for a candidate that is worse by the margin. A pass is at
    /// most alpha.
    pub p_noninferior: f64,
    /// How likely so bad a result is for a candidate that is worse by no more than the margin. A
    /// fail is at most alpha.
    pub p_inferior: f64,
    /// Student's t interval on the same means, as most tools give it. It is too narrow where few
    /// cases got much worse, so no verdict rests on it; `None` with fewer than two conversations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub student: Option<Interval>,
    /// Two-sided exact `McNemar` test that the slots differ at all, for one attempt per case and
    /// slot. No verdict rests on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mcnemar: Option<f64>,
}

/// A category.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CategoryVerdict {
    /// Its name.
    pub category: String,
    /// Its verdict, which is [`Inconclusive`](Verdict::Inconclusive) where it is too small.
    pub verdict: Verdict,
    /// Whether it has enough cases to hold the suite back while it is inconclusive.
    pub judged: bool,
    /// [`p_inferior`](Comparison::p_inferior) after Holm's correction over all categories.
    pub p_inferior_holm: f64,
    /// The comparison over its cases; `None` when not one could be compared.
    pub comparison: Option<Comparison>,
}

/// Mean scores compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ScoreComparison {
    /// What it says by itself; [`Inconclusive`](Verdict::Inconclusive) without a margin.
    pub verdict: Verdict,
    /// The cases that have scores on both slots.
    pub cases: u64,
    /// The mean score of live.
    pub live: f64,
    /// The mean score of idle.
    pub idle: f64,
    /// The difference, by a `BCa` bootstrap over conversations.
    pub interval: Interval,
    /// How far idle may be below live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub margin: Option<f64>,
}

/// A critical case that did not do as it must.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CriticalCase {
    /// The case.
    pub case: String,
    /// [`Fail`](Verdict::Fail): idle fails and live does not. Otherwise it cannot be told.
    pub verdict: Verdict,
    /// Attempts that failed on live.
    pub live_failed: u64,
    /// Attempts that are lost on live, be it because they were never run.
    pub live_lost: u64,
    /// Attempts that failed on idle.
    pub idle_failed: u64,
    /// Attempts that are lost on idle, be it because they were never run.
    pub idle_lost: u64,
    /// Pairs that were never run: an attempt on each side that neither side lost.
    #[serde(default, skip_serializing_if = "is_none")]
    pub never_run: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_none(count: &u64) -> bool {
    *count == 0
}

/// A case in which the slots differ.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CaseChange {
    /// The case.
    pub case: String,
    /// The share of its pairs that live passed.
    pub live: f64,
    /// The share of its pairs that idle passed.
    pub idle: f64,
}

/// A case that came out differently from one repeat to the next.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct FlakyCase {
    /// The case.
    pub case: String,
    /// Passes on live.
    pub live_passed: u64,
    /// Attempts on live that came to something.
    pub live_attempts: u64,
    /// Passes on idle.
    pub idle_passed: u64,
    /// Attempts on idle that came to something.
    pub idle_attempts: u64,
    /// Whether only idle is flaky: live always passed.
    pub new: bool,
}

/// What was lost to errors, in pairs of attempts of the cases that count.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Errors {
    /// The pairs that were to be run.
    pub pairs: u64,
    /// Lost on live alone.
    pub live_only: u64,
    /// Lost on idle alone.
    pub idle_only: u64,
    /// Lost on both at once: what both depend on was down, which is not the candidate's fault.
    pub upstream: u64,
    /// Never run, on neither slot.
    pub missing: u64,
}

impl Errors {
    /// The pairs that are lost.
    pub const fn lost(&self) -> u64 {
        self.live_only + self.idle_only + self.upstream + self.missing
    }

    /// The share of pairs that are lost; all of them when there are none.
    pub fn share(&self) -> f64 {
        if self.pairs == 0 { 1.0 } else { self.lost() as f64 / self.pairs as f64 }
    }

    pub(super) fn add(&mut self, more: Self) {
        self.pairs += more.pairs;
        self.live_only += more.live_only;
        self.idle_only += more.idle_only;
        self.upstream += more.upstream;
        self.missing += more.missing;
    }
}
