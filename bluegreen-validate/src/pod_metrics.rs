//! Metrics that the pods of a slot tell themselves.

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bluegreen_core::{
    AgentClient, Color, Error, ErrorKind, Measurement, Metric, MetricSource, Pair, PodRef, Ports,
    Result, Slot, Window,
};
use futures_util::stream::{self, StreamExt as _};
use std::sync::Arc;
use tokio::sync::{Mutex, MutexGuard};

use crate::counters::Span;
use crate::excerpt::without_query;
use crate::fetch::{AT_ONCE, Fetch, METRICS};

mod history;
mod metric;
mod reading;

use history::History;
pub use metric::{PodMetric, Selector};
use reading::Reading;

/// Two questions about less than this apart are answered from one scrape.
const APART: u64 = 1000;

/// What counts of a slot, from the metrics of its pods: without a Prometheus, from the pods'
/// own endpoints, in its format or `OpenMetrics`.
///
/// ```no_run
/// # fn example(ports: &bluegreen_core::Ports) {
/// use bluegreen_validate::{PodMetric, PodMetrics, Selector};
///
/// let requests = Selector::new("http_requests_total");
/// let metrics = PodMetrics::new(ports, "/metrics")
///     .metric("errors", PodMetric::rate(requests.clone(), requests.beginning("code", "5")))
///     .metric("latency", PodMetric::histogram("http_request_duration_seconds"));
/// # }
/// ```
///
/// # When it looks
/// When it is asked, and not in between: a question about a window that ends now scrapes all pods
/// of the slot first. So an increase counts at the time of the question that saw it, windows one
/// after another count each request once, and counting begins with the first question, or with
/// [`scrape`](Self::scrape). Of 1024 scrapes the older ones are thinned; a window begins with the last one
/// that is kept before it.
///
/// # What is counted
/// By how much the counters of each pod rose, added up over all pods and labels.
///
/// * The first scrape of a pod is where counting begins. A series that appears later began at zero.
/// * A counter that falls began again from zero, and so did the others of its histogram, or all of
///   the pod if it tells another `process_start_time_seconds`. What was counted between the last
///   scrape and a restart is lost, and so is that of a pod that is gone.
/// * Every ready pod has to answer. One that is not ready is asked too, and missed if it does not.
///
/// # Errors
/// Each names pod, what was found and what was wanted: a ready pod that does not answer in time and
/// whole, and is still there; metrics that make no sense; what is negative or no number; more hits
/// than units. None of them is ever a measurement.
pub struct PodMetrics {
    slots: Pair<Arc<dyn Slot>>,
    clients: Pair<Arc<dyn AgentClient>>,
    fetch: Fetch,
    metrics: Vec<(String, PodMetric)>,
    histories: Pair<Mutex<History>>,
}

impl PodMetrics {
    /// The metrics at this path of each pod; of none of them yet.
    pub fn new(ports: &Ports, path: impl Into<String>) -> Self {
        let mut fetch = Fetch::new(path, ports.clock.clone());
        fetch.max_body = 8 * 1024 * 1024;
        Self {
            slots: ports.slots.clone(),
            clients: ports.clients.clone(),
            fetch,
            metrics: Vec::new(),
            histories: Pair::from_fn(|_| Mutex::default()),
        }
    }

    /// What vLLM tells of itself: `errors` (aborted generations), `latency`, `time-to-first-token` in
    /// seconds, `tokens` and `input-tokens` of one request.
    pub fn vllm(ports: &Ports, path: impl Into<String>) -> Self {
        let ended = Selector::new("vllm:request_success_total");
        let aborted = ended.clone().with("finished_reason", "abort");
        Self::new(ports, path)
            .metric("errors", PodMetric::rate(ended, aborted))
            .metric("latency", PodMetric::histogram("vllm:e2e_request_latency_seconds"))
            .metric("time-to-first-token", PodMetric::histogram("vllm:time_to_first_token_seconds"))
            .metric("tokens", PodMetric::histogram("vllm:request_generation_tokens"))
            .metric("input-tokens", PodMetric::histogram("vllm:request_prompt_tokens"))
    }

    /// Another metric, by its name. A second one of the same name takes the place of the first.
    #[must_use]
    pub fn metric(mut self, name: impl Into<String>, metric: PodMetric) -> Self {
        let name = name.into();
        self.metrics.retain(|(known, _)| *known != name);
        self.metrics.push((name, metric));
        self
    }

    /// How long one pod may take to answer; 5 s unless said otherwise.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.fetch.timeout = timeout;
        self
    }

    /// The most bytes that an answer may have; 8 MiB unless said otherwise.
    #[must_use]
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.fetch.max_body = bytes;
        self
    }

    /// Reads all pods of a slot, so that counting begins now.
    ///
    /// # Cancel safety
    /// Only reads; what was read is taken in at the end, or not at all.
    pub async fn scrape(&self, slot: Color) -> Result<()> {
        let mut history = self.histories.of(slot).lock().await;
        let now = self.fetch.clock.now().unix_millis();
        self.scrape_at(slot, &mut history, now).await
    }

    async fn scrape_at(
        &self,
        slot: Color,
        history: &mut MutexGuard<'_, History>,
        at: u64,
    ) -> Result<()> {
        let (pods, _) = self.pods(slot).await?;
        let all = pods.len();
        let client = self.clients.of(slot).as_ref();
        let there: HashSet<String> = pods.iter().map(|pod| pod.uid.clone()).collect();
        let reading = pods.into_iter().map(|pod| async move {
            let result = self.fetch.within(&pod.name, self.read(client, &pod)).await;
            (pod, result)
        });
        let mut reading = stream::iter(reading).buffer_unordered(AT_ONCE);
        let (mut readings, mut failed) = (Vec::new(), Vec::new());
        while let Some((pod, result)) = reading.next().await {
            match result {
                Ok(reading) => readings.push((pod.uid, reading)),
                Err(error) => failed.push((pod, error)),
            }
        }
        // Whoever is gone, or gets no traffic, need not answer.
        let ready = if failed.is_empty() { Vec::new() } else { self.pods(slot).await?.1 };
        failed.retain(|(pod, _)| ready.contains(pod));
        let count = failed.len();
        if let Some((_, error)) = failed.into_iter().next() {
            let action = format!("read the metrics of slot {slot} at {count} of {all} pods");
            return Err(Error::new(ErrorKind::Unavailable, action).with_source(error));
        }
        let at = history.last().map_or(at, |last| at.max(last + 1));
        history.add(at, readings, &there, self.metrics.len());
        Ok(())
    }

    /// The pods of which something runs, and the ready ones of them.
    async fn pods(&self, slot: Color) -> Result<(Vec<PodRef>, Vec<PodRef>)> {
        let reading = self.slots.of(slot).state();
        let state = self.fetch.within(&format!("for the pods of {slot}"), reading).await?;
        let mut pods: Vec<_> = state.pods.into_iter().filter(|pod| pod.running).collect();
        let reference = |pod: &bluegreen_core::PodState| PodRef::new(&*pod.name, &*pod.uid);
        let running = pods.iter().map(reference).collect();
        pods.retain(|pod| pod.ready);
        Ok((running, pods.iter().map(reference).collect()))
    }

    async fn read(&self, client: &dyn AgentClient, pod: &PodRef) -> Result<Reading> {
        let found = self.fetch.from(client, pod, METRICS).await?;
        reading::read(&self.metrics, &found).map_err(|why| self.fetch.refuse(pod, why))
    }
}

#[async_trait]
impl MetricSource for PodMetrics {
    /// What of the metric with this name, or with that of its `query` where it has one, rose.
    async fn measure(
        &self,
        metric: &Metric,
        slot: Color,
        window: Window,
    ) -> Result<Option<Measurement>> {
        let name = metric.notation();
        let failed = |kind| Error::new(kind, format!("measure {} of slot {slot}", metric.name));
        let found = self.metrics.iter().enumerate().find(|(_, (known, _))| known == name);
        let Some((number, (_, wanted))) = found else {
            let known: Vec<&str> = self.metrics.iter().map(|(name, _)| &**name).collect();
            let known = known.join(", ");
            let why = format!("found the metric `{name}`, wanted one of {known}");
            return Err(failed(ErrorKind::Rejected).with_source(why));
        };
        let mut history = self.histories.of(slot).lock().await;
        let now = self.fetch.clock.now();
        let until = window.until.unix_millis();
        // Of a window that has ended long ago nothing new is to be learnt.
        let is_about_now = now.since(window.until) <= self.fetch.timeout;
        if is_about_now && history.last().is_none_or(|last| until >= last + APART) {
            let at = until.min(now.unix_millis());
            self.scrape_at(slot, &mut history, at).await?;
        }
        let length = u64::try_from(window.length.as_millis()).unwrap_or(u64::MAX);
        let totals = history.between(number, Span { from: until.saturating_sub(length), until });
        let measured = totals.measurement(&wanted.parts(), wanted.scale);
        // Counters that are not written at the same time may go together again in a moment.
        measured.map_err(|why| failed(ErrorKind::Unavailable).with_source(why))
    }
}

impl fmt::Debug for PodMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PodMetrics")
            .field("path", &without_query(&self.fetch.path))
            .field("metrics", &self.metrics)
            .finish_non_exhaustive()
    }
}
