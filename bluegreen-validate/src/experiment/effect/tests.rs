//! Golden values, and what is no number.

use super::*;

fn close(found: Effect, [difference, lower, upper]: [f64; 3]) {
    for (found, wanted) in
        [(found.difference, difference), (found.lower, lower), (found.upper, upper)]
    {
        assert!((found - wanted).abs() < 1e-9, "found {found}, wanted {wanted}");
    }
}

fn rate(hits: f64, units: f64) -> Moments {
    Moments::new(units, hits, hits)
}

/// From the formulas of the paper, written once more elsewhere.
#[test]
fn it_has_the_reference_values() {
    let completed = OutcomeConfig::rate("completed");
    let it = Effect::of(&completed, [&rate(760.0, 1000.0), &rate(700.0, 1000.0)], 0.05, 2500.0);
    close(it.unwrap(), [0.06, -0.006_708_163_518_526_364, 0.126_708_163_518_526_48]);
    let it = Effect::of(&completed, [&rate(0.0, 100.0), &rate(0.0, 900.0)], 0.05, 2500.0).unwrap();
    close(it, [0.0, -0.073_263_867_951_567_81, 0.073_263_867_951_567_81]);
    assert_eq!((it.candidate_units, it.live_units), (100, 900));
    let arms = [Moments::new(1000.0, 3100.0, 10_600.0), Moments::new(500.0, 1500.0, 5000.0)];
    let it = Effect::of(&OutcomeConfig::mean("score", 0.1), arms.each_ref(), 0.05, 2500.0);
    close(it.unwrap(), [0.1, -0.097_756_163_219_906_77, 0.297_756_163_219_906_94]);
}

#[test]
fn it_is_not_made_of_what_is_no_number() {
    let cost = OutcomeConfig::mean("cost", 0.1);
    let good = Moments::new(100.0, 50.0, 60.0);
    for bad in [
        Moments::default(),
        Moments::new(1.0, 1.0, 1.0),
        Moments::new(f64::NAN, 1.0, 1.0),
        Moments::new(100.0, f64::NAN, 1.0),
        Moments::new(100.0, f64::INFINITY, f64::INFINITY),
        Moments::new(100.0, 1.0, f64::INFINITY),
        Moments::new(-5.0, 1.0, 1.0),
    ] {
        for outcome in [&cost, &OutcomeConfig::rate("completed")] {
            let is_rate = outcome.kind == Kind::Rate;
            for arms in [[&bad, &good], [&good, &bad]] {
                let found = Effect::of(outcome, arms, 0.05, 2500.0);
                // A rate has no squares of its own.
                let is_fine = is_rate && bad.sum.is_finite() && bad.count >= 2.0;
                assert!(found.is_none() || is_fine, "{bad:?}: {found:?}");
            }
        }
    }
}

#[test]
fn of_values_that_are_all_the_same_nothing_is_known() {
    let same = |value: f64| Moments::new(500.0, 500.0 * value, 500.0 * value * value);
    let cost = OutcomeConfig::mean("cost", 0.1);
    let varied = Moments::new(500.0, 1000.0, 2500.0);
    for arms in
        [[same(3.0), same(2.0)], [same(0.0), same(0.0)], [same(0.1), varied], [varied, same(0.0)]]
    {
        assert_eq!(Effect::of(&cost, arms.each_ref(), 0.05, 2500.0), None, "{arms:?}");
    }
    let it = Effect::of(&cost, [&varied, &varied], 0.05, 2500.0).unwrap();
    let gain = it.gain(Better::Lower);
    assert!(gain.upper.to_bits() == (-it.lower).to_bits() && gain.lower < 0.0, "{gain:?}");
}
