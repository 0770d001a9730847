//! What a Prometheus answers.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bluegreen_core::{Color, Measurement, Metric, MetricSource as _, Timestamp, Window};
use bluegreen_validate::{Prometheus, PrometheusConfig, Queries};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use crate::agent::Agent;
use crate::{shown, within};

/// What every request carries and nothing may show.
const SECRET: &str = "sk-planted-0123456789";

pub(crate) fn run(given: &[u8]) {
    static CONFIG: LazyLock<PrometheusConfig> = LazyLock::new(|| {
        let rate = || Queries::rate("a[$window]", "b[$window]");
        PrometheusConfig::new("http://prometheus:9090", "ns", "agent")
            .bearer(SECRET)
            .metric("rate", rate().targets("up[$window]"))
            .metric("histogram", Queries::histogram("h", "").sum_of_squares("q[$window]"))
            .metric("values", rate().values())
            .metric("steps", Queries::rate("a", "b").step(Duration::from_secs(10)))
    });
    let body = Bytes::copy_from_slice(given);
    let agent = Agent { status: StatusCode::OK, headers: HeaderMap::new(), body };
    let source =
        Prometheus::through(Arc::new(agent), CONFIG.clone()).expect("it is as it should be");
    within(600, async {
        let until = Timestamp::from_unix_millis(1_764_000_060_000);
        let window = Window::new(until, Duration::from_mins(1));
        for name in ["rate", "histogram", "values", "steps"] {
            match source.measure(&Metric::new(name), Color::Blue, window).await {
                Ok(Some(found)) => can_be(&found),
                Ok(None) => {}
                Err(error) => {
                    shown(&error, given);
                    let text = error.chain();
                    assert!(text.len() < 2000 && !text.contains(SECRET), "{text}");
                }
            }
        }
    })
    .expect("a question ends");
}

/// A measurement is one of something.
pub(crate) fn can_be(found: &Measurement) {
    assert!(found.count > 0 && found.sum.is_finite() && found.sum >= 0.0, "{found:?}");
    assert!(found.sum_of_squares.is_none_or(|it| it.is_finite() && it >= 0.0), "{found:?}");
    if let Some(histogram) = &found.histogram {
        assert_eq!(histogram.counts.len(), histogram.bounds.len() + 1);
        assert_eq!(histogram.counts.iter().sum::<u64>(), found.count);
        assert!(histogram.bounds.windows(2).all(|two| two[0] < two[1]), "{histogram:?}");
    }
}
