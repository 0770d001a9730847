//! Guards as data.

use std::time::Duration;

use bluegreen_core::clock::{duration_text, minutes};
use serde::{Deserialize, Serialize};

/// How numbers are taken, in every guard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Sampling {
    /// How many units each slot must have before there is a verdict.
    pub min_units: u64,
    /// How much time must have passed before numbers are asked for again.
    #[serde(with = "duration_text")]
    pub window: Duration,
    /// How late the source is: numbers are asked for until so long ago.
    #[serde(with = "duration_text")]
    pub lag: Duration,
    /// How far back live is looked at when the test begins: what tells trouble of both slots from the
    /// candidate's, and what the candidate is compared with when it has all of the traffic.
    #[serde(with = "duration_text")]
    pub history: Duration,
    /// For how long a slot with traffic may have no units before that alone makes the verdict
    /// [`Inconclusive`](bluegreen_core::Verdict::Inconclusive).
    #[serde(with = "duration_text")]
    pub stale: Duration,
    /// How long one question to the source may take.
    #[serde(with = "duration_text")]
    pub timeout: Duration,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            min_units: 100,
            window: Duration::from_secs(10),
            lag: Duration::ZERO,
            history: minutes(60),
            stale: minutes(5),
            timeout: Duration::from_secs(10),
        }
    }
}

/// An [`ErrorRate`](super::ErrorRate) as data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ErrorRateConfig {
    /// What progress, records and errors call it.
    pub name: String,
    /// The metric: its count is of units, its sum of those that went wrong.
    pub metric: String,
    /// The source's own notation for it; empty when the name says it.
    pub query: String,
    /// The probability with which a candidate that is as good as live may fail at any look ever, and
    /// one that is worse by the margin may pass.
    pub alpha: f64,
    /// By how much the rate may be higher than live's: 0.01 is one point.
    pub margin: f64,
    /// How numbers are taken.
    pub sampling: Sampling,
}

impl Default for ErrorRateConfig {
    fn default() -> Self {
        Self {
            name: "error-rate".to_owned(),
            metric: "errors".to_owned(),
            query: String::new(),
            alpha: 0.05,
            margin: 0.01,
            sampling: Sampling::default(),
        }
    }
}

/// Which way is better.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(clippy::exhaustive_enums, reason = "there are no more directions")]
pub enum Better {
    /// Less: latency, cost, tokens.
    #[default]
    Lower,
    /// More: scores, satisfaction, completed tasks.
    Higher,
}

/// By how much a mean may be worse than live's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Margin {
    /// By this factor, more than one: 1.2 is a fifth more, or where more is better, less than 1/1.2.
    Ratio(f64),
    /// By this difference, more than nothing, in the metric's own unit.
    Difference(f64),
}

impl Default for Margin {
    fn default() -> Self {
        Self::Ratio(1.2)
    }
}

/// A [`Mean`](super::Mean) as data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct MeanConfig {
    /// What progress, records and errors call it.
    pub name: String,
    /// The metric, of which the source knows the sum of squares or the distribution too.
    pub metric: String,
    /// The source's own notation for it; empty when the name says it.
    pub query: String,
    /// Which way is better.
    pub better: Better,
    /// The probability of each error, as in [`ErrorRateConfig::alpha`].
    pub alpha: f64,
    /// By how much it may be worse.
    pub margin: Margin,
    /// How numbers are taken.
    pub sampling: Sampling,
}

impl Default for MeanConfig {
    fn default() -> Self {
        Self {
            name: "cost".to_owned(),
            metric: "cost".to_owned(),
            query: String::new(),
            better: Better::default(),
            alpha: 0.05,
            margin: Margin::default(),
            sampling: Sampling::default(),
        }
    }
}

/// A [`Quantile`](super::Quantile) as data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct QuantileConfig {
    /// What progress, records and errors call it.
    pub name: String,
    /// The metric, of which the source knows the distribution.
    pub metric: String,
    /// The source's own notation for it; empty when the name says it.
    pub query: String,
    /// The quantile: 0.95 is what 95 of 100 units do not exceed.
    pub quantile: f64,
    /// The probability of each error, as in [`ErrorRateConfig::alpha`].
    pub alpha: f64,
    /// By which factor it may be higher than live's; more than one.
    pub ratio: f64,
    /// How numbers are taken.
    pub sampling: Sampling,
}

impl Default for QuantileConfig {
    fn default() -> Self {
        Self {
            name: "latency".to_owned(),
            metric: "latency".to_owned(),
            query: String::new(),
            quantile: 0.95,
            alpha: 0.05,
            ratio: 1.25,
            sampling: Sampling::default(),
        }
    }
}

/// What a [`Threshold`](super::Threshold) looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Statistic {
    /// The sum over the count: a mean, or the rate of what is counted.
    #[default]
    Mean,
    /// A quantile, between 0 and 1, of the distribution.
    Quantile(f64),
}

/// A [`Threshold`](super::Threshold) as data. At least one of `at_most` and `at_least` is set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ThresholdConfig {
    /// What progress, records and errors call it.
    pub name: String,
    /// The metric.
    pub metric: String,
    /// The source's own notation for it; empty when the name says it.
    pub query: String,
    /// What of it.
    pub statistic: Statistic,
    /// The most it may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_most: Option<f64>,
    /// The least it must be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_least: Option<f64>,
    /// How many samples in a row must be beyond the limit before the candidate fails.
    pub failures: u32,
    /// For how long they must be, from the first such sample on.
    #[serde(rename = "for", with = "duration_text")]
    pub lasting: Duration,
    /// How numbers are taken. A sample has at least its `min_units`.
    pub sampling: Sampling,
}

impl Default for ThresholdConfig {
    fn default() -> Self {
        Self {
            name: "threshold".to_owned(),
            metric: "errors".to_owned(),
            query: String::new(),
            statistic: Statistic::default(),
            at_most: None,
            at_least: None,
            failures: 1,
            lasting: Duration::ZERO,
            sampling: Sampling::default(),
        }
    }
}

/// One guard as data, named by its kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GuardConfig {
    /// An [`ErrorRate`](super::ErrorRate).
    ErrorRate(ErrorRateConfig),
    /// A [`Mean`](super::Mean).
    Mean(MeanConfig),
    /// A [`Quantile`](super::Quantile).
    Quantile(QuantileConfig),
    /// A [`Threshold`](super::Threshold).
    Threshold(ThresholdConfig),
}

/// Several guards that are one: [`Guards`](super::Guards) as data, and what a file holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct GuardsConfig {
    /// What progress, records and errors call them together.
    pub name: String,
    /// The probability with which a candidate that is as good as live in every respect may fail at any
    /// look ever; and one that is worse by the margin in some respect may pass.
    pub alpha: f64,
    /// The guards.
    pub guards: Vec<GuardConfig>,
}

impl Default for GuardsConfig {
    fn default() -> Self {
        Self { name: "guards".to_owned(), alpha: 0.05, guards: Vec::new() }
    }
}

impl GuardsConfig {
    /// These guards, with the defaults for everything else.
    pub fn new(guards: impl IntoIterator<Item = GuardConfig>) -> Self {
        Self { guards: guards.into_iter().collect(), ..Self::default() }
    }
}
