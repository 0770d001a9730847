//! How far a release has come.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Outcome, Reason};
use crate::Timestamp;
use crate::plan::HookPoint;

/// How far a release has come. Deadlines are instants, because they must survive a crash.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Phase {
    /// Everything that could stand in the way is looked for. Nothing was touched yet.
    Preflight,
    /// Work that the plan wants done at a point of the release is done.
    RunningHook {
        /// Before what.
        before: HookPoint,
        /// Which of the plan's hooks.
        hook: usize,
        /// The number of the attempt, from one.
        attempt: u32,
        /// Until when. Without one it has not begun: the old slot's last pods have to end first.
        #[serde(default)]
        deadline: Option<Timestamp>,
    },
    /// The candidate is written to the idle slot.
    Deploying,
    /// Its pods start.
    RollingOut {
        /// Until when; without one the slot's own deadline counts.
        deadline: Option<Timestamp>,
    },
    /// Its pods get real work until they are fast.
    WarmingUp {
        /// Until when.
        deadline: Timestamp,
    },
    /// The gates judge it.
    Validating {
        /// Until when.
        deadline: Timestamp,
    },
    /// Somebody must say yes.
    AwaitingApproval {
        /// Until when.
        deadline: Timestamp,
    },
    /// No traffic is given to the candidate at this time. Guards watch what it has.
    Frozen {
        /// The step that is waited for.
        step: usize,
        /// Until when.
        until: Timestamp,
    },
    /// The others of its group are waited for.
    AwaitingGroup {
        /// Before its traffic moves, or before the old slot begins its end. In the latter case
        /// guards go on looking.
        before: HookPoint,
        /// Nothing but the group's word, or somebody, ends it: no guard looks any more, and the time
        /// does not take it back. So what the group decides for all holds for all.
        #[serde(default)]
        bound: bool,
        /// Until when.
        deadline: Timestamp,
    },
    /// Traffic moves.
    Shifting {
        /// To the routing of this step.
        step: usize,
    },
    /// Guards watch a step.
    Holding {
        /// The step.
        step: usize,
        /// When it ends if all is well.
        until: Timestamp,
        /// When it ends if guards stay undecided.
        limit: Timestamp,
    },
    /// The candidate has all traffic, and guards watch.
    Baking {
        /// When it ends if all is well.
        until: Timestamp,
        /// When it ends if guards stay undecided.
        limit: Timestamp,
    },
    /// The old slot ends the work it has in hand.
    Draining {
        /// Until when.
        deadline: Timestamp,
    },
    /// Conversations are no longer held on the old slot.
    Unpinning {
        /// Its drain had its time: what is left is not waited for.
        expired: bool,
    },
    /// The old slot is made smaller. From here there is no way back in this release.
    Retiring,
    /// Traffic goes back to the slot that had it.
    Returning {
        /// Why.
        reason: Reason,
    },
    /// The failed candidate is kept to be looked at, and ends the work it has in hand.
    KeepingFailed {
        /// Until when.
        until: Timestamp,
        /// Whether it had traffic, and must be drained.
        drain: bool,
        /// Why it failed.
        reason: Reason,
    },
    /// The candidate's slot is put back as it was found.
    Restoring {
        /// Why.
        reason: Reason,
    },
    /// It is over.
    Done {
        /// How it ended.
        outcome: Outcome,
    },
}

impl Phase {
    /// Which phase it is, without what it carries.
    pub fn name(&self) -> PhaseName {
        match self {
            Self::Preflight => PhaseName::Preflight,
            Self::RunningHook { .. } => PhaseName::RunningHook,
            Self::Deploying => PhaseName::Deploying,
            Self::RollingOut { .. } => PhaseName::RollingOut,
            Self::WarmingUp { .. } => PhaseName::WarmingUp,
            Self::Validating { .. } => PhaseName::Validating,
            Self::AwaitingApproval { .. } => PhaseName::AwaitingApproval,
            Self::Frozen { .. } => PhaseName::Frozen,
            Self::AwaitingGroup { .. } => PhaseName::AwaitingGroup,
            Self::Shifting { .. } => PhaseName::Shifting,
            Self::Holding { .. } => PhaseName::Holding,
            Self::Baking { .. } => PhaseName::Baking,
            Self::Draining { .. } => PhaseName::Draining,
            Self::Unpinning { .. } => PhaseName::Unpinning,
            Self::Retiring => PhaseName::Retiring,
            Self::Returning { .. } => PhaseName::Returning,
            Self::KeepingFailed { .. } => PhaseName::KeepingFailed,
            Self::Restoring { .. } => PhaseName::Restoring,
            Self::Done { .. } => PhaseName::Done,
        }
    }

    /// Until when it lasts at most, where it says.
    pub fn deadline(&self) -> Option<Timestamp> {
        match self {
            Self::RunningHook { deadline, .. } | Self::RollingOut { deadline } => *deadline,
            Self::WarmingUp { deadline }
            | Self::Validating { deadline }
            | Self::AwaitingApproval { deadline }
            | Self::AwaitingGroup { deadline, .. }
            | Self::Draining { deadline } => Some(*deadline),
            Self::Frozen { until, .. }
            | Self::Holding { until, .. }
            | Self::Baking { until, .. }
            | Self::KeepingFailed { until, .. } => Some(*until),
            Self::Preflight
            | Self::Deploying
            | Self::Shifting { .. }
            | Self::Unpinning { .. }
            | Self::Retiring
            | Self::Returning { .. }
            | Self::Restoring { .. }
            | Self::Done { .. } => None,
        }
    }

    /// Whether the old slot is being made smaller, or is: no way leads back from there.
    pub(crate) fn is_past_return(&self) -> bool {
        matches!(self, Self::Retiring | Self::RunningHook { before: HookPoint::Done, .. })
    }

    /// Whether the candidate has stayed: no gate, guard or warm-up is asked from here on, and no way
    /// but that back leads to where one is.
    pub(crate) fn is_proven(&self) -> bool {
        match self {
            Self::RunningHook { before, .. } => {
                matches!(before, HookPoint::Retiring | HookPoint::Done)
            }
            Self::Draining { .. } | Self::Unpinning { .. } | Self::Retiring => true,
            _ => false,
        }
    }

    /// Moves every deadline later, by the time that a pause took.
    pub(super) fn postpone(&mut self, by: Duration) {
        match self {
            Self::RunningHook { deadline, .. } | Self::RollingOut { deadline } => {
                *deadline = deadline.map(|it| it.plus(by));
            }
            Self::WarmingUp { deadline }
            | Self::Validating { deadline }
            | Self::AwaitingApproval { deadline }
            | Self::AwaitingGroup { deadline, .. }
            | Self::Draining { deadline } => *deadline = deadline.plus(by),
            Self::Holding { until, limit, .. } | Self::Baking { until, limit } => {
                *until = until.plus(by);
                *limit = limit.plus(by);
            }
            // The end of a freeze is that of the calendar.
            Self::Frozen { .. }
            | Self::Preflight
            | Self::Deploying
            | Self::Shifting { .. }
            | Self::Unpinning { .. }
            | Self::Retiring
            | Self::Returning { .. }
            | Self::KeepingFailed { .. }
            | Self::Restoring { .. }
            | Self::Done { .. } => {}
        }
    }
}

/// Which phase it is, without what it carries.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[allow(missing_docs, reason = "each is documented on the variant of Phase of the same name")]
pub enum PhaseName {
    Preflight,
    RunningHook,
    Deploying,
    RollingOut,
    WarmingUp,
    Validating,
    AwaitingApproval,
    Frozen,
    AwaitingGroup,
    Shifting,
    Holding,
    Baking,
    Draining,
    Unpinning,
    Retiring,
    Returning,
    KeepingFailed,
    Restoring,
    Done,
}

impl PhaseName {
    /// Whether the release is on its way back, or there.
    pub fn is_backward(self) -> bool {
        matches!(self, Self::Returning | Self::KeepingFailed | Self::Restoring)
    }

    /// The phase as programs write it: in `snake_case`, as it is stored.
    pub fn key(self) -> &'static str {
        match self {
            Self::Preflight => "preflight",
            Self::RunningHook => "running_hook",
            Self::Deploying => "deploying",
            Self::RollingOut => "rolling_out",
            Self::WarmingUp => "warming_up",
            Self::Validating => "validating",
            Self::AwaitingApproval => "awaiting_approval",
            Self::AwaitingGroup => "awaiting_group",
            Self::Frozen => "frozen",
            Self::Shifting => "shifting",
            Self::Holding => "holding",
            Self::Baking => "baking",
            Self::Draining => "draining",
            Self::Unpinning => "unpinning",
            Self::Retiring => "retiring",
            Self::Returning => "returning",
            Self::KeepingFailed => "keeping_failed",
            Self::Restoring => "restoring",
            Self::Done => "done",
        }
    }

    /// The phase as text, in words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Preflight => "preflight",
            Self::RunningHook => "running a hook",
            Self::Deploying => "deploying",
            Self::RollingOut => "rolling out",
            Self::WarmingUp => "warming up",
            Self::Validating => "validating",
            Self::AwaitingApproval => "awaiting approval",
            Self::Frozen => "frozen",
            Self::AwaitingGroup => "awaiting its group",
            Self::Shifting => "shifting",
            Self::Holding => "holding",
            Self::Baking => "baking",
            Self::Draining => "draining",
            Self::Unpinning => "unpinning",
            Self::Retiring => "retiring",
            Self::Returning => "returning",
            Self::KeepingFailed => "keeping failed",
            Self::Restoring => "restoring",
            Self::Done => "done",
        }
    }
}

impl fmt::Display for PhaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
