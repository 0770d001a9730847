//! Guards on what the program observes itself.

use std::ops::Range;
use std::time::Duration;

use bluegreen_core::Verdict::{Fail, Inconclusive, Pass};
use bluegreen_core::{Color, Judgement, Share, Timestamp, Validator};
use bluegreen_validate::{Mean, Observations, Quantile};

use crate::world::{CANDIDATE, LIVE, START, looks, trial};

/// For how many seconds live has had traffic before the first look.
const BEFORE: u64 = 3900;

/// Numbers from 0 to 1 without a pattern.
fn place(number: u64) -> f64 {
    let mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
    let mixed = mixed.wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 40;
    f64::from(u32::try_from(mixed).unwrap()) / f64::from(1_u32 << 24)
}

/// Live has had traffic for longer than is kept, and from the start on both have. What is decided within
/// so many looks, each made while a second is running.
async fn decided<G: Validator>(
    guard: impl Fn(Observations) -> G,
    metric: &str,
    value: impl Fn(f64) -> f64,
    factor: f64,
) -> Judgement {
    let observations = Observations::new();
    let record = |seconds: Range<u64>, slot: Color, each: u64, factor: f64| {
        let from = Timestamp::from_unix_millis(START.unix_millis() - BEFORE * 1000);
        let of_slot = if slot == LIVE { 0 } else { 1_000_000 };
        for number in seconds.start * each..seconds.end * each {
            let at = from.plus(Duration::from_millis(1000 * number / each + 1));
            observations.record(metric, slot, at, factor * value(place(of_slot + number)));
        }
    };
    record(0..BEFORE + 1, LIVE, 2, 1.0);
    let (guard, mut trial) = (guard(observations.clone()), trial(Share::percent(50)));
    let mut judgement = looks(&guard, &mut trial, 1).await.remove(0);
    for look in 1..50 {
        let since = BEFORE + 1 + 15 * (look - 1);
        record(since..since + 15, LIVE, 20, 1.0);
        record(since..since + 15, CANDIDATE, 20, factor);
        judgement = looks(&guard, &mut trial, 1).await.remove(0);
        if judgement.verdict != Inconclusive {
            break;
        }
    }
    judgement
}

/// Over 25 powers of two there are 800 buckets.
fn of_all_sizes(place: f64) -> f64 {
    (25.0 * place - 10.0).exp2()
}

/// A latency from a tenth of a second on, a few of them minutes.
fn latency(place: f64) -> f64 {
    0.1 / (1.001 - place).powf(0.7)
}

#[tokio::test]
async fn a_quantile_of_what_was_observed_is_decided() {
    for (factor, wanted) in [(1.0, Pass), (1.6, Fail)] {
        let guard = |source| Quantile::from(source).quantile(0.9);
        let judgement = decided(guard, "latency", latency, factor).await;
        assert_eq!(judgement.verdict, wanted, "{factor}: {judgement:?}");
    }
}

#[tokio::test]
async fn a_quantile_of_values_of_all_sizes_is_decided() {
    let guard = |source| Quantile::from(source).quantile(0.5).ratio(64.0);
    for (factor, wanted) in [(1.0, Pass), (1e4, Fail)] {
        let judgement = decided(guard, "latency", of_all_sizes, factor).await;
        assert_eq!(judgement.verdict, wanted, "{factor}: {judgement:?}");
    }
}

#[tokio::test]
async fn a_mean_of_values_of_all_sizes_is_decided() {
    for (factor, wanted) in [(1.0, Pass), (1.6, Fail)] {
        let judgement = decided(Mean::from, "cost", of_all_sizes, factor).await;
        assert_eq!(judgement.verdict, wanted, "{factor}: {judgement:?}");
    }
}
