//! A release of a prompt and nothing else, beside pods that a bare PATCH starts with the same files.

use std::time::Instant;

use bluegreen_core::{Change, ConfigFiles, Outcome};
use bluegreen_tests::{Agent, Manifests};
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::alone::alone;
use crate::floor::{QUIET, count};
use crate::ours::{Scene, plan};
use crate::sight::Sight;
use crate::table::Table;

/// The rows of this comparison, in order, with what is to be reached.
pub(crate) const ROWS: &[(&str, &str)] = &[
    ("a prompt: command → all idle pods ready, ms", "≤ pods' own start + 200"),
    (OWN, "≤ 200"),
    ("… of it command → first pod of the candidate, ms", "≤ 100"),
    ("… of it pods ready → switch PATCH, ms", "≤ 20"),
    ("requests that failed", "0"),
];
const OWN: &str = "a prompt: command → switch PATCH without the pods' own time, ms";

fn manifests() -> Manifests {
    Manifests::shipped().with_prompt("Be helpful.")
}

pub(crate) async fn measure(table: &mut Table) {
    Box::pin(floor(table)).await;
    Box::pin(ours(table)).await;
}

async fn floor(table: &mut Table) {
    alone().await;
    let agent = Agent::of(manifests()).await;
    let sight = Sight::start(&agent);
    sight.selected("blue", Instant::now().checked_sub(QUIET).unwrap()).await;
    let begun = Instant::now();
    let scale = Patch::Merge(json!({"spec": {"replicas": 3}}));
    let deployments = agent.api::<Deployment>();
    deployments.patch("agent-green", &PatchParams::default(), &scale).await.unwrap();
    let (_, ready) = sight.three_ready_of("green", begun).await;
    table.add_time("a prompt: command → all idle pods ready, ms", "floor", ready - begun);
}

async fn ours(table: &mut Table) {
    let scene = Scene::of(manifests()).await;
    let files = ConfigFiles::new([("system.txt", "Be kind.")]);
    let change = Change::files("agent-prompts", files);
    let begun = Instant::now();
    let outcome = scene.cluster.releaser().run(change, &plan(QUIET)).await.unwrap();
    assert_eq!(outcome, Outcome::Released);
    let (made, ready) = scene.sight.three_ready_of("green", begun).await;
    let (to_pods, to_patch) = (made - begun, scene.patched(begun).saturating_duration_since(ready));
    table.add_time("a prompt: command → all idle pods ready, ms", "ours", ready - begun);
    table.add_time("… of it command → first pod of the candidate, ms", "ours", to_pods);
    table.add_time("… of it pods ready → switch PATCH, ms", "ours", to_patch);
    table.add_time(OWN, "ours", to_pods + to_patch);
    table.add("requests that failed", "ours", count(scene.sampler.failed()));
}
