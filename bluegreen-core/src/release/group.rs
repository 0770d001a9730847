//! A release that belongs to a group waits for it: before its traffic moves, and when its bake is over.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{EventKind, Phase, Record};
use crate::plan::{Barrier, HookPoint};
use crate::{Digest, Timestamp};

/// The group that a release belongs to, as its record has it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Membership {
    /// The group's name.
    pub group: String,
    /// Which start of the group this is. No two have the same.
    pub run: String,
    /// What this member is called in its group.
    pub member: String,
    /// All members, in the order in which they were given.
    pub members: Vec<String>,
    /// The digest of who is in the group, and who comes after whom.
    pub shape: Digest,
    /// The group has let its traffic move. It is not asked again.
    #[serde(default)]
    pub may_switch: bool,
}

impl Membership {
    /// The membership of `member` in one start of a group, whose traffic does not move yet.
    pub fn new(
        group: impl Into<String>,
        run: impl Into<String>,
        member: impl Into<String>,
        members: Vec<String>,
        shape: Digest,
    ) -> Self {
        let (group, run, member) = (group.into(), run.into(), member.into());
        Self { group, run, member, members, shape, may_switch: false }
    }
}

/// What a group says to one of its members.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum GroupWord {
    /// All members are ready, and its traffic may move.
    Switch,
    /// All bakes are over, and it does not go back by itself any more.
    Bind,
    /// All members are bound: the candidate stays, and the old slot may end.
    Keep,
}

impl fmt::Display for GroupWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Switch => "all of its group are ready: its traffic may move",
            Self::Bind => "all of its group have baked: it waits for the decision",
            Self::Keep => "all of its group stay: the old slot may end",
        })
    }
}

impl Record {
    /// The wait before its first traffic, unless its group has let it pass.
    pub(super) fn switch_barrier(&self, at: Timestamp) -> Option<Phase> {
        let has_passed = self.group.as_ref().is_some_and(|group| group.may_switch);
        self.barrier(HookPoint::Shifting, at).filter(|_| !has_passed)
    }

    /// The wait for the other bakes.
    pub(super) fn end_barrier(&self, at: Timestamp) -> Option<Phase> {
        self.barrier(HookPoint::Retiring, at)
    }

    fn barrier(&self, before: HookPoint, at: Timestamp) -> Option<Phase> {
        let is_there = |barrier: &&Barrier| barrier.before == before;
        let barrier = self.plan.barriers.iter().find(is_there)?;
        Some(Phase::AwaitingGroup { before, bound: false, deadline: at.plus(barrier.timeout) })
    }

    /// After the group's word, or that of somebody who no longer waits for it.
    pub(super) fn after_word(
        &mut self,
        phase: &Phase,
        kind: &EventKind,
        at: Timestamp,
    ) -> Option<Phase> {
        let Phase::AwaitingGroup { before, bound, deadline } = *phase else { return None };
        let EventKind::Grouped { word } = kind else {
            // Who has to decide alone, and after all others are known to have had their time, may.
            return (bound && at >= deadline).then(|| self.kept_live(at));
        };
        match (before, bound, word) {
            (HookPoint::Shifting, _, GroupWord::Switch) => {
                self.group.as_mut()?.may_switch = true;
                // A freeze may have begun meanwhile.
                Some(self.shifting(0, at))
            }
            (HookPoint::Retiring, false, GroupWord::Bind) => {
                Some(Phase::AwaitingGroup { before, bound: true, deadline })
            }
            (HookPoint::Retiring, true, GroupWord::Keep) => Some(self.kept_live(at)),
            _ => None,
        }
    }
}

/// Why a member goes back that has waited in vain.
pub(crate) fn no_word(deadline: Timestamp) -> String {
    format!("its group had not said by {deadline} that it may go on")
}

#[cfg(test)]
pub(super) mod tests;
