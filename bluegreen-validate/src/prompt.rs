//! Prompt regression: the same questions to both slots, and whether the candidate answers as well
//! as live does.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use bluegreen_core::{
    AgentClient, Digest, Error, ErrorKind, Judgement, Plan, Problem, Result, Trial, Validator,
};

use crate::ConfigError;
use crate::report::RunReport;

mod answer;
mod ask;
mod assess;
mod cassette;
mod grader;
mod judge;
mod made;
mod pattern;
mod prepare;
mod promptfoo;
mod read;
mod report;
mod run;
#[cfg(feature = "schema")]
mod schema;
mod size;
mod suite;
mod template;
mod tool_contract;
mod unreached;
mod warm_up;

use made::Made;

pub use cassette::{Baseline, BaselineCounts, Cassette, CassetteCounts, CassetteMode};
#[cfg(any(test, feature = "mocks"))]
pub use grader::MockGrader;
pub use grader::{AgentAnswer, AgentToolCall, Exchange, Grade, Grader, GraderInput, TokenUsage};
pub use run::{Recorder, RunProgress};
#[cfg(feature = "schema")]
#[cfg_attr(docsrs, doc(cfg(feature = "schema")))]
pub use schema::suite_schema;
pub use suite::{
    A2aAgent, A2aVersion, Agent, AnswerRelevance, ArgumentMode, Arguments, AssertSet, Assertion,
    Budget, CallMode, Case, CaseFile, Check, ContextCheck, ContextRecall, Criteria, Defaults,
    Distance, EmbeddingModel, FactScores, Factuality, GraderCheck, HttpAgent, JudgeModel, Likeness,
    Limits, Message, OpenAiAgent, Pairwise, Prices, Reading, ResponsesAgent, Rubric, Suite,
    TokenLimits, ToolCallRule, ToolCount, ToolNames, Trajectory, Turn, Unsupported, Webhook,
};
pub use tool_contract::{PinnedTool, Strictness, ToolContract, ToolContractConfig};
pub use warm_up::{ModelWarmUp, ModelWarmUpConfig};

/// Asks both slots the same questions several times, and judges whether the candidate answers as
/// well as live does.
///
/// ```
/// use bluegreen_validate::PromptRegression;
///
/// let text = r#"{
///   "agent": {"http": {"path": "/chat", "body": {"message": "{{prompt}}"}, "answer": "/reply"}},
///   "rules": {"min_cases": 2, "margin": 0.2},
///   "defaults": {"assert": [{"not-contains": "as an AI"}]},
///   "cases": [
///     {"id": "parcel", "prompt": "Where is parcel 4711?", "assert": [{"contains": "4711"}]},
///     {"id": "refund", "critical": true, "prompt": "I want my money back.",
///      "assert": [{"icontains-any": ["14 days", "two weeks"]}]}
///   ]
/// }"#;
/// let gate = PromptRegression::from_text("suite.json", text)?;
/// assert_eq!(gate.suite().cases.len(), 2);
/// # Ok::<(), bluegreen_validate::ConfigError>(())
/// ```
///
/// # What it comes to
/// * [`Pass`](bluegreen_core::Verdict::Pass): it is shown that the candidate is worse by less than
///   the margins, over all cases and in each category, and no critical case got worse.
/// * [`Fail`](bluegreen_core::Verdict::Fail): it is shown that it is worse by more, or a critical
///   case got worse. The findings name the cases that got worse, the worst first, with what live
///   answered beside what the candidate did.
/// * [`Inconclusive`](bluegreen_core::Verdict::Inconclusive): neither is shown; or too many runs
///   came to nothing, because an agent, what is behind it, or a budget did not last; or a case needs
///   what is not there. What came to nothing in both slots is *upstream*'s fault and said so;
///   a later request that can't be made of the suite's templates is the suite's.
/// * An error of the kind [`Rejected`](bluegreen_core::ErrorKind::Rejected): the suite has problems,
///   or the cassette is of another run.
///
/// # How it goes about it
/// Each run of a case goes to both slots at the same time, so that both meet the same provider at
/// the same moment; the order is drawn from the seed of the [`Rules`](crate::paired::Rules). At
/// most [`Suite::concurrency`] runs go on at a time, fewer while an agent answers 429; a pause that
/// an answer asks for is kept, or the run ends. Status 5xx, a timeout and a broken connection lose
/// the run, which counts for neither side. It stops when the verdict is certain. What is known is
/// kept by [`Trial::checkpoint`] from time to time; a look that follows, also of another process,
/// asks only what is missing or came to nothing.
///
/// Requests carry the header `x-bluegreen-validation` with the suite's name, so that an agent can
/// tell them from those of customers.
///
/// A [`Recorder`] keeps what is seen for a report, and tells how far a run has come. A [`Cassette`]
/// keeps the answers, so that a run that was interrupted, or is judged anew, pays for none twice.
#[derive(Clone, Debug)]
pub struct PromptRegression {
    suite: Suite,
    recorder: Option<Recorder>,
    connector: judge::Connector,
    cassette: Option<Cassette>,
    baseline: Option<Baseline>,
    /// The suite made ready, once: it is checked, and then judged by, perhaps again and again.
    ready: OnceLock<Arc<Made>>,
    /// Its digest, which takes as long as a good part of that.
    digest: OnceLock<Digest>,
}

/// Whatever they are recorded by.
impl PartialEq for PromptRegression {
    fn eq(&self, other: &Self) -> bool {
        self.suite == other.suite
    }
}

impl PromptRegression {
    /// A gate from data.
    pub fn new(suite: Suite) -> Self {
        let connector = judge::Connector::default();
        let (ready, digest) = (OnceLock::new(), OnceLock::new());
        Self { suite, recorder: None, connector, cassette: None, baseline: None, ready, digest }
    }

    /// A gate from what was read, which has been made ready by that.
    fn read(found: read::Found) -> Self {
        let gate = Self::new(found.suite);
        let ready = found.made.map_or_else(OnceLock::new, |made| OnceLock::from(Arc::new(made)));
        Self { ready, ..gate }
    }

    /// A gate from a file, JSON or YAML, as its name ends.
    ///
    /// ```yaml
    /// agent:
    ///   openai: { model: agent, stream: true }
    ///   # or: http: { path: /chat, body: { message: "{{prompt}}" }, answer: /reply }
    ///   # or: responses: { model: agent, stream: true }
    ///   # or: a2a: { path: /a2a, version: "1.0" }
    /// rules: { margin: 0.05, repeats: 3 }
    /// concurrency: 8
    /// timeout: 30s
    /// budget: { calls: 2000, money: 5 }
    /// prices: { input: 0.15, output: 0.60 }       # of a million tokens
    /// defaults:
    ///   category: general
    ///   assert: [{ not-contains: as an AI }]
    /// cases:
    ///   - id: parcel
    ///     category: delivery
    ///     vars: { parcel: 4711 }
    ///     prompt: "Where is parcel {{parcel}}?"
    ///     assert:
    ///       - contains: "{{parcel}}"
    ///       - { icontains-any: [tuesday, tomorrow], weight: 2 }
    ///       - first-token: 2s
    ///   - id: refund
    ///     critical: true
    ///     turns:
    ///       - prompt: I want my money back for order 7.
    ///         assert:
    ///           - tool-calls: { mode: exact, calls: [{ name: find_order, args: { values: { id: 7 } } }] }
    ///       - messages: [{ role: tool, name: find_order, content: '{"paid": 20}' }]
    ///     assert: [{ contains: "20" }, { not-is-refusal: }]
    /// ```
    ///
    /// Reads the file with the blocking calls of the standard library.
    ///
    /// # Trust
    /// A suite is trusted as code is. What it says is sent to the agent and asked of it, with
    /// headers from the environment where it says so; a file of promptfoo's reads whatever files it
    /// names, wherever they are, and sends what is in them. Who may write a suite may read what
    /// this process may read.
    ///
    /// # Errors
    /// All problems of the file at once, each with file, line and column.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        read::from_file(path.as_ref()).map(Self::read)
    }

    /// A gate from promptfoo's configuration, with the agent that is asked instead of its providers.
    /// Without one, [`from_file`](Self::from_file) reads such a file too, and takes its one provider,
    /// if that is `openai:chat:MODEL`, `openai:responses:MODEL` or an HTTP address (of which only path and query count).
    ///
    /// Read are `prompts`, `tests`, `defaultTest`, `scenarios`, `assertionTemplates`, files and
    /// patterns for files with tests, prompts, variables and values, tables with `__expected`, and
    /// of `evaluateOptions` what bears on a run. What can't be looked at here (programs, models that
    /// grade) makes its case one that can never pass: [`problems`](Self::problems) names it, unless
    /// [`Suite::skip_unsupported`] leaves it out. What is wrong with assertions is found by
    /// [`problems`](Self::problems), too.
    ///
    /// # Errors
    /// All problems of the file at once, each with file, line and column: unknown fields and
    /// types, files that are not there, and no tests at all.
    pub fn from_promptfoo(
        path: impl AsRef<Path>,
        agent: impl Into<Agent>,
    ) -> Result<Self, ConfigError> {
        promptfoo::from_file(path.as_ref(), Some(agent.into())).map(Self::new)
    }

    /// The same with other settings.
    ///
    /// ```no_run
    /// use bluegreen_validate::PromptRegression;
    ///
    /// let gate = PromptRegression::from_file("promptfooconfig.yaml")?.with(|suite| {
    ///     suite.rules.margin = 0.1;
    ///     suite.skip_unsupported = true;
    /// });
    /// # Ok::<(), bluegreen_validate::ConfigError>(())
    /// ```
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Suite)) -> Self {
        let before = self.suite.clone();
        change(&mut self.suite);
        if self.suite == before {
            return self;
        }
        (self.ready, self.digest) = (OnceLock::new(), OnceLock::new());
        self
    }

    /// A gate from `text`, which is JSON or YAML as `name` ends; problems call it by that name.
    ///
    /// # Errors
    /// All problems of the text at once, each with name, line and column.
    pub fn from_text(name: &str, text: &str) -> Result<Self, ConfigError> {
        read::from_text(name, text).map(Self::read)
    }

    /// The same, recorded: `recorder` has the report of every run of it, and its progress.
    #[must_use]
    pub fn recorded_by(mut self, recorder: &Recorder) -> Self {
        self.recorder = Some(recorder.clone());
        self
    }

    /// The same, which reaches judges, embeddings and webhooks by what `connect` makes of an address
    /// like `https://models.example`; what it says when it can't is among the
    /// [`problems`](Self::problems). Without it they are reached by plain HTTP, and `https` is
    /// refused, because no library of these chooses a TLS provider.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use bluegreen_validate::prompt::{Case, Check, JudgeModel, OpenAiAgent, Rubric, Suite};
    /// use bluegreen_validate::{AddressClient, PromptRegression};
    ///
    /// let judge = JudgeModel::new("https://models.example/v1", "grader-2");
    /// let polite = Check::LlmRubric(Rubric::new("Is polite, and promises nothing."));
    /// let case = Case::new("refund", "Money back!").assert(polite);
    /// let agent = OpenAiAgent::new("agent");
    /// let gate = PromptRegression::new(Suite::new(agent, [case]));
    /// let gate = gate.with(|suite| suite.judges.push(judge));
    /// // Nothing here speaks TLS.
    /// assert!(gate.problems().iter().any(|it| it.to_string().contains("TLS")));
    /// let gate = gate.connecting(|_| Ok(Arc::new(AddressClient::new(["127.0.0.1:8443"]))));
    /// assert!(!gate.problems().iter().any(|it| it.to_string().contains("TLS")));
    /// ```
    #[must_use]
    pub fn connecting(
        mut self,
        connect: impl Fn(&str) -> Result<Arc<dyn AgentClient>, String> + Send + Sync + 'static,
    ) -> Self {
        self.connector = judge::Connector::new(connect);
        self
    }

    /// The same with a [`Grader`] of one's own, which assertions name.
    ///
    /// No file has it, so it is to be brought whenever a suite was read.
    #[must_use]
    pub fn grading(mut self, grader: impl Grader + 'static) -> Self {
        self.suite = self.suite.grading(grader);
        (self.ready, self.digest) = (OnceLock::new(), OnceLock::new());
        self
    }

    /// The same with answers from a file, into which those go that are asked.
    #[must_use]
    pub fn with_cassette(mut self, cassette: &Cassette) -> Self {
        self.cassette = Some(cassette.clone());
        self
    }

    /// The same, which takes live's answers from an earlier run, as far as they are there.
    ///
    /// A baseline is no part of [`config_digest`](Validator::config_digest): a release goes on with another
    /// one, or with none.
    #[must_use]
    pub fn with_baseline(mut self, baseline: &Baseline) -> Self {
        self.baseline = Some(baseline.clone());
        self
    }

    /// The suite.
    pub fn suite(&self) -> &Suite {
        &self.suite
    }

    /// Takes one look, with the errors and the cancel safety of [`judge`](Validator::judge), and reports on
    /// it. Of a run that is dropped only a [`Recorder`] of one's own has the report.
    pub async fn judge_and_report(&self, trial: &Trial) -> Result<(Judgement, RunReport)> {
        let recorder = self.recorder.clone().unwrap_or_default();
        let judgement = self.clone().recorded_by(&recorder).judge(trial).await?;
        let report = recorder.report().ok_or_else(|| {
            // A run that has judged has begun.
            Error::new(ErrorKind::Unknown, format!("report on {}", self.suite.name))
        })?;
        Ok((judgement, report))
    }

    /// Everything that is wrong with the suite, all at once. Warnings are among it.
    pub fn problems(&self) -> Vec<Problem> {
        let made = self.ready();
        let problems = made.problems.iter().cloned();
        problems.chain(self.unreached()).collect()
    }

    fn ready(&self) -> Arc<Made> {
        self.ready.get_or_init(|| Arc::new(Made::of(&self.suite))).clone()
    }

    fn digest(&self) -> &Digest {
        self.digest.get_or_init(|| self.suite.digest())
    }
}

impl From<Suite> for PromptRegression {
    fn from(suite: Suite) -> Self {
        Self::new(suite)
    }
}

#[async_trait]
impl Validator for PromptRegression {
    fn name(&self) -> &str {
        &self.suite.name
    }

    fn config_digest(&self) -> Digest {
        self.digest().clone()
    }

    async fn check(&self, _: &Plan) -> Result<Vec<Problem>> {
        Ok(self.problems())
    }

    async fn judge(&self, trial: &Trial) -> Result<Judgement> {
        let made = self.ready();
        let Some(prepared) = &made.prepared else {
            let problems = made.problems.iter().filter(|it| it.is_refusal()).cloned().collect();
            let error = Error::new(ErrorKind::Rejected, format!("prepare {}", self.suite.name));
            return Err(error.with_source(ConfigError::new(&self.suite.name, problems)));
        };
        let judging = judge::Judging::new(&self.suite, &self.connector, trial, self.digest());
        let judging = judging.map_err(|why| {
            let action = format!("prepare the judges of {}", self.suite.name);
            Error::new(ErrorKind::Rejected, action).with_source(why)
        })?;
        let ran = {
            let aids = run::Aids {
                digest: self.digest(),
                made: &made,
                recorder: self.recorder.as_ref(),
                cassette: self.cassette.as_ref(),
                baseline: self.baseline.as_ref(),
            };
            run::run(&self.suite, prepared, &judging, trial, aids).await?
        };
        Ok(report::judgement(&self.suite, prepared, &ran))
    }
}
