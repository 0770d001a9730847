//! Work in hand, as the pods of a slot count it themselves.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bluegreen_core::{AgentClient, Color, Load, Pair, PodRef, Ports, Result, Slot};
use tokio::time::Instant;

use super::ask::Question;
use super::count::{Count, Series};
use crate::excerpt::without_query;

/// For how long the pods of a slot are taken to be those that they were.
const GOOD_FOR: Duration = Duration::from_secs(2);

/// Work in hand of a slot, as its pods tell it: metrics that are added up, or numbers in a JSON
/// document.
///
/// ```no_run
/// # fn example(ports: bluegreen_core::Ports) -> bluegreen_core::Ports {
/// use bluegreen_validate::PodLoad;
///
/// let metrics = ["vllm:num_requests_running", "vllm:num_requests_waiting"];
/// let load = PodLoad::metrics(&ports, "/metrics", metrics);
/// ports.with_load(std::sync::Arc::new(load))
/// # }
/// ```
///
/// On Kubernetes it is `.load(|ports| PodLoad::metrics(ports, "/metrics", …))` of the builder.
///
/// What is counted should be everything that would be lost with a pod: requests, open streams,
/// conversations that only this pod can go on with. It should not be the request that asks.
///
/// # What is known
/// Every pod of the slot of which something runs is asked, ready or not, all at once (64 at a
/// time). The sum is known when each of them gave a number; one that did not answer, or has no
/// such metric, or gave a number that cannot be, makes all of it unknown, and is named in the
/// error. A pod that is gone took its work with it.
pub struct PodLoad {
    slots: Pair<Arc<dyn Slot>>,
    clients: Pair<Arc<dyn AgentClient>>,
    question: Question,
    seen: Pair<Mutex<Option<Seen>>>,
}

struct Seen {
    at: Instant,
    pods: Vec<PodRef>,
}

impl PodLoad {
    /// The sum of these metrics at this path, in Prometheus' format or `OpenMetrics`: over all
    /// their label sets, and over all pods. Each of them has to be there.
    pub fn metrics<N: Into<String>>(
        ports: &Ports,
        path: impl Into<String>,
        names: impl IntoIterator<Item = N>,
    ) -> Self {
        let names = names.into_iter().map(|name| Series { name: name.into(), labels: Vec::new() });
        Self::new(ports, path, Count::Metrics(names.collect()))
    }

    /// The sum of the numbers to which these JSON pointers (`/queue/length`) lead in the document
    /// at this path, over all pods. Each of them has to be there.
    pub fn json<P: Into<String>>(
        ports: &Ports,
        path: impl Into<String>,
        pointers: impl IntoIterator<Item = P>,
    ) -> Self {
        Self::new(ports, path, Count::Json(pointers.into_iter().map(Into::into).collect()))
    }

    fn new(ports: &Ports, path: impl Into<String>, count: Count) -> Self {
        Self {
            slots: ports.slots.clone(),
            clients: ports.clients.clone(),
            question: Question::new(path, count, ports.clock.clone()),
            seen: Pair::from_fn(|_| Mutex::new(None)),
        }
    }

    /// Counts only samples that have this label with this value. For metrics.
    #[must_use]
    pub fn with_label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        if let Count::Metrics(series) = &mut self.question.count {
            let label = (name.into(), value.into());
            for series in series {
                series.labels.push(label.clone());
            }
        }
        self
    }

    /// How long one pod may take to answer; 5 s unless said otherwise.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.question.fetch.timeout = timeout;
        self
    }

    /// The most bytes that an answer may have; 1 MiB unless said otherwise.
    #[must_use]
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.question.fetch.max_body = bytes;
        self
    }

    /// The pods that may have something in hand, as they were a moment ago.
    async fn pods(&self, slot: Color) -> Result<Vec<PodRef>> {
        let lock = || self.seen.of(slot).lock().unwrap_or_else(PoisonError::into_inner);
        let known =
            lock().as_ref().filter(|seen| seen.at.elapsed() < GOOD_FOR).map(|it| it.pods.clone());
        if let Some(pods) = known {
            return Ok(pods);
        }
        let at = Instant::now();
        let pods = self.pods_now(slot).await?;
        *lock() = Some(Seen { at, pods: pods.clone() });
        Ok(pods)
    }

    async fn pods_now(&self, slot: Color) -> Result<Vec<PodRef>> {
        let reading = self.slots.of(slot).state();
        let state = self.question.fetch.within(&format!("for the pods of {slot}"), reading).await?;
        let running = state.pods.into_iter().filter(|pod| pod.running);
        Ok(running.map(|pod| PodRef::new(pod.name, pod.uid)).collect())
    }
}

#[async_trait]
impl Load for PodLoad {
    async fn in_flight(&self, slot: Color) -> Result<Option<u64>> {
        let pods = self.pods(slot).await?;
        let client = self.clients.of(slot).as_ref();
        let whose = format!("slot {slot}");
        self.question.sum(&whose, client, pods, || self.pods_now(slot)).await.map(Some)
    }
}

impl fmt::Debug for PodLoad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PodLoad")
            .field("path", &without_query(&self.question.fetch.path))
            .field("count", &self.question.count)
            .finish_non_exhaustive()
    }
}
