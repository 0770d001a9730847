//! The record after an event: one match.

use super::{
    Event, EventKind, GroupWord, IllegalEvent, Outcome, Paused, Phase, Reason, Record, Stuck,
};
use crate::plan::{FreezeOverride, HookPoint, OnExpiry};
use crate::{Routing, Timestamp};

impl Record {
    /// The record after `event`.
    ///
    /// # Errors
    /// The event makes no sense in this phase. The record is consumed: keep a clone to go on.
    pub fn apply(mut self, event: Event) -> Result<Self, IllegalEvent> {
        let Event { at, kind } = event;
        if let Some(what) = kind.in_words() {
            self.note(at, what);
        }
        if self.administrate(at, &kind)? {
            return Ok(self);
        }
        let before = self.phase.clone();
        self.phase = self.after(at, kind)?;
        if self.phase != before {
            self.since = at;
            if self.phase.name().is_backward() {
                // The way back is never paused, nor is its end.
                self.paused = None;
            }
            if let Phase::Done { outcome } = &self.phase {
                let what = outcome.to_string();
                self.envelope.holder = None;
                self.note(at, what);
            }
        }
        Ok(self)
    }

    /// The phase after what has happened. Skips what the plan lacks.
    fn after(&mut self, at: Timestamp, kind: EventKind) -> Result<Phase, IllegalEvent> {
        let illegal = IllegalEvent::new(self.phase.name(), &kind);
        Ok(match (self.phase.clone(), kind) {
            // Forward.
            (Phase::Preflight, EventKind::Checked) => self.begun(at),
            (Phase::Preflight, EventKind::Refused { problems }) => {
                Phase::Done { outcome: Outcome::Refused { problems } }
            }
            (
                phase @ Phase::RunningHook { .. },
                kind @ (EventKind::Emptied
                | EventKind::HookEnded { .. }
                | EventKind::Promote { .. }),
            ) => self.in_hook(&phase, kind, at).ok_or(illegal)?,
            (Phase::Deploying, EventKind::Deployed { replicas }) => {
                self.replicas = Some(replicas);
                self.rolling_out(at)
            }
            (Phase::RollingOut { .. }, EventKind::Ready { binding }) => {
                self.candidate = Some(binding);
                self.after_rollout(at)
            }
            (Phase::WarmingUp { .. }, EventKind::Warmed) => self.after_warm_up(at),
            (Phase::Validating { .. }, EventKind::Passed) => self.after_gates(at),
            (
                Phase::AwaitingApproval { .. },
                EventKind::Approved { .. } | EventKind::Promote { .. },
            ) => self.shifting(0, at),
            (Phase::Frozen { step, .. }, EventKind::Thawed) => self.shifting(step, at),
            (phase, EventKind::OverrideFreeze { actor, reason }) => {
                self.after_override(phase, actor, reason, at).ok_or(illegal)?
            }
            (
                phase @ Phase::AwaitingGroup { .. },
                kind @ (EventKind::Grouped { .. } | EventKind::Promote { .. }),
            ) => self.after_word(&phase, &kind, at).ok_or(illegal)?,
            (Phase::Shifting { step }, EventKind::Shifted { .. }) => {
                if let Some(routing) = self.plan.routing(self.envelope.live, step) {
                    self.envelope.routing = routing;
                }
                self.after_shift(step, at)
            }
            (
                Phase::Frozen { step: 1.., .. }
                | Phase::Holding { .. }
                | Phase::Baking { .. }
                | Phase::AwaitingGroup { before: HookPoint::Retiring, bound: false, .. },
                EventKind::Looked { look },
            ) => self.after_look(&look, at),
            (Phase::Holding { step, .. }, EventKind::Approved { .. })
                if self.awaits_approval(step) =>
            {
                self.shifting(step.saturating_add(1), at)
            }
            (Phase::Holding { step, .. }, EventKind::Promote { .. }) => {
                self.shifting(step.saturating_add(1), at)
            }
            (Phase::Baking { .. }, EventKind::Promote { .. }) => self.after_bake(at),
            (Phase::Draining { .. }, EventKind::Drained { expired, .. }) => {
                self.after_drain(expired, at)
            }
            (Phase::Unpinning { expired }, EventKind::Shifted { .. }) => {
                self.envelope.routing = Routing::all(self.candidate_color());
                // What came until the last pin was gone has to end too.
                if expired {
                    self.retiring(at)
                } else {
                    Phase::Draining { deadline: at.plus(self.plan.drain.max) }
                }
            }
            (Phase::Retiring, EventKind::Retired) => self.after_retiring(at),

            // Back: traffic first, then everything else.
            (Phase::Returning { reason }, EventKind::Returned { .. }) => {
                self.envelope.routing = Routing::all(self.envelope.live);
                self.keep_failed(reason, true, at)
            }
            (Phase::KeepingFailed { reason, .. }, EventKind::Kept { .. }) => {
                Phase::Restoring { reason }
            }
            (Phase::Restoring { reason }, EventKind::Restored) => Phase::Done {
                outcome: match reason {
                    Reason::Concluded { winner } => Outcome::Concluded { winner },
                    reason => Outcome::RolledBack { reason },
                },
            },

            // A candidate that is not what was judged is judged again while it has no traffic.
            (
                Phase::WarmingUp { .. }
                | Phase::Validating { .. }
                | Phase::AwaitingApproval { .. }
                | Phase::Frozen { step: 0, .. }
                | Phase::RunningHook { before: HookPoint::Shifting, .. }
                | Phase::AwaitingGroup { before: HookPoint::Shifting, .. }
                | Phase::Shifting { step: 0 },
                EventKind::CandidateChanged { .. },
            ) => self.judge_again(at),
            (phase, EventKind::Drifted { drift }) => {
                self.after_drift(&phase, &drift, at).ok_or(illegal)?
            }

            (phase, kind) => {
                let reason = kind.into_reason().ok_or_else(|| illegal.clone())?;
                self.give_up(&phase, reason, at).ok_or(illegal)?
            }
        })
    }

    /// Events that leave the phase alone. Says whether this was one.
    fn administrate(&mut self, at: Timestamp, kind: &EventKind) -> Result<bool, IllegalEvent> {
        let illegal = IllegalEvent::new(self.phase.name(), kind);
        let name = self.phase.name();
        let over = matches!(self.phase, Phase::Done { .. });
        match kind {
            EventKind::TakenOver { .. }
            | EventKind::LetGo
            | EventKind::Pause { .. }
            | EventKind::Continue { .. }
            | EventKind::Resume { .. }
            | EventKind::Stuck { .. }
                if over =>
            {
                Err(illegal)
            }
            // Its group does not pass over what somebody has to look at. Only what was decided before counts.
            EventKind::Grouped { word: GroupWord::Switch | GroupWord::Bind }
                if self.stuck.is_some() || self.paused.is_some() =>
            {
                Err(illegal)
            }
            EventKind::TakenOver { holder, epoch } => {
                self.envelope.holder = Some(holder.clone());
                self.envelope.epoch = *epoch;
                Ok(true)
            }
            EventKind::LetGo => {
                self.envelope.holder = None;
                Ok(true)
            }
            EventKind::Pause { .. } if name.is_backward() => Err(illegal),
            EventKind::Pause { actor } => {
                self.paused.get_or_insert(Paused { at, by: actor.clone() });
                Ok(true)
            }
            EventKind::Continue { .. } => {
                let Some(paused) = self.paused.take() else { return Err(illegal) };
                self.phase.postpone(at.since(paused.at));
                Ok(true)
            }
            EventKind::Resume { .. } => {
                self.stuck = None;
                self.resume_hook(at);
                Ok(true)
            }
            EventKind::Stuck { message, advice } => {
                self.stuck = Some(Stuck::new(name, message, advice));
                Ok(true)
            }
            // It says itself what it leads to.
            EventKind::Drifted { .. } => Ok(false),
            // Whatever else happens, somebody or something has moved the release on.
            _ => {
                self.stuck = None;
                Ok(false)
            }
        }
    }

    fn after_drain(&mut self, expired: bool, at: Timestamp) -> Phase {
        self.kept = expired && self.plan.drain.on_expiry == OnExpiry::Keep;
        if self.envelope.routing.pins.is_empty() {
            self.retiring(at)
        } else {
            Phase::Unpinning { expired }
        }
    }

    /// The end of a release whose candidate is live.
    pub(super) fn ended(&self) -> Phase {
        let outcome = match self.winner {
            Some(winner) => Outcome::Concluded { winner },
            None => Outcome::Released,
        };
        Phase::Done { outcome }
    }

    /// From its rollout on.
    pub(super) fn judge_again(&mut self, at: Timestamp) -> Phase {
        (self.candidate, self.passed) = (None, None);
        self.rolling_out(at)
    }

    fn rolling_out(&self, at: Timestamp) -> Phase {
        Phase::RollingOut { deadline: self.plan.rollout.map(|time| at.plus(time)) }
    }

    fn after_rollout(&mut self, at: Timestamp) -> Phase {
        match (&self.plan.warm_up, &self.warm_up) {
            (Some(warm_up), Some(_)) => Phase::WarmingUp { deadline: at.plus(warm_up.timeout) },
            _ => self.after_warm_up(at),
        }
    }

    fn after_warm_up(&mut self, at: Timestamp) -> Phase {
        if self.gates.is_empty() {
            self.after_gates(at)
        } else {
            Phase::Validating { deadline: at.plus(self.plan.gates) }
        }
    }

    fn after_gates(&mut self, at: Timestamp) -> Phase {
        self.passed = Some(self.change.digest.clone());
        match &self.plan.approval {
            Some(approval) => Phase::AwaitingApproval { deadline: at.plus(approval.timeout) },
            None => self.shifting(0, at),
        }
    }

    /// Where a release goes that does not go on: back if traffic may have moved, else straight
    /// to the candidate. Nowhere once the old slot is being made smaller.
    pub(super) fn give_up(&self, phase: &Phase, reason: Reason, at: Timestamp) -> Option<Phase> {
        match phase {
            // Nothing was deployed.
            Phase::Preflight | Phase::RunningHook { before: HookPoint::Deploying, .. } => {
                Some(Phase::Done { outcome: Outcome::RolledBack { reason } })
            }
            Phase::RunningHook { before: HookPoint::Shifting, .. }
            | Phase::Deploying
            | Phase::RollingOut { .. }
            | Phase::WarmingUp { .. }
            | Phase::Validating { .. }
            | Phase::AwaitingApproval { .. }
            | Phase::AwaitingGroup { before: HookPoint::Shifting, .. }
            | Phase::Frozen { step: 0, .. } => Some(self.keep_failed(reason, false, at)),
            Phase::RunningHook { before: HookPoint::Retiring, .. }
            | Phase::AwaitingGroup { .. }
            | Phase::Frozen { .. }
            | Phase::Shifting { .. }
            | Phase::Holding { .. }
            | Phase::Baking { .. }
            | Phase::Draining { .. }
            | Phase::Unpinning { .. } => Some(Phase::Returning { reason }),
            Phase::RunningHook { before: HookPoint::Done, .. }
            | Phase::Retiring
            | Phase::Returning { .. }
            | Phase::KeepingFailed { .. }
            | Phase::Restoring { .. }
            | Phase::Done { .. } => None,
        }
    }

    fn keep_failed(&self, reason: Reason, drain: bool, at: Timestamp) -> Phase {
        // The loser of an experiment has not failed: there is nothing to look at.
        let concluded = matches!(reason, Reason::Concluded { .. });
        let keep = if concluded { std::time::Duration::ZERO } else { self.plan.keep_failed };
        if keep.is_zero() && !drain {
            Phase::Restoring { reason }
        } else {
            Phase::KeepingFailed { until: at.plus(keep), drain, reason }
        }
    }
}

impl EventKind {
    /// The reason for which this event ends a release.
    fn into_reason(self) -> Option<Reason> {
        Some(match self {
            Self::Abort { actor, reason } => Reason::Aborted { actor, reason },
            Self::Rollback { actor, reason } => Reason::Requested { actor, reason },
            Self::Unfit { message } => Reason::Unfit { message },
            Self::Undecided { message } => Reason::Undecided { message },
            Self::Failed { message } => Reason::Failed { message },
            Self::MovedBack { found } => Reason::External { found },
            Self::CandidateChanged { found } => {
                Reason::Failed { message: format!("the candidate changed under traffic: {found}") }
            }
            _ => return None,
        })
    }

    /// What the trail says of this event. Nothing of those that a phase speaks for.
    fn in_words(&self) -> Option<String> {
        Some(match self {
            Self::Approved { actor } => format!("{actor} approves"),
            Self::Grouped { word } => word.to_string(),
            Self::Shifted { evidence } => format!("traffic follows: {evidence}"),
            Self::Returned { evidence, caveats } => {
                let caveats = caveats.iter().map(|caveat| format!("; {caveat}"));
                format!("traffic follows: {evidence}{}", caveats.collect::<String>())
            }
            Self::Drained { note, .. } | Self::Kept { note } => note.clone(),
            Self::Unfit { message } => format!("unfit: {message}"),
            Self::Undecided { message } => format!("undecided: {message}"),
            Self::Failed { message } => format!("failed: {message}"),
            Self::Stuck { message, .. } => format!("stuck: {message}"),
            Self::CandidateChanged { found } => format!("the candidate changed: {found}"),
            Self::MovedBack { found } => format!("someone else moved traffic back: {found}"),
            Self::Drifted { drift } => drift.to_string(),
            Self::Abort { actor, reason } => format!("{actor} aborts: {reason}"),
            Self::Rollback { actor, reason } => format!("{actor} rolls back: {reason}"),
            Self::Promote { actor } => format!("{actor} promotes"),
            Self::OverrideFreeze { actor, reason } => {
                FreezeOverride::new(actor.clone(), reason).to_string()
            }
            Self::Pause { actor } => format!("{actor} pauses"),
            Self::Continue { actor } => format!("{actor} continues"),
            Self::Resume { actor } => format!("{actor} resumes"),
            Self::TakenOver { holder, epoch } => format!("{holder} takes over with epoch {epoch}"),
            Self::Checked
            | Self::Refused { .. }
            | Self::Emptied
            | Self::HookEnded { .. }
            | Self::Deployed { .. }
            | Self::Ready { .. }
            | Self::Warmed
            | Self::Passed
            | Self::Thawed
            | Self::Looked { .. }
            | Self::Retired
            | Self::Restored
            | Self::LetGo => return None,
        })
    }
}

#[cfg(test)]
pub(super) mod tests;
