//! Whether pods get the time that their work in hand needs to end.

use std::time::Duration;

use bluegreen_core::Problem;
use serde_json::Value;

use super::Report;
use crate::deployment::object::Seen;
use crate::deployment::template::items;

/// What Kubernetes gives a pod that says nothing.
const DEFAULT: u64 = 30;

/// Work in hand is lost when a pod is killed before it has ended.
pub(super) fn check(report: &mut Report<'_>, seen: Seen<'_>) {
    let spec = &seen.template()["spec"];
    let grace = spec["terminationGracePeriodSeconds"].as_u64().unwrap_or(DEFAULT);
    let sleep = items(&spec["containers"]).iter().filter_map(sleep).max().unwrap_or(0);
    let object = format!("{}, terminationGracePeriodSeconds", report.object);
    let found = match sleep {
        0 => format!("{grace} s"),
        _ => format!("{grace} s, with a preStop sleep of {sleep} s"),
    };
    let longest = report.plan.drain.longest_stream;
    if let Some(longest) = longest
        && Duration::from_secs(grace.saturating_sub(sleep)) < longest
    {
        let wanted = longest.as_secs() + u64::from(longest.subsec_nanos() > 0) + sleep;
        let problem = Problem::new("grace-below-stream", object)
            .found(found)
            .wanted(format!(
                "at least {wanted} s: the sleep, and the plan's longest stream of {longest:?}"
            ))
            .mend("set spec.template.spec.terminationGracePeriodSeconds, in both slots");
        report.add(problem, &seen.name());
    } else if grace <= sleep {
        let problem = Problem::new("short-grace", object)
            .found(found)
            .wanted("longer than the sleep, so that a pod can end what it has in hand")
            .warning();
        report.add(problem, &seen.name());
    }
}

/// For how many seconds a container sleeps before it hears that it is to end, as far as can be told:
/// by its own action, or by the command `sleep 15`.
fn sleep(container: &Value) -> Option<u64> {
    let hook = &container["lifecycle"]["preStop"];
    if let Some(seconds) = hook["sleep"]["seconds"].as_u64() {
        return Some(seconds);
    }
    let command = items(&hook["exec"]["command"]).iter().filter_map(Value::as_str);
    let words: Vec<&str> = command.flat_map(str::split_whitespace).collect();
    match words.as_slice() {
        [.., sleep, seconds] if sleep.rsplit('/').next() == Some("sleep") => {
            seconds.trim_end_matches('s').parse().ok()
        }
        _ => None,
    }
}
