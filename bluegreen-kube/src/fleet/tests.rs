use bluegreen_core::memory::TokioClock;
use bluegreen_core::{
    Change, Color, OperationError, Operations, Outcome, PhaseName, Plan, Progress, Reason, Releaser,
};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Service;
use kube::Api;
use kube::api::PostParams;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::*;
use crate::deployment::tests::deployment;
use crate::stand_in::StandIn;

const NAMESPACE: &str = "agents";
const AGENTS: usize = 5;

/// A release that goes on by itself.
struct Going {
    phase: watch::Receiver<PhaseName>,
    task: JoinHandle<Result<Outcome, OperationError>>,
}

fn agent(number: usize) -> String {
    format!("agent-{number}")
}

/// The objects of an agent, with one pod in blue.
async fn define(stand_in: &StandIn, agent: &str) {
    let client = stand_in.client(NAMESPACE);
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), NAMESPACE);
    let services: Api<Service> = Api::namespaced(client, NAMESPACE);
    for color in Color::BOTH {
        let mut wanted = deployment(color, u32::from(color == Color::Blue));
        wanted["metadata"]["name"] = format!("{agent}-{color}").into();
        wanted["spec"]["selector"]["matchLabels"]["app"] = agent.into();
        wanted["spec"]["template"]["metadata"]["labels"]["app"] = agent.into();
        let wanted = serde_json::from_value(wanted).unwrap();
        deployments.create(&PostParams::default(), &wanted).await.unwrap();
    }
    let service = json!({
        "metadata": {"name": agent},
        "spec": {"selector": {"app": agent, "slot": "blue"}, "ports": [{"port": 80}]},
    });
    let service = serde_json::from_value(service).unwrap();
    services.create(&PostParams::default(), &service).await.unwrap();
}

async fn release(fleet: &Fleet, agent: &str) -> Going {
    let cluster = fleet.cluster(NAMESPACE, agent).connect().await.unwrap();
    let (tell, phase) = watch::channel(PhaseName::Preflight);
    let clock = Arc::new(TokioClock::new());
    let releaser = Releaser::new(cluster.ports().with_clock(clock)).report(move |it: &Progress| {
        if let Progress::Entered { phase, .. } = it {
            tell.send_replace(*phase);
        }
    });
    let change = Change::image("agent", "registry.example.com/agent:2");
    let mut plan = Plan::all_at_once().bake(Duration::from_hours(5));
    plan.keep_failed = Duration::ZERO;
    Going { phase, task: tokio::spawn(async move { releaser.run(change, &plan).await }) }
}

/// Agents whose releases all bake.
async fn baking(stand_in: &StandIn, fleet: &Fleet) -> Vec<Going> {
    let mut all = Vec::new();
    for number in 0..AGENTS {
        define(stand_in, &agent(number)).await;
        all.push(release(fleet, &agent(number)).await);
    }
    for going in &mut all {
        going.phase.wait_for(|phase| *phase == PhaseName::Baking).await.unwrap();
    }
    all
}

#[tokio::test(start_paused = true)]
async fn releases_that_wait_share_their_watches_and_read_nothing() {
    let stand_in = StandIn::new();
    let fleet = Fleet::new(stand_in.client(NAMESPACE)).with_holder("here").with_seed(7);
    let all = baking(&stand_in, &fleet).await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    stand_in.forget_counts();
    tokio::time::sleep(Duration::from_mins(30)).await;
    let mut counts = stand_in.counts();
    counts.retain(|(_, resource), _| resource != "leases");
    let watches: u64 = counts.iter().filter(|((verb, _), _)| verb == "watch").map(|it| it.1).sum();
    // Five kinds, each for half an hour in watches that are dead after 150 s, because the stand-in
    // sends no bookmarks.
    assert_eq!(watches, 5 * 12, "{counts:?}");
    counts.retain(|(verb, _), _| verb != "watch");
    assert!(counts.is_empty(), "{counts:?}");
    assert!(all.iter().all(|going| !going.task.is_finished()));
}

#[tokio::test(start_paused = true)]
async fn each_release_sees_what_becomes_of_its_own_agent() {
    let stand_in = StandIn::new();
    let fleet = Fleet::new(stand_in.client(NAMESPACE)).with_holder("here");
    let mut all = baking(&stand_in, &fleet).await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    // The last: its pods are gone.
    let pods = stand_in.pods(NAMESPACE, &[("app", &agent(4)), ("slot", "green")]);
    stand_in.set_ready(NAMESPACE, &pods[0], false);
    let outcome = all.pop().unwrap().task.await.unwrap().unwrap();
    assert!(
        matches!(&outcome, Outcome::RolledBack { reason: Reason::Unfit { .. }, .. }),
        "{outcome:?}"
    );
    // The one before: somebody has given traffic back by hand.
    let back = json!({"spec": {"selector": {"slot": "blue"}}});
    assert!(stand_in.edit("ann", "services", NAMESPACE, &agent(3), &back));
    let outcome = all.pop().unwrap().task.await.unwrap().unwrap();
    assert!(matches!(&outcome, Outcome::RolledBack { .. }), "{outcome:?}");
    // Another one: somebody else takes it back from a process of his own.
    let client = stand_in.client(NAMESPACE);
    let other = Cluster::builder(client, NAMESPACE, agent(2)).holder("ann");
    let other = other.connect().await.unwrap();
    let ports = other.ports().with_clock(Arc::new(TokioClock::new()));
    Operations::new(ports).rollback("ann", "wrong refunds").await.unwrap();
    let outcome = all.pop().unwrap().task.await.unwrap().unwrap();
    assert!(matches!(&outcome, Outcome::RolledBack { .. }), "{outcome:?}");
    assert!(all.iter().all(|going| !going.task.is_finished()), "the others are as they were");
}

#[tokio::test(start_paused = true)]
async fn an_outage_ends_no_release() {
    let stand_in = StandIn::new();
    let fleet = Fleet::new(stand_in.client(NAMESPACE)).with_holder("here");
    let mut all = baking(&stand_in, &fleet).await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    stand_in.stop();
    tokio::time::sleep(Duration::from_mins(2)).await;
    stand_in.start();
    tokio::time::sleep(Duration::from_mins(2)).await;
    assert!(all.iter().all(|going| !going.task.is_finished()));
    let pods = stand_in.pods(NAMESPACE, &[("app", &agent(4)), ("slot", "green")]);
    stand_in.set_ready(NAMESPACE, &pods[0], false);
    let outcome = all.pop().unwrap().task.await.unwrap().unwrap();
    assert!(matches!(&outcome, Outcome::RolledBack { .. }), "{outcome:?}");
}

#[tokio::test(start_paused = true)]
async fn a_process_has_one_lease_in_a_namespace_until_it_gives_it_back() {
    let stand_in = StandIn::new();
    let fleet = Fleet::new(stand_in.client(NAMESPACE)).with_holder("here");
    let mut ports = Vec::new();
    for number in 0..2 {
        define(&stand_in, &agent(number)).await;
        let cluster = fleet.cluster(NAMESPACE, agent(number)).connect().await.unwrap();
        ports.push(cluster.ports());
    }
    for _ in 0..10 {
        for ports in &ports {
            assert_eq!(ports.liveness.holder(), *fleet.holder());
            ports.liveness.renew().await.unwrap();
        }
    }
    assert_eq!((stand_in.count("create", "leases"), stand_in.count("update", "leases")), (1, 0));
    assert_ne!(ports[0].trust, ports[1].trust, "they must not read at the same time for ever");
    fleet.resign().await.unwrap();
    assert_eq!(stand_in.count("delete", "leases"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_record_without_its_label_is_not_gone() {
    let stand_in = StandIn::new();
    let fleet = Fleet::new(stand_in.client(NAMESPACE)).with_holder("here");
    let mut all = baking(&stand_in, &fleet).await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    // By its label the shared watch finds it.
    let without = json!({"metadata": {"labels": {"bluegreen.dev/purpose": null}}});
    let name = format!("{}-bluegreen", agent(4));
    assert!(stand_in.edit("ann", "configmaps", NAMESPACE, &name, &without));
    tokio::time::sleep(Duration::from_mins(1)).await;
    let last = all.pop().unwrap();
    assert!(!last.task.is_finished(), "it should be driven on");
    let other = Cluster::builder(stand_in.client(NAMESPACE), NAMESPACE, agent(4)).holder("ann");
    let ports = other.connect().await.unwrap().ports().with_clock(Arc::new(TokioClock::new()));
    Operations::new(ports).rollback("ann", "wrong refunds").await.unwrap();
    let outcome = last.task.await.unwrap().unwrap();
    assert!(matches!(&outcome, Outcome::RolledBack { .. }), "{outcome:?}");
}
