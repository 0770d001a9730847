use super::*;
use crate::plan::HookPoint;
use crate::release::transition::tests::{START, binding, record};
use crate::release::{Event, EventKind};
use crate::{Color, Plan};

fn baking(on_drift: OnDrift) -> Record {
    let mut record = record(Plan::all_at_once());
    record.plan.on_drift = on_drift;
    record.phase = Phase::Baking { until: START, limit: START };
    record.envelope.routing = Routing::all(Color::Green);
    record
}

fn after(record: Record, what: Drifted) -> Record {
    let mut drift = Drift::new(what, "this", "that");
    drift.by = Some("helm".to_owned());
    record.apply(Event::new(START, EventKind::Drifted { drift })).unwrap()
}

#[test]
fn whatever_the_policy_traffic_that_is_back_ends_the_release() {
    for policy in [OnDrift::Hold, OnDrift::Return, OnDrift::Accept] {
        let what = Drifted::Routing(Some(Routing::all(Color::Blue)));
        let Phase::Returning { reason } = after(baking(policy), what).phase else { panic!() };
        let found = "helm moved traffic: found this, wanted that".to_owned();
        assert_eq!(reason, Reason::External { found });
    }
}

#[test]
fn one_that_is_bound_does_not_go_back_by_itself_unless_traffic_has() {
    let bound = |policy| {
        let mut record = baking(policy);
        let before = HookPoint::Retiring;
        record.phase = Phase::AwaitingGroup { before, bound: true, deadline: START };
        record
    };
    for policy in [OnDrift::Hold, OnDrift::Return] {
        let whats =
            [Drifted::Routing(None), Drifted::Candidate(Box::new(binding())), Drifted::Size(1)];
        for what in whats {
            let held = after(bound(policy), what.clone());
            assert_eq!(held.phase, bound(policy).phase, "{policy:?}, {what:?}");
            assert!(held.stuck.is_some() || held.paused.is_some(), "{policy:?}, {what:?}");
        }
        let back = after(bound(policy), Drifted::Routing(Some(Routing::all(Color::Blue))));
        assert!(matches!(back.phase, Phase::Returning { .. }), "{policy:?}");
    }
}

#[test]
fn on_the_way_back_every_foreign_write_is_a_pause() {
    for policy in [OnDrift::Hold, OnDrift::Return, OnDrift::Accept] {
        let mut record = baking(policy);
        record.envelope.routing = Routing::all(Color::Blue);
        let reason = Reason::Unfit { message: "bad".to_owned() };
        record.phase = Phase::KeepingFailed { until: START, drain: true, reason };
        let phase = record.phase.clone();
        let record = after(record, Drifted::Routing(Some(Routing::all(Color::Green))));
        assert_eq!(record.phase, phase);
        assert!(record.stuck.unwrap().message.starts_with("helm moved traffic"));
    }
}

#[test]
fn a_pause_takes_over_what_the_candidate_is_so_that_it_comes_once() {
    let record = after(baking(OnDrift::Hold), Drifted::Size(1));
    assert_eq!(record.replicas, Some(1));
    assert_eq!(record.paused.as_ref().map(|it| it.by.to_string()).as_deref(), Some("helm"));
    let first = record.paused.clone();
    let record = after(record, Drifted::Candidate(Box::new(binding())));
    assert_eq!(record.candidate, Some(binding()));
    assert_eq!(record.paused, first, "it is the same pause");
    assert_eq!(record.stuck, None);
}

#[test]
fn without_traffic_whoever_resumes_has_it_judged_again_but_not_another_configuration() {
    let judging = || {
        let mut record = baking(OnDrift::Hold);
        record.envelope.routing = Routing::all(Color::Blue);
        record.phase = Phase::Validating { deadline: START };
        record
    };
    let mut same = binding();
    same.digest = judging().change.digest;
    let held = after(judging(), Drifted::Candidate(Box::new(same)));
    assert_eq!(held.phase, Phase::RollingOut { deadline: None });
    assert!(held.stuck.is_some_and(|stuck| stuck.advice.contains("judged again")));

    let other = after(judging(), Drifted::Candidate(Box::new(binding())));
    assert_eq!((other.phase, other.candidate), (judging().phase, None), "it is not taken over");
    assert!(other.stuck.is_some_and(|stuck| stuck.advice.starts_with("`rollback`")));
}

#[test]
fn between_two_steps_a_candidate_that_no_gate_has_seen_goes_back() {
    for policy in [OnDrift::Hold, OnDrift::Return, OnDrift::Accept] {
        let mut record = baking(policy);
        record.phase = Phase::Holding { step: 0, until: START, limit: START };
        let mut same = binding();
        same.digest = record.change.digest.clone();
        let phase = after(record, Drifted::Candidate(Box::new(same))).phase;
        assert!(matches!(phase, Phase::Returning { reason: Reason::External { .. } }), "{phase:?}");
    }
}
