//! Problems that a check finds.

use bluegreen_core::Vantage;

use super::*;
use crate::stand_in::Denial;

async fn problems(switch: &ServiceSwitch) -> Vec<Problem> {
    let routings = [Routing::all(Green)];
    switch.check(&routings, &EvidenceKind::Endpoints).await.unwrap()
}

fn codes(problems: &[Problem]) -> Vec<(&str, bool)> {
    problems.iter().map(|problem| (problem.code.as_str(), problem.is_refusal())).collect()
}

async fn found_after(patch: &Value) -> Vec<Problem> {
    let stand_in = world().await;
    edit(&stand_in, AGENT, patch);
    problems(&switch(&stand_in)).await
}

#[tokio::test]
async fn a_good_world_has_no_refusals_and_nothing_is_written() {
    let stand_in = world().await;
    let before = stand_in.object("services", NAMESPACE, AGENT);
    let problems = problems(&switch(&stand_in)).await;
    assert!(problems.iter().all(|problem| !problem.is_refusal()), "{problems:?}");
    assert_eq!(stand_in.object("services", NAMESPACE, AGENT), before);
    assert_eq!(stand_in.object("services", NAMESPACE, "agent-service-preview"), None);
}

#[tokio::test]
async fn a_service_that_selects_a_slot_must_be_listed() {
    let stand_in = world().await;
    create::<Service>(&stand_in, service("forgotten", &json!({"app": "agent"}))).await;
    create::<Service>(&stand_in, service("elsewhere", &json!({"app": "other"}))).await;
    switch(&stand_in).prepare(Green, Epoch::new(1)).await.unwrap();
    let found = problems(&switch(&stand_in)).await;
    let unlisted: Vec<_> = found.iter().filter(|it| it.code == "unlisted-service").collect();
    assert_eq!(unlisted.len(), 1, "{found:?}");
    assert_eq!(unlisted[0].object, "Service ai-agents/forgotten");
    let ignoring = switch(&stand_in).ignore_service("forgotten");
    assert!(codes(&problems(&ignoring).await).iter().all(|(code, _)| *code != "unlisted-service"));
}

#[tokio::test]
async fn what_a_live_service_must_be_like() {
    for (patch, code, is_refusal) in [
        (json!({"spec": {"selector": {"slot": null}}}), "no-slot-key", true),
        (json!({"spec": {"selector": {"slot": "purple"}}}), "no-slot-key", true),
        (json!({"spec": {"selector": null}}), "no-selector", true),
        (json!({"spec": {"sessionAffinity": "ClientIP"}}), "session-affinity", false),
        (json!({"spec": {"publishNotReadyAddresses": true}}), "publishes-not-ready", false),
        (json!({"metadata": {"annotations": {"bluegreen.dev/epoch": "x"}}}), "bad-epoch", true),
        (json!({"spec": {"ports": [{"port": 80, "targetPort": "grpc"}]}}), "port-unresolved", true),
    ] {
        let found = found_after(&patch).await;
        assert!(codes(&found).contains(&(code, is_refusal)), "{patch}: {found:?}");
    }
}

#[tokio::test]
async fn services_must_be_there_and_agree() {
    let stand_in = world().await;
    let two = || switch(&stand_in).and_service("second");
    assert!(codes(&problems(&two()).await).contains(&("no-service", true)));
    create::<Service>(&stand_in, service("second", &json!({"app": "agent", "slot": "green"})))
        .await;
    assert!(codes(&problems(&two()).await).contains(&("services-disagree", true)));
}

#[tokio::test]
async fn every_right_is_asked_for() {
    let stand_in = world().await;
    for (verb, resource) in [("patch", "services"), ("watch", "endpointslices"), ("list", "pods")] {
        stand_in.deny(Denial::new(verb, resource).by("limited"));
    }
    let limited = stand_in.client_as("limited", NAMESPACE);
    let rights = ServiceSwitch::new(limited, settings()).missing_rights().await.unwrap();
    let rights: Vec<_> = rights.iter().map(|problem| problem.object.as_str()).collect();
    assert_eq!(
        rights,
        [
            "namespace ai-agents, right to patch services",
            "namespace ai-agents, right to watch endpointslices of discovery.k8s.io",
            "namespace ai-agents, right to list pods",
        ]
    );
}

#[tokio::test]
async fn a_vantage_that_cannot_be_reached_is_a_problem() {
    let stand_in = world().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let open = listener.local_addr().unwrap().port();
    let closed = {
        let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        gone.local_addr().unwrap().port()
    };
    for (url, is_reached) in [
        (format!("http://127.0.0.1:{open}/version"), true),
        (format!("http://127.0.0.1:{closed}"), false),
        (format!("https://127.0.0.1:{open}"), false),
        ("nonsense".to_owned(), false),
    ] {
        let evidence =
            EvidenceKind::Answers { vantage: Vantage::Url { url: url.clone() }, in_a_row: 3 };
        let found = switch(&stand_in).check(&[Routing::all(Green)], &evidence).await.unwrap();
        let refused = codes(&found).contains(&("unreachable-vantage", true));
        assert_eq!(refused, !is_reached, "{url}: {found:?}");
    }
}
