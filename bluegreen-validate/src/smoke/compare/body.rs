//! Differences in a body.

use serde_json::Value;

use super::json::same;
use super::{Compared, Kind};
use crate::{TextRule, VersionEcho};

impl Compared<'_> {
    pub(super) fn body(&mut self, body: &[u8]) {
        let expect = &self.prepared.request.expect;
        if !expect.body.is_empty() {
            match std::str::from_utf8(body) {
                Ok(text) => self.text(text),
                Err(error) => {
                    let at = error.valid_up_to();
                    let found = format!("bytes that are no text at byte {at}, in");
                    let found = format!("{found} {}", self.prepared.mask.excerpt(body));
                    self.say(Kind::Body, "a body of UTF-8 text", found);
                }
            }
        }
        if expect.reads_json() {
            match serde_json::from_slice(body) {
                Ok(value) => self.json(&value),
                Err(error) => {
                    let found = format!("{} ({error})", self.prepared.mask.excerpt(body));
                    self.say(Kind::Body, "a JSON body", found);
                }
            }
        }
    }

    fn text(&mut self, text: &str) {
        for rule in &self.prepared.request.expect.body {
            let (fits, wanted) = match rule {
                TextRule::Equals(wanted) => (text == wanted, ("the body", wanted)),
                TextRule::Contains(part) => (text.contains(part), ("a body with", part)),
                TextRule::Lacks(part) => (!text.contains(part), ("a body without", part)),
            };
            if fits {
                continue;
            }
            let (what, part) = wanted;
            // What must not be there is shown where it is, not the beginning of the body.
            let from = match rule {
                TextRule::Lacks(part) => text.find(part.as_str()).unwrap_or_default(),
                TextRule::Equals(whole) => first_difference(whole, text),
                TextRule::Contains(_) => 0,
            };
            let from = self.prepared.mask.beginning(text, from.saturating_sub(40));
            let shown = self.prepared.mask.excerpt(&text.as_bytes()[from..]);
            let found = if from == 0 { shown } else { format!("from byte {from} on {shown}") };
            let wanted = format!("{what} {}", self.prepared.mask.excerpt(part.as_bytes()));
            self.say(Kind::Body, wanted, found);
        }
    }

    fn json(&mut self, body: &Value) {
        let expect = &self.prepared.request.expect;
        for (pointer, wanted) in &expect.json {
            let found = body.pointer(pointer);
            if !found.is_some_and(|found| same(found, wanted)) {
                let wanted = format!("{} at {}", self.value(Some(wanted)), name(pointer));
                let found = self.value(found);
                self.say(Kind::Body, wanted, found);
            }
        }
        for pointer in &expect.json_present {
            if body.pointer(pointer).is_none() {
                self.say(Kind::Body, format!("something at {}", name(pointer)), "nothing");
            }
        }
        if let Some(VersionEcho::Json(pointer)) = &expect.version
            && let Some(version) = self.known_version()
        {
            let found = body.pointer(pointer);
            if found.and_then(Value::as_str) != Some(version.as_str()) {
                let wanted = format!("`\"{version}\"` at {}, the candidate's", name(pointer));
                let found = self.value(found);
                self.say(Kind::Version, wanted, found);
            }
        }
    }

    fn value(&self, value: Option<&Value>) -> String {
        value.map_or_else(
            || "nothing".to_owned(),
            |value| self.prepared.mask.excerpt(value.to_string().as_bytes()),
        )
    }
}

fn name(pointer: &str) -> &str {
    if pointer.is_empty() { "the top" } else { pointer }
}

fn first_difference(one: &str, other: &str) -> usize {
    one.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count()
}
