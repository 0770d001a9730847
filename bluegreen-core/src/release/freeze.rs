//! Traffic waits for the end of a freeze, or for somebody who overrides it. No way back ever does.

use super::{Phase, Record};
use crate::plan::{FreezeOverride, HookPoint};
use crate::{Actor, Timestamp};

impl Record {
    /// After the preflight. Who lets traffic move in spite of a freeze is in the trail from there on.
    pub(super) fn begun(&mut self, at: Timestamp) -> Phase {
        if let (Some(_), Some(it)) = (&self.plan.freeze, &self.plan.freeze_override) {
            self.note(at, it.to_string());
        }
        self.deploying(at)
    }

    /// To the traffic of a step, unless it is frozen: then to the wait for it. The first traffic comes
    /// after the hooks before it, which are not for a frozen time either, and after the word of its group.
    pub(super) fn shifting(&mut self, step: usize, at: Timestamp) -> Phase {
        let Some(frozen) = self.plan.frozen(at) else {
            let hook = (step == 0).then(|| self.hook_from(0, HookPoint::Shifting, at)).flatten();
            let wait = || (step == 0).then(|| self.switch_barrier(at)).flatten();
            return hook.or_else(wait).unwrap_or(Phase::Shifting { step });
        };
        let until = frozen.until;
        self.note(at, format!("no traffic moves until {until}: {}", frozen.why));
        Phase::Frozen { step, until }
    }

    /// After somebody overrides the freeze, now and for the rest of the release. `None` where nobody
    /// says who and why, or there is nothing to override.
    pub(super) fn after_override(
        &mut self,
        phase: Phase,
        actor: Actor,
        reason: String,
        at: Timestamp,
    ) -> Option<Phase> {
        let said = FreezeOverride::new(actor, reason);
        if !said.is_complete() || !self.may_override(&phase) {
            return None;
        }
        self.plan.freeze_override = Some(said);
        Some(match phase {
            Phase::Frozen { step, .. } => self.shifting(step, at),
            phase => phase,
        })
    }

    /// Whether a freeze is still to come, or is what the release waits for.
    fn may_override(&self, phase: &Phase) -> bool {
        let has_steps_to_come = match phase {
            Phase::RunningHook { before: HookPoint::Deploying | HookPoint::Shifting, .. }
            | Phase::Deploying
            | Phase::RollingOut { .. }
            | Phase::WarmingUp { .. }
            | Phase::Validating { .. }
            | Phase::AwaitingApproval { .. }
            | Phase::Frozen { .. }
            | Phase::AwaitingGroup { before: HookPoint::Shifting, .. } => true,
            Phase::Shifting { step } | Phase::Holding { step, .. } => !self.plan.is_last(*step),
            _ => false,
        };
        has_steps_to_come && self.plan.freeze.is_some()
    }
}
