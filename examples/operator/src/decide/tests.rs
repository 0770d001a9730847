use bluegreen_core::{Configuration, Container, Digest, ResolvedChange, Stuck, Timestamp};
use serde_json::{Value, json};

use super::*;

const OURS: &str = "agentrelease/agent";

fn at(second: u64) -> Timestamp {
    Timestamp::from_unix_millis(1_764_000_000_000 + second * 1000)
}

/// A record as it is stored, in this phase.
fn record(by: &str, phase: &Value) -> Record {
    let runs = |image: &str| {
        let agent = Container::new(image);
        let configuration = Configuration::new([("agent".to_owned(), agent)].into());
        json!(ResolvedChange::exactly(configuration))
    };
    let record = json!({
        "format": 1,
        "envelope": {
            "agent": "agent", "cluster": "test", "release": "r1", "live": "blue",
            "routing": {"live": "blue"}, "epoch": 1, "holder": "one",
        },
        "started": {"at": at(10), "by": by},
        "plan": {}, "change": runs("agent:2"), "baseline": runs("agent:1"),
        "phase": phase, "since": at(10), "gates": [], "guards": [], "trail": [],
    });
    serde_json::from_value(record).unwrap()
}

fn attempt(change: &str, end: Option<End>) -> Attempt {
    Attempt {
        change: change.to_owned(),
        retry: None,
        since: at(0),
        after: None,
        smoke: Vec::new(),
        release: None,
        digest: None,
        end,
        message: None,
    }
}

fn baking() -> Value {
    json!({"name": "baking", "until": at(100), "limit": at(100)})
}

fn rolled_back_phase(reason: &Value) -> Value {
    json!({"name": "done", "outcome": {"name": "rolled_back", "reason": reason}})
}

fn unfit() -> Value {
    rolled_back_phase(&json!({"name": "unfit", "message": "smoke: 500"}))
}

/// What is decided for an object that asks for `b`.
fn decided(
    change: impl Fn(&mut Facts<'_>),
    last: Option<&Attempt>,
    record: Option<&Record>,
) -> Step {
    let mut facts = Facts {
        wanted: Some("b"),
        retry: None,
        deleted: false,
        attempt: last,
        doing: Doing::Nothing,
        record,
        is_newer: false,
        is_orphan: false,
        has_other_gates: false,
        actor: OURS,
    };
    change(&mut facts);
    decide(&facts)
}

fn as_is(_: &mut Facts<'_>) {}

#[test]
fn what_was_never_tried_begins_and_what_has_ended_rests() {
    assert_eq!(decided(as_is, None, None), Step::Begin);
    for end in [End::Released, End::RolledBack, End::UpToDate, End::Blocked] {
        let last = attempt("b", Some(end));
        assert_eq!(decided(as_is, Some(&last), None), Step::Rest, "{end:?}");
        let again = |facts: &mut Facts<'_>| facts.retry = Some("1");
        assert_eq!(decided(again, Some(&last), None), Step::Begin, "{end:?}");
        let other = attempt("a", Some(end));
        assert_eq!(decided(as_is, Some(&other), None), Step::Begin, "{end:?}");
    }
    assert_eq!(decided(as_is, Some(&attempt("b", Some(End::Refused))), None), Step::Again);
    // It was about to begin when its process ended.
    assert_eq!(decided(as_is, Some(&attempt("b", None)), None), Step::Begin);
}

#[test]
fn a_release_under_way_is_followed_or_resumed() {
    let (record, last) = (record(OURS, &baking()), attempt("b", None));
    assert_eq!(decided(as_is, Some(&last), Some(&record)), Step::Resume);
    let driving = |facts: &mut Facts<'_>| facts.doing = Doing::Driving;
    assert_eq!(decided(driving, Some(&last), Some(&record)), Step::Follow);
    assert_eq!(decided(as_is, None, Some(&record)), Step::Resume, "the status was lost");
    let senseless = |facts: &mut Facts<'_>| facts.wanted = None;
    assert_eq!(decided(senseless, Some(&last), Some(&record)), Step::Resume);
    // Of one that is not known it is not known either that it is another change; once it is over, it
    // is looked at.
    let unknown = Attempt { release: Some("r1".into()), ..attempt("", None) };
    assert_eq!(decided(as_is, Some(&unknown), Some(&record)), Step::Resume);
    let unknown = attempt("", Some(End::Released));
    assert_eq!(decided(as_is, Some(&unknown), None), Step::Begin);
}

#[test]
fn another_change_takes_back_what_has_not_proved_itself_and_waits_for_what_has() {
    let last = attempt("a", None);
    for driving in [false, true] {
        let doing = if driving { Doing::Driving } else { Doing::Nothing };
        let change = |facts: &mut Facts<'_>| facts.doing = doing;
        let under_way = record(OURS, &baking());
        let step = decided(change, Some(&last), Some(&under_way));
        assert!(matches!(step, Step::Abort(_)), "{step:?}");
        let aborting = |facts: &mut Facts<'_>| {
            (facts.doing, facts.deleted) = (Doing::TakingBack, driving);
        };
        let step = decided(aborting, Some(&last), Some(&under_way));
        assert!(matches!(step, Step::Aborting(_)), "once is enough: {step:?}");
        let go_on = if driving { Step::Follow } else { Step::Resume };
        for phase in [json!({"name": "draining", "deadline": at(100)}), json!({"name": "retiring"})]
        {
            let ending = record(OURS, &phase);
            assert_eq!(decided(change, Some(&last), Some(&ending)), go_on, "{phase}");
        }
    }
    // Nothing has begun yet.
    let driving = |facts: &mut Facts<'_>| facts.doing = Doing::Driving;
    assert_eq!(decided(driving, Some(&last), None), Step::Stop);
    assert_eq!(decided(driving, Some(&attempt("b", None)), None), Step::Follow);
}

#[test]
fn a_deleted_object_goes_once_its_release_is_over() {
    let deleted = |facts: &mut Facts<'_>| facts.deleted = true;
    let last = attempt("b", None);
    assert_eq!(decided(deleted, Some(&last), None), Step::LetGo);
    assert_eq!(decided(deleted, Some(&last), Some(&record(OURS, &unfit()))), Step::LetGo);
    assert_eq!(decided(deleted, Some(&last), Some(&record("ann", &baking()))), Step::LetGo);
    let step = decided(deleted, Some(&last), Some(&record(OURS, &baking())));
    assert!(matches!(step, Step::Abort(_)), "{step:?}");
    let reason = json!({"name": "unfit", "message": "x"});
    let back = [
        json!({"name": "returning", "reason": reason}),
        json!({"name": "keeping_failed", "until": at(9), "drain": false, "reason": reason}),
        json!({"name": "draining", "deadline": at(100)}),
    ];
    for phase in back {
        let ending = record(OURS, &phase);
        assert_eq!(decided(deleted, Some(&last), Some(&ending)), Step::Resume, "{phase}");
    }
    let queued = |facts: &mut Facts<'_>| (facts.deleted, facts.doing) = (true, Doing::Driving);
    assert_eq!(decided(queued, Some(&last), None), Step::Stop);
}

#[test]
fn what_waits_to_begin_after_a_way_back_does_not_begin_for_a_deleted_object() {
    let reason = json!({"name": "unfit", "message": "x"});
    let beginning = |facts: &mut Facts<'_>| (facts.deleted, facts.doing) = (true, Doing::Beginning);
    let resuming = |facts: &mut Facts<'_>| (facts.deleted, facts.doing) = (true, Doing::Driving);
    let of = |release: &str| Attempt { release: Some(release.into()), ..attempt("b", None) };
    for phase in [
        json!({"name": "keeping_failed", "until": at(9), "drain": false, "reason": reason}),
        json!({"name": "restoring", "reason": reason}),
    ] {
        let back = record(OURS, &phase);
        for last in [attempt("b", None), of("r0")] {
            assert_eq!(decided(beginning, Some(&last), Some(&back)), Step::Stop, "{last:?}");
            // What goes on with the way back is at what there is to do.
            assert_eq!(decided(resuming, Some(&last), Some(&back)), Step::Follow, "{last:?}");
        }
        let its_own = of("r1");
        assert_eq!(decided(beginning, Some(&its_own), Some(&back)), Step::Follow);
    }
}

#[test]
fn a_failed_candidate_that_is_kept_makes_way_for_another_change_or_try() {
    let reason = json!({"name": "unfit", "message": "x"});
    let phase = json!({"name": "keeping_failed", "until": at(9), "drain": false, "reason": reason});
    let kept = record(OURS, &phase);
    let its_own = |change: &str| Attempt { release: Some("r1".into()), ..attempt(change, None) };
    assert_eq!(decided(as_is, Some(&its_own("b")), Some(&kept)), Step::Resume);
    assert_eq!(decided(as_is, None, Some(&kept)), Step::Resume, "the status was lost");
    assert_eq!(decided(as_is, Some(&its_own("a")), Some(&kept)), Step::Begin);
    let again = |facts: &mut Facts<'_>| facts.retry = Some("1");
    assert_eq!(decided(again, Some(&its_own("b")), Some(&kept)), Step::Begin);
}

#[test]
fn what_follows_a_failed_candidate_is_tried_again_when_its_beginning_failed() {
    let reason = json!({"name": "unfit", "message": "x"});
    let phase = json!({"name": "keeping_failed", "until": at(9), "drain": false, "reason": reason});
    let kept = record(OURS, &phase);
    // It has no release yet, and the one that is kept is that of another change.
    let due = attempt("b", None);
    assert_eq!(decided(as_is, Some(&due), Some(&kept)), Step::Begin);
    let driving = |facts: &mut Facts<'_>| facts.doing = Doing::Driving;
    assert_eq!(decided(driving, Some(&due), Some(&kept)), Step::Follow, "it is at it");
    // What needs no release waits for nothing.
    for end in [End::UpToDate, End::Blocked] {
        assert_eq!(decided(as_is, Some(&attempt("b", Some(end))), Some(&kept)), Step::Resume);
    }
}

#[test]
fn what_a_newer_version_has_written_is_left_to_it() {
    for deleted in [false, true] {
        let newer = |facts: &mut Facts<'_>| (facts.is_newer, facts.deleted) = (true, deleted);
        for last in [None, Some(attempt("a", None)), Some(attempt("b", Some(End::Released)))] {
            assert_eq!(decided(newer, last.as_ref(), None), Step::Newer, "{last:?}");
        }
        let queued = |facts: &mut Facts<'_>| {
            newer(facts);
            facts.doing = Doing::Driving;
        };
        assert_eq!(decided(queued, Some(&attempt("b", None)), None), Step::Stop);
    }
}

#[test]
fn somebody_elses_release_is_waited_for() {
    let record = record("ann", &baking());
    assert_eq!(decided(as_is, None, Some(&record)), Step::Busy);
    assert_eq!(decided(as_is, Some(&attempt("a", None)), Some(&record)), Step::Busy);
    let driving = |facts: &mut Facts<'_>| facts.doing = Doing::Driving;
    assert_eq!(decided(driving, None, Some(&record)), Step::Stop);
}

#[test]
fn a_release_whose_object_is_gone_is_taken_back_or_ends() {
    let orphan = |facts: &mut Facts<'_>| facts.is_orphan = true;
    let of = |phase: &Value| record("agentrelease/gone", phase);
    assert_eq!(decided(as_is, None, Some(&of(&baking()))), Step::Busy, "it is not gone");
    for last in [None, Some(attempt("b", Some(End::Released))), Some(attempt("a", None))] {
        let step = decided(orphan, last.as_ref(), Some(&of(&baking())));
        assert!(matches!(step, Step::Abort(_)), "{step:?}");
        let reason = json!({"name": "unfit", "message": "x"});
        let returning = json!({"name": "returning", "reason": reason});
        assert_eq!(decided(orphan, last.as_ref(), Some(&of(&returning))), Step::Resume);
        let kept =
            json!({"name": "keeping_failed", "until": at(9), "drain": false, "reason": reason});
        assert_eq!(decided(orphan, last.as_ref(), Some(&of(&kept))), Step::Begin);
        assert_eq!(
            decided(orphan, last.as_ref(), Some(&of(&json!({"name": "retiring"})))),
            Step::Resume
        );
    }
}

#[test]
fn a_release_whose_gates_are_not_known_is_taken_back_or_ends() {
    let other = |facts: &mut Facts<'_>| facts.has_other_gates = true;
    let unknown = Attempt { release: Some("r1".into()), ..attempt("", None) };
    for last in [None, Some(unknown)] {
        let step = decided(other, last.as_ref(), Some(&record(OURS, &baking())));
        assert!(matches!(step, Step::Abort(_)), "{step:?}");
        let retiring = record(OURS, &json!({"name": "retiring"}));
        assert_eq!(decided(other, last.as_ref(), Some(&retiring)), Step::Resume);
    }
}

#[test]
fn a_release_that_is_stuck_goes_on_when_somebody_says_so() {
    let mut stuck = record(OURS, &baking());
    stuck.stuck = Some(Stuck::new(PhaseName::Baking, "no answer", "look"));
    let last = attempt("b", None);
    assert_eq!(decided(as_is, Some(&last), Some(&stuck)), Step::Stuck);
    let again = |facts: &mut Facts<'_>| facts.retry = Some("1");
    assert_eq!(decided(again, Some(&last), Some(&stuck)), Step::Resume);
    // On the way back nobody has to say anything.
    let reason = json!({"name": "unfit", "message": "x"});
    let mut back = record(OURS, &json!({"name": "returning", "reason": reason}));
    back.stuck = stuck.stuck.clone();
    assert_eq!(decided(as_is, Some(&last), Some(&back)), Step::Resume);
}

#[test]
fn only_the_last_release_of_a_digest_speaks_against_it() {
    let digest = record("ann", &unfit()).change.digest.to_string();
    let history = |phases: &[Value]| -> Vec<Record> {
        phases.iter().map(|phase| record("ann", phase)).collect()
    };
    let rolled_back =
        |history: &[Record], digest: &str| rolled_back(&history.iter().collect::<Vec<_>>(), digest);
    let released = json!({"name": "done", "outcome": {"name": "released"}});
    let refused = json!({"name": "done", "outcome": {"name": "refused", "problems": []}});
    let found = |phases: &[Value]| rolled_back(&history(phases), &digest).is_some();
    assert!(found(&[unfit()]) && found(&[unfit(), released.clone()]));
    assert!(found(&[refused, unfit()]), "nothing was touched by the refused one");
    assert!(!found(&[released, unfit()]) && !found(&[]));
    assert!(rolled_back(&history(&[unfit()]), Digest::of(["x"]).as_str()).is_none());
    let by =
        |actor: &str| rolled_back_phase(&json!({"name": "aborted", "actor": actor, "reason": "x"}));
    assert!(found(&[by("ann")]) && !found(&[by(OURS)]));
}
