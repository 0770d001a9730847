//! A person who says yes or no with nothing but kubectl.

use std::sync::Arc;
use std::time::Duration;

use bluegreen_core::{Actor, Color, Outcome, PhaseName, Progress, Reason, Releaser};
use bluegreen_kube::{AnnotationApprover, Cluster};
use bluegreen_tests::{Agent, Manifests, Release, SERVICE, change, plan, reaches, reason, seconds};
use k8s_openapi::api::core::v1::Service;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use tokio::sync::watch;

/// No release waits longer.
const PATIENCE: Duration = Duration::from_mins(2);

/// A release that waits for an annotation with the rights of our Role, and what its approver tells.
async fn waiting(agent: &Agent, cluster: &Cluster) -> (Release, watch::Sender<Vec<String>>) {
    let notes = watch::Sender::new(Vec::new());
    let tell = notes.clone();
    let approver = AnnotationApprover::new(agent.client(), cluster.settings()).report(
        move |progress: &Progress| tell.send_modify(|notes| notes.push(progress.to_string())),
    );
    let releaser = Releaser::new(cluster.ports().with_approver(Arc::new(approver)));
    let plan = plan(seconds(1)).approval(PATIENCE);
    let release = tokio::spawn(async move { releaser.run(change("1.3.0"), &plan).await });
    reaches(cluster, PhaseName::AwaitingApproval).await;
    (release, notes)
}

/// Writes an annotation in the name of a person.
async fn annotate(agent: &Agent, person: &str, name: &str, value: &str) {
    let patch = json!({"metadata": {"annotations": {format!("bluegreen.dev/{name}"): value}}});
    let params = PatchParams { field_manager: Some(person.to_owned()), ..PatchParams::default() };
    agent.api::<Service>().patch(SERVICE, &params, &Patch::Merge(patch)).await.unwrap();
}

async fn digest(cluster: &Cluster) -> String {
    cluster.operations().status().await.unwrap().record.unwrap().change.digest.to_string()
}

#[tokio::test]
async fn an_annotation_by_a_person_approves_this_digest_and_no_other() {
    let agent = Agent::of(Manifests::shipped().sized(1, 0)).await;
    let cluster = agent.cluster("one").await;
    let (release, notes) = waiting(&agent, &cluster).await;
    annotate(&agent, "ann", "approve", "sha256:another").await;
    let mut told = notes.subscribe();
    let is_told =
        |notes: &Vec<String>| notes.iter().any(|it| it.contains("sha256:another\" by ann"));
    tokio::time::timeout(PATIENCE, told.wait_for(is_told)).await.unwrap().unwrap();
    assert_eq!(agent.live().await, Some(Color::Blue));

    annotate(&agent, "ann", "approve", &digest(&cluster).await).await;
    assert_eq!(release.await.unwrap().unwrap(), Outcome::Released);
    assert_eq!(agent.live().await, Some(Color::Green));
    let record = cluster.operations().status().await.unwrap().record.unwrap();
    let said = |it: &&_| format!("{it:?}").contains("ann");
    assert!(record.trail.iter().any(|it| said(&it)), "{:?}", record.trail);
}

#[tokio::test]
async fn an_annotation_by_a_person_sends_a_candidate_back() {
    let agent = Agent::of(Manifests::shipped().sized(1, 0)).await;
    let cluster = agent.cluster("one").await;
    let (release, _) = waiting(&agent, &cluster).await;
    let denial = format!("{}:wrong refunds", digest(&cluster).await);
    annotate(&agent, "bob", "deny", &denial).await;
    let Reason::Aborted { actor, reason } = reason(release.await.unwrap().unwrap()) else {
        panic!("another reason")
    };
    assert_eq!((actor, &*reason), (Actor::new("bob"), "wrong refunds"));
    assert_eq!(agent.live().await, Some(Color::Blue));
}
