//! Checks of the tools that an agent called.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Answer, Check, Schema, Seen};
use crate::prompt::answer::ToolCall;
use crate::prompt::suite::{
    ArgumentMode, Arguments, CallMode, ToolCallRule, ToolNames, Trajectory,
};

pub(super) fn look(
    check: &Check,
    answer: &Answer,
    tools: &[(String, Arc<Schema>)],
) -> Result<Seen, String> {
    let calls = answer.tool_calls.as_slice();
    Ok(match check {
        Check::ToolCalls(wanted) => trajectory(wanted, calls),
        Check::ToolCount(wanted) => {
            let count = calls.iter().filter(|call| is_like(&wanted.name, &call.name)).count();
            let limits = wanted.limits();
            let what = match wanted.name.as_str() {
                "*" => "tool calls".to_owned(),
                name => format!("calls of {name}"),
            };
            let found = format!("{count}: {}", shown(calls));
            Seen::new(limits.hold(count as u64), limits.shown(&what), found)
        }
        Check::ToolCallF1(wanted) => names(wanted, calls),
        _ => return valid(calls, tools),
    })
}

fn shown(calls: &[ToolCall]) -> String {
    if calls.is_empty() {
        return "no tool calls".to_owned();
    }
    let calls: Vec<String> = calls.iter().map(ToolCall::shown).collect();
    format!("`{}`", calls.join(", "))
}

/// Whether `name` is like `pattern`, in which `*` stands for any characters and `?` for one.
fn is_like(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    let (mut at, mut seen, mut star) = (0, 0, None);
    while seen < name.len() {
        if at < pattern.len() && pattern[at] == '*' {
            star = Some((at, seen));
            at += 1;
        } else if at < pattern.len() && (pattern[at] == '?' || pattern[at] == name[seen]) {
            at += 1;
            seen += 1;
        } else if let Some((last, from)) = star {
            star = Some((last, from + 1));
            at = last + 1;
            seen = from + 1;
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|it| *it == '*')
}

fn trajectory(wanted: &Trajectory, calls: &[ToolCall]) -> Seen {
    let rules = wanted.calls.as_slice();
    let fits = |rule: usize, call: usize| is_call(&rules[rule], &calls[call]);
    let (few, many) = (rules.len() <= calls.len(), calls.len() <= rules.len());
    let (holds, how) = match wanted.mode {
        CallMode::Superset => (few && pairs(rules.len(), calls.len(), fits), "these calls"),
        CallMode::Subset => {
            (many && pairs(calls.len(), rules.len(), |call, rule| fits(rule, call)), "no calls but")
        }
        CallMode::Unordered => {
            (few && many && pairs(rules.len(), calls.len(), fits), "exactly, in whatever order,")
        }
        CallMode::InOrder => {
            let mut left = calls.iter();
            (rules.iter().all(|rule| left.any(|call| is_call(rule, call))), "in this order")
        }
        CallMode::Exact => {
            (few && many && (0..rules.len()).all(|it| fits(it, it)), "exactly, in this order,")
        }
    };
    let rules: Vec<String> = rules.iter().map(rule_shown).collect();
    let rules = if rules.is_empty() { "none".to_owned() } else { rules.join(", ") };
    Seen::new(holds, format!("{how} {rules}"), shown(calls))
}

fn rule_shown(rule: &ToolCallRule) -> String {
    match &rule.args {
        Some(args) => format!("{}({})", rule.name, Value::Object(args.values.clone())),
        None => rule.name.clone(),
    }
}

/// Whether each of `left` gets one of `right` of its own: a matching that leaves none of `left`
/// out, by augmenting paths.
fn pairs(left: usize, right: usize, fits: impl Fn(usize, usize) -> bool) -> bool {
    fn place(
        it: usize,
        taken: &mut [Option<usize>],
        tried: &mut [bool],
        fits: &dyn Fn(usize, usize) -> bool,
    ) -> bool {
        for other in 0..taken.len() {
            if tried[other] || !fits(it, other) {
                continue;
            }
            tried[other] = true;
            if taken[other].is_none_or(|owner| place(owner, taken, tried, fits)) {
                taken[other] = Some(it);
                return true;
            }
        }
        false
    }
    let mut taken = vec![None; right];
    (0..left).all(|it| place(it, &mut taken, &mut vec![false; right], &fits))
}

fn is_call(rule: &ToolCallRule, call: &ToolCall) -> bool {
    if !is_like(&rule.name, &call.name) {
        return false;
    }
    match (&rule.args, &call.arguments) {
        (None, _) => true,
        (Some(wanted), Ok(Value::Object(found))) => has_arguments(wanted, found),
        (Some(_), _) => false,
    }
}

fn has_arguments(wanted: &Arguments, found: &Map<String, Value>) -> bool {
    let mut found = found.clone();
    for (name, value) in &wanted.defaults {
        found.entry(name.clone()).or_insert_with(|| value.clone());
    }
    let mut values = wanted.values.clone();
    for name in &wanted.ignore {
        found.remove(name);
        values.remove(name);
    }
    if wanted.mode == ArgumentMode::Exact {
        for (name, value) in &wanted.defaults {
            // A default is no other argument.
            if !values.contains_key(name) && found.get(name) == Some(value) {
                found.remove(name);
            }
        }
        return super::json::is_equal(&Value::Object(values), &Value::Object(found));
    }
    is_part(&Value::Object(values), &Value::Object(found))
}

/// Whether all that is wanted is there; lists are as long as wanted.
fn is_part(wanted: &Value, found: &Value) -> bool {
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) => {
            wanted.iter().all(|(key, it)| found.get(key).is_some_and(|found| is_part(it, found)))
        }
        (Value::Array(wanted), Value::Array(found)) => {
            wanted.len() == found.len() && wanted.iter().zip(found).all(|(w, f)| is_part(w, f))
        }
        (wanted, found) => super::json::is_equal(wanted, found),
    }
}

#[allow(clippy::cast_precision_loss, reason = "there are few tools")]
fn names(wanted: &ToolNames, calls: &[ToolCall]) -> Seen {
    let wanted_names: BTreeSet<&str> = wanted.names.iter().map(String::as_str).collect();
    let found: BTreeSet<&str> = calls.iter().map(|call| call.name.as_str()).collect();
    let shared = wanted_names.intersection(&found).count() as f64;
    let both = (wanted_names.len() + found.len()) as f64;
    // None wanted and none called is as it should be.
    let score = if both == 0.0 { 1.0 } else { 2.0 * shared / both };
    Seen {
        holds: score >= wanted.at_least,
        score,
        wanted: format!("an F1 of at least {} with {}", wanted.at_least, wanted.names.join(", ")),
        found: format!("{score:.3}: {}", shown(calls)),
    }
}

fn valid(calls: &[ToolCall], tools: &[(String, Arc<Schema>)]) -> Result<Seen, String> {
    let wanted = "calls of tools that are offered, with arguments that fit";
    if calls.is_empty() {
        return Ok(Seen::new(false, wanted, "no tool calls"));
    }
    for call in calls {
        let Some((_, schema)) = tools.iter().find(|(name, _)| *name == call.name) else {
            let found = format!("{}, which is not offered", call.shown());
            return Ok(Seen::new(false, wanted, found));
        };
        match &call.arguments {
            Err(_) => {
                let found = format!("{}, whose arguments are no JSON", call.shown());
                return Ok(Seen::new(false, wanted, found));
            }
            Ok(value) => {
                if let Some(fault) = schema.first_fault(value)? {
                    return Ok(Seen::new(false, wanted, format!("{}: {fault}", call.shown())));
                }
            }
        }
    }
    Ok(Seen::new(true, wanted, shown(calls)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_like_a_pattern_with_stars() {
        for (pattern, name, wanted) in [
            ("*", "", true),
            ("get_*", "get_order", true),
            ("get_*_by_id", "get_order_by_id", true),
            ("g?t", "get", true),
            ("g?t", "gt", false),
            ("get", "get_order", false),
            ("*a*b", "xaybzab", true),
        ] {
            assert_eq!(is_like(pattern, name), wanted, "{pattern} {name}");
        }
    }

    #[test]
    fn calls_find_rules_of_their_own_if_there_is_a_way() {
        // The first rule fits both calls, the second only the first.
        let fits = |rule: usize, call: usize| rule == 0 || call == 0;
        assert!(pairs(2, 2, fits));
        assert!(!pairs(2, 2, |_, call| call == 0));
    }
}
