//! The conditional writes: what they look like, and what happens when the condition fails.

use std::sync::Arc;

use bluegreen_core::conformance::deed;
use bluegreen_core::conformance::switch::SwitchFixture;

use super::*;
use crate::stand_in::{Failure, Fault};

bluegreen_core::switch_conformance_tests!(one: async || {
    let stand_in = world().await;
    fixture(stand_in.clone(), switch(&stand_in).with_mirror().with_cookie_pins(), AGENT)
});

bluegreen_core::switch_conformance_tests!(without_pins: async || {
    let stand_in = world().await;
    fixture(stand_in.clone(), switch(&stand_in).without_pins(), AGENT)
});

bluegreen_core::switch_conformance_tests!(two: async || {
    let stand_in = world().await;
    create(&stand_in, "httproutes", route("second")).await;
    fixture(stand_in.clone(), switch(&stand_in).with_route("second"), "second")
});

bluegreen_core::switch_conformance_tests!(http_and_grpc: async || {
    let stand_in = world().await;
    create(&stand_in, "grpcroutes", grpc()).await;
    let switch = switch(&stand_in).with_grpc_route("agent-grpc").with_mirror();
    fixture(stand_in.clone(), switch, AGENT)
});

bluegreen_core::switch_conformance_tests!(between_pools: async || {
    let stand_in = pools().await;
    fixture(stand_in.clone(), switch(&stand_in).with_inference_pools(), AGENT)
});

fn grpc() -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "GRPCRoute",
        "metadata": {"name": "agent-grpc"},
        "spec": {
            "parentRefs": [{"name": "public"}],
            "rules": [{"backendRefs": backends(1, 0)}],
        },
    })
}

fn fixture(stand_in: StandIn, switch: RouteWeights, disturbed: &'static str) -> SwitchFixture {
    SwitchFixture {
        switch: Arc::new(switch),
        evidence: EvidenceKind::Endpoints,
        disturb: deed(move || {
            let mut rules = rules(&stand_in, disturbed);
            for (at, weight) in [(0, 60), (1, 40)] {
                rules[1]["backendRefs"][at]["weight"] = weight.into();
            }
            edit(&stand_in, disturbed, &json!({"spec": {"rules": rules}}));
            std::future::ready(())
        }),
        guard: Box::new(()),
    }
}

#[tokio::test]
async fn a_shift_tests_identity_epoch_and_the_whole_list_of_backends() {
    let stand_in = world().await;
    let switch = switch(&stand_in);
    switch.fence(Epoch::new(41)).await.unwrap();
    let route = switch.read(&switch.routes[0]).await.unwrap();
    let operations =
        patch::shift(&route, &blue(), &canary(5), Epoch::new(42), &switch.slots, &settings());
    let epoch = "/metadata/annotations/bluegreen.dev~1epoch";
    let note = json!({
        "from": {"live": "blue", "candidate": 0}, "to": {"live": "blue", "candidate": 50000},
        "epoch": 42,
    });
    let mut operations = operations.unwrap();
    let written: Value =
        serde_json::from_str(operations.pop().unwrap()["value"].as_str().unwrap()).unwrap();
    assert_eq!(written, note);
    assert_eq!(
        Value::Array(operations),
        json!([
            {"op": "test", "path": "/metadata/uid", "value": route.uid},
            {"op": "test", "path": epoch, "value": "41"},
            {"op": "replace", "path": epoch, "value": "42"},
            {"op": "test", "path": "/spec/rules/1/backendRefs", "value": backends(1, 0)},
            {"op": "replace", "path": "/spec/rules/1/backendRefs",
             "value": backends(950_000, 50_000)},
        ])
    );
}

#[tokio::test]
async fn a_shift_is_one_request_for_each_route_and_changes_nothing_but_weights() {
    let stand_in = world().await;
    create(&stand_in, "httproutes", route("second")).await;
    let switch = switch(&stand_in).with_route("second");
    switch.fence(ONE).await.unwrap();
    let before = (stand_in.count("patch", "*"), rules(&stand_in, AGENT));
    switch.shift(&blue(), &canary(25), ONE).await.unwrap();
    assert_eq!(stand_in.count("patch", "*") - before.0, 2);
    for name in [AGENT, "second"] {
        let mut after = rules(&stand_in, name);
        assert_eq!(after[1]["backendRefs"], backends(750_000, 250_000));
        after[1]["backendRefs"] = backends(1, 0);
        assert_eq!(after, before.1);
    }
    // Another process begins from what is there.
    let other = super::switch(&stand_in).with_route("second");
    other.fence(Epoch::new(2)).await.unwrap();
    let stale = switch.shift(&canary(25), &blue(), ONE).await.unwrap_err();
    assert_eq!(stale.kind(), ErrorKind::Conflict, "{}", stale.chain());
    other.shift(&canary(25), &blue(), Epoch::new(2)).await.unwrap();
}

#[tokio::test]
async fn a_shift_of_one_route_whose_pods_were_just_awaited_is_one_request() {
    let stand_in = world().await;
    let switch = switch(&stand_in);
    switch.fence(ONE).await.unwrap();
    switch.await_known(Green, &[]).await.unwrap();
    let before = stand_in.count("*", "*");
    switch.shift(&blue(), &canary(25), ONE).await.unwrap();
    assert_eq!(stand_in.count("*", "*") - before, 1);
}

#[tokio::test]
async fn a_write_of_others_to_other_fields_is_no_conflict() {
    let stand_in = world().await;
    let switch = switch(&stand_in);
    switch.fence(ONE).await.unwrap();
    let mut rules = rules(&stand_in, AGENT);
    rules[1]["timeouts"] = json!({"request": "10s"});
    edit(&stand_in, AGENT, &json!({"spec": {"rules": rules}}));
    shifted(&switch, &blue(), &green()).await;
    let after = super::rules(&stand_in, AGENT);
    assert_eq!(after[1]["timeouts"]["request"], "10s", "what is theirs stays");
}

#[tokio::test]
async fn a_rule_that_is_put_before_ours_meanwhile_is_left_alone() {
    let stand_in = world().await;
    let switch = switch(&stand_in);
    switch.fence(ONE).await.unwrap();
    let mut rules = rules(&stand_in, AGENT);
    let mut theirs = rules[0].clone();
    theirs["matches"][0]["path"]["value"] = "/more".into();
    rules.insert(0, theirs);
    edit(&stand_in, AGENT, &json!({"spec": {"rules": rules}}));
    shifted(&switch, &blue(), &green()).await;
    let after = super::rules(&stand_in, AGENT);
    assert_eq!((after.len(), &after[..2]), (3, &rules[..2]));
    assert_eq!(after[2]["backendRefs"], backends(0, 1_000_000));
}

#[tokio::test]
async fn a_shift_whose_answer_was_lost_is_unknown_and_done_when_it_is_sent_again() {
    let stand_in = world().await;
    let mut settings = settings();
    settings.call = Duration::from_millis(100);
    let switch = RouteWeights::new(stand_in.client(NAMESPACE), settings).with_route(AGENT);
    switch.fence(ONE).await.unwrap();
    stand_in.fail(Fault::new("patch", "httproutes", Failure::Hang).after_the_effect().times(1));
    let error = switch.shift(&blue(), &green(), ONE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unknown, "{}", error.chain());
    assert_eq!(switch.observe().await.unwrap().routing(), Some(&green()));
    switch.shift(&blue(), &green(), ONE).await.unwrap();
}

#[tokio::test]
async fn a_route_that_was_made_anew_is_a_conflict() {
    let stand_in = world().await;
    let switch = switch(&stand_in);
    switch.fence(ONE).await.unwrap();
    let api = switch.api(RouteKind::Http);
    api.delete(AGENT, &kube::api::DeleteParams::default()).await.unwrap();
    create(&stand_in, "httproutes", route(AGENT)).await;
    let error = switch.shift(&blue(), &green(), ONE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{}", error.chain());
    assert_eq!(switch.observe().await.unwrap().routing(), Some(&blue()));
}

#[tokio::test]
async fn the_late_request_of_a_stale_driver_changes_nothing() {
    let stand_in = world().await;
    let mut settings = settings();
    settings.call = Duration::from_millis(100);
    let stale = RouteWeights::new(stand_in.client(NAMESPACE), settings).with_route(AGENT);
    stale.fence(ONE).await.unwrap();
    stand_in.fail(Fault::new("patch", "httproutes", Failure::Late));
    let error = stale.shift(&blue(), &green(), ONE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unknown, "{}", error.chain());
    // The one who takes over finds nothing to do, and still nothing gets through any more.
    switch(&stand_in).fence(Epoch::new(2)).await.unwrap();
    assert_eq!(stand_in.deliver_late(), 1);
    assert_eq!(switch(&stand_in).observe().await.unwrap().routing(), Some(&blue()));
}

#[tokio::test]
async fn no_share_goes_to_a_slot_without_ready_pods() {
    let stand_in = world().await;
    let switch = switch(&stand_in);
    switch.fence(ONE).await.unwrap();
    for name in stand_in.pods(NAMESPACE, &[("slot", "green")]) {
        stand_in.set_ready(NAMESPACE, &name, false);
    }
    let only_pins = pinned(blue());
    for (to, kind) in [
        (canary(5), ErrorKind::Conflict),
        (only_pins, ErrorKind::Conflict),
        (green(), ErrorKind::Unavailable),
    ] {
        let error = switch.shift(&blue(), &to, ONE).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{}", error.chain());
        assert!(error.chain().contains("agent-green: found no endpoint"), "{}", error.chain());
    }
    assert_eq!(rules(&stand_in, AGENT)[1]["backendRefs"], backends(1, 0));
    for name in stand_in.pods(NAMESPACE, &[("slot", "green")]) {
        stand_in.set_ready(NAMESPACE, &name, true);
    }
    shifted(&switch, &blue(), &canary(5)).await;
    // The way back needs none of the candidate's pods.
    for name in stand_in.pods(NAMESPACE, &[("slot", "green")]) {
        stand_in.set_ready(NAMESPACE, &name, false);
    }
    shifted(&switch, &canary(5), &blue()).await;
}
