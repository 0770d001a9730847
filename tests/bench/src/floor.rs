//! What is possible at all: pods that start together, and one PATCH on a warm connection.

use std::time::{Duration, Instant};

use bluegreen_core::Color;
use bluegreen_tests::{Agent, Manifests, SERVICE};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde_json::json;

use crate::alone::alone;
use crate::sampler::Sampler;
use crate::sight::Sight;
use crate::table::{FOLLOWED, FOLLOWED_FROM_NOTHING, Table};

/// Longer than kube-proxy's `minSyncPeriod`, and than what an answer takes.
pub(crate) const QUIET: Duration = Duration::from_millis(2_500);

pub(crate) async fn measure(table: &mut Table) {
    alone().await;
    let agent = Agent::of(Manifests::shipped().running(Color::Green, "1.3.0")).await;
    let (sight, sampler) = (Sight::start(&agent), Sampler::start(agent.address()));
    sight.selected("blue", Instant::now().checked_sub(QUIET).unwrap()).await;
    let services = agent.api::<Service>();
    let parameters = PatchParams::default();

    let begun = Instant::now();
    let scale = Patch::Merge(json!({"spec": {"replicas": 3}}));
    agent.api::<Deployment>().patch("agent-green", &parameters, &scale).await.unwrap();
    let (_, ready) = sight.three_ready("1.3.0", begun).await;
    table.add_time("command → all idle pods ready, ms", "floor", ready - begun);

    tokio::time::sleep(QUIET).await;
    services.get(SERVICE).await.unwrap();
    let begun = Instant::now();
    let select = Patch::Merge(json!({"spec": {"selector": {"slot": "green"}}}));
    services.patch(SERVICE, &parameters, &select).await.unwrap();
    table.add_time("bare PATCH, ms", "floor", begun.elapsed());
    tokio::time::sleep(QUIET).await;
    let last = sampler.last_answer("1.2.0", begun);
    table.add_time("switch PATCH → last old answer, ms", "floor", last);
    table.add_time("… after a gate of 2.5 s, as the floor waits, ms", "floor", last);
    table.add("requests that failed", "floor", count(sampler.failed()));
}

/// The PATCH back, with a candidate and without one.
pub(crate) async fn back(table: &mut Table) {
    alone().await;
    let manifests = Manifests::shipped().sized(3, 3).running(Color::Green, "1.3.0");
    let agent = Agent::of(manifests).await;
    let (sight, sampler) = (Sight::start(&agent), Sampler::start(agent.address()));
    let services = agent.api::<Service>();
    let select = async |color: &str| {
        services.get(SERVICE).await.unwrap();
        let begun = Instant::now();
        let select = Patch::Merge(json!({"spec": {"selector": {"slot": color}}}));
        services.patch(SERVICE, &PatchParams::default(), &select).await.unwrap();
        tokio::time::sleep(QUIET).await;
        begun
    };
    select("green").await;
    sampler.answered_by("1.3.0").await;
    let begun = select("blue").await;
    let last = sampler.last_answer("1.3.0", begun);
    table.add_time("rollback() → last answer of the bad version, ms", "floor", last);
    table.add_time(FOLLOWED, "floor", sight.only("blue", begun).await - begun);

    select("green").await;
    remove(&agent, Color::Green).await;
    tokio::time::sleep(QUIET).await;
    let begun = select("blue").await;
    let last = sampler.last_failure(begun);
    table.add_time("… with no candidate left → last failed request, ms", "floor", last);
    table.add_time(FOLLOWED_FROM_NOTHING, "floor", sight.only("blue", begun).await - begun);
}

/// Ends everything of a slot at once.
pub(crate) async fn remove(agent: &Agent, color: Color) {
    let at_once = DeleteParams::default().grace_period(0);
    agent.api::<Deployment>().delete(&format!("agent-{color}"), &at_once).await.unwrap();
    let pods = ListParams::default().labels(&format!("slot={color}"));
    agent.api::<Pod>().delete_collection(&at_once, &pods).await.unwrap();
}

/// The same PATCH where nobody waits: its endpoints change again while they get ready, and
/// kube-proxy puts that off.
pub(crate) async fn at_once(table: &mut Table) {
    alone().await;
    let agent = Agent::of(Manifests::shipped().running(Color::Green, "1.3.0")).await;
    let (sight, sampler) = (Sight::start(&agent), Sampler::start(agent.address()));
    sight.selected("blue", Instant::now().checked_sub(QUIET).unwrap()).await;
    let parameters = PatchParams::default();
    let begun = Instant::now();
    let scale = Patch::Merge(json!({"spec": {"replicas": 3}}));
    agent.api::<Deployment>().patch("agent-green", &parameters, &scale).await.unwrap();
    sight.three_ready("1.3.0", begun).await;
    let begun = Instant::now();
    let select = Patch::Merge(json!({"spec": {"selector": {"slot": "green"}}}));
    agent.api::<Service>().patch(SERVICE, &parameters, &select).await.unwrap();
    tokio::time::sleep(QUIET).await;
    let last = sampler.last_answer("1.2.0", begun);
    table.add_time("… of a bare PATCH as soon as pods are ready, ms", "floor", last);
}

#[allow(clippy::cast_precision_loss, reason = "counts of requests are small")]
pub(crate) fn count(number: usize) -> f64 {
    number as f64
}
