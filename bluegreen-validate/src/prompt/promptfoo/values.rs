//! The values of promptfoo's assertions, in the many ways in which they may be written.

use serde_json::{Map, Value};

use crate::prompt::suite::{
    ArgumentMode, Arguments, AssertSet, CallMode, Check, Limits, ToolCallRule, ToolCount,
    Trajectory,
};

/// A text that is not empty.
pub(super) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A list of texts, or one text with commas between them, and quotes around those with commas.
pub(super) fn texts_of(value: &Value) -> Option<Vec<String>> {
    if let Value::Array(items) = value {
        return items.iter().map(text_of).collect();
    }
    let parts: Vec<String> =
        split(&text_of(value)?).into_iter().filter(|it| !it.is_empty()).collect();
    (!parts.is_empty()).then_some(parts)
}

/// The parts of a text between commas, without the blanks around them; a part in double quotes may
/// have commas in it, and quotes that are written twice.
fn split(text: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let mut part = String::new();
        if let Some(mut inner) = rest.strip_prefix('"') {
            while let Some((before, after)) = inner.split_once('"') {
                part.push_str(before);
                inner = after;
                match inner.strip_prefix('"') {
                    Some(more) => {
                        part.push('"');
                        inner = more;
                    }
                    None => break,
                }
            }
            rest = inner;
        }
        let (plain, after) =
            rest.split_once(',').map_or((rest, None), |(it, rest)| (it, Some(rest)));
        part.push_str(plain.trim_end());
        parts.push(part);
        match after {
            Some(after) => rest = after,
            None => return parts,
        }
    }
}

/// A JSON Schema, which may be written as a text.
pub(super) fn schema_of(value: &Value) -> Result<Option<Value>, String> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => {
            let source = crate::document::Source { name: "schema.yaml", text };
            crate::document::read(source, |_: &Value, _| Vec::new())
                .map(Some)
                .map_err(|_| format!("`{text}`"))
        }
        value => Ok(Some(value.clone())),
    }
}

pub(super) fn limits_of(value: &Value) -> Option<Limits> {
    if let Some(count) = value.as_u64() {
        return Some(Limits::new(Some(count), Some(count)));
    }
    if let Some(count) = value.as_str().and_then(|text| text.trim().parse().ok()) {
        return Some(Limits::new(Some(count), Some(count)));
    }
    let entries = value.as_object()?;
    let limits = |name: &str| entries.get(name).and_then(Value::as_u64);
    (limits("min").or(limits("max")).is_some()).then(|| Limits::new(limits("min"), limits("max")))
}

/// A tool's name, which may be a pattern.
fn name_of(entries: &Map<String, Value>) -> Option<&str> {
    entries.get("name").or_else(|| entries.get("pattern"))?.as_str().filter(|it| !it.is_empty())
}

pub(super) fn used(value: &Value) -> Option<Check> {
    let count = |value: &Value| match value {
        Value::String(name) if !name.is_empty() => {
            Some(ToolCount::new(name.as_str(), Limits::new(Some(1), None)))
        }
        Value::Object(entries) => {
            let number = |name: &str| entries.get(name).and_then(Value::as_u64);
            let limits = Limits::new(number("min").or(Some(1)), number("max"));
            Some(ToolCount::new(name_of(entries)?, limits))
        }
        _ => None,
    };
    match value {
        Value::Array(items) if !items.is_empty() => {
            let all = items.iter().map(|it| Some(Check::ToolCount(count(it)?).into()));
            Some(Check::AssertSet(AssertSet {
                assert: all.collect::<Option<_>>()?,
                threshold: None,
            }))
        }
        one => Some(Check::ToolCount(count(one)?)),
    }
}

pub(super) fn sequence(value: &Value) -> Option<Check> {
    let (steps, mode) = match value {
        Value::Array(steps) => (steps, CallMode::InOrder),
        Value::Object(entries) => {
            let mode = match entries.get("mode").map(Value::as_str) {
                None | Some(Some("in_order")) => CallMode::InOrder,
                Some(Some("exact")) => CallMode::Exact,
                _ => return None,
            };
            (entries.get("steps")?.as_array()?, mode)
        }
        _ => return None,
    };
    let rule = |step: &Value| match step {
        Value::String(name) => Some(ToolCallRule::new(name)),
        Value::Object(entries) => Some(ToolCallRule::new(name_of(entries)?)),
        _ => None,
    };
    Some(Check::ToolCalls(Trajectory {
        mode,
        calls: steps.iter().map(rule).collect::<Option<_>>()?,
    }))
}

pub(super) fn arguments(value: &Value) -> Option<Check> {
    let entries = value.as_object()?;
    let map = |name: &str| entries.get(name).map(|it| it.as_object().cloned());
    let values = map("args").or_else(|| map("arguments"))??;
    let mode = match entries.get("mode").map(Value::as_str) {
        None | Some(Some("partial")) => ArgumentMode::Partial,
        Some(Some("exact")) => ArgumentMode::Exact,
        _ => return None,
    };
    let ignore = match entries.get("ignore") {
        None => Vec::new(),
        Some(names) => {
            let names = names.as_array()?.iter().map(|it| Some(it.as_str()?.to_owned()));
            names.collect::<Option<_>>()?
        }
    };
    let defaults = map("defaults").unwrap_or_else(|| Some(Map::new()))?;
    let mut rule = ToolCallRule::new(name_of(entries)?);
    rule.args = Some(Arguments { values, mode, defaults, ignore });
    Some(Check::ToolCalls(Trajectory { mode: CallMode::Superset, calls: vec![rule] }))
}
