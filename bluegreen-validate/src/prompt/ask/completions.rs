//! Chat completions, whole or streaming, as the many servers that have them send them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::Reply;
use crate::prompt::answer::{Answer, ToolCall, Usage};

/// A completion as far as it has arrived.
pub(super) struct Completion<'a> {
    answer: &'a mut Answer,
    calls: BTreeMap<u64, Call>,
    /// There was a piece of an answer, be it an empty one.
    begun: bool,
    done: bool,
}

#[derive(Default)]
struct Call {
    id: Option<String>,
    name: String,
    arguments: String,
}

impl<'a> Completion<'a> {
    /// One that streams, of which nothing has arrived yet.
    pub(super) fn new(answer: &'a mut Answer) -> Self {
        Self { answer, calls: BTreeMap::new(), begun: false, done: false }
    }

    /// Reads one that came as a whole.
    pub(super) fn whole(body: &[u8], answer: &mut Answer) -> Result<(), Reply> {
        let value: Value = serde_json::from_slice(body)
            .map_err(|error| Reply::Malformed(format!("no JSON: {error}")))?;
        // What it took counts, whatever else is wrong.
        answer.usage = value.get("usage").and_then(Usage::read);
        refused(&value)?;
        let choice = value.pointer("/choices/0");
        let Some(message) = choice.and_then(|it| it.get("message")).filter(|it| it.is_object())
        else {
            return Err(Reply::Malformed("no message at /choices/0/message".to_owned()));
        };
        let text = |name: &str| message.get(name).map(text_of).filter(|it| !it.is_empty());
        let calls = message.get("tool_calls").and_then(Value::as_array);
        let tool_calls = calls.map(|calls| calls.iter().map(ToolCall::read).collect());
        let Some(tool_calls) = tool_calls.unwrap_or(Some(Vec::new())) else {
            return Err(Reply::Malformed("a tool call without a name".to_owned()));
        };
        let finish = choice.and_then(|it| it.get("finish_reason")).and_then(Value::as_str);
        answer.text = text("content").unwrap_or_default();
        answer.refusal = text("refusal");
        answer.tool_calls = tool_calls;
        answer.finish_reason = finish.map(str::to_owned);
        Ok(())
    }

    /// Takes one event of one that streams.
    pub(super) fn add(&mut self, data: &str, at: Duration) -> Result<(), Reply> {
        if data.trim() == "[DONE]" {
            self.done = true;
            return Ok(());
        }
        let value: Value = serde_json::from_str(data)
            .map_err(|error| Reply::Malformed(format!("an event that is no JSON: {error}")))?;
        if let Some(usage) = value.get("usage").and_then(Usage::read) {
            self.answer.usage = Some(usage);
        }
        refused(&value)?;
        let Some(choice) = value.pointer("/choices/0") else { return Ok(()) };
        if let Some(reason) = choice.get("finish_reason").and_then(Value::as_str) {
            self.answer.finish_reason = Some(reason.to_owned());
        }
        let Some(delta) = choice.get("delta").filter(|it| it.is_object()) else { return Ok(()) };
        self.begun = true;
        let mut has_token = false;
        let mut text = |name: &str| {
            let text = delta.get(name).map(text_of).unwrap_or_default();
            has_token |= !text.is_empty();
            text
        };
        self.answer.text.push_str(&text("content"));
        let refusal = text("refusal");
        // Thinking is no answer, but it is a token.
        let _ = (text("reasoning_content"), text("reasoning"));
        if !refusal.is_empty() {
            self.answer.refusal.get_or_insert_default().push_str(&refusal);
        }
        for call in delta.get("tool_calls").and_then(Value::as_array).into_iter().flatten() {
            has_token |= self.add_call(call);
        }
        if has_token {
            self.answer.first_token.get_or_insert(at);
        }
        Ok(())
    }

    /// Takes a piece of a tool call; whether there was anything in it.
    fn add_call(&mut self, piece: &Value) -> bool {
        let last = self.calls.last_key_value().map_or(0, |(index, _)| *index);
        let index = piece.get("index").and_then(Value::as_u64).unwrap_or(last);
        let call = self.calls.entry(index).or_default();
        let text = |at: &str| piece.pointer(at).and_then(Value::as_str).unwrap_or_default();
        if let Some(id) = piece.get("id").and_then(Value::as_str) {
            call.id = Some(id.to_owned());
        }
        let name = text("/function/name");
        let arguments = text("/function/arguments");
        call.name.push_str(name);
        call.arguments.push_str(arguments);
        !name.is_empty() || !arguments.is_empty()
    }

    /// The end of one that streamed. One that ended in mid-sentence is lost.
    pub(super) fn end(self) -> Result<(), Reply> {
        let answer = self.answer;
        if !self.done && answer.finish_reason.is_none() {
            return Err(Reply::Lost("a stream that broke off".to_owned()));
        }
        if !self.begun {
            return Err(Reply::Malformed("a stream without /choices/0/delta".to_owned()));
        }
        for call in self.calls.into_values() {
            if call.name.is_empty() {
                return Err(Reply::Malformed("a tool call without a name".to_owned()));
            }
            let arguments = ToolCall::arguments(&call.arguments);
            answer.tool_calls.push(ToolCall { id: call.id, name: call.name, arguments });
        }
        Ok(())
    }
}

/// An error that comes in the body of an answer of status 200.
fn refused(value: &Value) -> Result<(), Reply> {
    match value.get("error") {
        None | Some(Value::Null) => Ok(()),
        Some(error) => {
            let message = error.get("message").and_then(Value::as_str);
            let message = message.map_or_else(|| error.to_string(), str::to_owned);
            Err(Reply::Lost(format!("an error in the answer: {message}")))
        }
    }
}

/// Content is a text, or a list of parts of which those of text count.
fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part.get("text")?.as_str()).collect(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn streamed(events: &[&str]) -> Result<Answer, Reply> {
        let mut answer = Answer::default();
        let mut completion = Completion::new(&mut answer);
        for (number, event) in (1_u64..).zip(events) {
            completion.add(event, Duration::from_millis(number))?;
        }
        completion.end()?;
        Ok(answer)
    }

    fn whole(body: &[u8]) -> Result<Answer, Reply> {
        let mut answer = Answer::default();
        Completion::whole(body, &mut answer)?;
        Ok(answer)
    }

    #[test]
    fn a_stream_comes_to_what_the_whole_would_be() {
        let answer = streamed(&[
            r#"{"choices":[{"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#,
            r#"{"choices":[{"delta":{"content":"It is "}}]}"#,
            r#"{"choices":[{"delta":{"content":"here"}}]}"#,
            r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"c1","function":{"name":"find","arguments":"{\"i"}}]}}]}"#,
            r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"d\":1}"}}]}}]}"#,
            r#"{"choices":[{"delta":{},"finish_reason":"tool_calls"}]}"#,
            r#"{"choices":null,"usage":{"prompt_tokens":3,"completion_tokens":4}}"#,
            "[DONE]",
        ])
        .unwrap();
        assert_eq!(answer.text, "It is here");
        assert_eq!(answer.first_token, Some(Duration::from_millis(2)));
        assert_eq!(answer.usage, Some(Usage { input: 3, output: 4, cached: 0 }));
        assert_eq!(answer.finish_reason.as_deref(), Some("tool_calls"));
        let call = &answer.tool_calls[0];
        assert_eq!((call.id.as_deref(), call.shown().as_str()), (Some("c1"), "find({\"id\":1})"));
    }

    #[test]
    fn half_a_stream_and_an_error_within_are_lost() {
        let half = streamed(&[r#"{"choices":[{"delta":{"content":"It is "}}]}"#]);
        assert!(matches!(half, Err(Reply::Lost(_))), "{half:?}");
        let error = streamed(&[r#"{"error":{"message":"overloaded"}}"#]);
        assert!(matches!(&error, Err(Reply::Lost(why)) if why.contains("overloaded")), "{error:?}");
        let whole = whole(br#"{"error":{"message":"overloaded"}}"#);
        assert!(matches!(whole, Err(Reply::Lost(_))), "{whole:?}");
    }

    #[test]
    fn what_is_no_completion_is_malformed() {
        for body in [&b"hello"[..], br#"{"choices":[]}"#, br#"{"choices":[{"message":null}]}"#] {
            assert!(matches!(whole(body), Err(Reply::Malformed(_))));
        }
    }

    #[test]
    fn what_it_took_is_told_also_where_it_is_no_completion() {
        let told = r#""usage":{"prompt_tokens":3,"completion_tokens":4}"#;
        let (mut first, mut second) = (Answer::default(), Answer::default());
        let body = format!(r#"{{"choices":[],{told}}}"#);
        assert!(Completion::whole(body.as_bytes(), &mut first).is_err());
        let mut completion = Completion::new(&mut second);
        let event = format!(r#"{{"error":"overloaded",{told}}}"#);
        assert!(completion.add(&event, Duration::ZERO).is_err());
        for answer in [first, second] {
            assert_eq!(answer.usage, Some(Usage { input: 3, output: 4, cached: 0 }));
        }
    }

    #[test]
    fn parts_of_text_are_put_together() {
        let body = json!({"choices": [{"message": {"content": [{"type": "text", "text": "a"},
            {"type": "text", "text": "b"}]}, "finish_reason": "stop"}]});
        assert_eq!(whole(body.to_string().as_bytes()).unwrap().text, "ab");
    }

    #[test]
    fn a_stream_without_a_piece_of_an_answer_is_malformed() {
        for events in [
            &["[DONE]"][..],
            &[r#"{"choices":[]}"#, "[DONE]"],
            &[r#"{"choices":[{"finish_reason":"stop"}]}"#],
            &[r#"{"choices":[{"delta":null,"finish_reason":"stop"}]}"#, "[DONE]"],
        ] {
            let found = streamed(events);
            assert!(matches!(found, Err(Reply::Malformed(_))), "{events:?}: {found:?}");
        }
        let empty = streamed(&[r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#, "[DONE]"]);
        assert!(empty.is_ok_and(|it| it.text.is_empty()));
    }
}
