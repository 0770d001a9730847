//! Switches of a Service with so many endpoints that they fill several slices.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::pin::pin;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use bluegreen_core::{Color, EvidenceKind, Pair, Routing};
use bluegreen_kube::Cluster;
use bluegreen_tests::{Agent, Manifests, SERVICE};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::watcher::{self, watcher};
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};

use crate::clients::{Clients, Seen};
use crate::ledger::Ledger;

/// How many pods each slot has beside those that run.
const MORE: u8 = 120;
/// How many endpoints of each slot are in the slice that is nobody's but ours.
const OURS: u8 = 30;
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
/// The slice that no controller keeps.
const SLICE: &str = "agent-service-by-hand";
/// The node of the pods that do not run. It has no kubelet, and gets no other pods.
const NODE: &str = "far";
/// How long evidence is not to come.
const MOMENT: Duration = Duration::from_millis(300);
/// How long anything may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// So many switches there and back, under the eyes of clients. Gives the most slices and endpoints
/// that were seen to be the Service's at the time of a switch.
pub(crate) async fn switch(count: usize, ledger: Arc<Ledger>) -> (usize, usize) {
    let manifests = Manifests::shipped().sized(2, 2).running(Color::Green, version(Color::Green));
    let agent = Agent::of(manifests).await;
    let cluster = agent.cluster("one").await;
    let nodes: Api<Node> = Api::all(agent.admin().clone());
    let node = json!({"metadata": {"name": NODE}, "spec": {"unschedulable": true},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]}});
    let node = serde_json::from_value(node).unwrap();
    nodes.create(&PostParams::default(), &node).await.unwrap();
    let slots = Pair::new(fill(&agent, Color::Blue).await, fill(&agent, Color::Green).await);
    let slices: Api<EndpointSlice> = agent.api();
    let ours = serde_json::from_value(slots.blue.slice()).unwrap();
    slices.create(&PostParams::default(), &ours).await.unwrap();
    follows(&slices, &slots.blue, true).await;

    let clients = Clients::start("many endpoints".to_owned(), agent.address(), ledger);
    clients.seen().settled(version(Color::Blue));
    let mut most = (0, 0);
    for number in 0..count {
        let to = if number % 2 == 0 { Color::Green } else { Color::Blue };
        clients.seen().streamed(version(to.other())).await;
        most = most.max(one(&cluster, &slices, &slots, to, clients.seen()).await);
    }
    clients.stop().await;
    nodes.delete(NODE, &DeleteParams::default()).await.unwrap();
    most
}

fn version(color: Color) -> &'static str {
    match color {
        Color::Blue => "1.2.0",
        Color::Green => "1.3.0",
    }
}

/// One switch of the real strategy, whose evidence has to wait for the slice that we keep back.
async fn one(
    cluster: &Cluster,
    slices: &Api<EndpointSlice>,
    slots: &Pair<Slot>,
    to: Color,
    seen: &Seen,
) -> (usize, usize) {
    let switch = cluster.switch();
    let (from, to) = (Routing::all(to.other()), Routing::all(to));
    let (old, new) = (slots.of(from.live), slots.of(to.live));
    let epoch = switch.observe().await.unwrap().epoch.next();
    switch.fence(epoch).await.unwrap();
    switch.prepare(to.live, epoch).await.unwrap();
    let uids: Vec<String> = new.uids.iter().cloned().collect();
    soon("the pods in the preview's slices", switch.await_known(to.live, &uids)).await.unwrap();

    seen.moving();
    switch.shift(&from, &to, epoch).await.unwrap();
    {
        let mut evidence = pin!(switch.converge(&to, &EvidenceKind::Endpoints));
        tokio::select! {
            early = &mut evidence => seen.wrong(&format!("evidence with a wrong slice: {early:?}")),
            () = follows(slices, new, false) => {}
        }
        // All slices but one are right by now, and it still must not come.
        if let Ok(early) = tokio::time::timeout(MOMENT, &mut evidence).await {
            seen.wrong(&format!("evidence with one wrong slice: {early:?}"));
        }
        let patch = Patch::Merge(new.slice());
        slices.patch(SLICE, &PatchParams::default(), &patch).await.unwrap();
        soon("evidence by endpoints", evidence).await.unwrap();
    }
    let listed = list(slices).await;
    if listed.iter().any(|slice| uids_of(slice).iter().any(|uid| !new.uids.contains(uid))) {
        seen.wrong(&format!("evidence while {:?} was still listed", old.color));
    }
    let answers = EvidenceKind::answers(20);
    soon("evidence by answers", switch.converge(&to, &answers)).await.unwrap();
    seen.settled(version(to.live));
    (listed.len(), listed.iter().map(|slice| endpoints(slice).len()).sum())
}

/// The pods of a slot: those that run, and those that do not, at whose addresses one that runs
/// answers.
struct Slot {
    color: Color,
    uids: BTreeSet<String>,
    /// One that runs.
    pod: Pod,
    network: [u8; 3],
}

/// Makes many pods in a slot.
async fn fill(agent: &Agent, color: Color) -> Slot {
    let running = agent.pods(color).await;
    let pod = running[0].clone();
    let IpAddr::V4(ip) = agent.address().ip() else { panic!("an address of IPv4 was wanted") };
    let [first, second, ..] = ip.octets();
    let network = [first, second, if color == Color::Blue { 200 } else { 201 }];
    let cidr = format!("{}/24", Ipv4Addr::from([network[0], network[1], network[2], 0]));
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/cluster/addresses");
    let pod_ip = pod.status.as_ref().and_then(|status| status.pod_ip.clone()).unwrap();
    let done = Command::new(script).args([&pod.name_any(), &pod_ip, &cidr]).status().unwrap();
    assert!(done.success(), "{} should get {cidr}", pod.name_any());
    let pods: Api<Pod> = agent.api();
    let more = stream::iter(1..=MORE).map(|number| one_more(&pods, color, network, number));
    let more: Vec<Pod> = more.buffer_unordered(16).collect().await;
    let uids = running.iter().chain(&more).filter_map(Pod::uid).collect();
    Slot { color, uids, pod, network }
}

/// A pod that is ready at an address of its own, as far as anybody can tell.
async fn one_more(pods: &Api<Pod>, color: Color, network: [u8; 3], number: u8) -> Pod {
    let name = format!("more-{color}-{number}");
    let labels = json!({"app": SERVICE, "slot": color, "version": version(color)});
    let spec = json!({"nodeName": NODE, "terminationGracePeriodSeconds": 0,
        "containers": [{"name": "agent", "image": "registry.example.com/agent-service:1.2.0"}]});
    let pod = json!({"metadata": {"name": name, "labels": labels}, "spec": spec});
    let pod = serde_json::from_value(pod).unwrap();
    pods.create(&PostParams::default(), &pod).await.unwrap();
    let ip = Ipv4Addr::from([network[0], network[1], network[2], number]);
    let ready = json!([{"type": "Ready", "status": "True"}]);
    let status =
        json!({"phase": "Running", "conditions": ready, "podIP": ip, "podIPs": [{"ip": ip}]});
    let patch = Patch::Merge(json!({"status": status}));
    pods.patch_status(&name, &PatchParams::default(), &patch).await.unwrap()
}

impl Slot {
    /// The slice that we keep ourselves, while it leads here.
    fn slice(&self) -> Value {
        let target = json!({"kind": "Pod", "name": self.pod.name_any(), "uid": self.pod.uid(),
            "namespace": self.pod.namespace()});
        let [a, b, c] = self.network;
        let endpoints = (1..=OURS).map(|number| {
            json!({"addresses": [Ipv4Addr::from([a, b, c, MORE + number])], "targetRef": target,
                "conditions": {"ready": true, "serving": true, "terminating": false}})
        });
        let labels = json!({"kubernetes.io/service-name": SERVICE, MANAGED_BY: "a-test"});
        json!({"metadata": {"name": SLICE, "labels": labels}, "addressType": "IPv4",
            "ports": [{"name": "", "port": 8000, "protocol": "TCP"}],
            "endpoints": endpoints.collect::<Vec<_>>()})
    }
}

/// Returns once all slices, or all but ours, list all pods of a slot and no others.
async fn follows(slices: &Api<EndpointSlice>, slot: &Slot, with_ours: bool) {
    let query = format!("kubernetes.io/service-name={SERVICE}");
    let mut events = pin!(watcher(slices.clone(), watcher::Config::default().labels(&query)));
    let mut seen = BTreeMap::new();
    let watching = async {
        while let Some(event) = events.try_next().await.unwrap() {
            match event {
                watcher::Event::Apply(it) | watcher::Event::InitApply(it) => {
                    drop(seen.insert(it.name_any(), uids_of(&it)));
                }
                watcher::Event::Delete(it) => drop(seen.remove(&it.name_any())),
                watcher::Event::Init | watcher::Event::InitDone => {}
            }
            let all = seen.iter().filter(|(name, _)| with_ours || *name != SLICE);
            let listed: BTreeSet<&String> = all.flat_map(|(_, uids)| uids).collect();
            if listed.iter().copied().eq(&slot.uids) {
                return;
            }
        }
    };
    soon("slices of one slot", watching).await;
}

async fn list(slices: &Api<EndpointSlice>) -> Vec<EndpointSlice> {
    let query = format!("kubernetes.io/service-name={SERVICE}");
    slices.list(&ListParams::default().labels(&query)).await.unwrap().items
}

fn endpoints(slice: &EndpointSlice) -> &[k8s_openapi::api::discovery::v1::Endpoint] {
    slice.endpoints.as_deref().unwrap_or_default()
}

fn uids_of(slice: &EndpointSlice) -> BTreeSet<String> {
    let targets = endpoints(slice).iter().filter_map(|it| it.target_ref.as_ref());
    targets.filter_map(|it| it.uid.clone()).collect()
}

async fn soon<T>(what: &str, waiting: impl Future<Output = T>) -> T {
    let ended = tokio::time::timeout(PATIENCE, waiting).await;
    ended.unwrap_or_else(|_| panic!("{what} did not come within {PATIENCE:?}"))
}
