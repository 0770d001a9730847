//! Releases that are killed at every write.

use super::*;
use crate::stand_in::{Failure, Fault};

/// All moves of a release with pins, and the ways back from each.
fn moves() -> Vec<(Routing, Routing)> {
    let mut green_pinned = green();
    let (name, value) = ("x-try".to_owned(), "new".to_owned());
    green_pinned.pins.push(Pin::Header { name, value, color: Blue });
    vec![
        (blue(), share(5)),
        (share(5), pinned(share(50))),
        (pinned(share(50)), green()),
        (pinned(share(50)), green_pinned.clone()),
        (blue(), green()),
        (green_pinned.clone(), green()),
        (share(50), blue()),
        (green_pinned, blue()),
        (green(), blue()),
    ]
}

/// A world that was brought to `at`.
async fn brought(around: Around, at: &Routing) -> StandIn {
    let stand_in = world(around).await;
    let switch = switch(&stand_in, around);
    switch.fence(ONE).await.unwrap();
    switch.prepare(Green, ONE).await.unwrap();
    switch.shift(&blue(), at, ONE).await.unwrap();
    assert_eq!(switch.observe().await.unwrap().routing(), Some(at));
    stand_in
}

/// Where a request that chooses nothing may end up.
fn reached(stand_in: &StandIn, around: Around) -> Vec<Color> {
    let mut reached = vec![main(stand_in, around)];
    if marked(stand_in, "canary-weight").as_str().is_some_and(|weight| weight != "0") {
        let canary = selected(stand_in, "agent-canary");
        reached.push(Color::parse(canary.as_str().unwrap()).unwrap());
    }
    reached
}

#[tokio::test]
async fn every_prefix_of_the_writes_leaves_traffic_with_a_slot_that_may_have_it() {
    for around in BOTH {
        for (from, to) in moves() {
            for written in 0..6 {
                let stand_in = brought(around, &from).await;
                let killed = Fault::new("patch", "*", Failure::Status(500)).skip(written).times(99);
                stand_in.fail(killed);
                let done = switch(&stand_in, around).shift(&from, &to, ONE).await;
                for color in reached(&stand_in, around) {
                    let may =
                        from.share_of(color) > Share::NONE || to.share_of(color) > Share::NONE;
                    assert!(may, "{around:?}, {from} to {to} after {written}: {color}");
                }
                let found = state(&stand_in, around).await;
                let is_known = match &found {
                    ObservedState::Routed(at) => *at == from || *at == to,
                    ObservedState::Between { .. } => true,
                    _ => false,
                };
                assert!(is_known, "{around:?}, {from} to {to} after {written}: {found}");
                if done.is_ok() {
                    assert_eq!(found, ObservedState::Routed(to.clone()));
                    break;
                }
                assert!(written < 5, "{from} to {to} takes no end");
            }
        }
    }
}

#[tokio::test]
async fn whoever_takes_over_comes_to_the_end_or_goes_back() {
    for around in BOTH {
        for (from, to) in moves() {
            for written in 0..4 {
                for target in [&to, &from, &blue()] {
                    let stand_in = brought(around, &from).await;
                    let killed =
                        Fault::new("patch", "*", Failure::Status(500)).skip(written).times(1);
                    stand_in.fail(killed);
                    if switch(&stand_in, around).shift(&from, &to, ONE).await.is_ok() {
                        break;
                    }
                    let other = switch(&stand_in, around);
                    let two = Epoch::new(2);
                    other.fence(two).await.unwrap();
                    // As a driver does: from where it finds traffic.
                    let found = other.observe().await.unwrap();
                    let start = match found.state {
                        ObservedState::Routed(at) => at,
                        ObservedState::Between { from, .. } => from,
                        foreign => panic!("{foreign}"),
                    };
                    other.shift(&start, target, two).await.unwrap();
                    let end = state(&stand_in, around).await;
                    assert_eq!(end, ObservedState::Routed(target.clone()), "{from} to {to}");
                }
            }
        }
    }
}
