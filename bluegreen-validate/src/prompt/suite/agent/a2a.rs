//! Agents that speak A2A.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::HeaderText;

/// An agent that speaks A2A (`Agent2Agent`) as JSON-RPC.
///
/// Its answer is a message, or a task that is `completed` or `input-required`: the text is that of the
/// artifacts' parts, then that of the status; where there are data and no text, the answer is their
/// JSON. A task that is at work still is asked after from time to time, as long as the suite's
/// `timeout` lasts. One that is `rejected` is a wrong answer; one that is `failed`, `canceled` or
/// `auth-required` counts for neither side. The reason for which an answer ended is the state of the task,
/// or `message`.
///
/// The next turn of a conversation has the `contextId` of the answer before it, and its `taskId` where
/// input was required. Turns have messages of `user` only, since the agent knows what it has said.
///
/// ```
/// use bluegreen_validate::PromptRegression;
///
/// let text = r#"
/// agent:
///   a2a: { path: /a2a, stream: true, metadata: { tenant: "{{tenant}}" } }
/// rules: { min_cases: 2, margin: 0.2 }
/// defaults: { vars: { tenant: a } }
/// cases:
///   - { id: hello, prompt: Hello!, assert: [{ not-is-refusal: }] }
///   - id: parcel
///     turns:
///       - { prompt: Where is my parcel?, assert: [{ finish-reason: input-required }] }
///       - { prompt: It is parcel 4711. }
///     assert: [{ contains: "4711" }, { first-token: 2s }]
/// "#;
/// let gate = PromptRegression::from_text("suite.yaml", text)?;
/// assert_eq!(gate.problems(), []);
/// # Ok::<(), bluegreen_validate::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct A2aAgent {
    /// Path and query of the JSON-RPC endpoint; `/` unless told otherwise.
    pub path: String,
    /// Headers to send, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "crate::prompt::schema::headers"))]
    pub headers: BTreeMap<String, HeaderText>,
    /// The version of the protocol.
    pub version: A2aVersion,
    /// Whether the answer streams. Only then is there a time to the first token, which is the first
    /// part of an artifact or a message.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stream: bool,
    /// The media types that the agent may answer in, `acceptedOutputModes`; any unless told otherwise.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub output_modes: Vec<String>,
    /// The `metadata` of the request. Strings in it are templates.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
}

/// A version of A2A. In a file: `"1.0"` or `"0.3"`, in quotes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum A2aVersion {
    /// 1.0: the methods `SendMessage`, `SendStreamingMessage` and `GetTask`, and the header
    /// `A2A-Version: 1.0`.
    #[default]
    #[serde(rename = "1.0")]
    V1,
    /// 0.3: the methods `message/send`, `message/stream` and `tasks/get`.
    #[serde(rename = "0.3")]
    V03,
}

impl Default for A2aAgent {
    fn default() -> Self {
        Self {
            path: "/".to_owned(),
            headers: BTreeMap::new(),
            version: A2aVersion::default(),
            stream: false,
            output_modes: Vec::new(),
            metadata: Map::new(),
        }
    }
}

impl A2aAgent {
    /// An agent of version 1.0 whose endpoint is at `path`.
    pub fn new(path: impl Into<String>) -> Self {
        Self { path: path.into(), ..Self::default() }
    }
}
