//! What can't be believed.

use super::*;

fn tally(exposed: u64, moments: Moments) -> Tally {
    let outcomes = [("completed".to_owned(), moments)].into();
    let arm = ArmTally { exposed, contaminated: 10, outcomes, ..ArmTally::default() };
    Tally { live: arm.clone(), candidate: arm, ..Tally::default() }
}

#[test]
fn numbers_that_cannot_be_are_doubted() {
    let (rate, mean) = (OutcomeConfig::rate("completed"), OutcomeConfig::mean("completed", 1.0));
    let good = tally(110, Moments::new(100.0, 30.0, 30.0));
    assert_eq!(good.doubt(&rate), None);
    assert_eq!(good.doubt(&mean), None);
    assert_eq!(Tally::default().doubt(&rate), None, "nothing is nothing to doubt");
    for (moments, found) in [
        (Moments::new(101.0, 30.0, 30.0), "101 values of completed of the candidate"),
        (Moments::new(-1.0, 0.0, 0.0), "-1 values of completed of the candidate"),
        (Moments::new(f64::NAN, 0.0, 0.0), "NaN values of completed of the candidate"),
        (Moments::new(0.5, 0.0, 0.0), "0.5 values of completed of the candidate"),
        (Moments::new(100.0, f64::NAN, 1.0), "a sum of NaN with squares of 1"),
        (Moments::new(100.0, 1.0, f64::INFINITY), "a sum of 1 with squares of inf"),
        (Moments::new(100.0, 90.0, 1.0), "with a sum of 90"),
    ] {
        let [told, _] = tally(110, moments).doubt(&mean).unwrap_or_default();
        assert!(told.contains(found), "{moments:?}: {told}");
        assert!(tally(110, moments).doubt(&rate).is_some(), "{moments:?}");
    }
    for moments in [
        Moments::new(100.0, 101.0, 101.0),
        Moments::new(100.0, -1.0, -1.0),
        Moments::new(100.0, 30.0, 15.0),
    ] {
        let [_, wanted] = tally(110, moments).doubt(&rate).unwrap();
        assert_eq!(wanted, "0 or 1 for each of 100 units", "{moments:?}");
    }
    assert_eq!(good.contradiction(), None);
    let [found, _] = tally(9, Moments::default()).contradiction().unwrap();
    assert_eq!(found, "10 contaminated units of the candidate");
}

#[test]
fn a_mean_waits_for_values_that_are_not_all_the_same() {
    let (rate, mean) = (OutcomeConfig::rate("completed"), OutcomeConfig::mean("completed", 1.0));
    let mut told = tally(210, Moments::new(200.0, 30.0, 30.0));
    assert_eq!(told.sameness(&rate), None);
    let [found, wanted] = told.sameness(&mean).unwrap();
    assert_eq!(found, "no number of units of the candidate");
    assert_eq!(wanted, "at least 50 of each whose completed is another than that of most units");
    told.candidate.varied.insert("completed".to_owned(), 50);
    told.live.varied.insert("completed".to_owned(), 49);
    assert_eq!(told.sameness(&mean).unwrap()[0], "49 of 200 units of live");
    told.live.varied.insert("completed".to_owned(), 50);
    assert_eq!(told.sameness(&mean), None);
    assert_eq!(Tally::default().sameness(&mean), None, "of nobody nothing is the same");
    told.live.varied.insert("completed".to_owned(), 200);
    let [found, wanted] = told.doubt(&mean).unwrap();
    assert_eq!(found, "200 values that most units do not have of completed of live");
    assert_eq!(wanted, "fewer than 200, of all units");
}
