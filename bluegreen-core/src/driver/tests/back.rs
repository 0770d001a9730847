//! A rollback by another process: traffic first, and everything is fenced when it is over.

use super::{MemoryCluster, Operations, Releaser, Routing, await_phase, change, cluster, plan};
use crate::memory::{Fault, Faults};
use crate::{Color, Epoch, ErrorKind, ObservedState, PhaseName, Share, Slot, SwitchStrategy};

/// A cluster whose driver has died in the bake, and the epoch that it drove with.
async fn abandoned() -> (MemoryCluster, Epoch) {
    let cluster = cluster();
    let releaser = Releaser::new(cluster.ports("one"));
    let release = tokio::spawn(async move { releaser.run(change("2"), &plan()).await });
    await_phase(&cluster, PhaseName::Baking).await;
    release.abort();
    assert!(release.await.unwrap_err().is_cancelled());
    let epoch = cluster.switch().observe().await.unwrap().epoch;
    (cluster, epoch)
}

async fn routing(cluster: &MemoryCluster) -> Routing {
    super::routing(cluster).await
}

/// The writes, in the order in which they began.
fn writes(faults: &Faults) -> Vec<String> {
    let is_write = |name: &String| {
        [".fence", ".shift", ".scale", ".deploy"].iter().any(|write| name.contains(write))
    };
    faults.log().into_iter().map(|call| call.name).filter(is_write).collect()
}

/// Whatever the dead driver has sent comes too late.
async fn is_fenced(cluster: &MemoryCluster, stale: Epoch) {
    let (from, to) = (Routing::all(Color::Blue), Routing::all(Color::Green));
    let late = [
        cluster.switch().shift(&from, &to, stale).await,
        cluster.slot(Color::Blue).scale(0, stale).await,
        cluster.slot(Color::Green).commit(stale).await,
    ];
    for result in late {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Conflict);
    }
}

#[tokio::test(start_paused = true)]
async fn the_write_that_gives_traffic_back_is_the_fence_of_the_switch() {
    let (cluster, stale) = abandoned().await;
    let faults = Faults::new();
    let operations = Operations::new(faults.around(cluster.ports("two")));
    operations.rollback("ann", "wrong refunds").await.unwrap();
    assert_eq!(writes(&faults), ["switch.shift", "slot.fence blue", "slot.fence green"]);
    assert_eq!(routing(&cluster).await, Routing::all(Color::Blue));
    is_fenced(&cluster, stale).await;
}

#[tokio::test(start_paused = true)]
async fn a_slot_that_does_not_answer_does_not_keep_traffic_waiting() {
    let (cluster, _) = abandoned().await;
    let faults = Faults::new();
    faults.always("slot.fence green", Fault::Hang);
    let operations = Operations::new(faults.around(cluster.ports("two")));
    let before = tokio::time::Instant::now();
    tokio::select! {
        result = operations.rollback("ann", "wrong refunds") => panic!("no fence: {result:?}"),
        _ = faults.hung(1) => {}
    }
    assert_eq!(routing(&cluster).await, Routing::all(Color::Blue));
    assert_eq!(before.elapsed(), std::time::Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn where_that_write_cannot_be_made_the_fence_comes_first() {
    for fault in [Fault::Before(ErrorKind::Conflict), Fault::Before(ErrorKind::Unavailable)] {
        let (cluster, stale) = abandoned().await;
        let faults = Faults::new();
        faults.on("switch.shift", 1, fault);
        let operations = Operations::new(faults.around(cluster.ports("two")));
        operations.rollback("ann", "wrong refunds").await.unwrap();
        let switch: Vec<_> =
            writes(&faults).into_iter().filter(|name| name.starts_with("switch")).collect();
        assert_eq!(switch, ["switch.shift", "switch.fence", "switch.shift"]);
        assert_eq!(routing(&cluster).await, Routing::all(Color::Blue));
        is_fenced(&cluster, stale).await;
    }
}

#[tokio::test(start_paused = true)]
async fn traffic_that_is_back_already_is_fenced_all_the_same() {
    let (cluster, stale) = abandoned().await;
    cluster.move_routing(Routing::all(Color::Blue));
    let faults = Faults::new();
    let operations = Operations::new(faults.around(cluster.ports("two")));
    operations.rollback("ann", "wrong refunds").await.unwrap();
    assert_eq!(faults.count("switch.shift"), 0);
    assert_eq!(faults.count("switch.fence"), 1);
    is_fenced(&cluster, stale).await;
}

#[tokio::test(start_paused = true)]
async fn traffic_that_was_moved_by_hand_and_stopped_half_way_comes_back_too() {
    let (cluster, stale) = abandoned().await;
    // Neither end is what the record says.
    let share = |percent| Routing::all(Color::Blue).with_candidate(Share::percent(percent));
    let (from, to) = (share(60), share(30));
    cluster.set_routing(ObservedState::Between { from, to });
    let operations = Operations::new(cluster.ports("two"));
    operations.rollback("ann", "wrong refunds").await.unwrap();
    assert_eq!(routing(&cluster).await, Routing::all(Color::Blue));
    is_fenced(&cluster, stale).await;
}
