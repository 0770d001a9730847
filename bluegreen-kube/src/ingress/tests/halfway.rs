//! Shifts of two Ingresses that came to one of them only, and Ingresses that somebody else moved.

use super::*;
use crate::stand_in::{Failure, Fault};

/// Two Ingresses that move together, and blue is live.
async fn two() -> (StandIn, IngressSwitch) {
    let stand_in = world().await;
    create(&stand_in, "ingresses", ingress("second")).await;
    let switch = both(&stand_in);
    switch.fence(ONE).await.unwrap();
    (stand_in, switch)
}

fn both(stand_in: &StandIn) -> IngressSwitch {
    switch(stand_in).with_ingress("second")
}

async fn half(stand_in: &StandIn, missed: &str, from: &Routing, to: &Routing) {
    let refused = Failure::Status(500);
    stand_in.fail(Fault::new("patch", "ingresses", refused).named(missed).times(1));
    let error = both(stand_in).shift(from, to, ONE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unknown, "{}", error.chain());
}

#[tokio::test]
async fn a_shift_that_stopped_half_way_goes_on_or_back() {
    for missed in [AGENT, "second"] {
        for target in [green(), blue()] {
            let (stand_in, _) = two().await;
            half(&stand_in, missed, &blue(), &green()).await;
            // Another process has to find the same.
            let other = both(&stand_in);
            let between = ObservedState::Between { from: blue(), to: green() };
            assert_eq!(other.observe().await.unwrap().state, between);
            other.fence(Epoch::new(2)).await.unwrap();
            other.shift(&blue(), &target, Epoch::new(2)).await.unwrap();
            assert_eq!(other.observe().await.unwrap().routing(), Some(&target));
        }
    }
}

#[tokio::test]
async fn a_way_back_may_stop_half_way_too() {
    let (stand_in, switch) = two().await;
    switch.shift(&blue(), &green(), ONE).await.unwrap();
    half(&stand_in, "second", &green(), &blue()).await;
    // One epoch has made both moves, so which was the last one cannot be told, and need not be.
    let state = both(&stand_in).observe().await.unwrap().state;
    assert!(matches!(state, ObservedState::Between { .. }), "{state:?}");
    both(&stand_in).shift(&green(), &blue(), ONE).await.unwrap();
    assert_eq!(switch.observe().await.unwrap().routing(), Some(&blue()));
}

#[tokio::test]
async fn one_that_somebody_moved_back_by_hand_is_foreign() {
    let (stand_in, switch) = two().await;
    switch.shift(&blue(), &green(), ONE).await.unwrap();
    let back = led_to(&spec(&stand_in, AGENT), Blue);
    edit(&stand_in, AGENT, &json!({"spec": back}));
    let state = switch.observe().await.unwrap().state;
    let ObservedState::Foreign(text) = state else { panic!("{state:?}") };
    assert_eq!(text, "ingresses that disagree: agent: agent-blue; second: agent-green");
    // Moved back all of it, that is where traffic is.
    edit(&stand_in, "second", &json!({"spec": led_to(&spec(&stand_in, "second"), Blue)}));
    assert_eq!(switch.observe().await.unwrap().routing(), Some(&blue()));
}

#[tokio::test]
async fn an_ingress_with_paths_to_both_is_foreign_and_says_which() {
    let stand_in = world().await;
    let mut mixed = spec(&stand_in, AGENT);
    mixed["rules"][1]["http"]["paths"][0]["backend"] = backend("agent-green");
    edit(&stand_in, AGENT, &json!({"spec": mixed}));
    let state = switch(&stand_in).observe().await.unwrap().state;
    let ObservedState::Foreign(text) = state else { panic!("{state:?}") };
    assert_eq!(
        text,
        "ingress agent disagrees with itself: the default backend leads to agent-blue, \
         path /v1?a&b to agent-green"
    );
}

#[tokio::test]
async fn an_ingress_that_goes_away_is_seen() {
    let stand_in = world().await;
    let switch = switch(&stand_in);
    let known = switch.observe().await.unwrap();
    let api = switch.api();
    let params = kube::api::DeleteParams::default();
    let (seen, gone) = tokio::join!(switch.watch(&known), api.delete(AGENT, &params));
    gone.unwrap();
    let state = seen.unwrap().state;
    assert_eq!(state, ObservedState::Foreign("ingress agent is not there".to_owned()));
    let error = switch.shift(&blue(), &green(), ONE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{}", error.chain());
}
