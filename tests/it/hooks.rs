//! Hooks of releases, which run as Jobs.

use std::net::SocketAddr;
use std::time::Duration;

use bluegreen_core::plan::{Hook, HookPoint};
use bluegreen_core::{
    Color, HookOutcome, OperationError, Outcome, PhaseName, Plan, Record, Slot as _,
};
use bluegreen_kube::Cluster;
use bluegreen_tests::{
    Agent, Load, Manifests, ask, change, cron_job, plan, reaches, reason, seconds,
};
use http::Method;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::api::ListParams;
use serde_json::json;

/// How long the pod of a Job may take to serve.
const PATIENCE: Duration = Duration::from_mins(1);

fn hooked(point: HookPoint, name: &str) -> Plan {
    let hook = Hook::before(point, name, format!("cronjob/{name}"));
    plan(seconds(1)).hook(hook.timeout(Duration::from_mins(2)))
}

/// An agent of two pods beside a hook that serves until it is told to end, and one that fails.
async fn agent() -> Agent {
    let failing = cron_job("failing", "1.2.0", &json!({"AGENT_CRASH_AFTER_MS": "200"}));
    let serving = cron_job("serving", "1.2.0", &json!({}));
    Agent::of(Manifests::shipped().sized(2, 0).with_hooks().with(failing).with(serving)).await
}

/// Tells the pod of the Job of an attempt to end with this code, once it serves.
async fn end(agent: &Agent, code: u8) {
    let ending = async {
        loop {
            let selector = ListParams::default().labels("bluegreen.dev/cronjob=serving");
            let pods = agent.api::<Pod>().list(&selector).await.unwrap();
            let address = pods.items.iter().find_map(|pod| {
                let status = pod.status.as_ref()?;
                let ip = status
                    .pod_ip
                    .as_deref()
                    .filter(|_| status.phase.as_deref() == Some("Running"))?;
                Some(SocketAddr::new(ip.parse().ok()?, 8000))
            });
            if let Some(address) = address
                && ask(address, Method::POST, &format!("/admin/exit?code={code}")).await.is_ok()
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(PATIENCE, ending).await.expect("the pod of the Job should serve");
}

/// The record of the last release, as it stands in the history.
async fn last(cluster: &Cluster) -> Record {
    let history = cluster.operations().history().await.unwrap();
    history[0].current().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_only_adds_runs_before_anything_is_deployed() {
    let agent = agent().await;
    let (one, two) = (agent.cluster("one").await, agent.cluster("two").await);
    let load = Load::start(agent.address());
    let releaser = one.releaser();
    let plan = hooked(HookPoint::Deploying, "serving");
    let release = tokio::spawn(async move { releaser.run(change("1.3.0"), &plan).await });
    reaches(&two, PhaseName::RunningHook).await;
    let green = two.slot(Color::Green).state().await.unwrap();
    assert_eq!((green.replicas.wanted, green.open), (0, false));
    end(&agent, 0).await;
    assert_eq!(release.await.unwrap().unwrap(), Outcome::Released);
    assert_eq!(agent.live().await, Some(Color::Green));
    let tally = load.stop().await;
    assert!(tally.failures.is_empty(), "{tally}");

    let record = last(&two).await;
    assert!(record.hooks.len() == 1 && record.hooks[0].is_success(), "{:?}", record.hooks);
    let pods = agent.api::<Pod>().list(&ListParams::default().labels("app=migrations")).await;
    let pods = pods.unwrap().items;
    assert_eq!(pods.len(), 1, "one Job, one pod");
    let container = &pods[0].spec.as_ref().unwrap().containers[0];
    assert!(container.image.as_deref().unwrap().ends_with(":1.3.0"), "the candidate's image");
    let told = container.env.iter().flatten().find(|it| it.name == "BLUEGREEN_VERSION");
    assert_eq!(told.unwrap().value.as_deref(), Some("1.3.0"), "{}", pods[0].name_any());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_that_fails_touches_nothing_and_its_log_is_in_the_history() {
    let agent = agent().await;
    let cluster = agent.cluster("one").await;
    let before = cluster.slot(Color::Green).state().await.unwrap();
    let plan = hooked(HookPoint::Deploying, "failing");
    let outcome = cluster.releaser().run(change("1.3.0"), &plan).await.unwrap();
    let text = reason(outcome).to_string();
    assert!(text.contains("BackoffLimitExceeded") && text.contains("exit code 1"), "{text}");
    assert_eq!(agent.live().await, Some(Color::Blue));
    let after = cluster.slot(Color::Green).state().await.unwrap();
    assert_eq!((after.template_hash, after.replicas), (before.template_hash, before.replicas));

    let record = last(&cluster).await;
    let HookOutcome::Failed { log, .. } = &record.hooks[0].outcome else { panic!("{record:?}") };
    assert!(log.contains("agent 1.3.0 listens"), "{log}");
    assert!(log.ends_with("agent: crashes, as AGENT_CRASH_AFTER_MS says"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_takes_something_away_runs_once_the_old_slot_is_gone() {
    let agent = agent().await;
    let (one, two) = (agent.cluster("one").await, agent.cluster("two").await);
    let releaser = one.releaser();
    let plan = hooked(HookPoint::Done, "serving");
    let release = tokio::spawn(async move { releaser.run(change("1.3.0"), &plan).await });
    reaches(&two, PhaseName::RunningHook).await;
    end(&agent, 0).await;
    let blue = two.slot(Color::Blue).state().await.unwrap();
    assert!(blue.replicas.wanted == 0 && blue.pods.is_empty(), "{blue:?}");
    assert_eq!(release.await.unwrap().unwrap(), Outcome::Released);
    let error = two.operations().rollback("ann", "wrong refunds").await.unwrap_err();
    assert!(
        matches!(&error, OperationError::Contracted { hook, .. } if hook == "serving"),
        "{error}"
    );
    assert_eq!(agent.live().await, Some(Color::Green));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_driver_that_comes_back_follows_the_job_that_runs() {
    let agent = agent().await;
    let (one, two) = (agent.cluster("one").await, agent.cluster("two").await);
    let releaser = one.releaser();
    let plan = hooked(HookPoint::Deploying, "serving");
    let release = tokio::spawn(async move { releaser.run(change("1.3.0"), &plan).await });
    reaches(&two, PhaseName::RunningHook).await;
    let begun = async {
        let selector = ListParams::default().labels("bluegreen.dev/cronjob=serving");
        while agent.api::<Pod>().list(&selector).await.unwrap().items.is_empty() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(PATIENCE, begun).await.expect("the Job should begin");
    release.abort();
    one.operations().resign().await.unwrap();
    let releaser = two.releaser();
    let (outcome, ()) = tokio::join!(releaser.resume(), end(&agent, 0));
    assert_eq!(outcome.unwrap(), Outcome::Released);
    let pods = agent.api::<Pod>().list(&ListParams::default().labels("app=migrations")).await;
    assert_eq!(pods.unwrap().items.len(), 1, "nothing was started twice");
}
