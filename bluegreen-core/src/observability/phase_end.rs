//! How a phase ended, in the words that metrics and spans share.

use crate::{Outcome, PhaseName};

/// How a phase ended.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum PhaseEnd {
    /// The release went on as its plan says, or its way back did.
    Completed,
    /// The release turned back here, whether something failed or somebody wanted it.
    Returned,
    /// The release cannot go on by itself.
    Stuck,
    /// Another process has taken the release over, and tells how the phase ends.
    Lost,
    /// This process stopped driving in the middle of it.
    Interrupted,
}

impl PhaseEnd {
    /// The end as programs write it, in `snake_case`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Returned => "returned",
            Self::Stuck => "stuck",
            Self::Lost => "lost",
            Self::Interrupted => "interrupted",
        }
    }

    /// How `phase` ended, of a release that is now in the phase `next`.
    pub(crate) fn of(phase: PhaseName, next: PhaseName) -> Self {
        if next.is_backward() && !phase.is_backward() { Self::Returned } else { Self::Completed }
    }

    /// How `phase` ended, of a release that ended with it.
    pub(crate) fn with(phase: PhaseName, outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Stuck { .. } => Self::Stuck,
            Outcome::Released | Outcome::Concluded { .. } => Self::Completed,
            _ if phase.is_backward() => Self::Completed,
            _ => Self::Returned,
        }
    }
}
