//! What checks want that takes more than one value.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Assertion, text};

/// A number between two others, both included.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Limits {
    /// The smallest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<u64>,
    /// The largest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<u64>,
}

impl Limits {
    /// From `min` to `max`, where they are given.
    pub fn new(min: Option<u64>, max: Option<u64>) -> Self {
        Self { min, max }
    }

    pub(crate) fn hold(self, number: u64) -> bool {
        self.min.is_none_or(|min| number >= min) && self.max.is_none_or(|max| number <= max)
    }

    pub(crate) fn shown(self, what: &str) -> String {
        match (self.min, self.max) {
            (Some(min), Some(max)) if min == max => format!("{min} {what}"),
            (Some(min), Some(max)) => format!("{min} to {max} {what}"),
            (Some(min), None) => format!("at least {min} {what}"),
            (None, Some(max)) => format!("at most {max} {what}"),
            (None, None) => format!("any number of {what}"),
        }
    }
}

/// A distance to a text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Distance {
    /// The text.
    #[serde(deserialize_with = "text::one")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "crate::prompt::schema::text"))]
    pub to: String,
    /// The largest distance; 5 unless told otherwise.
    #[serde(default = "five")]
    pub at_most: u64,
}

/// A likeness to one of several texts, from 0 to 1; the best counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Likeness {
    /// The text, or several.
    #[serde(deserialize_with = "text::one_or_many")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "crate::prompt::schema::text_or_texts"))]
    pub to: Vec<String>,
    /// The smallest likeness that will do.
    pub at_least: f64,
}

/// Limits for numbers of tokens.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct TokenLimits {
    /// The most that were read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<u64>,
    /// The most that were written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<u64>,
    /// The most of both together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
}

/// Which calls of tools there must be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Trajectory {
    /// How the calls that were made and those of the list go together.
    #[serde(default)]
    pub mode: CallMode,
    /// The calls.
    pub calls: Vec<ToolCallRule>,
}

/// How the calls that an agent made and those that are wanted go together.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CallMode {
    /// All that are wanted were made, in whatever order; others may have been, too.
    #[default]
    Superset,
    /// No others were made than wanted, and none more often.
    Subset,
    /// Exactly those that are wanted, in whatever order.
    Unordered,
    /// All that are wanted were made in this order; others may have come between them.
    InOrder,
    /// Exactly those that are wanted, in this order.
    Exact,
}

/// One call of a tool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ToolCallRule {
    /// The name of the tool; `*` stands for any characters and `?` for one.
    pub name: String,
    /// What arguments it must have got.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub args: Option<Arguments>,
}

impl ToolCallRule {
    /// A call of this tool, with whatever arguments.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), args: None }
    }
}

/// The arguments of a call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Arguments {
    /// The arguments by name.
    #[serde(default)]
    pub values: Map<String, Value>,
    /// Whether there may be others.
    #[serde(default)]
    pub mode: ArgumentMode,
    /// What arguments are that a call leaves out.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub defaults: Map<String, Value>,
    /// Names of arguments that are not looked at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<String>,
}

/// Whether a call may have other arguments than wanted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ArgumentMode {
    /// It may, in maps within arguments too; lists are as long as wanted.
    #[default]
    Partial,
    /// It may not.
    Exact,
}

/// How often tools are called.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ToolCount {
    /// Which tools, as in [`ToolCallRule::name`]; all unless told otherwise.
    #[serde(default = "any")]
    pub name: String,
    /// The smallest number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<u64>,
    /// The largest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u64>,
}

impl ToolCount {
    /// So many calls of tools of this name.
    pub fn new(name: impl Into<String>, limits: Limits) -> Self {
        Self { name: name.into(), min: limits.min, max: limits.max }
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits::new(self.min, self.max)
    }
}

/// Names of tools.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ToolNames {
    /// The names.
    pub names: Vec<String>,
    /// The smallest F1 that will do; 1 unless told otherwise.
    #[serde(default = "one")]
    pub at_least: f64,
}

/// Several assertions that count as one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct AssertSet {
    /// The assertions.
    pub assert: Vec<Assertion>,
    /// The score from which on the set holds; without it all must.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
}

/// What can't be looked at here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Unsupported {
    /// What it is called where it comes from: `javascript`.
    pub kind: String,
    /// What it says there, so that another text is another suite.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, Value>,
}

fn five() -> u64 {
    5
}

fn one() -> f64 {
    1.0
}

fn any() -> String {
    "*".to_owned()
}
