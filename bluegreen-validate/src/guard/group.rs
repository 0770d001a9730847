//! Several guards that are one.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bluegreen_core::{
    Digest, Error, ErrorKind, Finding, Judgement, MetricSource, Plan, Problem, Result, Timestamp,
    Trial, Validator, Verdict,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::check::{digest, refuse};
use super::compare::Levels;
use super::judge::Look;
use super::memory::Versioned;
use super::{ErrorRate, GuardConfig, GuardsConfig, Mean, Quantile, Threshold};
use crate::ConfigError;
use crate::sequential::log_average;

/// One guard of any kind.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Guard {
    /// A rate of errors against live's.
    ErrorRate(ErrorRate),
    /// A mean against live's.
    Mean(Mean),
    /// A quantile against live's.
    Quantile(Quantile),
    /// A metric against a limit.
    Threshold(Threshold),
}

/// Does the same with a guard of whatever kind.
macro_rules! each {
    ($guard:expr, $it:ident => $do:expr) => {
        match $guard {
            Guard::ErrorRate($it) => $do,
            Guard::Mean($it) => $do,
            Guard::Quantile($it) => $do,
            Guard::Threshold($it) => $do,
        }
    };
}

impl Guard {
    /// A guard from data, on numbers of `source`.
    pub fn new(config: GuardConfig, source: impl MetricSource + 'static) -> Self {
        match config {
            GuardConfig::ErrorRate(config) => ErrorRate::new(config, source).into(),
            GuardConfig::Mean(config) => Mean::new(config, source).into(),
            GuardConfig::Quantile(config) => Quantile::new(config, source).into(),
            GuardConfig::Threshold(config) => Threshold::new(config, source).into(),
        }
    }

    /// Its settings.
    pub fn config(&self) -> GuardConfig {
        match self {
            Self::ErrorRate(it) => GuardConfig::ErrorRate(it.config().clone()),
            Self::Mean(it) => GuardConfig::Mean(it.config().clone()),
            Self::Quantile(it) => GuardConfig::Quantile(it.config().clone()),
            Self::Threshold(it) => GuardConfig::Threshold(it.config().clone()),
        }
    }

    async fn look(
        &self,
        trial: &Trial,
        state: Option<&[u8]>,
        levels: Levels,
        now: Timestamp,
    ) -> Result<Look> {
        each!(self, it => it.take_look(trial, state, levels, now).await)
    }
}

impl From<ErrorRate> for Guard {
    fn from(guard: ErrorRate) -> Self {
        Self::ErrorRate(guard)
    }
}

impl From<Mean> for Guard {
    fn from(guard: Mean) -> Self {
        Self::Mean(guard)
    }
}

impl From<Quantile> for Guard {
    fn from(guard: Quantile) -> Self {
        Self::Quantile(guard)
    }
}

impl From<Threshold> for Guard {
    fn from(guard: Threshold) -> Self {
        Self::Threshold(guard)
    }
}

/// Several guards that err together no more often than one.
///
/// Ten guards by themselves at α = 0.05 would send back up to four of ten candidates that are as good as
/// live. As one they share α:
///
/// * They **pass** when each of them passes. A candidate that is worse by the margin in any respect gets by
///   with a probability of at most α, as it would have to get by that one guard: nothing has to be shared.
/// * They **fail** on the average of the e-values of their `n` guards: when these add up to what `n` times α
///   asks for. That holds however metrics depend on each other, and is never weaker than giving each guard
///   α/n. A [`Quantile`] has no e-value and fails at α/n; a [`Threshold`] has no probabilities, and fails
///   by itself. What is known to be within its margin adds nothing.
/// * Otherwise they are undecided, and the evidence says what each of them lacks.
///
/// ```
/// use bluegreen_core::memory::MemoryMetrics;
/// use bluegreen_validate::{ErrorRate, Guards, Mean, Quantile};
///
/// let source = MemoryMetrics::new(); // or several different ones
/// let guards = Guards::all([
///     ErrorRate::from(source.clone()).into(),
///     Mean::from(source.clone()).into(),
///     Quantile::from(source).into(),
/// ]);
/// assert!(guards.problems().is_empty());
/// ```
#[derive(Clone)]
pub struct Guards {
    name: String,
    alpha: f64,
    parts: Vec<Guard>,
}

impl Guards {
    /// These guards as one, at α = 0.05.
    pub fn all(guards: impl IntoIterator<Item = Guard>) -> Self {
        let GuardsConfig { name, alpha, .. } = GuardsConfig::default();
        Self { name, alpha, parts: guards.into_iter().collect() }
    }

    /// Guards from data, all on numbers of `source`.
    pub fn new(config: GuardsConfig, source: impl MetricSource + 'static) -> Self {
        let source: Arc<dyn MetricSource> = Arc::new(source);
        let parts = config.guards.into_iter().map(|it| Guard::new(it, source.clone())).collect();
        Self { name: config.name, alpha: config.alpha, parts }
    }

    /// Guards from a file: JSON, or YAML with the feature `yaml`, as its name ends.
    ///
    /// ```yaml
    /// guards:
    ///   - error_rate: { metric: errors, query: 'agent_requests', margin: 0.005 }
    ///   - quantile: { name: first-token, metric: ttft, quantile: 0.95, ratio: 1.25 }
    ///   - mean: { name: cost, metric: cost, margin: { ratio: 1.2 } }
    ///   - mean: { name: score, metric: score, better: higher, margin: { difference: 0.1 } }
    ///   - threshold: { metric: errors, at_most: 0.05, failures: 3, for: 1m }
    /// ```
    ///
    /// Reads the file with the blocking calls of the standard library, at most 1 MiB of it.
    ///
    /// # Errors
    /// All problems of the file at once, each with file, line and column.
    pub fn from_file(
        path: impl AsRef<Path>,
        source: impl MetricSource + 'static,
    ) -> Result<Self, ConfigError> {
        Ok(Self::new(GuardsConfig::from_file(path)?, source))
    }

    /// What progress, records and errors call them together; `guards` unless told otherwise.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The probability of an error of either kind of all together; 0.05 unless told otherwise.
    #[must_use]
    pub fn alpha(mut self, alpha: f64) -> Self {
        self.alpha = alpha;
        self
    }

    /// The settings.
    pub fn config(&self) -> GuardsConfig {
        let guards = self.parts.iter().map(Guard::config).collect();
        GuardsConfig { name: self.name.clone(), alpha: self.alpha, guards }
    }

    /// Everything that is wrong with the settings, all at once.
    pub fn problems(&self) -> Vec<Problem> {
        self.config().problems()
    }

    /// What each guard gets of α.
    fn levels(&self) -> Levels {
        let sharing = self.parts.iter().filter(|it| !matches!(it, Guard::Threshold(_))).count();
        #[allow(clippy::cast_precision_loss, reason = "there are at most some dozens")]
        let parts = sharing.max(1) as f64;
        Levels { worse: self.alpha / parts, margin: self.alpha }
    }
}

impl fmt::Debug for Guards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guards").field("config", &self.config()).finish_non_exhaustive()
    }
}

/// What all guards keep between looks, by name.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept<'a> {
    version: u32,
    #[serde(borrow)]
    guards: Vec<(String, Option<&'a RawValue>)>,
}

const VERSION: u32 = 1;

#[async_trait]
impl Validator for Guards {
    fn name(&self) -> &str {
        &self.name
    }

    fn config_digest(&self) -> Digest {
        digest("Guards", &self.config())
    }

    async fn check(&self, plan: &Plan) -> Result<Vec<Problem>> {
        let mut problems = self.problems();
        for guard in &self.parts {
            problems.extend(each!(guard, it => it.config().against(plan)));
        }
        Ok(problems)
    }

    async fn judge(&self, trial: &Trial) -> Result<Judgement> {
        refuse(&self.name, self.problems())?;
        let failed = |why: String| {
            let action = format!("{}: go on with the tests", self.name);
            Error::new(ErrorKind::Rejected, action).with_source(why)
        };
        let unread = |error: serde_json::Error| failed(error.to_string());
        let states = match trial.state.as_deref() {
            Some(state) => {
                let Versioned { version } = serde_json::from_slice(state).map_err(unread)?;
                if version != VERSION {
                    let found = format!("found a state of the format {version}, wanted {VERSION}");
                    return Err(failed(found));
                }
                serde_json::from_slice::<Kept<'_>>(state).map_err(unread)?.guards
            }
            None => Vec::new(),
        };
        let (levels, now) = (self.levels(), trial.clock.now());
        let looking = self.parts.iter().map(|guard| {
            let name = each!(guard, it => it.name());
            let state = states.iter().find(|(known, _)| known == name).and_then(|(_, it)| *it);
            guard.look(trial, state.map(|state| state.get().as_bytes()), levels, now)
        });
        let looks = futures_util::future::try_join_all(looking).await?;
        let texts: Vec<Option<String>> = looks
            .iter()
            .map(|look| look.state.clone().and_then(|bytes| String::from_utf8(bytes).ok()))
            .collect();
        let mut guards = Vec::new();
        for (guard, text) in self.parts.iter().zip(&texts) {
            let state = match text {
                Some(text) => {
                    Some(serde_json::from_str(text).map_err(|error| failed(error.to_string()))?)
                }
                None => None,
            };
            guards.push((each!(guard, it => it.name()).to_owned(), state));
        }
        let state = serde_json::to_vec(&Kept { version: VERSION, guards })
            .map_err(|error| failed(error.to_string()))?;
        Ok(together(&looks, levels).with_state(state))
    }
}

/// What all guards say together.
fn together(looks: &[Look], levels: Levels) -> Judgement {
    let of = |verdict: Verdict| looks.iter().filter(move |look| look.verdict == verdict);
    // A guard that can't judge now has its evidence kept, but does not speak.
    let logs: Vec<f64> = looks
        .iter()
        .filter_map(|look| look.decision.as_ref())
        .filter(|it| it.short.is_none() && !it.within)
        .filter_map(|it| it.log_e)
        .collect();
    #[allow(clippy::cast_precision_loss, reason = "there are at most some dozens")]
    let sum = log_average(&logs) + (logs.len() as f64).ln();
    let together = !logs.is_empty() && sum >= levels.threshold();
    let (verdict, summary) = if let Some(failed) = of(Verdict::Fail).next() {
        (Verdict::Fail, failed.summary.clone())
    } else if together {
        (Verdict::Fail, "worse in several respects together".to_owned())
    } else if let Some(undecided) = of(Verdict::Inconclusive).next() {
        (Verdict::Inconclusive, undecided.summary.clone())
    } else {
        (Verdict::Pass, format!("{} guards, all within their margins", looks.len()))
    };
    let order = [Verdict::Fail, Verdict::Inconclusive, Verdict::Pass];
    let evidence: Vec<Finding> =
        order.into_iter().flat_map(of).flat_map(|look| look.evidence.clone()).collect();
    Judgement::new(verdict, summary).with_evidence(evidence)
}
