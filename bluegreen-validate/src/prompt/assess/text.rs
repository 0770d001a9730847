//! Checks of an answer's text.

use serde_json::Value;

use super::{Answer, Check, Seen};

pub(super) fn look(check: &Check, answer: &Answer) -> Seen {
    let text = answer.text.as_str();
    let lower = || text.to_lowercase();
    let has = |part: &String| text.contains(part.as_str());
    let (holds, wanted) = match check {
        Check::Equals(value) => (equals(answer, value), shown(value)),
        Check::Contains(part) => (has(part), format!("`{part}` in it")),
        Check::Icontains(part) => {
            (lower().contains(&part.to_lowercase()), format!("`{part}` in it, in whatever case"))
        }
        Check::ContainsAny(parts) => {
            (parts.iter().any(has), format!("one of {} in it", list(parts)))
        }
        Check::ContainsAll(parts) => return all(parts, has, text),
        Check::IcontainsAny(parts) => {
            let text = lower();
            let holds = parts.iter().any(|part| text.contains(&part.to_lowercase()));
            (holds, format!("one of {} in it, in whatever case", list(parts)))
        }
        Check::IcontainsAll(parts) => {
            let lower = lower();
            return all(parts, |part| lower.contains(&part.to_lowercase()), text);
        }
        Check::StartsWith(begin) => {
            (text.starts_with(begin), format!("`{begin}` at its beginning"))
        }
        Check::EndsWith(end) => (text.ends_with(end), format!("`{end}` at its end")),
        Check::Length(limits) => {
            let count = text.chars().count();
            let holds = limits.hold(count as u64);
            return Seen::new(holds, limits.shown("characters"), count.to_string());
        }
        Check::WordCount(limits) => {
            let count = text.split_whitespace().count();
            let holds = limits.hold(count as u64);
            return Seen::new(holds, limits.shown("words"), count.to_string());
        }
        other => (false, format!("a check that is known, not {}", other.name())),
    };
    Seen::new(holds, wanted, found(answer))
}

fn all(parts: &[String], has: impl Fn(&String) -> bool, text: &str) -> Seen {
    let missing: Vec<String> = parts.iter().filter(|part| !has(part)).cloned().collect();
    let found = if missing.is_empty() {
        format!("`{text}`")
    } else {
        format!("no {} in `{text}`", list(&missing))
    };
    Seen::new(missing.is_empty(), format!("all of {} in it", list(parts)), found)
}

fn equals(answer: &Answer, value: &Value) -> bool {
    match value {
        Value::Object(_) | Value::Array(_) => {
            super::json::of(answer).is_ok_and(|found| super::json::is_equal(&found, value))
        }
        Value::String(text) => answer.text == *text,
        scalar => {
            let text = scalar.to_string();
            answer.text == text
        }
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("`{text}`"),
        other => format!("`{other}`"),
    }
}

fn list(parts: &[String]) -> String {
    let quoted: Vec<String> = parts.iter().map(|part| format!("`{part}`")).collect();
    quoted.join(", ")
}

pub(super) fn found(answer: &Answer) -> String {
    format!("`{}`", answer.shown())
}
