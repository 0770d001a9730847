//! What a route can hold, with all that pins add to it.

use bluegreen_core::{Pin, Problem, Routing};
use http::HeaderName;
use serde_json::Value;

use crate::route::object::Object;
use crate::route::patch::make;
use crate::route::pin;
use crate::route::rule::{Rule, Slots, backends};

/// The limits of the Gateway API.
const RULES: usize = 16;
const BACKENDS: usize = 16;
const MATCHES: usize = 64;
const MATCHES_OF_A_ROUTE: usize = 128;
const HEADERS: usize = 16;
const FILTERS: usize = 16;
const NAME: usize = 256;
const VALUE: usize = 4096;

pub(super) fn problems(
    route: &Object,
    object: &str,
    routings: &[Routing],
    slots: &Slots,
) -> Vec<Problem> {
    let mut problems: Vec<Problem> = Vec::new();
    let mut say = |problem: Problem| {
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    };
    for to in routings {
        to.pins.iter().flat_map(|pin| about_pin(route, object, pin, slots)).for_each(&mut say);
        // What cannot be built on is a problem of its own.
        let Ok(made) = make(route, to, slots) else { continue };
        for (what, found, most) in counts(&made.rules) {
            if found > most {
                say(Problem::new("route-limits", object)
                    .found(format!("{found} {what}, with those that the plan's pins add"))
                    .wanted(format!("at most {most}, as the Gateway API says"))
                    .mend("fewer pins, or fewer rules on the route"));
            }
        }
    }
    problems
}

fn counts(rules: &[Value]) -> Vec<(&'static str, usize, usize)> {
    let len = |value: &Value| value.as_array().map_or(0, Vec::len);
    let most = |count: &dyn Fn(&Value) -> usize| rules.iter().map(count).max().unwrap_or(0);
    let headers = |rule: &Value| {
        let matches = rule["matches"].as_array();
        matches.into_iter().flatten().map(|one| len(&one["headers"])).max().unwrap_or(0)
    };
    vec![
        ("rules", rules.len(), RULES),
        ("backends of a rule", most(&|rule| backends(rule).len()), BACKENDS),
        ("matches of a rule", most(&|rule| len(&rule["matches"])), MATCHES),
        (
            "matches of all rules",
            rules.iter().map(|rule| len(&rule["matches"])).sum(),
            MATCHES_OF_A_ROUTE,
        ),
        ("headers of a match", most(&headers), HEADERS),
        ("filters of a rule", most(&|rule| len(&rule["filters"])), FILTERS),
    ]
}

fn about_pin(route: &Object, object: &str, pin: &Pin, slots: &Slots) -> Vec<Problem> {
    let header = pin::header(pin);
    let text = |key: &str| header[key].as_str().unwrap_or_default();
    let (name, value) = (text("name"), text("value"));
    let mut problems = Vec::new();
    if name.len() > NAME || HeaderName::from_bytes(name.as_bytes()).is_err() {
        problems.push(
            Problem::new("bad-pin", "plan, pins")
                .found(format!("a header called {name:?}"))
                .wanted(format!("a header's name of at most {NAME} characters")),
        );
    }
    if value.is_empty() || value.len() > VALUE || value.chars().any(char::is_control) {
        problems.push(
            Problem::new("bad-pin", "plan, pins")
                .found(format!("a value of {} characters for {name}", value.len()))
                .wanted(format!("1 to {VALUE} characters that can be printed")),
        );
    }
    let ours = pin::header_name(pin);
    let is_taken = |one: &Value| {
        let headers = one["headers"].as_array().into_iter().flatten();
        headers
            .filter_map(|header| header["name"].as_str())
            .any(|name| name.eq_ignore_ascii_case(&ours))
    };
    let added = route.added().unwrap_or_default();
    for (index, rule) in route.rules.iter().enumerate() {
        let matches = rule["matches"].as_array();
        if !added.contains(&index)
            && matches!(slots.read(rule), Rule::Both(_))
            && matches.into_iter().flatten().any(is_taken)
        {
            problems.push(
                Problem::new("pin-taken", format!("{object}, rule {index}"))
                    .found(format!("it matches the header {name} itself"))
                    .wanted("a match without it: a match may name a header once")
                    .mend("another header for the pin"),
            );
        }
    }
    problems
}
