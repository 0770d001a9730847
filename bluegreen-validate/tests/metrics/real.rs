//! A real Prometheus that scrapes real pods, against what the pods really did.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use bluegreen_core::conformance::metrics::MetricsFixture;
use bluegreen_core::{
    Clock as _, Color, ErrorKind, Measurement, Metric, MetricSource as _, SystemClock, Timestamp,
    Window,
};
use bluegreen_validate::{Prometheus, PrometheusConfig, Queries};
use tokio::net::TcpListener;

use crate::exposing::{BOUNDS, Pod};
use crate::server::{Server, eventually};

/// A Prometheus, and the pods that it scrapes five times a second.
struct World {
    blue: [Pod; 2],
    green: Pod,
    servers: Vec<Server>,
    url: String,
    folder: PathBuf,
    _process: tokio::process::Child,
}

impl Drop for World {
    fn drop(&mut self) {
        // What is left of it is in a folder for temporary files.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl World {
    async fn start() -> Self {
        let Some(program) = std::env::var_os("BLUEGREEN_PROMETHEUS") else {
            panic!("BLUEGREEN_PROMETHEUS is not set: it names the program of a Prometheus")
        };
        let (blue, green) = ([Pod::default(), Pod::default()], Pod::default());
        let servers = vec![blue[0].serve().await, blue[1].serve().await, green.serve().await];
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let name =
            format!("bluegreen-prometheus-{}-{}", std::process::id(), servers[0].address.port());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir(&folder).unwrap();
        let target = |server: &Server, slot: Color| {
            format!("  - {{targets: [\"{}\"], labels: {{slot: {slot}}}}}\n", server.name())
        };
        let config = format!(
            "global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}\nscrape_configs:\n\
             - job_name: agents\n  static_configs:\n{}{}{}",
            target(&servers[0], Color::Blue),
            target(&servers[1], Color::Blue),
            target(&servers[2], Color::Green),
        );
        std::fs::write(folder.join("prometheus.yml"), config).unwrap();
        let process = tokio::process::Command::new(program)
            .arg(format!("--config.file={}", folder.join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.join("log")).unwrap())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let url = format!("http://{address}");
        let this = Self { blue, green, servers, url, folder, _process: process };
        this.all_is_scraped().await;
        this
    }

    fn pods(&self) -> [&Pod; 3] {
        [&self.blue[0], &self.blue[1], &self.green]
    }

    /// Waits until Prometheus has all that the pods have done until now: its second scrape from now
    /// on begins when it has taken in the first.
    async fn all_is_scraped(&self) {
        let before = self.pods().map(Pod::scrapes);
        eventually("two scrapes of each pod", async || {
            self.pods().iter().zip(before).all(|(pod, before)| pod.scrapes() >= before + 2)
        })
        .await;
    }

    fn source(&self) -> Prometheus {
        let select = r#"job="agents",slot="$slot""#;
        let all = format!("requests_total{{{select}}}");
        let failed = format!("requests_total{{{select},code=~\"5..\"}}");
        let started = format!("process_start_time_seconds{{{select}}}");
        let over = |query: &str| format!("{query}[$window]");
        let risen = |query: &str| format!("sum(increase({query}[$window]))");
        let whole = |queries: Queries| queries.targets(over(&started));
        let stepped = Queries::rate(&*all, &*failed).targets(&*started);
        let config = PrometheusConfig::new(&*self.url, "ai", "agent")
            .metric("errors", whole(Queries::rate(over(&all), over(&failed))))
            .metric("latency", whole(Queries::histogram("seconds", select)))
            .metric("stepped", stepped.step(Duration::from_millis(100)))
            .metric("alone", Queries::rate(over(&all), over(&failed)))
            .metric(
                "up",
                Queries::rate(over(&all), over(&failed)).targets(over("up{job=\"agents\"}")),
            )
            .metric("risen", Queries::rate(risen(&all), risen(&failed)).values())
            .metric("wrong", Queries::rate("requests_total{[$window]", over(&failed)))
            .metric("scalar", Queries::rate("scalar(sum(increase(up[$window])))", over(&failed)))
            .metric("ungrouped", Queries::rate(risen(&all), over(&failed)));
        Prometheus::new(config).unwrap()
    }
}

/// What the pods of a slot did in a window, as the test itself counts it.
#[derive(Default)]
struct Truth {
    codes: Vec<u16>,
    seconds: Vec<f64>,
}

impl Truth {
    fn answer(&mut self, pod: &Pod, code: u16, seconds: f64) {
        pod.answer(code, seconds);
        self.codes.push(code);
        self.seconds.push(seconds);
    }

    fn failed(&self) -> f64 {
        self.codes.iter().filter(|code| **code >= 500).map(|_| 1.0).sum()
    }

    /// How many took longer than the bound before and no longer than each.
    fn buckets(&self) -> Vec<u64> {
        let mut counts = vec![0; BOUNDS.len() + 1];
        for seconds in &self.seconds {
            counts[BOUNDS.iter().filter(|bound| seconds > bound).count()] += 1;
        }
        counts
    }
}

fn since(begun: Timestamp) -> Window {
    let now = SystemClock.now();
    Window::new(now, now.since(begun))
}

async fn measure(
    source: &Prometheus,
    name: &str,
    slot: Color,
    window: Window,
) -> Option<Measurement> {
    match source.measure(&Metric::new(name), slot, window).await {
        Ok(found) => found,
        Err(error) => panic!("{}", error.chain()),
    }
}

#[tokio::test]
#[ignore = "needs a Prometheus: BLUEGREEN_PROMETHEUS names its program"]
async fn what_the_pods_really_did_is_counted() {
    let world = World::start().await;
    let source = world.source();
    let [one, two] = &world.blue;
    // What was before the window: it counts in none.
    for _ in 0..50 {
        one.answer(200, 0.3);
        world.green.answer(500, 3.0);
    }
    world.all_is_scraped().await;
    let begun = SystemClock.now();
    assert_eq!(measure(&source, "errors", Color::Blue, since(begun)).await, None);

    let (mut blue, mut green) = (Truth::default(), Truth::default());
    let mut edges = vec![begun];
    let mut random = 7_u32;
    for round in 0..6_u16 {
        for _ in 0..10 + round {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let seconds = f64::from(random >> 8) / f64::from(1_u32 << 24) * 1.5;
            let pod = if random & 0x100 == 0 { one } else { two };
            // The first errors come with a series of their own, in a later round.
            let code = if round >= 2 && random.is_multiple_of(5) {
                502 + u16::from(round > 3)
            } else {
                200
            };
            blue.answer(pod, code, seconds);
            green.answer(&world.green, 200, seconds / 2.0);
        }
        world.all_is_scraped().await;
        edges.push(SystemClock.now());
        if round == 2 || round == 4 {
            one.restart();
        }
    }
    let whole = since(begun);
    for (slot, truth) in [(Color::Blue, &blue), (Color::Green, &green)] {
        let count = truth.codes.len() as u64;
        for name in ["errors", "stepped"] {
            let found = measure(&source, name, slot, whole).await.unwrap();
            let wanted = (count, truth.failed(), Some(truth.failed()));
            assert_eq!((found.count, found.sum, found.sum_of_squares), wanted, "{name} {slot}");
        }
        let found = measure(&source, "latency", slot, whole).await.unwrap();
        let histogram = found.histogram.unwrap();
        assert_eq!((found.count, histogram.bounds), (count, BOUNDS.to_vec()), "{slot}");
        assert_eq!(histogram.counts, truth.buckets(), "{slot}");
        let sum: f64 = truth.seconds.iter().sum();
        assert!((found.sum - sum).abs() < 1e-9 * sum, "{slot}: {} of {sum}", found.sum);
    }
    // One after another they count the same, each once.
    let (mut count, mut failed) = (0, 0.0);
    for two in edges.windows(2) {
        let window = Window::new(two[1], two[1].since(two[0]));
        let found = measure(&source, "errors", Color::Blue, window).await.unwrap();
        (count, failed) = (count + found.count, failed + found.sum);
    }
    assert_eq!((count, failed), (blue.codes.len() as u64, blue.failed()));
    // Prometheus' own reckoning is near, and of errors it misses the first.
    let risen = measure(&source, "risen", Color::Blue, whole).await.unwrap();
    println!(
        "counted {count} requests and {failed} errors; increase() says {} and {}",
        risen.count, risen.sum
    );
    assert!(risen.sum < blue.failed(), "the first error of each series");
}

#[tokio::test]
#[ignore = "needs a Prometheus: BLUEGREEN_PROMETHEUS names its program"]
async fn a_pod_that_goes_leaves_what_it_did() {
    let mut world = World::start().await;
    let source = world.source();
    let begun = SystemClock.now();
    for pod in world.pods() {
        pod.answer(200, 0.1);
    }
    world.all_is_scraped().await;
    // A series that appears with the first request is of a target that was scraped before, which
    // is not known from this series alone.
    for (name, wanted) in [("alone", None), ("errors", Some(2)), ("up", Some(2))] {
        let found = measure(&source, name, Color::Blue, since(begun)).await;
        assert_eq!(found.map(|it| it.count), wanted, "{name}");
    }
    for pod in world.pods() {
        pod.answer(500, 0.1);
    }
    world.all_is_scraped().await;
    drop(world.servers.remove(0));
    let [one, two] = &world.blue;
    let before = two.scrapes();
    one.answer(500, 0.1);
    two.answer(200, 0.1);
    eventually("two more scrapes", async || two.scrapes() >= before + 2).await;
    let found = measure(&source, "errors", Color::Blue, since(begun)).await.unwrap();
    assert_eq!((found.count, found.sum), (5, 2.0));
}

#[tokio::test]
#[ignore = "needs a Prometheus: BLUEGREEN_PROMETHEUS names its program"]
async fn what_prometheus_refuses_is_told() {
    let world = World::start().await;
    let source = world.source();
    let window = since(SystemClock.now().plus(Duration::ZERO));
    let window = Window::new(window.until, Duration::from_secs(10));
    for (name, wanted) in [
        ("wrong", "found status 400, wanted 200: `bad_data`: `invalid parameter \"query\""),
        ("scalar", "found a result of the type `scalar`, wanted `matrix`"),
        ("ungrouped", "found a result of the type `vector`, wanted `matrix`; select counters"),
    ] {
        let measured = source.measure(&Metric::new(name), Color::Blue, window).await;
        let error = measured.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Rejected);
        assert!(error.chain().contains(wanted), "{}", error.chain());
    }
}

bluegreen_core::metrics_conformance_tests! {
    #[ignore = "needs a Prometheus: BLUEGREEN_PROMETHEUS names its program"]
    a_real_prometheus: async || {
        let world = World::start().await;
        world.blue[0].answer(200, 0.1);
        world.all_is_scraped().await;
        let begun = SystemClock.now();
        for seconds in [0.1, 0.2, 0.3] {
            world.blue[0].answer(200, seconds);
        }
        world.all_is_scraped().await;
        MetricsFixture {
            source: Arc::new(world.source()),
            metric: Metric::new("errors"),
            busy: Color::Blue,
            window: since(begun),
            count: 3,
            guard: Box::new(world),
        }
    }
}
