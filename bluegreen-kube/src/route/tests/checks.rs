//! Problems that a check finds.

use super::*;
use crate::stand_in::{Controller, Denial};

async fn problems(switch: &RouteWeights) -> Vec<Problem> {
    let routings = [canary(5), canary(25), green()];
    switch.check(&routings, &EvidenceKind::Endpoints).await.unwrap()
}

fn codes(problems: &[Problem]) -> Vec<(&str, bool)> {
    problems.iter().map(|problem| (problem.code.as_str(), problem.is_refusal())).collect()
}

#[tokio::test]
async fn a_good_world_has_no_refusals_and_nothing_is_written() {
    let stand_in = world().await;
    let before = stand_in.object(ROUTES, NAMESPACE, AGENT);
    let switch = switch(&stand_in).with_cookie_pins().with_mirror();
    let routings = [mirrored(blue(), 10), pinned(canary(5)), pinned(green())];
    let problems = switch.check(&routings, &EvidenceKind::Endpoints).await.unwrap();
    assert!(problems.iter().all(|problem| !problem.is_refusal()), "{problems:?}");
    assert_eq!(stand_in.object(ROUTES, NAMESPACE, AGENT), before);
    assert!(stand_in.count("patch", "httproutes") >= 3, "its writes were tried");
}

/// What is found once somebody has changed the rules.
async fn found_after(change: impl FnOnce(&mut Vec<Value>)) -> Vec<Problem> {
    let stand_in = world().await;
    let mut rules = rules(&stand_in, AGENT);
    change(&mut rules);
    edit(&stand_in, AGENT, &json!({"spec": {"rules": rules}}));
    problems(&switch(&stand_in)).await
}

#[tokio::test]
async fn what_a_rule_must_be_like() {
    type Change = fn(&mut Vec<Value>);
    let cases: [(&str, Change); 9] = [
        ("no-rule", |rules| drop(rules.pop())),
        ("one-slot-rule", |rules| rules[0]["backendRefs"][0]["name"] = "agent-green".into()),
        ("backend-twice", |rules| rules[1]["backendRefs"][1]["name"] = "agent-blue".into()),
        ("weights-zero", |rules| rules[1]["backendRefs"] = backends(0, 0)),
        ("other-backend", |rules| {
            let files = rules[0]["backendRefs"][0].clone();
            rules[1]["backendRefs"].as_array_mut().unwrap().push(files);
        }),
        ("session-persistence", |rules| {
            rules[1]["sessionPersistence"] = json!({"sessionName": "x"});
        }),
        ("foreign-mirror", |rules| {
            let backend = rules[1]["backendRefs"][1].clone();
            rules[1]["filters"] =
                json!([{"type": "RequestMirror", "requestMirror": {"backendRef": backend}}]);
        }),
        ("no-port", |rules| rules[1]["backendRefs"][1]["port"] = 81.into()),
        ("no-routing", |rules| {
            let mut other = rules[1].clone();
            other["matches"][0]["path"]["value"] = "/v2".into();
            other["backendRefs"] = backends(1, 1);
            rules.push(other);
        }),
    ];
    for (code, change) in cases {
        let found = found_after(change).await;
        assert!(codes(&found).contains(&(code, true)), "{code}: {found:?}");
    }
}

#[tokio::test]
async fn everything_is_said_at_once() {
    let stand_in = world().await;
    let mut rules = rules(&stand_in, AGENT);
    rules[0]["backendRefs"][0]["name"] = "agent-green".into();
    rules[1]["backendRefs"] = backends(0, 0);
    let epoch = json!({"annotations": {"bluegreen.dev/epoch": "x"}});
    edit(&stand_in, AGENT, &json!({"spec": {"rules": rules}, "metadata": epoch}));
    let slotless = json!({"spec": {"selector": {"slot": null}}});
    assert!(stand_in.edit("kubectl-edit", "services", NAMESPACE, "agent-green", &slotless));
    let problems = problems(&switch(&stand_in)).await;
    for code in ["bad-epoch", "one-slot-rule", "weights-zero", "slot-selector"] {
        assert!(codes(&problems).contains(&(code, true)), "{code}: {problems:?}");
    }
}

#[tokio::test]
async fn a_weight_for_a_slot_without_ready_pods_is_refused_unless_there_are_none_at_all() {
    let stand_in = world().await;
    reweigh(&stand_in, AGENT, 95, 5);
    for (color, is_refusal) in [("green", true), ("blue", false)] {
        for name in stand_in.pods(NAMESPACE, &[("slot", color)]) {
            stand_in.set_ready(NAMESPACE, &name, false);
        }
        let found = problems(&switch(&stand_in)).await;
        assert!(codes(&found).contains(&("empty-slot", is_refusal)), "{found:?}");
    }
}

#[tokio::test]
async fn what_the_services_of_the_slots_must_be_like() {
    for (patch, code, is_refusal) in [
        (json!({"spec": {"selector": {"slot": "blue"}}}), "slot-selector", true),
        (json!({"spec": {"selector": {"app": "other"}}}), "slots-disagree", true),
        (json!({"spec": {"type": "ExternalName"}}), "external-name", true),
        (json!({"spec": {"sessionAffinity": "ClientIP"}}), "session-affinity", false),
        (json!({"spec": {"publishNotReadyAddresses": true}}), "publishes-not-ready", false),
        (json!({"spec": {"ports": [{"port": 80, "targetPort": "grpc"}]}}), "port-unresolved", true),
    ] {
        let stand_in = world().await;
        assert!(stand_in.edit("kubectl-edit", "services", NAMESPACE, "agent-green", &patch));
        let found = problems(&switch(&stand_in)).await;
        assert!(codes(&found).contains(&(code, is_refusal)), "{patch}: {found:?}");
    }
    let stand_in = world().await;
    let mut second = deployment(Green);
    second["metadata"]["name"] = "agent-green-2".into();
    create(&stand_in, "deployments", second).await;
    let found = problems(&switch(&stand_in)).await;
    let one = found.iter().find(|it| it.code == "slot-selector").unwrap();
    assert_eq!(one.found, "it selects pods of agent-green and agent-green-2");
    let elsewhere = switch(&stand_in).with_slot_services("agent-blue", "agent-gone");
    let found = problems(&elsewhere).await;
    assert!(codes(&found).contains(&("no-backend", true)), "{found:?}");
}

#[tokio::test]
async fn other_ways_to_a_slot_are_told() {
    let stand_in = world().await;
    let live = |name: &str| {
        let mut live = service(Blue);
        live["metadata"]["name"] = name.into();
        live["spec"]["selector"] = json!({"app": "agent"});
        live
    };
    create(&stand_in, "services", live(AGENT)).await;
    create(&stand_in, "services", live("forgotten")).await;
    create(&stand_in, "httproutes", route("other")).await;
    let found = problems(&switch(&stand_in)).await;
    let told: Vec<(&str, bool)> = found
        .iter()
        .filter(|it| it.code.starts_with("unlisted"))
        .map(|it| (it.object.as_str(), it.is_refusal()))
        .collect();
    assert_eq!(
        told,
        [
            ("Service ai-agents/agent", false),
            ("Service ai-agents/forgotten", true),
            ("HTTPRoute ai-agents/other", true),
        ]
    );
    let ignoring = switch(&stand_in).ignore_service("forgotten").ignore_route("other");
    assert!(problems(&ignoring).await.iter().all(|it| !it.is_refusal()));
}

#[tokio::test]
async fn two_routes_for_the_same_requests_are_refused() {
    let stand_in = world().await;
    let mut twin = route("twin");
    twin["spec"]["hostnames"] = json!(["agent.example.com", "more.example.com"]);
    create(&stand_in, "httproutes", twin).await;
    let found = problems(&switch(&stand_in).with_route("twin")).await;
    let same: Vec<_> = found.iter().filter(|it| it.code == "same-match").collect();
    assert_eq!(same.len(), 1, "told once: {found:?}");
    assert!(same[0].found.contains("httproute twin matches the same: Gateway public"), "{same:?}");
}

/// What is said of two routes for one host whose rules match a secret header, and whose parents
/// are these.
async fn same_match(ours: Value, theirs: Value) -> Vec<String> {
    let stand_in = world().await;
    let mut rules = rules(&stand_in, AGENT);
    let header = json!({"type": "Exact", "name": "x-key", "value": "hunter2"});
    rules[1]["matches"] = json!([{"path": {"type": "Exact", "value": "/v1"}, "headers": [header]}]);
    let mut twin = route("twin");
    twin["spec"]["hostnames"] = json!(["agent.example.com"]);
    twin["spec"]["rules"] = json!(rules);
    twin["spec"]["parentRefs"] = json!([theirs]);
    edit(&stand_in, AGENT, &json!({"spec": {"rules": rules, "parentRefs": [ours]}}));
    create(&stand_in, "httproutes", twin).await;
    let found = problems(&switch(&stand_in).with_route("twin")).await;
    found.into_iter().filter(|it| it.code == "same-match").map(|it| it.found).collect()
}

#[tokio::test]
async fn only_routes_of_one_gateway_match_the_same_and_values_of_headers_are_not_told() {
    let public = |namespace: &str| json!({"name": "public", "namespace": namespace});
    let none = Vec::<String>::new();
    assert_eq!(same_match(public("infra-a"), public("infra-b")).await, none);
    let port = |port: u16| json!({"name": "public", "port": port});
    assert_eq!(same_match(port(80), port(443)).await, none);
    let told = "httproute twin matches the same: \
                Gateway public, agent.example.com, path /v1, header x-key";
    assert_eq!(same_match(json!({"name": "public"}), public(NAMESPACE)).await, [told]);
    let told = same_match(public("infra-a"), public("infra-a")).await;
    assert!(told[0].contains("Gateway public in infra-a, "), "{told:?}");
    let long = json!({"name": format!("\u{1b}[2J{}", "x".repeat(10_000))});
    let told = same_match(long.clone(), long).await;
    assert!(told[0].len() < 500 && !told[0].contains(char::is_control), "{told:?}");
}

#[tokio::test]
async fn a_route_that_is_missing_or_of_no_kind_is_named() {
    let stand_in = world().await;
    let found = problems(&switch(&stand_in).with_route("gone").with_grpc_route("gone")).await;
    let told: Vec<_> =
        found.iter().filter(|it| it.code == "no-route").map(|it| it.object.as_str()).collect();
    assert_eq!(told, ["HTTPRoute ai-agents/gone", "GRPCRoute ai-agents/gone"]);
    let none = RouteWeights::new(stand_in.client(NAMESPACE), settings());
    assert!(codes(&problems(&none).await).contains(&("no-route", true)));
    let bare = StandIn::new();
    assert!(codes(&problems(&switch(&bare)).await).contains(&("no-route", true)));
}

#[tokio::test]
async fn what_gateways_say_is_told() {
    let stand_in = world().await;
    stand_in.pause(Controller::Gateways);
    reweigh(&stand_in, AGENT, 2, 0);
    let found = problems(&switch(&stand_in)).await;
    let told = found.iter().find(|it| it.code == "not-accepted").unwrap();
    assert_eq!(told.found, "Gateway public: Accepted is about generation 1, not 2");
}

#[tokio::test]
async fn pins_have_to_fit_into_the_route() {
    let stand_in = world().await;
    let mut rules = rules(&stand_in, AGENT);
    for number in 0..13 {
        let mut more = rules[0].clone();
        more["matches"][0]["path"]["value"] = format!("/more/{number}").into();
        rules.push(more);
    }
    edit(&stand_in, AGENT, &json!({"spec": {"rules": rules}}));
    let check = async |to: Routing| {
        let checked = switch(&stand_in).check(&[to], &EvidenceKind::Endpoints).await;
        checked.unwrap().into_iter().filter(Problem::is_refusal).collect::<Vec<_>>()
    };
    assert_eq!(check(canary(5)).await, [], "fifteen rules are allowed");
    let found = check(pinned(canary(5))).await;
    assert!(found[0].found.starts_with("17 rules"), "{found:?}");

    rules.truncate(2);
    let header = json!({"type": "Exact", "name": "X-Slot", "value": "a"});
    rules[1]["matches"][0]["headers"] = json!([header]);
    edit(&stand_in, AGENT, &json!({"spec": {"rules": rules}}));
    assert!(codes(&check(pinned(canary(5))).await).contains(&("pin-taken", true)));
    let mut odd = canary(5);
    let (name, value) = ("no header".to_owned(), String::new());
    odd.pins.push(Pin::Header { name, value, color: Green });
    let found = check(odd).await;
    assert_eq!(found.iter().filter(|it| it.code == "bad-pin").count(), 2, "{found:?}");
}

#[tokio::test]
async fn a_reconciler_that_owns_the_rules_is_refused_unless_it_is_allowed() {
    let stand_in = world().await;
    let mut rules = rules(&stand_in, AGENT);
    rules[1]["timeouts"] = json!({"request": "10s"});
    let patch = json!({"spec": {"rules": rules}});
    assert!(stand_in.edit("argocd-controller", ROUTES, NAMESPACE, AGENT, &patch));
    let owned = problems(&switch(&stand_in)).await;
    assert!(codes(&owned).contains(&("gitops-owner", true)), "{owned:?}");
    let allowing = switch(&stand_in).allow_owner("argocd-controller");
    let found = problems(&allowing).await;
    assert!(found.iter().all(|it| it.code != "gitops-owner"), "{found:?}");
    edit(&stand_in, AGENT, &json!({"spec": {"rules": world_rules()}}));
    let found = problems(&switch(&stand_in)).await;
    assert!(codes(&found).contains(&("foreign-owner", false)), "{found:?}");
}

fn world_rules() -> Value {
    route(AGENT)["spec"]["rules"].clone()
}

#[tokio::test]
async fn pools_are_checked_like_services() {
    let stand_in = pools().await;
    let switch = || switch(&stand_in).with_inference_pools();
    let found = problems(&switch()).await;
    assert!(found.iter().all(|it| !it.is_refusal()), "{found:?}");
    let elsewhere = switch().with_slot_services("agent-blue", "agent-gone");
    assert!(codes(&problems(&elsewhere).await).contains(&("no-backend", true)));
    let selector = json!({"spec": {"selector": {"matchLabels": {"slot": "blue"}}}});
    let pools = "inferencepools.inference.networking.k8s.io";
    assert!(stand_in.edit("kubectl-edit", pools, NAMESPACE, "agent-green", &selector));
    assert!(codes(&problems(&switch()).await).contains(&("slot-selector", true)));
    stand_in.deny(Denial::new("list", "inferencepools"));
    let rights = switch().missing_rights().await.unwrap();
    let wanted = "namespace ai-agents, right to list inferencepools of inference.networking.k8s.io";
    assert_eq!(rights[0].object, wanted);
}

#[tokio::test]
async fn every_right_is_asked_for() {
    let stand_in = world().await;
    for (verb, resource) in [("patch", "httproutes"), ("watch", "grpcroutes"), ("list", "pods")] {
        stand_in.deny(Denial::new(verb, resource).by("limited"));
    }
    let limited = stand_in.client_as("limited", NAMESPACE);
    let switch =
        RouteWeights::new(limited, settings()).with_route(AGENT).with_grpc_route("agent-grpc");
    let rights = switch.missing_rights().await.unwrap();
    let rights: Vec<_> = rights.iter().map(|problem| problem.object.as_str()).collect();
    assert_eq!(
        rights,
        [
            "namespace ai-agents, right to patch httproutes of gateway.networking.k8s.io",
            "namespace ai-agents, right to watch grpcroutes of gateway.networking.k8s.io",
            "namespace ai-agents, right to list pods",
        ]
    );
}

#[tokio::test]
async fn a_write_that_the_server_would_refuse_is_told_once() {
    let stand_in = world().await;
    let mut rules = rules(&stand_in, AGENT);
    // Somebody has got a weight past the server that it takes from nobody now.
    rules[0]["backendRefs"][0]["weight"] = 2_000_000.into();
    edit(&stand_in, AGENT, &json!({"spec": {"rules": rules}}));
    let found = problems(&switch(&stand_in)).await;
    let refused: Vec<_> = found.iter().filter(|it| it.code == "write-refused").collect();
    assert_eq!(refused.len(), 1, "{found:?}");
    assert!(refused[0].found.contains("should be an integer from 0 to 1000000"), "{refused:?}");
}
