//! Measurements in memory.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use super::lock;
use crate::{Color, Histogram, Measurement, Metric, MetricSource, Result, Timestamp, Window};

/// Values that a test records one by one. A window takes in its end and not its beginning, so
/// that windows one after the other count each value once. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct MemoryMetrics {
    units: Arc<Mutex<Vec<Unit>>>,
    bounds: Vec<f64>,
}

#[derive(Clone, Debug)]
struct Unit {
    metric: String,
    slot: Color,
    at: Timestamp,
    value: f64,
}

impl MemoryMetrics {
    /// No values.
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells how values are distributed too, with these upper bounds, which rise.
    #[must_use]
    pub fn with_bounds(mut self, bounds: impl IntoIterator<Item = f64>) -> Self {
        self.bounds = bounds.into_iter().collect();
        self
    }

    /// Records the value of one unit (a request, a conversation) of `slot`.
    pub fn record(&self, metric: &Metric, slot: Color, at: Timestamp, value: f64) {
        let metric = metric.name.clone();
        lock(&self.units).push(Unit { metric, slot, at, value });
    }
}

#[async_trait]
impl MetricSource for MemoryMetrics {
    async fn measure(
        &self,
        metric: &Metric,
        slot: Color,
        window: Window,
    ) -> Result<Option<Measurement>> {
        let units = lock(&self.units);
        let mut measurement = Measurement::new(0, 0.0);
        let mut squares = 0.0;
        let mut counts = vec![0; self.bounds.len() + 1];
        for it in units.iter().filter(|it| it.metric == metric.name && it.slot == slot) {
            if it.at <= window.until && window.until.since(it.at) < window.length {
                measurement.count += 1;
                measurement.sum += it.value;
                squares += it.value * it.value;
                counts[self.bounds.partition_point(|bound| *bound < it.value)] += 1;
            }
        }
        measurement.sum_of_squares = Some(squares);
        if !self.bounds.is_empty() {
            measurement.histogram = Some(Histogram::new(self.bounds.clone(), counts));
        }
        Ok((measurement.count > 0).then_some(measurement))
    }
}
