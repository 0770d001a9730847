//! What cannot be seen for a while is neither good nor bad: guards have not found that all is
//! well, and traffic that comes back late comes back.

use std::time::Duration;

use super::{
    MemoryCluster, Outcome, Reason, Releaser, Routing, await_phase, change, cluster, plan, reason,
    routing,
};
use crate::memory::{Fault, Faults};
use crate::{Color, ErrorKind, OperationError, PhaseName};

type Release = tokio::task::JoinHandle<Result<Outcome, OperationError>>;

/// A release in a bake of half a minute, whose watches of the slots say nothing.
async fn baking(cluster: &MemoryCluster, faults: &Faults) -> Release {
    faults.always("slot.watch", Fault::Hang);
    let releaser = Releaser::new(faults.around(cluster.ports("one")));
    let plan = plan().bake(Duration::from_secs(30));
    let release = tokio::spawn(async move { releaser.run(change("2"), &plan).await });
    await_phase(cluster, PhaseName::Baking).await;
    release
}

fn crash(cluster: &MemoryCluster) {
    cluster.stop_replacing(Color::Green);
    cluster.kill(Color::Green, 3);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_bake_is_judged_by_what_is_read_then() {
    let cluster = cluster();
    let release = baking(&cluster, &Faults::new()).await;
    crash(&cluster);
    assert!(matches!(reason(release.await.unwrap().unwrap()), Reason::Unfit { .. }));
}

#[tokio::test(start_paused = true)]
async fn guards_look_for_a_while_after_they_could_not() {
    let (cluster, faults) = (cluster(), Faults::new());
    let release = baking(&cluster, &faults).await;
    faults.always("slot.state", Fault::Before(ErrorKind::Unavailable));
    cluster.clock().sleep(Duration::from_mins(1)).await;
    assert!(!release.is_finished(), "nothing can be seen");
    faults.heal();
    // What was cut off too tells a little later what happened meanwhile.
    cluster.clock().sleep(Duration::from_secs(10)).await;
    crash(&cluster);
    assert!(matches!(reason(release.await.unwrap().unwrap()), Reason::Unfit { .. }));
}

#[tokio::test(start_paused = true)]
async fn traffic_may_take_its_time_to_come_back() {
    let (cluster, faults) = (cluster(), Faults::new());
    let release = baking(&cluster, &faults).await;
    for nth in 1..=3 {
        faults.on("switch.converge", nth, Fault::Hang);
    }
    crash(&cluster);
    assert!(matches!(reason(release.await.unwrap().unwrap()), Reason::Unfit { .. }));
    assert_eq!(routing(&cluster).await, Routing::all(Color::Blue));
}

#[tokio::test(start_paused = true)]
async fn what_guards_saw_is_not_kept_for_a_store_that_is_away() {
    let (cluster, faults) = (cluster(), Faults::new());
    let release = baking(&cluster, &faults).await;
    faults.always("store.save", Fault::Before(ErrorKind::Unavailable));
    cluster.clock().sleep(Duration::from_mins(1)).await;
    crash(&cluster);
    faults.heal();
    assert!(matches!(reason(release.await.unwrap().unwrap()), Reason::Unfit { .. }));
}

#[tokio::test(start_paused = true)]
async fn an_outage_right_after_the_switch_does_not_count_against_it() {
    for outage in [10, 40] {
        let (cluster, faults) = (cluster(), Faults::new());
        for nth in 1..=outage {
            faults.on("switch.converge", nth, Fault::Before(ErrorKind::Unavailable));
        }
        // And then nobody makes traffic follow for longer than the plan gives.
        faults.on("switch.converge", outage + 1, Fault::Delay(Duration::from_secs(50)));
        let releaser = Releaser::new(faults.around(cluster.ports("one")));
        assert_eq!(releaser.run(change("2"), &plan()).await.unwrap(), Outcome::Released);
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_has_just_started_may_refuse_what_it_does_not_know_yet() {
    for name in ["store.save", "switch.fence", "slot.deploy", "switch.shift", "slot.scale"] {
        let (cluster, faults) = (cluster(), Faults::new());
        faults.on(name, 1, Fault::Before(ErrorKind::Unavailable));
        faults.on(name, 2, Fault::Before(ErrorKind::Rejected));
        let releaser = Releaser::new(faults.around(cluster.ports("one")));
        let plan = plan();
        let release = releaser.run(change("2"), &plan);
        match name {
            // The first one of all is not waited for: somebody stands before it.
            "store.save" => assert!(release.await.is_err()),
            _ => assert_eq!(release.await.unwrap(), Outcome::Released, "{name}"),
        }
    }
    let (cluster, faults) = (cluster(), Faults::new());
    let releaser = Releaser::new(faults.around(cluster.ports("one")));
    let release = tokio::spawn(async move { releaser.run(change("2"), &plan()).await });
    await_phase(&cluster, PhaseName::Baking).await;
    faults.on("store.save", 1, Fault::Before(ErrorKind::Unavailable));
    faults.on("store.save", 2, Fault::Before(ErrorKind::Rejected));
    assert_eq!(release.await.unwrap().unwrap(), Outcome::Released);
}

#[tokio::test(start_paused = true)]
async fn a_slot_is_not_made_smaller_while_nodes_may_not_have_heard_of_the_other() {
    let (cluster, faults) = (cluster(), Faults::new());
    let releaser = Releaser::new(faults.around(cluster.ports("one")));
    let release = tokio::spawn(async move { releaser.run(change("2"), &plan()).await });
    await_phase(&cluster, PhaseName::Baking).await;
    let begun = tokio::time::Instant::now();
    // This save ends the bake, and the drain begins.
    faults.on("store.save", 1, Fault::Before(ErrorKind::Unavailable));
    assert_eq!(release.await.unwrap().unwrap(), Outcome::Released);
    let plan = plan();
    let least = plan.bake.hold + plan.drain.quiet + Duration::from_secs(59);
    assert!(begun.elapsed() >= least, "it took {:?}, wanted {least:?}", begun.elapsed());
}
