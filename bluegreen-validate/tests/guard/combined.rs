//! Several guards as one.

use bluegreen_core::Verdict::{Fail, Inconclusive, Pass};
use bluegreen_core::memory::MemoryMetrics;
use bluegreen_core::{Metric, Share};
use bluegreen_validate::{
    ErrorRate, ErrorRateConfig, Guard, Guards, Mean, Reading, Scale, Threshold,
};

use crate::world::{START, decide, looks, one_in, trial, world};

fn rates(count: u64) -> Vec<Metric> {
    (0..count).map(|number| Metric::new(format!("errors-{number}"))).collect()
}

fn guards(metrics: &MemoryMetrics, count: u64) -> Guards {
    Guards::all(rates(count).into_iter().map(|metric| {
        let name = metric.name.clone();
        Guard::from(ErrorRate::from(metrics.clone()).named(name).metric(metric))
    }))
}

#[tokio::test]
async fn all_must_pass_and_what_is_undecided_is_named() {
    let metrics = MemoryMetrics::new();
    for metric in rates(2) {
        world(&metrics, &metric, START, one_in(100), one_in(100));
    }
    let judgement = decide(&guards(&metrics, 2), &mut trial(Share::percent(50)), 100).await;
    assert_eq!(judgement.verdict, Pass, "{judgement:?}");
    assert_eq!(judgement.evidence.len(), 2);

    let judgements = looks(&guards(&metrics, 3), &mut trial(Share::percent(50)), 100).await;
    assert!(judgements.iter().all(|it| it.verdict == Inconclusive));
    assert_eq!(judgements[99].evidence.len(), 3);
    assert_eq!(judgements[99].evidence[0].subject, "errors-2", "what lacks comes first");
}

#[tokio::test]
async fn one_that_is_bad_is_enough_and_needs_more_evidence_among_many() {
    let mut looks = Vec::new();
    for count in [1, 10] {
        let metrics = MemoryMetrics::new();
        for (number, metric) in rates(count).iter().enumerate() {
            let rate = if number == 0 { 30 } else { 50 };
            world(&metrics, metric, START, one_in(50), one_in(rate));
        }
        let mut trial = trial(Share::percent(50));
        let judgement = decide(&guards(&metrics, count), &mut trial, 100).await;
        assert_eq!(judgement.verdict, Fail, "{judgement:?}");
        looks.push(trial.look);
    }
    assert!(looks[0] < looks[1], "{looks:?}");
}

#[tokio::test]
async fn what_is_a_little_worse_in_many_respects_is_worse() {
    let metrics = MemoryMetrics::new();
    for metric in rates(10) {
        world(&metrics, &metric, START, one_in(50), one_in(30));
    }
    let (mut one, mut ten) = (trial(Share::percent(50)), trial(Share::percent(50)));
    let judgement = decide(&guards(&metrics, 10), &mut ten, 100).await;
    assert_eq!(judgement.verdict, Fail);
    decide(&guards(&metrics, 1), &mut one, 100).await;
    // Ten that say the same say no more than one, and no less.
    assert_eq!(one.look, ten.look);
    assert_eq!(judgement.summary, "worse in several respects together");
}

#[tokio::test]
async fn a_limit_among_them_fails_by_itself_and_takes_no_part_of_alpha() {
    let metrics = MemoryMetrics::new();
    let (errors, cost) = (Metric::new("errors"), Metric::new("cost"));
    world(&metrics, &errors, START, one_in(50), one_in(50));
    world(&metrics, &cost, START, |n| f64::from(n % 7 == 0) + 3.0, |n| f64::from(n % 7 == 0) + 3.0);
    let limit = |most: f64| Threshold::from(metrics.clone()).metric(cost.clone()).at_most(most);
    let all = |most: f64| {
        Guards::all([
            ErrorRate::from(metrics.clone()).into(),
            Mean::from(metrics.clone()).into(),
            limit(most).into(),
        ])
    };
    let good = decide(&all(3.5), &mut trial(Share::percent(50)), 100).await;
    assert_eq!(good.verdict, Pass, "{good:?}");
    assert_eq!(good.summary, "3 guards, all within their margins");
    let mut alone = trial(Share::ALL);
    let bad = decide(&all(3.0), &mut alone, 3).await;
    assert_eq!(bad.verdict, Fail, "{bad:?}");
}

#[tokio::test]
async fn a_state_that_is_not_its_own_is_refused() {
    let metrics = MemoryMetrics::new();
    let mut trial = trial(Share::percent(50));
    trial.state = Some(bytes::Bytes::from_static(br#"{"version":9,"guards":[]}"#));
    let error = bluegreen_core::Validator::judge(&guards(&metrics, 1), &trial).await.unwrap_err();
    assert!(error.chain().contains("found a state of the format 9, wanted 1"), "{error:?}");
    let state = br#"{"version":9,"guards":{},"more":1}"#;
    trial.state = Some(bytes::Bytes::from_static(state));
    let error = bluegreen_core::Validator::judge(&guards(&metrics, 1), &trial).await.unwrap_err();
    assert!(error.chain().contains("found a state of the format 9, wanted 1"), "{error:?}");
}

#[tokio::test]
async fn what_each_knows_of_both_slots_is_left_in_numbers() {
    let metrics = MemoryMetrics::new();
    for metric in rates(2) {
        world(&metrics, &metric, START, one_in(100), one_in(10));
    }
    let [first, second] = [0, 1].map(|number| rates(2).remove(number));
    let limit = Threshold::from(metrics.clone()).named("limit").metric(second.clone()).at_most(0.5);
    let guards = Guards::all([
        ErrorRate::from(metrics.clone()).metric(first).into(),
        Mean::from(metrics).named("mean").metric(second).into(),
        limit.into(),
    ]);
    let judgements = looks(&guards, &mut trial(Share::percent(50)), 20).await;
    let state = judgements.last().and_then(|it| it.state.clone());
    let readings = Reading::of("guards", state.as_deref());
    let names: Vec<&str> = readings.iter().map(|(guard, _)| guard.as_str()).collect();
    assert_eq!(names, [ErrorRateConfig::default().name.as_str(), "mean", "limit"]);
    for (guard, reading) in &readings {
        assert!((reading.candidate.value - 0.1).abs() < 0.01, "{guard}: {reading:?}");
    }
    let (_, errors) = &readings[0];
    let live = errors.live.unwrap();
    assert_eq!((errors.verdict, errors.scale), (Fail, Scale::Share));
    assert!((live.value - 0.01).abs() < 0.005 && live.units > 1000.0, "{live:?}");
    for it in [live, errors.candidate] {
        assert!(it.lower.unwrap() < it.value && it.value < it.upper.unwrap(), "{it:?}");
    }
    assert_eq!((readings[2].1.live, readings[2].1.candidate.upper), (None, None));
}
