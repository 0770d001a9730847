//! What is asked: texts, chats, and files of both.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::Loading;
use super::files::{Files, ending};
use crate::document::{self, Source};
use crate::prompt::suite::{Message, Turn};

/// A prompt, and what tests call it.
#[derive(Clone, Debug)]
pub(super) struct Prompt {
    pub(super) label: String,
    pub(super) turn: Turn,
    pub(super) unsupported: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    id: Option<String>,
    label: Option<String>,
    raw: Option<String>,
    #[serde(default, rename = "config")]
    _config: Option<serde::de::IgnoredAny>,
}

/// Reads all prompts.
pub(super) fn read(loading: &mut Loading<'_>, value: Option<&Value>) -> Vec<Prompt> {
    let mut prompts = Vec::new();
    match value {
        None => prompts.push(of_text("{{prompt}}", "{{prompt}}")),
        Some(Value::Array(items)) => {
            for (index, item) in items.iter().enumerate() {
                loading.within(index, |loading| one(loading, item, &mut prompts));
            }
        }
        Some(Value::Object(entries)) if entries.values().all(Value::is_string) => {
            for (name, label) in entries {
                let first = prompts.len();
                one(loading, &Value::String(name.clone()), &mut prompts);
                for prompt in &mut prompts[first..] {
                    label.as_str().unwrap_or_default().clone_into(&mut prompt.label);
                }
            }
        }
        Some(value) => one(loading, value, &mut prompts),
    }
    for prompt in &prompts {
        if let Err(found) = &chat_of(prompt) {
            loading.say(found, "a chat that can be read before its templates are rendered");
        }
    }
    prompts
        .into_iter()
        .map(|prompt| match chat_of(&prompt) {
            Ok(Some(messages)) => Prompt { turn: Turn { messages, ..Turn::default() }, ..prompt },
            _ => prompt,
        })
        .collect()
}

fn one(loading: &mut Loading<'_>, value: &Value, prompts: &mut Vec<Prompt>) {
    match value {
        Value::String(text) => texts(loading, text, text, prompts),
        Value::Object(_) => match Named::deserialize(value) {
            Ok(named) => {
                let text = named.raw.clone().or_else(|| named.id.clone()).unwrap_or_default();
                let label = named.label.or(named.id).unwrap_or_else(|| text.clone());
                if text.is_empty() {
                    loading.say("a prompt without `raw` and `id`", "what is asked");
                } else if named.raw.is_some() {
                    prompts.push(of_text(&text, &label));
                } else {
                    texts(loading, &text, &label, prompts);
                }
            }
            Err(error) => loading.say(error.to_string(), "a text, or {id, label, raw}"),
        },
        other => loading.say(other.to_string(), "a text, or {id, label, raw}"),
    }
}

/// A text itself, or what is in the files that it names.
fn texts(loading: &mut Loading<'_>, text: &str, label: &str, prompts: &mut Vec<Prompt>) {
    let path = Path::new(super::files::name_of(text));
    let known =
        ["txt", "json", "yaml", "yml", "md", "j2", "csv", "jsonl", "js", "mjs", "cjs", "ts", "py"];
    let one_line = !text.contains(['\n', '{']) && !text.contains(' ');
    let is_file = one_line && known.contains(&ending(path).as_str());
    if !is_file && !text.starts_with("file://") {
        prompts.push(of_text(text, label));
        return;
    }
    let files = match loading.files.find(text) {
        Ok(files) => files,
        Err(found) => return loading.say(found, "a file with a prompt"),
    };
    for file in files {
        let kind = ending(&file);
        if !["txt", "json", "yaml", "yml", "md", "j2"].contains(&kind.as_str()) {
            let wanted = "a prompt in a .txt, .md, .j2, .json or .yaml file";
            loading.say(format!("`{}`", file.display()), wanted);
            continue;
        }
        match Files::text(&file) {
            Err(found) => loading.say(found, "a file with a prompt"),
            Ok(text) if kind == "txt" => {
                let mut part = String::new();
                for line in text.lines().chain(std::iter::once("---")) {
                    if line.trim() == "---" {
                        if !part.trim().is_empty() {
                            prompts.push(of_text(part.trim(), label));
                        }
                        part.clear();
                    } else {
                        part.push_str(line);
                        part.push('\n');
                    }
                }
            }
            Ok(text) => prompts.push(of_text(text.trim(), label)),
        }
    }
}

fn of_text(text: &str, label: &str) -> Prompt {
    let unsupported = text.contains("_conversation").then(|| "`_conversation`".to_owned());
    Prompt { label: label.to_owned(), turn: Turn::new(text), unsupported }
}

/// The messages of a prompt that is a chat; an error for one that looks like one and is none.
fn chat_of(prompt: &Prompt) -> Result<Option<Vec<Message>>, String> {
    let text = prompt.turn.prompt.as_deref().unwrap_or_default().trim();
    let name = if text.starts_with("- role:") {
        "prompt.yaml"
    } else if text.starts_with('[') && text.contains("\"role\"") {
        "prompt.json"
    } else {
        return Ok(None);
    };
    let source = Source { name, text };
    let messages: Vec<Message> =
        document::read(source, |_: &Vec<Message>, _| Vec::new()).map_err(|problems| {
            problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        })?;
    if messages.is_empty() {
        return Err("a chat without messages".to_owned());
    }
    Ok(Some(messages))
}
