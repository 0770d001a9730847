//! What live Services say, and waiting for what their slices list.

use bluegreen_core::ObservedState;

use super::live::{decode, transition};
use super::*;

fn live(name: &str, selector: &Value, annotations: &Value) -> Live {
    let service: Service = serde_json::from_value(json!({
        "metadata": {"name": name, "uid": "u", "resourceVersion": "5", "annotations": annotations},
        "spec": {"selector": selector},
    }))
    .unwrap();
    Live::read(&service, &settings())
}

fn at(name: &str, color: Color, epoch: u64) -> Live {
    let annotations = json!({"bluegreen.dev/epoch": epoch.to_string()});
    live(name, &json!({"app": "agent", "slot": color.as_str()}), &annotations)
}

fn read(lives: &[Live]) -> Observed {
    let known: BTreeMap<String, Selector> =
        ["a", "b"].map(|name| (name.to_owned(), [("app".into(), "agent".into())].into())).into();
    decode(lives, &known, "slot")
}

fn foreign(lives: &[Live]) -> String {
    match read(lives).state {
        ObservedState::Foreign(text) => text,
        other => panic!("not foreign: {other:?}"),
    }
}

#[test]
fn services_that_agree_are_a_routing_with_the_highest_epoch() {
    let observed = read(&[at("a", Green, 3), at("b", Green, 5)]);
    assert_eq!(observed, Observed::routed(Routing::all(Green), Epoch::new(5)));
    let bare = live("a", &json!({"app": "agent", "slot": "blue"}), &json!(null));
    assert_eq!(read(&[bare]), Observed::routed(Routing::all(Blue), Epoch::default()));
}

#[test]
fn services_that_disagree_are_between_as_the_last_shift_went() {
    let (from, to) = (Routing::all(Green), Routing::all(Blue));
    let mut moved = at("b", Blue, 5);
    moved.transition = Some(transition(Green, Blue, Epoch::new(5)));
    let mut other = at("a", Green, 5);
    other.transition = Some(transition(Blue, Green, Epoch::new(4)));
    let observed = read(&[other, moved]);
    assert_eq!(observed.state, ObservedState::Between { from, to });
    assert!(matches!(
        read(&[at("a", Green, 1), at("b", Blue, 1)]).state,
        ObservedState::Between { .. }
    ));
}

#[test]
fn anything_else_is_foreign_and_says_what_was_found() {
    let none = live("a", &json!({"app": "agent"}), &json!({}));
    assert_eq!(foreign(&[none]), "service a selects app=agent, no slot");
    let third = live("a", &json!({"app": "agent", "slot": "purple"}), &json!({}));
    assert_eq!(foreign(&[at("b", Blue, 1), third]), "service a selects slot=purple");
    let more = live("a", &json!({"app": "agent", "slot": "blue", "tier": "x"}), &json!({}));
    assert_eq!(
        foreign(&[more]),
        "service a selects app=agent,slot=blue,tier=x, wanted app=agent,slot=blue"
    );
    let odd = json!({"bluegreen.dev/epoch": "seven"});
    let odd = live("a", &json!({"app": "agent", "slot": "blue"}), &odd);
    assert_eq!(foreign(&[odd]), "service a has the epoch \"seven\", which is no number");
    assert_eq!(foreign(&[]), "no live Service");
}

#[tokio::test]
async fn a_new_base_is_taken_up_if_it_finds_pods_of_the_slot() {
    let stand_in = world().await;
    let switch = switch(&stand_in);
    let routed = switch.observe().await.unwrap();
    edit(&stand_in, AGENT, &json!({"spec": {"selector": {"version": "1-blue"}}}));
    assert_eq!(switch.observe().await.unwrap(), routed, "pods have that label, too");
    edit(&stand_in, AGENT, &json!({"spec": {"selector": {"tier": "none"}}}));
    let observed = switch.observe().await.unwrap();
    assert!(matches!(observed.state, ObservedState::Foreign(_)), "{observed:?}");
}

#[tokio::test]
async fn a_service_that_goes_shows_in_a_watch() {
    let stand_in = world().await;
    let switch = switch(&stand_in).and_service("second");
    create::<Service>(&stand_in, service("second", &json!({"app": "agent", "slot": "blue"}))).await;
    let known = switch.observe().await.unwrap();
    let delete = kube::api::DeleteParams::default();
    let (seen, deleted) =
        tokio::join!(switch.watch(&known), switch.services_api.delete("second", &delete));
    deleted.unwrap();
    let text = "service second is not there".to_owned();
    assert_eq!(seen.unwrap().state, ObservedState::Foreign(text));
    assert_eq!(switch.observe().await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn convergence_waits_for_every_service() {
    let stand_in = world().await;
    let switch = switch(&stand_in).and_service("second");
    create::<Service>(&stand_in, service("second", &json!({"app": "agent", "slot": "blue"}))).await;
    stand_in.pause(crate::stand_in::Controller::Endpoints);
    let (from, to) = (Routing::all(Blue), Routing::all(Green));
    switch.fence(Epoch::new(1)).await.unwrap();
    switch.shift(&from, &to, Epoch::new(1)).await.unwrap();
    let mut converged = switch.converge(&to, &EvidenceKind::Endpoints);
    let early = tokio::time::timeout(Duration::from_millis(100), &mut converged).await;
    assert!(early.is_err(), "the slices still list blue: {early:?}");
    stand_in.resume(crate::stand_in::Controller::Endpoints);
    let evidence = converged.await.unwrap();
    assert_eq!(
        evidence.detail,
        "service agent-service: 2 serving endpoints in 1 slice, all of green; \
         service second: 2 serving endpoints in 1 slice, all of green"
    );
}

#[tokio::test]
async fn pods_that_come_while_it_waits_are_right_too() {
    let stand_in = world().await;
    let switch = switch(&stand_in);
    switch.fence(Epoch::new(1)).await.unwrap();
    for name in stand_in.pods(NAMESPACE, &[("slot", "green")]) {
        stand_in.set_ready(NAMESPACE, &name, false);
    }
    let (from, to) = (Routing::all(Blue), Routing::all(Green));
    switch.shift(&from, &to, Epoch::new(1)).await.unwrap();
    let mut converged = switch.converge(&to, &EvidenceKind::Endpoints);
    let early = tokio::time::timeout(Duration::from_millis(100), &mut converged).await;
    assert!(early.is_err(), "no pod of green serves: {early:?}");
    for name in stand_in.pods(NAMESPACE, &[("slot", "green")]) {
        stand_in.kill_pod(NAMESPACE, &name);
    }
    converged.await.unwrap();
}

/// Prepares a switch to green and waits until its pods are known.
async fn await_green(switch: &ServiceSwitch) {
    let green =
        switch.pods("app=agent,slot=green", kube::api::ListParams::default()).await.unwrap();
    let green: Vec<String> = green.into_iter().filter_map(|pod| pod.metadata.uid).collect();
    switch.prepare(Green, Epoch::new(1)).await.unwrap();
    switch.await_known(Green, &green).await.unwrap();
}

#[tokio::test]
async fn pods_that_were_awaited_are_not_listed_while_traffic_moves() {
    let stand_in = world().await;
    let switch = switch(&stand_in);
    await_green(&switch).await;
    let before = stand_in.count("list", "pods");
    let (blue, green) = (Routing::all(Blue), Routing::all(Green));
    switch.shift(&blue, &green, Epoch::new(1)).await.unwrap();
    switch.converge(&green, &EvidenceKind::Endpoints).await.unwrap();
    assert_eq!(stand_in.count("list", "pods"), before);

    // A pod that came later is no stranger: it is looked for.
    let patch = json!({"spec": {"replicas": 3}});
    assert!(stand_in.edit("kubectl-edit", "deployments.apps", NAMESPACE, "agent-green", &patch));
    let evidence = switch.converge(&green, &EvidenceKind::Endpoints).await.unwrap();
    assert!(evidence.detail.contains("3 serving"), "{evidence:?}");
}

#[tokio::test]
async fn the_preview_lists_the_candidates_pods() {
    let stand_in = world().await;
    let switch = switch(&stand_in);
    await_green(&switch).await;
    let preview = stand_in.object("services", NAMESPACE, "agent-service-preview").unwrap();
    assert_eq!(preview["spec"]["clusterIP"], "None");
    assert_eq!(preview["spec"]["selector"], json!({"app": "agent", "slot": "green"}));
    assert_eq!(preview["spec"]["ports"][0]["targetPort"], "http");
    let before = stand_in.count("*", "services");
    switch.prepare(Green, Epoch::new(1)).await.unwrap();
    assert_eq!(stand_in.count("*", "services") - before, 2, "two reads and no write");
    switch.prepare(Blue, Epoch::new(2)).await.unwrap();
    assert_eq!(selector(&stand_in, "agent-service-preview")["slot"], "blue");
    let error = switch.prepare(Green, Epoch::new(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{}", error.chain());
}

#[tokio::test]
async fn somebody_elses_preview_is_left_alone() {
    let stand_in = world().await;
    let theirs = service("agent-service-preview", &json!({"app": "other"}));
    create::<Service>(&stand_in, theirs).await;
    let error = switch(&stand_in).prepare(Green, Epoch::new(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert_eq!(selector(&stand_in, "agent-service-preview"), json!({"app": "other"}));
}

#[tokio::test]
async fn a_preview_with_a_cluster_ip_is_made_anew() {
    let stand_in = world().await;
    let mut old = service("agent-service-preview", &json!({"app": "agent", "slot": "green"}));
    let labels: BTreeMap<_, _> = settings().labels(crate::Purpose::Preview).into_iter().collect();
    old["metadata"]["labels"] = json!(labels);
    create::<Service>(&stand_in, old).await;
    switch(&stand_in).prepare(Green, Epoch::new(1)).await.unwrap();
    let preview = stand_in.object("services", NAMESPACE, "agent-service-preview").unwrap();
    assert_eq!(preview["spec"]["clusterIP"], "None");
}
