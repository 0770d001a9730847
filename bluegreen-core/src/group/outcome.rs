//! How a group ends, and what keeps it from being driven.

use std::fmt;

use crate::{OperationError, Problem, Reason, Stuck};

/// How the release of a group ended, or that it cannot go on by itself.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum GroupOutcome {
    /// All candidates are live.
    Released,
    /// Traffic is where it was before, of all members.
    RolledBack {
        /// The member that went back first.
        member: String,
        /// Why.
        reason: Reason,
    },
    /// Nothing was touched.
    Refused {
        /// Why not: of the group and of all members, named after them.
        problems: Vec<Problem>,
    },
    /// A member cannot go on by itself: a pause, not an end.
    Stuck {
        /// Which.
        member: String,
        /// Where, why, and what to do.
        stuck: Stuck,
    },
    /// Some stay and some do not, because somebody moved one after the group had decided, by
    /// `rollback` say.
    Split {
        /// Those whose candidate is live.
        kept: Vec<String>,
        /// Those whose old version is.
        back: Vec<String>,
    },
}

impl fmt::Display for GroupOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Released => f.write_str("released, all members"),
            Self::RolledBack { member, reason } => {
                write!(f, "rolled back, all members: {member}: {reason}")
            }
            Self::Refused { problems } => {
                write!(f, "refused, {} problems:", problems.len())?;
                problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
            }
            Self::Stuck { member, stuck } => write!(f, "member {member}: {stuck}"),
            Self::Split { kept, back } => {
                write!(f, "split: released {}; rolled back {}", kept.join(", "), back.join(", "))
            }
        }
    }
}

/// Why a group was not driven to its end. Each member is where its record says, and
/// [`Group::resume`](super::Group::resume) goes on from there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GroupError {
    /// A member could not be driven, or not be looked at.
    #[error("member {member}: {source}")]
    Member {
        /// Which.
        member: String,
        /// Why.
        source: OperationError,
    },
    /// None of the members is in an unfinished release of this group.
    #[error("no release of group {group} is under way")]
    NoRelease {
        /// The group's name.
        group: String,
    },
    /// The release that is under way began with other members or in another order, or its members
    /// are of several starts.
    #[error("group {group} is not what began: found {found}, wanted {wanted}")]
    OtherGroup {
        /// The group's name.
        group: String,
        /// What the records say.
        found: String,
        /// What is at hand.
        wanted: String,
    },
}
