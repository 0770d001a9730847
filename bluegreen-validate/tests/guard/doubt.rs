//! Sources that fail, lie or hang are named, and never lead to a pass.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use bluegreen_core::memory::MemoryMetrics;
use bluegreen_core::{
    Color, Error, ErrorKind, Histogram, Measurement, Metric, MetricSource, Result, Share,
    Validator, Verdict, Window,
};
use bluegreen_validate::{ErrorRate, Mean, Quantile, Threshold};

use crate::world::{CANDIDATE, LIVE, START, at, looks, one_in, traffic, trial, world};

type Answer = dyn FnMut(Color, Window) -> Result<Option<Measurement>> + Send;

/// A source that answers as it is told.
struct Scripted(Mutex<Box<Answer>>);

impl Scripted {
    fn new(
        answer: impl FnMut(Color, Window) -> Result<Option<Measurement>> + Send + 'static,
    ) -> Self {
        Self(Mutex::new(Box::new(answer)))
    }
}

#[async_trait]
impl MetricSource for Scripted {
    async fn measure(
        &self,
        _: &Metric,
        slot: Color,
        window: Window,
    ) -> Result<Option<Measurement>> {
        // Of tomorrow all of them know nothing.
        if window.until > at(80_000) {
            return Ok(None);
        }
        (self.0.lock().unwrap())(slot, window)
    }
}

/// Looks a hundred times: no pass, no fail, and the last says this.
async fn doubts(guard: &dyn Validator, wanted: &str) {
    let judgements = looks(guard, &mut trial(Share::percent(50)), 100).await;
    for judgement in &judgements {
        assert_eq!(judgement.verdict, Verdict::Inconclusive, "{judgement:?}");
    }
    let last = &judgements[99];
    assert!(last.evidence[0].to_string().contains(wanted), "{last:?}");
}

/// Twenty units a second, one of a hundred wrong.
fn usual(window: Window) -> Measurement {
    let seconds = window.length.as_secs();
    let mut measurement =
        Measurement::new(20 * seconds, f64::from(u32::try_from(seconds).unwrap()) / 5.0);
    measurement.sum_of_squares = Some(measurement.sum);
    measurement
}

fn told(change: impl Fn(&mut Measurement) + Send + 'static) -> Scripted {
    Scripted::new(move |_, window| {
        let mut measurement = usual(window);
        change(&mut measurement);
        Ok(Some(measurement))
    })
}

#[tokio::test]
async fn numbers_that_cannot_be_are_named() {
    doubts(&ErrorRate::from(told(|it| it.sum = f64::NAN)), "a sum of NaN").await;
    doubts(&ErrorRate::from(told(|it| it.sum = f64::INFINITY)), "a sum of inf").await;
    doubts(&ErrorRate::from(told(|it| it.sum = -3.0)), "-3 of ").await;
    doubts(&ErrorRate::from(told(|it| it.sum = 1e9)), "1000000000 of ").await;
    let guard = Mean::from(told(|it| it.sum_of_squares = Some(f64::NAN)));
    doubts(&guard, "a sum of squares of NaN").await;
    let guard = Mean::from(told(|it| it.sum_of_squares = Some(-1.0)));
    doubts(&guard, "a sum of squares of -1").await;
}

#[tokio::test]
async fn what_a_source_does_not_know_is_named() {
    doubts(&Mean::from(told(|it| it.sum_of_squares = None)), "neither a sum of squares").await;
    doubts(&Quantile::from(told(|_| ())), "no distribution").await;
    let twisted = |it: &mut Measurement| {
        it.histogram = Some(Histogram::new(vec![2.0, 1.0], vec![it.count, 0, 0]));
    };
    doubts(&Quantile::from(told(twisted)), "a bound of 1 after 2").await;
}

#[tokio::test]
async fn bounds_that_change_are_named() {
    let mut calls = 0_u32;
    let source = Scripted::new(move |_, window| {
        calls += 1;
        let mut it = usual(window);
        let bound = if calls > 40 { 1.15 } else { 1.1 };
        it.histogram = Some(Histogram::new(vec![1.0, bound], vec![0, it.count, 0]));
        Ok(Some(it))
    });
    // Of 19 looks with the same bounds all is known, and that would do.
    let mut trial = trial(Share::percent(50));
    let judgements = looks(&Quantile::from(source), &mut trial, 100).await;
    assert_eq!(judgements[15].verdict, Verdict::Pass, "{:?}", judgements[15]);
    let last = &judgements[99];
    assert_eq!(last.verdict, Verdict::Inconclusive);
    assert!(last.evidence[0].found.starts_with("other bounds (2 of them)"), "{last:?}");
}

#[tokio::test]
async fn counts_that_shrink_are_named() {
    let mut calls = 0_u32;
    let source = Scripted::new(move |_, window| {
        calls += 1;
        let mut it = usual(window);
        if calls > 7 {
            it.count /= 2;
        }
        Ok(Some(it))
    });
    let guard = ErrorRate::from(source);
    let mut trial = trial(Share::percent(50));
    let judgements = looks(&guard, &mut trial, 6).await;
    let last = &judgements[5].evidence[0];
    assert_eq!(judgements[5].verdict, Verdict::Inconclusive);
    assert!(last.found.contains(" were seen before"), "{last}");
    assert_eq!(last.wanted, "counts of the same time that do not shrink");
}

#[tokio::test]
async fn hits_sums_and_buckets_that_shrink_are_named() {
    // A source in memory that began again, and has had as many units since.
    let restarted = |change: fn(&mut Measurement)| {
        let mut calls = 0_u32;
        Scripted::new(move |_, window| {
            calls += 1;
            let mut it = usual(window);
            it.histogram = Some(Histogram::new(vec![1.0, 2.0], vec![0, it.count, 0]));
            if calls > 7 {
                change(&mut it);
            }
            Ok(Some(it))
        })
    };
    let none: fn(&mut Measurement) = |it| (it.sum, it.sum_of_squares) = (0.0, Some(0.0));
    let low: fn(&mut Measurement) = |it| {
        it.histogram = Some(Histogram::new(vec![1.0, 2.0], vec![it.count, 0, 0]));
    };
    let bare: fn(&mut Measurement) = |it| (it.sum, it.sum_of_squares) = (0.0, None);
    let guards: [(Box<dyn Validator>, &str); 4] = [
        (Box::new(ErrorRate::from(restarted(none))), "0 of the units"),
        (Box::new(Mean::from(restarted(none))), "a sum of squares of 0"),
        (Box::new(Threshold::from(restarted(bare)).at_most(0.5)), "a sum of 0"),
        (Box::new(Quantile::from(restarted(low))), "0 units up to 2"),
    ];
    for (guard, wanted) in guards {
        let mut trial = trial(Share::percent(50));
        let judgements = looks(&*guard, &mut trial, 6).await;
        let last = &judgements[5].evidence[0];
        assert_eq!(judgements[5].verdict, Verdict::Inconclusive, "{wanted}: {last}");
        assert!(last.found.starts_with(wanted) && last.found.contains(" seen before"), "{last}");
    }
}

#[tokio::test]
async fn a_bucket_wider_than_the_ratio_is_no_pass() {
    let metrics = MemoryMetrics::new().with_bounds([1.0, 2.5]);
    world(&metrics, &Metric::new("latency"), START, |_| 1.1, |_| 2.4);
    let judgements = looks(&Quantile::from(metrics), &mut trial(Share::percent(50)), 100).await;
    assert!(judgements.iter().all(|it| it.verdict == Verdict::Inconclusive));
    let found = &judgements[99].evidence[0].found;
    assert!(
        found.ends_with("; buckets are too wide, live's from 1.00 and the candidate's to 2.50"),
        "{found}"
    );
}

#[tokio::test]
async fn slots_that_have_other_bounds_are_not_compared_within_them() {
    // All values are 1.1, which seem to be up to 1.2 in one slot and up to 2 in the other.
    let source = Scripted::new(|slot, window| {
        let mut it = usual(window);
        let bounds = if slot == CANDIDATE { vec![1.0, 2.0] } else { vec![1.0, 1.2] };
        it.histogram = Some(Histogram::new(bounds, vec![0, it.count, 0]));
        Ok(Some(it))
    });
    doubts(&Quantile::from(source), "candidate 1.9").await;
}

#[tokio::test]
async fn a_mean_without_enough_of_live_says_so() {
    let metrics = MemoryMetrics::new();
    let metric = Metric::new("cost");
    let before = bluegreen_core::Timestamp::from_unix_millis(START.unix_millis() - 60_000);
    traffic(&metrics, &metric, LIVE, before, (15, 1), |number| f64::from(number % 3 == 0));
    traffic(&metrics, &metric, CANDIDATE, START, (1500, 20), |number| f64::from(number % 3 == 0));
    let guard = Mean::from(metrics).min_units(10);
    let judgements = looks(&guard, &mut trial(Share::ALL), 50).await;
    assert!(judgements.iter().all(|it| it.verdict == Verdict::Inconclusive));
    let last = &judgements[49].evidence[0];
    assert_eq!((&*last.found, &*last.wanted), ("15 units of live", "at least 20"));
}

#[tokio::test]
async fn a_source_that_does_not_heed_the_time_is_named() {
    struct Timeless;

    #[async_trait]
    impl MetricSource for Timeless {
        async fn measure(&self, _: &Metric, _: Color, _: Window) -> Result<Option<Measurement>> {
            Ok(Some(Measurement::new(100_000, 1000.0)))
        }
    }
    doubts(&ErrorRate::from(Timeless), "100000 units of a minute that has not come yet").await;
}

#[tokio::test]
async fn nothing_measured_is_never_a_pass() {
    doubts(&ErrorRate::from(MemoryMetrics::new()), "no units of the candidate for").await;
    doubts(&Mean::from(MemoryMetrics::new()), "no units of the candidate for").await;
    doubts(&Quantile::from(MemoryMetrics::new()), "no units of the candidate for").await;
    let zeros = Scripted::new(|_, _| Ok(Some(Measurement::new(0, 0.0))));
    doubts(&ErrorRate::from(zeros), "no units of the candidate for").await;
}

/// A source that fails when it is told to.
struct Failing<F>(MemoryMetrics, Mutex<F>);

#[async_trait]
impl<F: FnMut() -> bool + Send> MetricSource for Failing<F> {
    async fn measure(&self, m: &Metric, s: Color, w: Window) -> Result<Option<Measurement>> {
        if (self.1.lock().unwrap())() {
            return Err(Error::new(ErrorKind::Unavailable, "query prometheus")
                .with_source("connection refused"));
        }
        self.0.measure(m, s, w).await
    }
}

#[tokio::test]
async fn a_source_that_fails_is_named_and_the_test_goes_on_after_it() {
    let metrics = MemoryMetrics::new();
    let metric = Metric::new("errors");
    world(&metrics, &metric, START, one_in(100), one_in(100));
    let mut calls = 0_u32;
    let memory = metrics.clone();
    let source = Failing(
        memory,
        Mutex::new(move || {
            calls += 1;
            (20..60).contains(&calls)
        }),
    );
    let (mut one, mut two) = (trial(Share::percent(50)), trial(Share::percent(50)));
    let judgements = looks(&ErrorRate::from(source), &mut one, 60).await;
    let told = "query prometheus: unavailable: connection refused";
    let during = judgements.iter().filter(|it| it.evidence[0].found == told).count();
    assert!((19..=21).contains(&during), "{during}");
    looks(&ErrorRate::from(metrics), &mut two, 60).await;
    let test = |trial: &bluegreen_core::Trial| -> serde_json::Value {
        let state: serde_json::Value =
            serde_json::from_slice(trial.state.as_ref().unwrap()).unwrap();
        state["test"]["candidate"].clone()
    };
    assert_eq!(test(&one), test(&two), "nothing is lost and nothing counted twice");
}

#[tokio::test(start_paused = true)]
async fn a_source_that_hangs_is_not_waited_for() {
    struct Hanging;

    #[async_trait]
    impl MetricSource for Hanging {
        async fn measure(&self, _: &Metric, _: Color, _: Window) -> Result<Option<Measurement>> {
            std::future::pending().await
        }
    }
    let began = tokio::time::Instant::now();
    let judgement =
        looks(&ErrorRate::from(Hanging), &mut trial(Share::percent(50)), 1).await.remove(0);
    assert_eq!(judgement.verdict, Verdict::Inconclusive);
    assert_eq!(judgement.evidence[0].found, "no answer within 10s");
    assert_eq!(began.elapsed(), Duration::from_secs(10));
}

#[tokio::test]
async fn a_candidate_without_traffic_is_not_judged() {
    let metrics = MemoryMetrics::new();
    world(&metrics, &Metric::new("errors"), START, one_in(100), one_in(100));
    let judgements = looks(&ErrorRate::from(metrics), &mut trial(Share::NONE), 100).await;
    assert!(judgements.iter().all(|it| it.verdict == Verdict::Inconclusive));
    assert_eq!(judgements[0].evidence[0].found, "blue 100 % without traffic");
}

#[tokio::test]
async fn bad_settings_are_an_error_and_not_a_verdict() {
    let guard = ErrorRate::from(MemoryMetrics::new()).alpha(f64::NAN).margin(-1.0);
    let error = guard.judge(&trial(Share::percent(50))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    let text = error.chain();
    assert!(
        text.contains("error-rate, alpha: found NaN") && text.contains("margin: found -1"),
        "{text}"
    );
}
