//! A conversation as the Responses API takes it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

/// The items of the input for messages as chat completions have them. The calls of tools of the names
/// `custom` are of that kind, whose input is a text of any form.
///
/// # Errors
/// A message that has no place there.
pub(in crate::prompt::ask) fn items(
    messages: &[Value],
    custom: &BTreeSet<String>,
) -> Result<Vec<Value>, String> {
    let mut items = Vec::with_capacity(messages.len());
    let mut custom_ids = BTreeSet::new();
    for message in messages {
        let of = |name: &str| message.get(name).and_then(Value::as_str).unwrap_or_default();
        let content = message.get("content").unwrap_or(&Value::Null);
        match of("role") {
            "tool" => {
                let id = of("tool_call_id");
                let kind =
                    if custom_ids.contains(id) { "custom_tool_call" } else { "function_call" };
                let output = parts(content, "input_text")?;
                let kind = format!("{kind}_output");
                items.push(json!({"type": kind, "call_id": id, "output": output}));
            }
            "assistant" => {
                let is_said = !content.is_null() && content != "";
                if is_said {
                    let content = parts(content, "output_text")?;
                    items.push(json!({"type": "message", "role": "assistant", "content": content}));
                }
                let calls = message.get("tool_calls").and_then(Value::as_array);
                for call in calls.into_iter().flatten() {
                    let of =
                        |at: &str| call.pointer(at).and_then(Value::as_str).unwrap_or_default();
                    let (id, name, text) =
                        (of("/id"), of("/function/name"), of("/function/arguments"));
                    items.push(if custom.contains(name) {
                        custom_ids.insert(id.to_owned());
                        json!({"type": "custom_tool_call", "call_id": id, "name": name, "input": text})
                    } else {
                        json!({"type": "function_call", "call_id": id, "name": name, "arguments": text})
                    });
                }
            }
            role => {
                let content = parts(content, "input_text")?;
                items.push(json!({"type": "message", "role": role, "content": content}));
            }
        }
    }
    Ok(items)
}

/// Content is a text, or a list of parts, of which those of text are called `text` here.
fn parts(content: &Value, text: &str) -> Result<Value, String> {
    match content {
        Value::Array(parts) => parts.iter().map(|it| part(it, text)).collect(),
        other => Ok(other.clone()),
    }
}

fn part(part: &Value, text: &str) -> Result<Value, String> {
    let kind = part.get("type").and_then(Value::as_str).unwrap_or_default();
    match kind {
        "text" => Ok(json!({"type": text, "text": part.get("text")})),
        "image_url" => {
            let image = part.get("image_url").unwrap_or(&Value::Null);
            let url = image.get("url").unwrap_or(image);
            let mut found = json!({"type": "input_image", "image_url": url});
            if let Some(detail) = image.get("detail") {
                found["detail"] = detail.clone();
            }
            Ok(found)
        }
        "file" => {
            let mut found =
                part.get("file").and_then(Value::as_object).cloned().unwrap_or_default();
            found.insert("type".to_owned(), "input_file".into());
            Ok(Value::Object(found))
        }
        // One that is as it has to be.
        kind if ["input_", "output_"].iter().any(|it| kind.starts_with(it)) => Ok(part.clone()),
        other => Err(format!("a part of the type `{other}`, for which a response has no place")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation_is_messages_calls_and_results() {
        let call = |id: &str, name: &str, text: &str| json!({"id": id, "type": "function", "function": {"name": name, "arguments": text}});
        let messages = [
            json!({"role": "user", "content": [{"type": "text", "text": "Hi"},
                {"type": "image_url", "image_url": {"url": "https://a.example/i", "detail": "low"}},
                {"type": "file", "file": {"file_id": "f1"}}]}),
            json!({"role": "assistant", "content": "I look.",
                "tool_calls": [call("c1", "find", "{\"id\":1}"), call("c2", "sql", "select 1")]}),
            json!({"role": "tool", "name": "find", "content": "sent", "tool_call_id": "c1"}),
            json!({"role": "tool", "name": "sql", "content": "1", "tool_call_id": "c2"}),
            json!({"role": "assistant", "content": null}),
        ];
        let custom = BTreeSet::from(["sql".to_owned()]);
        let wanted = json!([
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"},
                {"type": "input_image", "image_url": "https://a.example/i", "detail": "low"},
                {"type": "input_file", "file_id": "f1"}]},
            {"type": "message", "role": "assistant", "content": "I look."},
            {"type": "function_call", "call_id": "c1", "name": "find", "arguments": "{\"id\":1}"},
            {"type": "custom_tool_call", "call_id": "c2", "name": "sql", "input": "select 1"},
            {"type": "function_call_output", "call_id": "c1", "output": "sent"},
            {"type": "custom_tool_call_output", "call_id": "c2", "output": "1"},
        ]);
        assert_eq!(Value::Array(items(&messages, &custom).unwrap()), wanted);
    }

    #[test]
    fn a_part_without_a_place_is_told() {
        let message = json!({"role": "user", "content": [{"type": "video", "video": "x"}]});
        let refused = items(&[message], &BTreeSet::new()).unwrap_err();
        assert!(refused.contains("`video`"), "{refused}");
    }
}
