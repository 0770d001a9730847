//! Real completions for every pod of a candidate, until its first token comes fast.

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use bluegreen_core::{
    Digest, Error, ErrorKind, Judgement, Plan, Problem, Result, Trial, Validator,
};

use super::prepare;
use super::suite::Agent;
use crate::ConfigError;
use crate::document::Step;

mod book;
mod config;
mod pod;
mod rounds;
mod verdict;

pub use config::ModelWarmUpConfig;

/// Asks every ready pod of the candidate real questions until the first token of its answers comes
/// fast, so that nobody takes the cold start of a model for a regression, and no customer waits for it.
///
/// It is what [`Releaser::warm_up`](bluegreen_core::Releaser::warm_up) takes, with a plan that has
/// [`Plan::warm_up`].
///
/// ```
/// use std::time::Duration;
///
/// use bluegreen_validate::ModelWarmUp;
/// use bluegreen_validate::prompt::OpenAiAgent;
///
/// let (agent, limit) = (OpenAiAgent::new("agent"), Duration::from_millis(800));
/// let warm_up = ModelWarmUp::new(agent, ["Where is my parcel?"], limit)
///     .with(|config| (config.consecutive, config.attempts) = (5, 40));
/// assert_eq!(warm_up.problems(), []);
/// ```
///
/// # What it comes to
/// * [`Pass`](bluegreen_core::Verdict::Pass): every ready pod has given so many answers in a row whose
///   first token came within the limit, and there are as many ready pods as there should be. A
///   [`Finding`](bluegreen_core::Finding) for each says how many calls it took, and after which time the
///   first token came at first and at last.
/// * [`Fail`](bluegreen_core::Verdict::Fail): a pod has had all its attempts and is not warm; or the
///   calls or the time of all pods together are spent before all are. The first findings are those of
///   pods that are not warm: with the times that were seen and the one that is wanted, or why there
///   was no answer.
/// * [`Inconclusive`](bluegreen_core::Verdict::Inconclusive): there are no ready pods, or fewer than
///   there should be, or they come and go. The driver looks again.
/// * An error of the kind [`Unavailable`](ErrorKind::Unavailable): the pods could not be listed. One of
///   the kind [`Rejected`](ErrorKind::Rejected): the settings have problems.
///
/// # How it goes about it
/// All pods are warmed at once (at most 64 at a time), and each gets at most
/// [`concurrency`](ModelWarmUpConfig::concurrency) calls at a time, to that pod and no other. Answers are
/// read to their end, of which they may be told by `max_tokens`. An answer that is slow, broken off, without
/// a token or of a status that is no success ends the row; status 429 does not, and the pause that it asks
/// for is kept. A pod that is not ready any
/// more is let go, and whatever has come in its place is warmed, too. The time to the first token is
/// measured here, from sending on, so the way to the pod is in it.
///
/// What is known is kept from time to time by [`Trial::checkpoint`]: who goes on after a crash does
/// not warm what is warm, nor begin with calls and time anew.
///
/// Requests carry the header `x-bluegreen-validation` with the name of the warm-up, so that an agent can
/// tell them from those of customers.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelWarmUp {
    config: ModelWarmUpConfig,
}

impl ModelWarmUp {
    /// These questions, one after another and again from the first, until the first token of an answer
    /// comes within `limit`. Agents that can be asked to stream are, whatever `agent` says.
    pub fn new(
        agent: impl Into<Agent>,
        prompts: impl IntoIterator<Item = impl Into<String>>,
        limit: Duration,
    ) -> Self {
        Self { config: ModelWarmUpConfig::new(agent, prompts, limit) }
    }

    /// The same with other settings.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut ModelWarmUpConfig)) -> Self {
        change(&mut self.config);
        self
    }

    /// A warm-up from a file, JSON or YAML, as its name ends.
    ///
    /// ```yaml
    /// agent:
    ///   openai: { model: agent, parameters: { max_tokens: 32 } }
    ///   # or: http: { path: /chat, body: { message: "{{prompt}}" }, reading: events, answer: /text }
    ///   # or: responses: { model: agent }
    /// prompts: [Where is my parcel?, I want my money back.]
    /// first_token: 800ms         # the limit
    /// consecutive: 3             # so many in a row
    /// attempts: 50               # of each pod
    /// concurrency: 1             # calls at a time to one pod
    /// calls: 1000                # to all pods together
    /// timeout: 1m                # of one answer
    /// time: 10m                  # of all; the plan's warm_up bounds it anyway
    /// ```
    ///
    /// Reads the file with the blocking calls of the standard library.
    ///
    /// # Errors
    /// All problems of the file at once, each with file, line and column.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let path = path.as_ref();
        Self::from_text(&path.display().to_string(), &crate::config_error::text_of(path)?)
    }

    /// A warm-up from `text`, which is JSON or YAML as `name` ends; problems call it by that name.
    ///
    /// # Errors
    /// All problems of the text at once, each with name, line and column.
    pub fn from_text(name: &str, text: &str) -> Result<Self, ConfigError> {
        config::parse(name, text).map(Self::from)
    }

    /// The settings.
    pub fn config(&self) -> &ModelWarmUpConfig {
        &self.config
    }

    /// Everything that is wrong with the settings, all at once.
    pub fn problems(&self) -> Vec<Problem> {
        let (_, problems) = prepare::warm_up(&self.config, &<[Step]>::to_vec);
        problems.into_iter().map(|(_, problem)| problem).collect()
    }
}

impl From<ModelWarmUpConfig> for ModelWarmUp {
    fn from(config: ModelWarmUpConfig) -> Self {
        Self { config }
    }
}

#[async_trait]
impl Validator for ModelWarmUp {
    fn name(&self) -> &str {
        &self.config.name
    }

    fn config_digest(&self) -> Digest {
        self.config.digest()
    }

    async fn check(&self, _: &Plan) -> Result<Vec<Problem>> {
        Ok(self.problems())
    }

    async fn judge(&self, trial: &Trial) -> Result<Judgement> {
        let (asker, problems) = prepare::warm_up(&self.config, &<[Step]>::to_vec);
        let Some(asker) = asker else {
            let problems = problems.into_iter().map(|(_, problem)| problem).collect();
            let error = Error::new(ErrorKind::Rejected, format!("prepare {}", self.config.name));
            return Err(error.with_source(ConfigError::new(&self.config.name, problems)));
        };
        rounds::judge(&self.config, &asker, trial).await
    }
}
