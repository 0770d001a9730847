//! Releases whose calls fail, hang or lose answers, and drivers that die at any of them.

use std::time::Duration;

use super::{
    Always, MemoryCluster, OperationError, Operations, Outcome, Releaser, Routing, Verdict,
    await_phase, change, cluster, plan, routing, running,
};
use crate::memory::{Fault, Faults, Odds};
use crate::{Color, ErrorKind, PhaseName};

/// Everything that tells two ends of a release apart.
async fn end(cluster: &MemoryCluster) -> (Routing, (String, u32), (String, u32), usize) {
    let blue = running(cluster, Color::Blue).await;
    let green = running(cluster, Color::Green).await;
    (routing(cluster).await, blue, green, history(cluster).await)
}

/// How many finished releases are known.
async fn history(cluster: &MemoryCluster) -> usize {
    Operations::new(cluster.ports("observer")).history().await.unwrap().len()
}

fn releaser(cluster: &MemoryCluster, holder: &str, faults: &Faults) -> Releaser {
    Releaser::new(faults.around(cluster.ports(holder))).gate(Always(Verdict::Pass))
}

#[tokio::test(start_paused = true)]
async fn a_driver_that_dies_at_any_call_is_resumed_to_the_same_end() {
    // A short one, because each renewal of the lease is a call too.
    let mut plan = plan().bake(Duration::from_secs(20));
    plan.drain.quiet = Duration::from_secs(5);
    let untouched = cluster();
    let calm = Faults::new();
    let outcome = releaser(&untouched, "one", &calm).run(change("2"), &plan).await.unwrap();
    assert_eq!(outcome, Outcome::Released);
    let wanted = end(&untouched).await;
    let calls = u64::try_from(calm.log().len()).unwrap();

    let mut resumed = 0;
    for nth in 1..=calls {
        for fault in [Fault::Hang, Fault::HangAfter] {
            let cluster = cluster();
            let faults = Faults::new();
            faults.on("*", nth, fault);
            let one = releaser(&cluster, "one", &faults);
            tokio::select! {
                outcome = one.run(change("2"), &plan) => {
                    // The call that hung was one that nobody waits for: a watch, a heartbeat.
                    assert_eq!(outcome.unwrap(), Outcome::Released, "call {nth}");
                    continue;
                }
                _ = faults.hung(1) => {}
            }
            drop(one);
            let two = releaser(&cluster, "two", &Faults::new());
            let stored = two.operations().stored().await.unwrap();
            let over = |phase| phase == PhaseName::Done;
            match stored.and_then(|it| it.document.current().cloned()) {
                // Nothing was stored: nothing was touched, and the release begins anew.
                None => assert_eq!(two.run(change("2"), &plan).await.unwrap(), Outcome::Released),
                Some(record) if over(record.phase.name()) => {
                    let error = two.resume().await.unwrap_err();
                    assert!(matches!(error, OperationError::NoRelease), "call {nth}: {error}");
                }
                Some(_) => {
                    resumed += 1;
                    assert_eq!(two.resume().await.unwrap(), Outcome::Released, "call {nth}");
                }
            }
            assert_eq!(end(&cluster).await, wanted, "call {nth} of {calls}, {fault:?}");
        }
    }
    assert!(resumed > 30, "only {resumed} of the deaths left something to resume");
}

#[tokio::test(start_paused = true)]
async fn a_release_whose_driver_died_at_its_very_end_is_in_the_history_once_another_begins() {
    let undo = async |cluster: &MemoryCluster| {
        let operations = Operations::new(cluster.ports("two"));
        operations.rollback("ann", "wrong refunds").await.unwrap();
    };
    let release = async |cluster: &MemoryCluster| {
        let two = releaser(cluster, "two", &Faults::new());
        assert_eq!(two.run(change("3"), &plan()).await.unwrap(), Outcome::Released);
    };
    for is_undone in [true, false] {
        let cluster = cluster();
        let faults = Faults::new();
        faults.on("store.archive", 1, Fault::Hang);
        let (one, plan) = (releaser(&cluster, "one", &faults), plan());
        tokio::select! {
            outcome = one.run(change("2"), &plan) => panic!("it should hang: {outcome:?}"),
            _ = faults.hung(1) => {}
        }
        drop(one);
        assert_eq!(history(&cluster).await, 0);
        if is_undone {
            undo(&cluster).await;
        } else {
            release(&cluster).await;
        }
        assert_eq!(history(&cluster).await, 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_for_a_while_delays_a_release_and_no_more() {
    for name in ["store.save", "store.watch", "switch.observe", "slot.commit", "slot.scale"] {
        let cluster = cluster();
        let faults = Faults::new();
        let one = releaser(&cluster, "one", &faults);
        let release = tokio::spawn(async move { one.run(change("2"), &plan()).await });
        await_phase(&cluster, PhaseName::Baking).await;
        for nth in 1..=3 {
            faults.on(name, nth, Fault::Before(ErrorKind::Unavailable));
        }
        assert_eq!(release.await.unwrap().unwrap(), Outcome::Released, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn lost_answers_are_read_again_and_not_repeated_blindly() {
    for name in ["store.save", "switch.shift", "slot.deploy", "slot.commit", "slot.scale"] {
        let cluster = cluster();
        let faults = Faults::new();
        faults.on(name, 1, Fault::After(ErrorKind::Unknown));
        let one = releaser(&cluster, "one", &faults);
        assert_eq!(one.run(change("2"), &plan()).await.unwrap(), Outcome::Released, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn random_faults_end_released_or_rolled_back_with_traffic_on_a_slot_that_serves() {
    for seed in 0..200 {
        let cluster = cluster();
        let faults = Faults::new();
        faults.seeded(seed, Odds::default(), 20);
        let one = releaser(&cluster, "one", &faults);
        let outcome = one.run(change("2"), &plan()).await;
        let live = routing(&cluster).await.live;
        let serving = running(&cluster, live).await.1;
        assert!(serving >= 3, "seed {seed}: {live} has {serving} pods, {outcome:?}");
        faults.heal();
        let operations = Operations::new(cluster.ports("two"));
        if let Ok(Outcome::Stuck { .. }) | Err(_) = outcome {
            // Whatever it was, a person can take it back.
            let _ = operations.abort("ann", "faults").await;
            let _ = operations.finish().await;
            let live = routing(&cluster).await.live;
            assert!(running(&cluster, live).await.1 >= 3, "seed {seed}, after the abort");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_record_that_may_still_arrive_is_not_told_as_one_that_is_missing() {
    let (cluster, faults) = (cluster(), Faults::new());
    faults.on("store.save", 1, Fault::Hang);
    let result = releaser(&cluster, "one", &faults).run(change("2"), &plan()).await;
    let Err(OperationError::Port(error)) = result else { panic!("it is not stored: {result:?}") };
    assert_eq!(error.kind(), ErrorKind::Unknown);
    assert!(error.chain().starts_with("save the record"), "{}", error.chain());
    assert_eq!(routing(&cluster).await, Routing::all(Color::Blue));
}
