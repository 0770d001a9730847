//! Experiments as data.

use std::time::Duration;

use bluegreen_core::Winner;
use bluegreen_core::clock::{days, duration_text};
use serde::{Deserialize, Serialize};

use crate::guard::Better;

/// What is assigned to a version, and what outcomes are of. Never a request: those of one user are not
/// independent of each other.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Unit {
    /// A conversation. One that was under way before the experiment began has no part in it.
    #[default]
    Conversation,
    /// A user. What one did before the experiment began is forgotten, and who comes back is new to it.
    User,
}

/// What the values of an outcome are.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// 1 for what happened and 0 for what did not: completed, thumbs up, handed over.
    #[default]
    Rate,
    /// Any number: a score, a cost, a length.
    ///
    /// It is compared once 50 units of each arm have another value than the one that most of them have: a
    /// mean of zeros, and of few purchases among them, tells nothing of the purchases to come. Where that
    /// takes too long, ask for the [rate](Self::Rate) of those who buy.
    Mean,
}

/// What becomes of units of which no outcome has come.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Missing {
    /// They are left out. Right where nothing about the version decides whether an outcome comes.
    #[default]
    LeaveOut,
    /// They count as 0, once they have [settled](OutcomeConfig::settle). Right where only what
    /// happened is told of: a purchase, a thumb.
    Zero,
}

/// One outcome that the arms are compared by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct OutcomeConfig {
    /// The name under which it is recorded.
    pub metric: String,
    /// What its values are.
    pub kind: Kind,
    /// Which way is better.
    pub better: Better,
    /// The smallest difference that matters, in the metric's own unit; of a rate 0.01 is one point. Of the
    /// primary outcome, a smaller one is no difference. Of a guardrail, the candidate may be worse by less.
    pub margin: f64,
    /// How long after its first exposure a unit is waited for. Before that it does not count at all, so that
    /// arms of which one answers later can be compared; without it, it counts when its outcome comes.
    #[serde(with = "duration_text")]
    pub settle: Duration,
    /// What becomes of units without an outcome.
    pub missing: Missing,
}

impl Default for OutcomeConfig {
    fn default() -> Self {
        Self {
            metric: "completed".to_owned(),
            kind: Kind::Rate,
            better: Better::Higher,
            margin: 0.01,
            settle: Duration::ZERO,
            missing: Missing::LeaveOut,
        }
    }
}

impl OutcomeConfig {
    /// A rate of which more is better, with a margin of one point.
    pub fn rate(metric: impl Into<String>) -> Self {
        Self { metric: metric.into(), ..Self::default() }
    }

    /// A mean of which more is better, with the smallest difference that matters.
    pub fn mean(metric: impl Into<String>, margin: f64) -> Self {
        Self { metric: metric.into(), kind: Kind::Mean, margin, ..Self::default() }
    }

    /// Which way is better.
    #[must_use]
    pub fn better(mut self, better: Better) -> Self {
        self.better = better;
        self
    }

    /// The smallest difference that matters.
    #[must_use]
    pub fn margin(mut self, margin: f64) -> Self {
        self.margin = margin;
        self
    }

    /// How long a unit is waited for, and what becomes of it when nothing has come by then.
    #[must_use]
    pub fn settling(mut self, settle: Duration, missing: Missing) -> Self {
        (self.settle, self.missing) = (settle, missing);
        self
    }
}

/// When an experiment ends undecided: whichever comes first.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Horizon {
    /// So long after it began, less a thousandth: a plan's step with the same horizon is not over before.
    #[serde(with = "crate::optional_duration", skip_serializing_if = "Option::is_none")]
    pub time: Option<Duration>,
    /// When so many units have been exposed on both arms together, and the longest
    /// [`settle`](OutcomeConfig::settle) is over after that, so that all of them count. Intervals are narrowest
    /// at about half of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub units: Option<u64>,
}

impl Default for Horizon {
    fn default() -> Self {
        Self { time: Some(days(14)), units: None }
    }
}

/// An [`Experiment`](super::Experiment) as data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ExperimentConfig {
    /// What progress, records and errors call it, and the `primary` of the plan's experiment.
    pub name: String,
    /// What is assigned.
    pub unit: Unit,
    /// The candidate's share of the units, as the plan's step has it: more than 0 and less than 1.
    pub share: f64,
    /// The outcome that decides.
    pub primary: OutcomeConfig,
    /// Outcomes of which the candidate must not be worse.
    pub guardrails: Vec<OutcomeConfig>,
    /// When it ends undecided.
    pub horizon: Horizon,
    /// The probability with which, at any look ever, a difference is found where there is none.
    /// Guardrails together have as much again for finding harm where there is none.
    pub alpha: f64,
    /// How many units each arm must have an outcome of before anything is decided by it.
    pub min_units: u64,
    /// The probability with which, at any look ever, units that arrive in the planned shares void it.
    pub ratio_alpha: f64,
    /// The largest share of units that may have been seen on both versions; with more it is void.
    pub contamination: f64,
    /// Who wins when there is no difference that matters: `live`, or `candidate` where that is cheaper.
    pub equal: Winner,
    /// How long one question for outcomes may take.
    #[serde(with = "duration_text")]
    pub timeout: Duration,
}

impl Default for ExperimentConfig {
    fn default() -> Self {
        Self {
            name: "experiment".to_owned(),
            unit: Unit::default(),
            share: 0.5,
            primary: OutcomeConfig::default(),
            guardrails: Vec::new(),
            horizon: Horizon::default(),
            alpha: 0.05,
            min_units: 100,
            ratio_alpha: 0.01,
            contamination: 0.05,
            equal: Winner::Live,
            timeout: Duration::from_secs(10),
        }
    }
}

impl ExperimentConfig {
    /// An experiment that this outcome decides, with the defaults for everything else.
    pub fn new(primary: OutcomeConfig) -> Self {
        Self { primary, ..Self::default() }
    }

    /// The primary outcome and then the guardrails.
    pub(crate) fn outcomes(&self) -> impl Iterator<Item = &OutcomeConfig> {
        std::iter::once(&self.primary).chain(&self.guardrails)
    }
}
