//! What the conditions say about what was found and decided.

use bluegreen_core::release::FORMAT;
use bluegreen_core::{Outcome, Phase, PhaseName, Record, Status};

use crate::decide::{Step, is_changed};
use crate::status::{Attempt, End, Is, Say, camel};
use crate::wanted::Wanted;

/// What was found and decided.
pub(crate) struct Seen<'a> {
    pub(crate) step: Step,
    pub(crate) status: &'a Status,
    /// What the agent's record is called.
    pub(crate) record_name: &'a str,
    pub(crate) attempt: Option<&'a Attempt>,
    pub(crate) wanted: &'a Result<Wanted, Vec<String>>,
    /// Why the last task came to nothing.
    pub(crate) failure: Option<&'a str>,
    /// Who begins releases for the object.
    pub(crate) actor: &'a str,
}

/// What all conditions say.
pub(crate) fn say_of(seen: &Seen<'_>) -> Say {
    let record = seen.status.record.as_ref();
    let under_way = record.filter(|record| record.phase.name() != PhaseName::Done);
    if let (Step::Busy, Some(record)) = (seen.step, under_way) {
        let (by, version) = (&record.started.by, record.change.version());
        let text = format!("{by} releases {version}, and its end is waited for: {}", waits(seen));
        return Say::new(Is::Reconciling, "Busy", text);
    }
    if let (Step::Stuck, Some(stuck)) = (seen.step, record.and_then(|it| it.stuck.as_ref())) {
        let text = format!("{stuck}; another spec.retry makes it go on");
        return Say::new(Is::Stalled, "Stuck", text);
    }
    if let Step::Newer = seen.step {
        let (name, found) = (seen.record_name, seen.status.format.unwrap_or_default());
        let text = format!(
            "{name}: found a record of format {found}, wanted {FORMAT} or older: a newer version of \
             the operator sees to it, and until then nothing is begun, taken back or let go"
        );
        return Say::new(Is::Stalled, "NewerRecord", text);
    }
    if let Step::Abort(reason) | Step::Aborting(reason) = seen.step {
        return Say::new(Is::Reconciling, "Aborting", reason);
    }
    if let Some(record) = under_way.filter(|_| seen.step != Step::Begin) {
        return of_release(seen, record);
    }
    if let Some(why) = seen.failure.filter(|_| matches!(seen.step, Step::Begin | Step::Resume)) {
        return Say::new(Is::Reconciling, "Failed", format!("{why}; it is tried again"));
    }
    match (seen.wanted, seen.attempt) {
        (Err(problems), _) => Say::new(Is::Stalled, "InvalidSpec", problems.join("; ")),
        (_, Some(attempt)) if attempt.end.is_some() => at_end(seen, attempt, record),
        _ => Say::new(Is::Reconciling, "Starting", "the release is about to begin"),
    }
}

fn waits(seen: &Seen<'_>) -> String {
    let until = seen.status.deadline.map(|at| format!(", until {at}")).unwrap_or_default();
    format!("it waits for {}{until}", seen.status.awaited)
}

/// Of a release of this object that is under way.
fn of_release(seen: &Seen<'_>, record: &Record) -> Say {
    let mut text = waits(seen);
    if let Some(why) = seen.failure {
        text = format!("{why}; {text}");
    }
    match seen.wanted {
        Err(problems) => {
            text = format!("{text}; the spec makes no sense by now: {}", problems.join("; "));
        }
        Ok(wanted) if is_changed(Some(wanted.digest.as_str()), seen.attempt) => {
            text.push_str("; then comes what the spec asks for by now");
        }
        Ok(_) => {}
    }
    Say::new(Is::Reconciling, camel(record.phase.name().key()), text)
}

fn at_end(seen: &Seen<'_>, attempt: &Attempt, record: Option<&Record>) -> Say {
    let message = attempt.message.as_deref().unwrap_or_default();
    let stalled = |reason: &str, text: String| Say::new(Is::Stalled, reason, text);
    match attempt.end {
        Some(End::Released | End::UpToDate) => match overtaken(seen, attempt, record) {
            Some(text) => stalled("Overtaken", text),
            None if attempt.end == Some(End::UpToDate) => Say::new(Is::Ready, "UpToDate", message),
            None => Say::new(Is::Ready, "Released", message),
        },
        Some(End::Refused) => {
            stalled("Refused", format!("nothing was touched, and it is looked again: {message}"))
        }
        Some(End::Blocked) => {
            let text =
                format!("this has ended rolled back, {message}; another spec.retry tries it");
            stalled("RolledBackBefore", text)
        }
        Some(End::RolledBack) | None => {
            stalled("RolledBack", format!("{message}; another spec.retry tries it again"))
        }
    }
}

/// Who released something else since.
fn overtaken(seen: &Seen<'_>, attempt: &Attempt, record: Option<&Record>) -> Option<String> {
    let record = record?;
    let is_later = record.started.at > attempt.since && record.started.by.as_str() != seen.actor;
    let Phase::Done { outcome: Outcome::Released | Outcome::Concluded { .. } } = record.phase
    else {
        return None;
    };
    if !is_later || attempt.digest.as_deref() == Some(record.change.digest.as_str()) {
        return None;
    }
    let (release, by) = (&record.envelope.release, &record.started.by);
    let version = record.change.version();
    Some(format!(
        "{by} has released {version} since, as {release}: it stays until the spec changes"
    ))
}
