//! Why an operation was not carried out.

use crate::release::IllegalEvent;
use crate::{Error, PhaseName, Record, Stuck, Timestamp};

/// Why an operation was not carried out. Nothing was lost: the live slot serves as before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OperationError {
    /// A release is under way, and another process drives it.
    #[error("a release is under way ({phase}); {advice}")]
    Busy {
        /// How far it has come.
        phase: PhaseName,
        /// Until when its phase lasts at most, where that is known.
        until: Option<Timestamp>,
        /// What can be done.
        advice: String,
    },
    /// There is no release to do this with.
    #[error("no release is under way, and there is none to go back from")]
    NoRelease,
    /// It makes no sense in the phase that the release is in.
    #[error(transparent)]
    Illegal(#[from] IllegalEvent),
    /// A gate or guard that the record names is not here, or has other settings.
    #[error("the release began with other validators: {}", names.join(", "))]
    OtherValidators {
        /// Those that are missing or differ.
        names: Vec<String>,
    },
    /// The record was written by a newer version of this library.
    #[error(
        "the record has format {format}, newer than this version drives; only `rollback` works"
    )]
    Newer {
        /// The record's format.
        format: u32,
    },
    /// The old slot is not what a rollback would go back to.
    #[error("there is nothing to go back to: {found}")]
    NoWayBack {
        /// What was found, and what was wanted.
        found: String,
    },
    /// A hook has taken away what the old version may need, so nothing goes back to it.
    #[error(
        "there is no way back to {version}: hook {hook} has run after the old slot had retired, and \
         that version may not understand the data any more; release one that does"
    )]
    Contracted {
        /// The hook.
        hook: String,
        /// The version that was asked for.
        version: String,
    },
    /// Traffic could not be given back. The record says so too, and the release goes on from there
    /// once what stands in the way is gone.
    #[error("{stuck}")]
    Stuck {
        /// Where, why, and what to do.
        stuck: Stuck,
    },
    /// Something that a release acts through failed.
    #[error(transparent)]
    Port(#[from] Error),
}

impl OperationError {
    /// Which it is, as programs write it, in `snake_case`.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Busy { .. } => "busy",
            Self::NoRelease => "no_release",
            Self::Illegal(_) => "illegal",
            Self::OtherValidators { .. } => "other_validators",
            Self::Newer { .. } => "newer",
            Self::NoWayBack { .. } => "no_way_back",
            Self::Contracted { .. } => "contracted",
            Self::Stuck { .. } => "stuck",
            Self::Port(error) => error.kind().key(),
        }
    }
}

pub(crate) fn busy_because(record: &Record, advice: impl Into<String>) -> OperationError {
    OperationError::Busy {
        phase: record.phase.name(),
        until: record.phase.deadline(),
        advice: advice.into(),
    }
}

/// Why nothing goes back to what was live before, if a hook has begun to take away what it needs.
pub(super) fn contracted(record: &Record) -> Option<OperationError> {
    let hook = record.contracted_by()?.to_owned();
    let version = record.baseline.version();
    let version = if version.is_empty() { "the old version" } else { version }.to_owned();
    Some(OperationError::Contracted { hook, version })
}
