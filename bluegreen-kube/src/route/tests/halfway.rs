//! Shifts of two routes that came to one of them only.

use super::*;
use crate::stand_in::{Failure, Fault};

/// Two routes that move together, and blue is live.
async fn two() -> (StandIn, RouteWeights) {
    let stand_in = world().await;
    create(&stand_in, "httproutes", route("second")).await;
    let switch = both(&stand_in);
    switch.fence(ONE).await.unwrap();
    (stand_in, switch)
}

fn both(stand_in: &StandIn) -> RouteWeights {
    switch(stand_in).with_route("second")
}

/// A shift whose write of one route is refused.
async fn half(stand_in: &StandIn, missed: &str, from: &Routing, to: &Routing, epoch: Epoch) {
    let refused = Failure::Status(500);
    stand_in.fail(Fault::new("patch", "httproutes", refused).named(missed).times(1));
    let error = both(stand_in).shift(from, to, epoch).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unknown, "{}", error.chain());
}

async fn state(stand_in: &StandIn) -> ObservedState {
    // Another process has to find the same.
    both(stand_in).observe().await.unwrap().state
}

#[tokio::test]
async fn a_shift_that_stopped_half_way_goes_on_or_back_from_every_step() {
    let steps = [(blue(), canary(5)), (canary(5), pinned(canary(25))), (canary(25), green())];
    for (from, to) in steps {
        for target in [to.clone(), from.clone(), blue()] {
            let stand_in = world().await;
            create(&stand_in, "httproutes", route("second")).await;
            let switch = switch(&stand_in).with_route("second");
            switch.fence(ONE).await.unwrap();
            if from != blue() {
                switch.shift(&blue(), &from, ONE).await.unwrap();
            }
            let refused = Failure::Status(500);
            stand_in.fail(Fault::new("patch", "httproutes", refused).named("second").times(1));
            let error = switch.shift(&from, &to, ONE).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unknown, "{}", error.chain());
            // Another process has to find the same.
            let other = super::switch(&stand_in).with_route("second");
            let between = ObservedState::Between { from: from.clone(), to: to.clone() };
            assert_eq!(other.observe().await.unwrap().state, between);
            other.fence(Epoch::new(2)).await.unwrap();
            other.shift(&from, &target, Epoch::new(2)).await.unwrap();
            assert_eq!(other.observe().await.unwrap().routing(), Some(&target));
        }
    }
}

#[tokio::test]
async fn a_way_back_may_stop_half_way_too() {
    let steps = [(canary(25), canary(60)), (canary(25), pinned(canary(60))), (blue(), green())];
    for (from, to) in steps {
        for missed in [AGENT, "second"] {
            let (stand_in, switch) = two().await;
            if from != blue() {
                shifted(&switch, &blue(), &from).await;
            }
            half(&stand_in, missed, &from, &to, ONE).await;
            let other = if missed == AGENT { "second" } else { AGENT };
            let back = Routing::all(Blue).with_candidate(Share::percent(3));
            let two = Epoch::new(2);
            both(&stand_in).fence(two).await.unwrap();
            half(&stand_in, other, &from, &back, two).await;
            let between = ObservedState::Between { from: from.clone(), to: back.clone() };
            assert_eq!(state(&stand_in).await, between);
            both(&stand_in).shift(&from, &blue(), two).await.unwrap();
            assert_eq!(state(&stand_in).await, ObservedState::Routed(blue()));
        }
    }
}

#[tokio::test]
async fn routes_that_disagree_by_hand_are_foreign_however_they_came_there() {
    let (stand_in, switch) = two().await;
    shifted(&switch, &blue(), &canary(25)).await;
    half(&stand_in, "second", &canary(25), &canary(60), ONE).await;
    reweigh(&stand_in, "second", 90, 10);
    assert!(matches!(state(&stand_in).await, ObservedState::Foreign(_)));
    // Nor is one explained by where another has come from.
    reweigh(&stand_in, "second", 75, 25);
    reweigh(&stand_in, AGENT, 97, 3);
    assert!(matches!(state(&stand_in).await, ObservedState::Foreign(_)));
}

#[tokio::test]
async fn no_route_goes_back_to_a_slot_without_ready_pods() {
    let (stand_in, switch) = two().await;
    shifted(&switch, &blue(), &canary(25)).await;
    half(&stand_in, "second", &canary(25), &blue(), ONE).await;
    for name in stand_in.pods(NAMESPACE, &[("slot", "green")]) {
        stand_in.set_ready(NAMESPACE, &name, false);
    }
    // One of the routes gives green nothing any more.
    let error = both(&stand_in).shift(&canary(25), &canary(25), ONE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{}", error.chain());
    assert!(error.chain().contains("agent-green: found no endpoint"), "{}", error.chain());
    both(&stand_in).shift(&canary(25), &blue(), ONE).await.unwrap();
}
