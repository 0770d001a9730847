//! The problems found so far, and where the check has come to.

use bluegreen_core::{Problem, Severity};

use crate::document::{Original, Step, text_of};
use crate::prompt::assess::{Ready, Workshop};
use crate::prompt::suite::{Assertion, Suite};
use crate::prompt::template::Scope;

/// More problems of one severity than anybody reads. Refusals have room of their own, so that no
/// number of warnings hides that a suite is refused.
const MOST: usize = 100;

pub(super) struct Flaws<'a> {
    pub(super) suite: &'a Suite,
    original: Original<'a>,
    at: Vec<Step>,
    pub(super) found: Vec<(Vec<Step>, Problem)>,
    /// The line of a file of cases that it has come to, and what its case is called.
    line: Option<(String, String)>,
}

impl<'a> Flaws<'a> {
    pub(super) fn new(suite: &'a Suite, original: Original<'a>) -> Self {
        Self { suite, original, at: Vec::new(), found: Vec::new(), line: None }
    }

    /// Looks at what is `step` below where the check has come to.
    pub(super) fn within(&mut self, step: impl Into<Step>, look: impl FnOnce(&mut Self)) {
        self.at.push(step.into());
        look(self);
        self.at.pop();
    }

    /// Looks at what `steps` lead to from where the check has come to.
    pub(super) fn along(&mut self, steps: &[Step], look: impl FnOnce(&mut Self)) {
        let before = self.at.len();
        self.at.extend_from_slice(steps);
        look(self);
        self.at.truncate(before);
    }

    /// Looks at a line of a file of cases.
    pub(super) fn on_line(&mut self, place: usize, line: String, look: impl FnOnce(&mut Self)) {
        self.line = Some((line, String::new()));
        self.within(place, look);
        self.line = None;
    }

    /// Says what the case of the line is called.
    pub(super) fn is_on(&mut self, case: &str) {
        if let Some((_, name)) = &mut self.line {
            case.clone_into(name);
        }
    }

    /// Looks from the top.
    fn at_top(&mut self, steps: &[Step], look: impl FnOnce(&mut Self)) {
        let before = std::mem::replace(&mut self.at, steps.to_vec());
        look(self);
        self.at = before;
    }

    pub(super) fn say(&mut self, code: &str, found: impl Into<String>, wanted: impl Into<String>) {
        self.add(|object| Problem::new(code, object).found(found).wanted(wanted));
    }

    pub(super) fn add(&mut self, problem: impl FnOnce(String) -> Problem) {
        let path = (self.original)(&self.at);
        let problem = problem(self.object(&path));
        // What is wrong with the defaults is wrong in every case, and said once.
        let alike = self.found.iter().filter(|(_, it)| it.severity == problem.severity);
        let is_known = alike.clone().any(|(at, it)| *at == path && it.code == problem.code);
        if !is_known && alike.count() < MOST {
            self.found.push((path, problem));
        }
    }

    /// Where in the file the check has come to.
    pub(super) fn path(&self) -> String {
        text_of(&(self.original)(&self.at))
    }

    /// `prompts, cases[1] (parcel), assert[0]`.
    fn object(&self, path: &[Step]) -> String {
        let mut parts = vec![self.suite.name.clone()];
        match (self.at.as_slice(), path) {
            ([Step::Key(list), Step::Index(index), ..], [first, second, rest @ ..])
                if list == "cases" =>
            {
                let id = self.suite.cases.get(*index).map_or("", |case| case.id.as_str());
                let case = text_of(&[first.clone(), second.clone()]);
                parts.push(format!("{case} ({id})"));
                parts.push(text_of(rest));
            }
            ([Step::Key(key), Step::Index(_), ..], [_, _, rest @ ..]) if key == "case_file" => {
                if let Some((line, name)) = &self.line {
                    let name = if name.is_empty() { name.clone() } else { format!(" ({name})") };
                    parts.push(format!("{line}{name}"));
                }
                parts.push(text_of(rest));
            }
            (_, path) => parts.push(text_of(path)),
        }
        parts.retain(|part| !part.is_empty());
        parts.join(", ")
    }

    pub(super) fn is_refused(&self) -> bool {
        self.found.iter().any(|(_, problem)| problem.severity == Severity::Refuse)
    }

    /// Makes assertions ready that stand in the list `name`.
    pub(super) fn ready(
        &mut self,
        name: &str,
        assertions: &[Assertion],
        vars: &Scope,
        workshop: &mut Workshop<'_>,
    ) -> Vec<Ready> {
        let mut ready = Vec::with_capacity(assertions.len());
        for (index, assertion) in assertions.iter().enumerate() {
            ready.extend(self.ready_one((name, index), assertion, vars, workshop));
        }
        ready
    }

    fn ready_one(
        &mut self,
        (name, index): (&str, usize),
        assertion: &Assertion,
        vars: &Scope,
        workshop: &mut Workshop<'_>,
    ) -> Option<Ready> {
        let mut ready = None;
        self.along(&[name.into(), index.into()], |flaws| match workshop.ready(assertion, vars) {
            Ok(it) => {
                flaws.check_assertion(it.assertion(), workshop);
                ready = Some(it);
            }
            Err(found) => flaws.say("prompt-assertion", found, assertion.wanted()),
        });
        ready
    }

    /// Makes those ready that hold for every case.
    pub(super) fn ready_defaults(
        &mut self,
        assertions: &[Assertion],
        vars: &Scope,
        workshop: &mut Workshop<'_>,
    ) -> Vec<Ready> {
        let mut ready = Vec::with_capacity(assertions.len());
        self.at_top(&["defaults".into()], |flaws| {
            for (index, assertion) in assertions.iter().enumerate() {
                let known = workshop.default(index).cloned();
                ready.extend(
                    known.or_else(|| flaws.ready_one(("assert", index), assertion, vars, workshop)),
                );
            }
        });
        // Where something is refused every case is looked at whole, so that none of them passes.
        if ready.len() == assertions.len() && !self.is_refused() {
            workshop.keep_defaults(&ready);
        }
        ready
    }
}

impl Assertion {
    fn wanted(&self) -> String {
        match self.name().trim_start_matches("not-") {
            "regex" => "an ECMAScript regular expression without flags".to_owned(),
            "is-json" | "contains-json" => "a JSON Schema".to_owned(),
            "context-recall" | "context-relevance" | "context-faithfulness" => {
                "a text or a list of texts as the variable `context`, or as `context` of the assertion"
                    .to_owned()
            }
            name => format!("a value for {name} whose templates can be rendered"),
        }
    }
}
