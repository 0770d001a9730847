//! A Deployment whose controller waits for a change of size that there is not.

use bluegreen_core::{Color, ErrorKind, Slot as _, SlotState};
use bluegreen_kube::Cluster;
use bluegreen_tests::{Agent, Manifests, change, seconds};
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::rbac::v1::Role;
use kube::ResourceExt as _;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::json;

use crate::rights::{grant, may};

/// What the controller notes on a `ReplicaSet`.
const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";

/// An agent whose candidate was deployed after its controller has got stuck: its `ReplicaSet` has the
/// size of the Deployment, and a note of another.
async fn stuck() -> (Agent, Cluster, String) {
    let agent = Agent::of(Manifests::shipped().sized(1, 1)).await;
    let cluster = agent.cluster("one").await;
    let slot = cluster.slot(Color::Green);
    let sets = agent.api::<ReplicaSet>();
    let listed = sets.list(&ListParams::default().labels("slot=green")).await.unwrap();
    let set = listed.items[0].name_any();
    let note = Patch::Merge(json!({"metadata": {"annotations": {DESIRED: "2"}}}));
    sets.patch(&set, &PatchParams::default(), &note).await.unwrap();

    let state = slot.state().await.unwrap();
    let candidate = change("1.4.0").resolve(&state.running, "AGENT_VERSION").unwrap();
    let epoch = state.epoch.next();
    slot.fence(epoch).await.unwrap();
    slot.deploy(&candidate, 1, epoch).await.unwrap();
    (agent, cluster, set)
}

async fn waited(cluster: &Cluster) -> bluegreen_core::Result<SlotState> {
    let waiting = cluster.slot(Color::Green).await_ready();
    tokio::time::timeout(seconds(60), waiting).await.expect("the wait should end")
}

#[tokio::test]
async fn a_controller_that_waits_for_nothing_goes_on() {
    let (_agent, cluster, _) = stuck().await;
    let state = waited(&cluster).await.unwrap();
    assert_eq!(state.running.version.as_deref(), Some("1.4.0"));
    assert_eq!((state.replicas.ready, state.replicas.serving), (1, 1));
}

#[tokio::test]
async fn without_the_right_to_end_it_the_error_says_what_to_type() {
    let (agent, cluster, set) = stuck().await;
    let roles = agent.api::<Role>();
    let shipped = roles.get("bluegreen").await.unwrap().rules.unwrap();
    let is_it = |rule: &&k8s_openapi::api::rbac::v1::PolicyRule| {
        rule.resources.as_ref().is_some_and(|of| of.contains(&"replicasets".to_owned()))
    };
    let rule = shipped.iter().find(is_it).unwrap();
    let mut fewer = shipped.clone();
    for rule in fewer.iter_mut().filter(|rule| is_it(&&**rule)) {
        rule.verbs.retain(|verb| verb != "patch");
    }
    grant(&roles, &fewer).await;
    may(&cluster, rule, "patch", false).await;

    let error = waited(&cluster).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    let chain = error.chain();
    let command = format!("annotate replicaset {set} {DESIRED}=1 --overwrite");
    for part in ["roll out deployment agent-green", "cannot patch resource", &command] {
        assert!(chain.contains(part), "no `{part}`: {chain}");
    }

    grant(&roles, &shipped).await;
    may(&cluster, rule, "patch", true).await;
    assert_eq!(waited(&cluster).await.unwrap().running.version.as_deref(), Some("1.4.0"));
}
