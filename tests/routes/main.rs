//! Releases by the weights of routes, by the paths of an Ingress and by the annotations of a canary
//! beside it, under constant traffic through real gateways.
//!
//! ```console
//! $ tests/routes/run                       # both gateways, some ten minutes
//! $ tests/routes/run traefik
//! ```

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "this is a test")]

mod example;
mod experiment;
mod gateway;
mod ingress;
mod ingress_canary;
mod share;

use std::net::SocketAddr;

use bluegreen_core::plan::Until;
use bluegreen_core::{
    Color, EvidenceKind, Outcome, Phase, PhaseName, Plan, Reason, Share, Vantage,
};
use bluegreen_kube::Cluster;
use bluegreen_tests::{Agent, Load, Manifests, ROUTE, change, gateway_api, plan, reaches, seconds};

use gateway::{Gateway, Through};
use share::{Answers, pinned};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_canary_through_traefik() {
    Box::pin(there_and_back(Through::Traefik)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_canary_through_contour() {
    Box::pin(there_and_back(Through::Contour)).await;
}

/// The header that holds conversations.
const PIN: &str = "x-slot";
/// The step that is looked at closely.
const STEP: usize = 1;
const REQUESTS: u64 = 20_000;

/// 5, 25, 50 and 100 %, and from there all the way back: no request may fail, each share has to be
/// what was asked for, and pinned requests go where they are pinned to.
async fn there_and_back(through: Through) {
    bluegreen_tests::define_gateway_api().await;
    through.prepare().await;
    let agent = Agent::of(Manifests::shipped().sized(2, 0).behind_routes()).await;
    let gateway = Gateway::start(through, &agent).await;
    let address = gateway.address();
    let one = agent.builder("one").route(ROUTE).connect().await.unwrap();
    let two = agent.builder("two").route(ROUTE).connect().await.unwrap();
    let before = rules(&agent).await;

    let load = Load::start(address);
    let mut release = {
        let (releaser, plan) = (one.releaser(), policy(address));
        tokio::spawn(async move { releaser.run(change("1.3.0"), &plan).await })
    };
    tokio::select! {
        () = holds(&two, STEP) => {}
        ended = &mut release => panic!("it should hold: {ended:?}"),
    }
    look_closely(address).await;
    two.operations().promote("ann").await.unwrap();
    reaches(&two, PhaseName::Baking).await;
    let answers = Answers::of(address, 500).await;
    assert_eq!(answers.by("1.3.0"), 500, "{answers:?}");
    pins_hold(address).await;

    two.operations().rollback("ann", "wrong refunds").await.unwrap();
    let ended = release.await.unwrap().unwrap();
    let is_asked = matches!(&ended, Outcome::RolledBack { reason: Reason::Requested { .. } });
    assert!(is_asked, "{ended}");
    let answers = Answers::of(address, 500).await;
    assert_eq!(answers.by("1.2.0"), 500, "{answers:?}");
    let tally = load.stop().await;
    println!("{through:?}: {tally}");
    assert!(tally.failures.is_empty(), "{tally}");
    assert!(tally.answers["1.2.0"] > 0 && tally.answers["1.3.0"] > 0, "{tally}");

    let after = rules(&agent).await;
    assert_eq!(after.as_array().unwrap().len(), before.as_array().unwrap().len(), "{after}");
    assert_eq!(after[0]["backendRefs"][0]["weight"], Share::ALL.as_parts_per_million());
}

/// A plan whose second step lasts until somebody ends it.
fn policy(address: SocketAddr) -> Plan {
    let vantage = Vantage::Url { url: format!("http://{address}/") };
    let mut plan = plan(seconds(120));
    plan.steps = Plan::canary([5, 25, 50]).steps;
    let mut plan = plan
        .hold(seconds(3))
        .conversations_by_header(PIN)
        .evidence(EvidenceKind::Answers { vantage, in_a_row: 20 });
    plan.steps[STEP].until = Until::Approved { timeout: seconds(300) };
    plan
}

/// Returns once a step is held. The release before it may be on record until then.
async fn holds(cluster: &Cluster, step: usize) {
    let operations = cluster.operations();
    let waiting = async {
        let mut known = None;
        loop {
            let stored = operations.watch(known).await.unwrap();
            let record = stored.as_ref().and_then(|stored| stored.document.current());
            match record.map(|record| &record.phase) {
                Some(Phase::Holding { step: at, .. }) if *at == step => return,
                _ => known = stored.map(|stored| stored.revision),
            }
        }
    };
    let ended = tokio::time::timeout(seconds(120), waiting).await;
    assert!(ended.is_ok(), "step {step} should be held: {:?}", operations.status().await);
}

/// While 25 % are the candidate's.
async fn look_closely(address: SocketAddr) {
    let asked = 0.25;
    share::arrives(address, "1.3.0", asked).await;
    let answers = Answers::of(address, REQUESTS).await;
    let (low, high) = share::likely(asked, REQUESTS);
    let found = answers.by("1.3.0");
    println!("{found} of {REQUESTS} requests for 25 %, likely are {low} to {high}");
    assert!(answers.failures.is_empty(), "{:?}", answers.failures.first());
    assert!((low..=high).contains(&found), "{found} of {REQUESTS}, wanted {low} to {high}");
    pins_hold(address).await;
}

async fn pins_hold(address: SocketAddr) {
    for (color, version) in [(Color::Blue, "1.2.0"), (Color::Green, "1.3.0")] {
        for _ in 0..50 {
            assert_eq!(pinned(address, PIN, color.as_str()).await.as_deref(), Ok(version));
        }
    }
}

async fn rules(agent: &Agent) -> serde_json::Value {
    let routes = gateway_api(agent.admin(), agent.namespace().name(), "HTTPRoute");
    routes.get(ROUTE).await.unwrap().data["spec"]["rules"].clone()
}
