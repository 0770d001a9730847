//! A suite made ready to be run: everything rendered and read that can be before the first call.

use std::sync::Arc;

use bluegreen_core::Problem;
use serde_json::{Value, json};

use super::answer::Answer;
use super::ask::Asker;
use super::assess::{Context, Outcome, Ready, Schema, Workshop, together};
use super::judge::Grades;
use super::suite::{Agent, Case, Check, Message, Opened, Suite, Turn};
use super::template::{Scope, Templates};
use crate::document::{Original, Step};

mod agents;
mod assertions;
mod filed;
mod flaws;
mod graders;
mod judges;
mod settings;
mod table;
mod warm_up;

use filed::Filed;
use flaws::Flaws;
pub(super) use graders::NAMED;
pub(super) use table::PreparedCases;
pub(super) use warm_up::warm_up;

/// A suite made ready.
pub(super) struct Prepared {
    pub(super) asker: Asker,
    pub(super) templates: Templates,
    pub(super) cases: PreparedCases,
    /// Cases that are left out, and what they need that is not there.
    pub(super) skipped: Vec<(String, String)>,
    pub(super) tools: Vec<(String, Arc<Schema>)>,
}

/// A case made ready.
#[derive(Debug)]
pub(super) struct PreparedCase {
    pub(super) id: String,
    pub(super) category: Option<String>,
    pub(super) group: Option<String>,
    pub(super) critical: bool,
    pub(super) quarantined: bool,
    pub(super) vars: Scope,
    pub(super) turns: Vec<PreparedTurn>,
    pub(super) last: Vec<Ready>,
    pub(super) threshold: Option<f64>,
    /// As it was written, where nobody else has it and graders of one's own want to see it.
    pub(super) written: Option<Arc<Case>>,
}

/// A turn made ready.
#[derive(Debug)]
pub(super) struct PreparedTurn {
    /// What is said before the agent answers; `name` of a `tool` is still the tool's.
    pub(super) messages: Vec<Message>,
    pub(super) asserts: Vec<Ready>,
}

impl PreparedCase {
    /// All that is asked, turn by turn, for people.
    pub(super) fn all_asked(&self) -> String {
        let messages: Vec<&Message> = self.turns.iter().flat_map(|turn| &turn.messages).collect();
        if messages.len() == 1 {
            return self.asked();
        }
        let lines = messages.iter().map(|message| format!("{}: {}", message.role, message.shown()));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// All its assertions: those of its turns, then those of the last answer.
    pub(super) fn assertions(&self) -> impl Iterator<Item = &Ready> {
        self.turns.iter().flat_map(|turn| &turn.asserts).chain(&self.last)
    }

    /// Whether others grade its answers.
    pub(super) fn is_graded(&self) -> bool {
        self.assertions().any(Ready::is_graded)
    }

    /// What compares both slots' answers, and where: in a turn, or behind all turns.
    pub(super) fn pairwise(&self) -> impl Iterator<Item = (usize, &Check)> {
        let places = self.turns.iter().map(|turn| &turn.asserts).chain([&self.last]);
        places.enumerate().flat_map(|(place, asserts)| {
            let checks = asserts.iter().map(|it| &it.assertion().check);
            let checks = checks.filter(|it| matches!(it, Check::Pairwise(_)));
            checks.map(move |check| (place, check))
        })
    }

    /// What is asked, for people.
    pub(super) fn asked(&self) -> String {
        let last = self.turns.last().and_then(|turn| turn.messages.last());
        last.map_or_else(String::new, Message::shown)
    }
}

/// Makes a suite ready. Problems come with the path to what they are about; with a refusal among
/// them there is nothing to run.
pub(super) fn prepare(
    suite: &Suite,
    original: Original<'_>,
) -> (Option<Prepared>, Vec<(Vec<Step>, Problem)>) {
    let mut flaws = Flaws::new(suite, original);
    flaws.check_settings();
    flaws.check_graders();
    let templates = Templates::new(suite.strict_templates);
    let mut workshop = Workshop::new(&templates);
    flaws.within("agent", |flaws| workshop.tools = tools(suite, flaws));
    let mut cases = Vec::with_capacity(suite.cases.len());
    let mut places = Vec::with_capacity(suite.cases.len());
    let mut skipped = Vec::new();
    flaws.within("cases", |flaws| {
        flaws.check_cases();
        for (index, case) in suite.cases.iter().enumerate() {
            flaws.within(index, |flaws| {
                let Some(ready) = one(suite, case, flaws, &mut workshop) else { return };
                // Unless it is to be left out, its assertion has been refused by now.
                if let Some(what) = suite.unsupported(case) {
                    skipped.push((case.id.clone(), what));
                } else {
                    cases.push(ready);
                    places.push(index);
                }
            });
        }
    });
    let asker = match Asker::new(suite) {
        Ok(asker) => {
            flaws.check_requests(&asker, &templates, places.into_iter().zip(&cases));
            Some(asker)
        }
        Err(found) => {
            flaws.within("agent", |flaws| {
                flaws.say("prompt-agent", found, "an agent that can be asked");
            });
            None
        }
    };
    let mut filed = None;
    if let Some(file) = &suite.case_file {
        flaws.within("case_file", |flaws| {
            let (asker, skipped) = (asker.as_ref(), &mut skipped);
            filed = filed::look_through(file, flaws, &mut workshop, asker, skipped);
        });
    }
    let opened = suite.case_file.as_ref().and_then(|file| file.opened().ok());
    let all = suite.cases.len() + opened.map_or(0, Opened::len);
    flaws.check_counts(all, cases.len() + filed.as_ref().map_or(0, Filed::len));
    let tools = std::mem::take(&mut workshop.tools);
    drop(workshop);
    let refused = flaws.is_refused();
    let prepared = asker.filter(|_| !refused).map(|asker| Prepared {
        asker,
        templates,
        cases: PreparedCases::new(cases, filed),
        skipped,
        tools,
    });
    (prepared, flaws.found)
}

/// The tools that requests offer.
fn tools(suite: &Suite, flaws: &mut Flaws<'_>) -> Vec<(String, Arc<Schema>)> {
    let (all, within) = match &suite.agent {
        Agent::Openai(agent) => {
            (agent.parameters.get("tools").and_then(Value::as_array), "/function")
        }
        Agent::Responses(agent) => (Some(&agent.tools), ""),
        Agent::Http(_) | Agent::A2a(_) => return Vec::new(),
    };
    let mut tools = Vec::new();
    for tool in all.into_iter().flatten() {
        // What the server has itself, or takes any text, has no parameters.
        if within.is_empty() && tool.get("type").is_some_and(|kind| kind != "function") {
            continue;
        }
        let of = |name: &str| tool.pointer(&format!("{within}/{name}"));
        let name = of("name").and_then(Value::as_str);
        let parameters = of("parameters").cloned();
        match (name, Schema::new(&parameters.unwrap_or_else(|| json!({})))) {
            (Some(name), Ok(schema)) => tools.push((name.to_owned(), Arc::new(schema))),
            (None, _) => flaws.say("prompt-agent", tool.to_string(), "a tool with a name"),
            (_, Err(found)) => flaws.say("prompt-agent", found, "parameters as JSON Schema"),
        }
    }
    tools
}

fn one(
    suite: &Suite,
    case: &Case,
    flaws: &mut Flaws<'_>,
    workshop: &mut Workshop<'_>,
) -> Option<PreparedCase> {
    flaws.check_case(case);
    flaws.check_judges(case);
    let mut vars = suite.defaults.vars.clone();
    vars.extend(case.vars.clone());
    let vars = match workshop.templates.resolved(&vars) {
        Ok(vars) => vars,
        Err(found) => {
            flaws.within("vars", |flaws| flaws.say("prompt-template", found, "variables"));
            return None;
        }
    };
    let alone = Turn { prompt: case.prompt.clone(), ..Turn::default() };
    let turns = if case.turns.is_empty() { std::slice::from_ref(&alone) } else { &case.turns };
    let mut prepared = Vec::with_capacity(turns.len());
    for (index, turn) in turns.iter().enumerate() {
        let path = [Step::from("turns"), Step::from(index)];
        let path = if case.turns.is_empty() { &[] } else { &path[..] };
        flaws.along(path, |flaws| {
            let messages = messages(turn, &vars, flaws, workshop.templates);
            let asserts = flaws.ready("assert", &turn.assert, &vars, workshop);
            prepared.push(PreparedTurn { messages, asserts });
        });
    }
    let mut last = flaws.ready("assert", &case.assert, &vars, workshop);
    last.extend(flaws.ready_defaults(&suite.defaults.assert, &vars, workshop));
    let threshold = case.threshold.or(suite.defaults.threshold);
    Some(PreparedCase {
        id: case.id.clone(),
        category: case.category.clone().or_else(|| suite.defaults.category.clone()),
        group: case.group.clone(),
        critical: case.critical,
        quarantined: case.quarantined,
        vars,
        turns: prepared,
        last,
        threshold,
        written: None,
    })
}

fn messages(
    turn: &Turn,
    vars: &Scope,
    flaws: &mut Flaws<'_>,
    templates: &Templates,
) -> Vec<Message> {
    if let Some(prompt) = &turn.prompt {
        return match templates.text(prompt, vars) {
            Ok(text) => vec![Message::new("user", text)],
            Err(found) => {
                flaws.within("prompt", |flaws| {
                    flaws.say("prompt-template", found, "a template that can be rendered");
                });
                Vec::new()
            }
        };
    }
    let mut messages = Vec::with_capacity(turn.messages.len());
    for (index, message) in turn.messages.iter().enumerate() {
        flaws.along(&["messages".into(), index.into()], |flaws| {
            match templates.texts(&message.content, vars) {
                Ok(content) => messages.push(Message { content, ..message.clone() }),
                Err(found) => {
                    flaws.say("prompt-template", found, "a template that can be rendered");
                }
            }
        });
    }
    messages
}

impl Prepared {
    /// What the answers to a case's turns come to, and each assertion, in the order of
    /// [`PreparedCase::assertions`].
    pub(super) fn assess(
        &self,
        case: &PreparedCase,
        answers: &[Answer],
        prices: Option<&super::suite::Prices>,
        grades: &Grades,
    ) -> (Outcome, Vec<Outcome>) {
        let context = |place| Context { prices, tools: &self.tools, grades, place };
        let mut outcomes = Vec::new();
        for (place, (turn, answer)) in case.turns.iter().zip(answers).enumerate() {
            let context = context(place);
            let assessed = turn.asserts.iter().map(|it| (it.weight(), it.assess(answer, &context)));
            outcomes.extend(assessed);
        }
        let all = Answer::of_all(answers);
        let context = context(case.turns.len().min(answers.len()));
        outcomes.extend(case.last.iter().map(|it| (it.weight(), it.assess(&all, &context))));
        let whole = together(&outcomes, case.threshold);
        (whole, outcomes.into_iter().map(|(_, outcome)| outcome).collect())
    }
}
