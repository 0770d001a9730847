//! Golden values, and how often units that arrive as planned raise an alarm.

use super::*;
use crate::experiment::decide::tests::draw::{Draws, runs};

/// From a Pólya urn that predicts each unit from those before it, multiplied out in exact fractions.
#[test]
fn it_is_what_an_urn_predicts() {
    for (share, candidate, live, wanted) in [
        (0.5, 520, 480, -0.473_125_233_670_543_8),
        (0.5, 5200, 4800, 5.613_613_411_755_068),
        (0.1, 130, 870, 2.909_935_928_875_711_4),
        (0.5, 0, 0, 0.0),
        (0.5, 30, 0, 3.388_683_599_499_402_5),
        (0.9, 2600, 400, 14.596_959_901_296_941),
    ] {
        let found = log_e(share, candidate, live);
        assert!((found - wanted).abs() < 1e-9, "{share}, {candidate}, {live}: {found}");
    }
}

#[test]
fn it_says_nothing_where_there_are_no_two_arms() {
    for share in [0.0, 1.0, f64::NAN, -1.0] {
        assert_eq!(log_e(share, 100, 1).to_bits(), 0.0_f64.to_bits(), "{share}");
    }
    assert!(log_e(0.5, u64::MAX, 0).is_finite());
}

/// The share of runs of 200 looks, 64 units between two, with an alarm at 5 %.
fn alarms(count: u32, halvings: u32, seed: u64) -> f64 {
    let share = 0.5_f64.powi(i32::try_from(halvings).unwrap());
    runs(count, seed, |draws: &mut Draws| {
        let (mut candidate, mut all) = (0, 0);
        (0..200).any(|_| {
            candidate += draws.of_64(halvings);
            all += 64;
            log_e(share, candidate, all - candidate) >= 20.0_f64.ln()
        })
    })
}

#[test]
fn units_that_arrive_as_planned_seldom_raise_an_alarm() {
    for halvings in [1, 3] {
        let found = alarms(400, halvings, 1);
        assert!(found <= 0.05 + 3.0 * (0.05 * 0.95 / 400.0_f64).sqrt(), "{halvings}: {found}");
    }
}

/// Ten thousand runs: some seconds with optimisation.
#[test]
#[ignore = "takes half a minute without optimisation"]
fn ten_thousand_experiments_as_planned() {
    for halvings in [1, 2, 4] {
        let found = alarms(10_000, halvings, 20_260_101);
        println!("share 1/{}: {:.2} % false alarms", 1 << halvings, 100.0 * found);
        assert!(found <= 0.05 + 3.0 * (0.05 * 0.95 / 10_000.0_f64).sqrt(), "{halvings}: {found}");
    }
}

#[test]
fn a_twentieth_that_is_lost_is_found() {
    let mut draws = Draws::new(5);
    let (mut candidate, mut live) = (0, 0);
    let found = (1..=2000).find(|_| {
        let of = draws.of_64(1);
        live += 64 - of;
        candidate += (0..of).filter(|_| draws.unit() >= 0.05).count() as u64;
        log_e(0.5, candidate, live) >= 100.0_f64.ln()
    });
    assert!(found.is_some_and(|looks| looks < 1000), "{found:?} looks of 64 units");
}
