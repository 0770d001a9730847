//! What of a pod's metrics is one metric of a slot.

use crate::counters::Part;
use crate::exposition::Sample;

/// Counters of a pod that make up one metric: units, and hits among them or the sum of their values.
///
/// ```
/// use bluegreen_validate::{PodMetric, Selector};
///
/// let requests = Selector::new("http_requests_total");
/// let errors = PodMetric::rate(requests.clone(), requests.beginning("code", "5"));
/// let latency = PodMetric::histogram("http_request_duration_seconds").with_label("route", "/chat");
/// let cost = PodMetric::mean("conversations_total", "conversation_cost_microdollars_total").scale(1e-6);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct PodMetric {
    parts: Vec<(Part, Selector)>,
    pub(super) scale: f64,
}

impl PodMetric {
    fn new<const N: usize>(parts: [(Part, Selector); N]) -> Self {
        Self { parts: parts.into(), scale: 1.0 }
    }

    /// Units, and those of them that have what is looked for: requests, and those that failed.
    pub fn rate(count: impl Into<Selector>, hits: impl Into<Selector>) -> Self {
        Self::new([(Part::Count, count.into()), (Part::Hits, hits.into())])
    }

    /// Units, and the sum of their values.
    pub fn mean(count: impl Into<Selector>, sum: impl Into<Selector>) -> Self {
        Self::new([(Part::Count, count.into()), (Part::Sum, sum.into())])
    }

    /// A classic histogram, by the name without `_bucket` and `_sum`.
    pub fn histogram(name: &str) -> Self {
        let series = |suffix| Selector::new(format!("{name}_{suffix}"));
        Self::new([(Part::Buckets, series("bucket")), (Part::Sum, series("sum"))])
    }

    /// The sum of the squares of the values, where the pods count that.
    #[must_use]
    pub fn with_sum_of_squares(mut self, series: impl Into<Selector>) -> Self {
        self.parts.push((Part::Squares, series.into()));
        self
    }

    /// Only series that have this label with this value.
    #[must_use]
    pub fn with_label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let (name, value) = (name.into(), value.into());
        for (_, series) in &mut self.parts {
            series.labels.push((name.clone(), Matcher::Is(value.clone())));
        }
        self
    }

    /// What makes the report's unit of one of the pods': 0.001 makes seconds of milliseconds.
    #[must_use]
    pub fn scale(mut self, scale: f64) -> Self {
        self.scale = scale;
        self
    }

    /// What of this metric a sample is.
    pub(super) fn parts_of<'a>(
        &'a self,
        sample: &'a Sample<'_>,
    ) -> impl Iterator<Item = Part> + 'a {
        self.parts.iter().filter(|(_, series)| series.has(sample)).map(|(part, _)| *part)
    }

    pub(super) fn parts(&self) -> Vec<Part> {
        self.parts.iter().map(|(part, _)| *part).collect()
    }
}

/// The series of one name, over all their labels or some. A label that a series lacks is empty.
#[derive(Clone, Debug, PartialEq)]
pub struct Selector {
    name: String,
    labels: Vec<(String, Matcher)>,
}

#[derive(Clone, Debug, PartialEq)]
enum Matcher {
    Is(String),
    IsNot(String),
    Begins(String),
}

impl Selector {
    /// All series of this name, as it is in the text: with `_total`, if it has that.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), labels: Vec::new() }
    }

    /// Of these only those in which a label has this value.
    #[must_use]
    pub fn with(mut self, label: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.push((label.into(), Matcher::Is(value.into())));
        self
    }

    /// Of these only those in which a label does not have this value.
    #[must_use]
    pub fn without(mut self, label: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.push((label.into(), Matcher::IsNot(value.into())));
        self
    }

    /// Of these only those in which a label's value begins so: `5` for the status codes of
    /// servers' errors.
    #[must_use]
    pub fn beginning(mut self, label: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.push((label.into(), Matcher::Begins(value.into())));
        self
    }

    fn has(&self, sample: &Sample<'_>) -> bool {
        sample.name == self.name
            && self.labels.iter().all(|(name, matcher)| {
                let found = sample.label(name).unwrap_or_default();
                match matcher {
                    Matcher::Is(value) => found == value,
                    Matcher::IsNot(value) => found != value,
                    Matcher::Begins(value) => found.starts_with(value.as_str()),
                }
            })
    }
}

impl From<&str> for Selector {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl From<String> for Selector {
    fn from(name: String) -> Self {
        Self::new(name)
    }
}
