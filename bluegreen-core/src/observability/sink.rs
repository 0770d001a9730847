//! Where metrics go.

use super::Family;

/// Takes metrics, for whatever library the host has. Closures are sinks.
///
/// Called from the release's own task: it must not block.
///
/// ```
/// use bluegreen_core::observability::{Family, Kind, MetricSink};
///
/// # fn add(_: &str, _: &[(&str, &str)], _: f64) {}
/// # fn set(_: &str, _: &[(&str, &str)], _: f64) {}
/// # fn record(_: &str, _: &[(&str, &str)], _: f64) {}
/// // `add`, `set` and `record` are those of the library.
/// let sink = |family: &'static Family, labels: &[(&'static str, &str)], value: f64| {
///     match family.kind {
///         Kind::Counter => add(family.name, labels, value),
///         Kind::Gauge => set(family.name, labels, value),
///         _ => record(family.name, labels, value),
///     }
/// };
/// fn takes(_: impl MetricSink) {}
/// takes(sink);
/// ```
pub trait MetricSink: Send + Sync {
    /// Adds `value` to a counter, sets a gauge to it, or counts it in a histogram, as the kind of
    /// the family says. Zero makes a counter exist before anything has happened.
    ///
    /// `labels` are those of the family, in its order. One that has no value is empty, which to
    /// Prometheus is the same as one that is not there.
    fn record(&self, family: &'static Family, labels: &[(&'static str, &str)], value: f64);
}

impl<F> MetricSink for F
where
    F: Fn(&'static Family, &[(&'static str, &str)], f64) + Send + Sync,
{
    fn record(&self, family: &'static Family, labels: &[(&'static str, &str)], value: f64) {
        self(family, labels, value);
    }
}
