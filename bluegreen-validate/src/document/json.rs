//! JSON, with the place of every value.

use std::cell::Cell;
use std::fmt;

use serde::de::{self, MapAccess, SeqAccess};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::read::Syntax;
use super::{DEEPEST, Entry, Node, Place, Value};

/// Reads `text`.
pub(super) fn parse(text: &str) -> Result<Node, Syntax> {
    let lines = Lines::new(text);
    let raw: &RawValue = serde_json::from_str(text).map_err(|error| lines.syntax(&error, 0))?;
    lines.node(raw, DEEPEST)
}

/// Where lines begin.
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
    /// The byte that was looked for last, and its place: a whole document may be one line, and values
    /// are come to in the order of the text.
    last: Cell<(usize, Place)>,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let starts = std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect();
        Self { text, starts, last: Cell::new((0, Place { line: 1, column: 1 })) }
    }

    /// The place of the byte `at`. Columns are counted in characters.
    fn place(&self, at: usize) -> Place {
        let line = self.starts.partition_point(|start| *start <= at).max(1);
        let start = self.starts.get(line - 1).copied().unwrap_or_default();
        let line = line as u64;
        let (from, known) = match self.last.get() {
            (last, place) if place.line == line && last <= at => (last, place.column),
            _ => (start, 1),
        };
        let between = self.text.get(from..at).unwrap_or_default().chars().count();
        let place = Place { line, column: known + between as u64 };
        self.last.set((at, place));
        place
    }

    /// Where a piece of the text begins. The pieces are borrowed from the text itself.
    fn offset(&self, piece: &str) -> usize {
        (piece.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize)
    }

    /// An error in a part of the text that begins at `base`.
    fn syntax(&self, error: &serde_json::Error, base: usize) -> Syntax {
        let first = self.place(base);
        let (line, column) = (error.line() as u64, error.column() as u64);
        let column = if line <= 1 { first.column + column.saturating_sub(1) } else { column };
        let place = Place { line: first.line + line.saturating_sub(1), column: column.max(1) };
        let text = error.to_string();
        let message = text.split(" at line ").next().unwrap_or(&text);
        Syntax { place, message: message.to_owned() }
    }

    fn node(&self, raw: &'a RawValue, levels: usize) -> Result<Node, Syntax> {
        let piece = raw.get();
        let at = self.offset(piece);
        let place = self.place(at);
        let Some(levels) = levels.checked_sub(1) else {
            let message = format!("more than {DEEPEST} levels of lists and maps");
            return Err(Syntax { place, message });
        };
        let part: Part<'a> =
            serde_json::from_str(piece).map_err(|error| self.syntax(&error, at))?;
        let value = match part {
            Part::Scalar(value) => value,
            Part::List(items) => {
                let nodes = items.into_iter().map(|item| self.node(item, levels));
                Value::List(nodes.collect::<Result<_, _>>()?)
            }
            Part::Map(entries) => {
                let mut known: Vec<Entry> = Vec::with_capacity(entries.len());
                for (key, value) in entries {
                    let value = self.node(value, levels)?;
                    // A key stands where its value does; serde_json keeps no other place.
                    let place = value.place;
                    if known.iter().any(|entry| entry.key == key) {
                        let message = format!("the key `{key}` is there twice");
                        return Err(Syntax { place, message });
                    }
                    known.push(Entry { key, place, value });
                }
                Value::Map(known)
            }
        };
        Ok(Node::new(place, value))
    }
}

/// One level of a JSON text.
enum Part<'a> {
    Scalar(Value),
    List(Vec<&'a RawValue>),
    Map(Vec<(String, &'a RawValue)>),
}

impl<'de> Deserialize<'de> for Part<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Part<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any JSON value")
            }

            fn visit_unit<E: de::Error>(self) -> Result<Part<'de>, E> {
                Ok(Part::Scalar(Value::Null))
            }

            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Part<'de>, E> {
                Ok(Part::Scalar(Value::Bool(value)))
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Part<'de>, E> {
                Ok(Part::Scalar(Value::Unsigned(value)))
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Part<'de>, E> {
                Ok(Part::Scalar(Value::Signed(value)))
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Part<'de>, E> {
                Ok(Part::Scalar(Value::Float(value)))
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<Part<'de>, E> {
                Ok(Part::Scalar(Value::Text(value.to_owned())))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Part<'de>, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    items.push(item);
                }
                Ok(Part::List(items))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Part<'de>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Part::Map(entries))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}
