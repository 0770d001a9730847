//! What clients lose by a release that is fine, and by one whose pods break after the switch: ours,
//! the script, and Argo Rollouts.

use std::time::{Duration, Instant};

use bluegreen_tests::{Agent, ask};
use http::Method;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::runtime::wait::await_condition;

use crate::alone::alone;
use crate::floor::{QUIET, count};
use crate::sampler::Sampler;
use crate::table::Table;

mod argo;
mod ours;
mod script;
mod streams;

use argo::Argo;
use ours::Ours;
use script::Script;
use streams::Streams;

pub(crate) const OLD: &str = "1.2.0";
/// The tag that the script can release: its image says its version by itself.
pub(crate) const NEW: &str = "1.4.0";

/// How long a way back that somebody has asked for is waited for, before something else is tried.
const PATIENCE: Duration = Duration::from_secs(45);

/// The rows in order, with what is to be reached.
pub(crate) const ROWS: &[(&str, &str)] = &[
    (FINE_FAILED, "0"),
    (FINE_CUT, "0"),
    (ALL.last, "≤ 100"),
    (ALL.lost, "reported"),
    (ONE.last, "≤ 100"),
    (ONE.lost, "0"),
    (SEEN_DECISION, "the rest of that second + 100"),
    (SEEN_DEATH, "reported"),
];
const FINE_FAILED: &str = "a release that is fine: requests that failed";
const FINE_CUT: &str = "… streams of 90 s that were cut, of 6";
const ALL: Rows = Rows {
    last: "all 3 pods break, back by hand: decision → last request that went wrong, ms",
    lost: "… requests that failed after the decision",
};
const ONE: Rows = Rows {
    last: "1 of 3 pods breaks, back by hand: decision → last request that went wrong, ms",
    lost: "… and requests that failed after it",
};
const SEEN_DECISION: &str = "all 3 pods break, seen by the guard: decision → last failure, ms";
const SEEN_DEATH: &str = "… from the first pod that breaks, ms";

/// The rows of one way to break.
struct Rows {
    last: &'static str,
    lost: &'static str,
}

/// What releases an agent, and takes the old version back when it is asked to.
pub(crate) trait Peer: Sized {
    const NAME: &'static str;

    /// An agent of three pods of [`OLD`] that answers.
    async fn start() -> Self;

    fn agent(&self) -> &Agent;

    /// Brings [`NEW`] and returns as soon as it is told to have done so, which is not the end of
    /// it for all.
    async fn release(&mut self);

    /// Whoever drives is gone, where somebody does; then [`back`](Self::back) is all there is.
    async fn alone(&mut self) {}

    /// Goes back, as its documentation says one does.
    async fn back(&self);

    /// What else a person can try where that has led to nothing.
    async fn otherwise(&self) {}

    /// Which pods serve the new version.
    fn new_pods(&self) -> ListParams;
}

/// Measures all of it once, or how fast we are back where pods have broken.
pub(crate) async fn measure(table: &mut Table, only_ours: bool) {
    if only_ours {
        Box::pin(breaks::<Ours>(table, &ALL, 3)).await;
        Box::pin(breaks::<Ours>(table, &ONE, 1)).await;
        return;
    }
    Box::pin(fine::<Ours>(table)).await;
    Box::pin(fine::<Script>(table)).await;
    Box::pin(fine::<Argo>(table)).await;
    for (rows, broken) in [(&ALL, 3), (&ONE, 1)] {
        Box::pin(breaks::<Ours>(table, rows, broken)).await;
        Box::pin(breaks::<Script>(table, rows, broken)).await;
        Box::pin(breaks::<Argo>(table, rows, broken)).await;
    }
    Box::pin(seen(table)).await;
}

/// A release that nothing is wrong with, while streams are open that are longer than the patience
/// of those who count seconds.
async fn fine<P: Peer>(table: &mut Table) {
    alone().await;
    let mut peer = P::start().await;
    let (sampler, address) = (Sampler::start(peer.agent().address()), peer.agent().address());
    let streams = Streams::open(address).await;
    peer.release().await;
    let cut = streams.cut().await;
    // Whoever ends pods late does so now.
    tokio::time::sleep(QUIET).await;
    table.add(FINE_CUT, P::NAME, count(cut));
    table.add(FINE_FAILED, P::NAME, count(sampler.failed()));
}

/// So many of the new pods break some time after the switch, and a person goes back.
async fn breaks<P: Peer>(table: &mut Table, rows: &Rows, broken: usize) {
    alone().await;
    let mut peer = P::start().await;
    let sampler = Sampler::start(peer.agent().address());
    peer.release().await;
    sampler.answered_by(NEW).await;
    peer.alone().await;
    tokio::time::sleep(QUIET).await;
    let pods = break_pods(peer.agent(), &peer.new_pods(), broken).await;
    unready(peer.agent(), &pods).await;
    // kube-proxy has come to rest when the decision is made.
    tokio::time::sleep(QUIET).await;
    let decision = Instant::now();
    peer.back().await;
    if !sampler.only(OLD, decision, PATIENCE).await {
        eprintln!("{}: not back {PATIENCE:?} after it was asked for", P::NAME);
        peer.otherwise().await;
        let ended = sampler.only(OLD, decision, PATIENCE).await;
        assert!(ended, "{}: whatever one does, it does not go back", P::NAME);
    }
    table.add_time(rows.last, P::NAME, sampler.last_wrong(OLD, decision));
    table.add(rows.lost, P::NAME, count(sampler.failed_since(decision)));
}

/// All pods break, and the release sees it by itself.
async fn seen(table: &mut Table) {
    alone().await;
    let mut peer = Ours::start().await;
    let sampler = Sampler::start(peer.agent().address());
    peer.release().await;
    sampler.answered_by(NEW).await;
    tokio::time::sleep(QUIET).await;
    let death = Instant::now();
    break_pods(peer.agent(), &peer.new_pods(), 3).await;
    let decision = peer.decided().await;
    assert!(sampler.only(OLD, decision, PATIENCE).await, "it goes back");
    table.add_time(SEEN_DECISION, Ours::NAME, sampler.last_wrong(OLD, decision));
    table.add_time(SEEN_DEATH, Ours::NAME, sampler.last_wrong(OLD, death));
}

/// So many pods are told to be unready for good, as one whose database is gone is. Says which.
async fn break_pods(agent: &Agent, which: &ListParams, broken: usize) -> Vec<String> {
    let pods = agent.api::<Pod>().list(which).await.unwrap().items;
    assert_eq!(pods.len(), 3, "three pods serve the new version");
    for pod in &pods[..broken] {
        let ip = pod.status.as_ref().and_then(|status| status.pod_ip.as_ref()).unwrap();
        let address = format!("{ip}:8000").parse().unwrap();
        let answer = ask(address, Method::POST, "/admin/unready").await.unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
    }
    pods[..broken].iter().map(kube::ResourceExt::name_any).collect()
}

/// Returns once the cluster takes these pods for unready, which its probes need seconds for.
async fn unready(agent: &Agent, pods: &[String]) {
    for pod in pods {
        let waiting = await_condition(agent.api(), pod, is_unready);
        let ended = tokio::time::timeout(Duration::from_mins(1), waiting).await;
        ended.expect("the pod is taken for unready").unwrap();
    }
}

fn is_unready(pod: Option<&Pod>) -> bool {
    let conditions = pod.and_then(|pod| pod.status.as_ref()?.conditions.as_ref());
    !conditions.is_some_and(|all| all.iter().any(|it| it.type_ == "Ready" && it.status == "True"))
}
