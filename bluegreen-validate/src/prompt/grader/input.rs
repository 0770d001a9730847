//! What a grader gets to see.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::prompt::answer::{Answer, ToolCall};
use crate::prompt::suite::{Case, Message};

/// What a [`Grader`](super::Grader) gets to see. Owned, so that it can be kept and mocked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GraderInput {
    /// The case as the suite has it: its templates are not rendered in it.
    pub case: Arc<Case>,
    /// The variables of the case, with those of the suite's defaults.
    pub vars: BTreeMap<String, Value>,
    /// The `value` of the assertion, its templates rendered; `null` where it has none.
    pub value: Value,
    /// What was said in each turn up to this one, and answered; one turn where the case has one.
    pub conversation: Vec<Exchange>,
    /// What is graded: the answer to the turn whose assertion it is. Where the assertion is one of the whole case it
    /// is the last one, with the tool calls and tokens of all turns.
    pub answer: AgentAnswer,
}

/// One turn: what was said, and what the agent answered.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Exchange {
    /// What was said, its templates rendered.
    pub messages: Vec<Message>,
    /// What was answered.
    pub answer: AgentAnswer,
}

/// What an agent answered.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct AgentAnswer {
    /// Its text; that of the JSON where it was no text. Empty where only tools were called.
    pub text: String,
    /// The answer where it was JSON and no text, in the place where the suite says that it is.
    pub json: Option<Value>,
    /// The tools that were called, in this order.
    pub tool_calls: Vec<AgentToolCall>,
    /// The tokens, if the agent tells them.
    pub tokens: Option<TokenUsage>,
    /// The reason for which it ended, if the agent tells it: `stop`.
    pub finish_reason: Option<String>,
    /// What the agent says itself when it refuses.
    pub refusal: Option<String>,
    /// From sending to the first token, of an answer that streams.
    pub first_token: Option<Duration>,
    /// From sending to the end of the answer. Of one from a cassette or a baseline it is what was
    /// measured when it was given.
    pub latency: Duration,
}

/// A call of a tool.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct AgentToolCall {
    /// What the agent calls it by, if it does.
    pub id: Option<String>,
    /// The name of the tool.
    pub name: String,
    /// The arguments, or their text where it is no JSON.
    pub arguments: Result<Value, String>,
}

/// Tokens of one answer, or of several.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct TokenUsage {
    /// Tokens that were read.
    pub input: u64,
    /// Tokens that were written.
    pub output: u64,
    /// Those of `input` that the model had read before, where it said so.
    pub cached: u64,
}

impl GraderInput {
    /// An answer to a case of one turn, with its variables, and no value. The fields are public:
    /// fill in the rest.
    ///
    /// ```
    /// use bluegreen_validate::json;
    /// use bluegreen_validate::prompt::{AgentAnswer, AgentToolCall, Case, GraderInput};
    ///
    /// let mut answer = AgentAnswer::new("It arrives on Tuesday.");
    /// answer.tool_calls.push(AgentToolCall::new("find_parcel", json!({"id": 4711})));
    /// let mut input = GraderInput::new(Case::new("parcel", "Where is it?"), answer);
    /// input.value = json!({"digits": 8});
    /// assert_eq!(input.conversation[0].messages[0].role, "user");
    /// ```
    pub fn new(case: Case, answer: AgentAnswer) -> Self {
        let prompt = case.prompt.clone().unwrap_or_default();
        let messages = vec![Message::new("user", prompt)];
        Self {
            vars: case.vars.clone(),
            case: Arc::new(case),
            value: Value::Null,
            conversation: vec![Exchange::new(messages, answer.clone())],
            answer,
        }
    }
}

impl Exchange {
    /// A turn.
    pub fn new(messages: Vec<Message>, answer: AgentAnswer) -> Self {
        Self { messages, answer }
    }
}

impl AgentAnswer {
    /// An answer of this text, of which nothing else is known.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    pub(in crate::prompt) fn of(answer: &Answer) -> Self {
        let tokens = answer.usage.map(|it| TokenUsage {
            input: it.input,
            output: it.output,
            cached: it.cached,
        });
        Self {
            text: answer.text.clone(),
            json: answer.json.clone(),
            tool_calls: answer.tool_calls.iter().map(AgentToolCall::of).collect(),
            tokens,
            finish_reason: answer.finish_reason.clone(),
            refusal: answer.refusal.clone(),
            first_token: answer.first_token,
            latency: answer.total,
        }
    }
}

impl AgentToolCall {
    /// A call with these arguments.
    pub fn new(name: impl Into<String>, arguments: impl Into<Value>) -> Self {
        Self { id: None, name: name.into(), arguments: Ok(arguments.into()) }
    }

    fn of(call: &ToolCall) -> Self {
        Self { id: call.id.clone(), name: call.name.clone(), arguments: call.arguments.clone() }
    }
}
