//! The writes, each by itself and in their order.

use std::sync::Arc;
use std::time::Duration;

use bluegreen_core::conformance::deed;
use bluegreen_core::conformance::switch::SwitchFixture;

use super::*;
use crate::stand_in::{Denial, Failure, Fault};

bluegreen_core::switch_conformance_tests!(around_a_service: async || fixture(Around::Service).await);
bluegreen_core::switch_conformance_tests!(around_an_ingress: async || fixture(Around::Ingress).await);

async fn fixture(around: Around) -> SwitchFixture {
    let stand_in = world(around).await;
    SwitchFixture {
        switch: Arc::new(switch(&stand_in, around)),
        evidence: EvidenceKind::Endpoints,
        disturb: deed(move || {
            mark(&stand_in, "agent-canary", "canary-weight", &json!("40"));
            std::future::ready(())
        }),
        guard: Box::new(()),
    }
}

#[tokio::test]
async fn a_share_is_one_write_and_so_is_the_way_back() {
    for around in BOTH {
        let stand_in = world(around).await;
        let switch = switch(&stand_in, around);
        switch.fence(ONE).await.unwrap();
        switch.prepare(Green, ONE).await.unwrap();
        assert_eq!(selected(&stand_in, "agent-canary"), "green");
        let mut before = blue();
        for to in [share(5), share(50), pinned(share(50)), blue()] {
            let count = stand_in.count("patch", "*");
            switch.shift(&before, &to, ONE).await.unwrap();
            assert_eq!(stand_in.count("patch", "*") - count, 1, "{around:?}: {to}");
            assert_eq!(state(&stand_in, around).await, ObservedState::Routed(to.clone()));
            before = to;
        }
        assert_eq!(marked(&stand_in, "canary-weight"), "0");
        assert_eq!(marked(&stand_in, "canary-by-header"), Value::Null, "taken away again");
        let canary = stand_in.object(INGRESSES, NAMESPACE, "agent-canary").unwrap();
        assert_eq!(canary["metadata"]["annotations"]["example.com/say"], "a<b>&c");
    }
}

#[tokio::test]
async fn all_of_it_is_the_primary_first_and_then_the_weight() {
    for around in BOTH {
        let stand_in = world(around).await;
        let switch = switch(&stand_in, around);
        switch.fence(ONE).await.unwrap();
        switch.prepare(Green, ONE).await.unwrap();
        switch.shift(&blue(), &share(50), ONE).await.unwrap();
        let count = stand_in.count("patch", "*");
        switch.shift(&share(50), &green(), ONE).await.unwrap();
        assert_eq!(stand_in.count("patch", "*") - count, 2);
        assert_eq!(main(&stand_in, around), Green);
        assert_eq!(marked(&stand_in, "canary-weight"), "0");
        // Back to blue is one write.
        let count = stand_in.count("patch", "*");
        switch.shift(&green(), &blue(), ONE).await.unwrap();
        assert_eq!(stand_in.count("patch", "*") - count, 1);
        assert_eq!(main(&stand_in, around), Blue);
    }
}

#[tokio::test]
async fn a_canary_that_is_gone_stands_in_nobodys_way() {
    for around in BOTH {
        let stand_in = world(around).await;
        let switch = switch(&stand_in, around);
        switch.fence(ONE).await.unwrap();
        switch.prepare(Green, ONE).await.unwrap();
        switch.shift(&blue(), &share(50), ONE).await.unwrap();
        switch.shift(&share(50), &green(), ONE).await.unwrap();
        let ingresses = crate::ingress::api(&stand_in.client(NAMESPACE), NAMESPACE);
        ingresses.delete("agent-canary", &kube::api::DeleteParams::default()).await.unwrap();
        assert_eq!(state(&stand_in, around).await, ObservedState::Routed(green()));
        let two = Epoch::new(2);
        switch.fence(two).await.unwrap();
        let error = switch.shift(&green(), &share(5), two).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{}", error.chain());
        switch.shift(&green(), &blue(), two).await.unwrap();
        assert_eq!(main(&stand_in, around), Blue);
        let evidence = switch.converge(&blue(), &EvidenceKind::Endpoints).await.unwrap();
        assert!(evidence.detail.contains("without a canary"), "{evidence}");
    }
}

#[tokio::test]
async fn a_weight_that_somebody_takes_back_by_hand_is_where_traffic_is() {
    let stand_in = world(Around::Service).await;
    let switch = switch(&stand_in, Around::Service);
    switch.fence(ONE).await.unwrap();
    switch.prepare(Green, ONE).await.unwrap();
    switch.shift(&blue(), &share(50), ONE).await.unwrap();
    mark(&stand_in, "agent-canary", "canary-weight", &json!("0"));
    assert_eq!(state(&stand_in, Around::Service).await, ObservedState::Routed(blue()));
    let error = switch.shift(&share(50), &green(), ONE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{}", error.chain());
}

#[tokio::test]
async fn foreign_edits_in_between_are_borne_and_those_of_ours_are_a_conflict() {
    let stand_in = world(Around::Service).await;
    let switch = switch(&stand_in, Around::Service);
    switch.fence(ONE).await.unwrap();
    switch.prepare(Green, ONE).await.unwrap();
    for code in [409, 422] {
        stand_in.fail(Fault::new("patch", "ingresses", Failure::Status(code)).times(2));
        switch.shift(&blue(), &share(5), ONE).await.unwrap();
        switch.shift(&share(5), &blue(), ONE).await.unwrap();
        stand_in.fail(Fault::new("patch", "ingresses", Failure::Status(code)).times(5));
        let error = switch.shift(&blue(), &share(5), ONE).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{}", error.chain());
    }
    let canary = switch.get_canary().await.unwrap();
    mark(&stand_in, "agent-canary", "canary-by-cookie", &json!("theirs"));
    let asked = marks::Asked::of(&share(5)).unwrap();
    let note = objects::Note { from: blue(), to: share(5), is_moving: false };
    let operations = objects::ask(&canary, &asked, &note, ONE, &settings()).unwrap();
    let error = switch.patch_canary(operations).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{}", error.chain());
    assert_eq!(marked(&stand_in, "canary-by-cookie"), "theirs");
}

#[tokio::test]
async fn the_service_of_the_canary_does_not_move_under_requests() {
    let stand_in = world(Around::Service).await;
    let switch = switch(&stand_in, Around::Service);
    switch.fence(ONE).await.unwrap();
    switch.prepare(Green, ONE).await.unwrap();
    switch.shift(&blue(), &share(5), ONE).await.unwrap();
    let error = switch.prepare(Blue, ONE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected, "{}", error.chain());
    assert_eq!(selected(&stand_in, "agent-canary"), "green");
}

#[tokio::test]
async fn no_share_where_either_side_has_nobody_to_answer() {
    for around in BOTH {
        for (empty, kind) in [(Green, ErrorKind::Conflict), (Blue, ErrorKind::Conflict)] {
            let stand_in = world(around).await;
            let switch = switch(&stand_in, around);
            switch.fence(ONE).await.unwrap();
            switch.prepare(Green, ONE).await.unwrap();
            set_ready(&stand_in, empty, false);
            let error = switch.shift(&blue(), &share(5), ONE).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{}", error.chain());
            assert_eq!(marked(&stand_in, "canary-weight"), Value::Null);
        }
    }
}

#[tokio::test]
async fn a_stale_driver_changes_nothing_late() {
    let stand_in = world(Around::Service).await;
    let mut brief = settings();
    brief.call = Duration::from_millis(100);
    let client = || stand_in.client(NAMESPACE);
    let inner = ServiceSwitch::new(client(), brief.clone());
    let stale = IngressCanary::around_service(client(), brief, inner);
    stale.fence(ONE).await.unwrap();
    stale.prepare(Green, ONE).await.unwrap();
    stand_in.fail(Fault::new("patch", "ingresses", Failure::Late));
    let error = stale.shift(&blue(), &share(5), ONE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unknown, "{}", error.chain());
    switch(&stand_in, Around::Service).fence(Epoch::new(2)).await.unwrap();
    assert_eq!(stand_in.deliver_late(), 1);
    assert_eq!(state(&stand_in, Around::Service).await, ObservedState::Routed(blue()));
}

#[tokio::test]
async fn each_right_is_asked_for() {
    for (verb, resource) in [
        ("get", "ingresses"),
        ("list", "ingresses"),
        ("watch", "ingresses"),
        ("patch", "ingresses"),
        ("patch", "services"),
        ("watch", "services"),
    ] {
        let stand_in = world(Around::Ingress).await;
        stand_in.deny(Denial::new(verb, resource));
        let switch = switch(&stand_in, Around::Ingress);
        let problems = switch.check(&[share(5)], &EvidenceKind::Endpoints).await.unwrap();
        let right = format!("right to {verb} {resource}");
        let told = problems.iter().filter(|it| it.object.contains(&right)).count();
        assert_eq!(told, 1, "{verb} {resource}: {problems:?}");
    }
}

#[tokio::test]
async fn evidence_says_what_is_seen_and_what_is_not() {
    let stand_in = world(Around::Service).await;
    let switch = switch(&stand_in, Around::Service);
    switch.fence(ONE).await.unwrap();
    switch.prepare(Green, ONE).await.unwrap();
    switch.shift(&blue(), &share(5), ONE).await.unwrap();
    let evidence = switch.converge(&share(5), &EvidenceKind::Endpoints).await.unwrap();
    let begin = "ingress agent-canary: blue 95 %, green 5 %; service agent-canary: 2 serving \
                 endpoints in 1 slice, all of green; ";
    assert!(evidence.detail.starts_with(begin), "{evidence}");
    assert!(evidence.detail.ends_with("whether nginx has taken the canary is not shown"));
    let pods = switch.slots.slot_pods(kube::api::ListParams::default()).await.unwrap();
    let pods: Vec<String> = pods.green.iter().filter_map(kube::ResourceExt::uid).collect();
    switch.await_known(Green, &pods).await.unwrap();
}

/// What a driver leaves that has told of a move from green to a share, and was killed.
fn leave_half_way(stand_in: &StandIn) {
    let left = objects::Note { from: green(), to: share(5), is_moving: true };
    let patch = json!({"metadata": {"annotations": {
        settings().transition_annotation(): serde_json::to_string(&left).unwrap(),
    }}});
    assert!(stand_in.edit("bluegreen", INGRESSES, NAMESPACE, "agent-canary", &patch));
}

/// A driver that announced a move and was killed leaves a note, and somebody may go on by hand.
#[tokio::test]
async fn an_old_note_makes_no_later_routing_unreadable() {
    for around in BOTH {
        let stand_in = world(around).await;
        let switch = switch(&stand_in, around);
        switch.fence(ONE).await.unwrap();
        switch.prepare(Green, ONE).await.unwrap();
        switch.shift(&blue(), &green(), ONE).await.unwrap();
        switch.prepare(Blue, ONE).await.unwrap();
        leave_half_way(&stand_in);
        assert_eq!(state(&stand_in, around).await, ObservedState::Routed(green()));
        switch.shift(&green(), &blue(), ONE).await.unwrap();
        assert_eq!(state(&stand_in, around).await, ObservedState::Routed(blue()), "{around:?}");
    }
}

/// The driver was killed between the move of the primary and the share that was to follow.
#[tokio::test]
async fn whoever_is_asked_for_nothing_more_than_the_half_ends_the_move() {
    for around in BOTH {
        let stand_in = world(around).await;
        let switch = switch(&stand_in, around);
        switch.fence(ONE).await.unwrap();
        leave_half_way(&stand_in);
        let between = ObservedState::Between { from: green(), to: share(5) };
        assert_eq!(state(&stand_in, around).await, between);
        switch.shift(&green(), &blue(), ONE).await.unwrap();
        assert_eq!(state(&stand_in, around).await, ObservedState::Routed(blue()), "{around:?}");
    }
}

#[tokio::test]
async fn endpoints_of_the_candidate_say_nothing_of_live() {
    for around in BOTH {
        let stand_in = world(around).await;
        let switch = switch(&stand_in, around);
        switch.fence(ONE).await.unwrap();
        switch.prepare(Green, ONE).await.unwrap();
        switch.shift(&blue(), &share(50), ONE).await.unwrap();
        let pods = switch.slots.slot_pods(kube::api::ListParams::default()).await.unwrap();
        let pods: Vec<String> = pods.green.iter().filter_map(kube::ResourceExt::uid).collect();
        switch.await_known(Green, &pods).await.unwrap();
        set_ready(&stand_in, Blue, false);
        let error = switch.shift(&share(50), &share(5), ONE).await.unwrap_err();
        assert!(error.chain().contains("found no endpoint that serves"), "{}", error.chain());
    }
}
