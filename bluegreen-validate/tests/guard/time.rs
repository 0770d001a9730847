//! What is old decides nothing, and neither does a clock that goes back.

use bluegreen_core::Verdict::{Inconclusive, Pass};
use bluegreen_core::memory::MemoryMetrics;
use bluegreen_core::{Metric, Routing, Share};
use bluegreen_validate::{ErrorRate, Threshold};

use crate::world::{CANDIDATE, LIVE, START, Stepping, at, looks, one_in, traffic, trial, world};

/// A candidate that is good for the first two minutes, and has one unit in half a minute from then on.
fn soon_nearly_silent() -> (MemoryMetrics, Threshold) {
    let (metrics, metric) = (MemoryMetrics::new(), Metric::new("errors"));
    traffic(&metrics, &metric, CANDIDATE, START, (120, 20), one_in(100));
    for number in 0..60 {
        metrics.record(&metric, CANDIDATE, at(130 + 30 * number), 1.0);
    }
    (metrics.clone(), Threshold::from(metrics).at_most(0.05))
}

#[tokio::test]
async fn a_sample_of_another_share_is_no_pass() {
    let (_, guard) = soon_nearly_silent();
    let mut trial = trial(Share::percent(5));
    let judgements = looks(&guard, &mut trial, 9).await;
    assert_eq!(judgements[8].verdict, Pass, "{:?}", judgements[8]);
    trial.routing = Routing::all(LIVE).with_candidate(Share::percent(50));
    let judgements = looks(&guard, &mut trial, 10).await;
    for judgement in &judgements {
        assert_eq!(judgement.verdict, Inconclusive, "{judgement:?}");
    }
    let last = &judgements[9].evidence[0];
    assert_eq!((&*last.found, &*last.wanted), ("4 units of the candidate", "at least 100"));
}

#[tokio::test]
async fn an_old_sample_is_no_pass() {
    let (_, guard) = soon_nearly_silent();
    let judgements = looks(&guard, &mut trial(Share::ALL), 60).await;
    // The last sample is of the ninth look, and five minutes later it is old.
    assert_eq!(judgements[28].verdict, Pass, "{:?}", judgements[28]);
    assert!(judgements[29..].iter().all(|it| it.verdict == Inconclusive));
    let last = &judgements[59].evidence[0];
    assert_eq!(last.found, "26 units of the candidate since the last sample, 12m 45s ago");
    assert_eq!(last.wanted, "at least 100 within 5m");
}

#[tokio::test]
async fn a_clock_that_goes_back_is_named() {
    let metrics = MemoryMetrics::new();
    world(&metrics, &Metric::new("errors"), START, one_in(100), one_in(100));
    let guard = ErrorRate::from(metrics);
    let mut trial = trial(Share::percent(50));
    let judgements = looks(&guard, &mut trial, 60).await;
    assert_eq!(judgements[59].verdict, Pass);
    let known = trial.state.clone();
    trial.clock = Stepping::at(START);
    let judgement = looks(&guard, &mut trial, 1).await.remove(0);
    assert_eq!(judgement.verdict, Inconclusive, "{judgement:?}");
    assert_eq!(judgement.evidence[0].found, "a clock that says 2026-01-01T00:00:00.000Z");
    assert_eq!(judgement.evidence[0].wanted, "2026-01-01T00:14:45.000Z, the last look, or later");
    assert_eq!(trial.state, known, "the test goes on as soon as time does");
}
