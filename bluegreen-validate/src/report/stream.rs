//! JSON of a report whose cases are not all there at once.

use std::cell::RefCell;
use std::io;
use std::time::Duration;

use bluegreen_core::clock::duration_text;
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::{CaseReport, RunReport};

impl RunReport {
    /// Writes what [`to_json`](Self::to_json) is of this report with these cases instead of its own.
    ///
    /// # Errors
    /// Those of `to_json`, and what went wrong with writing.
    pub(crate) fn write_json_with(
        &self,
        cases: impl Iterator<Item = CaseReport>,
        to: impl io::Write,
    ) -> serde_json::Result<()> {
        serde_json::to_writer_pretty(to, &Whole { report: self, cases: RefCell::new(cases) })
    }
}

/// A report with cases that come one by one. They can be written once.
struct Whole<'a, I> {
    report: &'a RunReport,
    cases: RefCell<I>,
}

impl<I: Iterator<Item = CaseReport>> Serialize for Whole<'_, I> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Took(#[serde(with = "duration_text")] Duration);
        // Whoever adds a field is told here that it is to be written.
        let RunReport {
            suite,
            live,
            idle,
            started,
            took,
            facts,
            verdict,
            stopped,
            cases: _,
            spent,
            judges,
        } = self.report;
        let count = if stopped.is_some() { 11 } else { 10 };
        let mut all = to.serialize_struct("RunReport", count)?;
        all.serialize_field("suite", suite)?;
        all.serialize_field("live", live)?;
        all.serialize_field("idle", idle)?;
        all.serialize_field("started", started)?;
        all.serialize_field("took", &Took(*took))?;
        all.serialize_field("facts", facts)?;
        all.serialize_field("verdict", verdict)?;
        if let Some(stopped) = stopped {
            all.serialize_field("stopped", stopped)?;
        }
        all.serialize_field("cases", &Each(&self.cases))?;
        all.serialize_field("spent", spent)?;
        all.serialize_field("judges", judges)?;
        all.end()
    }
}

struct Each<'a, I>(&'a RefCell<I>);

impl<I: Iterator<Item = CaseReport>> Serialize for Each<'_, I> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(&mut *self.0.borrow_mut())
    }
}

#[cfg(test)]
mod tests {
    use bluegreen_core::{Finding, Timestamp};

    use super::*;
    use crate::paired::{Attempt, Rules};
    use crate::report::AnswerReport;

    #[test]
    fn it_is_the_same_text_however_the_cases_come() {
        let cases = (0..3).map(|number| {
            let mut case = CaseReport::new(format!("case {number}"), "?");
            let answer = AnswerReport::new(Attempt::passed(), "yes");
            case.add_pair(answer.clone(), answer);
            case
        });
        for count in [0, 3] {
            let cases: Vec<_> = cases.clone().take(count).collect();
            let rules = Rules::default();
            let mut whole = RunReport::judged("s", &rules, cases.clone(), Timestamp::default());
            whole.took = Duration::from_millis(1_500);
            let stopped = whole.clone().stopped_by(Finding::new("s", "all pairs", "3"));
            for report in [whole, stopped] {
                let outline = RunReport { cases: Vec::new(), ..report.clone() };
                let mut text = Vec::new();
                outline.write_json_with(cases.iter().cloned(), &mut text).unwrap();
                assert_eq!(String::from_utf8(text).unwrap(), report.to_json().unwrap());
            }
        }
    }
}
