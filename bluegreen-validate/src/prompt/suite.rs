//! A suite as data: whom to ask, what, and what must be answered.

use std::collections::BTreeMap;
use std::time::Duration;

use bluegreen_core::Digest;
use bluegreen_core::clock::duration_text;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::canonical::canonical;
use crate::paired::Rules;

mod agent;
mod assertion;
mod case;
mod case_file;
mod check;
mod context;
mod graded;
mod graders;
mod judges;
mod limits;
mod params;
mod text;

pub use agent::{A2aAgent, A2aVersion, Agent, HttpAgent, OpenAiAgent, Reading, ResponsesAgent};
pub use assertion::Assertion;
pub use case::{Case, Message, Turn};
pub use case_file::CaseFile;
pub(super) use case_file::Opened;
pub use check::Check;
pub use context::{AnswerRelevance, ContextCheck, ContextRecall};
pub(crate) use context::{Context, query_of, sentences};
pub use graded::{Criteria, FactScores, Factuality, GraderCheck, Pairwise, Rubric, Webhook};
use graders::Graders;
pub use judges::{EmbeddingModel, JudgeModel};
pub use limits::{Budget, Prices};
pub use params::{
    ArgumentMode, Arguments, AssertSet, CallMode, Distance, Likeness, Limits, TokenLimits,
    ToolCallRule, ToolCount, ToolNames, Trajectory, Unsupported,
};
pub(super) use text::one_or_many;

/// A suite of prompts as data: what a file holds and what
/// [`PromptRegression`](super::PromptRegression) is made from.
///
/// Unknown fields are refused by name.
/// [`PromptRegression::from_file`](super::PromptRegression::from_file) shows a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", schemars(extend("anyOf" = crate::prompt::schema::some_of("cases", "case_file"))))]
#[non_exhaustive]
pub struct Suite {
    /// What progress, records and errors call it; `prompts` unless told otherwise.
    #[serde(default = "named")]
    pub name: String,
    /// How the agent is spoken to, in both slots alike.
    pub agent: Agent,
    /// How many conversations one slot has at a time, at most; 4 unless told otherwise. It is
    /// lowered while the agent answers 429.
    #[serde(default = "four")]
    pub concurrency: u32,
    /// How long one answer may take, from sending to its end; 60 s unless told otherwise.
    #[serde(default = "minute", with = "duration_text")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "crate::prompt::schema::duration"))]
    pub timeout: Duration,
    /// The most bytes of the body of one answer; 1 MiB unless told otherwise.
    #[serde(default = "mebibyte")]
    pub max_body: usize,
    /// How often a question is asked again that was answered 429, after the pause that the answer
    /// asks for; 3 unless told otherwise.
    #[serde(default = "three")]
    pub retries: u32,
    /// The longest pause that an answer of 429 may ask for; one that asks for more is given up at
    /// once, and never asked again too early. 2 min unless told otherwise.
    #[serde(default = "two_minutes", with = "duration_text")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "crate::prompt::schema::duration"))]
    pub longest_pause: Duration,
    /// What the run may cost.
    #[serde(default)]
    pub budget: Budget,
    /// What tokens cost, for budgets and the check `cost`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prices: Option<Prices>,
    /// How much worse the candidate may be, how sure one has to be, and how often each case is run
    /// in each slot. The order of the run is drawn from its seed, too.
    #[serde(default)]
    pub rules: Rules,
    /// Whether cases that need what is not there (a JavaScript assertion, say) are left out and
    /// said to be left out. Otherwise the suite is refused, and can't pass.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub skip_unsupported: bool,
    /// Who grades answers, for checks like `llm-rubric`; without any, cases with such are of those
    /// that need what is not there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub judges: Vec<JudgeModel>,
    /// What makes vectors of texts, for the check `similar`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embeddings: Option<EmbeddingModel>,
    /// What holds for every case.
    #[serde(default)]
    pub defaults: Defaults,
    /// The cases. A suite has some here, or in `case_file`.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    pub cases: Vec<Case>,
    /// More cases, in a file of JSON Lines: for suites of many thousands, which nobody holds in
    /// memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case_file: Option<CaseFile>,
    /// Whether a name that nothing stands behind is an error in templates, as it is unless told
    /// otherwise, or an empty text, as in promptfoo's files.
    #[serde(default = "yes", skip_serializing_if = "Clone::clone")]
    pub strict_templates: bool,
    /// Graders of one's own, which are code, and in no file.
    #[serde(skip)]
    pub(crate) graders: Graders,
}

/// What holds for every case of a [`Suite`] that does not say otherwise.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Defaults {
    /// The category of cases that name none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Variables; those of a case win.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub vars: BTreeMap<String, Value>,
    /// What every last answer must be like, besides what the case says.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub assert: Vec<Assertion>,
    /// The score from which on a case passes; without it every assertion must hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
}

impl Suite {
    /// These cases, with the defaults for everything else.
    ///
    /// ```
    /// use bluegreen_validate::prompt::{Assertion, Case, HttpAgent, Suite};
    /// use bluegreen_validate::{PromptRegression, json};
    ///
    /// let agent = HttpAgent::post("/chat", json!({"message": "{{prompt}}"}), "/reply");
    /// let cases = (4711..4771).map(|parcel| {
    ///     Case::new(format!("parcel {parcel}"), "Where is parcel {{parcel}}?")
    ///         .var("parcel", parcel)
    ///         .assert(Assertion::contains("{{parcel}}"))
    ///         .assert(Assertion::contains("as an AI").negated())
    /// });
    /// let gate = PromptRegression::new(Suite::new(agent, cases));
    /// assert!(gate.problems().is_empty());
    /// ```
    pub fn new(agent: impl Into<Agent>, cases: impl IntoIterator<Item = Case>) -> Self {
        Self {
            name: named(),
            agent: agent.into(),
            concurrency: four(),
            timeout: minute(),
            max_body: mebibyte(),
            retries: three(),
            longest_pause: two_minutes(),
            budget: Budget::default(),
            prices: None,
            rules: Rules::default(),
            skip_unsupported: false,
            judges: Vec::new(),
            embeddings: None,
            defaults: Defaults::default(),
            cases: cases.into_iter().collect(),
            case_file: None,
            strict_templates: true,
            graders: Graders::default(),
        }
    }

    /// One digest of all settings, with all files that they name, and the names and versions of the
    /// graders of one's own that assertions name. It depends on nothing else: the order of keys in a
    /// file, or the value of an environment variable, makes no other digest.
    pub fn digest(&self) -> Digest {
        // Everything in it has text keys and finite numbers, so this does not fail; and if it
        // ever did, the error's text would not be the digest of any settings that work.
        let text = match serde_json::to_value(self) {
            Ok(mut value) => {
                // What is in it counts, not where it is.
                if let Value::Object(entries) = &mut value {
                    entries.remove("case_file");
                }
                canonical(&value)
            }
            Err(error) => error.to_string(),
        };
        let mut parts = vec!["bluegreen prompts 1", text.as_str()];
        let filed = self.case_file.as_ref().map(|file| match file.opened() {
            Ok(opened) => opened.digest().to_string(),
            Err(why) => why,
        });
        if let Some(filed) = &filed {
            parts.extend(["cases", filed.as_str()]);
        }
        // Judges that are asked in other words are other judges.
        let words = super::judge::words();
        if !self.judges.is_empty() {
            parts.push(words.as_str());
        }
        let lists = super::judge::list_words();
        if self.is_held_against_contexts() {
            parts.push(lists.as_str());
        }
        // What nobody names grades nothing.
        for (name, version) in self.graders_in_use() {
            parts.extend(["grader", name, version]);
        }
        Digest::of(parts)
    }

    /// The same without any case.
    pub(super) fn without_cases(&self) -> Self {
        let Self { name, agent, budget, prices, rules, judges, embeddings, .. } = self;
        let mut suite = Self::new(agent.clone(), []);
        (suite.name, suite.rules) = (name.clone(), rules.clone());
        (suite.concurrency, suite.timeout) = (self.concurrency, self.timeout);
        (suite.max_body, suite.retries) = (self.max_body, self.retries);
        (suite.longest_pause, suite.budget, suite.prices) = (self.longest_pause, *budget, *prices);
        suite.skip_unsupported = self.skip_unsupported;
        (suite.judges, suite.embeddings) = (judges.clone(), embeddings.clone());
        (suite.defaults, suite.graders) = (self.defaults.clone(), self.graders.clone());
        suite.strict_templates = self.strict_templates;
        suite
    }

    /// One digest of how the agent is spoken to, and where in its answers is what.
    pub(super) fn agent_digest(&self) -> Digest {
        let agent = serde_json::to_value(&self.agent).unwrap_or_default();
        let strict = if self.strict_templates { "strict" } else { "loose" };
        Digest::of(["bluegreen agent 1", strict, &canonical(&agent)])
    }

    /// One digest of what is asked: without assertions, rules and limits, none of which changes an
    /// answer.
    pub(super) fn asked_digest(&self) -> Digest {
        let mut asked = Self::new(self.agent.clone(), self.cases.clone());
        asked.strict_templates = self.strict_templates;
        asked.defaults.vars.clone_from(&self.defaults.vars);
        asked.cases.iter_mut().for_each(Case::only_ask);
        let asked = asked.digest();
        let Some(file) = &self.case_file else { return asked };
        let opened = match file.opened() {
            Ok(opened) => opened,
            Err(why) => return Digest::of([asked.as_str(), why.as_str()]),
        };
        (0..opened.len()).fold(asked, |before, index| {
            let case = opened.case(index).map(|mut case| {
                case.only_ask();
                canonical(&serde_json::to_value(case).unwrap_or_default())
            });
            Digest::of([before.as_str(), case.as_deref().unwrap_or_else(|why| why.as_str())])
        })
    }

    /// All assertions of all cases; of those in a file only what one has to know of before they are
    /// asked.
    pub(super) fn assertions(&self) -> impl Iterator<Item = &Assertion> {
        let of_cases = self.cases.iter();
        let of_cases = of_cases.flat_map(|case| case.assert.iter().chain(case.turns_asserts()));
        let opened = self.case_file.iter().filter_map(|file| file.opened().ok());
        let filed = opened.flat_map(Opened::notable);
        self.defaults.assert.iter().chain(of_cases).chain(filed)
    }

    /// Whether a case has everything that it needs.
    pub(super) fn unsupported(&self, case: &Case) -> Option<String> {
        let mut all = self.defaults.assert.iter().chain(&case.assert).chain(case.turns_asserts());
        all.find_map(|it| it.unsupported(self))
    }
}

fn named() -> String {
    "prompts".to_owned()
}

fn three() -> u32 {
    3
}

fn four() -> u32 {
    4
}

fn minute() -> Duration {
    Duration::from_mins(1)
}

fn two_minutes() -> Duration {
    Duration::from_mins(2)
}

fn mebibyte() -> usize {
    1024 * 1024
}

fn yes() -> bool {
    true
}
