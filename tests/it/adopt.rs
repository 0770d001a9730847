//! One rolling Deployment becomes two slots, under load.

use std::sync::Mutex;

use bluegreen_core::{Color, Outcome};
use bluegreen_kube::{Adopt, AdoptError, Cluster, Done};
use bluegreen_tests::{Agent, Load, Manifests, SERVICE, change, image, plan, seconds};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::json;

/// The Deployment without slots.
const ROLLING: &str = "agent";

async fn connect(agent: &Agent, holder: &str) -> Cluster {
    let builder = agent.builder(holder).deployment(Color::Blue, "agent-blue");
    builder.deployment(Color::Green, "agent-green").connect().await.unwrap()
}

/// Shorter than users would have it: no answer of the test agent takes a second.
fn how() -> Adopt {
    let mut how = Adopt::default();
    // kube-proxy may hear of the switch a second later than the endpoints show it.
    how.drain = seconds(3);
    how
}

async fn size(agent: &Agent, name: &str) -> Option<i32> {
    agent.api::<Deployment>().get(name).await.unwrap().spec.replicas
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_rolling_deployment_becomes_two_slots_under_load() {
    let agent = Agent::of(Manifests::shipped().rolling(ROLLING)).await;
    let cluster = connect(&agent, "one").await;
    let mut load = Load::start(agent.address());
    load.answered_by("1.2.0").await;
    let told = Mutex::new(Vec::new());
    let tell = |done: &Done| told.lock().unwrap().push(done.to_string());
    cluster.adopt(ROLLING, &how(), tell).await.unwrap();
    assert_eq!(
        *told.lock().unwrap(),
        [
            "created deployment agent-blue as the blue slot, a copy of agent and as large",
            "service agent-service now selects the blue slot, whose pods it had",
            "created horizontalpodautoscaler agent-green, a copy of agent",
            "horizontalpodautoscaler agent now scales agent-blue",
            "scaled deployment agent from 3 to 0, and left it there for the way back",
            "created deployment agent-green as the green slot, a copy of agent-blue without pods",
        ]
    );
    agent.all_settled().await;
    assert_eq!(agent.live().await, Some(Color::Blue));
    assert_eq!(agent.pods(Color::Blue).await.len(), 3);
    assert_eq!(size(&agent, ROLLING).await, Some(0));

    // Again changes nothing, and the release that it was made for finds nothing amiss.
    cluster.adopt(ROLLING, &how(), |done| panic!("{done}")).await.unwrap();
    let found = agent.cluster("two").await;
    let outcome = found.releaser().run(change("1.3.0"), &plan(seconds(2))).await.unwrap();
    assert_eq!(outcome, Outcome::Released);
    load.answered_by("1.3.0").await;
    let tally = load.stop().await;
    assert!(tally.failures.is_empty(), "{tally}");
    let scalers =
        agent.api::<HorizontalPodAutoscaler>().list(&ListParams::default()).await.unwrap();
    let mut scaled: Vec<_> =
        scalers.iter().map(|it| it.spec.scale_target_ref.name.clone()).collect();
    scaled.sort();
    assert_eq!(scaled, ["agent-blue", "agent-green"], "no pod is of two of them");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_interrupted_anywhere_goes_on() {
    let agent = Agent::of(Manifests::shipped().sized_blue(2).rolling(ROLLING)).await;
    let mut load = Load::start(agent.address());
    load.answered_by("1.2.0").await;
    // The process ends right after each thing that is done, until there is nothing left to do.
    let mut done = 0;
    loop {
        let cluster = connect(&agent, &format!("number-{done}")).await;
        let (tell, told) = tokio::sync::watch::channel(0);
        let mut told_once = told.clone();
        let adopting = async {
            let how = how();
            cluster.adopt(ROLLING, &how, |_| tell.send_modify(|count| *count += 1)).await
        };
        tokio::select! {
            biased;
            _ = told_once.wait_for(|count| *count > 0) => done += 1,
            ended = Box::pin(adopting) => {
                ended.unwrap();
                break;
            }
        }
    }
    // What it was about to do next may have been done, too, before anybody heard of it.
    assert!((2..=6).contains(&done), "{done}");
    let tally = load.stop().await;
    assert!(tally.failures.is_empty(), "{tally}");
    agent.all_settled().await;
    assert_eq!(agent.live().await, Some(Color::Blue));
    assert_eq!(agent.pods(Color::Blue).await.len(), 2);
    assert_eq!(size(&agent, ROLLING).await, Some(0));
    assert_eq!(size(&agent, "agent-green").await, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollout_meanwhile_stops_it_before_traffic_moves() {
    let agent = Agent::of(Manifests::shipped().sized_blue(1).rolling(ROLLING)).await;
    let cluster = connect(&agent, "one").await;
    let blue = || async {
        let found = agent.api::<Deployment>().get_opt("agent-blue").await.unwrap();
        found.is_some()
    };
    let changing = async {
        while !blue().await {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        let env = json!([{"name": "agent", "env": [{"name": "TEMPERATURE", "value": "1"}]}]);
        let patch = json!({"spec": {"template": {"spec": {"containers": env}}}});
        let deployments = agent.api::<Deployment>();
        deployments
            .patch(ROLLING, &PatchParams::default(), &Patch::Strategic(patch))
            .await
            .unwrap();
    };
    let how = how();
    let (ended, ()) = tokio::join!(cluster.adopt(ROLLING, &how, |_| ()), changing);
    let text = bluegreen_core::chain(&ended.unwrap_err());
    assert!(text.contains("found that it was changed while agent-blue got ready"), "{text}");
    assert_eq!(agent.live().await, None, "the Service selects what it did");
    assert_eq!(size(&agent, ROLLING).await, Some(1));

    // Begun again it says what to do, and then does it.
    agent.all_settled().await;
    let ended = cluster.adopt(ROLLING, &how, |_| ()).await.unwrap_err();
    let AdoptError::Refused { problems, .. } = &ended else { panic!("{ended}") };
    assert_eq!(problems.iter().map(|it| it.code.as_str()).collect::<Vec<_>>(), ["not-a-copy"]);
    let now = DeleteParams::foreground();
    agent.api::<Deployment>().delete("agent-blue", &now).await.unwrap();
    while blue().await {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    cluster.adopt(ROLLING, &how, |_| ()).await.unwrap();
    assert_eq!(agent.live().await, Some(Color::Blue));
}

#[tokio::test]
async fn a_service_that_leads_elsewhere_by_then_is_left_alone() {
    let agent = Agent::of(Manifests::shipped().sized_blue(1).rolling(ROLLING)).await;
    let cluster = connect(&agent, "one").await;
    let (tell, mut told) = tokio::sync::watch::channel(String::new());
    let how = how();
    let adopting = cluster.adopt(ROLLING, &how, |done| drop(tell.send_replace(done.to_string())));
    let services = agent.api::<Service>();
    let leading = async {
        told.wait_for(|done| done.starts_with("created deployment agent-blue")).await.unwrap();
        let patch = Patch::Merge(json!({"spec": {"selector": {"app": "agent-hotfix"}}}));
        services.patch(SERVICE, &PatchParams::default(), &patch).await.unwrap();
    };
    let (ended, ()) = tokio::join!(Box::pin(adopting), leading);
    let text = bluegreen_core::chain(&ended.unwrap_err());
    assert!(text.contains("app=agent-hotfix") && text.contains("not-its-pods"), "{text}");
    let selector = services.get(SERVICE).await.unwrap().spec.unwrap().selector.unwrap();
    assert_eq!(selector, [("app".to_owned(), "agent-hotfix".to_owned())].into());
    assert_eq!(size(&agent, ROLLING).await, Some(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_autoscaler_may_change_the_size_at_any_time() {
    let agent = Agent::of(Manifests::shipped().sized_blue(1).rolling(ROLLING)).await;
    let cluster = connect(&agent, "one").await;
    let deployments = agent.api::<Deployment>();
    let resize = async |size: i32| {
        let patch = Patch::Merge(json!({"spec": {"replicas": size}}));
        deployments.patch(ROLLING, &PatchParams::default(), &patch).await.unwrap();
    };
    let (tell, mut told) = tokio::sync::watch::channel(String::new());
    let how = how();
    let adopting = cluster.adopt(ROLLING, &how, |done| drop(tell.send_replace(done.to_string())));
    let scaling = async {
        told.wait_for(|done| done.starts_with("created deployment agent-blue")).await.unwrap();
        resize(3).await;
        told.wait_for(|done| done.contains("now selects the blue slot")).await.unwrap();
        resize(2).await;
    };
    let (ended, ()) = tokio::join!(Box::pin(adopting), scaling);
    ended.unwrap();
    assert_eq!(agent.live().await, Some(Color::Blue));
    assert_eq!(size(&agent, "agent-blue").await, Some(3), "it grew as the old one did");
    assert_eq!(size(&agent, ROLLING).await, Some(0));
    let old = deployments.get(ROLLING).await.unwrap();
    assert_eq!(old.metadata.annotations.unwrap()["bluegreen.dev/adopted-replicas"], "2");
}

#[tokio::test]
async fn what_stands_in_the_way_is_said_at_once_and_nothing_is_written() {
    let mut manifests = Manifests::shipped().sized_blue(1).rolling(ROLLING);
    let containers = &mut manifests.object("Deployment", ROLLING)["spec"]["template"]["spec"];
    containers["containers"][0].as_object_mut().unwrap().remove("readinessProbe");
    let agent = Agent::of(manifests).await;
    let stranger = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "stranger", "labels": {"app": "agent-service"}},
        "spec": {"containers": [{"name": "agent", "image": image("1.2.0")}]},
    });
    let stranger = serde_json::from_value(stranger).unwrap();
    agent.api::<Pod>().create(&PostParams::default(), &stranger).await.unwrap();
    let other = json!({"spec": {"selector": {"app": "agent-service", "slot": "green"}}});
    let services = agent.api::<Service>();
    services.patch(SERVICE, &PatchParams::default(), &Patch::Merge(other)).await.unwrap();
    let builder = agent.builder("one").deployment(Color::Blue, ROLLING);
    let cluster = builder.deployment(Color::Green, "agent-green").connect().await.unwrap();
    let ended = cluster.adopt(ROLLING, &how(), |done| panic!("{done}")).await.unwrap_err();
    let AdoptError::Refused { problems, .. } = &ended else { panic!("{ended}") };
    assert_eq!(
        problems.iter().map(|it| it.code.as_str()).collect::<Vec<_>>(),
        ["selects-a-slot", "other-pods", "name-is-taken", "no-readiness-probe", "slot-is-taken"]
    );
    assert_eq!(problems[1].found, "it selects stranger");
    assert_eq!(
        agent.api::<Deployment>().list(&ListParams::default()).await.unwrap().items.len(),
        1
    );
    let missing = cluster.adopt("nobody", &how(), |done| panic!("{done}")).await.unwrap_err();
    let text = bluegreen_core::chain(&missing);
    assert!(text.contains("deployment nobody") && text.contains("but agent"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_reconciler_keeps_is_adopted_where_it_is_allowed() {
    let mut manifests = Manifests::shipped().sized_blue(1).rolling(ROLLING);
    for (kind, name) in [("Deployment", ROLLING), ("Service", SERVICE)] {
        let mark = json!({"argocd.argoproj.io/tracking-id": format!("agents:{kind}:{name}")});
        manifests.object(kind, name)["metadata"]["annotations"] = mark;
    }
    let agent = Agent::of(manifests.with(json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "forgotten"},
        "spec": {"selector": {"app": "agent-service"}, "ports": [{"port": 80, "targetPort": 8000}]},
    })))
    .await;
    let cluster = connect(&agent, "one").await;
    let mut how = how();
    let ended = cluster.adopt(ROLLING, &how, |done| panic!("{done}")).await.unwrap_err();
    let AdoptError::Refused { problems, .. } = &ended else { panic!("{ended}") };
    let found: Vec<_> = problems.iter().map(|it| (it.code.as_str(), it.object.as_str())).collect();
    assert_eq!(
        found,
        [
            ("gitops-owner", "service agent-service, spec.selector"),
            ("unlisted-service", "service forgotten, spec.selector"),
            ("gitops-owner", "deployment agent"),
        ]
    );

    how.allowed_owners.insert("argocd-controller".to_owned());
    how.ignored_services.insert("forgotten".to_owned());
    cluster.adopt(ROLLING, &how, |_| ()).await.unwrap();
    assert_eq!(agent.live().await, Some(Color::Blue));
    assert_eq!(size(&agent, ROLLING).await, Some(0));
}
