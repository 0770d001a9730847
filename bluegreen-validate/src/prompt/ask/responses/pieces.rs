//! The items of an output as they arrive piece by piece.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Items by their place in the output.
#[derive(Default)]
pub(super) struct Pieces(BTreeMap<u64, Item>);

#[derive(Default)]
struct Item {
    /// The item as it was announced, or as it is at its end.
    told: Option<Value>,
    is_done: bool,
    /// By place in the content.
    texts: BTreeMap<u64, String>,
    refusal: String,
    arguments: String,
}

impl Pieces {
    /// Takes an event, of which `kind` is the type without `response.`; whether there was a token
    /// in it.
    pub(super) fn add(&mut self, kind: &str, event: &Value) -> bool {
        let number = |name: &str| event.get(name).and_then(Value::as_u64);
        let delta = event.get("delta").and_then(Value::as_str).unwrap_or_default();
        let at = number("output_index");
        match kind {
            "output_text.delta" => {
                let index = number("content_index").unwrap_or_default();
                self.item(at).texts.entry(index).or_default().push_str(delta);
            }
            "refusal.delta" => self.item(at).refusal.push_str(delta),
            "function_call_arguments.delta" | "custom_tool_call_input.delta" => {
                self.item(at).arguments.push_str(delta);
            }
            "function_call_arguments.done" => {
                if let Some(arguments) = event.get("arguments").and_then(Value::as_str) {
                    arguments.clone_into(&mut self.item(at).arguments);
                }
                return false;
            }
            "output_item.added" | "output_item.done" => {
                let Some(told) = event.get("item").filter(|it| it.is_object()) else {
                    return false;
                };
                let item = self.item(at);
                item.told = Some(told.clone());
                item.is_done = kind == "output_item.done";
                // The name of a function is a token as any other.
                return told.get("name").and_then(Value::as_str).is_some_and(|it| !it.is_empty());
            }
            // Thinking is no answer, but it is a token.
            "reasoning_text.delta" | "reasoning_summary_text.delta" => {}
            _ => return false,
        }
        !delta.is_empty()
    }

    /// The item at a place, or the last one.
    fn item(&mut self, at: Option<u64>) -> &mut Item {
        let last = self.0.last_key_value().map_or(0, |(index, _)| *index);
        self.0.entry(at.unwrap_or(last)).or_default()
    }

    /// The items that have arrived.
    pub(super) fn items(self) -> Vec<Value> {
        self.0.into_values().map(Item::value).collect()
    }
}

impl Item {
    fn value(self) -> Value {
        if self.is_done {
            return self.told.unwrap_or_default();
        }
        let mut told = self.told.unwrap_or_else(|| json!({"type": "message"}));
        let name = match told.get("type").and_then(Value::as_str) {
            Some("function_call") => "arguments",
            Some("custom_tool_call") => "input",
            _ => {
                let texts = self.texts.into_values();
                let mut content: Vec<Value> =
                    texts.map(|text| json!({"type": "output_text", "text": text})).collect();
                if !self.refusal.is_empty() {
                    content.push(json!({"type": "refusal", "refusal": self.refusal}));
                }
                told["content"] = content.into();
                return told;
            }
        };
        told[name] = self.arguments.into();
        told
    }
}
