//! What stands in a cassette: a head, then one exchange per line.

use std::time::Duration;

use bluegreen_core::{Digest, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::excerpt::Mask;
use crate::prompt::answer::{Answer, Thread, ToolCall, Usage};
use crate::prompt::ask::Reply;
use crate::prompt::report::redacted;

/// The version of the format.
pub(super) const VERSION: u32 = 1;

/// The first line: what was recorded, and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Head {
    /// The version of the format.
    pub(super) cassette: u32,
    pub(super) suite: Named,
    pub(super) live: Named,
    pub(super) idle: Named,
    /// The digest of how agents are spoken to, and where in an answer is what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) agent: Option<String>,
    pub(super) recorded: Timestamp,
}

/// A thing by its name and its digest, which alone says whether it is the same.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) digest: String,
}

impl Named {
    pub(super) fn new(name: impl Into<String>, digest: &Digest) -> Self {
        Self { name: name.into(), digest: digest.as_str().to_owned() }
    }
}

impl std::fmt::Display for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.name, self.digest)
    }
}

/// One exchange.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    pub(super) key: String,
    pub(super) slot: String,
    pub(super) case: String,
    /// From 0, as are the repeats.
    pub(super) turn: usize,
    pub(super) repeat: u32,
    pub(super) at: Timestamp,
    /// What the agent was told that the conversation is called.
    pub(super) conversation: String,
    /// The body that asked, for people; nothing where it is long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) request: Option<Value>,
    pub(super) reply: Said,
    /// Whether something of the answer had to be hidden. It can't be judged again then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) hidden: bool,
}

/// What was answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Said {
    Answer(Box<SaidAnswer>),
    Malformed(String),
}

impl Said {
    /// What was answered, as it was.
    pub(super) fn reply(self) -> Reply {
        match self {
            Self::Answer(answer) => Reply::Answer(Box::new(answer.answer())),
            Self::Malformed(found) => Reply::Malformed(found),
        }
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct SaidAnswer {
    #[serde(skip_serializing_if = "String::is_empty")]
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    json: Option<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<SaidCall>,
    /// Tokens read and written.
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens: Option<(u64, u64)>,
    /// Those of the tokens read that the model had read before.
    #[serde(default, skip_serializing_if = "crate::report::is_zero")]
    cached: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    finish_reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thread: Option<Thread>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_token_micros: Option<u64>,
    micros: u64,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct SaidCall {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    arguments: Option<Value>,
    /// The arguments where they are no JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

impl SaidAnswer {
    /// An answer as it is kept, and whether something of it is hidden.
    pub(super) fn of(answer: &Answer, mask: &Mask) -> (Self, bool) {
        let mut hider = Hider { mask, has_hidden: false };
        let calls = answer.tool_calls.iter().map(|call| SaidCall {
            id: call.id.as_deref().map(|id| hider.text(id)),
            name: hider.text(&call.name),
            arguments: call.arguments.as_ref().ok().map(|value| hider.value(value)),
            text: call.arguments.as_ref().err().map(|text| hider.text(text)),
        });
        let tool_calls = calls.collect();
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let json = answer.json.as_ref().map(|value| hider.value(value));
        let said = Self {
            // Where it was no text, its text is that of the JSON.
            text: json.as_ref().map_or_else(|| hider.text(&answer.text), |_| String::new()),
            json,
            tool_calls,
            tokens: answer.usage.map(|usage| (usage.input, usage.output)),
            cached: answer.usage.map(|usage| usage.cached).unwrap_or_default(),
            finish_reason: answer.finish_reason.as_deref().map(|text| hider.text(text)),
            refusal: answer.refusal.as_deref().map(|text| hider.text(text)),
            thread: answer.thread.as_ref().map(|thread| Thread {
                context: thread.context.as_deref().map(|id| hider.text(id)),
                task: thread.task.as_deref().map(|id| hider.text(id)),
            }),
            first_token_micros: answer.first_token.map(micros),
            micros: micros(answer.total),
        };
        (said, hider.has_hidden)
    }

    pub(super) fn answer(self) -> Answer {
        let calls = self.tool_calls.into_iter().map(|call| ToolCall {
            id: call.id,
            name: call.name,
            arguments: match (call.arguments, call.text) {
                (_, Some(text)) => Err(text),
                (value, None) => Ok(value.unwrap_or_default()),
            },
        });
        Answer {
            tool_calls: calls.collect(),
            text: self.json.as_ref().map_or(self.text, Value::to_string),
            json: self.json,
            usage: self.tokens.map(|(input, output)| Usage { input, output, cached: self.cached }),
            finish_reason: self.finish_reason,
            refusal: self.refusal,
            thread: self.thread,
            first_token: self.first_token_micros.map(Duration::from_micros),
            total: Duration::from_micros(self.micros),
        }
    }
}

/// A body as it is kept: JSON without secrets in its texts, or a text without them.
pub(super) fn hidden_body(mask: &Mask, body: &[u8]) -> Value {
    let mut hider = Hider { mask, has_hidden: false };
    match serde_json::from_slice(body) {
        Ok(value) => hider.value(&value),
        Err(_) => Value::String(hider.text(&String::from_utf8_lossy(body))),
    }
}

/// Hides what reports hide, and remembers whether there was any.
struct Hider<'a> {
    mask: &'a Mask,
    has_hidden: bool,
}

impl Hider<'_> {
    fn text(&mut self, text: &str) -> String {
        let clean = redacted(self.mask, text);
        self.has_hidden |= clean != text;
        clean
    }

    fn value(&mut self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(items) => items.iter().map(|item| self.value(item)).collect(),
            Value::Object(entries) => {
                entries.iter().map(|(key, it)| (self.text(key), self.value(it))).collect()
            }
            plain => plain.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_comes_back_as_it_was() {
        let call = |arguments| ToolCall { id: None, name: "find".to_owned(), arguments };
        let first = Answer {
            text: "a\r\u{1b}\n".repeat(9_000),
            tool_calls: vec![call(Ok(json!({"id": 7}))), call(Err("id 7".to_owned()))],
            usage: Some(Usage { input: 3, output: 4, cached: 0 }),
            thread: Some(Thread { context: Some("c".to_owned()), task: None }),
            first_token: Some(Duration::from_micros(1_500)),
            total: Duration::from_micros(20_001),
            ..Answer::default()
        };
        let value = json!({"parcels": [1, 2.5, null]});
        let second = Answer { text: value.to_string(), json: Some(value), ..Answer::default() };
        for answer in [first, second] {
            let (said, hidden) = SaidAnswer::of(&answer, &Mask::default());
            let text = serde_json::to_string(&said).unwrap();
            let back = serde_json::from_str::<SaidAnswer>(&text).unwrap().answer();
            assert!(!hidden);
            assert_eq!(format!("{back:?}"), format!("{answer:?}"));
        }
    }

    #[test]
    fn what_is_secret_is_hidden_wherever_it_stands() {
        let mut mask = Mask::default();
        mask.hide("Bearer the-key");
        let key = "sk-proj-abcdefgh12345678";
        let value = json!({"the-key": [key]});
        let calls = vec![ToolCall { id: None, name: "a".to_owned(), arguments: Ok(value.clone()) }];
        for answer in [
            Answer { text: format!("it is {key}"), ..Answer::default() },
            Answer { json: Some(value.clone()), ..Answer::default() },
            Answer { tool_calls: calls, ..Answer::default() },
            Answer { refusal: Some("the-key".to_owned()), ..Answer::default() },
        ] {
            let (said, hidden) = SaidAnswer::of(&answer, &mask);
            let text = serde_json::to_string(&said).unwrap();
            assert!(hidden && !text.contains("the-key") && !text.contains("sk-"), "{text}");
        }
        let body = hidden_body(&mask, value.to_string().as_bytes()).to_string();
        assert_eq!(body, r#"{"***":["***"]}"#);
        assert_eq!(hidden_body(&mask, b"say the-key"), json!("say ***"));
    }
}
