//! What an agent answered, as far as it is looked at.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::suite::Prices;

/// One answer, or what the answers of several turns come to.
#[derive(Clone, Debug, Default)]
pub(super) struct Answer {
    pub(super) text: String,
    /// The answer where it was no text.
    pub(super) json: Option<Value>,
    pub(super) tool_calls: Vec<ToolCall>,
    pub(super) usage: Option<Usage>,
    pub(super) finish_reason: Option<String>,
    /// What the agent says itself when it refuses.
    pub(super) refusal: Option<String>,
    /// By what the next turn goes on with the conversation, where the agent keeps it.
    pub(super) thread: Option<Thread>,
    /// From sending to the first token of an answer that streams.
    pub(super) first_token: Option<Duration>,
    /// From sending to the end.
    pub(super) total: Duration,
}

/// Where an agent keeps a conversation.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Thread {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) context: Option<String>,
    /// The task that waits for more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) task: Option<String>,
}

/// A call of a tool.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ToolCall {
    pub(super) id: Option<String>,
    pub(super) name: String,
    /// The arguments; the text itself if it is no JSON.
    pub(super) arguments: Result<Value, String>,
}

/// How many tokens were read and written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Usage {
    pub(super) input: u64,
    pub(super) output: u64,
    /// Those of `input` that the model had read before.
    pub(super) cached: u64,
}

impl Usage {
    pub(super) fn total(self) -> u64 {
        self.input.saturating_add(self.output)
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            input: self.input.saturating_add(other.input),
            output: self.output.saturating_add(other.output),
            cached: self.cached.saturating_add(other.cached),
        }
    }

    /// What they cost.
    #[allow(clippy::cast_precision_loss, reason = "nobody pays for 2^53 tokens")]
    pub(super) fn cost(self, prices: &Prices) -> f64 {
        let cached = self.cached.min(self.input);
        let cost = (self.input - cached) as f64 * prices.input
            + cached as f64 * prices.cached_input.unwrap_or(prices.input)
            + self.output as f64 * prices.output;
        cost / 1e6
    }

    /// Reads the numbers of tokens as most agents tell them.
    pub(super) fn read(value: &Value) -> Option<Self> {
        let number = |names: [&str; 2]| names.iter().find_map(|name| value.get(name)?.as_u64());
        let input = number(["prompt_tokens", "input_tokens"])?;
        let output = number(["completion_tokens", "output_tokens"]);
        // Embeddings write nothing, and say so by a total that is what was read.
        let all = value.get("total_tokens").and_then(Value::as_u64);
        let output = output.or_else(|| (all == Some(input)).then_some(0))?;
        let details = ["prompt_tokens_details", "input_tokens_details"];
        let details = details.iter().find_map(|name| value.get(name));
        let cached = details.and_then(|it| it.get("cached_tokens")?.as_u64()).unwrap_or_default();
        // Where these have names of their own, they are not among those that were read.
        let beside = |name: &str| value.get(name).and_then(Value::as_u64).unwrap_or_default();
        let (again, kept) =
            (beside("cache_read_input_tokens"), beside("cache_creation_input_tokens"));
        let input = input.saturating_add(again).saturating_add(kept);
        let cached = cached.saturating_add(again).min(input);
        Some(Self { input, output, cached })
    }
}

impl ToolCall {
    /// Reads a call in one of the shapes that agents have for it.
    pub(super) fn read(value: &Value) -> Option<Self> {
        let function = value.get("function").filter(|it| it.is_object()).unwrap_or(value);
        let name = function.get("name").or_else(|| function.get("tool"))?.as_str()?;
        let arguments = ["arguments", "args", "input"].iter().find_map(|it| function.get(it));
        let arguments = match arguments {
            None | Some(Value::Null) => Ok(Value::Object(serde_json::Map::new())),
            Some(Value::String(text)) => Self::arguments(text),
            Some(value) => Ok(value.clone()),
        };
        let id = value.get("id").and_then(Value::as_str).map(str::to_owned);
        Some(Self { id, name: name.to_owned(), arguments })
    }

    /// Reads arguments that are JSON in a text. An empty one is none at all.
    pub(super) fn arguments(text: &str) -> Result<Value, String> {
        if text.trim().is_empty() {
            return Ok(Value::Object(serde_json::Map::new()));
        }
        serde_json::from_str(text).map_err(|_| text.to_owned())
    }
}

impl Answer {
    /// The last answer of several turns, with the tool calls and tokens of all.
    pub(super) fn of_all(turns: &[Self]) -> Self {
        let mut last = turns.last().cloned().unwrap_or_default();
        if let [_, _, ..] = turns {
            last.tool_calls = turns.iter().flat_map(|turn| turn.tool_calls.clone()).collect();
            last.usage = turns
                .iter()
                .map(|turn| turn.usage)
                .reduce(|all, one| Some(all?.plus(one?)))
                .flatten();
        }
        last
    }

    /// How it is shown: its text, or the calls where there is none.
    pub(super) fn shown(&self) -> String {
        if !self.text.is_empty() || self.tool_calls.is_empty() {
            return self.text.clone();
        }
        let calls: Vec<String> = self.tool_calls.iter().map(ToolCall::shown).collect();
        calls.join(", ")
    }
}

impl ToolCall {
    pub(super) fn shown(&self) -> String {
        match &self.arguments {
            Ok(value) => format!("{}({value})", self.name),
            Err(text) => format!("{}({text})", self.name),
        }
    }
}
