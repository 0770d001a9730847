//! What preflight finds: the traps of ingress-nginx, each by itself and all at once.

use super::*;

async fn problems(stand_in: &StandIn, around: Around) -> Vec<Problem> {
    let routings = [share(5), pinned(share(50)), green()];
    let found = switch(stand_in, around).check(&routings, &EvidenceKind::Endpoints).await.unwrap();
    assert_eq!(main(stand_in, around), Blue, "nothing is written");
    found
}

fn codes(problems: &[Problem]) -> Vec<(&str, bool)> {
    problems.iter().map(|problem| (problem.code.as_str(), problem.is_refusal())).collect()
}

#[tokio::test]
async fn a_good_world_has_no_refusals() {
    for around in BOTH {
        let stand_in = world(around).await;
        let before = stand_in.object(INGRESSES, NAMESPACE, "agent-canary");
        let found = problems(&stand_in, around).await;
        assert!(found.iter().all(|it| !it.is_refusal()), "{around:?}: {found:?}");
        assert_eq!(stand_in.object(INGRESSES, NAMESPACE, "agent-canary"), before);
        assert_eq!(selected(&stand_in, "agent-canary"), "blue");
    }
}

#[tokio::test]
async fn what_the_annotations_must_be_like() {
    for (ingress, annotation, value, code, is_refusal) in [
        ("agent-canary", "canary", json!("yes"), "not-a-canary", true),
        ("agent-canary", "canary-weight", json!("5.5"), "canary-annotations", true),
        ("agent-canary", "canary-weight", json!("100"), "canary-annotations", true),
        ("agent-canary", "canary-by-header-pattern", json!("a.*"), "canary-annotations", true),
        ("agent-canary", "canary-weight-total", json!("10"), "weight-total", true),
        ("agent-canary", "affinity", json!("cookie"), "session-affinity", true),
        ("agent", "affinity", json!("cookie"), "session-affinity", true),
        ("agent", "service-upstream", json!("true"), "service-upstream", false),
        ("agent", "canary-weight", json!("5"), "canary-on-primary", true),
    ] {
        let stand_in = world(Around::Service).await;
        mark(&stand_in, ingress, annotation, &value);
        let found = problems(&stand_in, Around::Service).await;
        assert!(codes(&found).contains(&(code, is_refusal)), "{annotation} {value}: {found:?}");
    }
}

#[tokio::test]
async fn what_the_paths_must_be_like() {
    type Change = fn(&mut Value);
    let cases: [(&str, &str, bool, Change); 8] = [
        ("agent-canary", "no-primary-path", true, |spec| {
            spec["rules"][0]["http"]["paths"][0]["pathType"] = "Exact".into();
        }),
        ("agent-canary", "no-primary-path", true, |spec| {
            spec["rules"][0]["host"] = "other.example.com".into();
        }),
        ("agent-canary", "no-primary-path", true, |spec| spec["ingressClassName"] = "other".into()),
        ("agent-canary", "other-backend", true, |spec| {
            spec["rules"][0]["http"]["paths"][0]["backend"]["service"]["name"] = "agent".into();
        }),
        ("agent-canary", "no-port", true, |spec| {
            spec["rules"][0]["http"]["paths"][0]["backend"]["service"]["port"] =
                json!({"name": "grpc"});
        }),
        ("agent-canary", "canary-default", true, |spec| {
            spec["defaultBackend"] = spec["rules"][0]["http"]["paths"][0]["backend"].clone();
        }),
        ("agent", "uncovered-path", false, |spec| {
            let mut more = spec["rules"][0]["http"]["paths"][0].clone();
            more["path"] = "/more".into();
            spec["rules"][0]["http"]["paths"].as_array_mut().unwrap().push(more);
        }),
        ("agent", "shared-service", true, |spec| {
            let mut more = spec["rules"][0]["http"]["paths"][0].clone();
            more["path"] = "/more".into();
            more["backend"]["service"]["name"] = "agent-canary".into();
            spec["rules"][0]["http"]["paths"].as_array_mut().unwrap().push(more);
        }),
    ];
    for (name, code, is_refusal, change) in cases {
        let stand_in = world(Around::Service).await;
        let mut spec = stand_in.object(INGRESSES, NAMESPACE, name).unwrap()["spec"].clone();
        change(&mut spec);
        let patch = json!({"spec": spec});
        assert!(stand_in.edit("kubectl-edit", INGRESSES, NAMESPACE, name, &patch));
        let found = problems(&stand_in, Around::Service).await;
        assert!(codes(&found).contains(&(code, is_refusal)), "{code}: {found:?}");
    }
}

#[tokio::test]
async fn a_wrong_path_type_is_named_with_both() {
    let stand_in = world(Around::Service).await;
    let mut spec = stand_in.object(INGRESSES, NAMESPACE, "agent-canary").unwrap()["spec"].clone();
    spec["rules"][0]["http"]["paths"][0]["pathType"] = "Exact".into();
    let patch = json!({"spec": spec});
    assert!(stand_in.edit("kubectl-edit", INGRESSES, NAMESPACE, "agent-canary", &patch));
    let found = problems(&stand_in, Around::Service).await;
    let told = found.iter().find(|it| it.code == "no-primary-path").unwrap();
    assert_eq!(told.object, "Ingress ai-agents/agent-canary, path agent.example.com/");
    assert_eq!(told.found, "Ingress agent has it with the type \"Prefix\", not \"Exact\"");
}

#[tokio::test]
async fn two_canaries_for_one_path_are_refused() {
    let stand_in = world(Around::Ingress).await;
    create(&stand_in, "services", service("twin", Blue)).await;
    let marks = json!({"nginx.ingress.kubernetes.io/canary": "true"});
    create(&stand_in, "ingresses", ingress("twin", "twin", &marks)).await;
    let found = problems(&stand_in, Around::Ingress).await;
    let told = found.iter().find(|it| it.code == "two-canaries").unwrap();
    assert_eq!(told.object, "Ingress ai-agents/twin");
}

#[tokio::test]
async fn what_the_service_of_the_canary_must_be_like() {
    for (patch, code) in [
        (json!({"spec": {"selector": {"slot": null}}}), "slot-selector"),
        (json!({"spec": {"selector": {"slot": "red"}}}), "slot-selector"),
        (json!({"spec": {"selector": {"tier": "x"}}}), "slots-disagree"),
        (json!({"spec": {"type": "ExternalName"}}), "external-name"),
        (json!({"metadata": {"annotations": {"bluegreen.dev/epoch": "x"}}}), "bad-epoch"),
    ] {
        let stand_in = world(Around::Service).await;
        assert!(stand_in.edit("kubectl-edit", "services", NAMESPACE, "agent-canary", &patch));
        let found = problems(&stand_in, Around::Service).await;
        assert!(codes(&found).contains(&(code, true)), "{patch}: {found:?}");
    }
}

#[tokio::test]
async fn everything_that_is_missing_is_said_at_once() {
    let stand_in = world(Around::Ingress).await;
    let switch = switch(&stand_in, Around::Ingress).with_canary("gone").with_canary_service("gone");
    let mut conversations = share(5);
    for color in Color::BOTH {
        let (name, value) = ("x-slot".to_owned(), color.to_string());
        conversations.pins.push(Pin::Header { name, value, color });
    }
    let mut mirrored = blue();
    mirrored.mirror = Some(bluegreen_core::Mirror::new(Share::ALL));
    let routings = [conversations, mirrored];
    let found = switch.check(&routings, &EvidenceKind::Endpoints).await.unwrap();
    let beyond: Vec<_> = found.iter().filter(|it| it.code == "beyond-capabilities").collect();
    assert_eq!(beyond.len(), 2, "{found:?}");
    assert!(beyond[0].wanted.contains("pins by header \"x-slot: green, x-slot: blue\""));
    for code in ["no-canary", "no-backend"] {
        assert!(codes(&found).contains(&(code, true)), "{code}: {found:?}");
    }
}

#[tokio::test]
async fn a_reconciler_that_owns_the_weight_is_refused_unless_it_is_allowed() {
    let stand_in = world(Around::Service).await;
    let weight =
        json!({"metadata": {"annotations": {"nginx.ingress.kubernetes.io/canary-weight": "0"}}});
    assert!(stand_in.edit("argocd-controller", INGRESSES, NAMESPACE, "agent-canary", &weight));
    let found = problems(&stand_in, Around::Service).await;
    assert!(codes(&found).contains(&("gitops-owner", true)), "{found:?}");
    let allowing = switch(&stand_in, Around::Service).allow_owner("argocd-controller");
    let found = allowing.check(&[share(5)], &EvidenceKind::Endpoints).await.unwrap();
    assert!(found.iter().all(|it| !it.is_refusal()), "{found:?}");
    assert_eq!(allowing.author().await.unwrap().as_deref(), Some("argocd-controller"));
}
