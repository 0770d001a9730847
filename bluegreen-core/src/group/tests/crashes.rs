//! Killed before and after every write of a record, a group that another process goes on with comes to
//! the end to which it would have come.

use super::*;
use crate::ErrorKind;
use crate::memory::Fault;

/// The second comes after the first; the guard of the second fails, or does not.
fn group(world: &World, holder: &str, guard: FailsFrom, faults: &Faults) -> Group {
    let first = world.member("tools", holder, [NEVER, NEVER], faults);
    let last = world.member("agent", holder, [NEVER, guard], faults).after("tools");
    Group::new("checkout").member(first).member(last)
}

/// Kills the process at its `nth` write, goes on with another one, and says whether it came so far.
async fn killed_at(nth: u64, fault: Fault, guard: FailsFrom) -> bool {
    let world = World::new(["tools", "agent"]);
    let faults = Faults::new();
    faults.on("store.save", nth, fault);
    let first = group(&world, "one", guard, &faults);
    let count = usize::try_from(nth).unwrap();
    let mut outcome = tokio::select! {
        outcome = first.run() => Some(outcome.unwrap()),
        () = faults.reached("store.save", count) => None,
    };
    let came = outcome.is_none();
    if came {
        outcome = match group(&world, "two", guard, &Faults::new()).resume().await {
            Ok(outcome) => Some(outcome),
            // It had not begun, or was over.
            Err(GroupError::NoRelease { .. }) => None,
            Err(error) => panic!("write {nth}, {fault:?}: {error}"),
        };
    }
    let never_began = outcome.is_none() && nth <= 2;
    let ends_well = guard.0.is_none() && !never_began;
    let (color, version) = if ends_well { (Color::Green, "2") } else { (Color::Blue, "1") };
    let live = world.live().await;
    let log = world.log.lock().unwrap().clone();
    let is_right = live.iter().all(|it| *it == (color, version.to_owned()));
    assert!(is_right, "write {nth}, {fault:?}: {live:?} {outcome:?} {log:#?}");
    match &outcome {
        Some(GroupOutcome::Released) => assert!(ends_well),
        Some(GroupOutcome::RolledBack { member, .. }) => {
            assert!(!ends_well && member == "agent", "write {nth}, {fault:?}: {outcome:?}");
        }
        None => {}
        other => panic!("write {nth}, {fault:?}: {other:?}"),
    }
    // Nothing of it is left to be done, and the candidate of what went back is as it was found.
    for (name, cluster) in &world.clusters {
        let record = cluster.store().peek(|it| it.and_then(|it| it.current().cloned()));
        let is_over = record.as_ref().is_none_or(|it| it.phase.name() == PhaseName::Done);
        assert!(is_over, "write {nth}, {fault:?}, {name}: {record:?}");
        let idle = cluster.slot(color.other()).state().await.unwrap();
        assert_eq!(idle.replicas.wanted, 0, "write {nth}, {fault:?}, {name}");
    }
    came
}

async fn killed_everywhere(guard: FailsFrom) {
    for fault in [Fault::Hang, Fault::HangAfter] {
        let mut nth = 1;
        while killed_at(nth, fault, guard).await {
            nth += 1;
        }
        assert!(nth > 20, "only {nth} writes");
    }
}

#[tokio::test(start_paused = true)]
async fn killed_at_any_write_a_good_group_is_released() {
    killed_everywhere(NEVER).await;
}

#[tokio::test(start_paused = true)]
async fn killed_at_any_write_a_bad_group_goes_back() {
    killed_everywhere(FailsFrom(Some(minutes(1)))).await;
}

#[tokio::test(start_paused = true)]
async fn writes_that_fail_or_whose_answers_are_lost_change_nothing() {
    for kind in [ErrorKind::Unavailable, ErrorKind::Unknown, ErrorKind::Conflict] {
        let mut refused = 0;
        for nth in 1..30 {
            let fault = match kind {
                ErrorKind::Unknown => Fault::After(kind),
                _ => Fault::Before(kind),
            };
            let world = World::new(["tools", "agent"]);
            let faults = Faults::new();
            faults.on("store.save", nth, fault);
            let outcome = group(&world, "one", NEVER, &faults).run().await.unwrap();
            let has_begun = |name| world.cluster(name).store().peek(|it| it.is_some());
            // The first save of a release is not tried again: another one may have begun.
            if !has_begun("tools") || !has_begun("agent") {
                let (_, reason) = rolled_back(outcome);
                assert!(matches!(reason, Reason::Failed { .. }), "write {nth}, {kind:?}: {reason}");
                world.all_are(Color::Blue, "1").await;
                refused += 1;
                continue;
            }
            assert_eq!(outcome, GroupOutcome::Released, "write {nth}, {kind:?}");
            world.all_are(Color::Green, "2").await;
        }
        assert_eq!(refused, if kind == ErrorKind::Unknown { 0 } else { 2 }, "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_one_store_is_waited_for() {
    let world = World::new(["tools", "agent"]);
    let (fine, away) = (Faults::new(), Faults::new());
    let first = world.member("tools", "one", [NEVER, NEVER], &fine);
    let last = world.member("agent", "one", [NEVER, NEVER], &away).after("tools");
    let group = Group::new("checkout").member(first).member(last);
    let running = tokio::spawn(async move { group.run().await });
    world.phase("agent", PhaseName::Baking).await;
    away.always("store", Fault::Before(ErrorKind::Unavailable));
    tokio::time::sleep(minutes(60)).await;
    away.heal();
    assert_eq!(running.await.unwrap().unwrap(), GroupOutcome::Released);
    world.all_are(Color::Green, "2").await;
}

#[tokio::test(start_paused = true)]
async fn killed_while_a_failed_start_gives_way_to_another_it_goes_on_with_that() {
    let world = World::new(["tools", "agent"]);
    let kept = |holder: &str, gate, away: &Faults| {
        let mut first = world.member("tools", holder, [NEVER, NEVER], &Faults::new());
        let mut last = world.member("agent", holder, [gate, NEVER], away).after("tools");
        for member in [&mut first, &mut last] {
            member.plan.keep_failed = minutes(600);
        }
        Group::new("checkout").member(first).member(last)
    };
    let fine = Faults::new();
    let killed = |group: Group| tokio::spawn(async move { group.run().await });
    let bad = killed(kept("one", ALWAYS, &fine));
    world.phase("agent", PhaseName::KeepingFailed).await;
    world.phase("tools", PhaseName::KeepingFailed).await;
    bad.abort();
    tokio::time::sleep(minutes(2)).await;

    // The second start has begun one member, and not the other.
    let away = Faults::new();
    away.always("store.save", Fault::Hang);
    let good = killed(kept("two", NEVER, &away));
    world.phase("tools", PhaseName::AwaitingGroup).await;
    world.phase("agent", PhaseName::KeepingFailed).await;
    good.abort();
    tokio::time::sleep(minutes(2)).await;

    let outcome = kept("three", NEVER, &fine).resume().await.unwrap();
    assert_eq!(outcome, GroupOutcome::Released);
    world.all_are(Color::Green, "2").await;
}
