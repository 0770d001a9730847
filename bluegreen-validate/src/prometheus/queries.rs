//! The queries of one metric.

use std::time::Duration;

use serde::Deserialize;

use crate::counters::Part;
use crate::smoke::one_or_many;

/// How one metric is asked for. Several queries for one number are added up.
///
/// Each query selects **counters over a range**, `http_requests_total{…}[$window]`: what they rose
/// by is counted here, exactly. [`values`](Self::values) and [`step`](Self::step) do otherwise.
///
/// ```
/// use bluegreen_validate::Queries;
///
/// let all = r#"http_requests_total{namespace="$namespace",pod=~"${deployment:regex}-.*"}[$window]"#;
/// let failed =
///     r#"http_requests_total{namespace="$namespace",pod=~"${deployment:regex}-.*",code=~"5.."}[$window]"#;
/// let errors = Queries::rate(all, failed);
/// let refunds = Queries::new()
///     .count(r#"refunds_total{slot="$slot"}[$window]"#)
///     .sum(r#"refunds_euros_total{slot="$slot"}[$window]"#);
/// ```
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Queries {
    /// Units: requests, conversations. Not needed where there are `buckets`, whose last one counts
    /// them.
    #[serde(deserialize_with = "one_or_many::list")]
    pub count: Vec<String>,
    /// Units that have what is looked for: those that failed. What it finds has to be among the
    /// units. That it finds nothing is no hits.
    #[serde(deserialize_with = "one_or_many::list")]
    pub hits: Vec<String>,
    /// The sum of the values of all units, instead of hits.
    #[serde(deserialize_with = "one_or_many::list")]
    pub sum: Vec<String>,
    /// The sum of the squares of the values, where something counts that.
    #[serde(deserialize_with = "one_or_many::list")]
    pub sum_of_squares: Vec<String>,
    /// The buckets of a histogram, with the label `le`.
    #[serde(deserialize_with = "one_or_many::list")]
    pub buckets: Vec<String>,
    /// `process_start_time_seconds{…}[$window]` of the targets that the counters are of, `up{…}[$window]`,
    /// or both, where the labels of targets allow for that. It counts nothing. From both it is known since
    /// when a target was scraped, so that series which appear with the first request began at zero;
    /// from the former also when it began again, which a small counter may not show.
    #[serde(deserialize_with = "one_or_many::list")]
    pub targets: Vec<String>,
    /// What makes the report's unit of one of Prometheus': 0.001 makes seconds of milliseconds.
    pub scale: f64,
    /// Asks for one value in each `step` instead of every sample, with a range query: less to
    /// carry where there are many series. What begins again from zero twice within a step is not
    /// noticed. The queries then select counters, without `[$window]`.
    #[serde(with = "crate::optional_duration")]
    pub step: Option<Duration>,
    /// The queries give what they stand for, as in `sum(increase(http_requests_total[$window]))`,
    /// and not counters. Their values are added up, and those that count units are rounded, since
    /// `increase` extrapolates.
    pub values: bool,
}

impl Default for Queries {
    fn default() -> Self {
        Self {
            count: Vec::new(),
            hits: Vec::new(),
            sum: Vec::new(),
            sum_of_squares: Vec::new(),
            buckets: Vec::new(),
            targets: Vec::new(),
            scale: 1.0,
            step: None,
            values: false,
        }
    }
}

impl Queries {
    /// No queries.
    pub fn new() -> Self {
        Self::default()
    }

    /// Units, and those of them that have what is looked for.
    pub fn rate(count: impl Into<String>, hits: impl Into<String>) -> Self {
        Self::new().count(count).hits(hits)
    }

    /// A classic histogram: the series `<name>_bucket` and `<name>_sum` that have the labels in
    /// `select` (`slot="$slot",code="200"`).
    pub fn histogram(name: &str, select: &str) -> Self {
        Self::new()
            .buckets(format!("{name}_bucket{{{select}}}[$window]"))
            .sum(format!("{name}_sum{{{select}}}[$window]"))
    }

    /// A query for units.
    #[must_use]
    pub fn count(mut self, query: impl Into<String>) -> Self {
        self.count.push(query.into());
        self
    }

    /// A query for units that have what is looked for.
    #[must_use]
    pub fn hits(mut self, query: impl Into<String>) -> Self {
        self.hits.push(query.into());
        self
    }

    /// A query for the sum of the values.
    #[must_use]
    pub fn sum(mut self, query: impl Into<String>) -> Self {
        self.sum.push(query.into());
        self
    }

    /// A query for the sum of the squares of the values.
    #[must_use]
    pub fn sum_of_squares(mut self, query: impl Into<String>) -> Self {
        self.sum_of_squares.push(query.into());
        self
    }

    /// A query for the buckets of a histogram.
    #[must_use]
    pub fn buckets(mut self, query: impl Into<String>) -> Self {
        self.buckets.push(query.into());
        self
    }

    /// A query for when targets were scraped, or when they began.
    #[must_use]
    pub fn targets(mut self, query: impl Into<String>) -> Self {
        self.targets.push(query.into());
        self
    }

    /// What makes the report's unit of one of Prometheus'.
    #[must_use]
    pub fn scale(mut self, scale: f64) -> Self {
        self.scale = scale;
        self
    }

    /// Asks for one value in each step instead of every sample.
    #[must_use]
    pub fn step(mut self, step: Duration) -> Self {
        self.step = Some(step);
        self
    }

    /// The queries give what they stand for, and not counters.
    #[must_use]
    pub fn values(mut self) -> Self {
        self.values = true;
        self
    }

    /// All of them, in the order in which they are asked: first what counts the units.
    pub(super) fn parts(&self) -> [(Part, &[String]); 6] {
        [
            (Part::Count, &self.count),
            (Part::Buckets, &self.buckets),
            (Part::Hits, &self.hits),
            (Part::Sum, &self.sum),
            (Part::Squares, &self.sum_of_squares),
            (Part::Targets, &self.targets),
        ]
    }
}
