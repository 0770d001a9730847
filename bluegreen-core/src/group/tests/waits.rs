//! Members that wait: for slower ones, and for a group that does not come.

use super::*;
use crate::ErrorKind;
use crate::memory::Fault;

#[tokio::test(start_paused = true)]
async fn one_whose_bake_is_over_is_watched_until_all_have_baked() {
    for fails in [None, Some(minutes(40))] {
        let world = World::new(["tools", "agent"]);
        let faults = Faults::new();
        let mut short = world.member("tools", "one", [NEVER, FailsFrom(fails)], &faults);
        short.plan.bake.hold = minutes(1);
        let mut long = world.member("agent", "one", [NEVER, NEVER], &faults).after("tools");
        long.plan.bake.hold = minutes(60);
        let group = Group::new("checkout").member(short).member(long);
        let outcome = group.run().await.unwrap();
        if fails.is_some() {
            // Long after its own bake, and its way back was still one write.
            let (member, reason) = rolled_back(outcome);
            assert!(member == "tools" && matches!(reason, Reason::Unfit { .. }), "{reason}");
            world.all_are(Color::Blue, "1").await;
            assert_eq!(world.told("draining"), [""; 0]);
        } else {
            assert_eq!(outcome, GroupOutcome::Released);
            world.all_are(Color::Green, "2").await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_goes_on_past_a_member_that_is_stuck_or_paused() {
    use super::machine::Position;
    use crate::Phase;
    use crate::release::{Event, EventKind};
    let world = World::new(["tools", "agent"]);
    orphaned(&world, PhaseName::AwaitingGroup, true).await;
    let stored = crate::ReleaseStore::load(&world.cluster("tools").store()).await.unwrap().unwrap();
    let mut ready = stored.document.current().unwrap().clone();
    let Phase::AwaitingGroup { deadline, .. } = ready.phase else { panic!("{:?}", ready.phase) };
    let at = START;
    let waits = |before, bound| Phase::AwaitingGroup { before, bound, deadline };
    let (message, advice) = ("traffic was moved by hand".to_owned(), "`resume`".to_owned());
    let stuck = EventKind::Stuck { message, advice };
    let paused = EventKind::Pause { actor: "ann".into() };
    let (shifting, retiring) = (HookPoint::Shifting, HookPoint::Retiring);
    for (phase, when_fine, when_paused, when_stuck) in [
        (waits(shifting, false), Position::Ready, Position::Preparing, Position::Preparing),
        (
            Phase::Baking { until: at, limit: at },
            Position::Baking,
            Position::Baking,
            Position::Switching,
        ),
        (waits(retiring, false), Position::Baked, Position::Baking, Position::Switching),
        (waits(retiring, true), Position::Bound, Position::Bound, Position::Bound),
    ] {
        ready.group.as_mut().unwrap().may_switch = when_fine != Position::Ready;
        ready.phase = phase.clone();
        assert_eq!(Position::of(&ready), when_fine, "{phase:?}");
        for (kind, wanted) in [(&paused, when_paused), (&stuck, when_stuck)] {
            let held = ready.clone().apply(Event::new(at, kind.clone())).unwrap();
            assert_eq!(Position::of(&held), wanted, "{phase:?}, {kind:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_of_one_that_waits_holds_the_group() {
    for moved in [false, true] {
        let world = World::new(["tools", "agent"]);
        let mut last = world.good("agent", "one").after("tools");
        if moved {
            last.plan.bake.hold = minutes(60);
        } else {
            last.plan.approval = Some(crate::plan::Approval::default());
        }
        let group = Group::new("checkout").member(world.good("tools", "one")).member(last);
        let running = tokio::spawn(async move { group.run().await });
        world
            .phase("tools", if moved { PhaseName::Baking } else { PhaseName::AwaitingGroup })
            .await;
        if moved {
            world.phase("tools", PhaseName::AwaitingGroup).await;
        }
        world.operations("tools").pause("ann").await.unwrap();
        if moved {
            tokio::time::sleep(minutes(120)).await;
            assert_eq!(world.told("draining"), [""; 0]);
        } else {
            world.phase("agent", PhaseName::AwaitingApproval).await;
            world.operations("agent").approve("ann").await.unwrap();
            tokio::time::sleep(minutes(60)).await;
            world.phase("tools", PhaseName::AwaitingGroup).await;
            assert_eq!(world.told("traffic"), [""; 0]);
        }
        world.operations("tools").unpause("ann").await.unwrap();
        assert_eq!(running.await.unwrap().unwrap(), GroupOutcome::Released);
        world.all_are(Color::Green, "2").await;
    }
}

/// A group of two whose driver died at this point of the first one.
async fn orphaned(world: &World, phase: PhaseName, approve: bool) {
    let mut last = world.good("agent", "one").after("tools");
    if approve {
        last.plan.approval = Some(crate::plan::Approval::default());
    }
    let group = Group::new("checkout").member(world.good("tools", "one")).member(last);
    let running = tokio::spawn(async move { group.run().await });
    world.phase("tools", phase).await;
    running.abort();
    let _ = running.await;
}

#[tokio::test(start_paused = true)]
async fn a_member_without_its_group_goes_back_when_its_time_is_over() {
    let world = World::new(["tools", "agent"]);
    orphaned(&world, PhaseName::AwaitingGroup, true).await;
    let alone = world.good("tools", "two").releaser;
    let outcome = alone.resume().await.unwrap();
    let text = outcome.to_string();
    assert!(text.contains("its group had not said by"), "{text}");
    assert_eq!(world.told("traffic"), [""; 0]);

    // And whoever then goes on with the group takes the other one back.
    let mut last = world.good("agent", "three").after("tools");
    last.plan.approval = Some(crate::plan::Approval::default());
    let group = Group::new("checkout").member(world.good("tools", "three")).member(last);
    let (member, reason) = rolled_back(group.resume().await.unwrap());
    assert!(matches!(reason, Reason::Undecided { .. }), "{member}: {reason}");
    world.all_are(Color::Blue, "1").await;
}

#[tokio::test(start_paused = true)]
async fn a_member_with_traffic_and_without_its_group_goes_back_too() {
    let world = World::new(["tools", "agent"]);
    orphaned(&world, PhaseName::Baking, false).await;
    let outcome = world.good("tools", "two").releaser.resume().await.unwrap();
    assert!(outcome.to_string().contains("its group had not said by"), "{outcome}");
    let moved = world.told("tools: traffic");
    assert_eq!(moved, ["tools: traffic green 100 %", "tools: traffic blue 100 %"]);
}

#[tokio::test(start_paused = true)]
async fn one_that_cannot_be_driven_is_told_of_while_others_wait() {
    let world = World::new(["tools", "agent"]);
    orphaned(&world, PhaseName::Baking, false).await;
    // It began with other validators, so it cannot be driven here.
    let first = world.good("tools", "two");
    let last = world.member("agent", "two", [ALWAYS, ALWAYS], &Faults::new()).after("tools");
    let group = Group::new("checkout").member(first).member(last);
    let resuming = tokio::time::timeout(minutes(20), group.resume());
    let error = resuming.await.expect("it should be told at once").unwrap_err();
    let GroupError::Member { member, source } = &error else { panic!("{error}") };
    assert!(matches!(source, crate::OperationError::OtherValidators { .. }), "{error}");
    assert_eq!(member, "agent");
}

#[tokio::test(start_paused = true)]
async fn one_that_another_process_drives_is_left_to_it_until_that_ends() {
    let world = World::new(["tools", "agent"]);
    orphaned(&world, PhaseName::Baking, false).await;
    let other = world.good("agent", "other").releaser;
    let alone = tokio::spawn(async move { other.resume().await });
    // Once the lease of the first one has lapsed.
    tokio::time::sleep(minutes(2)).await;
    assert_eq!(world.holder("agent").as_deref(), Some("other"));
    let last = world.good("agent", "two").after("tools");
    let group = Group::new("checkout").member(world.good("tools", "two")).member(last);
    let running = tokio::spawn(async move { group.resume().await });
    // Longer than it is waited for that the other one lets go.
    tokio::time::sleep(minutes(5)).await;
    alone.abort();
    assert_eq!(running.await.unwrap().unwrap(), GroupOutcome::Released);
    world.all_are(Color::Green, "2").await;
}

#[tokio::test(start_paused = true)]
async fn one_that_cannot_be_seen_any_more_is_told_of_and_not_asked_without_a_pause() {
    let world = World::new(["tools", "agent"]);
    let (fine, away) = (Faults::new(), Faults::new());
    let first = world.member("tools", "one", [NEVER, NEVER], &fine);
    let last = world.member("agent", "one", [NEVER, NEVER], &away).after("tools");
    let group = Group::new("checkout").member(first).member(last);
    let running = tokio::spawn(async move { group.run().await });
    world.phase("agent", PhaseName::Baking).await;
    away.always("store.load", Fault::Before(ErrorKind::Rejected));
    let before = away.count("store.load");
    tokio::time::sleep(minutes(10)).await;
    let asked = away.count("store.load") - before;
    assert!(asked < 2_000, "asked {asked} times in ten minutes");
    let ended = tokio::time::timeout(minutes(60 * 24 * 7), running).await;
    let error = ended.expect("it should end").unwrap().unwrap_err();
    assert!(matches!(&error, GroupError::Member { member, .. } if member == "agent"), "{error}");
}

/// Puts the records of both members where they are bound.
async fn bind(world: &World) {
    use crate::release::{Event, EventKind, GroupWord, Look};
    for name in ["tools", "agent"] {
        let cluster = world.cluster(name);
        let store = cluster.store();
        let stored = crate::ReleaseStore::load(&store).await.unwrap().unwrap();
        let mut record = stored.document.current().unwrap().clone();
        let at = cluster.clock().now().plus(minutes(31));
        for kind in [
            EventKind::Looked { look: Look::default() },
            EventKind::Grouped { word: GroupWord::Bind },
        ] {
            record = record.apply(Event::new(at, kind)).unwrap();
        }
        let document = crate::Document::Current(record);
        crate::ReleaseStore::save(&store, &document, Some(stored.revision)).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_is_bound_waits_for_a_person_or_its_group() {
    let world = World::new(["tools", "agent"]);
    orphaned(&world, PhaseName::Baking, false).await;
    let released = world.good("agent", "two").releaser;
    let mut alone = Box::pin(released.resume());
    // The second one has not baked where the first was seen to; let it come there.
    tokio::select! {
        outcome = &mut alone => panic!("{outcome:?}"),
        () = world.phase("agent", PhaseName::Baking) => {}
    }
    drop(alone);
    bind(&world).await;
    let outcome = world.good("tools", "two").releaser.resume().await.unwrap();
    let crate::Outcome::Stuck { stuck } = &outcome else { panic!("{outcome}") };
    assert!(stuck.advice.contains("`promote`"), "{stuck}");
    let status = world.operations("tools").status().await.unwrap();
    assert!(status.operations.contains(&"promote"), "{status}");
    assert_eq!(world.told("traffic blue"), [""; 0]);

    let group = Group::new("checkout")
        .member(world.good("tools", "three"))
        .member(world.good("agent", "three").after("tools"));
    assert_eq!(group.resume().await.unwrap(), GroupOutcome::Released);
    world.all_are(Color::Green, "2").await;
}

#[tokio::test(start_paused = true)]
async fn once_all_stay_one_that_is_rolled_back_is_told_of() {
    let world = World::new(["tools", "agent"]);
    let mut slow = world.good("tools", "one");
    slow.plan.drain.quiet = minutes(60);
    slow.plan.drain.max = minutes(60);
    let group = Group::new("checkout").member(slow).member(world.good("agent", "one"));
    let running = tokio::spawn(async move { group.run().await });
    world.phase("tools", PhaseName::Draining).await;
    world.phase("agent", PhaseName::Done).await;
    world.operations("tools").rollback("ann", "wrong refunds").await.unwrap();
    let outcome = running.await.unwrap().unwrap();
    let (kept, back) = (vec!["agent".to_owned()], vec!["tools".to_owned()]);
    assert_eq!(outcome, GroupOutcome::Split { kept, back });
}

#[tokio::test(start_paused = true)]
async fn one_that_is_undone_after_its_release_is_told_of() {
    let world = World::new(["tools", "agent"]);
    let mut slow = world.good("tools", "one");
    slow.plan.drain.quiet = minutes(60);
    slow.plan.drain.max = minutes(60);
    let group = Group::new("checkout").member(slow).member(world.good("agent", "one"));
    let running = tokio::spawn(async move { group.run().await });
    world.phase("tools", PhaseName::Draining).await;
    world.phase("agent", PhaseName::Done).await;
    world.operations("agent").rollback("ann", "wrong refunds").await.unwrap();
    let outcome = running.await.unwrap().unwrap();
    let (kept, back) = (vec!["tools".to_owned()], vec!["agent".to_owned()]);
    assert_eq!(outcome, GroupOutcome::Split { kept, back });
}
