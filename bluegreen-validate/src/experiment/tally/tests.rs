//! What can't be believed.

use super::*;

fn tally(exposed: u64, moments: Moments) -> Tally {
    let outcomes = [("completed".to_owned(), moments)].into();
    let arm = ArmTally { exposed, contaminated: 10, outcomes };
    Tally { live: arm.clone(), candidate: arm, ..Tally::default() }
}

#[test]
fn numbers_that_cannot_be_are_doubted() {
    let (rate, mean) = (OutcomeConfig::rate("completed"), OutcomeConfig::mean("completed", 1.0));
    let good = tally(110, Moments::new(100.0, 30.0, 30.0));
    assert_eq!(good.doubt_of(&rate), None);
    assert_eq!(good.doubt_of(&mean), None);
    assert_eq!(Tally::default().doubt_of(&rate), None, "nothing is nothing to doubt");
    for (moments, found) in [
        (Moments::new(101.0, 30.0, 30.0), "101 values of completed of the candidate"),
        (Moments::new(-1.0, 0.0, 0.0), "-1 values of completed of the candidate"),
        (Moments::new(f64::NAN, 0.0, 0.0), "NaN values of completed of the candidate"),
        (Moments::new(0.5, 0.0, 0.0), "0.5 values of completed of the candidate"),
        (Moments::new(100.0, f64::NAN, 1.0), "a sum of NaN with squares of 1"),
        (Moments::new(100.0, 1.0, f64::INFINITY), "a sum of 1 with squares of inf"),
        (Moments::new(100.0, 90.0, 1.0), "with a sum of 90"),
    ] {
        let [told, _] = tally(110, moments).doubt_of(&mean).unwrap_or_default();
        assert!(told.contains(found), "{moments:?}: {told}");
        assert!(tally(110, moments).doubt_of(&rate).is_some(), "{moments:?}");
    }
    for moments in [
        Moments::new(100.0, 101.0, 101.0),
        Moments::new(100.0, -1.0, -1.0),
        Moments::new(100.0, 30.0, 15.0),
    ] {
        let [_, wanted] = tally(110, moments).doubt_of(&rate).unwrap();
        assert_eq!(wanted, "0 or 1 for each of 100 units", "{moments:?}");
    }
    let [found, _] = tally(9, Moments::default()).doubt().unwrap();
    assert_eq!(found, "10 contaminated units of the candidate");
}
