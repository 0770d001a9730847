//! Others write to what a release works on: it is seen within a second, answered by the plan's
//! policy, and whoever did it is named.

use std::time::{Duration, Instant};

use bluegreen_core::plan::OnDrift;
use bluegreen_core::{Color, Outcome, Reason, Record, Slot as _};
use bluegreen_kube::Cluster;
use bluegreen_tests::{Agent, Manifests, Release, SERVICE, baking, plan, reason, seconds};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Secret, Service};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

/// How long a foreign write may stay unseen.
const SEEN: Duration = Duration::from_secs(1);

async fn drifting(policy: OnDrift) -> (Agent, Cluster, Release) {
    let agent = Agent::of(Manifests::shipped()).await;
    let cluster = agent.cluster("one").await;
    let mut plan = plan(seconds(60));
    plan.on_drift = policy;
    let release = baking(&cluster, plan).await;
    (agent, cluster, release)
}

fn by(manager: &str) -> PatchParams {
    PatchParams { field_manager: Some(manager.to_owned()), ..PatchParams::default() }
}

/// Returns once the record has this in its trail, and says how long that took.
async fn told(cluster: &Cluster, text: &str) -> Duration {
    let (began, operations) = (Instant::now(), cluster.operations());
    let has = |record: &Record| record.trail.iter().any(|entry| entry.what.contains(text));
    let mut last = Vec::new();
    let waiting = async {
        let mut known = None;
        loop {
            match operations.watch(known.take()).await {
                Ok(Some(stored)) if stored.document.current().is_some_and(has) => return,
                Ok(Some(stored)) => {
                    last = stored.document.current().map(|it| it.trail.clone()).unwrap_or_default();
                    known = Some(stored.revision);
                }
                // Somebody has made it what cannot be read, for a moment.
                Ok(None) | Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    };
    let ended = tokio::time::timeout(seconds(20), waiting).await;
    assert!(ended.is_ok(), "no `{text}`: {last:#?}");
    began.elapsed()
}

fn restart() -> Patch<Value> {
    let annotations = json!({"example.com/restarted": "now"});
    Patch::Merge(json!({"spec": {"template": {"metadata": {"annotations": annotations}}}}))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn traffic_that_is_moved_elsewhere_is_seen_within_a_second_and_names_who_did_it() {
    let (agent, cluster, release) = drifting(OnDrift::Hold).await;
    let patch = Patch::Merge(json!({"spec": {"selector": {"slot": "purple"}}}));
    agent.api::<Service>().patch(SERVICE, &by("kubectl-patch"), &patch).await.unwrap();
    let text = "kubectl-patch moved traffic: found service agent-service selects slot=purple";
    let took = told(&cluster, text).await;
    assert!(took < SEEN, "{took:?}");
    assert!(matches!(release.await.unwrap().unwrap(), Outcome::Stuck { .. }));
    assert_eq!(agent.live().await, None, "nobody fights");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_candidate_that_is_restarted_goes_back_where_the_plan_says_so() {
    let (agent, cluster, release) = drifting(OnDrift::Return).await;
    let deployments = agent.api::<Deployment>();
    deployments.patch("agent-green", &by("kubectl-rollout"), &restart()).await.unwrap();
    let took = told(&cluster, "kubectl-rollout changed the candidate: found template").await;
    assert!(took < SEEN, "{took:?}");
    let Reason::External { found } = reason(release.await.unwrap().unwrap()) else {
        panic!("another reason")
    };
    assert!(found.starts_with("kubectl-rollout changed the candidate"), "{found}");
    assert_eq!(agent.live().await, Some(Color::Blue));
    let green = cluster.slot(Color::Green).state().await.unwrap();
    assert_eq!((green.replicas.wanted, green.open), (0, false), "the candidate is put back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_candidate_that_is_made_smaller_is_watched_on_until_somebody_says_so() {
    let (agent, cluster, release) = drifting(OnDrift::Hold).await;
    let patch = Patch::Merge(json!({"spec": {"replicas": 2}}));
    let deployments = agent.api::<Deployment>();
    deployments.patch("agent-green", &by("kubectl-edit"), &patch).await.unwrap();
    let text = "kubectl-edit changed the candidate's size: found 2 replicas, wanted 3 replicas";
    let took = told(&cluster, text).await;
    assert!(took < SEEN, "{took:?}");
    let two = agent.cluster("two").await;
    let record = two.operations().status().await.unwrap().record.unwrap();
    assert_eq!(record.paused.map(|it| it.by.to_string()).as_deref(), Some("kubectl-edit"));
    assert!(!release.is_finished());
    two.operations().unpause("ann").await.unwrap();
    two.operations().promote("ann").await.unwrap();
    assert_eq!(release.await.unwrap().unwrap(), Outcome::Released);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_is_edited_is_put_back_and_the_release_waits() {
    for broken in [false, true] {
        let (agent, cluster, release) = drifting(OnDrift::Hold).await;
        let maps = agent.api::<ConfigMap>();
        let name = format!("{SERVICE}-bluegreen");
        let mut text = maps.get(&name).await.unwrap().data.unwrap()["record.json"].clone();
        if broken {
            text.truncate(text.len() / 2);
        } else {
            text = text.replace("\"live\":\"blue\"", "\"live\":\"green\"");
        }
        let patch = Patch::Merge(json!({"data": {"record.json": text}}));
        maps.patch(&name, &by("kubectl-edit"), &patch).await.unwrap();
        let took = told(&cluster, "kubectl-edit changed the record: found").await;
        assert!(took < SEEN, "{took:?}");
        assert!(matches!(release.await.unwrap().unwrap(), Outcome::Stuck { .. }));
        let two = agent.cluster("two").await;
        two.operations().rollback("ann", "who was that?").await.unwrap();
        assert_eq!(agent.live().await, Some(Color::Blue));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_candidate_that_is_deleted_costs_no_way_back() {
    let (agent, cluster, release) = drifting(OnDrift::Hold).await;
    let began = Instant::now();
    agent.api::<Deployment>().delete("agent-green", &DeleteParams::default()).await.unwrap();
    assert!(matches!(reason(release.await.unwrap().unwrap()), Reason::Failed { .. }));
    assert!(began.elapsed() < seconds(20), "{:?}", began.elapsed());
    assert_eq!(agent.live().await, Some(Color::Blue));
    let record = cluster.operations().status().await.unwrap().record.unwrap();
    assert!(record.trail.iter().any(|entry| entry.what.contains("agent-green")), "{record:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_was_changed_since_is_in_the_report_of_a_rollback() {
    let agent = Agent::new().await;
    let secrets = agent.api::<Secret>();
    let secret = json!({"metadata": {"name": "model-key"}, "stringData": {"key": "first"}});
    let secret: Secret = serde_json::from_value(secret).unwrap();
    secrets.create(&PostParams::default(), &secret).await.unwrap();
    let from = json!({"secretKeyRef": {"name": "model-key", "key": "key"}});
    let env = json!([{"name": "MODEL_KEY", "valueFrom": from}]);
    let template = json!({"spec": {"containers": [{"name": "agent", "env": env}]}});
    let patch = Patch::Strategic(json!({"spec": {"template": template}}));
    for slot in ["agent-blue", "agent-green"] {
        agent.api::<Deployment>().patch(slot, &by("kubectl"), &patch).await.unwrap();
    }
    agent.all_settled().await;

    // As an administrator, who may read how old a Secret is: with our Role nothing is said.
    let builder = Cluster::builder(agent.admin().clone(), agent.namespace().name(), SERVICE);
    let cluster = builder.holder("one").connect().await.unwrap();
    let release = baking(&cluster, plan(seconds(60))).await;
    let patch = Patch::Merge(json!({"stringData": {"key": "second"}}));
    // Times of the API server are in whole seconds.
    tokio::time::sleep(seconds(1)).await;
    secrets.patch("model-key", &by("vault"), &patch).await.unwrap();
    cluster.operations().rollback("ann", "wrong refunds").await.unwrap();
    release.await.unwrap().unwrap();
    let record = cluster.operations().status().await.unwrap().record.unwrap();
    let text = "rollback may use a revoked key: secret model-key was written at";
    assert!(record.trail.iter().any(|entry| entry.what.contains(text)), "{:#?}", record.trail);
}
