//! `JUnit` XML, for CI systems.

use std::time::Duration;

use bluegreen_core::{Error, ErrorKind, Result, Verdict};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::text::{self, Traits};
use super::{CaseReport, RunReport};

impl RunReport {
    /// `JUnit` XML: the verdict with its reasons as a test of its own, and one test per case.
    ///
    /// What fails the pipeline is the verdict, which is a failure unless it is a pass. A case is a
    /// failure where idle did worse than live, so that such cases are listed; one that live fails
    /// as well is not, and says so in its output. A case that lost all its pairs is an error, and
    /// one in quarantine is skipped. Whoever wants the verdict alone counts the suite `verdict`.
    ///
    /// # Errors
    /// [`ErrorKind::Rejected`]: it cannot be written as XML.
    pub fn to_junit(&self) -> Result<String> {
        let mut report = Report::new(&self.suite);
        report.set_time(self.took);
        let mut verdict = TestSuite::new("verdict");
        verdict.add_test_case(self.verdict_test());
        for (name, value) in &self.facts {
            verdict.add_property((name.as_str(), value.as_str()));
        }
        let mut cases = TestSuite::new("cases");
        cases.add_test_cases(self.cases.iter().map(|case| self.case_test(case)));
        report.add_test_suites([verdict, cases]);
        report.to_string().map_err(|error| {
            let action = format!("write the report on {} as JUnit XML", self.suite);
            Error::new(ErrorKind::Rejected, action).with_source(error)
        })
    }

    fn verdict_test(&self) -> TestCase {
        let verdict = &self.verdict;
        let reasons: Vec<String> = verdict.reasons.iter().map(ToString::to_string).collect();
        let reasons = reasons.join("\n");
        let mut status = match verdict.verdict {
            Verdict::Pass => TestCaseStatus::success(),
            Verdict::Fail => TestCaseStatus::non_success(NonSuccessKind::Failure),
            Verdict::Inconclusive => TestCaseStatus::non_success(NonSuccessKind::Error),
        };
        if verdict.verdict == Verdict::Pass {
            let mut test = TestCase::new("idle is as good as live", status);
            test.set_classname(self.suite.as_str()).set_system_out(reasons);
            return test;
        }
        status.set_type(text::verdict_word(verdict.verdict));
        let first = verdict.reasons.first().map_or_else(String::new, ToString::to_string);
        status.set_message(first).set_description(reasons);
        let mut test = TestCase::new("idle is as good as live", status);
        test.set_classname(self.suite.as_str());
        test
    }

    fn case_test(&self, case: &CaseReport) -> TestCase {
        let traits = Traits::of(self, case);
        let compared = case.outcomes().pairs().count() > 0;
        let shown = text::telling_pair(case);
        let output = shown.map(|(live, idle)| {
            let said = |name: &str, answer: &super::AnswerReport| {
                let why = text::why(answer);
                let why = if why.is_empty() { why } else { format!(" ({why})") };
                format!("{name} {}{why}:\n{}\n", text::outcome(answer.outcome), answer.text)
            };
            format!("{}\n{}", said("live", live), said("idle", idle))
        });
        let mut status = if traits.quarantined && !case.critical {
            let mut skipped = TestCaseStatus::skipped();
            skipped.set_message("in quarantine");
            skipped
        } else if traits.regressed || traits.critical {
            let mut failure = TestCaseStatus::non_success(NonSuccessKind::Failure);
            failure.set_type(if traits.critical { "critical" } else { "regressed" });
            failure.set_message(changed(self, case));
            failure
        } else if compared {
            TestCaseStatus::success()
        } else {
            let mut error = TestCaseStatus::non_success(NonSuccessKind::Error);
            error.set_type("lost").set_message("no pair of attempts came to anything");
            error
        };
        if let (TestCaseStatus::NonSuccess { .. }, Some(output)) = (&status, &output) {
            status.set_description(output.as_str());
        }
        let good = matches!(status, TestCaseStatus::Success { .. });
        let mut test = TestCase::new(case.case.as_str(), status);
        let category = case.category.as_deref().unwrap_or(&self.suite);
        test.set_classname(category);
        if let (true, Some(output)) = (good, output) {
            test.set_system_out(output);
        }
        let answers = case.pairs.iter().flat_map(|pair| pair.live.iter().chain(&pair.idle));
        let millis = answers.filter_map(|answer| answer.millis).fold(0, u64::saturating_add);
        test.set_time(Duration::from_millis(millis));
        test
    }
}

fn changed(report: &RunReport, case: &CaseReport) -> String {
    let change = report.verdict.regressed.iter().find(|change| change.case == case.case);
    change.map_or_else(
        || "a critical case that cannot be told".to_owned(),
        |change| {
            let (live, idle) = (text::percent(change.live), text::percent(change.idle));
            format!("passes on live {live}, on idle {idle}")
        },
    )
}

#[cfg(test)]
mod tests {
    use bluegreen_core::Timestamp;

    use crate::paired::{Attempt, Rules};
    use crate::report::{AnswerReport, CaseReport, RunReport};

    #[test]
    fn times_that_add_up_to_more_than_a_number_has_room_for_are_written() {
        let mut case = CaseReport::new("a", "?");
        let mut answer = AnswerReport::new(Attempt::passed(), "yes");
        answer.millis = Some(u64::MAX);
        case.add_pair(answer.clone(), answer);
        let rules = Rules::default();
        let report = RunReport::judged("s", &rules, vec![case], Timestamp::default());
        assert!(report.to_junit().unwrap().contains("18446744073709552"));
    }
}
