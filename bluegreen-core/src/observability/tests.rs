use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, to_value};

use super::family::COMMON;
use super::*;
use crate::memory::{MemoryCluster, TokioClock};
use crate::{
    Actor, Color, Configuration, DrainOutcome, Judgement, Outcome, PhaseName, Ports, Progress,
    Reason, Reporter, Stuck, Timestamp, Verdict, Winner,
};

fn ports() -> Ports {
    let live = Configuration::new([].into());
    let cluster = MemoryCluster::builder("agent", live).clock(TokioClock::default()).build();
    cluster.ports("one").with_cluster("test").with_namespace("ai-agents")
}

/// Metrics, and the text that they are so far.
fn metrics() -> (ReleaseMetrics, Arc<Exposition>) {
    let exposition = Arc::new(Exposition::new());
    (ReleaseMetrics::new(&ports(), exposition.clone()), exposition)
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix_millis(seconds * 1_000)
}

fn entered(phase: PhaseName, since: u64) -> Progress {
    Progress::Entered { release: "r1".into(), phase, since: at(since), deadline: None }
}

fn judged(verdict: Verdict) -> Progress {
    Progress::Judged { validator: "smoke".into(), judgement: Judgement::new(verdict, "said") }
}

/// The value of the series of this name with these labels besides those that all have.
fn value(exposition: &Exposition, name: &str, labels: &str) -> String {
    let comma = if labels.is_empty() { "" } else { "," };
    let common = r#"cluster="test",namespace="ai-agents",service="agent""#;
    let start = format!("{name}{{{common}{comma}{labels}}} ");
    let text = exposition.text();
    let found = text.lines().find_map(|line| line.strip_prefix(&start));
    found.unwrap_or_else(|| panic!("no {start} in\n{text}")).to_owned()
}

#[test]
fn names_and_units_are_what_prometheus_wants() {
    let mut names = BTreeSet::new();
    for family in FAMILIES {
        let name = family.name;
        assert!(names.insert(name), "{name} is there twice");
        assert!(name.starts_with("bluegreen_"), "{name}");
        assert!(name.bytes().all(|it| it.is_ascii_lowercase() || it == b'_'), "{name}");
        assert_eq!(name.ends_with("_total"), family.kind == Kind::Counter, "{name}");
        if let Kind::Histogram { buckets } = family.kind {
            assert!(name.ends_with("_seconds"), "{name}");
            assert!(buckets.is_sorted_by(|a, b| a < b), "{name}");
        }
        for label in family.labels {
            assert!(!COMMON.contains(label) && *label != "le", "{name}: {label}");
        }
    }
}

#[test]
fn words_for_programs_are_those_that_are_stored() {
    let message = || "said".to_owned();
    let actor = || Actor::new("ann");
    let reasons = [
        Reason::Aborted { actor: actor(), reason: message() },
        Reason::Requested { actor: actor(), reason: message() },
        Reason::Unfit { message: message() },
        Reason::Failed { message: message() },
        Reason::Undecided { message: message() },
        Reason::External { found: message() },
        Reason::Concluded { winner: Winner::Live },
    ];
    let (_, exposition) = metrics();
    for reason in reasons {
        assert_eq!(to_value(&reason).unwrap()["name"], reason.key());
        let labels = format!(r#"outcome="rolled_back",reason="{}""#, reason.key());
        // There before anything has happened, so that the first one is an increase.
        assert_eq!(value(&exposition, "bluegreen_releases_total", &labels), "0");
        let outcome = Outcome::RolledBack { reason };
        assert_eq!(to_value(&outcome).unwrap()["name"], outcome.key());
    }
    let concluded = Outcome::Concluded { winner: Winner::Candidate };
    for outcome in [Outcome::Released, concluded, Outcome::Refused { problems: Vec::new() }] {
        assert_eq!(to_value(&outcome).unwrap()["name"], outcome.key());
        let labels = format!(r#"outcome="{}""#, outcome.key());
        assert_eq!(value(&exposition, "bluegreen_releases_total", &labels), "0");
    }
    for phase in to_phases() {
        assert_eq!(to_value(phase).unwrap(), phase.key());
    }
    for outcome in [DrainOutcome::Quiet, DrainOutcome::Unmeasured, DrainOutcome::Cut] {
        assert_eq!(to_value(outcome).unwrap(), outcome.as_str());
    }
    for verdict in [Verdict::Pass, Verdict::Fail, Verdict::Inconclusive] {
        assert_eq!(to_value(verdict).unwrap(), verdict.key());
    }
}

/// Every phase there is, by the words of their texts.
fn to_phases() -> Vec<PhaseName> {
    let words = "preflight running_hook deploying rolling_out warming_up validating \
                 awaiting_approval frozen awaiting_group shifting holding baking draining \
                 unpinning retiring returning keeping_failed restoring done";
    let read = |word| serde_json::from_value(Value::from(word)).unwrap();
    words.split_whitespace().map(read).collect()
}

#[test]
fn a_phase_lasts_from_when_it_began_and_ends_with_the_next() {
    let (metrics, exposition) = metrics();
    let took = |labels: &str| value(&exposition, "bluegreen_phase_duration_seconds_sum", labels);
    let now =
        |phase: &str| value(&exposition, "bluegreen_release_phase", &format!(r#"phase="{phase}""#));
    let entered_at = || value(&exposition, "bluegreen_release_phase_entered_timestamp_seconds", "");
    metrics.report(&entered(PhaseName::Validating, 100));
    assert_eq!((now("validating"), entered_at()), ("1".to_owned(), "100".to_owned()));
    metrics.report(&judged(Verdict::Pass));
    metrics.report(&entered(PhaseName::Baking, 107));
    metrics.report(&judged(Verdict::Inconclusive));
    // A guard fails, and the way back is a phase like any other.
    metrics.report(&entered(PhaseName::Returning, 137));
    assert_eq!(took(r#"phase="validating",outcome="completed""#), "7");
    assert_eq!(took(r#"phase="baking",outcome="returned""#), "30");
    assert_eq!((now("baking"), now("returning")), ("0".to_owned(), "1".to_owned()));
    metrics.report(&entered(PhaseName::Done, 139));
    let reason = Reason::Unfit { message: "errors".to_owned() };
    metrics.report(&Progress::Finished { outcome: Outcome::RolledBack { reason } });
    assert_eq!(took(r#"phase="returning",outcome="completed""#), "2");
    assert_eq!((now("returning"), entered_at()), ("0".to_owned(), "0".to_owned()));
    let ended = r#"outcome="rolled_back",reason="unfit""#;
    assert_eq!(value(&exposition, "bluegreen_releases_total", ended), "1");
    let verdicts = |labels| value(&exposition, "bluegreen_verdicts_total", labels);
    assert_eq!(verdicts(r#"role="gate",validator="smoke",verdict="pass""#), "1");
    assert_eq!(verdicts(r#"role="guard",validator="smoke",verdict="inconclusive""#), "1");
}

#[test]
fn a_release_called_off_before_anything_returns_ended_where_it_was() {
    let (metrics, exposition) = metrics();
    metrics.report(&entered(PhaseName::Deploying, 5));
    metrics.report(&entered(PhaseName::Done, 6));
    let reason = Reason::Aborted { actor: Actor::new("ann"), reason: String::new() };
    metrics.report(&Progress::Finished { outcome: Outcome::RolledBack { reason } });
    let labels = r#"phase="deploying",outcome="returned""#;
    assert_eq!(value(&exposition, "bluegreen_phase_duration_seconds_count", labels), "1");
}

#[tokio::test]
async fn what_is_stuck_paused_or_taken_over_can_be_told_apart() {
    let (metrics, exposition) = metrics();
    let gauge = |name: &str| value(&exposition, &format!("bluegreen_release_{name}"), "");
    let ends = |outcome: &str| {
        let labels = format!(r#"phase="holding",outcome="{outcome}""#);
        value(&exposition, "bluegreen_phase_duration_seconds_count", &labels)
    };
    metrics.report(&entered(PhaseName::Holding, 1));
    metrics.report(&Progress::Paused { by: Some(Actor::new("ann")) });
    assert_eq!((gauge("paused"), gauge("stuck")), ("1".to_owned(), "0".to_owned()));
    metrics.report(&Progress::Paused { by: None });
    let stuck = Stuck::new(PhaseName::Holding, "traffic was moved", "put it back");
    metrics.report(&Progress::Finished { outcome: Outcome::Stuck { stuck } });
    assert_eq!((gauge("paused"), gauge("stuck")), ("0".to_owned(), "1".to_owned()));
    // It is not over, and is still in that phase.
    let now = || value(&exposition, "bluegreen_release_phase", r#"phase="holding""#);
    assert_eq!((ends("stuck"), now()), ("1".to_owned(), "1".to_owned()));
    assert!(!exposition.text().contains(r#"outcome="stuck",reason"#));
    metrics.report(&entered(PhaseName::Holding, 1));
    assert_eq!(gauge("stuck"), "0");
    metrics.report(&Progress::TakenOver { by: Some("two".into()) });
    assert_eq!((ends("lost"), now()), ("1".to_owned(), "0".to_owned()));
    assert_eq!(gauge("phase_entered_timestamp_seconds"), "0");
}

#[test]
fn a_move_has_a_direction_and_a_drain_an_end() {
    let (metrics, exposition) = metrics();
    let shifted = |took| Progress::Shifted {
        routing: crate::Routing::all(Color::Green),
        evidence: crate::Evidence::new(crate::EvidenceKind::Endpoints, "seen"),
        took,
    };
    // Another process gives traffic back: it tells of no phase.
    metrics.report(&shifted(Duration::from_secs(2)));
    metrics.report(&entered(PhaseName::Shifting, 1));
    metrics.report(&shifted(Duration::from_millis(20)));
    let switch = |direction: &str| {
        let labels = format!(r#"direction="{direction}""#);
        value(&exposition, "bluegreen_switch_duration_seconds_sum", &labels)
    };
    assert_eq!((switch("forward"), switch("back")), ("0.02".to_owned(), "2".to_owned()));
    let draining = |in_flight| Progress::Draining {
        slot: Color::Blue,
        in_flight,
        unknown: None,
        deadline: at(9),
    };
    let in_flight = || value(&exposition, "bluegreen_drain_in_flight", "");
    metrics.report(&draining(Some(3)));
    assert_eq!(in_flight(), "3");
    metrics.report(&draining(None));
    assert_eq!(in_flight(), "NaN");
    let (slot, outcome) = (Color::Blue, DrainOutcome::Cut);
    let (took, note) = (Duration::from_mins(30), String::new());
    metrics.report(&Progress::Drained { slot, outcome, took, note });
    let drained = |suffix| {
        let name = format!("bluegreen_drain_duration_seconds_{suffix}");
        value(&exposition, &name, r#"outcome="cut""#)
    };
    assert_eq!((drained("sum"), in_flight()), ("1800".to_owned(), "0".to_owned()));
}

#[test]
fn every_sample_has_the_labels_of_its_family_and_no_others() {
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let kept = seen.clone();
    let sink = move |family: &'static Family, labels: &[(&'static str, &str)], _: f64| {
        let names: Vec<&str> = labels.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, [&COMMON, family.labels].concat(), "{}", family.name);
        kept.lock().unwrap().insert(family.name);
    };
    let metrics = ReleaseMetrics::new(&ports(), Arc::new(sink));
    metrics.report(&entered(PhaseName::Shifting, 1));
    metrics.report(&judged(Verdict::Fail));
    let evidence = crate::Evidence::new(crate::EvidenceKind::Endpoints, "seen");
    let (routing, took) = (crate::Routing::all(Color::Green), Duration::ZERO);
    metrics.report(&Progress::Shifted { routing, evidence, took });
    let (slot, outcome, note) = (Color::Blue, DrainOutcome::Quiet, String::new());
    metrics.report(&Progress::Drained { slot, outcome, took, note });
    metrics.report(&entered(PhaseName::Done, 2));
    metrics.report(&Progress::Finished { outcome: Outcome::Released });
    let all: BTreeSet<&str> = FAMILIES.iter().map(|family| family.name).collect();
    assert_eq!(*seen.lock().unwrap(), all);
}

static SIZES: Family = Family {
    name: "sizes",
    help: "Sizes.",
    kind: Kind::Histogram { buckets: &[0.5, 1.0] },
    labels: &["kind"],
};

#[test]
fn the_text_is_what_prometheus_reads() {
    let exposition = Exposition::new();
    for value in [0.25, 0.5, 0.75, 8.0] {
        exposition.record(&SIZES, &[("kind", "a\"b\\c\nd")], value);
    }
    let wanted = r#"# HELP sizes Sizes.
# TYPE sizes histogram
sizes_bucket{kind="a\"b\\c\nd",le="0.5"} 2
sizes_bucket{kind="a\"b\\c\nd",le="1"} 3
sizes_bucket{kind="a\"b\\c\nd",le="+Inf"} 4
sizes_sum{kind="a\"b\\c\nd"} 9.5
sizes_count{kind="a\"b\\c\nd"} 4
"#;
    assert_eq!(exposition.text(), wanted);
    let bare = Exposition::new();
    bare.record(&SIZES, &[("kind", "")], 1.0);
    assert!(bare.text().ends_with("sizes_bucket{le=\"+Inf\"} 1\nsizes_sum 1\nsizes_count 1\n"));
}
