//! Reports of whole releases, of nothing, and of names that are markup.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bluegreen_core::{
    Clock, Color, Evidence, EvidenceKind, Judgement, Outcome, Problem, Progress, Reason, Reporter,
    Routing, Share,
};

use super::*;
use crate::guard::Reading;

const EVIL: &str = "<script>alert('&\"')</script> | `x` @all \u{1b}[2J";

/// A clock that is set.
#[derive(Clone, Default)]
struct Set(Arc<AtomicU64>);

#[async_trait]
impl Clock for Set {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_millis(1_767_225_600_000 + 1000 * self.0.load(Ordering::SeqCst))
    }

    async fn sleep(&self, _: Duration) {}
}

/// A log, and what it is told of.
struct Told {
    clock: Set,
    log: ReleaseLog,
}

impl Told {
    fn new() -> Self {
        let clock = Set::default();
        Self { log: ReleaseLog::with_clock(clock.clone()), clock }
    }

    fn at(&self, second: u64, progress: &Progress) {
        self.clock.0.store(second, Ordering::SeqCst);
        Reporter::report(&self.log, progress);
    }

    fn enters(&self, second: u64, phase: PhaseName) {
        let release = "r1".into();
        let since = self.clock.now();
        self.at(second, &Progress::Entered { release, phase, since, deadline: None });
    }

    fn shifts(&self, second: u64, percent: u32) {
        let routing = Routing::all(Color::Blue).with_candidate(Share::percent(percent));
        let evidence = Evidence::new(EvidenceKind::Endpoints, "seen");
        self.at(second, &Progress::Shifted { routing, evidence, took: Duration::ZERO });
    }

    /// A look of guards of which one has these numbers of both slots.
    fn looks(&self, second: u64, verdict: Verdict, name: &str, [candidate, live]: [f64; 2]) {
        self.clock.0.store(second, Ordering::SeqCst);
        let bounded = |value: f64| Bounded::new(value, [value - 0.01, value + 0.01], 100.0);
        let reading = bounded(candidate).map(|candidate| Reading {
            metric: name.to_owned(),
            scale: Scale::Share,
            at: self.clock.now(),
            verdict,
            candidate,
            live: bounded(live),
        });
        let state = serde_json::json!({
            "version": 1, "guards": [[name, {"version": 1, "told": reading}], ["other", null]],
        });
        let judgement = Judgement::new(verdict, format!("{name} as it is"))
            .with_state(state.to_string().into_bytes());
        self.at(second, &Progress::Judged { validator: "guards".to_owned(), judgement });
    }
}

/// Two steps, of which the second fails.
fn rolled_back(name: &str) -> ReleaseReport {
    let told = Told::new();
    told.enters(1, PhaseName::Deploying);
    told.enters(5, PhaseName::Shifting);
    told.shifts(6, 5);
    told.enters(6, PhaseName::Holding);
    told.looks(10, Verdict::Inconclusive, name, [0.03, 0.02]);
    told.looks(20, Verdict::Pass, name, [0.02, 0.02]);
    told.enters(30, PhaseName::Shifting);
    told.shifts(31, 50);
    told.enters(31, PhaseName::Holding);
    told.looks(40, Verdict::Fail, name, [0.4, 0.02]);
    told.enters(41, PhaseName::Returning);
    told.enters(42, PhaseName::Restoring);
    told.enters(43, PhaseName::Done);
    let reason = Reason::Unfit { message: format!("guard guards: {name}") };
    told.at(43, &Progress::Finished { outcome: Outcome::RolledBack { reason } });
    told.log.snapshot()
}

#[test]
fn a_release_is_told_with_what_was_decided_and_where_traffic_went() {
    let report = rolled_back("errors");
    let found: Vec<String> =
        report.decisions.iter().map(|it| format!("{:?}: {}", it.kind, it.what)).collect();
    let wanted = [
        "Phase: deploying",
        "Phase: shifting",
        "Traffic: blue 95 %, green 5 %",
        "Phase: holding",
        "Safe: guards: pass: errors as it is",
        "Phase: shifting",
        "Traffic: blue 50 %, green 50 %",
        "Phase: holding",
        "Unfit: guards: fail: errors as it is",
        "Return: returning",
        "Traffic: blue 100 %",
        "Phase: restoring",
        "Phase: done",
        "End: rolled back, unfit: guard guards: errors",
    ];
    assert_eq!(found, wanted);
    let green: Vec<f64> = report.shares.points().iter().map(|it| it.green).collect();
    assert_eq!(green, [0.0, 0.05, 0.5, 0.0]);
    let lines = [
        "release: rolled back, unfit: guard guards: errors; blue 100 %, green 0 %",
        "errors: candidate 40.0 % (39.0 % to 41.0 %) of 100, live 2.00 % (1.00 % to 3.00 %) of 100: fail",
        "guards: fail: errors as it is",
    ];
    assert_eq!(report.lines(), lines);
}

#[test]
fn that_traffic_is_back_is_told_once() {
    let told = Told::new();
    told.shifts(1, 50);
    told.enters(2, PhaseName::Returning);
    told.shifts(3, 0);
    told.enters(4, PhaseName::Restoring);
    let report = told.log.snapshot();
    let green: Vec<f64> = report.shares.points().iter().map(|it| it.green).collect();
    assert_eq!(green, [0.0, 0.5, 0.0]);
}

#[test]
fn the_page_shows_traffic_both_slots_and_each_moment() {
    let html = rolled_back("errors").to_html();
    let count = |what: &str| html.matches(what).count();
    assert_eq!(count("<svg"), 2);
    assert_eq!(count("class=\"shown blue\"") + count("class=\"shown green\""), 2);
    assert_eq!(count("class=\"shown candidate\"") + count("class=\"shown live\""), 2);
    assert_eq!(count("class=\"around candidate\"") + count("class=\"around live\""), 2);
    // In both plots: decided safe, unfit and going back, three moves of traffic and the end.
    assert_eq!(count("class=\"decision pass\""), 2);
    assert_eq!(count("class=\"decision fail\""), 4);
    assert_eq!(count("class=\"decision moved\""), 8);
    assert_eq!(count("<h1>release <span class=\"fail\">rolled back"), 1);
    // The candidate's share goes up in the middle, and comes down at the end.
    let green = &html[html.find("class=\"shown green\" points=\"").unwrap() + 28..];
    let green: Vec<f64> = green[..green.find('"').unwrap()]
        .split_whitespace()
        .map(|point| point.split_once(',').unwrap().1.parse().unwrap())
        .collect();
    let height = |share: f64| 10.0 + 160.0 * (1.0 - share);
    let wanted = [0.0, 0.0, 0.05, 0.05, 0.5, 0.5, 0.0, 0.0].map(height);
    assert_eq!(green, wanted);
    assert!(!html.contains("NaN") && !html.contains("inf"), "{html}");
}

#[test]
fn what_is_written_is_read_and_rendered_again() {
    let report = rolled_back("errors");
    let json = report.to_json().unwrap();
    let again = ReleaseReport::from_json(&json).unwrap();
    assert_eq!(again, report);
    assert_eq!(again.to_html(), report.to_html());
    assert_eq!(again.to_markdown(), report.to_markdown());
    for (from, to, said) in [
        ("\"format\": 1", "\"format\": 2", "found the format 2, wanted 1"),
        ("\"left_out\"", "\"left_in\"", "unknown field `left_in`"),
        ("{", "", "expected"),
    ] {
        let error = ReleaseReport::from_json(&json.replacen(from, to, 1)).unwrap_err();
        assert!(error.chain().contains(said), "{}", error.chain());
        assert_eq!(error.kind(), ErrorKind::Rejected);
    }
}

#[test]
fn another_process_goes_on_with_the_report() {
    let report = rolled_back("errors");
    let log = ReleaseLog::resuming(Set::default(), report.clone());
    Reporter::report(&log, &Progress::TakenOver { by: None });
    let grown = log.snapshot();
    assert_eq!(grown.decisions.len(), report.decisions.len() + 1);
    assert_eq!((grown.began, grown.until), (report.began, report.until));
    let told = Told { clock: Set::default(), log };
    told.enters(1, PhaseName::Done);
    assert_eq!(told.log.snapshot().decisions.len(), report.decisions.len() + 1);
    // And begins anew with another release.
    let (release, phase) = ("r2".into(), PhaseName::Preflight);
    let since = Timestamp::default();
    told.at(2, &Progress::Entered { release, phase, since, deadline: None });
    assert_eq!(told.log.snapshot().decisions.len(), 1);
}

#[test]
fn nothing_in_a_report_is_markup_or_moves_a_cursor() {
    let report = rolled_back(EVIL);
    let html = report.to_html();
    assert!(!html.contains("<script") && !html.contains("alert('"), "{html}");
    assert!(html.contains("default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'"));
    let markdown = report.to_markdown();
    assert!(!markdown.contains("<script") && !markdown.contains("@all"), "{markdown}");
    for row in markdown.lines().filter(|line| line.starts_with('|')) {
        let bars = row.replace("\\|", "").matches('|').count();
        assert!(bars == 7 || bars == 3, "{row}");
    }
    let lines = report.lines();
    assert!(lines.iter().all(|line| !line.contains(char::is_control)), "{lines:?}");
}

#[test]
fn of_nothing_there_is_a_report_too() {
    let told = Told::new();
    let report = told.log.snapshot();
    assert_eq!(report.lines(), ["release: not begun"]);
    assert!(
        report.to_html().contains("No traffic was moved.") && !report.to_html().contains("<svg")
    );
    assert!(report.to_markdown().starts_with("## release: not begun"));
    assert_eq!(ReleaseReport::from_json(&report.to_json().unwrap()).unwrap(), report);
}

#[test]
fn what_is_no_number_is_not_plotted() {
    let told = Told::new();
    told.shifts(1, 50);
    told.looks(2, Verdict::Inconclusive, "errors", [f64::NAN, 0.02]);
    assert_eq!(told.log.snapshot().metrics, []);
    told.looks(3, Verdict::Inconclusive, "errors", [0.02, f64::NAN]);
    let report = told.log.snapshot();
    let html = report.to_html();
    assert!(!html.contains("NaN") && !html.contains("inf"), "{html}");
    assert!(html.contains("class=\"shown live\" points=\"\""), "{html}");
    assert!(ReleaseReport::from_json(&report.to_json().unwrap()).unwrap() == report);
}

#[test]
fn a_release_of_many_days_takes_bounded_room_and_keeps_where_traffic_went() {
    let told = Told::new();
    told.shifts(1, 50);
    for number in 0..20_000_u64 {
        let verdict = if number % 2 == 0 { Verdict::Pass } else { Verdict::Inconclusive };
        let value = f64::from(u32::try_from(number % 100).unwrap()) / 100.0;
        told.looks(2 + 15 * number, verdict, "errors", [value, 0.02]);
    }
    told.at(400_000, &Progress::Warned { problem: Problem::new("code", "object") });
    let report = told.log.snapshot();
    assert_eq!(report.metrics[0].points.count(), 20_000);
    assert!(report.metrics[0].points.points().len() <= 400);
    assert_eq!(report.decisions.len(), 400);
    assert_eq!(report.left_out, 20_002 - 400);
    assert_eq!(report.decisions[0].kind, DecisionKind::Traffic);
    assert_eq!(report.decisions[399].kind, DecisionKind::Warning);
    assert!(report.to_json().unwrap().len() < 512 * 1024);
}
