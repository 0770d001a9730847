//! The promises of every validator, kept by each guard.

use std::sync::Arc;

use bluegreen_core::conformance::validator::ValidatorFixture;
use bluegreen_core::memory::MemoryMetrics;
use bluegreen_core::{Metric, Share, Validator};
use bluegreen_validate::{Better, ErrorRate, Guards, Margin, Mean, Quantile, Threshold};

use crate::world::{at, one_in, trial_at, world};

/// One source, in which good, bad and no numbers are a day apart.
fn fixture(
    metrics: &MemoryMetrics,
    [validator, other]: [Arc<dyn Validator>; 2],
    metric: &str,
    [live, good, bad]: [&dyn Fn(u64) -> f64; 3],
) -> ValidatorFixture {
    const DAY: u64 = 86_400;
    let metric = Metric::new(metric);
    world(metrics, &metric, at(DAY), live, good);
    world(metrics, &metric, at(2 * DAY), live, bad);
    let half = Share::percent(50);
    ValidatorFixture {
        validator,
        other,
        good: trial_at(at(DAY), half),
        bad: trial_at(at(2 * DAY), half),
        unreachable: trial_at(at(3 * DAY), half),
        guard: Box::new(()),
    }
}

/// Latencies from 100 to 200, many near the lower end.
fn latency(number: u64) -> f64 {
    let place = f64::from(u32::try_from(number * 7919 % 1000).unwrap()) / 1000.0;
    100.0 + 100.0 * place * place
}

bluegreen_core::validator_conformance_tests!(error_rate: async || {
    let metrics = MemoryMetrics::new();
    let guard = ErrorRate::from(metrics.clone());
    let other = guard.clone().margin(0.02);
    let rates: [&dyn Fn(u64) -> f64; 3] = [&one_in(50), &one_in(50), &one_in(20)];
    fixture(&metrics, [Arc::new(guard), Arc::new(other)], "errors", rates)
});

bluegreen_core::validator_conformance_tests!(mean: async || {
    let metrics = MemoryMetrics::new();
    let guard = Mean::from(metrics.clone());
    let other = guard.clone().margin(Margin::Ratio(1.3));
    let values: [&dyn Fn(u64) -> f64; 3] = [&latency, &latency, &|it| 1.3 * latency(it)];
    fixture(&metrics, [Arc::new(guard), Arc::new(other)], "cost", values)
});

bluegreen_core::validator_conformance_tests!(score: async || {
    let metrics = MemoryMetrics::new();
    let guard = Mean::from(metrics.clone()).metric(Metric::new("score")).better(Better::Higher);
    let other = guard.clone().better(Better::Lower);
    let values: [&dyn Fn(u64) -> f64; 3] = [&latency, &latency, &|it| latency(it) / 1.3];
    fixture(&metrics, [Arc::new(guard), Arc::new(other)], "score", values)
});

bluegreen_core::validator_conformance_tests!(quantile: async || {
    let bounds = (0..60).map(|step| 50.0 * 1.05_f64.powi(step));
    let metrics = MemoryMetrics::new().with_bounds(bounds);
    let guard = Quantile::from(metrics.clone());
    let other = guard.clone().quantile(0.9);
    let values: [&dyn Fn(u64) -> f64; 3] = [&latency, &latency, &|it| 1.5 * latency(it)];
    fixture(&metrics, [Arc::new(guard), Arc::new(other)], "latency", values)
});

bluegreen_core::validator_conformance_tests!(threshold: async || {
    let metrics = MemoryMetrics::new();
    let guard = Threshold::from(metrics.clone()).at_most(0.04).failures(3);
    let other = guard.clone().at_least(0.001);
    let rates: [&dyn Fn(u64) -> f64; 3] = [&one_in(50), &one_in(50), &one_in(20)];
    fixture(&metrics, [Arc::new(guard), Arc::new(other)], "errors", rates)
});

bluegreen_core::validator_conformance_tests!(guards: async || {
    let metrics = MemoryMetrics::new();
    let guards = |limit| {
        let errors = ErrorRate::from(metrics.clone());
        let limit = Threshold::from(metrics.clone()).at_most(limit);
        Guards::all([errors.into(), limit.into()])
    };
    let rates: [&dyn Fn(u64) -> f64; 3] = [&one_in(50), &one_in(50), &one_in(20)];
    let both: [Arc<dyn Validator>; 2] = [Arc::new(guards(0.9)), Arc::new(guards(0.8))];
    fixture(&metrics, both, "errors", rates)
});
