//! The pods of a slot tell their metrics.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bluegreen_core::conformance::metrics::MetricsFixture;
use bluegreen_core::memory::{MemoryCluster, TokioClock};
use bluegreen_core::{
    Clock as _, Color, Configuration, Container, Metric, MetricSource as _, MockSlot, PodState,
    Ports, SlotState, Window,
};
use bluegreen_validate::{AddressClient, PodMetric, PodMetrics, Selector};

use crate::exposing::Pod;
use crate::server::Server;

/// Pods of the blue slot, each at an address, of which each is ready or not; green has none.
struct World {
    clock: TokioClock,
    pods: Arc<Mutex<Vec<(String, bool)>>>,
    ports: Ports,
}

impl World {
    fn new(addresses: &[String]) -> Self {
        let configuration = || {
            Configuration::new(BTreeMap::from([("agent".to_owned(), Container::new("agent:1"))]))
        };
        let mut ports = MemoryCluster::new("agent", configuration()).ports("test");
        let clock = TokioClock::new();
        ports.clock = Arc::new(clock);
        ports.clients.blue = Arc::new(AddressClient::new(addresses.to_vec()));
        let pods: Vec<_> = addresses.iter().map(|name| (name.clone(), true)).collect();
        let pods = Arc::new(Mutex::new(pods));
        let now = pods.clone();
        let mut blue = MockSlot::new();
        blue.expect_state().returning(move || {
            let mut state = SlotState::new(Color::Blue, "uid", configuration());
            let pod = |(name, ready): &(String, bool)| PodState::new(name, name, *ready);
            state.pods = now.lock().unwrap().iter().map(pod).collect();
            Ok(state)
        });
        ports.slots.blue = Arc::new(blue);
        let mut green = MockSlot::new();
        green
            .expect_state()
            .returning(move || Ok(SlotState::new(Color::Green, "uid", configuration())));
        ports.slots.green = Arc::new(green);
        Self { clock, pods, ports }
    }

    fn metrics(&self) -> PodMetrics {
        let requests = Selector::new("requests_total");
        PodMetrics::new(&self.ports, "/metrics")
            .metric("errors", PodMetric::rate(requests.clone(), requests.beginning("code", "5")))
            .metric("latency", PodMetric::histogram("seconds"))
            .timeout(Duration::from_secs(5))
    }

    /// The last so many seconds.
    fn last(&self, seconds: u64) -> Window {
        Window::new(self.clock.now(), Duration::from_secs(seconds))
    }

    async fn wait(&self, seconds: u64) {
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(seconds)).await;
        tokio::time::resume();
    }
}

bluegreen_core::metrics_conformance_tests! {
    pods: async || {
        let pods = [Pod::default(), Pod::default()];
        let servers = [pods[0].serve().await, pods[1].serve().await];
        for pod in &pods {
            pod.answer(200, 0.1);
        }
        let world = World::new(&servers.each_ref().map(Server::name));
        let source = world.metrics();
        source.scrape(Color::Blue).await.unwrap();
        pods[0].answer(200, 0.2);
        pods[1].answer(500, 0.3);
        world.wait(10).await;
        MetricsFixture {
            source: Arc::new(source),
            metric: Metric::new("errors"),
            busy: Color::Blue,
            window: world.last(60),
            count: 2,
            guard: Box::new(servers),
        }
    }
}

#[tokio::test]
async fn counters_of_all_pods_are_added_up_whatever_becomes_of_them() {
    let pods = [Pod::default(), Pod::default(), Pod::default()];
    let [one, two, three] = [pods[0].serve().await, pods[1].serve().await, pods[2].serve().await];
    let world = World::new(&[one.name(), two.name(), three.name()]);
    world.pods.lock().unwrap().pop();
    let source = world.metrics();
    let measure = async |metric: &str, window| {
        source.measure(&Metric::new(metric), Color::Blue, window).await.unwrap()
    };
    pods[0].answer(200, 0.1);
    assert_eq!(measure("errors", world.last(60)).await, None, "counting begins here");
    pods[0].answer(200, 0.05);
    pods[1].answer(503, 2.0);
    world.wait(15).await;
    let found = measure("errors", world.last(15)).await.unwrap();
    assert_eq!((found.count, found.sum, found.sum_of_squares), (2, 1.0, Some(1.0)));
    let found = measure("latency", world.last(15)).await.unwrap();
    assert_eq!(found.histogram.unwrap().counts, [1, 0, 0, 1]);
    assert_eq!((found.count, found.sum), (2, 2.05));
    assert_eq!(pods[0].scrapes(), 2, "one scrape did for both");

    // One begins again, one goes, and one comes that has a past.
    pods[0].restart();
    pods[0].answer(200, 0.2);
    pods[2].answer(500, 0.3);
    *world.pods.lock().unwrap() = vec![(one.name(), true), (three.name(), true)];
    drop(two);
    world.wait(15).await;
    let found = measure("errors", world.last(15)).await.unwrap();
    assert_eq!((found.count, found.sum), (1, 0.0));
    pods[2].answer(500, 0.3);
    world.wait(15).await;
    let found = measure("errors", world.last(15)).await.unwrap();
    assert_eq!((found.count, found.sum), (1, 1.0));
    let found = measure("errors", world.last(45)).await.unwrap();
    assert_eq!((found.count, found.sum), (4, 2.0));
    assert_eq!(measure("errors", world.last(0)).await, None);
}

#[tokio::test]
async fn a_ready_pod_that_cannot_be_read_makes_it_unknown() {
    let pod = Pod::default();
    let one = pod.serve().await;
    let world = World::new(&[one.name(), "127.0.0.1:1".to_owned()]);
    let source = world.metrics();
    let why = source.scrape(Color::Blue).await.unwrap_err().chain();
    let wanted =
        "read the metrics of slot blue at 1 of 2 pods: unavailable: connect to 127.0.0.1:1";
    assert!(why.starts_with(wanted), "{why}");
    world.pods.lock().unwrap()[1].1 = false;
    source.scrape(Color::Blue).await.unwrap();
    pod.answer(200, 0.1);
    world.wait(5).await;
    let found = source.measure(&Metric::new("errors"), Color::Blue, world.last(5)).await.unwrap();
    assert_eq!(found.map(|it| it.count), Some(1), "one that is not ready is missed");
    let why = source.measure(&Metric::new("cost"), Color::Blue, world.last(5)).await.unwrap_err();
    let wanted = "found the metric `cost`, wanted one of errors, latency";
    assert!(why.chain().contains(wanted), "{}", why.chain());
}

#[tokio::test]
async fn only_series_with_the_label_count() {
    let pod = Pod::default();
    let server = pod.serve().await;
    let world = World::new(&[server.name()]);
    let all = PodMetric::mean("requests_total", "seconds_sum");
    let none = PodMetric::mean("requests_total", "requests_total").with_label("route", "/other");
    let most = Selector::new("requests_total").with("route", "/chat").without("code", "404");
    let source = PodMetrics::new(&world.ports, "/metrics")
        .metric("all", all.scale(1000.0))
        .metric("none", none)
        .metric("most", PodMetric::rate(most.clone(), most.beginning("code", "2")));
    source.scrape(Color::Blue).await.unwrap();
    for code in [200, 404, 500] {
        pod.answer(code, 0.5);
    }
    world.wait(5).await;
    let measure =
        async |name| source.measure(&Metric::new(name), Color::Blue, world.last(5)).await.unwrap();
    assert_eq!(measure("none").await, None);
    let found = measure("all").await.map(|it| (it.count, it.sum));
    assert_eq!(found, Some((3, 1500.0)));
    let found = measure("most").await.map(|it| (it.count, it.sum));
    assert_eq!(found, Some((2, 1.0)));
}

#[tokio::test]
async fn an_answer_that_is_too_long_or_no_metrics_is_refused() {
    for (status, body, wanted) in [
        (200, "x".repeat(2000), "it is longer than 1000 bytes"),
        (200, "<html>".to_owned(), "line 1 of the metrics"),
        (503, String::new(), "found status 503, wanted 200"),
        (302, String::new(), "found status 302, wanted 200"),
    ] {
        let server = Server::answering(move |_| (status, "", body.clone())).await;
        let world = World::new(&[server.name()]);
        let source = world.metrics().max_body(1000);
        let measured = source.measure(&Metric::new("errors"), Color::Blue, world.last(5)).await;
        let why = measured.unwrap_err().chain();
        assert!(why.contains(wanted), "{why}");
    }
}
