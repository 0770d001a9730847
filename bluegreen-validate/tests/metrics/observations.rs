//! What the program observes itself.

use std::sync::Arc;
use std::time::Duration;

use bluegreen_core::conformance::metrics::MetricsFixture;
use bluegreen_core::{Color, Metric, MetricSource as _, Timestamp, Window};
use bluegreen_validate::Observations;
use proptest::prelude::*;

fn at(millis: u64) -> Timestamp {
    Timestamp::from_unix_millis(1_764_000_000_000 + millis)
}

bluegreen_core::metrics_conformance_tests! {
    observations: async || {
        let source = Observations::new();
        for millis in [1, 500, 59_999, 60_000] {
            source.record("latency", Color::Green, at(millis), 0.25);
        }
        source.record("errors", Color::Blue, at(1), 1.0);
        MetricsFixture {
            source: Arc::new(source),
            metric: Metric::new("latency"),
            busy: Color::Green,
            window: Window::new(at(60_000), Duration::from_mins(1)),
            count: 4,
            guard: Box::new(()),
        }
    }
}

#[tokio::test]
async fn what_every_thread_recorded_counts() {
    let source = Observations::new();
    std::thread::scope(|scope| {
        for thread in 0..20_u32 {
            let source = source.clone();
            scope.spawn(move || {
                for number in 0..1000_u32 {
                    source.record("n", Color::Blue, at(u64::from(number)), f64::from(thread));
                }
            });
        }
    });
    let window = Window::new(at(1000), Duration::from_mins(1));
    let found = source.measure(&Metric::new("n"), Color::Blue, window).await.unwrap().unwrap();
    assert_eq!((found.count, found.sum), (20_000, 190_000.0));
    assert_eq!(found.sum_of_squares, Some(2_470_000.0));
    assert_eq!(found.histogram.unwrap().counts.iter().sum::<u64>(), 20_000);
    assert_eq!(source.ignored(), 0);
}

#[tokio::test]
async fn a_window_that_begins_before_what_is_kept_is_an_error() {
    let source = Observations::keeping(Duration::from_secs(3), Duration::from_secs(1));
    // Two more are kept for what is recorded meanwhile.
    for second in 1..=7 {
        source.record("n", Color::Blue, at(second * 1000), 1.0);
    }
    let measure = async |until, seconds| {
        let window = Window::new(at(until), Duration::from_secs(seconds));
        source.measure(&Metric::new("m").with_query("n"), Color::Blue, window).await
    };
    assert_eq!(measure(5000, 3).await.unwrap().unwrap().count, 3);
    assert_eq!(measure(5999, 3).await.unwrap().unwrap().count, 3, "the second has not ended");
    let why = measure(5000, 4).await.unwrap_err().chain();
    assert!(why.contains("wanted one that begins at 2025-11-24T16:00:02.000Z or later"), "{why}");
    source.record("n", Color::Blue, at(1000), 1.0);
    assert_eq!(source.ignored(), 1);
    source.record("n", Color::Blue, at(5000), f64::NAN);
    let why = measure(5000, 3).await.unwrap_err().chain();
    assert!(
        why.contains("measure m of slot blue") && why.contains("1 values that are no"),
        "{why}"
    );
}

#[tokio::test]
async fn the_last_hour_is_known_while_a_second_is_running() {
    let source = Observations::new();
    for second in 0..=4000 {
        source.record("n", Color::Blue, at(1000 * second + 500), 1.0);
    }
    // The last record was made while the question was on its way.
    let window = Window::new(at(3_999_600), Duration::from_hours(1));
    let found = source.measure(&Metric::new("n"), Color::Blue, window).await.unwrap().unwrap();
    assert_eq!(found.count, 3600);
}

#[tokio::test]
async fn names_without_end_are_not_kept() {
    let source = Observations::new();
    for number in 0..300 {
        source.record(&number.to_string(), Color::Blue, at(1000), 1.0);
    }
    assert_eq!(source.ignored(), 44);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Windows one after another count each value once, wherever they are cut, and as exactly as
    /// counting one by one.
    #[test]
    fn no_cut_makes_a_difference(
        mut values in prop::collection::vec((1_u64..120_000, 0_u32..1000), 1..200),
        cuts in prop::collection::btree_set(0_u64..119, 0..5),
    ) {
        values.sort_unstable();
        let source = Observations::new();
        for (millis, value) in &values {
            source.record("n", Color::Blue, at(*millis), f64::from(*value));
        }
        let mut edges: Vec<u64> = cuts.into_iter().map(|cut| cut * 1000).collect();
        edges.insert(0, 0);
        edges.push(120_000);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for two in edges.windows(2) {
            let (from, until) = (two[0], two[1]);
            let window = Window::new(at(until), Duration::from_millis(until - from));
            let found = runtime.block_on(source.measure(&Metric::new("n"), Color::Blue, window));
            let inside = values.iter().filter(|(at, _)| (from + 1..=until).contains(at));
            let inside: Vec<u32> = inside.map(|(_, value)| *value).collect();
            let Some(found) = found.unwrap() else {
                prop_assert!(inside.is_empty());
                continue;
            };
            prop_assert_eq!(found.count, inside.len() as u64);
            let sum: u32 = inside.iter().sum();
            prop_assert_eq!(found.sum.to_bits(), f64::from(sum).to_bits());
            let squares: u32 = inside.iter().map(|it| it * it).sum();
            prop_assert_eq!(found.sum_of_squares, Some(f64::from(squares)));
            // The histogram puts each where it belongs.
            let histogram = found.histogram.unwrap();
            let mut below = 0;
            for (bound, count) in histogram.bounds.iter().zip(&histogram.counts) {
                below += count;
                let wanted = inside.iter().filter(|it| f64::from(**it) <= *bound).count();
                prop_assert_eq!(below, wanted as u64, "up to {}", bound);
            }
        }
    }
}
