//! Answers graded by models and services: who asks them, what is known already, and what their
//! verdicts come to.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bluegreen_core::{Digest, Trial};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::answer::Answer;
use super::grader::Grade;
use super::prepare::PreparedCase;
use super::suite::{Check, FactScores, Suite};
use super::template::Scope;

mod chat;
mod context;
mod embeddings;
mod endpoint;
mod opinion;
mod own;
mod pair;
mod place;
mod verdict;
mod webhook;
mod words;

use chat::Chat;
use embeddings::Embedder;
pub(super) use endpoint::{Purse, Stop};
pub(super) use opinion::{Grades, Opinion};
pub(super) use pair::{ALONE, Compared};
pub(super) use place::{Connector, Place};
pub(super) use words::{list_words, words};

/// More verdicts than are remembered; what comes after is asked each time.
const MOST_KNOWN: usize = 20_000;
/// The longest texts that a judge is shown, in bytes.
const LONGEST: usize = 128 * 1024;

/// What a judge decides.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// Whether and how well an answer is as a rubric wants it.
    Rubric,
    /// Whether it meets a criterion.
    ClosedQa,
    /// How well it meets a criterion.
    Points,
    /// How its facts and those of a reference relate, and what each relation is worth.
    Factuality(FactScores),
    /// No grade, but a list that one is made from.
    List(Lists),
    /// Which of two answers is better. The score is 1 where it is the first, 0 where it is the
    /// second, and in the middle where it is neither.
    Pair,
}

/// What a judge lists.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Lists {
    /// Three questions that an answer would be the answer to.
    Questions,
    /// The statements in an answer.
    Statements,
    /// For each of so many statements whether the context supports it.
    Supported(usize),
    /// For each of so many parts of the context whether the question needs it.
    Relevant(usize),
}

/// What a judge has listed.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum List {
    Texts(Vec<String>),
    /// One for each that was asked about, and why.
    Marks(Vec<bool>, String),
}

/// One thing that is graded.
pub(super) struct Task<'a> {
    pub(super) kind: Kind,
    pub(super) question: &'a str,
    /// The rubric, the criterion, or what is known to be right.
    pub(super) measure: &'a str,
    pub(super) answer: &'a str,
    /// The second one, where two are compared.
    pub(super) other: Option<&'a str>,
}

impl<'a> Task<'a> {
    fn new(kind: Kind, question: &'a str, measure: &'a str, answer: &'a str) -> Self {
        Self { kind, question, measure, answer, other: None }
    }
}

impl Task<'_> {
    /// All that others wrote.
    fn texts(&self) -> impl Iterator<Item = &str> {
        [self.question, self.measure, self.answer].into_iter().chain(self.other)
    }
}

/// Who grades. It does not know which slot an answer is of.
#[async_trait]
pub(super) trait Judge: Send + Sync {
    /// What it is called.
    fn name(&self) -> &str;

    /// Whether an assertion means it by this name.
    fn is_called(&self, name: &str) -> bool;

    /// Grades one answer. `secret` is what its fence is made from; what it takes is paid from
    /// `purse`, each call before it is made.
    ///
    /// # Errors
    /// What is no verdict, for whatever reason, is none; or a budget is spent.
    async fn grade(&self, task: &Task<'_>, secret: &str, purse: &Purse<'_>) -> Result<Grade, Stop>;

    /// Lists what a task of the kind [`Kind::List`] wants, as [`grade`](Self::grade) grades.
    ///
    /// # Errors
    /// As there.
    async fn list(&self, task: &Task<'_>, secret: &str, purse: &Purse<'_>) -> Result<List, Stop>;
}

/// What has been said, and what is being asked.
struct Known<T>(Mutex<HashMap<Digest, Arc<OnceCell<T>>>>);

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone + Send + Sync> Known<T> {
    /// What is known, or asked for once, however many want it.
    async fn once<F>(&self, key: Digest, ask: F) -> Result<T, Stop>
    where
        F: Future<Output = Result<T, Stop>> + Send,
    {
        let cell = {
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if known.len() >= MOST_KNOWN && !known.contains_key(&key) {
                None
            } else {
                Some(known.entry(key).or_default().clone())
            }
        };
        match cell {
            // What failed is asked again by the next one who wants it.
            Some(cell) => cell.get_or_try_init(|| ask).await.cloned(),
            None => ask.await,
        }
    }
}

/// All that grades in one run, with what it has said.
pub(super) struct Judging {
    judges: Vec<Arc<dyn Judge>>,
    embedder: Option<Embedder>,
    hooks: HashMap<String, webhook::Hook>,
    own: own::Own,
    secret: String,
    known: Known<Grade>,
    lists: Known<List>,
}

impl Judging {
    /// Makes everything ready that the suite asks, or says why that can't be asked.
    pub(super) fn new(
        suite: &Suite,
        connector: &Connector,
        trial: &Trial,
        digest: &Digest,
    ) -> Result<Self, String> {
        let mut judges: Vec<Arc<dyn Judge>> = Vec::with_capacity(suite.judges.len());
        for judge in &suite.judges {
            judges.push(Arc::new(Chat::new(suite, judge, connector)?));
        }
        let embedder = suite.embeddings.as_ref();
        let embedder = embedder.map(|it| Embedder::new(suite, it, connector)).transpose()?;
        let mut hooks = HashMap::new();
        let mut named = Vec::new();
        // No case makes another one of it: it has no templates.
        suite.assertions().for_each(|it| it.webhooks(&mut named));
        for hook in named {
            if let Entry::Vacant(place) = hooks.entry(webhook::key(hook)) {
                place.insert(webhook::Hook::new(suite, hook, connector)?);
            }
        }
        let (secret, own) = (secret(suite, trial, digest), own::Own::new(suite));
        Ok(Self {
            judges,
            embedder,
            hooks,
            own,
            secret,
            known: Known::default(),
            lists: Known::default(),
        })
    }

    /// Grades all answers of a case that want it. The budget that is spent, if one is.
    pub(super) async fn grades(
        &self,
        case: &PreparedCase,
        answers: &[Answer],
        purse: &Purse<'_>,
    ) -> Result<Grades, &'static str> {
        let mut grades = Grades::default();
        let all = Answer::of_all(answers);
        let of_turns = case.turns.iter().zip(answers).map(|(turn, answer)| (&turn.asserts, answer));
        let places = of_turns.chain([(&case.last, &all)]);
        for (place, (asserts, answer)) in places.enumerate() {
            let checks = asserts.iter().flat_map(|it| it.graded());
            for check in checks.filter(|it| !matches!(it, Check::Pairwise(_))) {
                let opinion = if let Check::Grader(it) = check {
                    self.own.opinion(it, (case, answers, place), answer, purse).await
                } else {
                    let (question, answer) = (asked(case, answers, place), answer.shown());
                    let about = About { question: &question, answer: &answer, vars: &case.vars };
                    self.opinion(check, &about, purse).await
                };
                match opinion {
                    Ok(opinion) => grades.add(place, check, Ok(opinion)),
                    Err(Stop::Untold(why)) => grades.add(place, check, Err(why)),
                    Err(Stop::Budget(budget)) => return Err(budget),
                }
            }
        }
        Ok(grades)
    }
}

/// What is graded, in words.
pub(super) struct About<'a> {
    pub(super) question: &'a str,
    pub(super) answer: &'a str,
    pub(super) vars: &'a Scope,
}

impl About<'_> {
    /// What makes a verdict another one.
    fn key(&self, judge: &str, kind: &str, measure: &Value) -> Digest {
        let measure = measure.to_string();
        Digest::of([judge, kind, measure.as_str(), self.question, self.answer])
    }
}

/// All that was said before the answer in this place: a turn, or the last one of all. Each as JSON, so
/// that no answer can pretend to be what somebody said after it.
fn asked(case: &PreparedCase, answers: &[Answer], place: usize) -> String {
    let last = place.min(case.turns.len().saturating_sub(1));
    if last == 0 {
        return case.all_asked();
    }
    let mut lines = Vec::new();
    for (turn, index) in case.turns.iter().zip(0..=last) {
        for message in &turn.messages {
            let (role, content) = (&message.role, &message.content);
            lines.push(json!({"role": role, "content": content}).to_string());
        }
        if index < last
            && let Some(answer) = answers.get(index)
        {
            lines.push(json!({"role": "assistant", "content": answer.shown()}).to_string());
        }
    }
    lines.join("\n")
}

/// What the words of fences are made from: another in each run, and nothing that an agent gets to
/// know.
fn secret(suite: &Suite, trial: &Trial, digest: &Digest) -> String {
    let now = trial.clock.now().unix_millis().to_string();
    let seed = suite.rules.seed.to_string();
    let (live, idle) = (&trial.live.state, &trial.candidate.state);
    let parts = json!([digest.as_str(), seed, now, live.uid, idle.uid]).to_string();
    Digest::of([trial.release.as_str(), parts.as_str()]).as_str().to_owned()
}
