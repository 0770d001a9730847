//! What happens between the gates and the switch, while somebody's yes is waited for.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bluegreen_core::{Color, Outcome, PhaseName, Plan, Progress, Reason, Reporter as _, Slot as _};
use bluegreen_kube::{Cluster, EventReporter};
use bluegreen_tests::{Agent, Load, Release, SERVICE, ask, change, plan, reaches, reason, seconds};
use http::Method;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use k8s_openapi::api::events::v1::Event;
use kube::api::{ListParams, Patch, PatchParams};
use kube::runtime::wait::await_condition;
use serde_json::json;

/// An agent of which a release waits for approval.
async fn waiting(plan: Plan) -> (Agent, Cluster, Release) {
    let agent = Agent::new().await;
    let cluster = agent.cluster("one").await;
    let releaser = cluster.releaser();
    let plan = plan.approval(Duration::from_mins(5));
    let release = tokio::spawn(async move { releaser.run(change("1.3.0"), &plan).await });
    let two = agent.cluster("two").await;
    reaches(&two, PhaseName::AwaitingApproval).await;
    assert_eq!(agent.live().await, Some(Color::Blue), "nothing moves before the yes");
    (agent, two, release)
}

#[tokio::test]
async fn another_process_approves_pauses_and_promotes() {
    let (agent, two, release) = waiting(plan(Duration::from_mins(5))).await;
    let operations = two.operations();
    operations.approve("ann").await.unwrap();
    reaches(&two, PhaseName::Baking).await;
    operations.pause("bob").await.unwrap();
    assert!(operations.status().await.unwrap().record.unwrap().paused.is_some());
    operations.unpause("bob").await.unwrap();
    operations.promote("ann").await.unwrap();
    assert_eq!(release.await.unwrap().unwrap(), Outcome::Released);
    assert_eq!(agent.live().await, Some(Color::Green));
    let record = operations.status().await.unwrap().record.unwrap();
    let told: Vec<&str> = record.trail.iter().map(|entry| entry.what.as_str()).collect();
    for what in ["ann approves", "bob pauses", "bob continues", "ann promotes"] {
        assert!(told.contains(&what), "{what} is missing: {told:?}");
    }
}

#[tokio::test]
async fn a_live_slot_that_grows_meanwhile_is_not_followed_by_a_smaller_one() {
    let (agent, two, release) = waiting(plan(seconds(2))).await;
    let patch = Patch::Merge(json!({"spec": {"replicas": 5}}));
    let blue = agent.api::<Deployment>();
    blue.patch("agent-blue", &PatchParams::default(), &patch).await.unwrap();
    let has_grown = |found: Option<&Deployment>| {
        let status = found.and_then(|it| it.status.as_ref());
        status.and_then(|it| it.available_replicas) == Some(5)
    };
    let growing = Box::pin(await_condition(blue, "agent-blue", has_grown));
    tokio::time::timeout(seconds(60), growing).await.expect("blue should grow").unwrap();

    two.operations().approve("ann").await.unwrap();
    reaches(&two, PhaseName::Baking).await;
    let green = two.slot(Color::Green).state().await.unwrap();
    assert!(green.replicas.ready >= 5, "traffic moved to {:?}", green.replicas);
    assert_eq!(release.await.unwrap().unwrap(), Outcome::Released);
    assert_eq!(agent.pods(Color::Green).await.len(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_candidate_that_is_not_ready_any_more_gets_no_traffic() {
    let mut plan = plan(seconds(2));
    plan.gates = seconds(5);
    let (agent, two, release) = waiting(plan).await;
    for pod in agent.pods(Color::Green).await {
        let ip: IpAddr = pod.status.unwrap().pod_ip.unwrap().parse().unwrap();
        let unready = ask(SocketAddr::new(ip, 8000), Method::POST, "/admin/unready").await;
        assert!(unready.unwrap().status().is_success());
        let is_unready = |found: Option<&Pod>| {
            let conditions = found.and_then(|it| it.status.as_ref()?.conditions.as_ref());
            let mut all = conditions.into_iter().flatten();
            all.any(|it| it.type_ == "Ready" && it.status == "False")
        };
        let name = pod.metadata.name.unwrap();
        let waiting = Box::pin(await_condition(agent.api::<Pod>(), &name, is_unready));
        tokio::time::timeout(seconds(30), waiting).await.expect("it should be unready").unwrap();
    }

    let load = Load::start(agent.address());
    two.operations().approve("ann").await.unwrap();
    let Reason::Failed { message } = reason(release.await.unwrap().unwrap()) else {
        panic!("another reason")
    };
    assert!(message.contains("wait for 2 ready pods of green"), "{message}");
    assert!(message.contains("found 0 of 2 ready; pod agent-green-"), "{message}");
    assert_eq!(agent.live().await, Some(Color::Blue));
    let tally = load.stop().await;
    assert!(tally.failures.is_empty(), "{tally}");
    assert_eq!(tally.answers.keys().collect::<Vec<_>>(), ["1.2.0"], "{tally}");
}

#[tokio::test]
async fn a_secret_that_a_change_brings_stays_out_of_records_and_events() {
    let agent = Agent::new().await;
    let cluster = agent.cluster("one").await;
    let change = change("1.3.0").env("API_KEY", "sk-do-not-tell");
    let settings = cluster.settings().clone();
    let reporter = Arc::new(EventReporter::new(agent.client(), settings, "one"));
    let told = reporter.clone();
    let releaser = cluster.releaser().report(move |progress: &Progress| told.report(progress));
    let outcome = releaser.run(change, &plan(seconds(2))).await.unwrap();
    assert_eq!(outcome, Outcome::Released);
    assert!(reporter.flush(seconds(10)).await, "the events are written");
    let green = agent.api::<Deployment>().get("agent-green").await.unwrap();
    let green = serde_json::to_string(&green.spec).unwrap();
    assert!(green.contains("sk-do-not-tell"), "the agent itself gets it");
    let maps = agent.api::<ConfigMap>().list(&ListParams::default()).await.unwrap();
    let events = agent.api::<Event>().list(&ListParams::default()).await.unwrap();
    assert!(maps.items.len() >= 2, "the record and its archive");
    let of_service = |it: &&Event| {
        it.regarding.as_ref().is_some_and(|object| object.name.as_deref() == Some(SERVICE))
    };
    assert!(events.iter().filter(of_service).count() >= 3, "the release is told: {events:?}");
    for text in [serde_json::to_string(&maps).unwrap(), serde_json::to_string(&events).unwrap()] {
        assert!(!text.contains("sk-do-not-tell"));
    }
}
