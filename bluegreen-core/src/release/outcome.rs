//! How a release ends, and why it goes back.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::PhaseName;
use crate::{Actor, Problem, Winner};

/// How a release ended, or that it cannot go on by itself.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// The candidate is live.
    Released,
    /// An experiment was decided, or ran out.
    Concluded {
        /// Who is live now.
        winner: Winner,
    },
    /// Traffic is where it was before.
    RolledBack {
        /// Why.
        reason: Reason,
    },
    /// Nothing was touched.
    Refused {
        /// Why not.
        problems: Vec<Problem>,
    },
    /// It cannot go on by itself: a pause, not an end. Never stored as the end of a release.
    Stuck {
        /// Where, why, and what to do.
        stuck: Stuck,
    },
}

/// Why a release goes back.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// Somebody called it off.
    Aborted {
        /// Who.
        actor: Actor,
        /// Why.
        reason: String,
    },
    /// Somebody asked for the old version.
    Requested {
        /// Who.
        actor: Actor,
        /// Why.
        reason: String,
    },
    /// A gate or guard found the candidate unfit.
    Unfit {
        /// Which, and why.
        message: String,
    },
    /// Something did not work.
    Failed {
        /// What, with all causes.
        message: String,
    },
    /// Guards could not tell, or nobody said yes, in the time that the plan gives.
    Undecided {
        /// What was waited for.
        message: String,
    },
    /// Somebody else moved traffic back.
    External {
        /// What was found.
        found: String,
    },
    /// An experiment was decided for the live slot.
    Concluded {
        /// Who won.
        winner: Winner,
    },
}

/// Why a release cannot go on by itself.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Stuck {
    /// In which phase.
    pub at: PhaseName,
    /// What did not work, with all causes.
    pub message: String,
    /// What a person can do.
    pub advice: String,
}

impl Outcome {
    /// The outcome as programs write it: in `snake_case`, as it is stored.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Released => "released",
            Self::Concluded { .. } => "concluded",
            Self::RolledBack { .. } => "rolled_back",
            Self::Refused { .. } => "refused",
            Self::Stuck { .. } => "stuck",
        }
    }
}

impl Reason {
    /// The reason as programs write it: in `snake_case`, as it is stored.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Aborted { .. } => "aborted",
            Self::Requested { .. } => "requested",
            Self::Unfit { .. } => "unfit",
            Self::Failed { .. } => "failed",
            Self::Undecided { .. } => "undecided",
            Self::External { .. } => "external",
            Self::Concluded { .. } => "concluded",
        }
    }
}

impl Stuck {
    /// Stuck in a phase.
    pub fn new(at: PhaseName, message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { at, message: message.into(), advice: advice.into() }
    }
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stuck while {}: {}; {}", self.at, self.message, self.advice)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Aborted { actor, reason } => write!(f, "aborted by {actor}: {reason}"),
            Self::Requested { actor, reason } => write!(f, "asked for by {actor}: {reason}"),
            Self::Unfit { message } => write!(f, "unfit: {message}"),
            Self::Failed { message } => write!(f, "failed: {message}"),
            Self::Undecided { message } => write!(f, "undecided: {message}"),
            Self::External { found } => write!(f, "moved by someone else: {found}"),
            Self::Concluded { winner } => write!(f, "concluded: {winner:?} won"),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Released => f.write_str("released"),
            Self::Concluded { winner } => write!(f, "concluded, {winner:?} won"),
            Self::RolledBack { reason } => write!(f, "rolled back, {reason}"),
            Self::Refused { problems } => {
                write!(f, "refused, {} problems:", problems.len())?;
                problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
            }
            Self::Stuck { stuck } => stuck.fmt(f),
        }
    }
}
