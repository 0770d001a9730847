//! What has happened in a release, of bounded size.

use bluegreen_core::{Outcome, Progress, ReleaseId, Timestamp, Verdict};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::config::Detail;

/// The most characters of a text.
const TEXT: usize = 2_000;
/// The most elements of a list.
const LIST: usize = 50;

/// Something that has happened in a release, as it is told.
#[derive(Clone, Debug)]
pub(super) struct Event {
    /// When.
    pub(super) at: Timestamp,
    /// The last part of its type.
    pub(super) what: &'static str,
    /// The least detail with which it is told.
    pub(super) detail: Detail,
    /// Which release, once that is known.
    pub(super) release: Option<ReleaseId>,
    /// A line for people, which does not name the release.
    pub(super) text: String,
    /// What it is made of.
    pub(super) data: Map<String, Value>,
    /// Which of those that were told it is, from one on.
    pub(super) number: u64,
}

impl Event {
    /// What has happened at `at`. What is long is cut, because it may wait long.
    pub(super) fn of(progress: &Progress, at: Timestamp) -> Self {
        let (what, detail, data) = parts(progress);
        let release = match progress {
            Progress::Entered { release, .. } => Some(release.clone()),
            _ => None,
        };
        let text = match progress {
            Progress::Entered { phase, deadline: Some(deadline), .. } => {
                format!("{phase}, until {deadline}")
            }
            Progress::Entered { phase, .. } => phase.to_string(),
            other => other.to_string(),
        };
        let data = match bounded(data) {
            Value::Object(data) => data,
            _ => Map::new(),
        };
        Self { at, what, detail, release, text: cut(text, TEXT), data, number: 0 }
    }

    /// Whether it is how a release ended, or that it is stuck.
    pub(super) fn is_outcome(&self) -> bool {
        self.detail == Detail::Outcomes
    }
}

fn parts(progress: &Progress) -> (&'static str, Detail, Value) {
    let (milestone, routine) = (Detail::Milestones, Detail::Everything);
    match progress {
        Progress::Entered { phase, deadline, .. } => {
            ("entered", milestone, json!({ "phase": phase, "deadline": deadline }))
        }
        Progress::Warned { problem } => ("warned", milestone, json!({ "problem": problem })),
        Progress::Retrying { message, after } => {
            let data = json!({ "message": message, "after_seconds": after.as_secs_f64() });
            ("retrying", routine, data)
        }
        Progress::Judged { validator, judgement } => {
            let is_failed = judgement.verdict == Verdict::Fail;
            let data = json!({
                "validator": validator,
                "verdict": judgement.verdict,
                "summary": judgement.summary,
                "evidence": first(&judgement.evidence),
                "winner": judgement.winner,
            });
            ("judged", if is_failed { milestone } else { routine }, data)
        }
        Progress::Shifted { routing, evidence, took } => {
            let took = took.as_secs_f64();
            let data = json!({ "routing": routing, "evidence": evidence, "took_seconds": took });
            ("shifted", milestone, data)
        }
        Progress::Draining { slot, in_flight, unknown, deadline } => {
            let data = json!({
                "slot": slot.as_str(),
                "in_flight": in_flight,
                "unknown": unknown,
                "deadline": deadline,
            });
            ("draining", routine, data)
        }
        Progress::Drained { slot, outcome, took, note } => {
            let data = json!({
                "slot": slot.as_str(),
                "outcome": outcome,
                "took_seconds": took.as_secs_f64(),
                "note": note,
            });
            ("drained", routine, data)
        }
        Progress::Paused { by } => ("paused", milestone, json!({ "by": by })),
        Progress::TakenOver { by } => ("taken-over", milestone, json!({ "by": by })),
        Progress::Finished { outcome } => {
            let what = match outcome {
                Outcome::Released => "released",
                Outcome::Concluded { .. } => "concluded",
                Outcome::RolledBack { .. } => "rolled-back",
                Outcome::Refused { .. } => "refused",
                Outcome::Stuck { .. } => "stuck",
                _ => "finished",
            };
            (what, Detail::Outcomes, json!({ "outcome": outcome }))
        }
        // Its text says what there is to say.
        _ => ("note", routine, json!({})),
    }
}

/// The first of a list that may be very long, so that the rest is not even copied.
fn first<T: Serialize>(list: &[T]) -> &[T] {
    &list[..list.len().min(LIST)]
}

/// The same value with short texts and short lists.
fn bounded(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(cut(text, TEXT)),
        Value::Array(list) => list.into_iter().take(LIST).map(bounded).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(name, value)| (name, bounded(value))).collect()
        }
        other => other,
    }
}

/// At most so many characters of a text.
pub(super) fn cut(mut text: String, most: usize) -> String {
    if let Some((end, _)) = text.char_indices().nth(most) {
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use bluegreen_core::{Finding, Judgement, PhaseName, Problem, Reason};

    use super::*;

    fn event(progress: &Progress) -> Event {
        Event::of(progress, Timestamp::from_unix_millis(1_764_000_000_000))
    }

    #[test]
    fn an_event_is_what_records_call_it() {
        let deadline = Some(Timestamp::from_unix_millis(1_764_000_060_000));
        let phase = PhaseName::AwaitingApproval;
        let (release, since) = (ReleaseId::new("r7"), Timestamp::default());
        let entered = event(&Progress::Entered { release, phase, since, deadline });
        assert_eq!(
            (entered.what, entered.text.as_str()),
            ("entered", "awaiting approval, until 2025-11-24T16:01:00.000Z")
        );
        let wanted =
            json!({ "phase": "awaiting_approval", "deadline": "2025-11-24T16:01:00.000Z" });
        assert_eq!(Value::Object(entered.data), wanted);
        assert_eq!(entered.release, Some(ReleaseId::new("r7")));

        let reason = Reason::Unfit { message: "gate smoke".into() };
        let back = event(&Progress::Finished { outcome: Outcome::RolledBack { reason } });
        assert_eq!((back.what, back.is_outcome()), ("rolled-back", true));
        let reason = json!({ "name": "unfit", "message": "gate smoke" });
        assert_eq!(back.data["outcome"], json!({ "name": "rolled_back", "reason": reason }));
    }

    #[test]
    fn a_look_that_fails_is_a_milestone_and_others_are_routine() {
        for (verdict, detail) in [
            (Verdict::Fail, Detail::Milestones),
            (Verdict::Pass, Detail::Everything),
            (Verdict::Inconclusive, Detail::Everything),
        ] {
            let judgement = Judgement::new(verdict, "as seen");
            let judged = event(&Progress::Judged { validator: "smoke".into(), judgement });
            assert_eq!((judged.what, judged.detail), ("judged", detail));
        }
        assert_eq!(event(&Progress::note("hello")).detail, Detail::Everything);
    }

    #[test]
    fn whatever_a_release_tells_an_event_is_short() {
        let finding = Finding::new("p".repeat(9_000), "ü".repeat(9_000), "f".repeat(9_000));
        let judgement = Judgement::new(Verdict::Fail, "s".repeat(1 << 20))
            .with_evidence(vec![finding; 300])
            .with_state(vec![0; 1 << 19]);
        let judged = event(&Progress::Judged { validator: "smoke".into(), judgement });
        let length = Value::Object(judged.data.clone()).to_string().len() + judged.text.len();
        assert!(length < 64 * TEXT * 5, "{length} bytes");
        assert_eq!(judged.data["evidence"].as_array().map(Vec::len), Some(LIST));
        let problems = vec![Problem::new("code", "object"); 300];
        let refused = event(&Progress::Finished { outcome: Outcome::Refused { problems } });
        assert_eq!(refused.data["outcome"]["problems"].as_array().map(Vec::len), Some(LIST));
    }
}
