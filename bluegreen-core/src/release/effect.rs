//! What is to be done next.

use super::{Outcome, Phase, Record, Stuck};
use crate::plan::HookPoint;
use crate::{Color, Routing, Timestamp};

/// What is to be done next, as it follows from the record alone.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Next {
    /// Do this, then apply what came of it.
    Perform(Effect),
    /// Wait until somebody changes the record.
    Wait(Wait),
    /// It is over.
    Finish(Outcome),
}

/// Why a release waits for somebody.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Wait {
    /// Somebody paused it.
    Paused,
    /// It cannot go on by itself.
    Stuck(Stuck),
}

/// Something to be done. Each is a reconciliation: done twice it is done once.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the fields are named by their types and by the phase")]
pub enum Effect {
    /// Look for everything that stands in the way.
    Check,
    /// Wait until nothing of this slot is left.
    AwaitEmpty { slot: Color },
    /// Run this hook of the plan, or follow what already runs.
    RunHook { hook: usize, attempt: u32, deadline: Timestamp },
    /// Write the candidate to the idle slot.
    Deploy,
    /// Wait until its pods are ready.
    AwaitReady { deadline: Option<Timestamp> },
    /// Give its pods real work until they are fast.
    WarmUp { deadline: Timestamp },
    /// Let the gates judge it.
    Judge { deadline: Timestamp },
    /// Wait until somebody says yes.
    AwaitApproval { deadline: Timestamp },
    /// Wait until traffic may move.
    AwaitThaw { until: Timestamp },
    /// Wait for the word of the group.
    AwaitGroup { deadline: Timestamp, bound: bool },
    /// Make the routing `to`, and see that traffic follows.
    Shift { to: Routing },
    /// Let guards look until then.
    Hold { until: Timestamp },
    /// Wait until this slot has nothing in hand.
    Drain { slot: Color, deadline: Timestamp },
    /// Make the routing `to`, which holds no conversation.
    Unpin { to: Routing },
    /// Make the old slot smaller, unless it keeps its size, and settle the new one.
    Retire { slot: Color, replicas: Option<u32> },
    /// Give all traffic back to this slot.
    Return { to: Color },
    /// Keep the failed candidate until then.
    Keep { until: Timestamp, drain: bool },
    /// Put this slot back as it was found.
    Restore { slot: Color },
}

impl Effect {
    /// Whether it may take long, so that whoever performs it has to notice when somebody else
    /// changes the record.
    pub fn waits(&self) -> bool {
        match self {
            Self::AwaitEmpty { .. }
            | Self::RunHook { .. }
            | Self::AwaitReady { .. }
            | Self::WarmUp { .. }
            | Self::Judge { .. }
            | Self::AwaitApproval { .. }
            | Self::AwaitThaw { .. }
            | Self::AwaitGroup { .. }
            | Self::Hold { .. }
            | Self::Drain { .. }
            | Self::Keep { .. } => true,
            Self::Check
            | Self::Deploy
            | Self::Shift { .. }
            | Self::Unpin { .. }
            | Self::Retire { .. }
            | Self::Return { .. }
            | Self::Restore { .. } => false,
        }
    }
}

impl Record {
    /// What to do next. Follows from the record alone, so that recovery is the normal path.
    pub fn next(&self) -> Next {
        if let Some(stuck) = &self.stuck {
            return Next::Wait(Wait::Stuck(stuck.clone()));
        }
        // Guards go on watching while a hold is paused, and the way back is never paused.
        let watched = matches!(
            self.phase,
            Phase::Holding { .. }
                | Phase::Baking { .. }
                | Phase::Frozen { step: 1.., .. }
                | Phase::AwaitingGroup { before: HookPoint::Retiring, bound: false, .. }
        );
        if self.paused.is_some() && !watched && !self.phase.name().is_backward() {
            return Next::Wait(Wait::Paused);
        }
        Next::Perform(match &self.phase {
            Phase::Preflight => Effect::Check,
            Phase::RunningHook { hook, attempt, deadline: Some(deadline), .. } => {
                Effect::RunHook { hook: *hook, attempt: *attempt, deadline: *deadline }
            }
            Phase::RunningHook { deadline: None, .. } => {
                Effect::AwaitEmpty { slot: self.envelope.live }
            }
            Phase::Deploying => Effect::Deploy,
            Phase::RollingOut { deadline } => Effect::AwaitReady { deadline: *deadline },
            Phase::WarmingUp { deadline } => Effect::WarmUp { deadline: *deadline },
            Phase::Validating { deadline } => Effect::Judge { deadline: *deadline },
            Phase::AwaitingApproval { deadline } => Effect::AwaitApproval { deadline: *deadline },
            Phase::Frozen { step: 0, until } => Effect::AwaitThaw { until: *until },
            Phase::AwaitingGroup { before: HookPoint::Retiring, bound: false, deadline } => {
                Effect::Hold { until: *deadline }
            }
            Phase::AwaitingGroup { bound, deadline, .. } => {
                Effect::AwaitGroup { deadline: *deadline, bound: *bound }
            }
            Phase::Shifting { step } => Effect::Shift {
                to: self
                    .plan
                    .routing(self.envelope.live, *step)
                    .unwrap_or_else(|| Routing::all(self.candidate_color())),
            },
            Phase::Frozen { until, .. }
            | Phase::Holding { until, .. }
            | Phase::Baking { until, .. } => Effect::Hold { until: *until },
            Phase::Draining { deadline } => {
                Effect::Drain { slot: self.envelope.live, deadline: *deadline }
            }
            Phase::Unpinning { .. } => Effect::Unpin { to: Routing::all(self.candidate_color()) },
            Phase::Retiring => {
                let replicas = (!self.kept).then_some(self.plan.standby);
                Effect::Retire { slot: self.envelope.live, replicas }
            }
            Phase::Returning { .. } => Effect::Return { to: self.envelope.live },
            Phase::KeepingFailed { until, drain, .. } => {
                Effect::Keep { until: *until, drain: *drain }
            }
            Phase::Restoring { .. } => Effect::Restore { slot: self.candidate_color() },
            Phase::Done { outcome } => return Next::Finish(outcome.clone()),
        })
    }
}
