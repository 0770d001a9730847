//! Smoke tests: requests to every ready pod of the candidate, and what must be answered.

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use bluegreen_core::{Digest, Judgement, Plan, Problem, Result, Trial, Validator};
use http::Method;
use serde_json::Value;

use crate::ConfigError;

mod burst;
mod check;
mod compare;
mod config;
mod content;
mod exchange;
mod expect;
pub(crate) mod one_or_many;
mod pods;
pub(crate) mod prepare;
mod request;
mod verdict;

pub use config::SmokeConfig;
pub use content::{Body, HeaderText};
pub use expect::{
    Expect, HeaderRule, Latency, StatusRange, Streaming, TextRule, VERSION_HEADER, VersionEcho,
};
pub use request::Request;

/// Sends requests to **every** ready pod of the candidate and looks at each answer.
///
/// ```
/// use std::time::Duration;
///
/// use bluegreen_validate::{Percentile, Request, Smoke, json};
///
/// let smoke = Smoke::get("/readyz").expect_version().and(
///     Request::post("/chat", json!({"message": "Where is my parcel?"}))
///         .expect_json_present("/reply")
///         .latency(Percentile(99), Duration::from_millis(800), 100, 10),
/// );
/// assert!(smoke.problems().is_empty());
/// ```
///
/// # What it comes to
/// * [`Pass`](bluegreen_core::Verdict::Pass): every pod answered every request as expected.
/// * [`Fail`](bluegreen_core::Verdict::Fail): some answer was different, too late, too large or
///   broken off; or some pod could not be reached while another one answered. Each difference is
///   a [`Finding`](bluegreen_core::Finding) that names pod, request, what was wanted and what was
///   found.
/// * [`Inconclusive`](bluegreen_core::Verdict::Inconclusive): there is no ready pod; a pod that
///   could not be reached is not listed as ready any more; or versions are to be compared and the
///   candidate has no version label.
/// * An error of the kind [`Unavailable`](bluegreen_core::ErrorKind::Unavailable): pods are listed
///   as ready and none of them answered anything, so that it cannot be told whether the candidate
///   is at fault or the way to it. An error of the kind
///   [`Rejected`](bluegreen_core::ErrorKind::Rejected): the settings have problems.
///
/// # How it goes about it
/// All requests go to all pods at once (to at most 64 pods at a time), so that the whole takes as
/// long as the slowest single answer. Bursts for [`latency`](Self::latency) and
/// [`first_byte`](Self::first_byte) come after that, one after another in each pod so that they do
/// not disturb each other, and only for a request that did by itself. Nothing is sent twice: there
/// are no retries. Whether connections are fresh is the client's business
/// ([`AgentClient`](bluegreen_core::AgentClient)). Timeouts are those of the trial's clock; times
/// of answers are measured with the machine's monotonic clock, to the microsecond.
#[derive(Clone, Debug, PartialEq)]
pub struct Smoke {
    config: SmokeConfig,
}

impl Smoke {
    /// A smoke test from data.
    pub fn new(config: SmokeConfig) -> Self {
        Self { config }
    }

    /// One `GET`.
    pub fn get(path: impl Into<String>) -> Self {
        Request::get(path).into()
    }

    /// One `POST` of a JSON body.
    pub fn post(path: impl Into<String>, body: Value) -> Self {
        Request::post(path, body).into()
    }

    /// One request of any method, without a body unless one is set.
    pub fn request(method: Method, path: impl Into<String>) -> Self {
        Request::new(method, path).into()
    }

    /// Another request. Settings that follow are those of the new one.
    #[must_use]
    pub fn and(mut self, request: Request) -> Self {
        self.config.requests.push(request);
        self
    }

    /// What progress, records and errors call this smoke test; `smoke` unless told otherwise.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.config.name = name.into();
        self
    }

    /// How long each exchange may take, from sending to the end of the answer; 10 s unless told
    /// otherwise. For one request alone it is [`Request::timeout`].
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.config.timeout = timeout;
        self
    }

    /// The most bytes that the body of an answer may have; 1 MiB unless told otherwise. A longer
    /// one, or one that never ends, is read no further, and a difference.
    #[must_use]
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.config.max_body = bytes;
        self
    }

    /// The most bytes that the names and values of an answer's headers may have in all; 64 KiB
    /// unless told otherwise. More is a difference. The client may have a lower limit of its own.
    #[must_use]
    pub fn max_head(mut self, bytes: usize) -> Self {
        self.config.max_head = bytes;
        self
    }

    /// A smoke test from a file: JSON, or YAML with the feature `yaml`, as its name ends.
    ///
    /// ```yaml
    /// timeout: 5s
    /// requests:
    ///   - path: /readyz
    ///     expect: { version: { header: x-agent-version } }
    ///   - name: parcel
    ///     method: POST
    ///     path: /chat
    ///     headers:
    ///       authorization: { env: AGENT_AUTHORIZATION }
    ///     body: { json: { message: "Where is my parcel?" } }
    ///     expect:
    ///       status: 200                    # or "200-204"
    ///       headers:
    ///         content-type: { contains: json }
    ///         x-request-id: present        # or absent, or { equals: … }
    ///       body:
    ///         - contains: parcel           # or equals
    ///         - lacks: stack trace
    ///       json: { /language: en }
    ///       json_present: [/reply]
    ///     latency:
    ///       - { percentile: 99, limit: 800ms, requests: 100, concurrency: 10 }
    ///     stream: { min_pieces: 5, max_gap: 2s }
    /// ```
    ///
    /// Reads the file with the blocking calls of the standard library, at most 1 MiB of it.
    ///
    /// # Errors
    /// All problems of the file at once, each with file, line and column.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        SmokeConfig::from_file(path).map(Self::new)
    }

    /// The settings.
    pub fn config(&self) -> &SmokeConfig {
        &self.config
    }

    /// Everything that is wrong with the settings, all at once. Warnings are among it.
    pub fn problems(&self) -> Vec<Problem> {
        self.config.problems()
    }
}

impl From<Request> for Smoke {
    fn from(request: Request) -> Self {
        Self::new(SmokeConfig::new([request]))
    }
}

impl From<SmokeConfig> for Smoke {
    fn from(config: SmokeConfig) -> Self {
        Self::new(config)
    }
}

#[async_trait]
impl Validator for Smoke {
    fn name(&self) -> &str {
        &self.config.name
    }

    fn config_digest(&self) -> Digest {
        self.config.digest()
    }

    async fn check(&self, plan: &Plan) -> Result<Vec<Problem>> {
        let mut problems = self.problems();
        problems.extend(check::against(&self.config, plan));
        Ok(problems)
    }

    async fn judge(&self, trial: &Trial) -> Result<Judgement> {
        let prepared = prepare::prepare(&self.config)?;
        pods::judge(&self.config, &prepared, trial).await
    }
}
