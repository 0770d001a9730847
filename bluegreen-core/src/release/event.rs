//! What has happened.

use super::{Drift, GroupWord, PhaseName};
use crate::{Actor, Binding, Epoch, Evidence, HolderId, HookOutcome, Problem, Timestamp, Winner};

/// Something that has happened, and when.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: EventKind,
}

impl Event {
    /// Something that happened at `at`.
    pub fn new(at: Timestamp, kind: EventKind) -> Self {
        Self { at, kind }
    }
}

/// What has happened.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the fields are named by their types")]
pub enum EventKind {
    /// Nothing stands in the way.
    Checked,
    /// Something does.
    Refused { problems: Vec<Problem> },
    /// Nothing of the old slot is left.
    Emptied,
    /// A hook has ended.
    HookEnded { outcome: HookOutcome },
    /// The candidate is written, with so many pods.
    Deployed { replicas: u32 },
    /// Its pods are ready, and this is what they are.
    Ready { binding: Binding },
    /// Its pods are warm.
    Warmed,
    /// All gates passed.
    Passed,
    /// Somebody said yes.
    Approved { actor: Actor },
    /// A freeze is over, as far as is known.
    Thawed,
    /// Its group lets it go on.
    Grouped { word: GroupWord },
    /// Traffic follows the routing of the step.
    Shifted { evidence: Evidence },
    /// All guards looked once.
    Looked { look: Look },
    /// The old slot has nothing in hand, or had its time; how that is known.
    Drained { note: String, expired: bool },
    /// The old slot is as small as the plan wants it.
    Retired,
    /// All traffic is back, and this should be known about the slot that has it.
    Returned { evidence: Evidence, caveats: Vec<String> },
    /// The failed candidate was kept long enough.
    Kept { note: String },
    /// The candidate's slot is as it was found.
    Restored,
    /// A gate or guard found the candidate unfit.
    Unfit { message: String },
    /// Nobody, or no validator, decided in time.
    Undecided { message: String },
    /// Something did not work and will not.
    Failed { message: String },
    /// Something did not work, and going on or back by itself would make it worse.
    Stuck { message: String, advice: String },
    /// The candidate is not what the gates judged any more.
    CandidateChanged { found: String },
    /// Somebody else moved traffic back to the slot that had it.
    MovedBack { found: String },
    /// Somebody else wrote to what the release works on.
    Drifted { drift: Drift },
    /// Somebody calls it off.
    Abort { actor: Actor, reason: String },
    /// Somebody wants the old version.
    Rollback { actor: Actor, reason: String },
    /// Somebody ends the current wait: the step, the bake, the approval.
    Promote { actor: Actor },
    /// Somebody lets traffic move in spite of a freeze.
    OverrideFreeze { actor: Actor, reason: String },
    /// Somebody stops it where it is.
    Pause { actor: Actor },
    /// Somebody lets it go on.
    Continue { actor: Actor },
    /// Somebody wants a stuck release to try again.
    Resume { actor: Actor },
    /// A process takes the release over.
    TakenOver { holder: HolderId, epoch: Epoch },
    /// The process that drove it lets go.
    LetGo,
}

/// What all guards together came to in one look.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Look {
    /// The first guard that failed, and why.
    pub failed: Option<String>,
    /// The guards that could not tell, and why.
    pub undecided: Option<String>,
    /// Who has won the experiment, once that is decided.
    pub winner: Option<Winner>,
}

impl EventKind {
    /// What it is called in errors.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Checked => "checked",
            Self::Refused { .. } => "refused",
            Self::Emptied => "emptied",
            Self::HookEnded { .. } => "hook ended",
            Self::Deployed { .. } => "deployed",
            Self::Ready { .. } => "ready",
            Self::Warmed => "warmed",
            Self::Passed => "passed",
            Self::Approved { .. } => "approved",
            Self::Thawed => "thawed",
            Self::Grouped { .. } => "grouped",
            Self::Shifted { .. } => "shifted",
            Self::Looked { .. } => "looked",
            Self::Drained { .. } => "drained",
            Self::Retired => "retired",
            Self::Returned { .. } => "returned",
            Self::Kept { .. } => "kept",
            Self::Restored => "restored",
            Self::Unfit { .. } => "unfit",
            Self::Undecided { .. } => "undecided",
            Self::Failed { .. } => "failed",
            Self::Stuck { .. } => "stuck",
            Self::CandidateChanged { .. } => "candidate changed",
            Self::MovedBack { .. } => "moved back",
            Self::Drifted { .. } => "drifted",
            Self::Abort { .. } => "abort",
            Self::Rollback { .. } => "rollback",
            Self::Promote { .. } => "promote",
            Self::OverrideFreeze { .. } => "override freeze",
            Self::Pause { .. } => "pause",
            Self::Continue { .. } => "continue",
            Self::Resume { .. } => "resume",
            Self::TakenOver { .. } => "taken over",
            Self::LetGo => "let go",
        }
    }
}

/// An event that makes no sense in the phase that the release is in.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{event}` is not possible while {phase}")]
#[non_exhaustive]
pub struct IllegalEvent {
    /// The phase.
    pub phase: PhaseName,
    /// The event.
    pub event: &'static str,
}

impl IllegalEvent {
    pub(super) fn new(phase: PhaseName, event: &EventKind) -> Self {
        Self { phase, event: event.name() }
    }
}
