//! Texts as they are written, because the real server's JSON Patch compares them so.
//!
//! A `test` there does not decode texts: `"a&b"` and `"a\u0026b"` mean the same, and are not the
//! same. The object is written as Go writes JSON, with escapes for `<`, `>` and `&`, and the
//! values of a patch stay as they were sent. Keys are decoded on both sides.
//!
//! In the values of this module every text holds what stands between its quotes.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// An object as the server writes it.
pub(super) fn by_server(object: &Value) -> Value {
    map_texts(object, &written)
}

/// A patch as it was sent; `None` if it is no JSON.
pub(super) fn as_sent(patch: &[u8]) -> Option<Value> {
    // A backslash that is escaped is not an escape any more: what is read is what is written.
    let mut kept = Vec::with_capacity(patch.len());
    let mut bytes = patch.iter();
    while let Some(byte) = bytes.next() {
        match (byte, bytes.as_slice().first()) {
            (b'\\', Some(b'"')) => {
                bytes.next();
                kept.extend_from_slice(br#"\\\""#);
            }
            (b'\\', Some(b'\\')) => {
                bytes.next();
                kept.extend_from_slice(br"\\\\");
            }
            (b'\\', _) => kept.extend_from_slice(br"\\"),
            _ => kept.push(*byte),
        }
    }
    // Escapes that are none were refused when the patch was read as JSON.
    serde_json::from_slice::<Value>(patch).ok()?;
    Some(keys_read(serde_json::from_slice(&kept).ok()?))
}

/// What is written, read.
pub(super) fn read(value: &Value) -> Value {
    map_texts(value, &read_text)
}

/// A text as it is meant.
pub(super) fn read_text(written: &str) -> String {
    serde_json::from_str(&format!("\"{written}\"")).unwrap_or_else(|_| written.to_owned())
}

fn written(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '"' => written.push_str("\\\""),
            '\\' => written.push_str("\\\\"),
            '\n' => written.push_str("\\n"),
            '\r' => written.push_str("\\r"),
            '\t' => written.push_str("\\t"),
            '\u{8}' => written.push_str("\\b"),
            '\u{c}' => written.push_str("\\f"),
            '\0'..'\u{20}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                // Writing to a String cannot fail.
                let _ = write!(written, "\\u{:04x}", u32::from(char));
            }
            _ => written.push(char),
        }
    }
    written
}

fn map_texts(value: &Value, map: &impl Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(map(text)),
        Value::Array(items) => items.iter().map(|item| map_texts(item, map)).collect(),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| (key.clone(), map_texts(value, map)));
            Value::Object(fields.collect())
        }
        other => other.clone(),
    }
}

fn keys_read(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(keys_read).collect(),
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(key, value)| (read_text(&key), keys_read(value)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        other => other,
    }
}
