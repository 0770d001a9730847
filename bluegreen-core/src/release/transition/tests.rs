use std::fmt::Write as _;
use std::time::Duration;

use super::*;
use crate::plan::HookPoint;
use crate::release::{
    Drift, Drifted, Effect, Foundation, GroupWord, Look, Membership, Next, Started,
};
use crate::{
    Actor, Binding, Change, Color, Configuration, Container, Epoch, Evidence, EvidenceKind,
    HolderId, Plan, Problem, ResolvedChange, SlotState,
};

mod promises;

pub(in crate::release) const START: Timestamp = Timestamp::from_unix_millis(1_764_000_000_000);

fn live() -> Configuration {
    let container = Container::new("example.com/agent:1");
    Configuration::new([("agent".to_owned(), container)].into())
}

pub(in crate::release) fn record(plan: Plan) -> Record {
    let change = Change::image("agent", "example.com/agent:2").version("2");
    Record::new(Foundation {
        agent: "agent".into(),
        cluster: "test".to_owned(),
        live: Color::Blue,
        epoch: Epoch::new(1),
        holder: "one".into(),
        started: Started { at: START, by: "ann".into() },
        plan,
        change: change.resolve(&live(), "AGENT_VERSION").unwrap(),
        baseline: ResolvedChange::exactly(live()),
        gates: vec![crate::ValidatorRef {
            name: "smoke".to_owned(),
            config_digest: crate::Digest::of(["smoke"]),
        }],
        guards: Vec::new(),
        warm_up: None,
        undoes: None,
    })
}

pub(in crate::release) fn binding() -> Binding {
    SlotState::new(Color::Green, "uid", live()).binding()
}

/// A member of a group whose traffic does not move yet.
pub(in crate::release) fn member() -> Membership {
    let shape = crate::Digest::of(["shape"]);
    Membership::new("checkout", "one-1", "agent", vec!["agent".to_owned()], shape)
}

fn evidence() -> Evidence {
    Evidence::new(EvidenceKind::Endpoints, "3 endpoints")
}

/// Every kind of event once.
fn events() -> Vec<EventKind> {
    let (actor, reason) = (Actor::new("ann"), "because".to_owned());
    let (message, found) = ("message".to_owned(), "found".to_owned());
    let note = "note".to_owned();
    vec![
        EventKind::Checked,
        EventKind::Refused { problems: vec![Problem::new("code", "object")] },
        EventKind::Emptied,
        EventKind::HookEnded { outcome: crate::HookOutcome::Succeeded },
        EventKind::Deployed { replicas: 3 },
        EventKind::Ready { binding: binding() },
        EventKind::Warmed,
        EventKind::Passed,
        EventKind::Approved { actor: actor.clone() },
        EventKind::Shifted { evidence: evidence() },
        EventKind::Looked { look: Look::default() },
        EventKind::Drained { note: note.clone(), expired: false },
        EventKind::Retired,
        EventKind::Returned { evidence: evidence(), caveats: Vec::new() },
        EventKind::Kept { note },
        EventKind::Restored,
        EventKind::Unfit { message: message.clone() },
        EventKind::Undecided { message: message.clone() },
        EventKind::Failed { message: message.clone() },
        EventKind::Stuck { message, advice: "advice".to_owned() },
        EventKind::CandidateChanged { found: found.clone() },
        EventKind::MovedBack { found: found.clone() },
        EventKind::Drifted { drift: Drift::new(Drifted::Routing(None), found, "wanted") },
        EventKind::Abort { actor: actor.clone(), reason: reason.clone() },
        EventKind::Rollback { actor: actor.clone(), reason },
        EventKind::Promote { actor: actor.clone() },
        EventKind::Thawed,
        EventKind::OverrideFreeze { actor: actor.clone(), reason: "urgent".to_owned() },
        EventKind::Pause { actor: actor.clone() },
        EventKind::Continue { actor: actor.clone() },
        EventKind::Resume { actor },
        EventKind::TakenOver { holder: HolderId::new("two"), epoch: Epoch::new(2) },
        EventKind::LetGo,
        EventKind::Grouped { word: GroupWord::Switch },
        EventKind::Grouped { word: GroupWord::Bind },
        EventKind::Grouped { word: GroupWord::Keep },
    ]
}

/// Every phase once.
fn phases() -> Vec<Phase> {
    let (deadline, until, limit) = (START, START, START);
    let reason = Reason::Unfit { message: "message".to_owned() };
    let hook =
        |before| Phase::RunningHook { before, hook: 0, attempt: 1, deadline: Some(deadline) };
    let group = |before, bound| Phase::AwaitingGroup { before, bound, deadline };
    vec![
        Phase::Preflight,
        Phase::Deploying,
        hook(HookPoint::Deploying),
        hook(HookPoint::Shifting),
        hook(HookPoint::Retiring),
        hook(HookPoint::Done),
        Phase::RollingOut { deadline: None },
        Phase::WarmingUp { deadline },
        Phase::Validating { deadline },
        Phase::AwaitingApproval { deadline },
        Phase::Frozen { step: 0, until },
        group(HookPoint::Shifting, false),
        group(HookPoint::Retiring, false),
        group(HookPoint::Retiring, true),
        Phase::Shifting { step: 0 },
        Phase::Holding { step: 0, until, limit },
        Phase::Baking { until, limit },
        Phase::Draining { deadline },
        Phase::Unpinning { expired: false },
        Phase::Retiring,
        Phase::Returning { reason: reason.clone() },
        Phase::KeepingFailed { until, drain: true, reason: reason.clone() },
        Phase::Restoring { reason },
        Phase::Done { outcome: Outcome::Released },
    ]
}

#[test]
fn every_pair_of_phase_and_event_leads_where_the_table_says() {
    let mut table = String::new();
    for phase in phases() {
        let _ = writeln!(table, "{}", phase.name());
        for kind in events() {
            let mut before = record(Plan::canary([10, 100]));
            before.phase = phase.clone();
            before.group = Some(Box::new(member()));
            let name = kind.name();
            let after = match before.apply(Event::new(START, kind)) {
                Ok(after) if after.phase == phase => continue,
                Ok(after) => after.phase.name().to_string(),
                Err(_) => continue,
            };
            let _ = writeln!(table, "    {name:<18} -> {after}");
        }
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/release/transition/table.txt");
    if std::env::var_os("UPDATE_TABLE").is_some() {
        std::fs::write(path, &table).unwrap();
    }
    assert_eq!(table, include_str!("table.txt"), "run with UPDATE_TABLE=1 and review the change");
}

/// Runs a record along the way on which everything goes well, and lists the effects.
fn happy_way(mut record: Record) -> (Vec<Effect>, Outcome) {
    let mut effects = Vec::new();
    let mut at = START;
    loop {
        let effect = match record.next() {
            Next::Perform(effect) => effect,
            Next::Finish(outcome) => return (effects, outcome),
            Next::Wait(wait) => panic!("waits: {wait:?}"),
        };
        let kind = match &effect {
            Effect::Check => EventKind::Checked,
            Effect::Deploy => EventKind::Deployed { replicas: 3 },
            Effect::AwaitReady { .. } => EventKind::Ready { binding: binding() },
            Effect::WarmUp { .. } => EventKind::Warmed,
            Effect::Judge { .. } => EventKind::Passed,
            Effect::AwaitApproval { .. } => EventKind::Approved { actor: "ann".into() },
            Effect::AwaitThaw { until } => {
                at = *until;
                EventKind::Thawed
            }
            Effect::Shift { .. } | Effect::Unpin { .. } => {
                EventKind::Shifted { evidence: evidence() }
            }
            Effect::Hold { until } => {
                at = *until;
                EventKind::Looked { look: Look::default() }
            }
            Effect::Drain { .. } => EventKind::Drained { note: String::new(), expired: false },
            Effect::Retire { .. } => EventKind::Retired,
            Effect::Return { .. } => {
                EventKind::Returned { evidence: evidence(), caveats: Vec::new() }
            }
            Effect::Keep { .. } => EventKind::Kept { note: String::new() },
            Effect::Restore { .. } => EventKind::Restored,
            Effect::AwaitGroup { .. } => panic!("is of no group"),
            Effect::AwaitEmpty { .. } => EventKind::Emptied,
            Effect::RunHook { .. } => {
                EventKind::HookEnded { outcome: crate::HookOutcome::Succeeded }
            }
        };
        effects.push(effect);
        record = record.apply(Event::new(at, kind)).unwrap();
    }
}

#[test]
fn a_canary_goes_step_by_step_and_ends_released() {
    let plan = Plan::canary([10]).hold(crate::clock::minutes(1)).bake(crate::clock::minutes(10));
    let (effects, outcome) = happy_way(record(plan));
    let after = |seconds| START.plus(Duration::from_secs(seconds));
    let ten = Routing::all(Color::Blue).with_candidate(crate::Share::percent(10));
    assert_eq!(outcome, Outcome::Released);
    assert_eq!(
        effects,
        [
            Effect::Check,
            Effect::Deploy,
            Effect::AwaitReady { deadline: None },
            Effect::Judge { deadline: after(1800) },
            Effect::Shift { to: ten },
            Effect::Hold { until: after(60) },
            Effect::Shift { to: Routing::all(Color::Green) },
            Effect::Hold { until: after(660) },
            Effect::Drain { slot: Color::Blue, deadline: after(660 + 1800) },
            Effect::Retire { slot: Color::Blue, replicas: Some(0) },
        ]
    );
}

#[test]
fn conversations_are_held_until_the_old_slot_has_drained_and_what_came_last_drains_too() {
    let plan = Plan::canary([10]).bake(Duration::ZERO).conversations_by_cookie("agent-slot");
    let pinned = |share| {
        let mut routing = Routing::all(Color::Blue).with_candidate(crate::Share::percent(share));
        routing.pins = Vec::from(plan.conversations.as_ref().unwrap().pins());
        routing
    };
    assert_eq!(pinned(100).to_string(), "green 100 %, 2 pins");
    assert!(pinned(100).reaches(Color::Blue) && !Routing::all(Color::Green).reaches(Color::Blue));
    let (effects, outcome) = happy_way(record(plan.clone()));
    assert_eq!(outcome, Outcome::Released);
    let of_traffic = |effect: &Effect| {
        matches!(
            effect,
            Effect::Shift { .. }
                | Effect::Drain { .. }
                | Effect::Unpin { .. }
                | Effect::Retire { .. }
        )
    };
    let effects: Vec<Effect> = effects.into_iter().filter(of_traffic).collect();
    let deadline = START.plus(crate::clock::minutes(10) + plan.drain.max);
    let drain = Effect::Drain { slot: Color::Blue, deadline };
    assert_eq!(
        effects,
        [
            Effect::Shift { to: pinned(10) },
            Effect::Shift { to: pinned(100) },
            drain.clone(),
            Effect::Unpin { to: Routing::all(Color::Green) },
            drain,
            Effect::Retire { slot: Color::Blue, replicas: Some(0) },
        ]
    );
}

#[test]
fn conversations_that_do_not_end_are_held_no_longer_than_the_drain() {
    for max in [crate::clock::minutes(30), Duration::ZERO] {
        let mut plan = Plan::all_at_once().bake(Duration::ZERO).conversations_by_header("x-slot");
        plan.drain.max = max;
        let mut it = record(plan);
        it.phase = Phase::Shifting { step: 0 };
        it = it.apply(Event::new(START, EventKind::Shifted { evidence: evidence() })).unwrap();
        if !max.is_zero() {
            let drained = EventKind::Drained { note: String::new(), expired: true };
            it = it.apply(Event::new(START, drained)).unwrap();
        }
        assert_eq!(it.phase, Phase::Unpinning { expired: true });
        let back = EventKind::Rollback { actor: "ann".into(), reason: String::new() };
        let back = it.clone().apply(Event::new(START, back)).unwrap();
        assert_eq!(back.next(), Next::Perform(Effect::Return { to: Color::Blue }));
        it = it.apply(Event::new(START, EventKind::Shifted { evidence: evidence() })).unwrap();
        assert_eq!(it.phase, Phase::Retiring);
        assert_eq!(it.kept, !max.is_zero());
    }
}

#[test]
fn an_undecided_bake_is_extended_and_then_goes_back() {
    let mut it = record(Plan::all_at_once().bake(Duration::from_secs(10)));
    it.phase = Phase::Shifting { step: 0 };
    it = it.apply(Event::new(START, EventKind::Shifted { evidence: evidence() })).unwrap();
    let look = Look { undecided: Some("too little data".to_owned()), ..Look::default() };
    let kind = EventKind::Looked { look };
    let at = |seconds| START.plus(Duration::from_secs(seconds));
    it = it.apply(Event::new(at(29), kind.clone())).unwrap();
    assert_eq!(it.phase.name(), crate::PhaseName::Baking);
    it = it.apply(Event::new(at(30), kind)).unwrap();
    assert_eq!(it.phase.name(), crate::PhaseName::Returning);
}

#[test]
fn a_pause_moves_every_deadline() {
    let mut it = record(Plan::all_at_once());
    it.phase = Phase::Baking { until: START, limit: START };
    let pause = EventKind::Pause { actor: "ann".into() };
    let it = it.apply(Event::new(START, pause)).unwrap();
    let later = START.plus(crate::clock::minutes(1));
    let it = it.apply(Event::new(later, EventKind::Continue { actor: "ann".into() })).unwrap();
    assert_eq!(it.phase, Phase::Baking { until: later, limit: later });
}

/// A record is text in a cluster: others can write whatever they like there.
#[test]
fn a_step_that_cannot_be_is_one_after_the_last() {
    let step = usize::MAX;
    for phase in [Phase::Shifting { step }, Phase::Holding { step, until: START, limit: START }] {
        let mut it = record(Plan::canary([5]));
        it.phase = phase;
        it.next();
        for kind in events() {
            let Ok(after) = it.clone().apply(Event::new(START, kind)) else { continue };
            assert!(!matches!(after.next(), Next::Perform(Effect::Shift { to }) if !to.is_whole()));
        }
    }
}

#[test]
fn the_stored_form_is_stable() {
    let mut it = record(Plan::canary([10]));
    it = it.apply(Event::new(START, EventKind::Checked)).unwrap();
    let text = serde_json::to_string_pretty(&it).unwrap();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/release/transition/record.json");
    if std::env::var_os("UPDATE_TABLE").is_some() {
        std::fs::write(path, format!("{text}\n")).unwrap();
    }
    assert_eq!(format!("{text}\n"), include_str!("record.json"), "the stored format changed");
    assert_eq!(serde_json::from_str::<Record>(&text).unwrap().next(), it.next());
}
