//! How the agent is spoken to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::HeaderText;

mod a2a;
mod responses;

pub use a2a::{A2aAgent, A2aVersion};
pub use responses::ResponsesAgent;

/// How the agent is spoken to, in both slots alike. In a file: `agent: { http: … }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Agent {
    /// HTTP with a body of one's own.
    Http(HttpAgent),
    /// Chat completions as OpenAI has them, and many others.
    Openai(OpenAiAgent),
    /// OpenAI's Responses API, and that of others who have it.
    Responses(ResponsesAgent),
    /// A2A (`Agent2Agent`).
    A2a(A2aAgent),
}

impl From<HttpAgent> for Agent {
    fn from(agent: HttpAgent) -> Self {
        Self::Http(agent)
    }
}

impl From<OpenAiAgent> for Agent {
    fn from(agent: OpenAiAgent) -> Self {
        Self::Openai(agent)
    }
}

impl From<ResponsesAgent> for Agent {
    fn from(agent: ResponsesAgent) -> Self {
        Self::Responses(agent)
    }
}

impl From<A2aAgent> for Agent {
    fn from(agent: A2aAgent) -> Self {
        Self::A2a(agent)
    }
}

/// An agent that takes a request of its own kind.
///
/// Strings in `path` and `body` are templates. They know the variables of the case and `prompt`
/// (the last message's text), `messages` (all of them, as chat completions have them), `history`
/// (all but the last) and `conversation` (a name that no other conversation has). A string that is
/// one `{{ … }}` and nothing else becomes the value itself, not its text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct HttpAgent {
    /// The method; `POST` unless told otherwise.
    #[serde(default = "post")]
    pub method: String,
    /// Path and query, beginning with `/`.
    pub path: String,
    /// Headers to send, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "crate::prompt::schema::headers"))]
    pub headers: BTreeMap<String, HeaderText>,
    /// The body: a string is sent as text, everything else as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    /// How the answer's body is read.
    #[serde(default)]
    pub reading: Reading,
    /// Where in the answer its text is: `text` for the whole body, a JSON pointer (`/reply`) or a
    /// `JSONPath` (`$.choices[0].text`). Of events it is where in each of them.
    #[serde(default = "whole")]
    pub answer: String,
    /// Where the list of tool calls is, if there is one. Each has `name` and `arguments` (or
    /// `args`, or `input`), or is one as chat completions have them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<String>,
    /// Where the numbers of tokens are: `prompt_tokens` and `completion_tokens`, or `input_tokens`
    /// and `output_tokens`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<String>,
    /// Where the reason is for which the answer ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finish_reason: Option<String>,
}

/// How the body of an answer is read.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reading {
    /// As a whole.
    #[default]
    Whole,
    /// As text that comes piece by piece; the first piece is the first token.
    Stream,
    /// As server-sent events whose data is JSON; the first with text in it is the first token.
    Events,
}

impl HttpAgent {
    /// A `POST` of a JSON body, of which strings are templates; the answer's text is at `answer`.
    pub fn post(path: impl Into<String>, body: Value, answer: impl Into<String>) -> Self {
        Self {
            method: post(),
            path: path.into(),
            headers: BTreeMap::new(),
            body: Some(body),
            reading: Reading::Whole,
            answer: answer.into(),
            tool_calls: None,
            usage: None,
            finish_reason: None,
        }
    }
}

/// An agent that speaks chat completions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct OpenAiAgent {
    /// Path and query; `/v1/chat/completions` unless told otherwise.
    #[serde(default = "completions")]
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
    /// The system message, a template. Agents mostly have one of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// More fields of the request: `temperature`, `tools`, `max_tokens`.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub parameters: Map<String, Value>,
}

impl OpenAiAgent {
    /// An agent at `/v1/chat/completions`.
    pub fn new(model: impl Into<String>) -> Self {
        Self {
            path: completions(),
            headers: BTreeMap::new(),
            model: model.into(),
            stream: false,
            system: None,
            parameters: Map::new(),
        }
    }
}

impl Agent {
    pub(crate) fn path(&self) -> &str {
        match self {
            Self::Http(agent) => &agent.path,
            Self::Openai(agent) => &agent.path,
            Self::Responses(agent) => &agent.path,
            Self::A2a(agent) => &agent.path,
        }
    }

    pub(crate) fn headers(&self) -> &BTreeMap<String, HeaderText> {
        match self {
            Self::Http(agent) => &agent.headers,
            Self::Openai(agent) => &agent.headers,
            Self::Responses(agent) => &agent.headers,
            Self::A2a(agent) => &agent.headers,
        }
    }

    /// Whether there is a time to the first token.
    pub(crate) fn streams(&self) -> bool {
        match self {
            Self::Http(agent) => agent.reading != Reading::Whole,
            Self::Openai(agent) => agent.stream,
            Self::Responses(agent) => agent.stream,
            Self::A2a(agent) => agent.stream,
        }
    }

    /// Whether the agent can tell how many tokens it used.
    pub(crate) fn tells_usage(&self) -> bool {
        match self {
            Self::Http(agent) => agent.usage.is_some(),
            Self::Openai(_) | Self::Responses(_) => true,
            Self::A2a(_) => false,
        }
    }

    /// Whether tool calls of it are seen.
    pub(crate) fn tells_calls(&self) -> bool {
        match self {
            Self::Http(agent) => agent.tool_calls.is_some(),
            Self::Openai(_) | Self::Responses(_) => true,
            Self::A2a(_) => false,
        }
    }

    /// Whether it is seen why an answer ended.
    pub(crate) fn tells_finish(&self) -> bool {
        match self {
            Self::Http(agent) => agent.finish_reason.is_some(),
            Self::Openai(_) | Self::Responses(_) | Self::A2a(_) => true,
        }
    }
}

fn post() -> String {
    "POST".to_owned()
}

fn whole() -> String {
    "text".to_owned()
}

fn completions() -> String {
    "/v1/chat/completions".to_owned()
}
