//! What pods say of themselves, read within limits of time and size.

use std::sync::Arc;
use std::time::Duration;

use bluegreen_core::{AgentClient, Clock, Error, ErrorKind, PodRef, Result, Target};
use bytes::Bytes;
use http::Request;
use http::header::{ACCEPT, CONTENT_TYPE};

use crate::excerpt::without_query;

/// How many pods are asked at a time.
pub(crate) const AT_ONCE: usize = 64;

/// The formats of metrics that are understood.
pub(crate) const METRICS: &str =
    "application/openmetrics-text;version=1.0.0, text/plain;version=0.0.4;q=0.5";

/// Where something is read, and how patiently.
#[derive(Clone)]
pub(crate) struct Fetch {
    pub(crate) path: String,
    pub(crate) timeout: Duration,
    pub(crate) max_body: usize,
    pub(crate) clock: Arc<dyn Clock>,
}

/// What was read.
pub(crate) struct Fetched {
    pub(crate) content_type: String,
    pub(crate) body: Bytes,
}

impl Fetch {
    pub(crate) fn new(path: impl Into<String>, clock: Arc<dyn Clock>) -> Self {
        let timeout = Duration::from_secs(5);
        Self { path: path.into(), timeout, max_body: 1024 * 1024, clock }
    }

    /// The value of something that must not take longer than one question.
    pub(crate) async fn within<T>(
        &self,
        whom: &str,
        asking: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        tokio::select! {
            biased;
            answer = asking => answer,
            () = self.clock.sleep(self.timeout) => {
                let error = Error::new(ErrorKind::Unavailable, format!("ask {whom}"));
                Err(error.with_source(format!("no whole answer in {:?}", self.timeout)))
            }
        }
    }

    /// What one pod says, of the kinds that are `accepted`.
    ///
    /// # Errors
    /// [`Rejected`](ErrorKind::Rejected) if it says it with a status that is no success.
    pub(crate) async fn from(
        &self,
        client: &dyn AgentClient,
        pod: &PodRef,
        accepted: &str,
    ) -> Result<Fetched> {
        let request = Request::get(self.path.as_str())
            .header(ACCEPT, accepted)
            .body(Bytes::new())
            .map_err(|error| self.refuse(pod, error.to_string()))?;
        let answer = client.send(&Target::Pod(pod.clone()), request).await?;
        if !answer.status().is_success() {
            let status = answer.status().as_u16();
            return Err(self.refuse(pod, format!("found status {status}, wanted 200")));
        }
        let kind = answer.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let content_type = kind.unwrap_or_default().to_owned();
        let body = answer.into_body().collect(self.max_body).await?;
        Ok(Fetched { content_type, body })
    }

    /// That what a pod said is of no use.
    pub(crate) fn refuse(&self, pod: &PodRef, why: String) -> Error {
        let action = format!("read {} of {}", without_query(&self.path), pod.name);
        Error::new(ErrorKind::Rejected, action).with_source(why)
    }
}
