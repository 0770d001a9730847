//! What guards come to.

use std::sync::Arc;
use std::time::Duration;

use bluegreen_core::Verdict::{Fail, Inconclusive, Pass};
use bluegreen_core::memory::MemoryMetrics;
use bluegreen_core::{Clock, Metric, Routing, Share};
use bluegreen_validate::{ErrorRate, Quantile, Sampling, Threshold};

use crate::world::{
    CANDIDATE, LIVE, LOOK, START, Stepping, at, decide, looks, one_in, traffic, trial, world,
};

fn errors() -> Metric {
    Metric::new("errors")
}

#[tokio::test]
async fn evidence_names_metric_values_intervals_samples_and_routing() {
    let metrics = MemoryMetrics::new();
    world(&metrics, &errors(), START, one_in(50), one_in(20));
    let judgement = decide(&ErrorRate::from(metrics), &mut trial(Share::percent(50)), 100).await;
    assert_eq!(judgement.verdict, Fail);
    let [finding] = judgement.evidence.as_slice() else { panic!("{judgement:?}") };
    assert_eq!(finding.subject, "errors");
    assert!(finding.asked.starts_with("blue 50 %, green 50 %, after "), "{finding}");
    assert_eq!(finding.wanted, "less than 1 points above live");
    assert!(finding.found.starts_with("candidate 5.00 % ("), "{finding}");
    assert!(finding.found.contains(", live 2.00 % ("), "{finding}");
    assert!(finding.found.contains(" units; e-value "), "{finding}");
}

#[tokio::test]
async fn a_large_difference_is_found_soon_and_a_small_one_passes() {
    let metrics = MemoryMetrics::new();
    world(&metrics, &errors(), START, one_in(50), one_in(12));
    let mut first = trial(Share::percent(50));
    decide(&ErrorRate::from(metrics), &mut first, 100).await;
    // 300 units of each in each look after the first.
    assert!(first.look <= 4, "it took until look {}", first.look);

    let metrics = MemoryMetrics::new();
    world(&metrics, &errors(), START, one_in(100), one_in(90));
    let judgement = decide(&ErrorRate::from(metrics), &mut trial(Share::percent(50)), 100).await;
    assert_eq!(judgement.verdict, Pass, "{judgement:?}");
    assert!(judgement.summary.contains("within the margin"), "{judgement}");
}

#[tokio::test]
async fn too_few_units_are_no_verdict() {
    let metrics = MemoryMetrics::new();
    traffic(&metrics, &errors(), LIVE, START, (1500, 20), one_in(50));
    for number in 0..99 {
        metrics.record(&errors(), CANDIDATE, at(10 + number / 10), 1.0);
    }
    let guard = ErrorRate::from(metrics.clone());
    let mut trial = trial(Share::percent(1));
    let judgements = looks(&guard, &mut trial, 10).await;
    assert!(judgements.iter().all(|it| it.verdict == Inconclusive));
    let last = &judgements[9].evidence[0];
    assert_eq!((&*last.wanted, &*last.found), ("at least 100", "99 units of the candidate"));
    metrics.record(&errors(), CANDIDATE, at(145), 1.0);
    assert_eq!(looks(&guard, &mut trial, 1).await[0].verdict, Fail);
}

#[tokio::test]
async fn weights_that_change_while_rates_drift_blame_nobody() {
    let metrics = MemoryMetrics::new();
    // In the first ten minutes one in 200 fails on both; then one in ten, and the candidate gets most.
    for (slot, first, second) in [(LIVE, 38, 4), (CANDIDATE, 2, 36)] {
        traffic(&metrics, &errors(), slot, START, (600, first), one_in(200));
        traffic(&metrics, &errors(), slot, at(630), (600, second), one_in(10));
    }
    let mut sampling = Sampling::default();
    sampling.history = Duration::ZERO;
    let guard = ErrorRate::from(metrics).sampling(sampling).min_units(100_000);
    let mut trial = trial(Share::percent(5));
    looks(&guard, &mut trial, 40).await;
    trial.clock = Stepping::at(at(630));
    trial.routing = Routing::all(LIVE).with_candidate(Share::percent(90));
    // Without the number of units nothing would keep the test from failing: it must have no evidence.
    looks(&guard, &mut trial, 41).await;
    let enough = guard.clone().min_units(100);
    let judgement = looks(&enough, &mut trial, 1).await.remove(0);
    assert_ne!(judgement.verdict, Fail, "{judgement:?}");
}

#[tokio::test]
async fn with_all_traffic_the_candidate_is_compared_with_what_live_was_before() {
    for (rate, wanted) in [(50, Pass), (15, Fail)] {
        let metrics = MemoryMetrics::new();
        let past = bluegreen_core::Timestamp::from_unix_millis(START.unix_millis() - 3_000_000);
        traffic(&metrics, &errors(), LIVE, past, (3000, 10), one_in(50));
        traffic(&metrics, &errors(), CANDIDATE, START, (1500, 20), one_in(rate));
        let mut trial = trial(Share::ALL);
        assert_eq!(trial.routing, Routing::all(CANDIDATE));
        let judgement = decide(&ErrorRate::from(metrics), &mut trial, 100).await;
        assert_eq!(judgement.verdict, wanted, "{judgement:?}");
        assert!(judgement.evidence[0].found.contains(" before; "), "{judgement:?}");
    }
}

#[tokio::test]
async fn with_all_traffic_and_no_history_nothing_is_decided() {
    let metrics = MemoryMetrics::new();
    traffic(&metrics, &errors(), CANDIDATE, START, (1500, 20), one_in(50));
    let judgements = looks(&ErrorRate::from(metrics), &mut trial(Share::ALL), 100).await;
    assert!(judgements.iter().all(|it| it.verdict == Inconclusive));
    assert_eq!(judgements[99].evidence[0].found, "0 units of live");
}

#[tokio::test]
async fn trouble_of_both_holds_and_blames_nobody() {
    let metrics = MemoryMetrics::new();
    // A provider fails three of ten on both sides, from the third minute to the sixth, and the candidate
    // even more often, as it retries less.
    let rate = |usual: u64, worst: u64| {
        move |number: u64| {
            let bad = (3600..7200).contains(&number);
            f64::from(u8::from(number.is_multiple_of(if bad { worst } else { usual })))
        }
    };
    let past = bluegreen_core::Timestamp::from_unix_millis(START.unix_millis() - 600_000);
    traffic(&metrics, &errors(), LIVE, past, (600, 10), one_in(100));
    traffic(&metrics, &errors(), LIVE, START, (1500, 20), rate(100, 3));
    traffic(&metrics, &errors(), CANDIDATE, START, (1500, 20), rate(100, 2));
    let guard = ErrorRate::from(metrics);
    let mut trial = trial(Share::percent(50));
    let judgements = looks(&guard, &mut trial, 80).await;
    assert!(judgements.iter().all(|it| it.verdict != Fail));
    let upstream = judgements.iter().filter(|it| it.summary.contains("upstream")).count();
    assert!((11..=14).contains(&upstream), "{upstream} of the looks");
    assert!(judgements[16].evidence[0].wanted.starts_with("about 1.00 %"), "{:?}", judgements[16]);
    assert_eq!(judgements[79].verdict, Pass, "{:?}", judgements[79]);
}

#[tokio::test]
async fn silence_is_no_pass_and_says_so() {
    let metrics = MemoryMetrics::new();
    traffic(&metrics, &errors(), LIVE, START, (3000, 20), one_in(100));
    traffic(&metrics, &errors(), CANDIDATE, START, (900, 20), one_in(100));
    let guard = ErrorRate::from(metrics);
    let mut trial = trial(Share::percent(50));
    let judgements = looks(&guard, &mut trial, 60).await;
    assert_eq!(judgements[59].verdict, Pass, "{:?}", judgements[59]);
    let judgements = looks(&guard, &mut trial, 25).await;
    let last = &judgements[24];
    assert_eq!(last.verdict, Inconclusive);
    assert!(last.evidence[0].found.starts_with("no units of the candidate for 6m"), "{last:?}");
    assert_eq!(last.evidence[0].wanted, "some every 5m");
}

#[tokio::test]
async fn a_restart_goes_on_with_the_same_test() {
    let metrics = MemoryMetrics::new();
    world(&metrics, &errors(), START, one_in(50), one_in(40));
    let (mut one, mut two) = (trial(Share::percent(50)), trial(Share::percent(50)));
    let guard = ErrorRate::from(metrics.clone());
    looks(&guard, &mut one, 60).await;
    looks(&guard, &mut two, 25).await;
    // Another process, whose clock is a little behind: what is counted is not counted again.
    let behind = ErrorRate::from(metrics.clone());
    two.clock = Stepping::at(at(24 * 15 - 7));
    looks(&behind, &mut two, 20).await;
    // A third one, after some minutes in which nobody looked.
    two.clock = Stepping::at(at(59 * 15));
    looks(&ErrorRate::from(metrics), &mut two, 1).await;
    let state = |trial: &bluegreen_core::Trial| -> serde_json::Value {
        serde_json::from_slice(trial.state.as_ref().unwrap()).unwrap()
    };
    let (one, two) = (state(&one), state(&two));
    for key in ["candidate", "live"] {
        assert_eq!(one["test"][key], two["test"][key], "{key}");
    }
    assert_eq!(one["began"], two["began"]);
    assert_eq!(one["until"], two["until"]);
    assert_eq!(one["test"]["candidate"]["units"], 59.0 * 15.0 * 20.0);
}

#[tokio::test]
async fn what_is_counted_late_is_not_lost() {
    let metrics = MemoryMetrics::new();
    traffic(&metrics, &errors(), LIVE, START, (60, 20), one_in(50));
    traffic(&metrics, &errors(), CANDIDATE, START, (30, 20), one_in(50));
    let guard = ErrorRate::from(metrics.clone());
    let mut trial = trial(Share::percent(50));
    looks(&guard, &mut trial, 5).await;
    traffic(&metrics, &errors(), CANDIDATE, at(30), (30, 20), one_in(50));
    looks(&guard, &mut trial, 1).await;
    let state: serde_json::Value = serde_json::from_slice(trial.state.as_ref().unwrap()).unwrap();
    assert_eq!(state["test"]["candidate"]["units"], 1200.0);
}

#[tokio::test]
async fn a_limit_is_exceeded_so_often_and_so_long() {
    let metrics = MemoryMetrics::new();
    // Every third minute is bad, and from the tenth on all are.
    let rate = |number: u64| {
        let minute = number / 1200;
        let bad = minute % 3 == 2 || minute >= 10;
        f64::from(u8::from(bad && number.is_multiple_of(10)))
    };
    traffic(&metrics, &errors(), CANDIDATE, START, (1500, 20), rate);
    let guard = Threshold::from(metrics).at_most(0.05).failures(3).lasting(LOOK * 6);
    let mut trial = trial(Share::ALL);
    let judgements = looks(&guard, &mut trial, 60).await;
    let first = judgements.iter().position(|it| it.verdict == Fail).unwrap();
    // Minutes eight to ten make eight bad samples in a row, but six looks later it has lasted long enough.
    assert_eq!(first, 47, "{:?}", judgements[first]);
    assert!(judgements[first].evidence[0].found.ends_with("7 of 3 in a row, for 1m 30s"));
    assert_eq!(judgements[9].verdict, Inconclusive);
    assert_eq!(judgements[13].verdict, Pass);
}

#[tokio::test]
async fn live_beyond_the_limit_too_is_upstream() {
    let metrics = MemoryMetrics::new();
    world(&metrics, &errors(), START, one_in(10), one_in(10));
    let guard = Threshold::from(metrics).at_most(0.05);
    let judgements = looks(&guard, &mut trial(Share::percent(50)), 10).await;
    assert!(judgements[1..].iter().all(|it| it.verdict == Inconclusive));
    assert!(judgements[9].summary.contains("upstream"), "{:?}", judgements[9]);
}

#[tokio::test]
async fn a_quantile_above_all_bounds_is_not_known() {
    let metrics = MemoryMetrics::new().with_bounds([10.0, 20.0]);
    let metric = Metric::new("latency");
    let value = |number: u64| if number.is_multiple_of(10) { 50.0 } else { 5.0 };
    world(&metrics, &metric, START, value, value);
    let judgements = looks(&Quantile::from(metrics), &mut trial(Share::percent(50)), 100).await;
    assert!(judgements.iter().all(|it| it.verdict == Inconclusive));
    assert!(judgements[99].evidence[0].found.contains("no bound"), "{:?}", judgements[99]);
}

#[tokio::test]
async fn looks_in_quick_succession_ask_for_nothing() {
    let metrics = MemoryMetrics::new();
    world(&metrics, &errors(), START, one_in(50), one_in(50));
    let guard = ErrorRate::from(metrics);
    let mut trial = trial(Share::percent(50));
    looks(&guard, &mut trial, 3).await;
    let known = trial.state.clone();
    trial.clock = Stepping::at(at(35));
    assert_eq!(trial.clock.now(), at(35));
    trial.clock = Stepping::at(at(35));
    looks(&guard, &mut trial, 1).await;
    assert_eq!(trial.state, known);
    let _: Arc<dyn Clock> = trial.clock;
}
