//! The promises of the traits, kept on the real API server under the Role that we ship.

use std::sync::Arc;

use bluegreen_core::conformance::client::{self as promises, ClientFixture};
use bluegreen_core::conformance::deed;
use bluegreen_core::conformance::liveness::LivenessFixture;
use bluegreen_core::conformance::slot::SlotFixture;
use bluegreen_core::conformance::switch::SwitchFixture;
use bluegreen_core::{
    Color, EvidenceKind, PodRef, Routing, Slot as _, SwitchStrategy, SystemClock, Target,
};
use bluegreen_kube::{Cluster, ConfigMapStore, LeaseLiveness, PodClient, Route, Settings};
use bluegreen_tests::{
    ACCOUNT, Acceptor, Agent, INGRESS, Manifests, Namespace, QUEUE, Queue, ROUTE, SERVICE, WARM,
    change, define_gateway_api, gateway_api, ingress, route, seconds,
};
use bluegreen_validate::PodLoad;
use bytes::Bytes;
use http::{Method, Request};
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use k8s_openapi::api::networking::v1::Ingress;
use kube::Client;
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use serde_json::json;

bluegreen_core::slot_conformance_tests!(async || {
    let agent = Agent::of(Manifests::shipped().sized(1, 0).with_prompt("Be helpful.")).await;
    let cluster = agent.cluster("conformance").await;
    let running = cluster.slot(Color::Blue).state().await.unwrap().running;
    let version = |tag| change(tag).resolve(&running, "AGENT_VERSION").unwrap();
    SlotFixture {
        config: Some("agent-prompts".to_owned()),
        slot: cluster.slot(Color::Green).clone(),
        other: cluster.slot(Color::Blue).clone(),
        good: version("1.3.0"),
        better: version("1.4.0"),
        broken: version("9.9.9"),
        guard: Box::new(agent),
    }
});

bluegreen_core::switch_conformance_tests! {
    switch_by_endpoints: async || {
        let agent = two_versions().await;
        let switch = agent.cluster("conformance").await.switch().clone();
        switching(agent, switch, EvidenceKind::Endpoints)
    }
}
bluegreen_core::switch_conformance_tests! {
    switch_by_answers: async || {
        let agent = two_versions().await;
        let switch = agent.cluster("conformance").await.switch().clone();
        switching(agent, switch, EvidenceKind::answers(20))
    }
}
bluegreen_core::switch_conformance_tests! {
    switch_of_two_services: async || {
        let agent = two_versions().await;
        let services = agent.api::<Service>();
        let mut second = services.get(SERVICE).await.unwrap();
        second.metadata = ObjectMeta { name: Some("second".to_owned()), ..ObjectMeta::default() };
        let spec = second.spec.as_mut().unwrap();
        (spec.cluster_ip, spec.cluster_ips) = (None, None);
        services.create(&PostParams::default(), &second).await.unwrap();
        let cluster = agent.builder("conformance").and_service("second").connect().await.unwrap();
        switching(agent, cluster.switch().clone(), EvidenceKind::Endpoints)
    }
}

bluegreen_core::switch_conformance_tests! {
    switch_of_a_route: async || {
        define_gateway_api().await;
        let shipped = Manifests::shipped().sized(1, 1).running(Color::Green, "1.3.0");
        let agent = Agent::of(shipped.behind_routes()).await;
        let acceptor = Acceptor::start(agent.admin(), agent.namespace().name());
        let builder = agent.builder("conformance").route(ROUTE);
        let builder = builder.weights(|it| it.with_cookie_pins().with_mirror());
        let routes = gateway_api(agent.admin(), agent.namespace().name(), "HTTPRoute");
        SwitchFixture {
            switch: builder.connect().await.unwrap().switch().clone(),
            evidence: EvidenceKind::Endpoints,
            disturb: deed(move || {
                let routes = routes.clone();
                async move {
                    let mut rules = route(ROUTE)["spec"]["rules"].clone();
                    for (at, weight) in [(0, 60), (1, 40)] {
                        rules[0]["backendRefs"][at]["weight"] = weight.into();
                    }
                    let patch = Patch::Merge(json!({"spec": {"rules": rules}}));
                    routes.patch(ROUTE, &PatchParams::default(), &patch).await.unwrap();
                }
            }),
            guard: Box::new((acceptor, agent)),
        }
    }
}

bluegreen_core::switch_conformance_tests! {
    switch_of_an_ingress: async || {
        let shipped = Manifests::shipped().sized(1, 1).running(Color::Green, "1.3.0");
        let agent = Agent::of(shipped.behind_ingress()).await;
        let builder = agent.builder("conformance").ingress(INGRESS);
        let builder = builder.backends(|it| it.ignore_ingress(WARM));
        let ingresses = agent.api::<Ingress>();
        SwitchFixture {
            switch: builder.connect().await.unwrap().switch().clone(),
            evidence: EvidenceKind::Endpoints,
            disturb: deed(move || {
                let ingresses = ingresses.clone();
                async move {
                    let service = json!({"name": format!("{SERVICE}-green"), "port": {"number": 80}});
                    let blue = &ingress(INGRESS)["spec"]["rules"][0]["http"]["paths"][0];
                    let mut paths = json!([blue, blue]);
                    paths[1]["path"] = "/v2".into();
                    paths[1]["backend"]["service"] = service;
                    let rules = json!([{"http": {"paths": paths}}]);
                    let patch = Patch::Merge(json!({"spec": {"rules": rules}}));
                    ingresses.patch(INGRESS, &PatchParams::default(), &patch).await.unwrap();
                }
            }),
            guard: Box::new(agent),
        }
    }
}

bluegreen_core::switch_conformance_tests! {
    switch_of_a_right_to_pull: async || {
        let namespace = Namespace::new().await;
        let queue = Queue::start(namespace.access()).await;
        let shipped = Manifests::shipped().sized(1, 1).running(Color::Green, "1.3.0");
        let shipped = shipped.pulling(&queue.url(), false).with(json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": QUEUE}, "data": {"pull": "blue"},
        }));
        let agent = Agent::of(shipped).await;
        queue.right_from(agent.client(), agent.namespace().name());
        let builder = Cluster::builder(agent.client(), agent.namespace().name(), "agent");
        let builder = builder.queue(QUEUE);
        let builder =
            builder.pulling(|ports| PodLoad::metrics(ports, "/metrics", ["agent_pulling"]));
        let switch = builder.connect().await.unwrap().switch().clone();
        // The workers have to have heard of what is so before they are checked.
        let begun = Routing::all(Color::Blue);
        switch.converge(&begun, &EvidenceKind::Endpoints).await.unwrap();
        let maps = agent.api::<ConfigMap>();
        SwitchFixture {
            switch,
            evidence: EvidenceKind::Endpoints,
            disturb: deed(move || {
                let maps = maps.clone();
                async move {
                    let patch = Patch::Merge(json!({"data": {"pull": "purple"}}));
                    maps.patch(QUEUE, &PatchParams::default(), &patch).await.unwrap();
                }
            }),
            guard: Box::new((queue, namespace, agent)),
        }
    }
}

/// An agent of which both slots serve, each its version.
async fn two_versions() -> Agent {
    Agent::of(Manifests::shipped().sized(1, 1).running(Color::Green, "1.3.0")).await
}

fn switching(
    agent: Agent,
    switch: Arc<dyn SwitchStrategy>,
    evidence: EvidenceKind,
) -> SwitchFixture {
    let services = agent.api::<Service>();
    SwitchFixture {
        switch,
        evidence,
        disturb: deed(move || {
            let services = services.clone();
            async move {
                let patch = Patch::Merge(json!({"spec": {"selector": {"slot": "purple"}}}));
                services.patch(SERVICE, &PatchParams::default(), &patch).await.unwrap();
            }
        }),
        guard: Box::new(agent),
    }
}

bluegreen_core::store_conformance_tests!({
    // The closure outlives the store that it makes, and the namespace is its.
    let account = Account::new().await;
    async move || ConfigMapStore::new(account.client.clone(), account.settings())
});

bluegreen_core::liveness_conformance_tests!(async || {
    let account = Account::new().await;
    let lease = |holder| {
        LeaseLiveness::new(account.client.clone(), account.settings(), holder)
            .with_time_to_live(seconds(3))
    };
    LivenessFixture {
        here: Arc::new(lease("here")),
        there: Arc::new(lease("there")),
        clock: Arc::new(SystemClock),
        guard: Box::new(account),
    }
});

/// The Role that we ship in a namespace without an agent.
struct Account {
    client: Client,
    namespace: Namespace,
}

impl Account {
    async fn new() -> Self {
        let namespace = Namespace::new().await;
        Manifests::role().apply(&namespace.access().client(), namespace.name()).await;
        let account = namespace.access().account(namespace.name(), ACCOUNT).await;
        Self { client: account.client(), namespace }
    }

    fn settings(&self) -> Settings {
        Settings::new("conformance", self.namespace.name())
    }
}

#[tokio::test]
async fn pods_are_reached_through_the_api_server() {
    reach(|client| client).await;
}

#[tokio::test]
async fn pods_are_reached_at_their_addresses() {
    reach(|client| client.with_route(Route::PodIp)).await;
}

#[tokio::test]
async fn pods_are_reached_over_connections_that_are_kept() {
    reach(PodClient::pooled).await;
}

/// Every promise of an `AgentClient`, with one agent: only to make it fail takes a deed.
async fn reach(adjust: fn(PodClient) -> PodClient) {
    let agent = Agent::of(Manifests::shipped().sized(2, 0)).await;
    let cluster = agent.builder("conformance").clients(adjust).connect().await.unwrap();
    let pods = agent
        .pods(Color::Blue)
        .await
        .into_iter()
        .map(|pod| PodRef::new(pod.metadata.name.unwrap(), pod.metadata.uid.unwrap()));
    let it = ClientFixture {
        client: cluster.agent_client(Color::Blue).clone(),
        pods: pods.collect(),
        who: request(Method::GET, "/"),
        failing: request(Method::GET, "/chat"),
        endless: request(Method::GET, "/stream?chunks=1000000&interval_ms=20"),
        silent: cluster.agent_client(Color::Green).clone(),
        guard: Box::new(()),
    };
    promises::lists_the_ready_pods(&it).await;
    promises::reaches_the_pod_that_was_named(&it).await;
    promises::streams_the_body(&it).await;
    promises::an_unknown_pod_is_not_found(&it).await;
    for pod in &it.pods {
        let fail = request(Method::POST, "/admin/fail?rate=1");
        let answer = it.client.send(&Target::Pod(pod.clone()), fail).await.unwrap();
        assert!(answer.status().is_success());
    }
    promises::any_status_is_an_answer(&it).await;
}

fn request(method: Method, path: &str) -> Request<Bytes> {
    Request::builder().method(method).uri(path).body(Bytes::new()).unwrap()
}
