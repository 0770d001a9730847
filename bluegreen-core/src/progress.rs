//! What a release tells while it goes on.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    Actor, Color, Evidence, HolderId, Judgement, Outcome, PhaseName, Problem, ReleaseId, Routing,
    Timestamp,
};

/// Told of every step as it happens.
///
/// Called from the release's own task: it must not block, and a slow listener belongs behind a
/// channel. Closures are reporters.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
pub trait Reporter: Send + Sync {
    /// Something has happened.
    fn report(&self, progress: &Progress);
}

impl<F: Fn(&Progress) + Send + Sync> Reporter for F {
    fn report(&self, progress: &Progress) {
        self(progress);
    }
}

/// A reporter that says nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Reporter for Silent {
    fn report(&self, _: &Progress) {}
}

/// Something that has happened in a release.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Progress {
    /// It entered a phase. Told again when this process drives it again, and when the deadline moves,
    /// as it does after a pause.
    Entered {
        /// The release.
        release: ReleaseId,
        /// The phase.
        phase: PhaseName,
        /// Since when it is in it: before this was told, where another process entered it.
        since: Timestamp,
        /// Until when it lasts at most, where that is known.
        deadline: Option<Timestamp>,
    },
    /// A problem that does not stop it.
    Warned {
        /// The problem.
        problem: Problem,
    },
    /// Something is tried again.
    Retrying {
        /// What did not work, with all causes.
        message: String,
        /// After which pause.
        after: Duration,
    },
    /// A validator has looked.
    Judged {
        /// Which.
        validator: String,
        /// What it came to.
        judgement: Judgement,
    },
    /// Traffic follows a routing.
    Shifted {
        /// The routing.
        routing: Routing,
        /// How that is known.
        evidence: Evidence,
        /// From the write's answer to the evidence.
        took: Duration,
    },
    /// A slot that lost its traffic has this in hand. Told when it changes, at most every few
    /// seconds, and every minute when it does not.
    Draining {
        /// The slot.
        slot: Color,
        /// How much it has in hand; `None` while that is not known.
        in_flight: Option<u64>,
        /// Why it is not known.
        unknown: Option<String>,
        /// Until when it is waited for.
        deadline: Timestamp,
    },
    /// A slot that lost its traffic has been waited for.
    Drained {
        /// The slot.
        slot: Color,
        /// How that ended.
        outcome: DrainOutcome,
        /// How long it took, from when the slot began to drain.
        took: Duration,
        /// What is known of the work that it had in hand.
        note: String,
    },
    /// Somebody stopped the release where it is, or let it go on. That it is stopped is told again
    /// after each [`Entered`](Self::Entered).
    Paused {
        /// Who stopped it; `None` if it goes on.
        by: Option<Actor>,
    },
    /// Another process drives the release now.
    TakenOver {
        /// Which, if one does.
        by: Option<HolderId>,
    },
    /// Something that a validator, or a wait, has to say.
    Note {
        /// What.
        text: String,
    },
    /// It is over, or cannot go on by itself.
    Finished {
        /// How.
        outcome: Outcome,
    },
}

/// How the wait for a slot's work in hand ended.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DrainOutcome {
    /// It had nothing in hand for the quiet period.
    Quiet,
    /// Nothing counts its work, so the quiet period was waited for.
    Unmeasured,
    /// Its time was over first: the slot keeps its size.
    Kept,
    /// Its time was over first: what is left is cut off.
    Cut,
}

impl DrainOutcome {
    /// The outcome as programs write it, in `snake_case`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Quiet => "quiet",
            Self::Unmeasured => "unmeasured",
            Self::Kept => "kept",
            Self::Cut => "cut",
        }
    }
}

impl Progress {
    /// A line of text.
    pub fn note(text: impl Into<String>) -> Self {
        Self::Note { text: text.into() }
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entered { release, phase, deadline, .. } => {
                write!(f, "{release}: {phase}")?;
                match deadline {
                    Some(deadline) => write!(f, ", until {deadline}"),
                    None => Ok(()),
                }
            }
            Self::Warned { problem } => write!(f, "warning: {problem}"),
            Self::Retrying { message, after } => write!(f, "{message}; again in {after:?}"),
            Self::Judged { validator, judgement } => {
                write!(f, "{validator}: {judgement}")?;
                judgement.evidence.iter().try_for_each(|finding| write!(f, "\n  {finding}"))
            }
            Self::Shifted { routing, evidence, took } => {
                write!(f, "traffic: {routing} after {took:?} ({evidence})")
            }
            Self::Draining { slot, in_flight: Some(count), .. } => {
                write!(f, "{slot}: {count} in hand")
            }
            Self::Draining { slot, unknown, .. } => {
                write!(f, "{slot}: what it has in hand is not known")?;
                unknown.iter().try_for_each(|why| write!(f, ": {why}"))
            }
            Self::Drained { note, .. } => f.write_str(note),
            Self::Paused { by: Some(by) } => write!(f, "paused by {by}"),
            Self::Paused { by: None } => f.write_str("goes on after a pause"),
            Self::TakenOver { by: Some(by) } => write!(f, "{by} drives the release now"),
            Self::TakenOver { by: None } => f.write_str("nobody drives the release now"),
            Self::Note { text } => f.write_str(text),
            Self::Finished { outcome } => outcome.fmt(f),
        }
    }
}
