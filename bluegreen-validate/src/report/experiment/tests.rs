//! Reports of every ending, and names that are markup.

use super::*;
use crate::experiment::{OutcomeConfig, Void};

const EVIL: &str = "<script>alert('&\"')</script> | `x` @all";

fn effect(number: u32) -> Effect {
    let units = u64::from(number) * 100;
    let width = 0.5 / f64::from(number).sqrt();
    let json = serde_json::json!({
        "candidate_units": units, "live_units": units + 1, "candidate": 0.74, "live": 0.70,
        "difference": 0.04, "lower": 0.04 - width, "upper": 0.04 + width,
    });
    serde_json::from_value(json).unwrap()
}

fn report(conclusion: Option<Conclusion>) -> ExperimentReport {
    let at = |minutes: u64| {
        Timestamp::from_unix_millis(1_767_225_600_000).plus(std::time::Duration::from_mins(minutes))
    };
    let arm = |color: Color, version: &str| ArmReport {
        color,
        version: Some(version.to_owned()),
        digest: "sha256:0".to_owned(),
        exposed: 5100,
        contaminated: 20,
    };
    let outcome = |config: OutcomeConfig, effect: Option<Effect>| OutcomeReport {
        metric: config.metric,
        kind: config.kind,
        better: config.better,
        margin: config.margin,
        effect,
    };
    let ended = conclusion.is_some().then(|| at(50));
    ExperimentReport {
        name: EVIL.to_owned(),
        unit: Unit::Conversation,
        share: 0.5,
        alpha: 0.05,
        candidate: arm(Color::Green, EVIL),
        live: arm(Color::Blue, "1"),
        foreign: 3,
        refused: 0,
        ratio: 0.3,
        ratio_limit: 4.6,
        began: at(0),
        until: at(50),
        ended,
        winner: conclusion.as_ref().and_then(|it| it.winner(Winner::Live)),
        conclusion,
        primary: outcome(OutcomeConfig::rate(EVIL), Some(effect(50))),
        guardrails: vec![outcome(OutcomeConfig::mean("cost", 0.005).better(Better::Lower), None)],
        looks: (1..=50).map(|it| LookReport { at: at(it.into()), effect: effect(it) }).collect(),
    }
}

fn endings() -> Vec<Option<Conclusion>> {
    let (found, wanted) = (EVIL.to_owned(), "half of them".to_owned());
    vec![
        None,
        Some(Conclusion::CandidateBetter),
        Some(Conclusion::LiveBetter),
        Some(Conclusion::NoDifference),
        Some(Conclusion::UndecidedAtHorizon),
        Some(Conclusion::Harm { metric: EVIL.to_owned(), found: EVIL.to_owned() }),
        Some(Conclusion::Void { reason: Void::SampleRatio, found, wanted }),
    ]
}

#[test]
fn every_ending_is_told_and_read_again() {
    for conclusion in endings() {
        let report = report(conclusion);
        let json = report.to_json().unwrap();
        assert_eq!(serde_json::from_str::<ExperimentReport>(&json).unwrap(), report);
        let decision = report.decision();
        let shown = decision.replace('<', "&lt;");
        let word = shown.split(['&', '<']).next().unwrap();
        assert!(report.to_markdown().contains(word), "{}", report.to_markdown());
        assert!(report.to_html().contains(word), "{word}");
    }
}

#[test]
fn nothing_in_a_report_is_markup() {
    for conclusion in endings() {
        let report = report(conclusion);
        let html = report.to_html();
        assert!(!html.contains("<script") && !html.contains("alert('"), "{html}");
        assert!(html.contains("default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'"));
        let markdown = report.to_markdown();
        assert!(!markdown.contains("<script") && !markdown.contains("@all"), "{markdown}");
        let rows = markdown.lines().filter(|line| line.starts_with('|'));
        for row in rows {
            let bars = row.replace("\\|", "").matches('|').count();
            assert_eq!(bars, 8, "{row}");
        }
    }
}

#[test]
fn the_plot_shows_effect_bounds_margin_and_decision() {
    let html = report(Some(Conclusion::CandidateBetter)).to_html();
    let points = |class: &str| {
        let from = html.find(class).unwrap();
        let from = from + html[from..].find("points=\"").unwrap() + 8;
        let length = html[from..].find('"').unwrap();
        html[from..from + length].split_whitespace().count()
    };
    assert_eq!(points("class=\"effect\""), 50);
    assert_eq!(points("class=\"band\""), 100);
    assert_eq!(html.matches("class=\"margin\"").count(), 2);
    assert_eq!(html.matches("class=\"decision pass\"").count(), 1);
    assert!(!html.contains("NaN") && !html.contains("inf"), "{html}");
}

#[test]
fn without_looks_there_is_no_plot() {
    let mut report = report(None);
    report.looks.clear();
    report.primary.effect = None;
    let html = report.to_html();
    assert!(html.contains("Nothing could be compared yet.") && !html.contains("<svg"));
    report.looks = vec![LookReport { at: report.began, effect: effect(1) }];
    assert!(report.to_html().contains("<svg"));
    let mut broken = effect(1);
    broken.upper = f64::INFINITY;
    report.looks = vec![LookReport { at: report.began, effect: broken }];
    assert!(!report.to_html().contains("<svg"));
}

#[test]
fn a_state_of_something_else_is_refused() {
    let config = ExperimentConfig::default();
    for state in ["", "{}", "{\"version\":1}", "{\"version\":7}"] {
        let error = ExperimentReport::of(&config, state.as_bytes()).unwrap_err();
        assert_eq!(error.kind(), bluegreen_core::ErrorKind::Rejected, "{state}");
    }
}
