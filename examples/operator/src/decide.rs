//! What to do for an object: follows from what it asks for, what was done for it, and the agent's record.

use bluegreen_core::plan::HookPoint;
use bluegreen_core::{Outcome, Phase, PhaseName, Reason, Record};

use crate::status::{Attempt, End};

/// Whoever begins a release for an object is called so in the history, with the object's name.
pub(crate) const ACTOR: &str = "agentrelease/";

/// Everything that counts.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "they have nothing to do with each other")]
pub(crate) struct Facts<'a> {
    /// The digest of the change that is asked for; `None` if the spec makes no sense.
    pub(crate) wanted: Option<&'a str>,
    /// `spec.retry`.
    pub(crate) retry: Option<&'a str>,
    /// The object is on its way out.
    pub(crate) deleted: bool,
    /// What was done last.
    pub(crate) attempt: Option<&'a Attempt>,
    /// What this process does for the object.
    pub(crate) doing: Doing,
    /// The record of the agent's current or last release.
    pub(crate) record: Option<&'a Record>,
    /// There is one, which a newer version has written: nothing is known of its release but that.
    pub(crate) is_newer: bool,
    /// The object that it was begun for is gone, and nobody else sees to it.
    pub(crate) is_orphan: bool,
    /// It began with gates that are not known any more.
    pub(crate) has_other_gates: bool,
    /// Who begins releases for this object.
    pub(crate) actor: &'a str,
}

/// What a task does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Doing {
    /// There is none.
    Nothing,
    /// It begins a release, as soon as there is a place for it, and sees to it from then on.
    Beginning,
    /// It goes on with a release.
    Driving,
    /// It takes one back.
    TakingBack,
}

/// What to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Step {
    /// Begin a release, if nothing speaks against it.
    Begin,
    /// Look again whether what was refused still is, and begin if not.
    Again,
    /// Go on with the release that there is.
    Resume,
    /// Take the release back, for this reason.
    Abort(&'static str),
    /// A task of this process takes it back, for this reason.
    Aborting(&'static str),
    /// Stop what has not begun yet, and decide again.
    Stop,
    /// A task of this process is at it.
    Follow,
    /// Somebody else's release is under way.
    Busy,
    /// The release cannot go on by itself.
    Stuck,
    /// Whatever there is, a newer version sees to it.
    Newer,
    /// Nothing.
    Rest,
    /// Let the object go.
    LetGo,
}

/// What to do.
pub(crate) fn decide(facts: &Facts<'_>) -> Step {
    if facts.is_newer {
        // What has not begun yet must not, and what was driven is taken over.
        return if facts.is_driving() { Step::Stop } else { Step::Newer };
    }
    match facts.record.filter(|record| record.phase.name() != PhaseName::Done) {
        Some(record) if facts.is_orphan || record.started.by.as_str() == facts.actor => {
            facts.under_way(record)
        }
        Some(_) if facts.is_driving() => Step::Stop,
        Some(_) if facts.deleted => Step::LetGo,
        Some(_) => Step::Busy,
        // It is about to begin, or has just ended.
        None if facts.is_driving() && (facts.deleted || facts.is_changed()) => Step::Stop,
        None if facts.is_driving() => Step::Follow,
        None => facts.at_rest(),
    }
}

impl Facts<'_> {
    fn under_way(&self, record: &Record) -> Step {
        let go_on = if self.is_driving() { Step::Follow } else { Step::Resume };
        let phase = record.phase.name();
        if phase == PhaseName::KeepingFailed
            && !self.deleted
            && self.wanted.is_some()
            && (self.is_changed() || self.is_retried() || self.is_due(record) || self.is_left())
        {
            return Step::Begin;
        }
        // It waits for a place, or for the way back of the one before, and then it would begin.
        if self.deleted && self.doing == Doing::Beginning && self.is_before_its_own(record) {
            return Step::Stop;
        }
        if phase.is_backward() {
            return go_on;
        }
        if may_go_back(&record.phase) {
            let reason = if self.deleted {
                Some("the AgentRelease was deleted")
            } else if self.is_orphan {
                Some("the AgentRelease that it was begun for is gone")
            } else if self.is_changed() {
                Some("the AgentRelease asks for another change")
            } else if self.has_other_gates {
                Some("the gates that it began with are not known any more")
            } else {
                None
            };
            // Another look in the middle is no reason to begin the way back again.
            match reason {
                Some(reason) if self.doing == Doing::TakingBack => return Step::Aborting(reason),
                Some(reason) => return Step::Abort(reason),
                None => {}
            }
        }
        if record.stuck.is_some() && !self.is_driving() && !self.is_retried() {
            return Step::Stuck;
        }
        go_on
    }

    fn at_rest(&self) -> Step {
        if self.deleted {
            return Step::LetGo;
        }
        if self.wanted.is_none() {
            return Step::Rest;
        }
        let last = self.attempt.filter(|it| !it.change.is_empty());
        match last.filter(|_| !self.is_changed() && !self.is_retried()) {
            None => Step::Begin,
            Some(attempt) => match attempt.end {
                Some(End::Refused) => Step::Again,
                Some(_) => Step::Rest,
                None => Step::Begin,
            },
        }
    }

    fn is_driving(&self) -> bool {
        self.doing != Doing::Nothing
    }

    fn is_changed(&self) -> bool {
        is_changed(self.wanted, self.attempt)
    }

    /// Whether it is another object's that is gone, and nothing is done about it.
    fn is_left(&self) -> bool {
        self.is_orphan && !self.is_driving()
    }

    /// Whether what was to follow this release, which is to make way, has not begun: its task came to
    /// nothing. The release that stands there still is an older one then.
    fn is_due(&self, record: &Record) -> bool {
        !self.is_driving() && self.is_before_its_own(record)
    }

    /// Whether this release is an older one than that which was to begin last.
    fn is_before_its_own(&self, record: &Record) -> bool {
        let release = record.envelope.release.as_str();
        self.attempt.is_some_and(|it| it.end.is_none() && it.release.as_deref() != Some(release))
    }

    fn is_retried(&self) -> bool {
        is_retried(self.attempt, self.retry)
    }
}

/// Whether another change is asked for than the last one. A spec that makes no sense asks for nothing,
/// and of an attempt that is not known it cannot be said.
pub(crate) fn is_changed(wanted: Option<&str>, attempt: Option<&Attempt>) -> bool {
    let known = attempt.filter(|it| !it.change.is_empty());
    wanted.zip(known).is_some_and(|(wanted, attempt)| attempt.change != wanted)
}

/// Whether it is to be tried again. What was never tried is not, and neither is what no longer says so.
pub(crate) fn is_retried(attempt: Option<&Attempt>, retry: Option<&str>) -> bool {
    attempt.is_some_and(|attempt| retry.is_some() && attempt.retry.as_deref() != retry)
}

/// Whether a release is still to prove itself. One that has, and whose old slot ends its work, is let
/// go on to its end.
fn may_go_back(phase: &Phase) -> bool {
    match phase {
        Phase::RunningHook { before, .. } => {
            matches!(before, HookPoint::Deploying | HookPoint::Shifting)
        }
        Phase::Draining { .. } | Phase::Unpinning { .. } | Phase::Retiring => false,
        _ => true,
    }
}

/// The release of exactly this digest that ended rolled back and was the last of it, and why. One that
/// an object took back itself, because it asked for something else, says nothing about the digest. The
/// newest comes first.
pub(crate) fn rolled_back(history: &[&Record], digest: &str) -> Option<String> {
    let last = history.iter().find(|record| {
        record.change.digest.as_str() == digest
            && !matches!(record.phase, Phase::Done { outcome: Outcome::Refused { .. } })
    })?;
    // What was taken back after its end is a release of its own, back to what was before.
    let undone = history.iter().find_map(|record| {
        let undo = record.undoes.as_ref().filter(|it| it.release == last.envelope.release)?;
        matches!(record.phase, Phase::Done { outcome: Outcome::Released })
            .then(|| format!("{}: taken back by {}: {}", undo.release, undo.actor, undo.reason))
    });
    if undone.is_some() {
        return undone;
    }
    match &last.phase {
        Phase::Done { outcome: Outcome::RolledBack { reason } } => match reason {
            Reason::Aborted { actor, .. } if actor.as_str().starts_with(ACTOR) => None,
            reason => Some(format!("{}: {reason}", last.envelope.release)),
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests;
