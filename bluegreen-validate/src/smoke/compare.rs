//! What is different between an answer and what was wanted.

use std::time::Duration;

use super::exchange::{End, Exchange, Head, Pieces};
use super::prepare::Prepared;
use super::{HeaderRule, VersionEcho};

mod body;
mod json;

/// One thing that is different.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Difference {
    pub(super) kind: Kind,
    pub(super) wanted: String,
    pub(super) found: String,
}

/// What a difference is about, worst first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Kind {
    /// Nothing came back.
    Unreached,
    /// The answer did not come whole.
    Broken,
    Status,
    Version,
    Head,
    Body,
    Stream,
    Latency,
    /// It cannot be told.
    Unknown,
}

impl Difference {
    pub(super) fn new(kind: Kind, wanted: impl Into<String>, found: impl Into<String>) -> Self {
        Self { kind, wanted: wanted.into(), found: found.into() }
    }
}

/// A duration as people read it, to the microsecond.
pub(super) fn shown(duration: Duration) -> String {
    if duration.subsec_nanos() == 0 {
        return humantime::format_duration(duration).to_string();
    }
    format!("{:?}", Duration::from_micros(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)))
}

/// Everything that is different. `version` is the candidate's version label.
pub(super) fn compare(
    prepared: &Prepared<'_>,
    exchange: &Exchange,
    version: Option<&str>,
) -> Vec<Difference> {
    let mut compared = Compared { prepared, version, found: Vec::new() };
    compared.end(exchange);
    if let Some(head) = &exchange.head {
        compared.status(head, exchange);
        compared.version_header(head);
        compared.headers(head);
        if matches!(exchange.end, End::Whole) {
            compared.body(&exchange.body);
        }
    }
    compared.found
}

/// How an answer that should stream did not.
pub(super) fn streaming(prepared: &Prepared<'_>, exchange: &Exchange) -> Vec<Difference> {
    let Some(wanted) = &prepared.request.stream else { return Vec::new() };
    if !matches!(exchange.end, End::Whole) {
        return Vec::new();
    }
    let mut differences = Vec::new();
    let Pieces { count, longest_gap, .. } = &exchange.pieces;
    if *count < wanted.min_pieces {
        differences.push(Difference::new(
            Kind::Stream,
            format!("a body that arrives in at least {} pieces", wanted.min_pieces),
            format!("{count}, with {} bytes in all", exchange.size),
        ));
    }
    if *longest_gap > wanted.max_gap {
        differences.push(Difference::new(
            Kind::Stream,
            format!("no silence longer than {} within the body", shown(wanted.max_gap)),
            shown(*longest_gap),
        ));
    }
    differences
}

struct Compared<'a> {
    prepared: &'a Prepared<'a>,
    version: Option<&'a str>,
    found: Vec<Difference>,
}

impl Compared<'_> {
    fn say(&mut self, kind: Kind, wanted: impl Into<String>, found: impl Into<String>) {
        self.found.push(Difference::new(kind, wanted, found));
    }

    fn end(&mut self, exchange: &Exchange) {
        let so_far = match (&exchange.head, exchange.size) {
            (None, _) => "no answer".to_owned(),
            (Some(head), size) => {
                format!("status {} and {size} bytes, but no end of the body", head.status.as_u16())
            }
        };
        let kind = if exchange.is_answered() { Kind::Broken } else { Kind::Unreached };
        match &exchange.end {
            End::Whole => {}
            End::TooLong => {
                let wanted = format!("a body of at most {} bytes", self.prepared.max_body);
                self.say(Kind::Body, wanted, format!("at least {} bytes", exchange.size));
            }
            End::HeadTooLarge(size) => {
                let wanted = format!("headers of at most {} bytes", self.prepared.max_head);
                self.say(Kind::Head, wanted, format!("{size} bytes"));
            }
            End::Broken(error) => {
                let found = self.prepared.mask.excerpt(error.chain().as_bytes());
                let wanted = if exchange.is_answered() { "a whole answer" } else { "an answer" };
                let found =
                    if exchange.is_answered() { format!("{so_far}: {found}") } else { found };
                self.say(kind, wanted, found);
            }
            End::TimedOut => {
                let wanted = format!("a whole answer within {}", shown(self.prepared.timeout));
                self.say(kind, wanted, so_far);
            }
        }
    }

    fn status(&mut self, head: &Head, exchange: &Exchange) {
        let wanted = self.prepared.request.expect.status;
        if wanted.contains(head.status) {
            return;
        }
        let mut found = format!("status {}", head.status.as_u16());
        if !exchange.body.is_empty() {
            found.push_str(", body ");
            found.push_str(&self.prepared.mask.excerpt(&exchange.body));
        }
        self.say(Kind::Status, format!("status {wanted}"), found);
    }

    fn version_header(&mut self, head: &Head) {
        let Some(VersionEcho::Header(name)) = &self.prepared.request.expect.version else {
            return;
        };
        let Some(version) = self.known_version() else { return };
        let values: Vec<&[u8]> =
            head.headers.get_all(name).iter().map(http::HeaderValue::as_bytes).collect();
        let found = match values.as_slice() {
            [value] if *value == version.as_bytes() => return,
            [] => "no such header".to_owned(),
            [value] => self.prepared.mask.excerpt(value),
            several => format!("it {} times", several.len()),
        };
        self.say(Kind::Version, format!("header {name}: `{version}`, the candidate's"), found);
    }

    /// The candidate's version label; without one it cannot be told which version answered.
    fn known_version(&mut self) -> Option<String> {
        match self.version {
            Some(version) if !version.is_empty() => Some(version.to_owned()),
            _ => {
                let wanted = "a version label of the candidate, to compare the answer with";
                self.say(Kind::Unknown, wanted, "none");
                None
            }
        }
    }

    fn headers(&mut self, head: &Head) {
        for (name, rules) in &self.prepared.header_rules {
            let values: Vec<&[u8]> =
                head.headers.get_all(name).iter().map(http::HeaderValue::as_bytes).collect();
            for rule in *rules {
                let (fits, wanted) = match rule {
                    HeaderRule::Equals(text) => {
                        let shown = self.prepared.mask.excerpt(text.as_bytes());
                        (values.contains(&text.as_bytes()), format!("header {name}: {shown}"))
                    }
                    HeaderRule::Contains(text) => (
                        values.iter().any(|value| contains(value, text.as_bytes())),
                        format!(
                            "header {name} with {} in it",
                            self.prepared.mask.excerpt(text.as_bytes())
                        ),
                    ),
                    HeaderRule::Present => (!values.is_empty(), format!("a header {name}")),
                    HeaderRule::Absent => (values.is_empty(), format!("no header {name}")),
                };
                if !fits {
                    let found = self.values(&values);
                    self.say(Kind::Head, wanted, found);
                }
            }
        }
    }

    fn values(&self, values: &[&[u8]]) -> String {
        let more = values.len().saturating_sub(3);
        let shown = values.iter().take(3).map(|value| self.prepared.mask.excerpt(value));
        match (shown.collect::<Vec<_>>().join(", "), more) {
            (text, _) if text.is_empty() => "no such header".to_owned(),
            (text, 0) => text,
            (text, more) => format!("{text} and {more} more"),
        }
    }
}

fn contains(whole: &[u8], part: &[u8]) -> bool {
    part.is_empty() || whole.windows(part.len()).any(|window| window == part)
}
