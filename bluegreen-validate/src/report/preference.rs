//! What judges made of two answers side by side.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Whose answer is the better one.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Preferred {
    /// Live's.
    Live,
    /// The candidate's.
    Idle,
    /// Neither: a tie.
    Neither,
}

impl fmt::Display for Preferred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Live => "live",
            Self::Idle => "the candidate",
            Self::Neither => "neither",
        })
    }
}

/// What a comparison of live's answer with the candidate's came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PreferenceReport {
    /// What they were compared by.
    pub criteria: String,
    /// Which is better, by more than half of all judges; nothing when that can't be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred: Option<Preferred>,
    /// What each judge said; none where both answers were the same, and nobody was asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub judges: Vec<JudgeReport>,
}

/// What one judge said of two answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct JudgeReport {
    /// What it is called.
    pub judge: String,
    /// What it prefers in both orders, or neither; nothing when it could not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred: Option<Preferred>,
    /// What it said in each order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub orders: Vec<OrderReport>,
    /// Why it could not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What a judge said when it was shown the answers in this order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct OrderReport {
    /// Whose answer came first and was called A; the other one was called B.
    pub first: Preferred,
    /// Which it found better.
    pub preferred: Preferred,
    /// Why, in its own words.
    #[serde(default)]
    pub reason: String,
}

impl PreferenceReport {
    /// A comparison that has not come to anything yet.
    pub fn new(criteria: impl Into<String>) -> Self {
        Self { criteria: criteria.into(), preferred: None, judges: Vec::new() }
    }
}

impl JudgeReport {
    /// A judge that has not said anything yet.
    pub fn new(judge: impl Into<String>) -> Self {
        Self { judge: judge.into(), preferred: None, orders: Vec::new(), error: None }
    }
}

impl OrderReport {
    /// What was said with this slot's answer first.
    pub fn new(first: Preferred, preferred: Preferred, reason: impl Into<String>) -> Self {
        Self { first, preferred, reason: reason.into() }
    }
}
