//! Words and numbers that all reports share.

use bluegreen_core::Verdict;

use super::{AnswerReport, CaseReport, RunReport};
use crate::paired::{Attempt, Comparison};

/// What a case is, for filters and for the order of reports.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[allow(clippy::struct_excessive_bools, reason = "they are independent of each other")]
pub(super) struct Traits {
    pub(super) critical: bool,
    pub(super) regressed: bool,
    pub(super) improved: bool,
    pub(super) flaky: bool,
    pub(super) lost: bool,
    pub(super) quarantined: bool,
    pub(super) failing: bool,
}

impl Traits {
    pub(super) fn of(report: &RunReport, case: &CaseReport) -> Self {
        let verdict = &report.verdict;
        let name = &case.case;
        let outcomes = case.outcomes();
        let all = || outcomes.live.iter().chain(&outcomes.idle);
        Self {
            critical: verdict.critical.iter().any(|found| found.case == *name),
            regressed: verdict.regressed.iter().any(|found| found.case == *name),
            improved: verdict.improved.iter().any(|found| found.case == *name),
            flaky: verdict.flaky.iter().any(|found| found.case == *name),
            lost: all().any(|attempt| attempt.outcome().is_none()),
            quarantined: case.quarantined,
            failing: outcomes.idle.iter().any(|attempt| attempt.outcome() == Some(false)),
        }
    }

    /// The words by which it is found.
    pub(super) fn words(self) -> Vec<&'static str> {
        [
            (self.critical, "critical"),
            (self.regressed, "regressed"),
            (self.improved, "improved"),
            (self.flaky, "flaky"),
            (self.lost, "lost"),
            (self.quarantined, "quarantined"),
            (self.failing, "failing"),
        ]
        .into_iter()
        .filter_map(|(is, word)| is.then_some(word))
        .collect()
    }
}

/// The cases with those that got worse first, by how much; the others in their order.
pub(super) fn worst_first(report: &RunReport) -> Vec<&CaseReport> {
    let verdict = &report.verdict;
    let place = |case: &CaseReport| {
        let critical = verdict.critical.iter().position(|found| found.case == case.case);
        let regressed = verdict.regressed.iter().position(|found| found.case == case.case);
        let last = usize::MAX;
        (critical.unwrap_or(last), regressed.unwrap_or(last))
    };
    let mut cases: Vec<&CaseReport> = report.cases.iter().collect();
    cases.sort_by_key(|case| place(case));
    cases
}

/// The pair to show of a case that got worse: live passed and idle did not.
pub(super) fn telling_pair(case: &CaseReport) -> Option<(&AnswerReport, &AnswerReport)> {
    let pairs = || case.pairs.iter().filter_map(|pair| pair.live.as_ref().zip(pair.idle.as_ref()));
    let passed = |answer: &AnswerReport| answer.outcome.outcome();
    pairs()
        .find(|(live, idle)| passed(live) == Some(true) && passed(idle) == Some(false))
        .or_else(|| pairs().find(|(live, idle)| passed(live) != passed(idle)))
        .or_else(|| pairs().next())
}

/// Why an answer is what it is.
pub(super) fn why(answer: &AnswerReport) -> String {
    let failed: Vec<String> = answer
        .assertions
        .iter()
        .filter(|assertion| assertion.held != Some(true))
        .map(|assertion| match assertion.reason.as_str() {
            "" => assertion.name.clone(),
            reason => format!("{}: {reason}", assertion.name),
        })
        .collect();
    match (&answer.error, failed.is_empty()) {
        (Some(error), _) => error.clone(),
        (None, false) => failed.join("; "),
        (None, true) => String::new(),
    }
}

pub(super) fn outcome(attempt: Attempt) -> &'static str {
    match attempt.outcome() {
        Some(true) => "passed",
        Some(false) => "failed",
        None => "lost",
    }
}

pub(super) fn verdict_word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "fail",
        Verdict::Inconclusive => "inconclusive",
    }
}

pub(super) fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

pub(super) fn points(difference: f64) -> String {
    format!("{:+.1}", 100.0 * difference)
}

/// The suite and its categories, each with its name, verdict and comparison.
pub(super) fn comparisons(report: &RunReport) -> Vec<(String, Verdict, &Comparison)> {
    let verdict = &report.verdict;
    let overall =
        verdict.overall.iter().map(|found| ("all cases".to_owned(), found.verdict, found));
    let categories = verdict.categories.iter().filter_map(|category| {
        let comparison = category.comparison.as_ref()?;
        Some((category.category.clone(), category.verdict, comparison))
    });
    overall.chain(categories).collect()
}

/// A text of at most so many characters, with a sign that more was left out.
pub(super) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
