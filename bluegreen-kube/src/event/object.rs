//! One report as an Event.

use bluegreen_core::{Outcome, Progress, Verdict};
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::ObjectMeta;

use crate::names::object_name;

/// The longest note that the API server takes, in bytes.
const NOTE: usize = 1024;
/// The longest name of a reporting instance, in bytes.
const INSTANCE: usize = 128;

/// The Event of `progress` about an object. `number` tells two of the same instant apart.
pub(super) fn event(
    progress: &Progress,
    about: ObjectReference,
    instance: &str,
    number: u64,
) -> Event {
    let now = Timestamp::now();
    let (reason, is_warning) = kind(progress);
    let name = about.name.clone().unwrap_or_default();
    Event {
        metadata: ObjectMeta {
            name: Some(object_name(&format!("{name}-{:x}-{number:x}", now.as_nanosecond()))),
            namespace: about.namespace.clone(),
            ..ObjectMeta::default()
        },
        action: Some("Release".to_owned()),
        event_time: Some(MicroTime(now)),
        note: Some(cut(&progress.to_string(), NOTE)),
        reason: Some(reason.to_owned()),
        regarding: Some(about),
        reporting_controller: Some("bluegreen.dev/bluegreen".to_owned()),
        reporting_instance: Some(cut(instance, INSTANCE)),
        type_: Some(if is_warning { "Warning" } else { "Normal" }.to_owned()),
        ..Event::default()
    }
}

/// The reason in the words of Kubernetes, and whether it is a warning.
fn kind(progress: &Progress) -> (&'static str, bool) {
    match progress {
        Progress::Entered { .. } => ("ReleasePhase", false),
        Progress::Warned { .. } => ("ReleaseWarning", true),
        Progress::Retrying { .. } => ("ReleaseRetrying", true),
        Progress::Judged { judgement, .. } => ("ReleaseJudged", judgement.verdict == Verdict::Fail),
        Progress::Shifted { .. } => ("TrafficShifted", false),
        Progress::Drained { .. } => ("SlotDrained", false),
        Progress::Paused { by } => {
            (if by.is_some() { "ReleasePaused" } else { "ReleaseContinued" }, false)
        }
        Progress::TakenOver { .. } => ("ReleaseTakenOver", false),
        Progress::Finished { outcome } => match outcome {
            Outcome::Released => ("Released", false),
            Outcome::Concluded { .. } => ("ReleaseConcluded", false),
            Outcome::RolledBack { .. } => ("RolledBack", true),
            Outcome::Refused { .. } => ("ReleaseRefused", true),
            _ => ("ReleaseStuck", true),
        },
        _ => ("ReleaseNote", false),
    }
}

/// At most so many bytes of a text, in whole characters.
fn cut(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let mut end = limit.saturating_sub('…'.len_utf8());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_fits_whatever_it_says() {
        assert_eq!(cut("short", NOTE), "short");
        let long = cut(&"größer ".repeat(300), NOTE);
        assert!(long.len() <= NOTE && long.len() > NOTE - 8, "{} bytes", long.len());
        assert!(long.ends_with('…'));
    }

    #[test]
    fn two_events_of_one_instant_have_two_names() {
        let about = || ObjectReference { name: Some("agent".into()), ..ObjectReference::default() };
        let of = |number| event(&Progress::note("hello"), about(), "driver-1", number);
        assert_ne!(of(1).metadata.name, of(2).metadata.name);
        assert_eq!(of(1).type_.as_deref(), Some("Normal"));
        assert_eq!(of(1).note.as_deref(), Some("hello"));
    }

    #[test]
    fn a_rollback_is_a_warning() {
        let reason = bluegreen_core::Reason::Failed { message: "no image".into() };
        let progress = Progress::Finished { outcome: Outcome::RolledBack { reason } };
        assert_eq!(kind(&progress), ("RolledBack", true));
        assert_eq!(kind(&Progress::Finished { outcome: Outcome::Released }), ("Released", false));
    }
}
