//! Settings that make no sense, and plans that do not fit.

use bluegreen_core::clock::days;
use bluegreen_core::plan::Experiment as Planned;

use super::*;
#[cfg(feature = "yaml")]
use crate::experiment::Horizon;

#[test]
fn the_defaults_have_no_problems_and_fit_the_plan_for_experiments() {
    let config = ExperimentConfig::default();
    assert_eq!(config.problems(), []);
    let mut plan = Plan::experiment(50);
    plan.experiment = Some(Planned::default());
    let [problem] = &config.against(&plan)[..] else { panic!("{:?}", config.against(&plan)) };
    assert_eq!(
        problem.to_string(),
        "plan, experiment.primary: found nothing, wanted \"experiment\", which decides it \
         [experiment-plan]"
    );
    plan.experiment.get_or_insert_default().primary = Some("experiment".to_owned());
    assert_eq!(config.against(&plan), []);
}

#[test]
fn all_problems_come_at_once() {
    let text = r#"{
      "share": 1.0, "alpha": 0, "ratio_alpha": 0.7, "contamination": -0.1, "min_units": 1,
      "timeout": "0s", "horizon": {"time": "0s", "units": 1}, "name": "",
      "primary": {"metric": "a", "margin": 1.5},
      "guardrails": [{"metric": "a", "kind": "mean", "margin": 0, "missing": "zero"}]
    }"#;
    let error = ExperimentConfig::parse("ab.json", text).unwrap_err();
    let objects: Vec<&str> = error.problems().iter().map(|it| it.object.as_str()).collect();
    let told = error.to_string();
    for key in [
        "share",
        "alpha",
        "ratio_alpha",
        "contamination",
        "min_units",
        "timeout",
        "horizon.time",
        "horizon.units",
        "name",
        "primary.margin",
        "guardrails[0].metric",
        "guardrails[0].margin",
        "guardrails[0].missing",
    ] {
        let has = |object: &&str| object.ends_with(&format!(", {key}"));
        assert!(objects.iter().any(has), "{key}: {told}");
    }
    assert!(objects.iter().all(|object| object.starts_with("ab.json:")), "{objects:?}");
}

#[test]
fn an_unknown_field_is_refused_by_name() {
    let error = ExperimentConfig::parse("ab.json", r#"{"primry": {}}"#).unwrap_err();
    assert!(error.to_string().contains("primry"), "{error}");
}

#[cfg(feature = "yaml")]
#[test]
fn the_example_in_the_documentation_is_one() {
    let text = "name: refund-prompt\nunit: conversation\nshare: 0.5\n\
        primary: { metric: completed, kind: rate, better: higher, margin: 0.02, settle: 1h }\n\
        guardrails:\n  - { metric: cost, kind: mean, better: lower, margin: 0.005 }\n\
        horizon: { time: 14d, units: 40000 }\n";
    let config = ExperimentConfig::parse("ab.yaml", text).unwrap();
    assert_eq!(config.horizon, Horizon { time: Some(days(14)), units: Some(40_000) });
    assert_eq!(config.guardrails[0].better, crate::guard::Better::Lower);
    assert_eq!(config.primary.settle, Duration::from_hours(1));
    let json = serde_json::to_string(&config).unwrap();
    assert_eq!(ExperimentConfig::parse("ab.json", &json).unwrap(), config);
}

#[test]
fn a_plan_that_never_gets_there_or_ends_too_soon_is_refused() {
    let config = ExperimentConfig { share: 0.25, ..ExperimentConfig::default() };
    let mut plan = Plan::experiment(50);
    plan.experiment.get_or_insert_default().primary = Some("experiment".to_owned());
    let told = |plan: &Plan| {
        config.against(plan).iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    };
    assert!(told(&plan).contains("wanted a step with the share 25 %"), "{}", told(&plan));
    let mut plan = Plan::experiment(25);
    plan.experiment.get_or_insert_default().primary = Some("experiment".to_owned());
    plan.steps[0].until = Until::Decided { horizon: days(7) };
    plan.steps.insert(0, bluegreen_core::plan::Step::new(Share::percent(5)));
    let told_ = told(&plan);
    assert!(told_.contains("plan, steps[0].on_undecided: found"), "{told_}");
    assert!(told_.contains("found 7days, wanted at least 14days"), "{told_}");
    plan.steps[0].on_undecided = OnUndecided::Proceed;
    plan.steps[1].until = Until::Decided { horizon: days(14) };
    assert_eq!(config.against(&plan), []);
}

#[test]
fn a_horizon_before_anything_can_be_known_is_refused() {
    let mut config = ExperimentConfig::default();
    config.horizon.time = Some(days(2));
    config.primary.settle = days(2);
    config.guardrails = vec![OutcomeConfig::mean("cost", 1.0).settling(days(3), Missing::LeaveOut)];
    let told: Vec<String> = config.problems().iter().map(ToString::to_string).collect();
    let [primary, guardrail] = &told[..] else { panic!("{told:?}") };
    assert!(
        primary.contains("primary.settle: found 2days, wanted less than 2days, the horizon's time"),
        "{primary}"
    );
    assert!(guardrail.contains("guardrails[0].settle: found 3days"), "{guardrail}");
    config.horizon.time = Some(days(4));
    assert_eq!(config.problems(), []);
    for (share, least) in [(0.5, 200), (0.1, 1000), (0.9, 1000)] {
        config.share = share;
        config.horizon.units = Some(least);
        assert_eq!(config.problems(), [], "{share}");
        config.horizon.units = Some(least - 1);
        let told: Vec<String> = config.problems().iter().map(ToString::to_string).collect();
        let wanted = format!(
            "horizon.units: found {}, wanted at least {least}, with which both arms have 100",
            least - 1
        );
        assert!(told.len() == 1 && told[0].contains(&wanted), "{told:?}");
    }
}
