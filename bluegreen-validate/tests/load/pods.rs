//! The pods of a slot count what they have in hand.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bluegreen_core::conformance::load::LoadFixture;
use bluegreen_core::memory::{MemoryCluster, pieces};
use bluegreen_core::{
    AgentClient, AnswerBody, Color, Configuration, Container, Error, ErrorKind, Load, PodRef,
    PodState, Ports, Result, Slot as _, SlotState, Target,
};
use bluegreen_core::{MockSlot, Pair};
use bluegreen_validate::{AddressClient, PodLoad};
use bytes::Bytes;
use http::{Request, Response};

use crate::GAUGE;
use crate::server::{Does, Server};

fn configuration() -> Configuration {
    Configuration::new(BTreeMap::from([("agent".to_owned(), Container::new("agent:1"))]))
}

/// A slot whose pods are as `pods` says, each time that they are asked for.
fn slot(color: Color, pods: impl Fn() -> Vec<PodState> + Send + Sync + 'static) -> MockSlot {
    let mut slot = MockSlot::new();
    slot.expect_state().returning(move || {
        let mut state = SlotState::new(color, "uid", configuration());
        state.pods = pods();
        Ok(state)
    });
    slot
}

/// Ports of an agent whose blue slot has a pod at each of these addresses; the green one has none.
pub(crate) fn ports(addresses: impl IntoIterator<Item = String>) -> Ports {
    let addresses: Vec<String> = addresses.into_iter().collect();
    let mut ports = MemoryCluster::new("agent", configuration()).ports("test");
    ports.clients.blue = Arc::new(AddressClient::new(addresses.clone()));
    let pods = addresses.into_iter().map(|name| PodState::new(&name, &name, true));
    let pods: Vec<PodState> = pods.collect();
    ports.slots.blue = Arc::new(slot(Color::Blue, move || pods.clone()));
    ports.slots.green = Arc::new(slot(Color::Green, Vec::new));
    ports
}

bluegreen_core::load_conformance_tests! {
    metrics: async || {
        let two = Server::start(Does::gauge("2")).await;
        let five = Server::start(Does::gauge("5")).await;
        let load = PodLoad::metrics(&ports([two.name(), five.name()]), "/metrics", [GAUGE]);
        let load = Arc::new(load);
        LoadFixture { load, busy: Color::Blue, in_hand: 7, guard: Box::new((two, five)) }
    }
}

bluegreen_core::load_conformance_tests! {
    json: async || {
        let body = br#"{"streams": 3, "queue": {"length": 1}}"#;
        let one = Server::start(Does::Says(200, "application/json", body.into())).await;
        let load = PodLoad::json(&ports([one.name()]), "/status", ["/streams", "/queue/length"]);
        LoadFixture { load: Arc::new(load), busy: Color::Blue, in_hand: 4, guard: Box::new(one) }
    }
}

bluegreen_core::load_conformance_tests! {
    memory: async || {
        let cluster = MemoryCluster::builder("agent", configuration())
            .replicas(3)
            .idle(configuration(), 2)
            .answer(|it| {
                assert_eq!(it.request.uri().path(), "/metrics");
                let count = i32::from(it.color == Color::Blue);
                let labels = |kind| format!("{GAUGE}{{kind=\"{kind}\"}} {count}\n");
                Ok(Response::new(pieces([labels("chat"), labels("stream")])))
            })
            .build();
        for color in Color::BOTH {
            cluster.slot(color).await_ready().await.unwrap();
        }
        let load = PodLoad::metrics(&cluster.ports("one"), "/metrics", [GAUGE]);
        LoadFixture { load: Arc::new(load), busy: Color::Blue, in_hand: 6, guard: Box::new(cluster) }
    }
}

#[tokio::test]
async fn only_samples_with_the_label_count() {
    let text = format!("{GAUGE}{{kind=\"chat\"}} 1\n{GAUGE}{{kind=\"probe\"}} 2\n");
    let agent = Server::start(Does::Says(200, "text/plain", text.into())).await;
    let load = PodLoad::metrics(&ports([agent.name()]), "/metrics", [GAUGE]);
    assert_eq!(load.in_flight(Color::Blue).await.unwrap(), Some(3));
    let load = load.with_label("kind", "chat");
    assert_eq!(load.in_flight(Color::Blue).await.unwrap(), Some(1));
}

/// Answers for some pods, and reaches no other one.
struct Only(Vec<&'static str>);

#[async_trait]
impl AgentClient for Only {
    async fn pods(&self) -> Result<Vec<PodRef>> {
        Ok(Vec::new())
    }

    async fn send(&self, to: &Target, _: Request<Bytes>) -> Result<Response<AnswerBody>> {
        let Target::Pod(pod) = to else { panic!("a pod must be named: {to:?}") };
        if self.0.contains(&pod.name.as_str()) {
            return Ok(Response::new(AnswerBody::full(format!("{GAUGE} 1\n"))));
        }
        Err(Error::new(ErrorKind::Unavailable, format!("send to {}", pod.name)))
    }
}

#[tokio::test]
async fn a_pod_that_cannot_be_asked_makes_the_sum_unknown_unless_it_is_gone() {
    let pod = |name: &str, ready, running| {
        let mut pod = PodState::new(name, name, ready);
        pod.running = running;
        pod
    };
    let pods = Arc::new(Mutex::new(vec![pod("a", true, true), pod("b", true, true)]));
    let mut ports = ports([]);
    let now = pods.clone();
    let blue = slot(Color::Blue, move || now.lock().unwrap().clone());
    ports.slots = Pair::new(Arc::new(blue), Arc::new(slot(Color::Green, Vec::new)));
    ports.clients.blue = Arc::new(Only(vec!["a", "c"]));
    let fresh = || PodLoad::metrics(&ports, "/metrics", [GAUGE]);

    let load = fresh();
    let error = load.in_flight(Color::Blue).await.unwrap_err().chain();
    let wanted = "count what slot blue has in hand at 1 of 2 pods: unavailable: send to b";
    assert!(error.starts_with(wanted), "{error}");
    pods.lock().unwrap().retain(|pod| pod.name == "a");
    assert_eq!(load.in_flight(Color::Blue).await.unwrap(), Some(1), "it is gone since");
    *pods.lock().unwrap() = vec![pod("a", true, true), pod("b", false, false)];
    assert_eq!(fresh().in_flight(Color::Blue).await.unwrap(), Some(1), "nothing of it runs");
    *pods.lock().unwrap() = vec![pod("a", true, true), pod("c", false, true)];
    assert_eq!(fresh().in_flight(Color::Blue).await.unwrap(), Some(2), "it need not be ready");
    *pods.lock().unwrap() = vec![pod("a", true, true), pod("b", false, true)];
    assert!(fresh().in_flight(Color::Blue).await.is_err());
}
