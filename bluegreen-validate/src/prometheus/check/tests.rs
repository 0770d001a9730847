use super::*;
use crate::{Prometheus, ReadySet};

fn good() -> PrometheusConfig {
    PrometheusConfig::new("http://prometheus:9090/base/", "ai-agents", "agent-service")
}

fn rate() -> Queries {
    Queries::rate(r#"a{s="$slot"}[$window]"#, r#"b{s="$slot"}[$window]"#)
}

#[test]
fn every_set_is_complete() {
    for set in ReadySet::ALL {
        let config = good().value("cluster", "b", "g").with(set);
        assert_eq!(config.problems(), [], "{set:?}");
        for (name, queries) in super::super::QuerySet::from(set).queries() {
            let config = good().value("cluster", "b", "g").metric(name, queries);
            assert_eq!(config.problems(), [], "{set:?} {name}");
        }
    }
    let problems = good().with(ReadySet::Envoy).problems();
    assert!(
        problems[0].to_string().starts_with("prometheus, sets[0]: found `$cluster`, wanted one of")
    );
}

#[test]
fn all_problems_come_at_once() {
    let mut config = good()
        .metric("no-units", Queries::new().sum("x[$window]"))
        .metric("both", rate().sum("x[$window]").sum_of_squares("y[$window]").scale(f64::NAN))
        .metric("places", Queries::rate("a{b=\"$slto\"}[$window]", "b{c=\"${slot\"}[$window]"))
        .metric("no-window", Queries::rate("a", " "))
        .metric("steps", rate().step(Duration::ZERO).values())
        .value("window", "a", "b")
        .value("deployment", "a\"", "b'")
        .header("transfer-encoding", "x")
        .header("Authorization", "x\n")
        .bearer_from_env("BLUEGREEN_NO_SUCH_VARIABLE")
        .timeout(Duration::ZERO)
        .lookback(Duration::from_hours(48))
        .max_body(0);
    config.url = "ftp://user:secret@host".to_owned();
    config.agent = String::new();
    config.target_labels.clear();
    let problems = config.problems();
    let shown = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    for wanted in [
        "prometheus, url: found `ftp://***@host`, wanted",
        "prometheus, agent: found \"\"",
        "prometheus, values.window: found `window`, wanted a name",
        "prometheus, values.deployment: found \"a\\\"\"",
        "prometheus, values.deployment: found \"b'\"",
        "prometheus, headers.transfer-encoding: found `transfer-encoding`",
        "prometheus, headers.Authorization: found a second one",
        "prometheus, headers.Authorization: found a value with characters",
        "prometheus, bearer: found the environment variable BLUEGREEN_NO_SUCH_VARIABLE",
        "prometheus, timeout: found 0s",
        "prometheus, lookback: found 2days",
        "prometheus, max_body: found 0 bytes",
        "prometheus, target_labels: found none",
        "prometheus, metrics.no-units: found neither count nor buckets",
        "prometheus, metrics.both: found both hits and sum",
        "prometheus, metrics.both: found hits and sum_of_squares",
        "prometheus, metrics.both.scale: found NaN",
        "prometheus, metrics.places.count: found `$slto`, wanted one of window, slot",
        "prometheus, metrics.places.hits: found `${slot\"}`",
        "prometheus, metrics.no-window.count: found no `$window`",
        "prometheus, metrics.no-window.hits: found a query of 1 bytes",
        "prometheus, metrics.steps.step: found 0s",
        "prometheus, metrics.steps.values: found true with a step",
        "prometheus, metrics.steps.count: found `$window`",
    ] {
        assert!(shown.contains(wanted), "{wanted} is not in\n{shown}");
    }
    let error = Prometheus::new(config).unwrap_err();
    assert_eq!(error.problems().len(), problems.len());
    assert!(!error.to_string().contains("secret"), "{error}");
}

#[test]
fn a_url_has_scheme_host_and_path() {
    let read = |url| address(url).map_err(|(found, _)| found);
    assert_eq!(read("http://p"), Ok((false, "p:80".into(), String::new())));
    assert_eq!(read("https://p/a/b/"), Ok((true, "p:443".into(), "/a/b".into())));
    assert_eq!(read("http://[::1]:9090"), Ok((false, "[::1]:9090".into(), String::new())));
    for url in ["", "p:9090", "/a", "http://", "http://p?x=secret", "http://a:b@p", "http://p/#f"] {
        let found = read(url).unwrap_err();
        assert!(!found.contains("secret") && !found.contains("b@"), "{found}");
    }
}

#[test]
fn https_needs_a_client() {
    let mut config = good().metric("errors", rate());
    config.url = "https://prometheus".to_owned();
    let error = Prometheus::new(config.clone()).unwrap_err();
    assert!(error.to_string().contains("Prometheus::through"), "{error}");
    let client = std::sync::Arc::new(crate::AddressClient::new([""; 0]));
    assert!(Prometheus::through(client, config).is_ok());
}

#[test]
fn a_file_says_it_all() {
    let text = r#"{
        "url": "http://p:9090", "namespace": "ai", "agent": "agent",
        "values": {"deployment": {"blue": "a", "green": "b"}, "cluster": "c"},
        "bearer": "sk-12345", "headers": {"x-scope-orgid": "team"},
        "timeout": "3s", "lookback": "2m", "delay": "5s", "max_body": 1000,
        "target_labels": ["pod"],
        "sets": ["envoy", {"set": "vllm", "select": ["a=\"$slot\"", "b=\"$slot\""]}],
        "metrics": {
            "errors": {"count": ["a[$window]", "b[$window]"], "hits": "c[$window]"},
            "cost": {"count": "a", "sum": "d", "scale": 0.5, "step": "15s"}
        }
    }"#;
    let config = PrometheusConfig::parse("p.json", text).unwrap();
    assert_eq!(config.sets[1].select.len(), 2);
    assert_eq!(config.metrics["cost"].step, Some(Duration::from_secs(15)));
    assert_eq!(config.place("deployment", Color::Green).as_deref(), Some("b"));
    assert!(!format!("{config:?}").contains("sk-1"), "{config:?}");
    let prometheus = Prometheus::new(config).unwrap();
    assert!(!format!("{prometheus:?}").contains("sk-1"));
    let names = prometheus.metrics();
    assert!(names.contains(&"envoy/errors".to_owned()) && names.contains(&"tokens".to_owned()));
}

#[test]
fn what_is_wrong_in_a_file_is_told_with_its_place() {
    let text = r#"{
  "url": "http://p:9090", "namespace": "ai", "agent": "agent",
  "sets": ["istoi"],
  "metrics": {"errors": {"count": "a[$window]", "hits": ["b[$windw]"], "unit": "s"}},
  "time_out": "3s"
}"#;
    let error = PrometheusConfig::parse("p.json", text).unwrap_err().to_string();
    for wanted in [
        "p.json:3:12, sets[0]: found unknown variant `istoi`",
        "unknown field `unit`",
        "unknown field `time_out`",
        "p.json:4:57, prometheus, metrics.errors.hits: found `$windw`",
    ] {
        assert!(error.contains(wanted), "{wanted} is not in {error}");
    }
}
