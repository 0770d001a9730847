//! The question, asked pod by pod within limits of time and size.

use std::sync::Arc;

use bluegreen_core::{AgentClient, Clock, Error, ErrorKind, PodRef, Result};
use futures_util::stream::{self, StreamExt as _};

use super::count::Count;
use crate::fetch::{AT_ONCE, Fetch};

/// What is asked, and how patiently.
#[derive(Clone)]
pub(super) struct Question {
    pub(super) fetch: Fetch,
    pub(super) count: Count,
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
        Self { fetch: Fetch::new(path, clock), count }
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
            let answer = self.fetch.within(&pod.name, self.ask(client, &pod)).await;
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

    async fn ask(&self, client: &dyn AgentClient, pod: &PodRef) -> Result<u64> {
        let found = self.fetch.from(client, pod, self.count.accepted()).await?;
        self.count.read(&found.content_type, &found.body).map_err(|why| self.fetch.refuse(pod, why))
    }
}
