//! The conditional writes: what they look like, and what happens when the condition fails.

use std::sync::Arc;

use bluegreen_core::ObservedState;
use bluegreen_core::conformance::deed;
use bluegreen_core::conformance::switch::SwitchFixture;

use super::live::select;
use super::*;
use crate::stamp::Stamp;
use crate::stand_in::{Failure, Fault};

bluegreen_core::switch_conformance_tests!(one: async || {
    let stand_in = world().await;
    fixture(stand_in.clone(), switch(&stand_in), AGENT)
});

bluegreen_core::switch_conformance_tests!(two: async || {
    let stand_in = world().await;
    create::<Service>(&stand_in, service("second", &json!({"app": "agent", "slot": "blue"}))).await;
    fixture(stand_in.clone(), switch(&stand_in).and_service("second"), "second")
});

fn fixture(stand_in: StandIn, switch: ServiceSwitch, disturbed: &'static str) -> SwitchFixture {
    SwitchFixture {
        switch: Arc::new(switch),
        evidence: EvidenceKind::Endpoints,
        disturb: deed(move || {
            edit(&stand_in, disturbed, &json!({"spec": {"selector": {"slot": "purple"}}}));
            std::future::ready(())
        }),
        guard: Box::new(()),
    }
}

const ONE: Epoch = Epoch::new(1);

fn blue() -> Routing {
    Routing::all(Blue)
}

fn green() -> Routing {
    Routing::all(Green)
}

#[test]
fn a_shift_tests_identity_selector_and_epoch() {
    let base: Selector = [("app".to_owned(), "agent".to_owned())].into();
    let mut live = Live {
        name: AGENT.to_owned(),
        uid: "u1".to_owned(),
        resource_version: "7".to_owned(),
        selector: select(&base, "slot", Blue),
        stamp: Stamp::Text("41".to_owned()),
        transition: None,
    };
    let (from, to) = (select(&base, "slot", Blue), select(&base, "slot", Green));
    let shift = |live: &Live| {
        Value::Array(patch::shift(live, &from, &to, 42, "blue->green@42", &settings()))
    };
    let epoch = "/metadata/annotations/bluegreen.dev~1epoch";
    assert_eq!(
        shift(&live),
        json!([
            {"op": "test", "path": "/metadata/uid", "value": "u1"},
            {"op": "test", "path": "/spec/selector", "value": {"app": "agent", "slot": "blue"}},
            {"op": "test", "path": epoch, "value": "41"},
            {"op": "replace", "path": epoch, "value": "42"},
            {"op": "replace", "path": "/spec/selector", "value": {"app": "agent", "slot": "green"}},
            {"op": "add", "path": "/metadata/annotations/bluegreen.dev~1transition",
             "value": "blue->green@42"},
        ])
    );
    live.stamp = Stamp::NoAnnotations;
    assert_eq!(
        Value::Array(patch::stamp(&live, 42, &settings())),
        json!([
            {"op": "test", "path": "/metadata/uid", "value": "u1"},
            {"op": "test", "path": "/metadata/resourceVersion", "value": "7"},
            {"op": "add", "path": "/metadata/annotations", "value": {}},
            {"op": "add", "path": epoch, "value": "42"},
        ])
    );
}

#[tokio::test]
async fn a_shift_is_one_request_for_each_service() {
    let stand_in = world().await;
    create::<Service>(&stand_in, service("second", &json!({"app": "agent", "slot": "blue"}))).await;
    let switch = switch(&stand_in).and_service("second");
    switch.fence(ONE).await.unwrap();
    let before = stand_in.count("*", "*");
    switch.shift(&blue(), &green(), ONE).await.unwrap();
    assert_eq!(stand_in.count("*", "*") - before, 2);
    for name in [AGENT, "second"] {
        assert_eq!(selector(&stand_in, name), json!({"app": "agent", "slot": "green"}));
    }
    let service = stand_in.object("services", NAMESPACE, AGENT).unwrap();
    assert_eq!(service["metadata"]["annotations"]["bluegreen.dev/transition"], "blue->green@1");
    // Another process begins from what is there.
    let other = super::switch(&stand_in).and_service("second");
    other.fence(Epoch::new(2)).await.unwrap();
    assert_eq!(switch.shift(&green(), &blue(), ONE).await.unwrap_err().kind(), ErrorKind::Conflict);
    other.shift(&green(), &blue(), Epoch::new(2)).await.unwrap();
}

#[tokio::test]
async fn a_write_of_others_to_other_fields_is_no_conflict() {
    let stand_in = world().await;
    let switch = switch(&stand_in);
    switch.fence(ONE).await.unwrap();
    edit(&stand_in, AGENT, &json!({"metadata": {"annotations": {"cloud": "balanced"}}}));
    let before = stand_in.count("*", "*");
    switch.shift(&blue(), &green(), ONE).await.unwrap();
    assert_eq!(stand_in.count("*", "*") - before, 1);
}

#[tokio::test]
async fn a_shift_whose_answer_was_lost_is_unknown_and_done_when_it_is_sent_again() {
    let stand_in = world().await;
    let mut settings = settings();
    settings.call = Duration::from_millis(100);
    let switch = ServiceSwitch::new(stand_in.client(NAMESPACE), settings);
    switch.fence(ONE).await.unwrap();
    stand_in.fail(Fault::new("patch", "services", Failure::Hang).after_the_effect().times(1));
    let error = switch.shift(&blue(), &green(), ONE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unknown, "{}", error.chain());
    assert_eq!(switch.observe().await.unwrap().routing(), Some(&green()));
    switch.shift(&blue(), &green(), ONE).await.unwrap();
}

#[tokio::test]
async fn a_shift_that_stopped_half_way_goes_on_or_back() {
    for (from, to) in [(blue(), green()), (green(), blue())] {
        let stand_in = world().await;
        let both = json!({"app": "agent", "slot": "blue"});
        create::<Service>(&stand_in, service("second", &both)).await;
        let switch = switch(&stand_in).and_service("second");
        switch.fence(ONE).await.unwrap();
        let refused = Failure::Status(500);
        stand_in.fail(Fault::new("patch", "services", refused).named("second").times(1));
        let error = switch.shift(&blue(), &green(), ONE).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unknown, "{}", error.chain());
        let between = ObservedState::Between { from: blue(), to: green() };
        assert_eq!(switch.observe().await.unwrap().state, between);
        switch.shift(&from, &to, ONE).await.unwrap();
        assert_eq!(switch.observe().await.unwrap().routing(), Some(&to));
    }
}

#[tokio::test]
async fn a_service_that_was_made_anew_is_a_conflict() {
    let stand_in = world().await;
    let switch = switch(&stand_in);
    switch.fence(ONE).await.unwrap();
    switch.services_api.delete(AGENT, &kube::api::DeleteParams::default()).await.unwrap();
    let anew = service(AGENT, &json!({"app": "agent", "slot": "blue"}));
    create::<Service>(&stand_in, anew).await;
    let error = switch.shift(&blue(), &green(), ONE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{}", error.chain());
    assert_eq!(selector(&stand_in, AGENT)["slot"], "blue");
}

#[tokio::test]
async fn the_late_request_of_a_stale_driver_changes_nothing() {
    let stand_in = world().await;
    let mut settings = settings();
    settings.call = Duration::from_millis(100);
    let stale = ServiceSwitch::new(stand_in.client(NAMESPACE), settings);
    stale.fence(ONE).await.unwrap();
    stand_in.fail(Fault::new("patch", "services", Failure::Late));
    let error = stale.shift(&blue(), &green(), ONE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unknown, "{}", error.chain());
    // The one who takes over finds nothing to do, and still nothing gets through any more.
    switch(&stand_in).fence(Epoch::new(2)).await.unwrap();
    assert_eq!(stand_in.deliver_late(), 1);
    assert_eq!(selector(&stand_in, AGENT)["slot"], "blue");
}
