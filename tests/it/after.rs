//! What can be done with an agent when no release is under way.

use bluegreen_core::{Color, OperationError, Outcome, Slot as _};
use bluegreen_kube::{Done, PREFIX};
use bluegreen_tests::{Agent, Load, Manifests, SERVICE, change, plan, seconds};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use kube::api::ListParams;
use kube::{Resource, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_is_undone_by_an_old_slot_that_stands_by() {
    undone(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_is_undone_by_an_old_slot_without_pods() {
    undone(0).await;
}

/// Releases, and goes back under load when the old slot has so many pods.
async fn undone(standby: u32) {
    let agent = Agent::new().await;
    let cluster = agent.cluster("one").await;
    let mut plan = plan(seconds(2)).standby(standby);
    // kube-proxy may hear of the switch a second later than the endpoints show it.
    plan.drain.quiet = seconds(3);
    let outcome = cluster.releaser().run(change("1.3.0"), &plan).await.unwrap();
    assert_eq!(outcome, Outcome::Released);
    // Its pods are ended by a controller, some time after their number was written.
    agent.all_settled().await;
    let kept = u32::try_from(agent.pods(Color::Blue).await.len()).unwrap();
    assert_eq!(kept, standby);

    let two = agent.cluster("two").await;
    let mut load = Load::start(agent.address());
    load.answered_by("1.3.0").await;
    let status = two.operations().rollback("ann", "wrong refunds").await.unwrap();
    load.answered_by("1.2.0").await;
    let tally = load.stop().await;
    assert!(tally.failures.is_empty(), "{tally}");
    assert_eq!(status.record.unwrap().undoes.unwrap().reason, "wrong refunds");
    assert_eq!(agent.live().await, Some(Color::Blue));
    let blue = two.slot(Color::Blue).state().await.unwrap();
    assert_eq!((blue.replicas.ready, blue.open), (2, false));
    let again = two.operations().abort("ann", "once more").await.unwrap_err();
    assert!(matches!(again, OperationError::NoRelease), "{again}");
}

#[tokio::test]
async fn an_agent_is_made_ready_released_and_left_as_it_serves() {
    let agent = Agent::of(Manifests::shipped().plain()).await;
    let cluster = agent.cluster("one").await;
    let made = cluster.init().await.unwrap();
    let (created, selected) = (
        Done::Created {
            color: Color::Green,
            deployment: "agent-green".into(),
            from: "agent-blue".into(),
        },
        Done::Selected { service: SERVICE.into(), color: Color::Blue },
    );
    assert_eq!(made, [created, selected]);
    assert_eq!(cluster.init().await.unwrap(), [], "there is nothing left to do");
    let outcome = cluster.releaser().run(change("1.3.0"), &plan(seconds(2))).await.unwrap();
    assert_eq!(outcome, Outcome::Released);

    let before = specs(&agent).await;
    cluster.detach().await.unwrap();
    assert_eq!(specs(&agent).await, before, "what serves stays as it is");
    let mut marked = marked::<Deployment>(&agent).await;
    marked.extend(self::marked::<Service>(&agent).await);
    marked.extend(self::marked::<ConfigMap>(&agent).await);
    marked.extend(self::marked::<Lease>(&agent).await);
    assert_eq!(marked, [""; 0], "nothing of ours is left");
    let next = agent.cluster("two").await.releaser().run(change("1.4.0"), &plan(seconds(2))).await;
    assert_eq!(next.unwrap(), Outcome::Released, "and the next release begins anew");
}

/// What the Deployments and Services want.
async fn specs(agent: &Agent) -> Vec<String> {
    let deployments = agent.api::<Deployment>().list(&ListParams::default()).await.unwrap();
    let services = agent.api::<Service>().list(&ListParams::default()).await.unwrap();
    let services = services.into_iter().filter(|it| it.name_any() == SERVICE);
    let specs = deployments.into_iter().map(|it| serde_json::to_string(&it.spec));
    let specs = specs.chain(services.map(|it| serde_json::to_string(&it.spec)));
    specs.map(Result::unwrap).collect()
}

/// The objects that have anything of ours on them.
async fn marked<K>(agent: &Agent) -> Vec<String>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned
        + Serialize,
{
    let mut all = agent.api::<K>().list(&ListParams::default()).await.unwrap().items;
    for object in &mut all {
        // It remembers what was once written, and is not ours to remove.
        object.meta_mut().managed_fields = None;
    }
    let is_marked = |it: &&K| serde_json::to_string(it).unwrap().contains(PREFIX);
    all.iter().filter(is_marked).map(K::name_any).collect()
}
