//! An experiment as a validator.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bluegreen_core::{
    Digest, Error, ErrorKind, Judgement, Plan, Problem, Result, Trial, Validator,
};

use super::{ExperimentConfig, Outcomes, judge};
use crate::ConfigError;

/// Compares two versions of an agent under real traffic, at a fixed share, until it is known which is better
/// for those who use it, or the horizon is reached.
///
/// ```
/// use bluegreen_core::clock::{days, minutes};
/// use bluegreen_core::{Plan, Releaser};
/// use bluegreen_validate::Better;
/// use bluegreen_validate::experiment::{
///     Experiment, ExperimentConfig, Exposures, Missing, OutcomeConfig,
/// };
///
/// # fn release(releaser: Releaser) -> (Releaser, Plan) {
/// let exposures = Exposures::new(); // your gateway and your judge hold clones of it
/// let mut config = ExperimentConfig::new(
///     OutcomeConfig::rate("completed").margin(0.02).settling(minutes(60), Missing::Zero),
/// );
/// config.guardrails = vec![OutcomeConfig::mean("cost", 0.005).better(Better::Lower)];
/// let experiment = Experiment::new(config, exposures);
/// assert!(experiment.problems().is_empty());
///
/// let mut plan = Plan::experiment(50); // half of the traffic, until decided or 14 days are over
/// plan.experiment.get_or_insert_default().primary = Some("experiment".to_owned());
/// (releaser.guard(experiment), plan)
/// # }
/// ```
///
/// # What it comes to
/// Let the gain be the difference of the primary outcome, turned so that more is better for the candidate,
/// and its interval a two-sided confidence sequence at α. The first of these that is known holds:
///
/// | known | is | and the release |
/// |---|---|---|
/// | units do not arrive in the planned shares, too many saw both versions, units were lost, a version or the share was changed | `void` | `Inconclusive`, and nobody wins |
/// | a guardrail is worse, and not known to be within its margin | `harm` | `Fail`: goes back, unfit |
/// | the gain is smaller than the margin, either way, though it may certainly not be 0 | `no difference that matters` | as [`equal`](ExperimentConfig::equal) says |
/// | it is above 0 | `candidate better` | `Pass`: goes on, concluded |
/// | it is below 0 | `live better` | `Fail`: goes back, concluded |
/// | none of these at the horizon | `undecided at horizon` | `Inconclusive`, live wins: goes back, concluded |
///
/// Where the candidate would win, it is not known before every guardrail is known to be within its margin.
///
/// However often one looks, a candidate that is the same as live is found better or worse with a probability
/// of at most α. One that harms by no guardrail is said to harm with at most α. One of which some
/// guardrail is worse by its margin is promoted with at most α.
///
/// What is concluded stands: later looks, in the bake too, say the same. Under another share than the planned
/// one an experiment that has not begun waits. What is void stays void; the release waits for the plan's
/// horizon, which is live's, or for somebody who ends it.
///
/// # How it goes about it
/// Intervals are asymptotic confidence sequences, measured to err less than α in the tests of this crate
/// from [`min_units`](ExperimentConfig::min_units) on; rates of which fewer than a handful of units have or
/// lack the event are assumed to have a few more of each. A [mean](super::Kind::Mean) is compared once
/// enough values of each arm are not the most frequent one, and errs more than α where single values weigh
/// more than those of a log-normal distribution with a σ of 1.5: cap such. They are narrowest at about half
/// of the [horizon's units](super::Horizon::units). The [sample ratio](crate::sequential::RatioTest) is an
/// e-process on the first exposures, of contaminated units too: it does not depend on what came of them.
///
/// All numbers are asked for anew at each look, from the beginning of the experiment on, and what is kept
/// between looks is when it began, what was compared, and what was found: whoever takes over goes on with
/// the same experiment. A clock that has gone back and a source that can't be reached are `Inconclusive` and
/// change nothing. An outcome whose numbers can't be is not compared, and lets no candidate pass; the others,
/// the shares and the horizon are looked at all the same.
#[derive(Clone)]
pub struct Experiment {
    config: ExperimentConfig,
    source: Arc<dyn Outcomes>,
}

impl Experiment {
    /// An experiment from data, on outcomes of `source`: [`Exposures`](super::Exposures), or your own.
    pub fn new(config: ExperimentConfig, source: impl Outcomes + 'static) -> Self {
        Self { config, source: Arc::new(source) }
    }

    /// An experiment from a file; see [`ExperimentConfig::from_file`].
    ///
    /// # Errors
    /// All problems of the file at once, each with file, line and column.
    pub fn from_file(
        path: impl AsRef<Path>,
        source: impl Outcomes + 'static,
    ) -> Result<Self, ConfigError> {
        Ok(Self::new(ExperimentConfig::from_file(path)?, source))
    }

    /// The settings.
    pub fn config(&self) -> &ExperimentConfig {
        &self.config
    }

    /// Everything that is wrong with the settings, all at once.
    pub fn problems(&self) -> Vec<Problem> {
        self.config.problems()
    }
}

impl fmt::Debug for Experiment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Experiment").field("config", &self.config).finish_non_exhaustive()
    }
}

#[async_trait]
impl Validator for Experiment {
    fn name(&self) -> &str {
        &self.config.name
    }

    fn config_digest(&self) -> Digest {
        // Numbers that are not finite have no JSON; an experiment with one is refused anyway.
        let text = match serde_json::to_value(&self.config) {
            Ok(value) => crate::canonical::canonical(&value),
            Err(error) => error.to_string(),
        };
        Digest::of(["bluegreen experiment 1", &text])
    }

    async fn check(&self, plan: &Plan) -> Result<Vec<Problem>> {
        let mut problems = self.problems();
        problems.extend(self.config.against(plan));
        Ok(problems)
    }

    async fn judge(&self, trial: &Trial) -> Result<Judgement> {
        let problems = self.problems();
        if !problems.is_empty() {
            let name = &self.config.name;
            let error = ConfigError::new(name, problems);
            return Err(
                Error::new(ErrorKind::Rejected, format!("judge by {name}")).with_source(error)
            );
        }
        judge::look(&self.config, &*self.source, trial).await
    }
}
