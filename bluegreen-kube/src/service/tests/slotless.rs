//! A live Service whose selector names no slot.

use std::sync::Arc;

use bluegreen_core::ObservedState;
use bluegreen_core::conformance::deed;
use bluegreen_core::conformance::switch::SwitchFixture;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Patch, PatchParams};

use super::*;

const ONE: Epoch = Epoch::new(1);

async fn size(stand_in: &StandIn, color: Color, replicas: u32) {
    let api: Api<Deployment> = Api::namespaced(stand_in.client(NAMESPACE), NAMESPACE);
    let patch = Patch::Merge(json!({"spec": {"replicas": replicas}}));
    api.patch(&format!("agent-{color}"), &PatchParams::default(), &patch).await.unwrap();
}

/// Only blue has pods, and the Service selects whatever is the agent's.
async fn slotless() -> StandIn {
    let stand_in = world().await;
    size(&stand_in, Green, 0).await;
    edit(&stand_in, AGENT, &json!({"spec": {"selector": {"slot": null}}}));
    assert_eq!(selector(&stand_in, AGENT), json!({"app": "agent"}));
    stand_in
}

// Once a driver has taken over, the other slot may get pods as in any release.
bluegreen_core::switch_conformance_tests!(async || {
    let stand_in = slotless().await;
    let switch = Arc::new(switch(&stand_in));
    switch.fence(ONE).await.unwrap();
    size(&stand_in, Green, 2).await;
    let hand = stand_in.clone();
    SwitchFixture {
        switch,
        evidence: EvidenceKind::Endpoints,
        disturb: deed(move || {
            edit(&hand, AGENT, &json!({"spec": {"selector": {"slot": null}}}));
            std::future::ready(())
        }),
        guard: Box::new(()),
    }
});

#[tokio::test]
async fn the_slot_that_alone_has_pods_is_live_and_the_first_write_says_so() {
    let stand_in = slotless().await;
    let switch = switch(&stand_in);
    assert_eq!(
        switch.observe().await.unwrap(),
        Observed::routed(Routing::all(Blue), Epoch::default())
    );
    assert_eq!(selector(&stand_in, AGENT), json!({"app": "agent"}), "reading writes nothing");
    switch.fence(ONE).await.unwrap();
    assert_eq!(selector(&stand_in, AGENT), json!({"app": "agent", "slot": "blue"}));
    assert_eq!(switch.observe().await.unwrap(), Observed::routed(Routing::all(Blue), ONE));
    let service = stand_in.object("services", NAMESPACE, AGENT).unwrap();
    assert_eq!(service["metadata"]["annotations"], json!({"bluegreen.dev/epoch": "1"}));
}

#[tokio::test]
async fn it_is_added_before_the_candidate_gets_pods_whichever_write_is_first() {
    let stand_in = slotless().await;
    switch(&stand_in).prepare(Green, ONE).await.unwrap();
    assert_eq!(selector(&stand_in, AGENT)["slot"], "blue");
    let stand_in = slotless().await;
    let (from, to) = (Routing::all(Blue), Routing::all(Green));
    switch(&stand_in).shift(&from, &to, ONE).await.unwrap();
    assert_eq!(selector(&stand_in, AGENT), json!({"app": "agent", "slot": "green"}));
    let stand_in = slotless().await;
    let error = switch(&stand_in).shift(&to, &from, ONE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{}", error.chain());
    assert_eq!(selector(&stand_in, AGENT), json!({"app": "agent"}));
}

#[tokio::test]
async fn it_is_not_added_where_somebody_changed_the_selector_in_between() {
    let stand_in = slotless().await;
    let switch = switch(&stand_in);
    let live = switch.read(AGENT).await.unwrap().live;
    edit(&stand_in, AGENT, &json!({"spec": {"selector": {"tier": "front"}}}));
    let wanted = live::select(&live.selector, "slot", Blue);
    let stamped = patch::complete(&live, &wanted, 1, &settings());
    let (params, patch) = (patch::params(false), patch::of(stamped, "patch").unwrap());
    let call = switch.services_api.patch(AGENT, &params, &patch);
    let error = crate::error::write(settings().call, "patch", call).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(selector(&stand_in, AGENT), json!({"app": "agent", "tier": "front"}));
}

#[tokio::test]
async fn a_check_accepts_what_is_clear_and_writes_nothing() {
    let stand_in = slotless().await;
    let before = stand_in.object("services", NAMESPACE, AGENT);
    let evidence = EvidenceKind::Endpoints;
    let found = switch(&stand_in).check(&[Routing::all(Green)], &evidence).await.unwrap();
    assert!(found.iter().all(|problem| !problem.is_refusal()), "{found:?}");
    let told = found.iter().find(|problem| problem.code == "no-slot-key").unwrap();
    assert_eq!(
        told.to_string(),
        "Service ai-agents/agent-service: found selector app=agent, which finds pods of blue only, \
         wanted slot=blue in it; the release adds it before anything else [no-slot-key]"
    );
    assert_eq!(stand_in.object("services", NAMESPACE, AGENT), before);
}

#[tokio::test]
async fn a_check_tries_the_write_that_names_the_slot() {
    let stand_in = slotless().await;
    let before = stand_in.count("patch", "services");
    let evidence = EvidenceKind::Endpoints;
    switch(&stand_in).check(&[Routing::all(Green), Routing::all(Blue)], &evidence).await.unwrap();
    assert_eq!(stand_in.count("patch", "services") - before, 2, "there and back");
}

#[tokio::test]
async fn what_is_not_clear_is_refused_and_left_alone() {
    for (blue, green, found) in [(2, 1, "2 pods of blue, 1 pod of green"), (0, 0, "no pods")] {
        let stand_in = slotless().await;
        size(&stand_in, Blue, blue).await;
        size(&stand_in, Green, green).await;
        let switch = switch(&stand_in);
        let problems =
            switch.check(&[Routing::all(Green)], &EvidenceKind::Endpoints).await.unwrap();
        let refusal = problems.iter().find(|problem| problem.is_refusal()).unwrap();
        assert_eq!(refusal.code, "no-slot-key");
        assert_eq!(refusal.found, format!("selector app=agent, which finds {found}"));
        let state = switch.observe().await.unwrap().state;
        let text = format!(
            "service agent-service selects app=agent, no slot: agent-service finds {found}"
        );
        assert_eq!(state, ObservedState::Foreign(text));
        // A rollback has to fence, too; the selector stays as it is.
        switch.fence(ONE).await.unwrap();
        assert_eq!(selector(&stand_in, AGENT), json!({"app": "agent"}));
        let error = switch.prepare(Green, ONE).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(error.chain().contains("wanted slot in it"), "{}", error.chain());
        assert_eq!(stand_in.object("services", NAMESPACE, "agent-service-preview"), None);
    }
}
