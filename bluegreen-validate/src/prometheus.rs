//! Metrics from a Prometheus, or what speaks its language.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bluegreen_core::{
    AgentClient, Clock, Color, Error, ErrorKind, Measurement, Metric, MetricSource, Problem,
    Result, SystemClock, Window,
};
use futures_util::future::try_join_all;

use crate::counters::{Part, Series};
use crate::{AddressClient, ConfigError};

mod answer;
mod ask;
mod check;
mod config;
mod prepare;
mod queries;
mod sets;
mod template;
mod total;

use ask::Way;
pub use config::{PrometheusConfig, SlotValue};
use prepare::Prepared;
pub use queries::Queries;
pub use sets::{QuerySet, ReadySet};

/// What counts of a slot, from a Prometheus over its HTTP API. Thanos, Mimir and `VictoriaMetrics`
/// speak it too.
///
/// ```
/// use bluegreen_validate::{Prometheus, PrometheusConfig, Queries, ReadySet};
///
/// let url = "http://prometheus.monitoring:9090";
/// let config = PrometheusConfig::new(url, "ai-agents", "agent-service")
///     .with(ReadySet::Istio) // errors, latency
///     .with(ReadySet::Vllm.select(r#"slot="$slot""#)) // time-to-first-token, tokens
///     .metric(
///         "escalations",
///         Queries::rate(
///             r#"conversations_total{namespace="$namespace",slot="$slot"}[$window]"#,
///             r#"conversations_total{namespace="$namespace",slot="$slot",end="human"}[$window]"#,
///         ),
///     );
/// let prometheus = Prometheus::new(config)?;
/// # Ok::<(), bluegreen_validate::ConfigError>(())
/// ```
///
/// # Queries
/// A [`Metric`] is found by its name among [`PrometheusConfig::metrics`], then in the
/// [sets](ReadySet); its `query`, where it has one, is the name to look for instead. These places
/// are filled in queries:
///
/// | place | what it stands for |
/// |---|---|
/// | `$slot` | `blue` or `green` |
/// | `$namespace`, `$agent` | as the settings say |
/// | `$deployment`, `$service` | agent, a dash and the slot, or what the values say |
/// | `$window` | how far to look back: the window, and the lookback before it |
/// | any other | what the values say for the slot |
///
/// `${place}` is the same, and `${place:regex}` stands in regular expressions; `$$` is one `$`.
///
/// # What is counted
/// Whole numbers. A query selects counters over a range, `x_total{…}[$window]`, so that Prometheus
/// gives every sample of them, and by how much they rose is worked out here. Prometheus' own
/// `increase()` and `rate()` extrapolate to the edges of the window, which makes 5.4 of five
/// requests, and take the first value of a new series for nothing, which makes the first error none.
///
/// * An increase counts at the time of the scrape that saw it. So windows one after another count
///   each request once, and a window without a scrape counts nothing.
/// * Counting begins with the last scrape before the window, at most
///   [`lookback`](PrometheusConfig::lookback) earlier, or with the first one in it.
/// * A counter that falls began again from zero, and so did the others with the same labels (but
///   for `le`), as those of one histogram. What was counted between the last scrape and the
///   restart is lost. Where a counter is soon back at what it was nothing falls: of errors, which are
///   few, some are missed, unless [`targets`](Queries::targets) tell when processes began.
/// * A series that appears on a target that was scraped before began at zero, be that known by other
///   series that the queries find or by [`targets`](Queries::targets). One that appears together with its
///   target may have any past: its first value is where counting begins.
/// * Samples that Prometheus takes in after it was asked count in no window, if windows follow one
///   another: [`delay`](PrometheusConfig::delay) moves windows back by as much as a scrape takes.
///
/// No series, or none that rose, is `None`.
///
/// # Errors
/// Each names the query, what was found and what was wanted. Of the kind
/// [`Unavailable`](ErrorKind::Unavailable): no answer in time, a status of 5xx or 429, numbers that
/// do not go together (more hits than units). Of the kind
/// [`Rejected`](ErrorKind::Rejected): any other status, a redirect, an error or a warning in the
/// answer, an answer that is too long or of another form, samples of other times than asked for,
/// what is negative or no number, a metric that it does not know. None of them is ever a
/// measurement.
///
/// # Cancel safety
/// Only reads.
pub struct Prometheus {
    config: PrometheusConfig,
    way: Way,
}

impl Prometheus {
    /// A Prometheus without TLS, at the URL of the settings. The environment is read now.
    ///
    /// # Errors
    /// All problems of the settings at once. `https` is one of them: see
    /// [`through`](Self::through).
    pub fn new(config: PrometheusConfig) -> Result<Self, ConfigError> {
        let mut problems = config.problems();
        let (is_https, host, path) = check::address(&config.url).unwrap_or_default();
        if is_https {
            let problem = Problem::new("prometheus-url", "prometheus, url")
                .found(format!("`{}`", config::shown(&config.url)))
                .wanted("http://: TLS is the business of the program that this is built into")
                .mend("hand a client of yours that speaks TLS to Prometheus::through");
            problems.push(problem);
        }
        Self::build(config, problems, path, Arc::new(AddressClient::new([host])))
    }

    /// A Prometheus that `client` reaches: with TLS, or by whatever way there is. It is handed
    /// requests to [`Target::Any`](bluegreen_core::Target::Any) whose URI is the path alone, and must not follow
    /// redirects. Of the URL in the settings only the path counts.
    ///
    /// # Errors
    /// All problems of the settings at once.
    pub fn through(
        client: Arc<dyn AgentClient>,
        config: PrometheusConfig,
    ) -> Result<Self, ConfigError> {
        let problems = config.problems();
        let (_, _, path) = check::address(&config.url).unwrap_or_default();
        Self::build(config, problems, path, client)
    }

    /// A Prometheus from a file: JSON, or YAML with the feature `yaml`, as its name ends.
    ///
    /// ```yaml
    /// url: http://prometheus.monitoring:9090
    /// namespace: ai-agents
    /// agent: agent-service
    /// bearer: { env: PROMETHEUS_TOKEN }
    /// values:
    ///   deployment: { blue: agent-service, green: agent-service-green }
    /// sets:
    ///   - istio
    ///   - { set: vllm, select: 'slot="$slot"' }
    /// metrics:
    ///   escalations:
    ///     count: conversations_total{slot="$slot"}[$window]
    ///     hits: conversations_total{slot="$slot",end="human"}[$window]
    ///   cost:
    ///     count: conversations_total{slot="$slot"}[$window]
    ///     sum: conversation_cost_microdollars_total{slot="$slot"}[$window]
    ///     scale: 0.000001
    /// timeout: 10s
    /// lookback: 5m
    /// ```
    ///
    /// Reads the file with the blocking calls of the standard library, at most 1 MiB of it.
    ///
    /// # Errors
    /// All problems of the file at once, each with file, line and column.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        Self::new(PrometheusConfig::from_file(path)?)
    }

    fn build(
        config: PrometheusConfig,
        mut problems: Vec<Problem>,
        path: String,
        client: Arc<dyn AgentClient>,
    ) -> Result<Self, ConfigError> {
        let way = Way::new(&config, path, client, Arc::new(SystemClock));
        match way {
            Ok(way) if problems.is_empty() => return Ok(Self { config, way }),
            Err(why) if problems.is_empty() => {
                problems.push(Problem::new("prometheus-header", "prometheus, headers").found(why));
            }
            _ => {}
        }
        Err(ConfigError::new("prometheus", problems))
    }

    /// Another clock, for the time that an answer may take.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.way.clock = clock;
        self
    }

    /// The names of all metrics that it knows, short and long ones.
    pub fn metrics(&self) -> Vec<String> {
        let own = self.config.metrics.keys().cloned();
        let sets = self.config.sets.iter().flat_map(|set| {
            let names = set.queries().into_iter();
            names.flat_map(|(name, _)| [name.to_owned(), format!("{}/{name}", set.set.name())])
        });
        let mut names: Vec<String> = own.chain(sets).collect();
        names.sort();
        names.dedup();
        names
    }

    fn find(&self, name: &str) -> Option<Queries> {
        let own = self.config.metrics.get(name).cloned();
        own.or_else(|| {
            self.config.sets.iter().find_map(|set| {
                let (long, short) = name.split_once('/').unwrap_or((set.set.name(), name));
                let queries = set.queries().into_iter().find(|(known, _)| *known == short);
                queries.filter(|_| long == set.set.name()).map(|(_, queries)| queries)
            })
        })
    }

    /// What one query finds.
    async fn read(&self, query: &Prepared<'_>) -> Result<(Part, Vec<Series>)> {
        let mask = &self.way.mask;
        let what =
            || format!("query {} with {}", query.part.name(), mask.excerpt(query.text.as_bytes()));
        let body = self.way.ask(&query.text, query.when).await;
        let body = body.map_err(|error| Error::new(error.kind(), what()).with_source(error))?;
        let series = answer::series(&body, query.asked, mask);
        let series =
            series.map_err(|why| Error::new(ErrorKind::Rejected, what()).with_source(why))?;
        Ok((query.part, series))
    }
}

#[async_trait]
impl MetricSource for Prometheus {
    async fn measure(
        &self,
        metric: &Metric,
        slot: Color,
        window: Window,
    ) -> Result<Option<Measurement>> {
        let name = metric.notation();
        let failed = |kind| Error::new(kind, format!("measure {} of slot {slot}", metric.name));
        let queries = self.find(name).ok_or_else(|| {
            let known = self.metrics().join(", ");
            let why = format!("found the metric `{name}`, wanted one of {known}");
            failed(ErrorKind::Rejected).with_source(why)
        })?;
        let span = prepare::span(window, self.config.delay);
        if span.from == span.until {
            return Ok(None);
        }
        let prepared = prepare::prepare(&self.config, &queries, slot, span);
        let mut readings = Vec::new();
        // The one that counts units comes first, so that the others know no less.
        if let Some((first, rest)) = prepared.split_first() {
            let failed = |error: Error| failed(error.kind()).with_source(error);
            readings.push(self.read(first).await.map_err(failed)?);
            let rest = rest.iter().map(|query| self.read(query));
            readings.extend(try_join_all(rest).await.map_err(failed)?);
        }
        let wanted: Vec<Part> = prepared.iter().map(|query| query.part).collect();
        let totals = total::total(&readings, span, queries.values);
        let measured = totals.and_then(|totals| totals.measurement(&wanted, queries.scale));
        // Counters that are not written at the same time may go together again in a moment.
        measured.map_err(|why| failed(ErrorKind::Unavailable).with_source(why))
    }
}

impl fmt::Debug for Prometheus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prometheus").field("config", &self.config).finish_non_exhaustive()
    }
}
