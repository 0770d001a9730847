//! The alerts and the dashboard ask only for what is there: each metric, label and value that they
//! name is one that releases have.

#![allow(clippy::unwrap_used, reason = "helpers of tests are not tests to clippy")]

use std::collections::BTreeSet;

use bluegreen_core::observability::{FAMILIES, Family, Kind};
use bluegreen_core::{DrainOutcome, PhaseName, Verdict};
use serde_json::{Value, from_value};

const RULES: &str = include_str!("../observability/rules.yaml");
const DASHBOARD: &str = include_str!("../observability/dashboard.json");
const COMMON: [&str; 3] = ["cluster", "namespace", "service"];

/// Every string in a document.
fn strings<'a>(value: &'a Value, to: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => to.push(text),
        Value::Array(list) => list.iter().for_each(|it| strings(it, to)),
        Value::Object(fields) => fields.values().for_each(|it| strings(it, to)),
        _ => {}
    }
}

fn is_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

/// The family to which a series of this name belongs.
fn family(series: &str) -> &'static Family {
    let found = FAMILIES.into_iter().find(|family| match family.kind {
        Kind::Histogram { .. } => ["_bucket", "_sum", "_count"]
            .iter()
            .any(|suffix| series.strip_suffix(suffix) == Some(family.name)),
        _ => family.name == series,
    });
    found.unwrap_or_else(|| panic!("no series is called {series}"))
}

/// Whether a label can have this value.
fn can_be(family: &Family, label: &str, value: &str) -> bool {
    let of = || Value::from(value);
    match (family.name, label) {
        (_, "cluster" | "namespace" | "service") => value.starts_with('$'),
        (_, "phase") => from_value::<PhaseName>(of()).is_ok(),
        (_, "verdict") => from_value::<Verdict>(of()).is_ok(),
        (_, "role") => ["gate", "guard", "warm_up"].contains(&value),
        (_, "direction") => ["forward", "back"].contains(&value),
        ("bluegreen_drain_duration_seconds", "outcome") => from_value::<DrainOutcome>(of()).is_ok(),
        ("bluegreen_releases_total", "outcome") => {
            ["released", "concluded", "rolled_back", "refused"].contains(&value)
        }
        _ => false,
    }
}

/// Checks an expression. Says of which families it is.
fn checked(expression: &str) -> BTreeSet<&'static str> {
    let (mut families, mut labels) = (BTreeSet::new(), BTreeSet::from(COMMON));
    for (at, _) in expression.match_indices("bluegreen_") {
        let rest = &expression[at..];
        let end = rest.find(|it| !is_name(it)).unwrap_or(rest.len());
        let family = family(&rest[..end]);
        families.insert(family.name);
        labels.extend(family.labels);
        let matchers = rest[end..].strip_prefix('{').and_then(|it| it.split_once('}'));
        for matcher in matchers.map_or("", |(it, _)| it).split_terminator(',') {
            let (label, wanted) = matcher.split_once('=').unwrap();
            assert!(COMMON.contains(&label) || family.labels.contains(&label), "{expression}");
            for value in wanted.trim_matches(['~', '"']).split('|') {
                assert!(can_be(family, label, value), "{label} is never {value}: {expression}");
            }
        }
    }
    for clause in ["by (", "on ("] {
        for part in expression.split(clause).skip(1) {
            for label in part.split(')').next().unwrap().split(',').map(str::trim) {
                assert!(label == "le" || labels.contains(label), "{label} in {expression}");
            }
        }
    }
    families
}

/// The labels that a text fills in.
fn filled(text: &str) -> Vec<&str> {
    text.split("{{")
        .skip(1)
        .filter_map(|part| part.split_once("}}"))
        .map(|(label, _)| label.trim().trim_start_matches("$labels."))
        .collect()
}

fn has_labels(families: &BTreeSet<&str>, text: &str) {
    for label in filled(text) {
        let known =
            FAMILIES.into_iter().any(|it| families.contains(it.name) && it.labels.contains(&label));
        assert!(known || COMMON.contains(&label), "nothing fills in {label}: {text}");
    }
}

#[test]
fn alerts_ask_for_what_there_is() {
    let rules: Value = serde_saphyr::from_str(RULES).unwrap();
    let rules = rules["groups"][0]["rules"].as_array().unwrap();
    let mut names = BTreeSet::new();
    for rule in rules {
        let families = checked(rule["expr"].as_str().unwrap());
        assert!(!families.is_empty(), "{rule}");
        assert!(names.insert(rule["alert"].as_str().unwrap()), "{rule}");
        let mut texts = Vec::new();
        strings(&rule["annotations"], &mut texts);
        assert_eq!(texts.len(), 2, "{rule}");
        for text in texts {
            has_labels(&families, text);
        }
    }
    for name in ["ReleaseStuck", "ReleaseHeldTooLong", "RolledBack", "GateInconclusive", "DrainCut"]
    {
        assert!(names.contains(&*format!("Bluegreen{name}")), "{name}");
    }
}

#[test]
fn the_dashboard_asks_for_what_there_is_and_shows_all_of_it() {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let mut shown = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            let families = checked(target["expr"].as_str().unwrap());
            has_labels(&families, target["legendFormat"].as_str().unwrap());
            shown.extend(families);
        }
    }
    for family in FAMILIES {
        // When a phase should end is for alerts.
        let is_shown = shown.contains(family.name) || family.name.contains("_deadline_");
        assert!(is_shown, "{} is on no panel", family.name);
    }
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        if let Some(query) = variable["query"]["query"].as_str() {
            assert_eq!(checked(query).len(), 1, "{query}");
        }
    }
}

#[test]
#[should_panic(expected = "no series is called bluegreen_release_stuk")]
fn a_metric_that_is_not_there_is_noticed() {
    checked("sum(bluegreen_release_stuk)");
}

#[test]
#[should_panic(expected = "outcome is never cutt")]
fn a_value_that_is_never_there_is_noticed() {
    checked(r#"bluegreen_drain_duration_seconds_count{outcome="cutt"}"#);
}
