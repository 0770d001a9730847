//! Agents that speak OpenAI's Responses API.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::HeaderText;

/// An agent that speaks OpenAI's Responses API.
///
/// Nothing is kept by the agent from one turn to the next: every request has the whole conversation as
/// its `input`, messages, calls of functions and their results. The reason for which an answer ended
/// is `tool_calls` where functions are called, and `stop` elsewhere, so that a suite for chat
/// completions holds here too. The tokens that were read have those in them that came from a cache.
///
/// An answer with the status `incomplete` is a wrong one, whatever is there of it; one that is `failed`
/// or `cancelled` counts for neither side.
///
/// ```
/// use bluegreen_validate::PromptRegression;
///
/// let text = r#"
/// agent:
///   responses:
///     model: agent
///     stream: true
///     instructions: Be brief.
///     tools: [{ type: function, name: find, parameters: { type: object, required: [id] } }]
///     parameters: { max_output_tokens: 500 }
/// rules: { min_cases: 2, margin: 0.2 }
/// cases:
///   - id: parcel
///     turns:
///       - { prompt: Where is parcel 4711?, assert: [is-valid-openai-tools-call] }
///       - { messages: [{ role: tool, name: find, content: '{"state": "sent"}' }] }
///     assert: [{ contains: sent }, { first-token: 2s }]
///   - { id: hello, prompt: Hello!, assert: [{ tool-count: { max: 0 } }] }
/// "#;
/// let gate = PromptRegression::from_text("suite.yaml", text)?;
/// assert_eq!(gate.problems(), []);
/// # Ok::<(), bluegreen_validate::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ResponsesAgent {
    /// Path and query; `/v1/responses` unless told otherwise.
    #[serde(default = "responses")]
    pub path: String,
    /// Headers to send, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "crate::prompt::schema::headers"))]
    pub headers: BTreeMap<String, HeaderText>,
    /// The name of the model, as the agent wants it.
    pub model: String,
    /// Whether the answer streams. Only then is there a time to the first token.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stream: bool,
    /// What the agent is told before the conversation, a template. Agents mostly have instructions
    /// of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
    /// The tools that the request offers, as the Responses API has them: a function's `name` and
    /// `parameters` stand in the tool itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Value>,
    /// More fields of the request: `temperature`, `max_output_tokens`, `reasoning`, `store`.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub parameters: Map<String, Value>,
}

impl ResponsesAgent {
    /// An agent at `/v1/responses`.
    pub fn new(model: impl Into<String>) -> Self {
        Self {
            path: responses(),
            headers: BTreeMap::new(),
            model: model.into(),
            stream: false,
            instructions: None,
            tools: Vec::new(),
            parameters: Map::new(),
        }
    }
}

fn responses() -> String {
    "/v1/responses".to_owned()
}
