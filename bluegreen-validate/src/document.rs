//! Definitions in files: where in the text each value stands, and all problems at once.

use std::fmt::Write as _;

mod decode;
mod json;
mod read;
mod repair;
#[cfg(feature = "yaml")]
mod yaml;

#[cfg(feature = "prompts")]
pub(crate) use read::Document;
pub(crate) use read::{Original, Source, read};

/// The deepest level. Each is read in calls of its own, and the stack of a thread has to do for all of
/// them, in a program that is not optimised too.
const DEEPEST: usize = 32;

/// A line and column, both from 1.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Place {
    pub(crate) line: u64,
    pub(crate) column: u64,
}

/// One step on the way from the whole document to a value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Step {
    Key(String),
    Index(usize),
}

impl From<&str> for Step {
    fn from(key: &str) -> Self {
        Self::Key(key.to_owned())
    }
}

impl From<usize> for Step {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

/// The way as people write it: `requests[1].expect.json["/a"]`.
pub(crate) fn text_of(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            // Writing to a String cannot fail.
            Step::Index(index) => _ = write!(text, "[{index}]"),
            Step::Key(key) if is_plain(key) => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(key);
            }
            Step::Key(key) => _ = write!(text, "[{key:?}]"),
        }
    }
    text
}

fn is_plain(key: &str) -> bool {
    !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
}

/// A value and where it stands.
#[derive(Debug)]
pub(crate) struct Node {
    place: Place,
    value: Value,
    /// Passed over when the document is read again, because it has been reported.
    dropped: bool,
}

#[derive(Debug)]
enum Value {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

#[derive(Debug)]
struct Entry {
    key: String,
    place: Place,
    value: Node,
}

impl Node {
    fn new(place: Place, value: Value) -> Self {
        Self { place, value, dropped: false }
    }

    #[cfg(feature = "prompts")]
    fn keys(&self) -> Vec<&str> {
        match &self.value {
            Value::Map(entries) => entries.iter().map(|entry| &*entry.key).collect(),
            _ => Vec::new(),
        }
    }

    fn child(&self, step: &Step) -> Option<&Self> {
        match (&self.value, step) {
            (Value::List(items), Step::Index(index)) => items.get(*index),
            (Value::Map(entries), Step::Key(key)) => {
                entries.iter().find(|entry| entry.key == *key).map(|entry| &entry.value)
            }
            _ => None,
        }
    }

    fn child_mut(&mut self, step: &Step) -> Option<&mut Self> {
        match (&mut self.value, step) {
            (Value::List(items), Step::Index(index)) => items.get_mut(*index),
            (Value::Map(entries), Step::Key(key)) => {
                entries.iter_mut().find(|entry| entry.key == *key).map(|entry| &mut entry.value)
            }
            _ => None,
        }
    }

    /// The place of what `path` leads to, or of the last thing on the way that there is.
    fn place_of(&self, path: &[Step]) -> Place {
        let mut node = self;
        for step in path {
            match node.child(step) {
                Some(child) => node = child,
                None => break,
            }
        }
        node.place
    }

    /// The way in the document to what is at `path` in the value made of it, from which some items
    /// of lists may have been left out.
    fn original(&self, path: &[Step]) -> Vec<Step> {
        let mut node = Some(self);
        let mut original = Vec::with_capacity(path.len());
        for step in path {
            let step = match (node.map(|node| &node.value), step) {
                (Some(Value::List(items)), Step::Index(index)) => {
                    let mut kept = items.iter().enumerate().filter(|(_, item)| !item.dropped);
                    kept.nth(*index).map_or(Step::Index(*index), |(index, _)| Step::Index(index))
                }
                _ => step.clone(),
            };
            node = node.and_then(|node| node.child(&step));
            original.push(step);
        }
        original
    }

    /// Passes over what `path` leads to from now on; `false` if there is no such thing.
    fn drop_at(&mut self, path: &[Step]) -> bool {
        let mut node = self;
        for step in path {
            match node.child_mut(step) {
                Some(child) => node = child,
                None => return false,
            }
        }
        !std::mem::replace(&mut node.dropped, true)
    }
}

#[cfg(test)]
mod tests;
