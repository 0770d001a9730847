//! The question, asked pod by pod within limits of time and size.

use std::sync::Arc;
use std::time::Duration;

use bluegreen_core::{AgentClient, Clock, Error, ErrorKind, PodRef, Result, Target};
use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use http::Request;
use http::header::{ACCEPT, CONTENT_TYPE};

use super::count::Count;
use crate::excerpt::without_query;

/// How many pods are asked at a time.
const AT_ONCE: usize = 64;

/// What is asked, and how patiently.
#[derive(Clone)]
pub(super) struct Question {
    pub(super) path: String,
    pub(super) count: Count,
    pub(super) timeout: Duration,
    pub(super) max_body: usize,
    pub(super) clock: Arc<dyn Clock>,
}

/// What pods answered.
struct Answers {
    /// What those that could be asked have in hand.
    sum: u64,
    /// Those that could not, and why.
    unknown: Vec<(PodRef, Error)>,
}

impl Question {
    pub(super) fn new(path: impl Into<String>, count: Count, clock: Arc<dyn Clock>) -> Self {
        let timeout = Duration::from_secs(5);
        Self { path: path.into(), count, timeout, max_body: 1024 * 1024, clock }
    }

    /// What all `pods` together have in hand. Whoever cannot be asked and is not among those that
    /// are there `now` is gone, and has nothing.
    ///
    /// # Cancel safety
    /// Only reads.
    pub(super) async fn sum<F>(
        &self,
        whose: &str,
        client: &dyn AgentClient,
        pods: Vec<PodRef>,
        now: impl FnOnce() -> F,
    ) -> Result<u64>
    where
        F: Future<Output = Result<Vec<PodRef>>>,
    {
        let all = pods.len();
        let mut answers = self.ask_all(client, pods).await;
        if !answers.unknown.is_empty() {
            let left = now().await?;
            answers.unknown.retain(|(pod, _)| left.contains(pod));
        }
        let count = answers.unknown.len();
        match answers.unknown.into_iter().next() {
            None => Ok(answers.sum),
            Some((_, error)) => {
                let action = format!("count what {whose} has in hand at {count} of {all} pods");
                Err(Error::new(ErrorKind::Unavailable, action).with_source(error))
            }
        }
    }

    /// Asks all pods at the same time.
    async fn ask_all(&self, client: &dyn AgentClient, pods: Vec<PodRef>) -> Answers {
        let asking = pods.into_iter().map(|pod| async move {
            let answer = self.within(&pod.name, self.ask(client, &pod)).await;
            (pod, answer)
        });
        let mut answers = Answers { sum: 0, unknown: Vec::new() };
        let mut asking = stream::iter(asking).buffer_unordered(AT_ONCE);
        while let Some((pod, answer)) = asking.next().await {
            match answer {
                Ok(count) => answers.sum = answers.sum.saturating_add(count),
                Err(error) => answers.unknown.push((pod, error)),
            }
        }
        answers
    }

    /// The value of something that must not take longer than one question.
    pub(super) async fn within<T>(
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

    async fn ask(&self, client: &dyn AgentClient, pod: &PodRef) -> Result<u64> {
        let refuse = |why: String| {
            let action = format!("read {} of {}", without_query(&self.path), pod.name);
            Error::new(ErrorKind::Rejected, action).with_source(why)
        };
        let request = Request::get(self.path.as_str())
            .header(ACCEPT, self.count.accepted())
            .body(Bytes::new())
            .map_err(|error| refuse(error.to_string()))?;
        let answer = client.send(&Target::Pod(pod.clone()), request).await?;
        if !answer.status().is_success() {
            return Err(refuse(format!("found status {}, wanted 200", answer.status().as_u16())));
        }
        let kind = answer.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.unwrap_or_default().to_owned();
        let body = answer.into_body().collect(self.max_body).await?;
        self.count.read(&kind, &body).map_err(refuse)
    }
}
