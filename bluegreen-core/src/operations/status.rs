//! How a release fares, for people and programs.

use std::fmt;

use crate::plan::HookPoint;
use crate::release::{FORMAT, Next, Wait};
use crate::{Document, Envelope, Outcome, Phase, Record, Timestamp};

/// How the release of an agent fares, or the last one did.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Status {
    /// What every version can read of the record; `None` if there was never a release.
    pub envelope: Option<Envelope>,
    /// The format that the record has. One newer than [`FORMAT`] was written by a newer version of
    /// this library: there is a release then, and no [`record`](Self::record) of it.
    pub format: Option<u32>,
    /// The record, if this version can read it.
    pub record: Option<Record>,
    /// What is waited for.
    pub awaited: String,
    /// Since when.
    pub since: Option<Timestamp>,
    /// Until when it lasts at most, where that is known.
    pub deadline: Option<Timestamp>,
    /// The operations that make sense now.
    pub operations: Vec<&'static str>,
    /// When this was read.
    pub at: Timestamp,
}

impl Status {
    pub(crate) fn of(document: Option<&Document>, at: Timestamp) -> Self {
        let envelope = document.map(|document| document.envelope().clone());
        let record = document.and_then(Document::current).cloned();
        let format = document.map(Document::format);
        let (awaited, operations) = match &record {
            Some(record) => (awaited(record), operations(record)),
            None if envelope.is_some() => {
                let found = format.unwrap_or_default();
                let awaited = format!(
                    "a newer version of this library, which drives it: found a record of format {found}, \
                     wanted {FORMAT}"
                );
                (awaited, vec!["rollback"])
            }
            None => ("nothing: there was never a release".to_owned(), vec!["start"]),
        };
        Self {
            since: record.as_ref().map(|record| record.since),
            deadline: record.as_ref().and_then(|record| record.phase.deadline()),
            envelope,
            format,
            record,
            awaited,
            operations,
            at,
        }
    }
}

fn awaited(record: &Record) -> String {
    match record.next() {
        Next::Wait(Wait::Stuck(stuck)) => return stuck.to_string(),
        Next::Wait(Wait::Paused) => return "somebody who lets it go on".to_owned(),
        Next::Finish(outcome) => return format!("nothing: {outcome}"),
        Next::Perform(_) => {}
    }
    match &record.phase {
        Phase::RunningHook { deadline: None, .. } => "the last pods of the old slot to end",
        Phase::RunningHook { attempt, .. } => {
            let hook = record.running_hook().unwrap_or_default();
            return format!("hook {hook}, attempt {attempt}, to end");
        }
        Phase::Preflight => "the preflight",
        Phase::Deploying => "the candidate to be written",
        Phase::RollingOut { .. } => "the candidate's pods to get ready",
        Phase::WarmingUp { .. } => "the candidate's pods to get warm",
        Phase::Validating { .. } => "the gates",
        Phase::AwaitingApproval { .. } => "somebody who says yes",
        Phase::Frozen { .. } => "the end of a freeze",
        Phase::AwaitingGroup { .. } => "the others of its group",
        Phase::Shifting { .. } => "traffic to follow",
        Phase::Holding { .. } => "the end of the step",
        Phase::Baking { .. } => "the end of the bake",
        Phase::Draining { .. } => "the old slot's work in hand to end",
        Phase::Unpinning { .. } => "traffic to follow without pins",
        Phase::Retiring => "the old slot to get smaller",
        Phase::Returning { .. } => "traffic to come back",
        Phase::KeepingFailed { .. } => "the end of the time for which a failed candidate is kept",
        Phase::Restoring { .. } => "the candidate's slot to be put back",
        Phase::Done { .. } => "nothing",
    }
    .to_owned()
}

fn operations(record: &Record) -> Vec<&'static str> {
    let mut operations = Vec::new();
    if record.stuck.is_some() || record.envelope.holder.is_none() {
        operations.push("resume");
    }
    if record.paused.is_some() {
        operations.push("continue");
    }
    operations.extend(match &record.phase {
        phase @ Phase::RunningHook { before, .. } => {
            match (before, record.stuck.is_some() && record.has_failed(phase)) {
                (HookPoint::Deploying | HookPoint::Shifting, _) => &["pause", "abort"][..],
                (HookPoint::Retiring, true) => &["promote", "rollback"],
                (HookPoint::Retiring, false) => &["pause", "rollback"],
                (HookPoint::Done, true) => &["promote"],
                (HookPoint::Done, false) => &[],
            }
        }
        Phase::AwaitingApproval { .. } => &["approve", "abort"],
        Phase::AwaitingGroup { before: HookPoint::Shifting, .. } => &["pause", "abort"],
        Phase::AwaitingGroup { bound: true, .. } if record.stuck.is_some() => {
            &["promote", "rollback"]
        }
        Phase::AwaitingGroup { .. } => &["pause", "rollback"],
        Phase::Frozen { step: 0, .. } => &["override-freeze", "pause", "abort"],
        Phase::Frozen { .. } => &["override-freeze", "pause", "rollback"],
        Phase::Holding { .. } | Phase::Baking { .. } => &["promote", "pause", "rollback"],
        Phase::Draining { .. } | Phase::Unpinning { .. } => &["rollback"],
        Phase::Retiring | Phase::Returning { .. } | Phase::Restoring { .. } => &[],
        Phase::KeepingFailed { .. } => &["start"],
        Phase::Done { outcome: Outcome::Released | Outcome::Concluded { .. } } => {
            let mut operations = vec!["start"];
            if record.contracted_by().is_none() {
                operations.push("rollback");
            }
            return operations;
        }
        Phase::Done { .. } => return vec!["start"],
        _ => &["pause", "abort"],
    });
    operations
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(envelope) = &self.envelope {
            write!(f, "{} in {}, release {}", envelope.agent, envelope.cluster, envelope.release)?;
            if let Some(record) = &self.record {
                write!(f, " of {}: {}", record.change.version(), record.phase.name())?;
            }
            writeln!(f, "\ntraffic: {}", envelope.routing)?;
            match &envelope.holder {
                Some(holder) => writeln!(f, "driven by {holder}, epoch {}", envelope.epoch)?,
                None => writeln!(f, "driven by nobody, epoch {}", envelope.epoch)?,
            }
        }
        for result in self.record.iter().flat_map(|record| &record.hooks) {
            writeln!(f, "{result}")?;
        }
        write!(f, "waits for {}", self.awaited)?;
        if let Some(since) = self.since {
            write!(f, ", since {since}")?;
        }
        if let Some(deadline) = self.deadline {
            write!(f, ", until {deadline}")?;
        }
        write!(f, "\npossible now: {}", self.operations.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Color, Routing};

    #[test]
    fn of_a_release_of_a_newer_version_the_format_is_told() {
        let envelope = Envelope {
            agent: "agent".into(),
            cluster: "test".into(),
            release: "r1".into(),
            live: Color::Blue,
            routing: Routing::all(Color::Green),
            epoch: crate::Epoch::default(),
            holder: None,
        };
        let document = Document::Newer { format: 7, envelope, text: String::new() };
        let status = Status::of(Some(&document), Timestamp::from_unix_millis(0));
        assert_eq!((status.format, &status.record), (Some(7), &None));
        let told = status.to_string();
        assert!(told.contains("found a record of format 7, wanted 1"), "{told}");
        let none = Status::of(None, Timestamp::from_unix_millis(0));
        assert_eq!((none.format, none.envelope), (None, None));
    }
}
