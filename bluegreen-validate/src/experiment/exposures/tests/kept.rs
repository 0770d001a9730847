//! What there is room for, and what is read of what was written.

use super::*;

#[test]
fn what_there_is_no_room_for_is_refused_and_counted() {
    let it = Exposures::with_room(1);
    assert!(it.is_empty());
    it.expose("a", Color::Green, "2", at(1));
    assert_eq!(it.expose("b", Color::Green, "2", at(1)), Exposed::Refused);
    assert_eq!(it.expose("b", Color::Blue, "1", at(1)), Exposed::Refused);
    assert_eq!(it.expose("a", Color::Green, "2", at(2)), Exposed::Again);
    assert_eq!(it.expose("a", Color::Green, &"x".repeat(257), at(2)), Exposed::Refused);
    assert_eq!(it.outcome("b", "completed", 1.0, at(2)), Noted::UnknownUnit);
    assert_eq!(it.outcome("a", &"x".repeat(257), 1.0, at(2)), Noted::Refused);
    assert_eq!(it.outcome("a", "completed", 1.0, at(0)), Noted::Early);
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 2e149, -1e155] {
        assert_eq!(it.outcome("a", "completed", value, at(2)), Noted::NotANumber);
    }
    for number in 0..300 {
        it.outcome("a", &format!("metric-{number}"), 1.0, at(3));
        it.expose("a", Color::Green, &format!("version-{number}"), at(3));
    }
    let counts = it.counts();
    assert_eq!((counts.refused, counts.unknown), (3 + 45, 1));
    assert_eq!((it.len(), counts.invalid), (1, 7 + 44));
    assert_eq!(tally(&it, &cohort(Unit::User, 0, 9)).refused, counts.refused);
    assert!(!format!("{it:?}").contains("version"), "{it:?}");
}

#[test]
fn an_experiment_that_begins_has_the_room_of_what_has_no_part_in_it() {
    let week = 7 * 86_400;
    for (unit, since) in [(Unit::User, 10), (Unit::Conversation, week + 10)] {
        let it = Exposures::with_room(3);
        it.expose("a", Color::Blue, "0", at(1));
        it.outcome("a", "cost", 3.0, at(2));
        for (unit, color, version) in [("b", Color::Blue, "1"), ("c", Color::Green, "2")] {
            it.expose(unit, color, version, at(since));
            it.outcome(unit, "completed", 1.0, at(since + 1));
        }
        for number in 0..253 {
            it.expose("b", Color::Blue, &format!("once-{number}"), at(since + 1));
        }
        assert_eq!(it.expose("d", Color::Green, "2", at(since)), Exposed::Refused, "no room");
        assert_eq!(it.expose("b", Color::Blue, "new", at(since)), Exposed::Refused, "no name");
        let mut asked = cohort(unit, since, since + 100);
        asked.outcomes.push(Asked::of(&OutcomeConfig::mean("cost", 1.0)));
        let found = tally(&it, &asked);
        assert_eq!((it.len(), found.live.exposed, found.candidate.exposed), (2, 1, 1), "{unit:?}");
        assert_eq!(values(&found)[0], (1.0, 1.0));
        assert_eq!(it.expose("b", Color::Blue, "new", at(since)), Exposed::Contaminated);
        assert_eq!(it.expose("a", Color::Green, "2", at(since + 3)), Exposed::First);
        assert_eq!(it.outcome("a", "cost", 7.0, at(since + 4)), Noted::Kept);
        let found = tally(&it, &asked);
        assert_eq!(found.candidate.exposed, 2);
        assert_eq!(values(&found)[0], (1.0, 1.0));
        assert_eq!(found.candidate.outcomes["cost"].sum.to_bits(), 7.0_f64.to_bits());
        let again = Exposures::from_json(&it.to_json().unwrap()).unwrap();
        assert_eq!(tally(&again, &asked), found);
    }
}

#[test]
fn what_was_not_written_by_it_is_not_read() {
    let it = Exposures::new();
    it.expose("a", Color::Green, "2", at(1));
    it.outcome("a", "completed", 1.0, at(2));
    let good = String::from_utf8(it.to_json().unwrap()).unwrap();
    assert!(!good.contains("\"a\""), "units are not named: {good}");
    for (from, to) in [
        ("\"version\":1", "\"version\":2"),
        (",0]", ",7]"),
        ("[0,", "[9,"),
        ("\"room\":1000000", "\"room\":0"),
        ("\"mixed\"", "\"mixd\""),
        (",1.0]", ",1e150]"),
    ] {
        assert!(good.contains(from), "{from} in {good}");
        let bad = good.replacen(from, to, 1);
        let error = Exposures::from_json(bad.as_bytes()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Rejected, "{bad}");
    }
    let units = good.find("\"units\":[").unwrap() + 9;
    let end = good.rfind("],\"counts\"").unwrap();
    let twice = format!("{},{}", &good[..end], &good[units..]);
    assert!(Exposures::from_json(twice.as_bytes()).unwrap_err().chain().contains("twice"));
}

#[test]
fn a_hostile_snapshot_is_refused_or_counted_on_from() {
    let it = Exposures::new();
    it.expose("a", Color::Green, "2", at(1));
    it.outcome("a", "completed", 1.0, at(2));
    let good = String::from_utf8(it.to_json().unwrap()).unwrap();
    let outcome = &good[good.find("[[0,").unwrap() + 1..good.rfind("]}],\"counts").unwrap()];
    for (from, to) in [
        (outcome, format!("{outcome},{outcome}")),
        ("\"completed\"", format!("\"{}\"", "x".repeat(257))),
        ("\"2\"", format!("\"{}\"", "x".repeat(257))),
    ] {
        assert!(good.contains(from), "{from} in {good}");
        let error = Exposures::from_json(good.replacen(from, &to, 1).as_bytes()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Rejected, "{to}");
    }
    let counts = &good[good.find("\"counts\":").unwrap()..];
    let most = u64::MAX;
    let full = format!(
        "\"counts\":{{\"refused\":{most},\"early\":{most},\"unknown\":{most},\
         \"repeated\":{most},\"invalid\":{most}}}}}"
    );
    let full = good.replacen(counts, &full, 1).replacen("\"room\":1000000", "\"room\":1", 1);
    let it = Exposures::from_json(full.as_bytes()).unwrap();
    let before = it.counts();
    tally(&it, &cohort(Unit::User, 1, 100));
    assert_eq!(it.expose("b", Color::Green, "2", at(2)), Exposed::Refused);
    assert_eq!(it.expose("a", Color::Green, "2", at(0)), Exposed::Early);
    assert_eq!(it.outcome("b", "completed", 1.0, at(2)), Noted::UnknownUnit);
    assert_eq!(it.outcome("a", "completed", 1.0, at(2)), Noted::Replaced);
    assert_eq!(it.outcome("a", "completed", f64::NAN, at(2)), Noted::NotANumber);
    assert_eq!(it.outcome("a", "completed", 1.0, at(0)), Noted::Early);
    assert_eq!(it.counts(), before);
}
