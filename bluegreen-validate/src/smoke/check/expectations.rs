//! What is wrong with what an answer must be like.

use super::Flaws;
use crate::smoke::prepare;
use crate::{Expect, HeaderRule, TextRule, VersionEcho};

/// The longest JSON pointer in bytes.
const LONGEST_POINTER: usize = 1024;

impl Flaws<'_> {
    pub(super) fn check_expectations(&mut self, expect: &Expect) {
        self.within("status", |flaws| {
            let status = expect.status;
            if status.from < 100 || status.to > 599 || status.from > status.to {
                let found = format!("{} to {}", status.from, status.to);
                flaws.say("smoke-status", found, "a status or a rising range within 100 to 599");
            }
        });
        self.within("headers", |flaws| {
            for (name, rules) in &expect.headers {
                flaws.within(name.as_str(), |flaws| flaws.check_header_rules(name, rules));
            }
        });
        self.within("body", |flaws| {
            for (index, rule) in expect.body.iter().enumerate() {
                let (TextRule::Contains(text) | TextRule::Lacks(text)) = rule else { continue };
                flaws.within(index, |flaws| flaws.check_part(text));
            }
        });
        self.within("json", |flaws| {
            for pointer in expect.json.keys() {
                flaws.within(pointer.as_str(), |flaws| flaws.check_pointer(pointer));
            }
        });
        self.within("json_present", |flaws| {
            // A set has no indices of its own: the list in the file is what is to blame.
            expect.json_present.iter().for_each(|pointer| flaws.check_pointer(pointer));
        });
        self.within("version", |flaws| match &expect.version {
            Some(VersionEcho::Header(name)) => flaws.check_header_name(name),
            Some(VersionEcho::Json(pointer)) => flaws.check_pointer(pointer),
            None => {}
        });
    }

    fn check_header_rules(&mut self, name: &str, rules: &[HeaderRule]) {
        self.check_header_name(name);
        for rule in rules {
            match rule {
                HeaderRule::Contains(part) => self.check_part(part),
                HeaderRule::Equals(value) => {
                    if prepare::header_value(value).is_err() {
                        self.say("smoke-header", format!("{value:?}"), "a value headers can have");
                    }
                }
                HeaderRule::Present | HeaderRule::Absent => {}
            }
        }
        if rules.contains(&HeaderRule::Absent) && rules.len() > 1 {
            self.say("smoke-header", "`absent` beside another rule", "one or the other");
        }
    }

    fn check_header_name(&mut self, name: &str) {
        if let Err(found) = prepare::header_name(name) {
            self.say("smoke-header", found, "the name of a header");
        }
    }

    fn check_part(&mut self, text: &str) {
        if text.is_empty() {
            self.say("smoke-text", "an empty text, which is part of every text", "some text");
        }
    }

    /// RFC 6901: empty, or tokens that each begin with `/`, with `~` only as `~0` and `~1`.
    fn check_pointer(&mut self, pointer: &str) {
        if pointer.len() > LONGEST_POINTER {
            self.say("smoke-pointer", format!("{} bytes", pointer.len()), "at most 1 KiB");
        }
        let escapes = pointer.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
        if !(pointer.is_empty() || pointer.starts_with('/')) || !escapes {
            let wanted = "a JSON pointer (RFC 6901) like `/choices/0/text`: empty or beginning \
                          with `/`, `~` written as `~0` and `/` in a key as `~1`";
            self.say("smoke-pointer", format!("`{pointer}`"), wanted);
        }
    }
}
