//! What a Prometheus says, and what is made of it.

use std::sync::Arc;
use std::time::Duration;

use bluegreen_core::conformance::metrics::MetricsFixture;
use bluegreen_core::{Color, ErrorKind, Measurement, Metric, MetricSource as _, Timestamp, Window};
use bluegreen_validate::{AddressClient, Prometheus, PrometheusConfig, Queries, ReadySet};

use crate::server::Server;
use crate::store::Store;

const START: u64 = 1_764_000_000_000;

fn config(server: &Server) -> PrometheusConfig {
    let select = r#"slot="$slot""#;
    let all = format!("requests_total{{{select}}}[$window]");
    let failed = format!("requests_total{{{select},code=~\"5..\"}}[$window]");
    PrometheusConfig::new(format!("http://{}/base", server.name()), "ai", "agent")
        .metric("errors", Queries::rate(&*all, failed))
        .metric("latency", Queries::histogram("seconds", select))
        .metric(
            "stepped",
            Queries::rate(all.replace("[$window]", ""), r#"none{a="b"}"#)
                .step(Duration::from_secs(15)),
        )
}

fn window(from: u64, until: u64) -> Window {
    let end = Timestamp::from_unix_millis(START + until * 1000);
    Window::new(end, Duration::from_secs(until - from))
}

fn scrapes(values: &[(u64, u32)]) -> Vec<(u64, f64)> {
    values.iter().map(|(at, value)| (START + at * 1000, f64::from(*value))).collect()
}

/// Two pods of green, one of which begins again, and one of blue without traffic.
fn store() -> Store {
    let store = Store::default();
    let add = |name: &str, instance: &str, labels: &[(&str, &str)], values: &[(u64, u32)]| {
        let mut all = vec![("instance", instance)];
        all.extend(labels);
        store.add(name, &all, &scrapes(values));
    };
    let green = |code| [("slot", "green"), ("code", code)];
    add("requests_total", "a", &green("200"), &[(5, 100), (20, 110), (35, 4), (50, 9)]);
    add("requests_total", "a", &green("500"), &[(20, 2), (50, 1)]);
    add("requests_total", "b", &green("200"), &[(25, 7000), (40, 7003)]);
    add("requests_total", "c", &[("slot", "blue"), ("code", "200")], &[(5, 3), (20, 3), (50, 3)]);
    for (le, values) in
        [("0.1", [(5, 10), (20, 12)]), ("+Inf", [(5, 20), (20, 26)]), ("0.5", [(5, 15), (20, 20)])]
    {
        add("seconds_bucket", "a", &[("slot", "green"), ("le", le)], &values);
    }
    add("seconds_sum", "a", &[("slot", "green")], &[(5, 100), (20, 103)]);
    store
}

bluegreen_core::metrics_conformance_tests! {
    prometheus: async || {
        let server = store().serve().await;
        let source = Prometheus::new(config(&server)).unwrap();
        MetricsFixture {
            source: Arc::new(source),
            metric: Metric::new("errors"),
            busy: Color::Green,
            window: window(0, 60),
            // 10 and 2 until 20, 4 after the restart and then 5 and 1, and 3 of the other pod.
            count: 25,
            guard: Box::new(server),
        }
    }
}

async fn measure(source: &Prometheus, name: &str, of: Window) -> Option<Measurement> {
    match source.measure(&Metric::new(name), Color::Green, of).await {
        Ok(found) => found,
        Err(error) => panic!("{}", error.chain()),
    }
}

#[tokio::test]
async fn windows_one_after_another_count_everything_once() {
    let store = store();
    let server = store.serve().await;
    let source = Prometheus::new(config(&server)).unwrap();
    for metric in ["errors", "stepped"] {
        let mut counts = Vec::new();
        for (from, until) in [(0, 15), (15, 30), (30, 45), (45, 60), (0, 60)] {
            let found = measure(&source, metric, window(from, until)).await;
            counts.push(found.map_or((0, 0.0), |it| (it.count, it.sum)));
        }
        let counts: Vec<_> = counts.iter().map(|it| it.0).collect();

        let wanted = [0, 12, 7, 6, 25];
        assert_eq!(counts, wanted, "{metric}");
    }
    let found = measure(&source, "errors", window(0, 60)).await.unwrap();
    assert_eq!((found.sum, found.sum_of_squares), (3.0, Some(3.0)));
    let wanted = r#"requests_total{slot="green",code=~"5.."}[315000ms]"#;
    assert!(store.queries().contains(&wanted.to_owned()), "{:?}", store.queries());
}

#[tokio::test]
async fn a_histogram_has_counts_of_each_bucket() {
    let server = store().serve().await;
    let source = Prometheus::new(config(&server)).unwrap();
    let found = measure(&source, "latency", window(10, 30)).await.unwrap();
    assert_eq!((found.count, found.sum, found.sum_of_squares), (6, 3.0, None));
    let histogram = found.histogram.unwrap();
    assert_eq!((histogram.bounds, histogram.counts), (vec![0.1, 0.5], vec![2, 3, 1]));
    assert_eq!(measure(&source, "latency", window(30, 60)).await, None);
}

#[tokio::test]
async fn windows_can_be_moved_back() {
    let server = store().serve().await;
    let source = Prometheus::new(config(&server).delay(Duration::from_secs(10))).unwrap();
    let found = measure(&source, "errors", window(25, 40)).await;
    assert_eq!(found.map(|it| it.count), Some(12));
}

#[tokio::test]
async fn a_metric_is_found_by_its_long_name_too() {
    let store = Store::default();
    let labels = [("instance", "a"), ("envoy_cluster_name", "g"), ("envoy_response_code", "503")];
    store.add("envoy_cluster_upstream_rq", &labels, &scrapes(&[(5, 1), (20, 5)]));
    let server = store.serve().await;
    let config = config(&server).value("cluster", "b", "g").with(ReadySet::Envoy);
    let source =
        Prometheus::through(Arc::new(AddressClient::new([server.name()])), config).unwrap();
    let measure = async |metric| source.measure(&metric, Color::Green, window(10, 30)).await;
    let found = measure(Metric::new("errors")).await.unwrap();
    assert_eq!(found, None, "own queries come first");
    let found = measure(Metric::new("errors").with_query("envoy/errors")).await.unwrap().unwrap();
    assert_eq!((found.count, found.sum), (4, 4.0));
    let why = measure(Metric::new("envoy/cost")).await.unwrap_err().chain();
    assert!(why.contains("found the metric `envoy/cost`, wanted one of envoy/errors,"), "{why}");
}

#[tokio::test]
async fn values_are_taken_as_they_are() {
    let server = Server::answering(|asked| {
        let item = |value: &str| format!("{{\"metric\":{{}},\"value\":[1764000030,\"{value}\"]}}");
        let items = if asked.body.contains("all") { item("5.4") } else { item("1.08") };
        let text = format!(
            "{{\"status\":\"success\",\"data\":{{\"resultType\":\"vector\",\"result\":[{items}]}}}}"
        );
        (200, "", text)
    })
    .await;
    let queries =
        Queries::rate("sum(increase(all[$window]))", "sum(increase(x[$window]))").values();
    let source = Prometheus::new(config(&server).metric("v", queries)).unwrap();
    let found = measure(&source, "v", window(10, 30)).await.unwrap();
    assert_eq!((found.count, found.sum), (5, 1.0));
}

/// What is said when Prometheus answers this.
async fn why(status: u16, headers: &'static str, body: &str) -> (ErrorKind, String) {
    let body = body.to_owned();
    let server = Server::answering(move |asked| {
        assert!(asked.head.contains("authorization: bearer sk-12345\r\n"), "{}", asked.head);
        (status, headers, body.clone())
    })
    .await;
    let config =
        config(&server).bearer("sk-12345").max_body(100_000).timeout(Duration::from_secs(5));
    let source = Prometheus::new(config).unwrap();
    let measured = source.measure(&Metric::new("errors"), Color::Blue, window(0, 60)).await;
    let error = measured.unwrap_err();
    let why = error.chain();
    assert!(why.starts_with("measure errors of slot blue: "), "{why}");
    assert!(why.contains(r#"query count with `requests_total{slot="blue"}[360000ms]`"#), "{why}");
    assert!(why.len() < 1200 && !why.contains("sk-1"), "{why}");
    (error.kind(), why)
}

#[tokio::test]
async fn an_answer_that_is_none_is_told_with_its_query() {
    let error = r#"{"status":"error","errorType":"bad_data","error":"parse error of sk-12345"}"#;
    let long = "x".repeat(200_000);
    let native = r#"{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}"#;
    for (status, headers, body, kind, wanted) in [
        (
            400,
            "",
            error,
            ErrorKind::Rejected,
            "status 400, wanted 200: `bad_data`: `parse error of ***`",
        ),
        (422, "", error, ErrorKind::Rejected, "status 422"),
        (401, "", "who?", ErrorKind::Rejected, "status 401, wanted 200: `who?`"),
        (302, "location: http://elsewhere/\r\n", "", ErrorKind::Rejected, "status 302"),
        (204, "", "", ErrorKind::Rejected, "status 204"),
        (429, "", "slow down", ErrorKind::Unavailable, "status 429"),
        (503, "", error, ErrorKind::Unavailable, "status 503"),
        (200, "", error, ErrorKind::Rejected, "found the status `error`"),
        (200, "", native, ErrorKind::Rejected, "found a result of the type `scalar`"),
        (200, "", "<html>", ErrorKind::Rejected, "found an answer that is none of Prometheus"),
        (200, "", "", ErrorKind::Rejected, "found an answer that is none of Prometheus"),
        (200, "", &long, ErrorKind::Rejected, "it is longer than 100000 bytes"),
        (500, "", &long, ErrorKind::Unavailable, "it is longer than 65536 bytes"),
    ] {
        let (found, why) = why(status, headers, body).await;
        assert_eq!(found, kind, "{why}");
        assert!(why.contains(wanted), "{why}");
    }
}

#[tokio::test]
async fn nobody_and_silence_are_unavailable() {
    let silent = Server::raw(|stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let gone = Server::raw(|stream| async move { drop(stream) }).await;
    for server in [&silent, &gone] {
        let config = config(server).timeout(Duration::from_millis(200));
        let source = Prometheus::new(config).unwrap();
        let measured = source.measure(&Metric::new("errors"), Color::Blue, window(0, 60)).await;
        let error = measured.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{}", error.chain());
    }
}

#[tokio::test]
async fn a_window_without_length_is_not_asked_for() {
    let store = store();
    let server = store.serve().await;
    let source = Prometheus::new(config(&server)).unwrap();
    assert_eq!(measure(&source, "errors", window(30, 30)).await, None);
    assert!(store.queries().is_empty());
}
