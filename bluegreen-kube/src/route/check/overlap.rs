//! Routes that match the same requests: the older one gets them all.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use bluegreen_core::Problem;
use serde_json::Value;

use crate::printable::printable;
use crate::route::name::RouteName;
use crate::route::object::Object;
use crate::route::rule::{Rule, Slots};
use crate::route::status::{in_words, key, parents};

/// Problems of `ours` with each other and with any of `all`.
pub(super) fn problems(
    ours: &[&Object],
    all: &BTreeMap<RouteName, Object>,
    slots: &Slots,
    object: &dyn Fn(&RouteName) -> String,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for one in ours {
        let taken = Requests::of(one, |rule| matches!(slots.read(rule), Rule::Both(_)));
        let others = all.values().filter(|other| {
            let is_named_twice = ours.iter().any(|it| it.name == other.name);
            // Two of ours are told of once.
            other.name.kind == one.name.kind && (other.name > one.name || !is_named_twice)
        });
        for other in others.filter(|other| other.name != one.name) {
            if let Some(same) = Requests::of(other, |_| true).in_common(&taken) {
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

/// What the rules of a route match: each of the matches, for each host, from each parent.
struct Requests<'a> {
    parents: BTreeMap<[String; 6], String>,
    hosts: BTreeSet<&'a str>,
    matches: Vec<&'a Value>,
}

impl<'a> Requests<'a> {
    fn of(route: &'a Object, is_wanted: impl Fn(&Value) -> bool) -> Self {
        let named = parents(route).iter();
        let mut hosts: BTreeSet<&str> =
            list(&route.whole.data["spec"]["hostnames"]).iter().filter_map(Value::as_str).collect();
        if hosts.is_empty() {
            hosts.insert("any host");
        }
        let rules = route.rules.iter().filter(|rule| is_wanted(rule));
        Self {
            parents: named.map(|it| (key(it, route), in_words(it, route))).collect(),
            hosts,
            matches: rules.flat_map(|rule| list(&rule["matches"])).collect(),
        }
    }

    /// One of the requests that `taken` has, too, in words.
    fn in_common(&self, taken: &Self) -> Option<String> {
        let (_, parent) = self.parents.iter().find(|(key, _)| taken.parents.contains_key(*key))?;
        let host = self.hosts.intersection(&taken.hosts).next()?;
        let matches: HashSet<&Value> = taken.matches.iter().copied().collect();
        let same = self.matches.iter().find(|it| matches.contains(*it))?;
        Some(format!("{parent}, {}, {}", printable(host, 100), words(same)))
    }
}

/// What a match looks at: a path, or what is one in gRPC, and headers, whose values may be secrets.
fn words(one: &Value) -> String {
    let mut words = Vec::new();
    let path = &one["path"]["value"];
    words.extend(path.as_str().map(|path| format!("path {}", printable(path, 100))));
    for part in ["service", "method"] {
        let name = one["method"][part].as_str();
        words.extend(name.map(|name| format!("{part} {}", printable(name, 100))));
    }
    for header in list(&one["headers"]) {
        let name = header["name"].as_str();
        words.extend(name.map(|name| format!("header {}", printable(name, 100))));
    }
    match words.as_slice() {
        [] => "the same match".to_owned(),
        words => printable(&words.join(", "), 300),
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
