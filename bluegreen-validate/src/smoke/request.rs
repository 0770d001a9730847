//! One request of a smoke test, and what its answer must be like.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Body, Expect, HeaderRule, HeaderText, Latency, StatusRange, Streaming, TextRule, VersionEcho,
};
use crate::Percentile;

/// The most characters of a path that reports show.
const LONGEST_LABEL: usize = 120;

/// One request, and what every pod must answer.
///
/// Without further words an answer will do that has a status of 200 to 299 and comes whole, within
/// the limits of time and size.
///
/// ```
/// use bluegreen_validate::{Request, json};
///
/// let request = Request::post("/chat", json!({"message": "Where is my parcel?"}))
///     .named("parcel")
///     .header("x-tenant", "smoke")
///     .expect_status(200)
///     .expect_header_containing("content-type", "json")
///     .expect_json("/language", "en")
///     .expect_version();
/// ```
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Request {
    /// What reports call it besides its method and path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The method; `GET` unless told otherwise.
    #[serde(default = "get")]
    pub method: String,
    /// Path and query, beginning with `/`.
    pub path: String,
    /// Headers to send, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, HeaderText>,
    /// The body to send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Body>,
    /// How long one exchange may take, from sending to the end of the answer; without it, as the
    /// whole smoke test says.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::optional_duration")]
    pub timeout: Option<Duration>,
    /// What the answer must be like.
    #[serde(default)]
    pub expect: Expect,
    /// Limits for the time until an answer is complete.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub latency: Vec<Latency>,
    /// Limits for the time until the first byte of an answer's body.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub first_byte: Vec<Latency>,
    /// How the answer must arrive piece by piece, if it must.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<Streaming>,
}

impl Request {
    /// A request without headers and body. Path and query begin with `/`.
    #[allow(clippy::needless_pass_by_value, reason = "methods are constants, and read better so")]
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            name: None,
            method: method.to_string(),
            path: path.into(),
            headers: BTreeMap::new(),
            body: None,
            timeout: None,
            expect: Expect::default(),
            latency: Vec::new(),
            first_byte: Vec::new(),
            stream: None,
        }
    }

    /// A `GET`.
    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    /// A `POST` of a JSON body.
    pub fn post(path: impl Into<String>, body: Value) -> Self {
        Self::new(Method::POST, path).body(Body::Json(body))
    }

    /// What reports call it besides its method and path.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// What reports call it: method and path without query, and its name if it has one. A path of
    /// more than 120 characters is cut.
    pub fn label(&self) -> String {
        let whole = crate::excerpt::without_query(&self.path);
        let mut path: String = whole.chars().take(LONGEST_LABEL).collect();
        if path.len() < whole.len() {
            path.push('…');
        }
        match &self.name {
            Some(name) => format!("{} {path} ({name})", self.method),
            None => format!("{} {path}", self.method),
        }
    }
}

/// Writes a builder method for [`Request`], and one on `Smoke` for the latest request.
macro_rules! settings {
    ($($(#[doc = $doc:literal])+ $name:ident($($argument:ident: $type:ty),*) |$request:ident| $body:block)+) => {
        impl Request {
            $($(#[doc = $doc])+
            #[must_use]
            pub fn $name(mut self, $($argument: $type),*) -> Self {
                let $request = &mut self;
                $body
                self
            })+
        }

        /// What the latest request sends and its answer must be like.
        impl super::Smoke {
            $($(#[doc = $doc])+
            #[must_use]
            pub fn $name(mut self, $($argument: $type),*) -> Self {
                if let Some($request) = self.config.requests.last_mut() $body
                self
            })+
        }
    };
}

settings! {
    /// Sends a header. A second one of the same name takes the place of the first.
    header(name: impl Into<String>, value: impl Into<String>) |request| {
        request.headers.insert(name.into().to_ascii_lowercase(), HeaderText::Literal(value.into()));
    }

    /// Sends a header whose value is read from an environment variable of *this* process when the
    /// release looks. For keys and tokens: the value is in no file, record or report, also when an
    /// answer repeats it.
    header_from_env(name: impl Into<String>, variable: impl Into<String>) |request| {
        request.headers
            .insert(name.into().to_ascii_lowercase(), HeaderText::Env { env: variable.into() });
    }

    /// Sends a body. JSON and text bring a `content-type` with them unless one is set.
    body(body: impl Into<Body>) |request| {
        request.body = Some(body.into());
    }

    /// Wants this status, or one of this range: `200`, `200..=204`.
    expect_status(status: impl Into<StatusRange>) |request| {
        request.expect.status = status.into();
    }

    /// Wants a header with exactly this value.
    expect_header(name: impl Into<String>, value: impl Into<String>) |request| {
        add(request, &name.into(), HeaderRule::Equals(value.into()));
    }

    /// Wants a header with this in its value.
    expect_header_containing(name: impl Into<String>, part: impl Into<String>) |request| {
        add(request, &name.into(), HeaderRule::Contains(part.into()));
    }

    /// Wants a header, whatever its value.
    expect_header_present(name: impl Into<String>) |request| {
        add(request, &name.into(), HeaderRule::Present);
    }

    /// Wants no such header.
    expect_header_absent(name: impl Into<String>) |request| {
        add(request, &name.into(), HeaderRule::Absent);
    }

    /// Wants exactly this body.
    expect_body(text: impl Into<String>) |request| {
        request.expect.body.push(TextRule::Equals(text.into()));
    }

    /// Wants this text in the body.
    expect_body_containing(text: impl Into<String>) |request| {
        request.expect.body.push(TextRule::Contains(text.into()));
    }

    /// Wants a body without this text in it.
    expect_body_lacking(text: impl Into<String>) |request| {
        request.expect.body.push(TextRule::Lacks(text.into()));
    }

    /// Wants this value at this JSON pointer (RFC 6901) of the body.
    expect_json(pointer: impl Into<String>, value: impl Into<Value>) |request| {
        request.expect.json.insert(pointer.into(), value.into());
    }

    /// Wants something at this JSON pointer of the body, whatever it is.
    expect_json_present(pointer: impl Into<String>) |request| {
        request.expect.json_present.insert(pointer.into());
    }

    /// Wants the header `x-agent-version` to be the candidate's version label: the proof that the
    /// answer comes from the candidate and not from some other pod.
    expect_version() |request| {
        request.expect.version = Some(VersionEcho::default());
    }

    /// Wants this header to be the candidate's version label.
    expect_version_in_header(name: impl Into<String>) |request| {
        request.expect.version = Some(VersionEcho::Header(name.into()));
    }

    /// Wants the string at this JSON pointer of the body to be the candidate's version label.
    expect_version_at(pointer: impl Into<String>) |request| {
        request.expect.version = Some(VersionEcho::Json(pointer.into()));
    }

    /// Wants `percentile` of the times until an answer is complete to be at most `limit`, over
    /// `requests` requests to each pod, `concurrency` of them at once.
    ///
    /// These come after one request that must do by itself; limits with the same numbers of
    /// requests share one burst. Every answer of a burst must be as expected, so that quick
    /// errors are no pass.
    latency(percentile: Percentile, limit: Duration, requests: u32, concurrency: u32) |request| {
        request.latency.push(Latency::new(percentile, limit, requests, concurrency));
    }

    /// Wants `percentile` of the times until the first byte of the body to be at most `limit`; the
    /// rest is as with [`latency`](Self::latency). Of an agent that streams it is about the time to
    /// the first token. The end counts where the body is empty.
    first_byte(percentile: Percentile, limit: Duration, requests: u32, concurrency: u32) |request| {
        request.first_byte.push(Latency::new(percentile, limit, requests, concurrency));
    }

    /// Wants the answer to arrive piece by piece while it is made: at least `min_pieces` pieces at
    /// different times, and no silence longer than `max_gap` between two of them or before the end.
    ///
    /// Pieces less than a millisecond after one another count as one, since the network cuts what
    /// was sent at once as it likes. Only the request that comes before all bursts is looked at.
    streams(min_pieces: u32, max_gap: Duration) |request| {
        request.stream = Some(Streaming::new(min_pieces, max_gap));
    }
}

impl Request {
    /// How long one exchange may take, from sending to the end of the answer.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}

impl fmt::Debug for Request {
    /// Neither header values nor bodies, since both may hold what is nobody's business.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("label", &self.label())
            .field("headers", &self.headers.keys())
            .field("expect", &self.expect)
            .field("latency", &self.latency)
            .field("first_byte", &self.first_byte)
            .field("stream", &self.stream)
            .finish_non_exhaustive()
    }
}

fn add(request: &mut Request, name: &str, rule: HeaderRule) {
    request.expect.headers.entry(name.to_ascii_lowercase()).or_default().push(rule);
}

fn get() -> String {
    Method::GET.to_string()
}
