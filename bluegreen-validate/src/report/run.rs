//! What a report is made from.

use std::collections::BTreeMap;
use std::time::Duration;

use bluegreen_core::clock::duration_text;
use bluegreen_core::{Finding, Timestamp, Verdict};
use serde::{Deserialize, Serialize};

use super::{PreferenceReport, Usage};
use crate::paired::{Attempt, CaseOutcomes, SuiteVerdict, curtail, judge, judge_curtailed};

/// A run of a suite: what was asked, what was answered, and the verdict.
///
/// It holds answers as they are given to it. What must not be shown (keys, personal data) is to be
/// taken out before.
///
/// ```
/// use bluegreen_core::Timestamp;
/// use bluegreen_validate::paired::{Attempt, Rules};
/// use bluegreen_validate::report::{AnswerReport, CaseReport, RunReport};
///
/// let mut case = CaseReport::new("refund", "May I send it back?");
/// case.add_pair(
///     AnswerReport::new(Attempt::passed(), "Yes, within 30 days."),
///     AnswerReport::new(Attempt::failed(), "No."),
/// );
/// let report = RunReport::judged("support", &Rules::default(), vec![case], Timestamp::default());
/// assert_eq!(report.recomputed(), report.verdict);
/// assert!(report.to_json()?.contains("inconclusive"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RunReport {
    /// The name of the suite.
    pub suite: String,
    /// What live is: a version, an image.
    #[serde(default)]
    pub live: String,
    /// What the candidate is.
    #[serde(default)]
    pub idle: String,
    /// When the run began.
    pub started: Timestamp,
    /// How long it took.
    #[serde(default, with = "duration_text")]
    pub took: Duration,
    /// Whatever else makes the run what it was, in the order of names: the model, the judge, the
    /// digest of the suite, the seed.
    #[serde(default)]
    pub facts: BTreeMap<String, String>,
    /// The verdict.
    pub verdict: SuiteVerdict,
    /// Why the run ended before it was whole and before the verdict was certain, if it did. It is the
    /// first of the verdict's reasons then, and no verdict is a pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<Finding>,
    /// The cases, in the order of the suite.
    pub cases: Vec<CaseReport>,
    /// What the whole run took, as its budgets count it: also calls that came to nothing, and those
    /// of looks before this one.
    #[serde(default)]
    pub spent: Usage,
    /// What judges took, which is in no answer.
    #[serde(default)]
    pub judges: Usage,
}

/// One case: what was asked, and every pair of answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CaseReport {
    /// Its name, unlike that of any other case.
    pub case: String,
    /// Its category.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Its conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<String>,
    /// Whether it is critical.
    #[serde(default)]
    pub critical: bool,
    /// Whether it is in quarantine.
    #[serde(default)]
    pub quarantined: bool,
    /// What was asked.
    pub asked: String,
    /// The answers, by repeat.
    pub pairs: Vec<PairReport>,
}

/// What both slots answered in one repeat; nothing where it was not asked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PairReport {
    /// Live's answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<AnswerReport>,
    /// Idle's answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle: Option<AnswerReport>,
    /// What judges said of both answers side by side, where the case wants that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub preferences: Vec<PreferenceReport>,
}

/// One answer, and what was made of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct AnswerReport {
    /// What it came to.
    pub outcome: Attempt,
    /// The answer.
    pub text: String,
    /// What went wrong where it is an error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The assertions on it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub assertions: Vec<AssertionReport>,
    /// From sending to the end of the answer, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub millis: Option<u64>,
    /// From sending to the first token, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_token_millis: Option<u64>,
    /// What it took.
    #[serde(default)]
    pub usage: Usage,
}

/// One assertion on an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct AssertionReport {
    /// What was asserted: `contains "30 days"`.
    pub name: String,
    /// Whether it held; nothing when that is not known.
    pub held: Option<bool>,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

impl RunReport {
    /// The report of a whole run, with its verdict.
    pub fn judged(
        suite: impl Into<String>,
        rules: &crate::paired::Rules,
        cases: Vec<CaseReport>,
        started: Timestamp,
    ) -> Self {
        let outcomes: Vec<CaseOutcomes> = cases.iter().map(CaseReport::outcomes).collect();
        Self::new(suite, judge(rules, &outcomes), cases, started)
    }

    /// The report of a run with the verdict on it, which is that of [`judge`] on the outcomes of
    /// the cases or of [`judge_curtailed`].
    pub fn new(
        suite: impl Into<String>,
        verdict: SuiteVerdict,
        cases: Vec<CaseReport>,
        started: Timestamp,
    ) -> Self {
        Self {
            suite: suite.into(),
            live: String::new(),
            idle: String::new(),
            started,
            took: Duration::ZERO,
            facts: BTreeMap::new(),
            verdict,
            stopped: None,
            cases,
            spent: Usage::default(),
            judges: Usage::default(),
        }
    }

    /// The report of a run that ended before it was whole and before the verdict was certain: what
    /// is missing may be little enough for a pass, but a run that was stopped is none.
    #[must_use]
    pub fn stopped_by(mut self, why: Finding) -> Self {
        self.verdict = stopped(self.verdict, &why);
        self.stopped = Some(why);
        self
    }

    /// The verdict computed again from the answers in here. A report whose verdict is another one
    /// has been changed. The rules are those that are in here.
    pub fn recomputed(&self) -> SuiteVerdict {
        let outcomes: Vec<CaseOutcomes> = self.cases.iter().map(CaseReport::outcomes).collect();
        let rules = &self.verdict.rules;
        // That a run could end early follows from its answers, too.
        let curtailed = self.verdict.curtailed;
        let curtailed =
            curtailed.filter(|it| curtail(rules, outcomes.len(), &outcomes) == Some(*it));
        let verdict = match curtailed {
            Some(curtailed) => judge_curtailed(rules, &outcomes, curtailed),
            None => judge(rules, &outcomes),
        };
        match &self.stopped {
            Some(why) => stopped(verdict, why),
            None => verdict,
        }
    }

    /// Everything as JSON, which [`from_json`](Self::from_json) reads back.
    ///
    /// # Errors
    /// A score or a cost is not a finite number.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self)
    }

    /// A report from its JSON.
    ///
    /// # Errors
    /// It is none; line and column are named. Unknown fields are refused.
    pub fn from_json(text: &str) -> serde_json::Result<Self> {
        serde_json::from_str(text)
    }

    /// What the answers of live and of idle took.
    pub fn usage(&self) -> (Usage, Usage) {
        let (mut live, mut idle) = (Usage::default(), Usage::default());
        for pair in self.cases.iter().flat_map(|case| &case.pairs) {
            pair.live.iter().for_each(|answer| live.add(answer.usage));
            pair.idle.iter().for_each(|answer| idle.add(answer.usage));
        }
        (live, idle)
    }
}

fn stopped(mut verdict: SuiteVerdict, why: &Finding) -> SuiteVerdict {
    if verdict.verdict == Verdict::Pass {
        verdict.verdict = Verdict::Inconclusive;
    }
    verdict.reasons.insert(0, why.clone());
    verdict
}

impl CaseReport {
    /// A case that has not been asked yet.
    pub fn new(case: impl Into<String>, asked: impl Into<String>) -> Self {
        Self { case: case.into(), asked: asked.into(), ..Self::default() }
    }

    /// Adds what both slots answered in the next repeat.
    pub fn add_pair(&mut self, live: AnswerReport, idle: AnswerReport) {
        // Most cases are asked once, and a list grows to four.
        self.pairs.reserve_exact(1);
        self.pairs.push(PairReport { live: Some(live), idle: Some(idle), ..PairReport::default() });
    }

    /// What it came to. An answer that is not there before the last one is lost.
    pub fn outcomes(&self) -> CaseOutcomes {
        let side = |of: fn(&PairReport) -> Option<&AnswerReport>| -> Vec<Attempt> {
            let asked = self.pairs.iter().rposition(|pair| of(pair).is_some());
            let asked = self.pairs.iter().take(asked.map_or(0, |last| last + 1));
            asked.map(|pair| of(pair).map_or(Attempt::Error, |answer| answer.outcome)).collect()
        };
        let mut outcomes = CaseOutcomes::new(
            &self.case,
            side(|pair| pair.live.as_ref()),
            side(|pair| pair.idle.as_ref()),
        );
        outcomes.category.clone_from(&self.category);
        outcomes.conversation.clone_from(&self.conversation);
        outcomes.critical = self.critical;
        outcomes.quarantined = self.quarantined;
        outcomes
    }
}

impl AnswerReport {
    /// An answer and what it came to.
    pub fn new(outcome: Attempt, text: impl Into<String>) -> Self {
        Self {
            outcome,
            text: text.into(),
            error: None,
            assertions: Vec::new(),
            millis: None,
            first_token_millis: None,
            usage: Usage { calls: 1, ..Usage::default() },
        }
    }
}

impl AssertionReport {
    /// An assertion and whether it held.
    pub fn new(name: impl Into<String>, held: Option<bool>, reason: impl Into<String>) -> Self {
        Self { name: name.into(), held, reason: reason.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_was_stopped_is_no_pass_and_computed_again_it_is_none() {
        let cases = (0..100).map(|number| {
            let mut case = CaseReport::new(format!("case {number}"), "");
            for _ in 0..3 {
                let answer = AnswerReport::new(Attempt::passed(), "");
                case.add_pair(answer.clone(), answer);
            }
            case
        });
        let rules = crate::paired::Rules::default();
        let whole = RunReport::judged("s", &rules, cases.collect(), Timestamp::default());
        assert_eq!(whole.verdict.verdict, Verdict::Pass);
        let report = whole.stopped_by(Finding::new("s", "all 301 pairs", "300"));
        assert_eq!(report.verdict.verdict, Verdict::Inconclusive);
        assert_eq!(report.verdict.reasons[0].found, "300");
        let mut read: RunReport = serde_json::from_str(&report.to_json().unwrap()).unwrap();
        assert_eq!(read.recomputed(), report.verdict);
        read.stopped = None;
        assert_eq!(read.recomputed().verdict, Verdict::Pass);
    }

    #[test]
    fn that_it_was_decided_early_is_not_believed_without_the_answers() {
        let rules = crate::paired::Rules::default();
        let mut report = RunReport::judged("s", &rules, Vec::new(), Timestamp::default());
        report.verdict.verdict = Verdict::Pass;
        report.verdict.curtailed = Some(crate::paired::Curtailed::Verdict(Verdict::Pass));
        report.verdict.reasons.clear();
        assert_ne!(report.recomputed().verdict, Verdict::Pass);
    }
}
