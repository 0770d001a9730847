//! What every [`MetricSource`] has to pass.

use std::sync::Arc;

use super::{Guard, must};
use crate::{Color, Metric, MetricSource, Window};

/// A source with measurements of one slot only.
#[allow(missing_debug_implementations, reason = "it holds trait objects")]
#[allow(clippy::exhaustive_structs, reason = "a fixture is built as a literal")]
pub struct MetricsFixture {
    /// The source that is checked.
    pub source: Arc<dyn MetricSource>,
    /// Something that it measures.
    pub metric: Metric,
    /// The slot of which it was measured; of the other one it never was.
    pub busy: Color,
    /// A window that has all measurements in it.
    pub window: Window,
    /// How many there are, at least one.
    pub count: u64,
    /// What must live as long.
    pub guard: Guard,
}

/// Makes a test of each promise of [`MetricSource`](crate::MetricSource), from an async closure that
/// returns a
/// [`MetricsFixture`](crate::conformance::metrics::MetricsFixture). See [`conformance`](crate::conformance).
#[macro_export]
macro_rules! metrics_conformance_tests {
    ($(#[$attribute:meta])* $name:ident: $fixture:expr $(,)?) => {
        $crate::__conformance_tests! {
            metrics { $(#[$attribute])* } $name ($fixture) [
                nothing_measured_is_none,
                never_mixes_slots,
            ]
        }
    };
    ($fixture:expr $(,)?) => {
        $crate::metrics_conformance_tests! { metrics: $fixture }
    };
}

/// What was not measured in the window is `None` and not zero.
pub async fn nothing_measured_is_none(it: &MetricsFixture) {
    let quiet = it.source.measure(&it.metric, it.busy.other(), it.window).await;
    assert_eq!(must("measuring a slot without traffic", quiet), None, "nothing was measured");
    let mut long_ago = it.window;
    long_ago.until = crate::Timestamp::from_unix_millis(1_000_000);
    let before = it.source.measure(&it.metric, it.busy, long_ago).await;
    assert_eq!(must("measuring the year 1970", before), None, "nothing was measured then");
}

/// What is measured of one slot is all of that slot and nothing of the other.
pub async fn never_mixes_slots(it: &MetricsFixture) {
    let measured = it.source.measure(&it.metric, it.busy, it.window).await;
    let count = must("measuring", measured).map(|measurement| measurement.count);
    assert_eq!(count, Some(it.count), "all is there");
    let other = it.source.measure(&it.metric, it.busy.other(), it.window).await;
    assert_eq!(must("measuring the other slot", other), None, "and all of one slot");
}
