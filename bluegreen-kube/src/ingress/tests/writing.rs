//! The conditional writes: what they look like, and what happens when the condition fails.

use std::sync::Arc;

use bluegreen_core::conformance::deed;
use bluegreen_core::conformance::switch::SwitchFixture;

use super::*;
use crate::stand_in::{Failure, Fault};

bluegreen_core::switch_conformance_tests!(one: async || {
    let stand_in = world().await;
    fixture(stand_in.clone(), switch(&stand_in), AGENT)
});

bluegreen_core::switch_conformance_tests!(two: async || {
    let stand_in = world().await;
    create(&stand_in, "ingresses", ingress("second")).await;
    fixture(stand_in.clone(), switch(&stand_in).with_ingress("second"), "second")
});

fn fixture(stand_in: StandIn, switch: IngressSwitch, disturbed: &'static str) -> SwitchFixture {
    SwitchFixture {
        switch: Arc::new(switch),
        evidence: EvidenceKind::Endpoints,
        disturb: deed(move || {
            let mut spec = spec(&stand_in, disturbed);
            let backend = &mut spec["rules"][0]["http"]["paths"][1]["backend"]["service"]["name"];
            let color = if *backend == "agent-blue" { Green } else { Blue };
            *backend = format!("agent-{color}").into();
            edit(&stand_in, disturbed, &json!({"spec": spec}));
            std::future::ready(())
        }),
        guard: Box::new(()),
    }
}

#[tokio::test]
async fn a_shift_tests_identity_epoch_and_all_rules() {
    let stand_in = world().await;
    let switch = switch(&stand_in);
    switch.fence(Epoch::new(41)).await.unwrap();
    let found = switch.read(AGENT).await.unwrap();
    let slots = &switch.slots.names;
    let operations = patch::shift(&found, (Blue, Green), Epoch::new(42), slots, &settings());
    let epoch = "/metadata/annotations/bluegreen.dev~1epoch";
    let note = "{\"from\":\"blue\",\"to\":\"green\",\"epoch\":42}";
    let old = spec(&stand_in, AGENT);
    assert_eq!(
        Value::Array(operations),
        json!([
            {"op": "test", "path": "/metadata/uid", "value": found.uid},
            {"op": "test", "path": epoch, "value": "41"},
            {"op": "replace", "path": epoch, "value": "42"},
            {"op": "test", "path": "/spec/defaultBackend", "value": old["defaultBackend"]},
            {"op": "test", "path": "/spec/rules", "value": old["rules"]},
            {"op": "replace", "path": "/spec/defaultBackend/service/name", "value": "agent-green"},
            {"op": "replace", "path": "/spec/rules/0/http/paths/1/backend/service/name",
             "value": "agent-green"},
            {"op": "replace", "path": "/spec/rules/1/http/paths/0/backend/service/name",
             "value": "agent-green"},
            {"op": "add", "path": "/metadata/annotations/bluegreen.dev~1transition", "value": note},
        ])
    );
}

#[tokio::test]
async fn a_shift_is_one_request_for_each_ingress_and_changes_nothing_but_backends() {
    let stand_in = world().await;
    create(&stand_in, "ingresses", ingress("second")).await;
    let switch = switch(&stand_in).with_ingress("second");
    switch.fence(ONE).await.unwrap();
    let count = stand_in.count("patch", "*");
    let before = [AGENT, "second"].map(|name| spec(&stand_in, name));
    switch.shift(&blue(), &green(), ONE).await.unwrap();
    assert_eq!(stand_in.count("patch", "*") - count, 2);
    for (name, before) in [AGENT, "second"].into_iter().zip(&before) {
        assert_eq!(spec(&stand_in, name), led_to(before, Green));
        let all = stand_in.object(INGRESSES, NAMESPACE, name).unwrap();
        assert_eq!(all["metadata"]["annotations"]["example.com/say"], "a<b>&c");
    }
    // Another process begins from what is there.
    let other = super::switch(&stand_in).with_ingress("second");
    other.fence(Epoch::new(2)).await.unwrap();
    let stale = switch.shift(&green(), &blue(), ONE).await.unwrap_err();
    assert_eq!(stale.kind(), ErrorKind::Conflict, "{}", stale.chain());
    other.shift(&green(), &blue(), Epoch::new(2)).await.unwrap();
    for (name, before) in [AGENT, "second"].into_iter().zip(before) {
        assert_eq!(spec(&stand_in, name), before);
    }
}

#[tokio::test]
async fn a_shift_whose_pods_were_just_awaited_is_one_request() {
    let stand_in = world().await;
    let switch = switch(&stand_in);
    switch.fence(ONE).await.unwrap();
    switch.await_known(Green, &[]).await.unwrap();
    let before = stand_in.count("*", "*");
    switch.shift(&blue(), &green(), ONE).await.unwrap();
    assert_eq!(stand_in.count("*", "*") - before, 1);
}

#[tokio::test]
async fn a_path_that_somebody_adds_meanwhile_moves_too_and_a_foreign_one_stays() {
    let stand_in = world().await;
    let switch = switch(&stand_in);
    switch.fence(ONE).await.unwrap();
    let mut edited = spec(&stand_in, AGENT);
    let paths = edited["rules"][0]["http"]["paths"].as_array_mut().unwrap();
    paths.insert(0, path("/more", "files"));
    paths.push(path("/late", "agent-blue"));
    edit(&stand_in, AGENT, &json!({"spec": edited}));
    switch.shift(&blue(), &green(), ONE).await.unwrap();
    assert_eq!(spec(&stand_in, AGENT), led_to(&edited, Green));
}

#[tokio::test]
async fn annotations_of_others_are_no_conflict() {
    let stand_in = world().await;
    let switch = switch(&stand_in);
    switch.fence(ONE).await.unwrap();
    edit(&stand_in, AGENT, &json!({"metadata": {"annotations": {"example.com/more": "1"}}}));
    switch.await_known(Green, &[]).await.unwrap();
    let before = stand_in.count("*", "*");
    switch.shift(&blue(), &green(), ONE).await.unwrap();
    assert_eq!(stand_in.count("*", "*") - before, 1, "nothing had to be read again");
    let all = stand_in.object(INGRESSES, NAMESPACE, AGENT).unwrap();
    assert_eq!(all["metadata"]["annotations"]["example.com/more"], "1");
}

#[tokio::test]
async fn a_shift_whose_answer_was_lost_is_unknown_and_done_when_it_is_sent_again() {
    let stand_in = world().await;
    let mut settings = settings();
    settings.call = Duration::from_millis(100);
    let switch = IngressSwitch::new(stand_in.client(NAMESPACE), settings).with_ingress(AGENT);
    switch.fence(ONE).await.unwrap();
    stand_in.fail(Fault::new("patch", "ingresses", Failure::Hang).after_the_effect().times(1));
    let error = switch.shift(&blue(), &green(), ONE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unknown, "{}", error.chain());
    assert_eq!(switch.observe().await.unwrap().routing(), Some(&green()));
    switch.shift(&blue(), &green(), ONE).await.unwrap();
}

#[tokio::test]
async fn an_ingress_that_was_made_anew_is_a_conflict() {
    let stand_in = world().await;
    let switch = switch(&stand_in);
    switch.fence(ONE).await.unwrap();
    switch.api().delete(AGENT, &kube::api::DeleteParams::default()).await.unwrap();
    create(&stand_in, "ingresses", ingress(AGENT)).await;
    let error = switch.shift(&blue(), &green(), ONE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{}", error.chain());
    assert_eq!(switch.observe().await.unwrap().routing(), Some(&blue()));
}

#[tokio::test]
async fn a_write_that_always_meets_another_gives_up_as_a_conflict() {
    for code in [409, 422] {
        let stand_in = world().await;
        let switch = switch(&stand_in);
        switch.fence(ONE).await.unwrap();
        stand_in.fail(Fault::new("patch", "ingresses", Failure::Status(code)).times(10));
        let error = switch.shift(&blue(), &green(), ONE).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{code}: {}", error.chain());
        let error = switch.fence(Epoch::new(2)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{code}: {}", error.chain());
    }
}

#[tokio::test]
async fn the_late_request_of_a_stale_driver_changes_nothing() {
    let stand_in = world().await;
    let mut settings = settings();
    settings.call = Duration::from_millis(100);
    let stale = IngressSwitch::new(stand_in.client(NAMESPACE), settings).with_ingress(AGENT);
    stale.fence(ONE).await.unwrap();
    stand_in.fail(Fault::new("patch", "ingresses", Failure::Late));
    let error = stale.shift(&blue(), &green(), ONE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unknown, "{}", error.chain());
    // The one who takes over finds nothing to do, and still nothing gets through any more.
    switch(&stand_in).fence(Epoch::new(2)).await.unwrap();
    assert_eq!(stand_in.deliver_late(), 1);
    assert_eq!(switch(&stand_in).observe().await.unwrap().routing(), Some(&blue()));
}

#[tokio::test]
async fn no_traffic_goes_to_a_slot_without_ready_pods() {
    let stand_in = world().await;
    let switch = switch(&stand_in);
    switch.fence(ONE).await.unwrap();
    set_ready(&stand_in, Green, false);
    let error = switch.shift(&blue(), &green(), ONE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{}", error.chain());
    assert!(error.chain().contains("agent-green: found no endpoint"), "{}", error.chain());
    assert_eq!(spec(&stand_in, AGENT), led_to(&spec(&stand_in, AGENT), Blue));
    set_ready(&stand_in, Green, true);
    switch.shift(&blue(), &green(), ONE).await.unwrap();
    // The way back needs none of the candidate's pods.
    set_ready(&stand_in, Green, false);
    switch.shift(&green(), &blue(), ONE).await.unwrap();
}

#[tokio::test]
async fn a_right_that_is_missing_is_told_by_whoever_needs_it() {
    for verb in ["get", "list", "watch", "patch"] {
        let stand_in = world().await;
        stand_in.deny(crate::stand_in::Denial::new(verb, "ingresses").by("limited"));
        let limited = stand_in.client_as("limited", NAMESPACE);
        let switch = IngressSwitch::new(limited, settings()).with_ingress(AGENT);
        let to = green();
        let error = match verb {
            "get" => switch.observe().await.map(drop),
            "patch" => switch.fence(ONE).await,
            "watch" => switch.converge(&to, &EvidenceKind::Endpoints).await.map(drop),
            // Only preflight lists them.
            _ => Err(Error::new(ErrorKind::Rejected, "list")),
        };
        let error = error.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Rejected, "{verb}: {}", error.chain());
        let problems = switch.check(&[green()], &EvidenceKind::Endpoints).await.unwrap();
        let wanted = format!("namespace ai-agents, right to {verb} ingresses of networking.k8s.io");
        assert!(problems.iter().any(|it| it.object == wanted), "{verb}: {problems:?}");
    }
}
