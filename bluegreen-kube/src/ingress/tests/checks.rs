//! What preflight finds.

use super::*;

async fn problems(switch: &IngressSwitch) -> Vec<Problem> {
    switch.check(&[green()], &EvidenceKind::Endpoints).await.unwrap()
}

fn codes(problems: &[Problem]) -> Vec<(&str, bool)> {
    problems.iter().map(|problem| (problem.code.as_str(), problem.is_refusal())).collect()
}

#[tokio::test]
async fn a_good_world_has_no_refusals_and_nothing_is_written() {
    let stand_in = world().await;
    let before = stand_in.object(INGRESSES, NAMESPACE, AGENT);
    let found = problems(&switch(&stand_in)).await;
    let told: Vec<_> = found.iter().map(|it| (it.code.as_str(), it.found.as_str())).collect();
    assert_eq!(told[0], ("foreign-paths", "path agent.example.com/static to files"));
    assert!(codes(&found).contains(&("foreign-paths", false)));
    assert!(found.iter().all(|it| !it.is_refusal()), "{found:?}");
    assert_eq!(stand_in.object(INGRESSES, NAMESPACE, AGENT), before);
    assert_eq!(stand_in.count("patch", "ingresses"), 1, "its write was tried");
}

#[tokio::test]
async fn plans_that_need_more_are_refused_by_name() {
    let stand_in = world().await;
    let mut pinned = blue();
    let (name, value) = ("x-slot".to_owned(), "green".to_owned());
    pinned.pins.push(Pin::Header { name, value, color: Green });
    let mut mirrored = blue();
    mirrored.mirror = Some(bluegreen_core::Mirror::new(Share::ALL));
    let routings = [blue().with_candidate(Share::percent(5)), pinned, mirrored];
    let found = switch(&stand_in).check(&routings, &EvidenceKind::Endpoints).await.unwrap();
    let told: Vec<_> =
        found.iter().filter(|it| it.code == "beyond-capabilities").map(|it| &it.object).collect();
    assert_eq!(told.len(), 3, "{found:?}");
    assert_eq!(told[0], "routing blue 95 %, green 5 %");
}

#[tokio::test]
async fn what_the_paths_must_be_like() {
    type Change = fn(&mut Value);
    let cases: [(&str, bool, Change); 5] = [
        ("no-path", true, |spec| {
            *spec = serde_json::from_str(&spec.to_string().replace("agent-blue", "files")).unwrap();
        }),
        ("no-routing", true, |spec| spec["defaultBackend"] = backend("agent-green")),
        ("no-port", true, |spec| {
            let port = json!({"number": 81});
            spec["rules"][0]["http"]["paths"][1]["backend"]["service"]["port"] = port;
        }),
        ("stray-path", true, |spec| {
            spec["rules"][0]["http"]["paths"][0]["backend"] = backend("stray");
        }),
        ("foreign-paths", false, |spec| {
            let elsewhere = json!({"resource": {"kind": "Bucket", "name": "files"}});
            spec["rules"][0]["http"]["paths"][0]["backend"] = elsewhere;
        }),
    ];
    for (code, is_refusal, change) in cases {
        let stand_in = world().await;
        let mut stray = slot_service(Blue);
        stray["metadata"]["name"] = "stray".into();
        create(&stand_in, "services", stray).await;
        let mut changed = spec(&stand_in, AGENT);
        change(&mut changed);
        edit(&stand_in, AGENT, &json!({"spec": changed}));
        let found = problems(&switch(&stand_in)).await;
        assert!(codes(&found).contains(&(code, is_refusal)), "{code}: {found:?}");
    }
}

#[tokio::test]
async fn a_port_that_only_one_service_has_is_named_with_path_and_service() {
    let stand_in = world().await;
    let ports = json!({"spec": {"ports": [{"name": "web", "port": 80, "targetPort": "http"}]}});
    assert!(stand_in.edit("kubectl-edit", "services", NAMESPACE, "agent-green", &ports));
    let found = problems(&switch(&stand_in)).await;
    let told: Vec<_> = found.iter().filter(|it| it.code == "no-port").collect();
    // The default backend goes by the number, which is the same.
    assert_eq!(told.len(), 2, "{found:?}");
    assert_eq!(told[0].object, "Ingress ai-agents/agent, path agent.example.com/");
    assert_eq!(told[0].found, "port \"http\", which agent-green does not have");
}

#[tokio::test]
async fn everything_is_said_at_once() {
    let stand_in = world().await;
    let mut changed = spec(&stand_in, AGENT);
    changed["defaultBackend"] = backend("agent-green");
    changed["rules"][0]["http"]["paths"][1]["backend"]["service"]["port"] = json!({"number": 9});
    let annotations =
        json!({"bluegreen.dev/epoch": "x", "nginx.ingress.kubernetes.io/canary": "true"});
    edit(&stand_in, AGENT, &json!({"spec": changed, "metadata": {"annotations": annotations}}));
    let slotless = json!({"spec": {"selector": {"slot": null}}});
    assert!(stand_in.edit("kubectl-edit", "services", NAMESPACE, "agent-green", &slotless));
    let found = problems(&switch(&stand_in).with_ingress("gone")).await;
    for code in ["bad-epoch", "is-canary", "no-port", "slot-selector", "no-ingress"] {
        assert!(codes(&found).contains(&(code, true)), "{code}: {found:?}");
    }
}

#[tokio::test]
async fn a_slot_without_ready_pods_has_no_traffic_unless_there_are_none_at_all() {
    let stand_in = world().await;
    for (color, is_refusal) in [(Blue, true), (Green, false)] {
        set_ready(&stand_in, color, false);
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
        (
            json!({"spec": {"ports": [{"name": "http", "port": 80, "targetPort": "grpc"}]}}),
            "port-unresolved",
            true,
        ),
    ] {
        let stand_in = world().await;
        assert!(stand_in.edit("kubectl-edit", "services", NAMESPACE, "agent-green", &patch));
        let found = problems(&switch(&stand_in)).await;
        assert!(codes(&found).contains(&(code, is_refusal)), "{patch}: {found:?}");
    }
    let stand_in = world().await;
    for (green, code) in [("gone", "no-backend"), ("agent-blue", "slots-disagree")] {
        let found = problems(&switch(&stand_in).with_slot_services("agent-blue", green)).await;
        assert!(codes(&found).contains(&(code, true)), "{found:?}");
    }
}

#[tokio::test]
async fn other_ways_to_a_slot_are_told() {
    let stand_in = world().await;
    let live = |name: &str| {
        let mut live = slot_service(Blue);
        live["metadata"]["name"] = name.into();
        live["spec"]["selector"] = json!({"app": "agent"});
        live
    };
    create(&stand_in, "services", live(AGENT)).await;
    create(&stand_in, "services", live("forgotten")).await;
    create(&stand_in, "ingresses", ingress("other")).await;
    let mut twin = ingress("twin");
    twin["spec"].as_object_mut().unwrap().remove("defaultBackend");
    twin["spec"]["rules"][0]["host"] = "agent.example.com".into();
    let text = twin.to_string().replace("agent-blue", "files");
    create(&stand_in, "ingresses", serde_json::from_str(&text).unwrap()).await;
    // Ours names its class as of old, and another controller serves the internal one.
    let old = json!({
        "metadata": {"annotations": {"kubernetes.io/ingress.class": "nginx"}},
        "spec": {"ingressClassName": null},
    });
    assert!(stand_in.edit("kubectl-edit", INGRESSES, NAMESPACE, "agent", &old));
    let spec = twin["spec"].as_object_mut().unwrap();
    spec.remove("ingressClassName");
    twin["metadata"] = json!({
        "name": "internal", "annotations": {"kubernetes.io/ingress.class": "internal"},
    });
    let text = twin.to_string().replace("agent-blue", "files");
    create(&stand_in, "ingresses", serde_json::from_str(&text).unwrap()).await;
    let found = problems(&switch(&stand_in)).await;
    let told: Vec<(&str, &str, bool)> = found
        .iter()
        .filter(|it| it.code.starts_with("unlisted") || it.code == "same-path")
        .map(|it| (it.code.as_str(), it.object.as_str(), it.is_refusal()))
        .collect();
    assert_eq!(
        told,
        [
            ("unlisted-service", "Service ai-agents/agent", false),
            ("unlisted-service", "Service ai-agents/forgotten", true),
            ("unlisted-ingress", "Ingress ai-agents/other", true),
            ("same-path", "Ingress ai-agents/twin", true),
        ]
    );
    let ignoring = switch(&stand_in)
        .ignore_service("forgotten")
        .ignore_ingress("other")
        .ignore_ingress("twin");
    assert!(problems(&ignoring).await.iter().all(|it| !it.is_refusal()));
}

#[tokio::test]
async fn a_service_that_no_other_ingress_leads_to_is_told_of() {
    let stand_in = world().await;
    let cold = |found: &[Problem]| {
        let cold = found.iter().filter(|it| it.code == "cold-backend" && !it.is_refusal());
        cold.map(|it| it.object.clone()).collect::<Vec<_>>()
    };
    let both = ["Service ai-agents/agent-blue", "Service ai-agents/agent-green"];
    assert_eq!(cold(&problems(&switch(&stand_in)).await), both);
    let mut warm = ingress("warm");
    warm["spec"] = json!({"rules": [
        {"host": "blue.invalid", "http": {"paths": [path("/", "agent-blue")]}},
        {"host": "green.invalid", "http": {"paths": [path("/", "agent-green")]}},
    ]});
    create(&stand_in, "ingresses", warm).await;
    let found = problems(&switch(&stand_in).ignore_ingress("warm")).await;
    assert_eq!(cold(&found), [""; 0]);
    assert!(found.iter().all(|it| !it.is_refusal()), "{found:?}");
}

#[tokio::test]
async fn no_ingress_at_all_is_a_problem_and_no_panic() {
    let stand_in = world().await;
    let none = IngressSwitch::new(stand_in.client(NAMESPACE), settings());
    assert!(codes(&problems(&none).await).contains(&("no-ingress", true)));
    let state = none.observe().await.unwrap().state;
    assert_eq!(state, ObservedState::Foreign("no ingress".to_owned()));
    let error = none.shift(&blue(), &green(), ONE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
}

#[tokio::test]
async fn a_reconciler_that_owns_the_rules_is_refused_unless_it_is_allowed() {
    let stand_in = world().await;
    let mut changed = spec(&stand_in, AGENT);
    changed["rules"][0]["http"]["paths"][0]["path"] = "/files".into();
    let patch = json!({"spec": changed});
    assert!(stand_in.edit("argocd-controller", INGRESSES, NAMESPACE, AGENT, &patch));
    let owned = problems(&switch(&stand_in)).await;
    assert!(codes(&owned).contains(&("gitops-owner", true)), "{owned:?}");
    let allowing = switch(&stand_in).allow_owner("argocd-controller");
    assert!(problems(&allowing).await.iter().all(|it| it.code != "gitops-owner"));
    assert_eq!(allowing.author().await.unwrap().as_deref(), Some("argocd-controller"));
}

#[tokio::test]
async fn a_write_that_the_server_would_refuse_is_told() {
    let stand_in = world().await;
    let mut changed = spec(&stand_in, AGENT);
    // Somebody has got a path past the server that it takes from nobody now.
    changed["rules"][0]["http"]["paths"][0]["path"] = "static".into();
    edit(&stand_in, AGENT, &json!({"spec": changed}));
    let found = problems(&switch(&stand_in)).await;
    let refused: Vec<_> = found.iter().filter(|it| it.code == "write-refused").collect();
    assert_eq!(refused.len(), 1, "{found:?}");
    assert!(refused[0].found.contains("must be an absolute path"), "{refused:?}");
}
