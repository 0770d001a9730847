use super::*;
use crate::plan::{Freeze, Hook};
use crate::release::transition::tests::{START, binding, record};
use crate::release::{Effect, Event, EventKind, Next, Wait};
use crate::{MAX_HOOK_LOG, MAX_RECORD, Outcome, Plan};

const POINTS: [HookPoint; 4] =
    [HookPoint::Deploying, HookPoint::Shifting, HookPoint::Retiring, HookPoint::Done];

/// A plan with two hooks at each point, given in no order.
fn plan() -> Plan {
    let hooks = POINTS.into_iter().rev().flat_map(|point| {
        let name = |number| format!("{}-{number}", name(point));
        [1, 2].map(|number| Hook::before(point, name(number), "job"))
    });
    hooks.fold(Plan::all_at_once().bake(std::time::Duration::ZERO), Plan::hook)
}

/// The plan with a hook at each point.
pub(in crate::release) fn hooked(plan: Plan) -> Plan {
    POINTS.into_iter().fold(plan, |plan, point| plan.hook(Hook::before(point, name(point), "job")))
}

/// What takes something away runs only once the old slot is gone, and no hook succeeds twice.
pub(in crate::release) fn are_in_order(record: &Record, is_gone: bool) -> bool {
    let contracts = matches!(
        &record.phase,
        Phase::RunningHook { before: HookPoint::Done, deadline: Some(_), .. }
    );
    let times = |name: &str| {
        let well = record.hooks.iter().filter(|it| it.hook == name && it.is_success());
        well.count()
    };
    (!contracts || is_gone) && record.plan.hooks.iter().all(|hook| times(&hook.name) <= 1)
}

fn name(point: HookPoint) -> String {
    serde_json::to_value(point).unwrap().as_str().unwrap().to_owned()
}

/// What comes of an effect when all goes well.
fn well(effect: &Effect) -> EventKind {
    let evidence = crate::Evidence::new(crate::EvidenceKind::Endpoints, "3 endpoints");
    match effect {
        Effect::Check => EventKind::Checked,
        Effect::AwaitEmpty { .. } => EventKind::Emptied,
        Effect::RunHook { .. } => EventKind::HookEnded { outcome: HookOutcome::Succeeded },
        Effect::Deploy => EventKind::Deployed { replicas: 3 },
        Effect::AwaitReady { .. } => EventKind::Ready { binding: binding() },
        Effect::Judge { .. } => EventKind::Passed,
        Effect::AwaitThaw { .. } => EventKind::Thawed,
        Effect::Shift { .. } => EventKind::Shifted { evidence },
        Effect::Drain { .. } => EventKind::Drained { note: "quiet".to_owned(), expired: false },
        Effect::Retire { .. } => EventKind::Retired,
        other => panic!("not on the good way: {other:?}"),
    }
}

/// The release as it is once it runs the first hook of this point.
fn at(point: HookPoint) -> Record {
    let mut record = record(plan());
    while !matches!(&record.phase, Phase::RunningHook { before, deadline: Some(_), .. } if *before == point)
    {
        let Next::Perform(effect) = record.next() else { panic!("{:?}", record.next()) };
        record = record.apply(Event::new(START, well(&effect))).unwrap();
    }
    record
}

fn failed(record: Record, log: &str) -> Record {
    let outcome = HookOutcome::failed("exit code 1", log);
    record.apply(Event::new(START, EventKind::HookEnded { outcome })).unwrap()
}

#[test]
fn hooks_run_at_their_points_in_the_order_of_the_plan() {
    let mut record = record(plan());
    let mut seen = Vec::new();
    let outcome = loop {
        let effect = match record.next() {
            Next::Finish(outcome) => break outcome,
            Next::Perform(effect) => effect,
            Next::Wait(wait) => panic!("{wait:?}"),
        };
        seen.push(match &effect {
            Effect::RunHook { hook, attempt: 1, .. } => record.plan.hooks[*hook].name.clone(),
            other => format!("{other:?}").split([' ', '{']).next().unwrap().to_owned(),
        });
        record = record.apply(Event::new(START, well(&effect))).unwrap();
    };
    assert_eq!(outcome, Outcome::Released);
    let wanted = "Check deploying-1 deploying-2 Deploy AwaitReady Judge shifting-1 shifting-2 Shift \
                  Drain retiring-1 retiring-2 Retire AwaitEmpty done-1 AwaitEmpty done-2";
    assert_eq!(seen.join(" "), wanted);
    assert_eq!(record.hooks.len(), 8);
    assert!(record.hooks.iter().all(HookResult::is_success));
}

#[test]
fn one_that_fails_before_the_deploy_ends_the_release() {
    let record = failed(at(HookPoint::Deploying), "no such table");
    let Phase::Done { outcome: Outcome::RolledBack { reason } } = &record.phase else {
        panic!("{:?}", record.phase);
    };
    assert_eq!(reason.to_string(), "failed: hook deploying-1, attempt 1: exit code 1");
    assert!(record.hooks[0].to_string().ends_with("exit code 1\n  | no such table"));
    let text = serde_json::to_string(&record).unwrap();
    assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record);
}

#[test]
fn one_that_fails_before_the_first_traffic_is_as_a_gate_that_fails() {
    let record = failed(at(HookPoint::Shifting), "");
    let Phase::KeepingFailed { drain: false, .. } = record.phase else {
        panic!("{:?}", record.phase);
    };
}

#[test]
fn one_that_fails_later_waits_and_is_tried_anew_or_passed_over() {
    for (point, next) in [(HookPoint::Retiring, "retiring-2"), (HookPoint::Done, "done-2")] {
        let early = at(point).apply(Event::new(START, EventKind::Promote { actor: "ann".into() }));
        assert!(early.is_err(), "what has not failed is not passed over");
        let stuck = failed(at(point), "");
        let Next::Wait(Wait::Stuck(why)) = stuck.next() else { panic!("{:?}", stuck.next()) };
        assert!(why.message.contains("attempt 1: exit code 1"), "{why}");

        let again =
            stuck.clone().apply(Event::new(START, EventKind::Resume { actor: "ann".into() }));
        let again = again.unwrap();
        let Phase::RunningHook { attempt: 2, deadline, .. } = again.phase else {
            panic!("{:?}", again.phase);
        };
        // Somebody may have brought pods of the old slot back.
        assert_eq!(deadline.is_none(), point == HookPoint::Done);

        let promote = EventKind::Promote { actor: "ann".into() };
        let passed = stuck.apply(Event::new(START, promote)).unwrap();
        assert_eq!(passed.running_hook(), Some(next));
        assert!(passed.stuck.is_none());
    }
}

#[test]
fn an_attempt_that_has_not_ended_is_followed_when_resumed() {
    let before = at(HookPoint::Retiring);
    let later = START.plus(crate::clock::minutes(90));
    let resume = EventKind::Resume { actor: "ann".into() };
    let after = before.apply(Event::new(later, resume)).unwrap();
    let Phase::RunningHook { attempt, deadline, .. } = after.phase else {
        panic!("{:?}", after.phase);
    };
    assert_eq!((attempt, deadline), (1, Some(later.plus(crate::clock::minutes(10)))));
}

#[test]
fn no_way_leads_back_once_something_is_taken_away() {
    for kind in [
        EventKind::Abort { actor: "ann".into(), reason: "no".to_owned() },
        EventKind::Rollback { actor: "ann".into(), reason: "no".to_owned() },
        EventKind::MovedBack { found: "blue".to_owned() },
    ] {
        at(HookPoint::Done).apply(Event::new(START, kind)).unwrap_err();
    }
    assert_eq!(at(HookPoint::Done).contracted_by(), Some("done-1"));
    assert_eq!(at(HookPoint::Retiring).contracted_by(), None);
    let back = EventKind::Rollback { actor: "ann".into(), reason: "no".to_owned() };
    let back = at(HookPoint::Retiring).apply(Event::new(START, back)).unwrap();
    assert!(matches!(back.phase, Phase::Returning { .. }));
}

#[test]
fn one_that_has_succeeded_does_not_run_again_for_another_candidate() {
    let record = at(HookPoint::Shifting);
    let ended = EventKind::HookEnded { outcome: HookOutcome::Succeeded };
    let record = record.apply(Event::new(START, ended)).unwrap();
    let changed = EventKind::CandidateChanged { found: "template 2".to_owned() };
    let mut record = record.apply(Event::new(START, changed)).unwrap();
    assert!(matches!(record.phase, Phase::RollingOut { .. }));
    while !matches!(record.phase, Phase::RunningHook { .. }) {
        let Next::Perform(effect) = record.next() else { panic!("{:?}", record.next()) };
        record = record.apply(Event::new(START, well(&effect))).unwrap();
    }
    // The second one was under way: it is the same attempt that is followed.
    assert_eq!(record.running_hook(), Some("shifting-2"));
    assert!(matches!(record.phase, Phase::RunningHook { attempt: 1, .. }));
}

#[test]
fn a_freeze_is_waited_out_before_the_hook_and_after_it() {
    let frozen = |from: &str, until: &str| {
        let freeze = Freeze::new("UTC").window(format!("{from} - {until}"));
        let hook = Hook::before(HookPoint::Shifting, "warm-cache", "job");
        record(Plan::all_at_once().hook(hook).freeze(freeze))
    };
    let mut record = frozen("2020-01-01", "2199-12-31");
    while !matches!(record.phase, Phase::Frozen { .. }) {
        let Next::Perform(effect) = record.next() else { panic!("{:?}", record.next()) };
        assert!(!matches!(effect, Effect::RunHook { .. }), "not while it is frozen");
        record = record.apply(Event::new(START, well(&effect))).unwrap();
    }
    let said = EventKind::OverrideFreeze { actor: "ann".into(), reason: "urgent".to_owned() };
    let record = record.apply(Event::new(START, said)).unwrap();
    assert_eq!(record.running_hook(), Some("warm-cache"));
}

#[test]
fn what_is_kept_of_many_attempts_fits_a_record() {
    let mut record = at(HookPoint::Done);
    let log = "\"line\"\n".repeat(MAX_HOOK_LOG / 7);
    for _ in 0..200 {
        record = failed(record, &log);
        let resume = EventKind::Resume { actor: "ann".into() };
        record = record.apply(Event::new(START, resume)).unwrap();
        record = record.apply(Event::new(START, EventKind::Emptied)).unwrap();
    }
    assert_eq!(record.hooks.len(), RESULTS);
    assert_eq!(record.hooks.iter().filter(|it| it.is_success()).count(), 6);
    assert_eq!(record.hooks.last().unwrap().attempt, 200);
    assert!(matches!(record.phase, Phase::RunningHook { attempt: 201, .. }));
    let text = serde_json::to_string(&record).unwrap();
    assert!(text.len() < MAX_RECORD * 3 / 4, "{} bytes", text.len());
    let last = record.hooks.last().unwrap();
    assert!(matches!(&last.outcome, HookOutcome::Failed { log, .. } if log.len() > 4000));
}
