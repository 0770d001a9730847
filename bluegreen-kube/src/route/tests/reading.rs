//! What routes say, and what is none of ours.

use super::*;

async fn state(stand_in: &StandIn) -> ObservedState {
    switch(stand_in).observe().await.unwrap().state
}

async fn foreign(stand_in: &StandIn) -> String {
    match state(stand_in).await {
        ObservedState::Foreign(text) => text,
        other => panic!("not foreign: {other:?}"),
    }
}

#[tokio::test]
async fn weights_of_others_are_a_routing_too() {
    let stand_in = world().await;
    reweigh(&stand_in, AGENT, 95, 5);
    assert_eq!(state(&stand_in).await, ObservedState::Routed(canary(5)));
    reweigh(&stand_in, AGENT, 0, 3);
    assert_eq!(state(&stand_in).await, ObservedState::Routed(green()));
}

#[tokio::test]
async fn who_is_live_is_remembered_where_the_candidate_has_more() {
    let stand_in = world().await;
    let switch = switch(&stand_in);
    switch.fence(ONE).await.unwrap();
    for (from, to) in [(0, 50), (50, 95)] {
        shifted(&switch, &canary(from), &canary(to)).await;
        assert_eq!(state(&stand_in).await, ObservedState::Routed(canary(to)), "to anybody");
    }
    shifted(&switch, &canary(95), &green()).await;
    shifted(&switch, &green(), &green().with_candidate(Share::percent(60))).await;
}

#[tokio::test]
async fn anything_else_is_foreign_and_says_what_was_found() {
    let stand_in = world().await;
    reweigh(&stand_in, AGENT, 0, 0);
    assert_eq!(foreign(&stand_in).await, "httproute agent, rule 1: both slots have weight 0");
    reweigh(&stand_in, AGENT, 1, 0);

    let good = rules(&stand_in, AGENT);
    let mut rules = good.clone();
    rules[1]["backendRefs"][1]["name"] = "elsewhere".into();
    edit(&stand_in, AGENT, &json!({"spec": {"rules": rules}}));
    let text = "httproute agent has no rule that leads to agent-blue and agent-green";
    assert_eq!(foreign(&stand_in).await, text);

    let mut rules = good.clone();
    let mut other = good[1].clone();
    other["matches"][0]["path"]["value"] = "/v2".into();
    other["backendRefs"] = backends(1, 1);
    rules.push(other);
    edit(&stand_in, AGENT, &json!({"spec": {"rules": rules}}));
    let text = "httproute agent, rules 1 and 2, disagree: blue 100 %, and blue 50 %, green 50 %";
    assert_eq!(foreign(&stand_in).await, text);

    edit(&stand_in, AGENT, &json!({"spec": {"rules": good}}));
    let annotate = |key: &str, value: &str| json!({"metadata": {"annotations": {key: value}}});
    edit(&stand_in, AGENT, &annotate("bluegreen.dev/transition", "somewhere"));
    assert!(foreign(&stand_in).await.contains("last transition \"somewhere\""));
    edit(&stand_in, AGENT, &annotate("bluegreen.dev/epoch", "seven"));
    assert!(foreign(&stand_in).await.contains("the epoch \"seven\", which is no number"));
}

#[tokio::test]
async fn routes_that_disagree_without_a_note_are_foreign() {
    let stand_in = world().await;
    create(&stand_in, "httproutes", route("second")).await;
    reweigh(&stand_in, "second", 1, 1);
    let observed = switch(&stand_in).with_route("second").observe().await.unwrap();
    let text = "routes that disagree: httproute agent: blue 100 %; httproute second: blue 50 %, \
                green 50 %";
    assert_eq!(observed.state, ObservedState::Foreign(text.to_owned()));
}

#[tokio::test]
async fn a_route_that_goes_shows_in_a_watch_and_one_that_is_missing_is_not_found() {
    let stand_in = world().await;
    let switch = switch(&stand_in);
    let known = switch.observe().await.unwrap();
    let (api, delete) = (switch.api(RouteKind::Http), kube::api::DeleteParams::default());
    let (seen, deleted) = tokio::join!(switch.watch(&known), api.delete(AGENT, &delete));
    deleted.unwrap();
    let text = "httproute agent is not there".to_owned();
    assert_eq!(seen.unwrap().state, ObservedState::Foreign(text));
    assert_eq!(switch.observe().await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn who_else_wrote_the_rules_last_is_known_by_name() {
    let stand_in = world().await;
    let switch = switch(&stand_in);
    reweigh(&stand_in, AGENT, 95, 5);
    assert_eq!(switch.author().await.unwrap().as_deref(), Some("kubectl-edit"));
    switch.fence(ONE).await.unwrap();
    switch.shift(&canary(5), &blue(), ONE).await.unwrap();
    assert_eq!(switch.author().await.unwrap(), None, "the rules are ours now");
}
