//! Numbers about a slot under live traffic.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::{Color, Result, Timestamp};

/// Measures how a slot fares under live traffic.
///
/// # Contract
/// * `nothing_measured_is_none`: a slot without traffic in the window gives `None`, not zero.
/// * `never_mixes_slots`.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait MetricSource: Send + Sync {
    /// What was measured of `metric` in `slot` over `window`; `None` if nothing was.
    async fn measure(
        &self,
        metric: &Metric,
        slot: Color,
        window: Window,
    ) -> Result<Option<Measurement>>;
}

/// A source that several share.
#[async_trait]
impl<T: MetricSource + ?Sized> MetricSource for Arc<T> {
    async fn measure(
        &self,
        metric: &Metric,
        slot: Color,
        window: Window,
    ) -> Result<Option<Measurement>> {
        (**self).measure(metric, slot, window).await
    }
}

/// What is measured.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub struct Metric {
    /// The name that reports use: `errors`, `time-to-first-token`.
    pub name: String,
    /// The source's own notation for it (a query, a metric's name); empty when the name says it.
    pub query: String,
}

impl Metric {
    /// A metric that the source knows by name.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), query: String::new() }
    }

    /// What the source looks it up by: its own notation, or the name where there is none.
    pub fn notation(&self) -> &str {
        if self.query.is_empty() { &self.name } else { &self.query }
    }

    /// The same with the source's own notation.
    #[must_use]
    pub fn with_query(mut self, query: impl Into<String>) -> Self {
        self.query = query.into();
        self
    }
}

/// A stretch of time that ends at `until`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub struct Window {
    /// Its end.
    pub until: Timestamp,
    /// Its length.
    pub length: Duration,
}

impl Window {
    /// The `length` before `until`.
    pub fn new(until: Timestamp, length: Duration) -> Self {
        Self { until, length }
    }
}

/// Sufficient statistics of one metric of one slot over one window.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Measurement {
    /// How many units (requests, conversations) were seen. At least one.
    pub count: u64,
    /// The sum of their values; for a rate, the number of hits.
    pub sum: f64,
    /// The sum of the squares of their values, where the source knows it.
    pub sum_of_squares: Option<f64>,
    /// How the values are distributed, where the source knows it.
    pub histogram: Option<Histogram>,
}

impl Measurement {
    /// `count` units whose values add up to `sum`.
    pub fn new(count: u64, sum: f64) -> Self {
        Self { count, sum, sum_of_squares: None, histogram: None }
    }
}

/// Counts by value: `counts[i]` values are at most `bounds[i]` and more than `bounds[i - 1]`; the
/// last count, which has no bound, is of the values above all bounds.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Histogram {
    /// Upper bounds, rising.
    pub bounds: Vec<f64>,
    /// One more than bounds.
    pub counts: Vec<u64>,
}

impl Histogram {
    /// A histogram; `counts` has one more entry than `bounds`.
    pub fn new(bounds: Vec<f64>, counts: Vec<u64>) -> Self {
        Self { bounds, counts }
    }
}
