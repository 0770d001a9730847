//! Who belongs where, what counts, and what is kept.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::experiment::{Arm, Asked, Missing, OutcomeConfig, Unit};

mod kept;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix_millis(1_767_225_600_000 + 1000 * seconds)
}

fn cohort(unit: Unit, since: u64, until: u64) -> Cohort {
    let arm = |color: Color, version: &str| Arm::new(color, Some(version.to_owned()));
    Cohort {
        unit,
        candidate: arm(Color::Green, "2"),
        live: arm(Color::Blue, "1"),
        since: at(since),
        until: at(until),
        outcomes: vec![Asked::of(&OutcomeConfig::rate("completed"))],
    }
}

fn tally(exposures: &Exposures, cohort: &Cohort) -> Tally {
    count::tally(&mut exposures.lock(), cohort)
}

fn values(tally: &Tally) -> [(f64, f64); 2] {
    tally.moments("completed").map(|it| (it.count, it.sum))
}

#[test]
fn late_outcomes_belong_to_the_first_exposure() {
    let it = Exposures::new();
    assert_eq!(it.expose("a", Color::Green, "2", at(1)), Exposed::First);
    assert_eq!(it.expose("a", Color::Green, "2", at(2)), Exposed::Again);
    assert_eq!(it.expose("b", Color::Blue, "1", at(2)), Exposed::First);
    assert_eq!(it.outcome("a", "completed", 1.0, at(80_000)), Noted::Kept);
    let found = tally(&it, &cohort(Unit::Conversation, 0, 100));
    assert_eq!((found.candidate.exposed, found.live.exposed), (1, 1));
    assert_eq!(values(&found), [(0.0, 0.0); 2], "not yet");
    let found = tally(&it, &cohort(Unit::Conversation, 0, 90_000));
    assert_eq!(values(&found), [(1.0, 1.0), (0.0, 0.0)]);
}

#[test]
fn of_several_outcomes_the_latest_counts_once() {
    let it = Exposures::new();
    it.expose("a", Color::Green, "2", at(1));
    assert_eq!(it.outcome("a", "completed", 1.0, at(10)), Noted::Kept);
    assert_eq!(it.outcome("a", "completed", 1.0, at(10)), Noted::Replaced);
    assert_eq!(it.outcome("a", "completed", 0.0, at(20)), Noted::Replaced);
    assert_eq!(it.outcome("a", "completed", 1.0, at(15)), Noted::Outdated);
    assert_eq!(values(&tally(&it, &cohort(Unit::User, 0, 100))), [(1.0, 0.0), (0.0, 0.0)]);
    assert_eq!(it.counts().repeated, 3);
}

#[test]
fn a_unit_on_both_versions_is_left_out_and_counted_where_it_was_first() {
    let it = Exposures::new();
    // The earlier exposure is told of later.
    assert_eq!(it.expose("a", Color::Blue, "1", at(5)), Exposed::First);
    assert_eq!(it.expose("a", Color::Green, "2", at(3)), Exposed::Contaminated);
    assert_eq!(it.expose("a", Color::Blue, "1", at(9)), Exposed::Contaminated);
    it.outcome("a", "completed", 1.0, at(10));
    let found = tally(&it, &cohort(Unit::User, 0, 100));
    assert_eq!((found.candidate.exposed, found.candidate.contaminated), (1, 1));
    assert_eq!(found.live.exposed, 0);
    assert_eq!(values(&found), [(0.0, 0.0); 2]);
}

#[test]
fn another_version_is_no_arm_of_it() {
    let it = Exposures::new();
    it.expose("a", Color::Green, "3", at(1));
    it.expose("b", Color::Blue, "2", at(1));
    let found = tally(&it, &cohort(Unit::User, 0, 100));
    assert_eq!((found.foreign, found.exposed()), (2, 0));
    let named: Vec<String> = found.strangers.iter().map(ToString::to_string).collect();
    assert_eq!(named, ["3 on green", "2 on blue"]);
    it.expose("c", Color::Blue, "2", at(1));
    let found = tally(&it, &cohort(Unit::User, 0, 100));
    assert_eq!(found.strangers[0], Arm::new(Color::Blue, Some("2".to_owned())));
    let mut any = cohort(Unit::User, 0, 100);
    (any.candidate.version, any.live.version) = (None, None);
    let found = tally(&it, &any);
    assert_eq!((found.exposed(), found.strangers), (3, Vec::new()));
}

#[test]
fn conversations_under_way_have_no_part_and_users_begin_anew() {
    for (unit, exposed) in [(Unit::Conversation, 0), (Unit::User, 1)] {
        let it = Exposures::new();
        it.expose("a", Color::Blue, "1", at(5));
        it.outcome("a", "completed", 1.0, at(6));
        let asked = cohort(unit, 10, 100);
        assert_eq!(tally(&it, &asked).exposed(), 0, "it came before");
        let told = it.expose("a", Color::Green, "2", at(20));
        assert_eq!(told == Exposed::First, unit == Unit::User, "{told:?}");
        let found = tally(&it, &asked);
        assert_eq!(found.candidate.exposed, exposed, "{unit:?}");
        assert_eq!(found.contaminated(), 0);
        let told = it.expose("b", Color::Blue, "1", at(9));
        assert_eq!(told == Exposed::Early, unit == Unit::User, "{told:?}");
        assert_eq!(tally(&it, &asked).live.exposed, 0);
    }
}

#[test]
fn units_settle_before_they_count_and_nothing_may_be_zero() {
    let it = Exposures::new();
    for (unit, seconds) in [("a", 0), ("b", 50), ("c", 0)] {
        it.expose(unit, Color::Green, "2", at(seconds));
    }
    it.outcome("a", "completed", 1.0, at(10));
    it.outcome("b", "completed", 1.0, at(60));
    let mut asked = cohort(Unit::User, 0, 99);
    asked.outcomes[0].settle = Duration::from_mins(1);
    assert_eq!(values(&tally(&it, &asked))[0], (1.0, 1.0));
    asked.outcomes[0].missing = Missing::Zero;
    assert_eq!(values(&tally(&it, &asked))[0], (2.0, 1.0), "c has not completed");
    asked.until = at(110);
    assert_eq!(values(&tally(&it, &asked))[0], (3.0, 2.0));
}

/// Something that a host program tells.
#[derive(Clone, Debug)]
enum Told {
    Expose(u8, bool, u64),
    Outcome(u8, bool, u64),
}

fn told() -> impl Strategy<Value = Told> {
    prop_oneof![
        (0..12_u8, any::<bool>(), 0..200_u64).prop_map(|(u, c, t)| Told::Expose(u, c, t)),
        (0..12_u8, any::<bool>(), 0..200_u64).prop_map(|(u, v, t)| Told::Outcome(u, v, t)),
    ]
}

fn tell(it: &Exposures, what: &Told) {
    match what {
        Told::Expose(unit, true, time) => {
            it.expose(&unit.to_string(), Color::Green, "2", at(*time));
        }
        Told::Expose(unit, false, time) => {
            it.expose(&unit.to_string(), Color::Blue, "1", at(*time));
        }
        Told::Outcome(unit, value, time) => {
            let value = if *value { 1.0 } else { 0.0 };
            it.outcome(&unit.to_string(), "completed", value, at(*time));
        }
    }
}

proptest! {
    /// Exposures in any order come to the same arms, and whatever is told a restart changes nothing.
    #[test]
    fn a_restart_anywhere_changes_nothing(
        all in proptest::collection::vec(told(), 0..60),
        cut in 0..60_usize,
        since in 0..100_u64,
        user in any::<bool>(),
    ) {
        let unit = if user { Unit::User } else { Unit::Conversation };
        let asked = cohort(unit, since, 150);
        let (one, mut two) = (Exposures::new(), Exposures::new());
        for (place, what) in all.iter().enumerate() {
            if place == cut {
                prop_assert_eq!(tally(&one, &asked), tally(&two, &asked));
                two = Exposures::from_json(&two.to_json().unwrap()).unwrap();
            }
            tell(&one, what);
            tell(&two, what);
        }
        prop_assert_eq!(tally(&one, &asked), tally(&two, &asked));
        prop_assert_eq!(one.to_json().unwrap(), two.to_json().unwrap());
    }

    /// Against the rules, written down once more without any cleverness.
    #[test]
    fn it_keeps_the_rules(all in proptest::collection::vec(told(), 0..60), since in 0..100_u64) {
        let it = Exposures::new();
        let mut seen: BTreeMap<u8, Vec<(u64, bool)>> = BTreeMap::new();
        for what in &all {
            tell(&it, what);
            if let Told::Expose(unit, candidate, time) = what {
                seen.entry(*unit).or_default().push((*time, *candidate));
            }
        }
        let found = tally(&it, &cohort(Unit::Conversation, since, 150));
        let (mut exposed, mut contaminated) = ([0, 0], [0, 0]);
        for times in seen.values() {
            // Of two at the same time the one that was told first.
            let (time, candidate) = times.iter().min_by_key(|(time, _)| *time).unwrap();
            if (since..=150).contains(time) {
                let arm = usize::from(!candidate);
                exposed[arm] += 1;
                contaminated[arm] += u64::from(times.iter().any(|(_, it)| it != candidate));
            }
        }
        prop_assert_eq!([found.candidate.exposed, found.live.exposed], exposed);
        prop_assert_eq!([found.candidate.contaminated, found.live.contaminated], contaminated);
        for arm in [&found.candidate, &found.live] {
            let moments = arm.outcomes["completed"];
            let clean = u32::try_from(arm.exposed - arm.contaminated).unwrap();
            prop_assert!(moments.count <= f64::from(clean));
        }
    }
}

#[test]
fn it_tells_how_many_values_are_not_the_most_frequent_one() {
    let it = Exposures::new();
    let values = [0.0, -0.0, 0.0, 7.0, 0.0, 0.0, 9.0, 0.0, 7.0, 0.0];
    for (number, value) in values.into_iter().enumerate() {
        it.expose(&number.to_string(), Color::Green, "2", at(1));
        it.outcome(&number.to_string(), "completed", value, at(2));
    }
    let found = tally(&it, &cohort(Unit::User, 0, 100));
    assert_eq!((found.candidate.varied["completed"], found.live.varied["completed"]), (3, 0));
}

#[test]
fn a_rate_is_0_or_1_once_it_was_asked_for() {
    let it = Exposures::new();
    it.expose("a", Color::Green, "2", at(1));
    assert_eq!(it.outcome("a", "completed", 0.5, at(2)), Noted::Kept, "who knows what it is");
    let mut asked = cohort(Unit::User, 0, 100);
    assert_eq!(values(&tally(&it, &asked))[0], (1.0, 0.5));
    assert_eq!(it.outcome("a", "completed", 0.5, at(3)), Noted::NotARate);
    assert_eq!(it.outcome("a", "cost", 0.5, at(3)), Noted::Kept);
    assert_eq!(it.outcome("a", "completed", 1.0, at(3)), Noted::Replaced);
    assert_eq!(it.counts().invalid, 1);
    asked.outcomes[0].kind = crate::experiment::Kind::Mean;
    tally(&it, &asked);
    assert_eq!(it.outcome("a", "completed", 0.5, at(4)), Noted::Replaced);
}
