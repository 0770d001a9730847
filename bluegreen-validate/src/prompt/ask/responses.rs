//! Answers of the Responses API, whole or streaming, as servers that have it send them.

use std::time::Duration;

use serde_json::Value;

use super::Reply;
use crate::prompt::answer::{Answer, ToolCall, Usage};

mod input;
mod pieces;

pub(super) use input::items;
use pieces::Pieces;

/// How a response ends that was cut off, at its limit of tokens say.
pub(super) const INCOMPLETE: &str = "incomplete";

/// An answer that streams, as far as it has arrived.
pub(super) struct Response<'a> {
    answer: &'a mut Answer,
    pieces: Pieces,
    /// The response as the last event tells it.
    end: Option<Value>,
}

impl<'a> Response<'a> {
    /// One of which nothing has arrived yet.
    pub(super) fn new(answer: &'a mut Answer) -> Self {
        Self { answer, pieces: Pieces::default(), end: None }
    }

    /// Reads one that came as a whole.
    pub(super) fn whole(body: &[u8], answer: &mut Answer) -> Result<(), Reply> {
        let value: Value = serde_json::from_slice(body)
            .map_err(|error| Reply::Malformed(format!("no JSON: {error}")))?;
        finished(&value, &[], answer)
    }

    /// Takes one event.
    pub(super) fn add(&mut self, data: &str, at: Duration) -> Result<(), Reply> {
        // Some servers end the stream as chat completions do.
        if self.end.is_some() || data.trim() == "[DONE]" {
            return Ok(());
        }
        let event: Value = serde_json::from_str(data)
            .map_err(|error| Reply::Malformed(format!("an event that is no JSON: {error}")))?;
        let Some(kind) = event.get("type").and_then(Value::as_str) else {
            failed(&event)?;
            return Err(Reply::Malformed("an event without a type".to_owned()));
        };
        let kind = kind.strip_prefix("response.").unwrap_or(kind);
        match kind {
            "error" => {
                failed(&event)?;
                Err(failure(&event))
            }
            "completed" | "incomplete" | "failed" | "cancelled" => {
                let Some(response) = event.get("response").filter(|it| it.is_object()) else {
                    return Err(Reply::Malformed(format!("an event {kind} without a response")));
                };
                self.answer.usage = response.get("usage").and_then(Usage::read);
                let mut response = response.clone();
                // Some servers leave it out of the response, and say it by the event alone.
                if response.get("status").is_none_or(Value::is_null) {
                    response["status"] = kind.into();
                }
                self.end = Some(response);
                Ok(())
            }
            kind => {
                if self.pieces.add(kind, &event) {
                    self.answer.first_token.get_or_insert(at);
                }
                Ok(())
            }
        }
    }

    /// The end of one that streamed. One that was not said to be over is lost.
    pub(super) fn end(self) -> Result<(), Reply> {
        let Some(end) = self.end else {
            return Err(Reply::Lost("a stream that broke off".to_owned()));
        };
        finished(&end, &self.pieces.items(), self.answer)
    }
}

/// Reads a response that is over. What has arrived piece by piece counts where the response itself
/// has no output, which some servers leave out of the last event.
fn finished(response: &Value, pieces: &[Value], answer: &mut Answer) -> Result<(), Reply> {
    // What it took counts, whatever else is wrong.
    answer.usage = response.get("usage").and_then(Usage::read);
    failed(response)?;
    match response.get("status") {
        None | Some(Value::Null) => {}
        Some(Value::String(status)) => match status.as_str() {
            "completed" => {}
            "failed" | "cancelled" => {
                return Err(Reply::Lost(format!("a response that is {status}")));
            }
            INCOMPLETE => {
                answer.finish_reason = Some(INCOMPLETE.to_owned());
                let reason = response.pointer("/incomplete_details/reason").and_then(Value::as_str);
                let reason = reason.unwrap_or("for no reason that is told");
                return Err(Reply::Malformed(format!("an incomplete response: {reason}")));
            }
            other => return Err(Reply::Malformed(format!("a response that is {other}"))),
        },
        Some(other) => return Err(Reply::Malformed(format!("a response of the status {other}"))),
    }
    let output = response.get("output").and_then(Value::as_array).filter(|it| !it.is_empty());
    let found = match output {
        Some(items) => take(items, answer)?,
        None => take(pieces, answer)?,
    };
    if !found {
        // What client libraries add, and some servers have alone.
        let Some(text) = response.get("output_text").and_then(Value::as_str) else {
            return Err(Reply::Malformed("no message and no function call at /output".to_owned()));
        };
        text.clone_into(&mut answer.text);
    }
    let reason = if answer.tool_calls.is_empty() { "stop" } else { "tool_calls" };
    answer.finish_reason = Some(reason.to_owned());
    Ok(())
}

/// Reads the items of an output; whether there was an answer among them, be it an empty one.
fn take(items: &[Value], answer: &mut Answer) -> Result<bool, Reply> {
    let (mut text, mut aside, mut refusal) = (String::new(), String::new(), String::new());
    let mut found = false;
    for item in items {
        match item.get("type").and_then(Value::as_str) {
            Some("message") => {
                found = true;
                // What is said before the answer proper, while tools are called.
                let is_aside = item.get("phase").and_then(Value::as_str) == Some("commentary");
                let into = if is_aside { &mut aside } else { &mut text };
                match item.get("content") {
                    Some(Value::String(content)) => into.push_str(content),
                    Some(Value::Array(parts)) => {
                        for part in parts {
                            let of = |name| part.get(name).and_then(Value::as_str);
                            into.push_str(of("text").unwrap_or_default());
                            refusal.push_str(of("refusal").unwrap_or_default());
                        }
                    }
                    None | Some(Value::Null) => {}
                    Some(_) => {
                        let why = "a message whose content is no list of parts".to_owned();
                        return Err(Reply::Malformed(why));
                    }
                }
            }
            Some("function_call" | "custom_tool_call") => {
                found = true;
                let Some(mut call) = ToolCall::read(item).filter(|it| !it.name.is_empty()) else {
                    return Err(Reply::Malformed("a function call without a name".to_owned()));
                };
                if let Some(id) = item.get("call_id").and_then(Value::as_str) {
                    call.id = Some(id.to_owned());
                }
                answer.tool_calls.push(call);
            }
            // Thoughts, and what the server has called and answered itself.
            _ => {}
        }
    }
    answer.text = if text.is_empty() { aside } else { text };
    answer.refusal = (!refusal.is_empty()).then_some(refusal);
    Ok(found)
}

/// An error that comes in the body of an answer of status 200.
fn failed(value: &Value) -> Result<(), Reply> {
    match value.get("error") {
        None | Some(Value::Null) => Ok(()),
        Some(error) => Err(failure(error)),
    }
}

fn failure(error: &Value) -> Reply {
    let message = error.get("message").and_then(Value::as_str);
    let message = message.map_or_else(|| error.to_string(), str::to_owned);
    Reply::Lost(format!("an error in the answer: {message}"))
}

#[cfg(test)]
mod tests;
