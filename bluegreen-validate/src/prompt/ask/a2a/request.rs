//! Requests of A2A.

use serde_json::{Map, Value, json};

use crate::prompt::suite::{A2aAgent, A2aVersion};

/// The request that says what is new in these messages, with `metadata` as it is.
///
/// # Errors
/// A message that has no place there.
pub(in crate::prompt::ask) fn send(
    agent: &A2aAgent,
    messages: &[Value],
    conversation: &str,
    metadata: Value,
) -> Result<Value, String> {
    let is_new = agent.version == A2aVersion::V1;
    let is_said = |message: &Value| message.get("role") == Some(&json!("assistant"));
    let turn = messages.iter().filter(|it| is_said(it)).count();
    let begin = messages.iter().rposition(is_said).map_or(0, |last| last + 1);
    let mut parts = Vec::new();
    for message in &messages[begin..] {
        match message.get("content") {
            Some(Value::Array(all)) => {
                for one in all {
                    parts.push(part(one, is_new)?);
                }
            }
            content => parts.push(text(content.unwrap_or(&Value::Null), is_new)),
        }
    }
    let role = if is_new { "ROLE_USER" } else { "user" };
    let id = format!("{conversation}-{turn}");
    let mut message = json!({"messageId": id, "role": role, "parts": parts});
    let mut configuration = Map::new();
    if !is_new {
        message["kind"] = "message".into();
        configuration.insert("blocking".to_owned(), true.into());
    }
    let thread = begin.checked_sub(1).and_then(|last| messages[last].get("thread"));
    for (name, to) in [("context", "contextId"), ("task", "taskId")] {
        if let Some(id) = thread.and_then(|it| it.get(name)).filter(|it| it.is_string()) {
            message[to] = id.clone();
        }
    }
    if !agent.output_modes.is_empty() {
        let modes = agent.output_modes.clone().into();
        configuration.insert("acceptedOutputModes".to_owned(), modes);
    }
    let mut params = json!({"message": message});
    if !configuration.is_empty() {
        params["configuration"] = configuration.into();
    }
    if metadata.as_object().is_some_and(|it| !it.is_empty()) {
        params["metadata"] = metadata;
    }
    let method = match (is_new, agent.stream) {
        (true, false) => "SendMessage",
        (true, true) => "SendStreamingMessage",
        (false, false) => "message/send",
        (false, true) => "message/stream",
    };
    Ok(json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))
}

/// The request that asks after a task, for the `number`th time.
pub(in crate::prompt::ask) fn get(version: A2aVersion, task: &str, number: u32) -> Value {
    let method = if version == A2aVersion::V1 { "GetTask" } else { "tasks/get" };
    let id = number.saturating_add(2);
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": {"id": task}})
}

fn text(text: &Value, is_new: bool) -> Value {
    if is_new { json!({"text": text}) } else { json!({"kind": "text", "text": text}) }
}

/// A part as chat completions have it.
fn part(part: &Value, is_new: bool) -> Result<Value, String> {
    match part.get("type").and_then(Value::as_str) {
        Some("text") => Ok(text(part.get("text").unwrap_or(&Value::Null), is_new)),
        Some("image_url") => {
            let image = part.get("image_url").unwrap_or(&Value::Null);
            let url = image.get("url").unwrap_or(image);
            Ok(if is_new {
                json!({"url": url})
            } else {
                json!({"kind": "file", "file": {"uri": url}})
            })
        }
        // One that is as it has to be.
        None if ["text", "data", "url", "raw", "file"].iter().any(|it| part.get(it).is_some()) => {
            Ok(part.clone())
        }
        kind => {
            let kind = kind.unwrap_or_default();
            Err(format!("a part of the type `{kind}`, for which A2A has no place"))
        }
    }
}
