//! Whether an answer is as a case wants it.

use std::collections::HashMap;
use std::sync::Arc;

use super::answer::Answer;
use super::judge::Grades;
use super::pattern::Pattern;
use super::suite::{AssertSet, Assertion, Check, Prices};
use super::template::{Scope, Templates};

mod context;
mod graded;
mod json;
mod limits;
mod refusal;
mod schema;
mod scores;
mod text;
mod tools;

pub(super) use schema::Schema;

/// What an assertion came to.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    /// It holds, with this score from 0 to 1.
    Held(f64),
    /// It does not.
    Broken(Broken),
    /// It can't be told.
    Unknown(String),
}

/// What was wanted and found, and the score.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Broken {
    pub(super) score: f64,
    pub(super) wanted: String,
    pub(super) found: String,
}

/// What a check came to, before it is negated.
pub(super) struct Seen {
    holds: bool,
    score: f64,
    wanted: String,
    found: String,
}

impl Seen {
    fn new(holds: bool, wanted: impl Into<String>, found: impl Into<String>) -> Self {
        let score = if holds { 1.0 } else { 0.0 };
        Self { holds, score, wanted: wanted.into(), found: found.into() }
    }
}

/// An assertion made ready: its templates rendered, its patterns and schemas read.
#[derive(Clone, Debug)]
pub(super) struct Ready {
    /// One and the same for all cases that want the same.
    assertion: Arc<Assertion>,
    pattern: Option<Pattern>,
    schema: Option<Arc<Schema>>,
    set: Vec<Self>,
    /// Whether it is the same for every case, since there is no template in it.
    is_constant: bool,
}

/// Makes assertions ready, and reads each pattern and schema once.
pub(super) struct Workshop<'a> {
    pub(super) templates: &'a Templates,
    /// The tools that requests offer, by name, with the schemas of their arguments.
    pub(super) tools: Vec<(String, Arc<Schema>)>,
    kit: Kit,
}

/// What several cases have in common, made once.
#[derive(Default)]
pub(super) struct Kit {
    patterns: HashMap<String, Pattern>,
    schemas: HashMap<String, Arc<Schema>>,
    /// Assertions without templates: most suites want the same of every case.
    constant: HashMap<Constant, Arc<Assertion>>,
    /// Those of them that hold for every case, each at its place.
    defaults: Vec<Option<Ready>>,
}

/// More than any suite has in common, of each kind: what else there is of it belongs to one case.
const COMMON: usize = 500;

/// A check as JSON, whether it must not hold, the bits of its weight, and its name in reports.
type Constant = (String, bool, u64, Option<String>);

/// What assertions are looked at with.
pub(super) struct Context<'a> {
    pub(super) prices: Option<&'a Prices>,
    pub(super) tools: &'a [(String, Arc<Schema>)],
    /// What others graded, and in which place the answer is: a turn, or behind all turns.
    pub(super) grades: &'a Grades,
    pub(super) place: usize,
}

impl<'a> Workshop<'a> {
    pub(super) fn new(templates: &'a Templates) -> Self {
        Self::with(templates, Vec::new(), Kit::default())
    }

    /// One that has this already.
    pub(super) fn with(
        templates: &'a Templates,
        tools: Vec<(String, Arc<Schema>)>,
        kit: Kit,
    ) -> Self {
        Self { templates, tools, kit }
    }

    /// Forgets what cases that are gone had, where that has become much.
    pub(super) fn tidy(&mut self) {
        let Kit { patterns, schemas, constant, .. } = &mut self.kit;
        if patterns.len() > COMMON {
            patterns.clear();
        }
        if schemas.len() > COMMON {
            schemas.clear();
        }
        if constant.len() > COMMON {
            constant.clear();
        }
    }

    /// What is worth keeping for the next case.
    pub(super) fn put_away(mut self) -> Kit {
        self.tidy();
        self.kit
    }

    /// Makes an assertion ready, or says what is wrong with it.
    pub(super) fn ready(&mut self, assertion: &Assertion, vars: &Scope) -> Result<Ready, String> {
        let mut assertion = assertion.clone();
        let (mut set, mut constant) = (Vec::new(), None);
        if let Check::AssertSet(inner) = &assertion.check {
            for assertion in &inner.assert {
                set.push(self.ready(assertion, vars)?);
            }
            let ready = set.iter().map(|it: &Ready| it.assertion().clone()).collect();
            let inner = AssertSet { assert: ready, threshold: inner.threshold };
            assertion.check = Check::AssertSet(inner);
        } else {
            (assertion.check, constant) = self.rendered(assertion.check, vars)?;
        }
        let pattern = match &assertion.check {
            Check::Regex(pattern) => Some(self.pattern(pattern)?),
            _ => None,
        };
        let schema = match &assertion.check {
            Check::IsJson(Some(value)) | Check::ContainsJson(Some(value)) => {
                let text = value.to_string();
                let known = self.kit.schemas.get(&text).cloned();
                let schema = match known {
                    Some(schema) => schema,
                    None => Arc::new(Schema::new(value)?),
                };
                self.kit.schemas.insert(text, schema.clone());
                Some(schema)
            }
            _ => None,
        };
        let is_constant = constant.is_some();
        let assertion = match constant {
            Some(text) => self.shared(text, assertion),
            None => Arc::new(assertion),
        };
        Ok(Ready { assertion, pattern, schema, set, is_constant })
    }

    /// The default at this place, where it is the same for every case and has been made ready before.
    pub(super) fn default(&self, place: usize) -> Option<&Ready> {
        self.kit.defaults.get(place)?.as_ref()
    }

    /// Keeps those of the suite's defaults, all of them, that are the same for every case.
    pub(super) fn keep_defaults(&mut self, all: &[Ready]) {
        if self.kit.defaults.is_empty() {
            let kept = all.iter().map(|it| it.is_constant.then(|| it.clone()));
            self.kit.defaults = kept.collect();
        }
    }

    /// The one assertion that is like this one.
    fn shared(&mut self, check: String, assertion: Assertion) -> Arc<Assertion> {
        let key = (check, assertion.not, assertion.weight.to_bits(), assertion.metric.clone());
        self.kit.constant.entry(key).or_insert_with(|| Arc::new(assertion)).clone()
    }

    fn pattern(&mut self, text: &str) -> Result<Pattern, String> {
        if let Some(known) = self.kit.patterns.get(text) {
            return Ok(known.clone());
        }
        let pattern = Pattern::new(text)?;
        self.kit.patterns.insert(text.to_owned(), pattern.clone());
        Ok(pattern)
    }

    /// The check with its templates rendered, and as JSON where it has none.
    fn rendered(&self, check: Check, vars: &Scope) -> Result<(Check, Option<String>), String> {
        // An address is none, so that no case chooses who is sent its answer.
        if let Check::Unsupported(_) | Check::Webhook(_) = check {
            return Ok((check, None));
        }
        if let Check::ToolCalls(mut wanted) = check {
            for rule in &mut wanted.calls {
                rule.name = self.templates.text(&rule.name, vars)?;
                let Some(args) = &mut rule.args else { continue };
                // What a variable holds may be no text, as arguments may be none.
                for value in args.values.values_mut().chain(args.defaults.values_mut()) {
                    *value = self.templates.value(value, vars)?;
                }
                for name in &mut args.ignore {
                    *name = self.templates.text(name, vars)?;
                }
            }
            return Ok((Check::ToolCalls(wanted), None));
        }
        if let Some(ready) = context::rendered(&check, self.templates, vars) {
            return Ok((ready?, None));
        }
        if let Check::Grader(mut it) = check {
            it.value = self.templates.value(&it.value, vars)?;
            return Ok((Check::Grader(it), None));
        }
        let value = serde_json::to_value(&check).map_err(|error| error.to_string())?;
        let text = value.to_string();
        if !super::template::is_template(&text) {
            return Ok((check, Some(text)));
        }
        let value = self.templates.texts(&value, vars)?;
        let check = serde_json::from_value(value).map_err(|error| error.to_string())?;
        Ok((check, None))
    }
}

impl Ready {
    /// Its weight, at least nothing.
    pub(super) fn weight(&self) -> f64 {
        self.assertion.weight
    }

    pub(super) fn assertion(&self) -> &Assertion {
        &self.assertion
    }

    /// Whether there is a check in it that others grade.
    pub(super) fn is_graded(&self) -> bool {
        self.assertion.check.is_graded() || self.set.iter().any(Self::is_graded)
    }

    /// The checks in it that others grade.
    pub(super) fn graded(&self) -> Vec<&Check> {
        let of_set = self.set.iter().flat_map(Self::graded);
        let own = self.assertion.check.is_graded().then_some(&self.assertion.check);
        own.into_iter().chain(of_set).collect()
    }

    fn name(&self) -> String {
        match &self.assertion.metric {
            Some(metric) => format!("{} ({metric})", self.assertion.name()),
            None => self.assertion.name(),
        }
    }

    /// Looks at an answer.
    pub(super) fn assess(&self, answer: &Answer, context: &Context<'_>) -> Outcome {
        let seen = match &self.assertion.check {
            Check::AssertSet(set) => self.whole_set(set, answer, context),
            check => self.look(check, answer, context),
        };
        match seen {
            Err(why) => Outcome::Unknown(format!("{}: {why}", self.name())),
            Ok(seen) if !seen.score.is_finite() => {
                Outcome::Unknown(format!("{}: a score that is no number", self.name()))
            }
            Ok(seen) if self.assertion.not && seen.holds => Outcome::Broken(Broken {
                score: 1.0 - seen.score,
                wanted: format!("not {}", seen.wanted),
                found: seen.found,
            }),
            Ok(seen) if self.assertion.not => Outcome::Held(1.0 - seen.score),
            Ok(seen) if seen.holds => Outcome::Held(seen.score),
            Ok(Seen { score, wanted, found, .. }) => {
                Outcome::Broken(Broken { score, wanted, found })
            }
        }
    }

    fn look(&self, check: &Check, answer: &Answer, context: &Context<'_>) -> Result<Seen, String> {
        match check {
            Check::Unsupported(it) => Err(format!("{} can't be looked at here", it.kind)),
            Check::Regex(pattern) => {
                let holds = match &self.pattern {
                    Some(it) => it.is_in(&answer.text)?,
                    None => return Err("a pattern that was not read".to_owned()),
                };
                Ok(Seen::new(holds, format!("a match of `{pattern}`"), text::found(answer)))
            }
            Check::IsJson(_) => json::is_json(answer, self.schema.as_deref()),
            Check::ContainsJson(_) => json::contains_json(answer, self.schema.as_deref()),
            Check::Json(values) => Ok(json::values(answer, values)),
            Check::JsonPresent(pointers) => Ok(json::present(answer, pointers)),
            Check::Levenshtein(_)
            | Check::RougeN(_)
            | Check::Bleu(_)
            | Check::Gleu(_)
            | Check::SimilarWords(_) => scores::look(check, answer),
            Check::Latency(_)
            | Check::FirstToken(_)
            | Check::Tokens(_)
            | Check::Cost(_)
            | Check::FinishReason(_) => limits::look(check, answer, context.prices),
            Check::IsRefusal => Ok(refusal::look(answer)),
            Check::ToolCalls(_)
            | Check::ToolCount(_)
            | Check::ToolCallF1(_)
            | Check::IsValidOpenaiToolsCall => tools::look(check, answer, context.tools),
            check if check.is_graded() => graded::look(check, context),
            _ => Ok(text::look(check, answer)),
        }
    }

    fn whole_set(
        &self,
        set: &AssertSet,
        answer: &Answer,
        context: &Context<'_>,
    ) -> Result<Seen, String> {
        let outcomes: Vec<_> =
            self.set.iter().map(|it| (it.weight(), it.assess(answer, context))).collect();
        match together(&outcomes, set.threshold) {
            Outcome::Held(score) => {
                Ok(Seen { holds: true, score, wanted: "the set".to_owned(), found: String::new() })
            }
            Outcome::Broken(Broken { score, wanted, found }) => {
                Ok(Seen { holds: false, score, wanted, found })
            }
            Outcome::Unknown(why) => Err(why),
        }
    }
}

/// What weighed outcomes come to together: all that weigh anything must hold, or the weighted mean
/// of the scores must reach the threshold. What can't be told makes the whole unknown, unless it
/// is broken without it.
pub(super) fn together(outcomes: &[(f64, Outcome)], threshold: Option<f64>) -> Outcome {
    let counted: Vec<_> = outcomes.iter().filter(|(weight, _)| *weight > 0.0).collect();
    let total: f64 = counted.iter().map(|(weight, _)| weight).sum();
    if counted.is_empty() || !total.is_finite() {
        return Outcome::Unknown("there is nothing that could fail".to_owned());
    }
    let mut score = 0.0;
    let (mut first, mut unknown) = (None, None);
    for (weight, outcome) in &counted {
        match outcome {
            Outcome::Held(it) => score += it * weight,
            Outcome::Broken(it) => {
                score += it.score * weight;
                first = first.or(Some(it));
            }
            Outcome::Unknown(why) => unknown = unknown.or(Some(why)),
        }
    }
    let score = score / total;
    match (threshold, first, unknown) {
        (None, Some(broken), _) => Outcome::Broken(Broken { score, ..broken.clone() }),
        (_, _, Some(why)) => Outcome::Unknown(why.clone()),
        (Some(threshold), broken, None) if score < threshold => {
            let why = broken.map(|it| format!("; wanted {}, found {}", it.wanted, it.found));
            Outcome::Broken(Broken {
                score,
                wanted: format!("a score of at least {threshold}"),
                found: format!("{score:.3}{}", why.unwrap_or_default()),
            })
        }
        _ => Outcome::Held(score),
    }
}

#[cfg(test)]
mod tests;
