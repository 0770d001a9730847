//! What is known of each pod, as one verdict.

use std::time::Duration;

use bluegreen_core::{Finding, Judgement, Trial, Verdict};

use super::ModelWarmUpConfig;
use super::book::{End, Notes, PodNotes};
use super::rounds::Ended;

/// More findings than anybody reads, and a record has room for.
const MOST: usize = 50;

/// The verdict.
pub(super) fn judge(
    config: &ModelWarmUpConfig,
    ended: &Ended,
    notes: &Notes,
    trial: &Trial,
) -> Judgement {
    // Of pods that are listed, and where nobody listed them, of all that were not let go.
    let mut pods: Vec<&PodNotes> = match ended {
        Ended::Known(ready) | Ended::Calls(ready) => {
            ready.iter().filter_map(|pod| notes.of(pod)).collect()
        }
        Ended::Time(_) | Ended::Restless => {
            notes.pods.values().filter(|it| it.end != Some(End::Gone)).collect()
        }
    };
    // Those that are not warm first, the slowest of them before the others.
    pods.sort_by_key(|it| (it.end == Some(End::Warm), std::cmp::Reverse(it.last), it.name.clone()));
    let cold = pods.iter().filter(|it| it.end != Some(End::Warm)).count();
    let (all, wanted) = (pods.len(), trial.candidate.state.replicas.wanted);
    let (verdict, summary) = match ended {
        Ended::Known(ready) if ready.is_empty() => {
            (Verdict::Inconclusive, "the candidate has no ready pod".to_owned())
        }
        Ended::Known(_) if cold > 0 => {
            let attempts = config.attempts;
            let text = format!("{cold} of {} did not get warm in {attempts} calls", count(all));
            (Verdict::Fail, text)
        }
        Ended::Known(ready) if (ready.len() as u64) < u64::from(wanted) => {
            let text = format!("{} of {wanted} pods are ready, and warm", ready.len());
            (Verdict::Inconclusive, text)
        }
        Ended::Known(_) => (Verdict::Pass, warm(&pods, notes.calls)),
        Ended::Calls(ready) => {
            let text = "all calls are spent before the candidate is warm";
            let warm = all - cold;
            (
                Verdict::Fail,
                format!("{text}: {}, {warm} of {} warm", config.calls, count(ready.len())),
            )
        }
        Ended::Time(limit) => {
            let limit = humantime::format_duration(Duration::from_secs(limit.as_secs()));
            let open = match cold {
                0 => format!("{all} of {wanted} pods are ready, and warm"),
                cold => format!("{cold} of {} are not", count(all)),
            };
            (Verdict::Fail, format!("not warm within {limit}: {open}"))
        }
        Ended::Restless => {
            (Verdict::Inconclusive, "new pods come while others are warmed".to_owned())
        }
    };
    Judgement::new(verdict, summary).with_evidence(findings(config, &pods))
}

fn warm(pods: &[&PodNotes], calls: u64) -> String {
    let most = |of: fn(&PodNotes) -> Option<u64>| pods.iter().filter_map(|it| of(it)).max();
    let time = |of| most(of).map_or_else(|| "never".to_owned(), shown);
    let (first, last) = (time(|it| it.first), time(|it| it.last));
    let dearest = most(|it| Some(it.calls.into())).unwrap_or_default();
    let (pods, plural) = (count(pods.len()), if calls == 1 { "" } else { "s" });
    let text = format!("{pods} warm after {calls} call{plural} in all, at most {dearest} to one");
    format!("{text}; the first token came within {first} at first, {last} at last")
}

fn findings(config: &ModelWarmUpConfig, pods: &[&PodNotes]) -> Vec<Finding> {
    let limit = humantime::format_duration(config.first_token);
    let row = match config.consecutive {
        1 => String::new(),
        row => format!(", {row} times in a row"),
    };
    let wanted = format!("the first token within {limit}{row}");
    let finding = |it: &&PodNotes| Finding::new(format!("pod {}", it.name), &wanted, found(it));
    let mut findings: Vec<Finding> = pods.iter().take(MOST).map(finding).collect();
    let more = pods.len().saturating_sub(MOST);
    if more > 0 {
        let found = format!("{more} more pods, left out here");
        findings.push(Finding::new(config.name.clone(), "all pods", found));
    }
    findings
}

/// What was found in a pod: how many calls it took, and when the first token came.
pub(super) fn found(it: &PodNotes) -> String {
    let calls = if it.calls == 1 { "1 call".to_owned() } else { format!("{} calls", it.calls) };
    let said = if it.end == Some(End::Warm) { "warm after" } else { "not warm after" };
    let mut text = match (it.first, it.last) {
        (Some(first), Some(last)) if it.calls > 1 => {
            format!("{said} {calls}: {} at first, {} at last", shown(first), shown(last))
        }
        (Some(first), _) => format!("{said} {calls}: {}", shown(first)),
        _ => format!("{said} {calls}: no first token"),
    };
    if it.end != Some(End::Warm)
        && let Some(why) = &it.trouble
    {
        text.push_str("; ");
        text.push_str(why);
    }
    text
}

/// A time in microseconds for people.
#[allow(clippy::cast_precision_loss, reason = "nobody waits for 2^53 microseconds")]
fn shown(micros: u64) -> String {
    if micros >= 1_000_000 {
        format!("{:.2} s", micros as f64 / 1e6)
    } else {
        format!("{:.0} ms", micros as f64 / 1e3)
    }
}

fn count(number: usize) -> String {
    if number == 1 { "1 pod".to_owned() } else { format!("{number} pods") }
}
