//! Routes that match the same requests: the older one gets them all.

use std::collections::{BTreeMap, BTreeSet};

use bluegreen_core::Problem;
use serde_json::Value;

use crate::route::name::RouteName;
use crate::route::object::Object;
use crate::route::rule::{Rule, Slots};
use crate::route::status::in_words;

/// Problems of `ours` with each other and with any of `all`.
pub(super) fn problems(
    ours: &[&Object],
    all: &BTreeMap<RouteName, Object>,
    slots: &Slots,
    object: &dyn Fn(&RouteName) -> String,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for one in ours {
        let taken = requests(one, |rule| matches!(slots.read(rule), Rule::Both(_)));
        let others = all.values().filter(|other| {
            let is_named_twice = ours.iter().any(|it| it.name == other.name);
            // Two of ours are told of once.
            other.name.kind == one.name.kind && (other.name > one.name || !is_named_twice)
        });
        for other in others.filter(|other| other.name != one.name) {
            if let Some(same) = requests(other, |_| true).intersection(&taken).next() {
                problems.push(
                    Problem::new("same-match", object(&one.name))
                        .found(format!("{} matches the same: {same}", other.name))
                        .wanted("requests that only one route matches: the older one gets them"),
                );
            }
        }
    }
    problems
}

/// What the rules of a route match, one text for each parent, host and match.
fn requests(route: &Object, is_wanted: impl Fn(&Value) -> bool) -> BTreeSet<String> {
    let spec = &route.whole.data["spec"];
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut hosts: Vec<String> =
        list(&spec["hostnames"]).iter().filter_map(|it| it.as_str().map(str::to_owned)).collect();
    if hosts.is_empty() {
        hosts.push("any host".to_owned());
    }
    let mut requests = BTreeSet::new();
    for parent in list(&spec["parentRefs"]).iter().map(in_words) {
        for host in &hosts {
            for rule in route.rules.iter().filter(|rule| is_wanted(rule)) {
                for one in list(&rule["matches"]) {
                    requests.insert(format!("{parent}, {host}, {one}"));
                }
            }
        }
    }
    requests
}
