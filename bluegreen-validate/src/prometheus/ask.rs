//! One query over HTTP, within limits of time and size.

use std::sync::Arc;
use std::time::Duration;

use bluegreen_core::{AgentClient, Clock, Error, ErrorKind, Result, Target};
use bytes::Bytes;
use form_urlencoded::Serializer;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Request, StatusCode};

use super::answer::{complaint, seconds};
use super::config::PrometheusConfig;
use crate::excerpt::Mask;
use crate::smoke::prepare;

/// The most bytes of an answer with an error that are looked at.
const COMPLAINT: usize = 64 * 1024;

/// A way to a Prometheus.
pub(super) struct Way {
    pub(super) client: Arc<dyn AgentClient>,
    pub(super) clock: Arc<dyn Clock>,
    path: String,
    headers: HeaderMap,
    timeout: Duration,
    max_body: usize,
    /// Hides what is secret, should an answer repeat it.
    pub(super) mask: Mask,
}

/// When an expression is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum When {
    At(u64),
    /// From one time to another, step by step, all in milliseconds.
    Each {
        from: u64,
        until: u64,
        step: u64,
    },
}

impl Way {
    /// A way with what the settings say goes with each request.
    ///
    /// # Errors
    /// A header that cannot be sent, which the settings' problems name too.
    pub(super) fn new(
        config: &PrometheusConfig,
        path: String,
        client: Arc<dyn AgentClient>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, String> {
        let (mut headers, mut mask) = (HeaderMap::new(), Mask::default());
        let mut add = |name, prefix: &str, text| {
            let text = prepare::resolve(text)?;
            mask.hide(&text);
            let mut value = prepare::header_value(&format!("{prefix}{text}"))?;
            value.set_sensitive(true);
            headers.insert(name, value);
            Ok::<(), String>(())
        };
        for (name, text) in &config.headers {
            add(prepare::header_name(name)?, "", text)?;
        }
        if let Some(token) = &config.bearer {
            add(AUTHORIZATION, "Bearer ", token)?;
        }
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(CONTENT_TYPE, form);
        let (timeout, max_body) = (config.timeout, config.max_body);
        Ok(Self { client, clock, path, headers, timeout, max_body, mask })
    }

    /// The answer to one query.
    ///
    /// # Errors
    /// [`Unavailable`](ErrorKind::Unavailable) if there was none in time, or one that another time
    /// may be better; [`Rejected`](ErrorKind::Rejected) if it will not.
    pub(super) async fn ask(&self, query: &str, when: When) -> Result<Bytes> {
        let asking = self.exchange(query, when);
        tokio::select! {
            biased;
            answer = asking => answer,
            () = self.clock.sleep(self.timeout) => {
                let error = Error::new(ErrorKind::Unavailable, "ask Prometheus");
                Err(error.with_source(format!("no whole answer in {:?}", self.timeout)))
            }
        }
    }

    async fn exchange(&self, query: &str, when: When) -> Result<Bytes> {
        let (place, form) = self.form(query, when);
        let path = format!("{}/api/v1/{place}", self.path);
        let mut request = Request::post(&path).body(Bytes::from(form)).map_err(|error| {
            Error::new(ErrorKind::Rejected, "ask Prometheus").with_source(error)
        })?;
        request.headers_mut().extend(self.headers.clone());
        let answer = self.client.send(&Target::Any, request).await;
        // A question that got lost has had no effect.
        let answer = answer.map_err(|error| match error.kind() {
            ErrorKind::Unknown => {
                Error::new(ErrorKind::Unavailable, "ask Prometheus").with_source(error)
            }
            _ => error,
        })?;
        let status = answer.status();
        if status == StatusCode::OK {
            return answer.into_body().collect(self.max_body).await;
        }
        // A redirect is not followed: it would take the token elsewhere.
        let kind = if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            ErrorKind::Unavailable
        } else {
            ErrorKind::Rejected
        };
        let why = match answer.into_body().collect(COMPLAINT).await {
            Ok(body) => complaint(&body, &self.mask),
            Err(error) => error.chain(),
        };
        let found = format!("found status {}, wanted 200: {why}", status.as_u16());
        Err(Error::new(kind, format!("read {path}")).with_source(found))
    }

    /// Where a query is sent, and what.
    fn form(&self, query: &str, when: When) -> (&'static str, String) {
        let mut form = Serializer::new(String::new());
        form.append_pair("query", query);
        let place = match when {
            When::At(at) => {
                form.append_pair("time", &seconds(at));
                "query"
            }
            When::Each { from, until, step } => {
                form.append_pair("start", &seconds(from));
                form.append_pair("end", &seconds(until));
                form.append_pair("step", &seconds(step));
                "query_range"
            }
        };
        // So that a server does not go on with what nobody waits for.
        form.append_pair("timeout", &format!("{}ms", self.timeout.as_millis()));
        (place, form.finish())
    }
}
