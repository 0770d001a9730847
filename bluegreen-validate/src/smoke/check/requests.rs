//! What is wrong with what a request sends.

use std::collections::BTreeSet;

use super::Flaws;
use crate::Request;
use crate::smoke::prepare;

/// The largest body to send in bytes.
const LARGEST_BODY: usize = 16 << 20;

impl Flaws<'_> {
    pub(super) fn check_request(&mut self, request: &Request) {
        self.within("name", |flaws| {
            if let Some(name) = &request.name
                && (name.is_empty() || name.len() > 100 || name.chars().any(char::is_control))
            {
                flaws.say("smoke-name", format!("{name:?}"), "1 to 100 printable characters");
            }
        });
        self.within("method", |flaws| {
            if let Err(found) = prepare::method(&request.method) {
                flaws.say("smoke-method", found, "a method like GET or POST, in capitals");
            }
        });
        self.within("path", |flaws| {
            if let Err(found) = prepare::uri(&request.path) {
                let wanted = "a path and query like `/chat?lang=en`, of at most 8 KiB";
                flaws.say("smoke-path", found, wanted);
            }
        });
        self.within("headers", |flaws| flaws.check_sent_headers(request));
        self.within("body", |flaws| {
            let size = request.body.as_ref().map_or(0, |body| body.render().0.len());
            if size > LARGEST_BODY {
                flaws.say("smoke-body", format!("{size} bytes"), "at most 16 MiB");
            }
        });
        self.within("timeout", |flaws| {
            if let Some(timeout) = request.timeout {
                flaws.check_duration(timeout);
            }
        });
        self.within("expect", |flaws| flaws.check_expectations(&request.expect));
        self.check_limits(request);
    }

    fn check_sent_headers(&mut self, request: &Request) {
        let mut known = BTreeSet::new();
        for (name, text) in &request.headers {
            self.within(name.as_str(), |flaws| {
                match prepare::header_name(name) {
                    Err(found) => flaws.say("smoke-header", found, "the name of a header"),
                    Ok(name) if prepare::is_carriage(&name) => {
                        let wanted = "no header about how the message is carried, which is the \
                                      client's business";
                        flaws.say("smoke-header", format!("`{name}`"), wanted);
                    }
                    Ok(name) if !known.insert(name.as_str().to_owned()) => {
                        let found = format!("`{name}` a second time, in other letters");
                        flaws.say("smoke-header", found, "each header once");
                    }
                    Ok(_) => {}
                }
                let value = prepare::resolve(text).and_then(|text| prepare::header_value(&text));
                if let Err(found) = value {
                    flaws.say("smoke-header", found, "a value that can be sent");
                }
            });
        }
    }
}
