use std::time::Duration;

use super::*;
use crate::clock::minutes;
use crate::release::transition::tests::{START, member, record};
use crate::release::{Effect, Event, Look, Next, Reason};
use crate::{PhaseName, Plan};

/// The plan with both waits in it.
pub(in crate::release) fn grouped(mut plan: Plan) -> Plan {
    plan.barriers = [HookPoint::Shifting, HookPoint::Retiring]
        .map(|before| Barrier::before(before, "checkout", minutes(60)))
        .into();
    plan
}

/// No traffic without the first word, and no end of the old slot without the last, or somebody who
/// decides alone when the time is over.
pub(in crate::release) fn are_in_order(before: &Record, after: &Record, at: Timestamp) -> bool {
    let moves = matches!(after.phase, Phase::Shifting { .. } | Phase::Holding { .. });
    let ends = matches!(after.phase, Phase::Draining { .. } | Phase::Retiring);
    let came = before.phase.name() == PhaseName::AwaitingGroup;
    let had_ended = matches!(
        before.phase,
        Phase::Draining { .. }
            | Phase::Unpinning { .. }
            | Phase::Retiring
            | Phase::RunningHook { before: HookPoint::Retiring | HookPoint::Done, .. }
    );
    let was_bound = matches!(
        before.phase,
        Phase::AwaitingGroup { bound: true, deadline, .. } if at >= deadline || after.stuck.is_none()
    );
    let may_switch = after.group.as_ref().is_some_and(|group| group.may_switch);
    (!moves || may_switch) && (!ends || had_ended || (came && was_bound))
}

fn waiting(before: HookPoint, bound: bool) -> Record {
    let mut it = record(grouped(Plan::all_at_once()));
    it.group = Some(Box::new(member()));
    it.phase = Phase::AwaitingGroup { before, bound, deadline: START.plus(minutes(60)) };
    it
}

fn told(it: &Record, word: GroupWord) -> Option<Record> {
    it.clone().apply(Event::new(START, EventKind::Grouped { word })).ok()
}

#[test]
fn each_wait_ends_by_its_own_word_only() {
    let words = [GroupWord::Switch, GroupWord::Bind, GroupWord::Keep];
    let waits = [
        (HookPoint::Shifting, false, GroupWord::Switch, PhaseName::Shifting),
        (HookPoint::Retiring, false, GroupWord::Bind, PhaseName::AwaitingGroup),
        (HookPoint::Retiring, true, GroupWord::Keep, PhaseName::Draining),
    ];
    for (before, bound, right, next) in waits {
        for word in words {
            let after = told(&waiting(before, bound), word).map(|it| it.phase.name());
            assert_eq!(after, (word == right).then_some(next), "{before} {bound} {word:?}");
        }
    }
}

#[test]
fn one_that_is_stuck_or_paused_is_told_nothing_that_would_take_it_on() {
    let held = |before, bound, is_stuck| {
        let kind = if is_stuck {
            let (message, advice) = ("moved by hand".to_owned(), "`resume`".to_owned());
            EventKind::Stuck { message, advice }
        } else {
            EventKind::Pause { actor: "ann".into() }
        };
        waiting(before, bound).apply(Event::new(START, kind)).unwrap()
    };
    for is_stuck in [true, false] {
        let ready = held(HookPoint::Shifting, false, is_stuck);
        assert_eq!(told(&ready, GroupWord::Switch), None, "stuck: {is_stuck}");
        let baked = held(HookPoint::Retiring, false, is_stuck);
        assert_eq!(told(&baked, GroupWord::Bind), None, "stuck: {is_stuck}");
        // The decision has been made, and another one may have stayed.
        let bound = held(HookPoint::Retiring, true, is_stuck);
        let kept = told(&bound, GroupWord::Keep).map(|it| it.phase.name());
        assert_eq!(kept, Some(PhaseName::Draining), "stuck: {is_stuck}");
    }
}

#[test]
fn a_bake_ends_in_a_wait_in_which_guards_look_and_may_take_it_back() {
    let mut it = record(grouped(Plan::all_at_once().bake(minutes(30))));
    it.group = Some(Box::new(member()));
    it.phase = Phase::Baking { until: START, limit: START };
    let fine = EventKind::Looked { look: Look::default() };
    it = it.apply(Event::new(START, fine.clone())).unwrap();
    let until = START.plus(minutes(60));
    assert_eq!(it.next(), Next::Perform(Effect::Hold { until }));
    let later = it.clone().apply(Event::new(START, fine.clone())).unwrap();
    assert_eq!(later.phase, it.phase);
    let bad = Look { failed: Some("errors".to_owned()), ..Look::default() };
    let bad = it.clone().apply(Event::new(START, EventKind::Looked { look: bad })).unwrap();
    assert!(matches!(bad.phase, Phase::Returning { reason: Reason::Unfit { .. } }));
    let in_vain = it.apply(Event::new(until, fine)).unwrap();
    assert!(matches!(in_vain.phase, Phase::Returning { reason: Reason::Undecided { .. } }));
}

#[test]
fn a_bake_of_no_time_waits_for_the_group_too() {
    let mut it = record(grouped(Plan::all_at_once().bake(Duration::ZERO)));
    it.group = Some(Box::new(member()));
    it.phase = Phase::Shifting { step: 0 };
    let evidence = crate::Evidence::new(crate::EvidenceKind::Endpoints, "3 endpoints");
    it = it.apply(Event::new(START, EventKind::Shifted { evidence })).unwrap();
    assert_eq!(it.phase.name(), PhaseName::AwaitingGroup);
}

#[test]
fn one_that_is_bound_is_kept_by_somebody_only_when_its_time_is_over() {
    let promote = EventKind::Promote { actor: "ann".into() };
    let it = waiting(HookPoint::Retiring, true);
    assert!(it.clone().apply(Event::new(START, promote.clone())).is_err());
    let over = START.plus(minutes(60));
    let stuck = EventKind::Stuck { message: "no word".to_owned(), advice: String::new() };
    let it = it.apply(Event::new(over, stuck)).unwrap();
    assert_eq!(it.phase.name(), PhaseName::AwaitingGroup);
    let kept = it.clone().apply(Event::new(over, promote)).unwrap();
    assert_eq!(kept.phase.name(), PhaseName::Draining);
    // And the group's word still counts.
    let kept = told(&it, GroupWord::Keep).unwrap();
    assert_eq!((kept.phase.name(), kept.stuck), (PhaseName::Draining, None));
}

#[test]
fn a_candidate_that_changes_while_it_waits_is_judged_again() {
    let changed = EventKind::CandidateChanged { found: "another".to_owned() };
    let it = waiting(HookPoint::Shifting, false);
    let it = it.apply(Event::new(START, changed)).unwrap();
    assert_eq!((it.phase.name(), it.passed), (PhaseName::RollingOut, None));
}

#[test]
fn the_stored_form_of_a_member_is_stable_and_older_records_have_none() {
    let it = waiting(HookPoint::Retiring, true);
    let text = serde_json::to_value(&it).unwrap();
    assert_eq!(
        text["phase"],
        serde_json::json!({
            "name": "awaiting_group",
            "before": "retiring",
            "bound": true,
            "deadline": "2025-11-24T17:00:00.000Z",
        })
    );
    assert_eq!(text["group"]["run"], "one-1");
    assert_eq!(serde_json::from_value::<Record>(text).unwrap(), it);
    let alone = serde_json::to_value(record(Plan::all_at_once())).unwrap();
    assert_eq!(alone.get("group"), None);
    let old = serde_json::json!({ "name": "all", "before": "shifting" });
    assert_eq!(serde_json::from_value::<Barrier>(old).unwrap().timeout, crate::clock::days(1));
}
