//! What is told of a run: its report, whole or case by case.

use std::borrow::Cow;
use std::io;

use bluegreen_core::Finding;

use super::super::room::{Kind, Room};
use super::super::seen::Seen;
use super::Book;
use crate::excerpt::Mask;
use crate::paired::{self, Cases, Traits};
use crate::prompt::made::Made;
use crate::prompt::report::{Counts, scrubbed, scrubbed_lines, stopped};
use crate::prompt::run::Ended;
use crate::prompt::run::code::Code;
use crate::report::{CaseReport, RunReport};

/// The characters that are kept of what is asked.
const ASKED: usize = 2_000;
/// What a report says of a case before it is run.
struct Head {
    case: CaseReport,
    assertions: Vec<String>,
}

impl Book {
    /// The report with all cases.
    pub(in crate::prompt::run::record) fn report(&self) -> RunReport {
        let mut room = self.room;
        let cases = (0..self.cases).map(|index| self.case(index, &mut room)).collect();
        self.report_of(cases, &room)
    }

    /// Writes the JSON of it, case by case.
    pub(in crate::prompt::run::record) fn write_json(
        &self,
        to: impl io::Write,
    ) -> serde_json::Result<()> {
        // What there is no room for is told before the cases are.
        let mut room = self.room;
        for index in 0..self.cases {
            Head::of(&self.made, index, &self.mask, &mut room);
        }
        let outline = self.report_of(Vec::new(), &room);
        let mut room = self.room;
        let cases = (0..self.cases).map(|index| self.case(index, &mut room));
        outline.write_json_with(cases, to)
    }

    /// The report without any case.
    pub(in crate::prompt::run::record) fn outline(&self) -> RunReport {
        self.report_of(Vec::new(), &self.room)
    }

    /// What is known of a case.
    fn case(&self, index: usize, room: &mut Room) -> CaseReport {
        let prices = self.prices.as_ref();
        let head = Head::of(&self.made, index, &self.mask, room);
        let mut case = head.case;
        let repeats = self.rules.repeats as usize;
        for place in index * repeats..(index + 1) * repeats {
            if self.codes.get(place).is_none_or(|codes| *codes == [Code::NOT_RUN; 2]) {
                continue;
            }
            let seen = self.seen(place);
            let (live, idle) = seen.as_ref();
            let of = |seen: &Seen| seen.report(&head.assertions, prices);
            case.add_pair(of(live), of(idle));
            if let Some(pair) = case.pairs.last_mut() {
                pair.preferences.clone_from(&idle.preferences);
            }
        }
        case
    }

    fn report_of(&self, cases: Vec<CaseReport>, room: &Room) -> RunReport {
        let known = self.codes.iter().filter(|codes| **codes != [Code::NOT_RUN; 2]).count();
        let ended = self.ended.as_ref();
        let mut report = RunReport::new(&self.name, self.verdict(), cases, self.clock.started);
        let counts = Counts { known, lost: self.lost, planned: self.planned };
        let why = if let Some(ended) = ended {
            stopped(&self.name, ended, counts)
        } else {
            let found = format!("{known}, when the run was stopped");
            Some(Finding::new(self.name.as_str(), format!("all {} pairs", self.planned), found))
        };
        if let Some(why) = why {
            report = report.stopped_by(why);
        }
        (report.live, report.idle) = (self.live.clone(), self.idle.clone());
        report.took = self.took();
        report.facts.clone_from(&self.facts);
        report.facts.insert("pairs".to_owned(), format!("{known} of {}", self.planned));
        if matches!(ended, Some(Ended::Decided(_))) {
            let text = format!("decided after {known} of {} pairs", self.planned);
            report.facts.insert("pairs".to_owned(), text);
        }
        if room.left_out > 0 {
            let text = format!("{} for which there was no room", room.left_out);
            report.facts.insert("texts left out".to_owned(), text);
        }
        if let Some(problem) = self.pairs.problem() {
            report.facts.insert("answers left out".to_owned(), problem.to_owned());
        }
        report.spent = self.spent();
        report
    }
}

/// The outcomes, for a verdict.
impl Cases for Book {
    fn count(&self) -> usize {
        self.cases
    }

    fn name(&self, index: usize) -> Cow<'_, str> {
        let name = self.made.prepared.as_ref().map(|it| it.cases.name(index)).unwrap_or_default();
        // That of a case whose file has changed can't be read any more.
        if name.is_empty() { Cow::Owned(format!("case {index}")) } else { name }
    }

    fn traits(&self, index: usize) -> Traits<'_> {
        let prepared = self.made.prepared.as_ref();
        prepared.map_or_else(Traits::default, |prepared| prepared.cases.traits(index))
    }

    fn attempts(&self, index: usize) -> impl Iterator<Item = paired::Pair> + '_ {
        let repeats = self.rules.repeats as usize;
        let codes = self.codes.get(index * repeats..(index + 1) * repeats).unwrap_or_default();
        codes.iter().map(|[live, idle]| (live.attempt(), idle.attempt()))
    }

    /// A suite in which two cases have one name is refused before it is run.
    fn twice(&self) -> Vec<String> {
        Vec::new()
    }
}

impl Head {
    fn of(made: &Made, index: usize, mask: &Mask, room: &mut Room) -> Self {
        let case = made.prepared.as_ref().map(|prepared| prepared.case(index));
        let Some(Ok(case)) = case else {
            // Its file has changed meanwhile. What a verdict has to know of it does not come from there.
            let mut report = CaseReport::new(format!("case {index}"), "");
            if let Some(prepared) = &made.prepared {
                let traits = prepared.cases.traits(index);
                report.category = traits.category.map(str::to_owned);
                report.conversation = traits.conversation.map(str::to_owned);
                (report.critical, report.quarantined) = (traits.critical, traits.quarantined);
            }
            return Self { case: report, assertions: Vec::new() };
        };
        let asked = room.take(Kind::Asked, scrubbed_lines(mask, &case.all_asked(), ASKED));
        let mut report = CaseReport::new(&case.id, asked);
        report.category.clone_from(&case.category);
        report.conversation.clone_from(&case.group);
        (report.critical, report.quarantined) = (case.critical, case.quarantined);
        let names = case
            .assertions()
            .map(|it| room.take(Kind::Asked, scrubbed(mask, &it.assertion().described())));
        Self { assertions: names.collect(), case: report }
    }
}
