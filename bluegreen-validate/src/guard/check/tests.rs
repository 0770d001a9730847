use bluegreen_core::memory::MemoryMetrics;
use bluegreen_core::{Plan, Validator};

use super::*;
use crate::{ErrorRate, Guard, Guards, Mean, Quantile, Threshold};

fn objects(problems: &[Problem]) -> Vec<&str> {
    problems.iter().map(|problem| problem.object.as_str()).collect()
}

#[test]
fn the_defaults_are_those_of_the_design() {
    let source = MemoryMetrics::new();
    let errors = ErrorRate::from(source.clone());
    assert_eq!((errors.config().alpha, errors.config().margin), (0.05, 0.01));
    assert_eq!(errors.config().sampling.min_units, 100);
    assert_eq!(Mean::from(source.clone()).config().margin, Margin::Ratio(1.2));
    let latency = Quantile::from(source);
    assert_eq!((latency.config().quantile, latency.config().ratio), (0.95, 1.25));
}

#[test]
fn all_problems_come_at_once() {
    let source = MemoryMetrics::new();
    let mut sampling = Sampling { min_units: 0, ..Sampling::default() };
    sampling.stale = Duration::from_secs(1);
    sampling.timeout = Duration::ZERO;
    let errors = ErrorRate::from(source.clone())
        .named("")
        .metric(bluegreen_core::Metric::new("a\nb"))
        .alpha(1.0)
        .margin(0.0)
        .sampling(sampling);
    assert_eq!(
        objects(&errors.problems()),
        [
            ", name",
            ", metric",
            ", sampling.min_units",
            ", sampling.timeout",
            ", sampling.stale",
            ", alpha",
            ", margin"
        ]
    );
    for alpha in [0.0, -1.0, 0.5, f64::NAN] {
        assert_eq!(ErrorRate::from(source.clone()).alpha(alpha).problems().len(), 1, "{alpha}");
    }
    let mean = Mean::from(source.clone()).margin(Margin::Ratio(1.0));
    assert_eq!(objects(&mean.problems()), ["cost, margin.ratio"]);
    let mean = Mean::from(source.clone()).margin(Margin::Difference(f64::INFINITY));
    assert_eq!(objects(&mean.problems()), ["cost, margin.difference"]);
    let quantile = Quantile::from(source.clone()).quantile(95.0).ratio(0.9);
    assert_eq!(objects(&quantile.problems()), ["latency, quantile", "latency, ratio"]);
    let none = Threshold::from(source.clone()).failures(0);
    assert_eq!(objects(&none.problems()), ["threshold, at_most", "threshold, failures"]);
    let crossed = Threshold::from(source).at_most(1.0).at_least(f64::NAN).at_least(2.0);
    assert_eq!(objects(&crossed.problems()), ["threshold, at_least"]);
}

#[tokio::test]
async fn a_plan_without_anything_to_compare_with_is_refused() {
    let sampling = Sampling { history: Duration::ZERO, ..Sampling::default() };
    let guard = ErrorRate::from(MemoryMetrics::new()).sampling(sampling);
    let problems = guard.check(&Plan::all_at_once()).await.unwrap();
    assert_eq!(objects(&problems), ["error-rate, sampling.history"]);
    assert_eq!(guard.check(&Plan::canary([5])).await.unwrap(), []);
}

#[test]
fn a_group_names_the_guard_and_its_place() {
    let text = r#"{
  "alpha": 2,
  "guards": [
    {"error_rate": {"margin": -1}},
    {"mean": {"name": "error-rate", "alpha": 0.01}},
    {"quantile": {"ratoi": 2}}
  ]
}"#;
    let error = GuardsConfig::parse("guards.json", text).unwrap_err();
    let objects = objects(error.problems());
    assert_eq!(
        objects,
        [
            "guards.json:2:12, guards, alpha",
            "guards.json:4:31, guards, guards[0].error_rate.margin",
            "guards.json:5:23, guards, guards[1].mean.name",
            "guards.json:5:46, guards, guards[1].mean.alpha",
            "guards.json:6:28, guards[2].quantile.ratoi"
        ]
    );
    assert_eq!(Guards::all([]).problems().len(), 1);
    let many = (0..9).map(|number| {
        Quantile::from(MemoryMetrics::new()).named(format!("latency-{number}")).into()
    });
    let problems = Guards::all(many).problems();
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].found, "9 guards of quantiles");
}

#[test]
fn a_group_reads_back_what_it_wrote() {
    let source = MemoryMetrics::new();
    let guards = Guards::all([
        Guard::from(ErrorRate::from(source.clone()).margin(0.02)),
        Mean::from(source.clone()).margin(Margin::Difference(3.0)).into(),
        Quantile::from(source.clone()).into(),
        Threshold::from(source.clone()).at_most(3.0).statistic(Statistic::Quantile(0.5)).into(),
    ]);
    let text = serde_json::to_string(&guards.config()).unwrap();
    let config = GuardsConfig::parse("guards.json", &text).unwrap();
    assert_eq!(config, guards.config());
    let digest = guards.config_digest();
    assert_eq!(Guards::new(config, source.clone()).config_digest(), digest);
    assert_ne!(guards.alpha(0.01).config_digest(), digest);
}

/// A release that resumes must find the same settings: these digests may never change.
#[test]
fn digests_are_the_same_for_ever() {
    let source = MemoryMetrics::new();
    let text = crate::canonical::canonical(
        &serde_json::to_value(ErrorRate::from(source.clone()).config()).unwrap(),
    );
    assert_eq!(
        text,
        concat!(
            r#"{"alpha":0.05,"margin":0.01,"metric":"errors","name":"error-rate","query":"","#,
            r#""sampling":{"history":"1h","lag":"0s","min_units":100,"stale":"5m","#,
            r#""timeout":"10s","window":"10s"}}"#
        )
    );
    assert_eq!(ErrorRate::from(source).config_digest().short(), "96f41b33");
}
