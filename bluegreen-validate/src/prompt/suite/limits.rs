//! What a run may cost.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What one look may cost, both slots together. What is spent before a crash counts, too.
///
/// When a budget is spent before the verdict is certain, what was not asked counts as lost: the
/// verdict is then `Inconclusive`, or `Fail`, never `Pass`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Budget {
    /// How many requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls: Option<u64>,
    /// How many tokens, those that are read and those that are written. Kept up to what the calls
    /// under way take more than the dearest call so far. A call that came to nothing and does not
    /// tell its tokens counts as the dearest does, because an agent may well have worked on it;
    /// only one that was answered 429 is free.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// How much money, in the unit of the [`Prices`]. Kept as closely as `tokens`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub money: Option<f64>,
    /// How long. The deadline of the trial holds anyway.
    #[serde(skip_serializing_if = "Option::is_none", with = "crate::optional_duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "crate::prompt::schema::duration"))]
    pub time: Option<Duration>,
}

/// What a million tokens cost.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Prices {
    /// A million tokens that are read.
    pub input: f64,
    /// A million tokens that are read and that the model had read before, where it says how many
    /// those are; [`input`](Self::input) unless it is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<f64>,
    /// A million tokens that are written.
    pub output: f64,
}

impl Prices {
    /// Prices of a million tokens that are read, and written.
    pub fn new(input: f64, output: f64) -> Self {
        Self { input, cached_input: None, output }
    }

    /// The same with another price of a million tokens that the model had read before.
    #[must_use]
    pub fn cached(mut self, input: f64) -> Self {
        self.cached_input = Some(input);
        self
    }
}
