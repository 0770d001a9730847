//! Messages and tasks of A2A, whole or streaming, of versions 1.0 and 0.3.

use std::time::Duration;

use serde_json::Value;

use super::Reply;
use crate::prompt::answer::{Answer, Thread};

mod parts;
mod request;

use parts::{Artifacts, Parts};
pub(super) use request::{get, send};

/// An answer as far as it has come.
pub(super) struct Course<'a> {
    answer: &'a mut Answer,
    context: Option<String>,
    task: Option<String>,
    /// The state of the task in the words of 0.3, or `message`.
    state: Option<String>,
    /// What the last status says, or the message.
    said: Parts,
    artifacts: Artifacts,
    /// The last of the agent's messages that the task remembers.
    remembered: Parts,
}

impl<'a> Course<'a> {
    /// One of which nothing has come yet.
    pub(super) fn new(answer: &'a mut Answer) -> Self {
        Self {
            answer,
            context: None,
            task: None,
            state: None,
            said: Parts::default(),
            artifacts: Artifacts::default(),
            remembered: Parts::default(),
        }
    }

    /// Takes an answer of JSON-RPC, or an event of a stream of them, which came `at` that time.
    pub(super) fn add(&mut self, text: &[u8], at: Option<Duration>) -> Result<(), Reply> {
        let value: Value = serde_json::from_slice(text)
            .map_err(|error| Reply::Malformed(format!("no JSON: {error}")))?;
        if let Some(error) = value.get("error").filter(|it| !it.is_null()) {
            let message = error.get("message").and_then(Value::as_str);
            let message = message.map_or_else(|| error.to_string(), str::to_owned);
            return Err(Reply::Lost(format!("an error in the answer: {message}")));
        }
        let Some(result) = value.get("result").filter(|it| it.is_object()) else {
            return Err(Reply::Malformed("no result at /result".to_owned()));
        };
        let has_text = self.take(result)?;
        if let Some(at) = at.filter(|_| has_text) {
            self.answer.first_token.get_or_insert(at);
        }
        Ok(())
    }

    /// Takes a result of either version; whether there is a part of an answer in it.
    fn take(&mut self, result: &Value) -> Result<bool, Reply> {
        let wrapped = |name: &str| result.get(name).filter(|it| it.is_object());
        let kind = result.get("kind").and_then(Value::as_str);
        if let Some(update) = wrapped("statusUpdate").or(of(kind, "status-update", result)) {
            self.take_ids(update, "taskId");
            return self.take_status(update);
        }
        if let Some(update) = wrapped("artifactUpdate").or(of(kind, "artifact-update", result)) {
            self.take_ids(update, "taskId");
            return self.artifacts.update(update);
        }
        let message = of(kind, "message", result).or(wrapped("message"));
        if let Some(message) = message.or(result.get("parts").map(|_| result)) {
            self.take_ids(message, "taskId");
            self.said = Parts::of(message)?;
            self.state = Some("message".to_owned());
            return Ok(!self.said.is_empty());
        }
        let task = of(kind, "task", result).or(wrapped("task")).unwrap_or(result);
        self.take_ids(task, "id");
        let has_said = self.take_status(task)?;
        if let Some(artifacts) = task.get("artifacts").filter(|it| !it.is_null()) {
            self.artifacts = Artifacts::of(artifacts)?;
        }
        let history = task.get("history").and_then(Value::as_array);
        if let Some(last) = history.and_then(|it| it.last()).filter(|it| is_agents(it)) {
            self.remembered = Parts::of(last)?;
        }
        Ok(has_said || !self.artifacts.is_empty())
    }

    fn take_ids(&mut self, value: &Value, task: &str) {
        let id = |name: &str| {
            let id = value.get(name).and_then(Value::as_str).filter(|id| !id.is_empty());
            id.map(str::to_owned)
        };
        self.context = id("contextId").or(self.context.take());
        self.task = id(task).or(self.task.take());
    }

    /// What the status of a task says; whether that is a part of an answer.
    fn take_status(&mut self, of: &Value) -> Result<bool, Reply> {
        let Some(state) = of.pointer("/status/state").and_then(Value::as_str) else {
            return Err(Reply::Malformed("no message, and no task with a state".to_owned()));
        };
        let state = state.trim_start_matches("TASK_STATE_").to_ascii_lowercase().replace('_', "-");
        let message = of.pointer("/status/message").filter(|it| !it.is_null());
        self.said = message.map(Parts::of).transpose()?.unwrap_or_default();
        let is_answer = matches!(state.as_str(), "completed" | "input-required");
        self.state = Some(state);
        // What it says while it works is no answer.
        Ok(is_answer && !self.said.is_empty())
    }

    /// The task that is at work still, so that there is no answer yet.
    pub(super) fn at_work(&self) -> Option<&str> {
        let is_at_work = matches!(self.state.as_deref(), Some("submitted" | "working"));
        self.task.as_deref().filter(|_| is_at_work)
    }

    /// What it has come to. A stream that is over before the task is, is lost.
    pub(super) fn end(mut self) -> Result<(), Reply> {
        let state = self.state.take().unwrap_or_default();
        let of_what = |said: &Parts| match said.text() {
            text if text.is_empty() => format!("a task that is {state}"),
            text => format!("a task that is {state}: {text}"),
        };
        match state.as_str() {
            "message" | "completed" | "input-required" => {}
            "" | "submitted" | "working" => {
                return Err(Reply::Lost("a stream that broke off".to_owned()));
            }
            "failed" | "canceled" | "auth-required" => {
                return Err(Reply::Lost(of_what(&self.said)));
            }
            _ => return Err(Reply::Malformed(of_what(&self.said))),
        }
        let mut whole = self.artifacts.together();
        if [&whole, &self.said, &self.remembered].into_iter().any(Parts::are_too_many) {
            return Err(Reply::Malformed("an answer of more parts than can be read".to_owned()));
        }
        whole.push_unless_known(self.said);
        if whole.is_empty() {
            whole = self.remembered;
        }
        // Of files alone nothing could be told, and whatever must not be in an answer is not.
        if whole.says_nothing() {
            let what = if state == "message" { "a message" } else { "a task that is over" };
            return Err(Reply::Malformed(format!("{what}, without any part of an answer")));
        }
        whole.answer(self.answer);
        let task = self.task.filter(|_| state == "input-required");
        self.answer.thread = Some(Thread { context: self.context, task });
        self.answer.finish_reason = Some(state);
        Ok(())
    }
}

/// A result that says itself what it is, as all do in 0.3.
fn of<'v>(kind: Option<&str>, wanted: &str, result: &'v Value) -> Option<&'v Value> {
    (kind == Some(wanted)).then_some(result)
}

fn is_agents(message: &Value) -> bool {
    matches!(message.get("role").and_then(Value::as_str), Some("agent" | "ROLE_AGENT"))
}

#[cfg(test)]
mod tests;
