//! What a look of the guards leads to, and what follows a step and the bake.

use super::group::no_word;
use super::{Look, Phase, Reason, Record};
use crate::plan::{OnUndecided, Until};
use crate::{Timestamp, Winner};

impl Record {
    /// After the traffic of a step has followed.
    pub(super) fn after_shift(&mut self, step: usize, at: Timestamp) -> Phase {
        let (length, on_undecided) = if self.plan.is_last(step) {
            if self.plan.bake.hold.is_zero() {
                return self.after_bake(at);
            }
            (self.plan.bake.hold, self.plan.bake.on_undecided)
        } else {
            let step = &self.plan.steps[step];
            (step.until.length(), step.on_undecided)
        };
        let times = match on_undecided {
            OnUndecided::Extend { times } => times.max(1),
            OnUndecided::Return | OnUndecided::Proceed => 1,
        };
        let (until, limit) = (at.plus(length), at.plus(length.saturating_mul(times)));
        if self.plan.is_last(step) {
            Phase::Baking { until, limit }
        } else {
            Phase::Holding { step, until, limit }
        }
    }

    /// After the bake, which ends for all of a group at once.
    pub(super) fn after_bake(&mut self, at: Timestamp) -> Phase {
        self.end_barrier(at).unwrap_or_else(|| self.kept_live(at))
    }

    /// The old slot has no way back to traffic but a new release.
    pub(super) fn kept_live(&mut self, at: Timestamp) -> Phase {
        let drain = &self.plan.drain;
        if drain.max.is_zero() {
            if self.envelope.routing.pins.is_empty() {
                self.retiring(at)
            } else {
                Phase::Unpinning { expired: true }
            }
        } else {
            Phase::Draining { deadline: at.plus(drain.max) }
        }
    }

    /// Whether this step waits for somebody to say yes.
    pub(super) fn awaits_approval(&self, step: usize) -> bool {
        self.plan.steps.get(step).is_some_and(|step| matches!(step.until, Until::Approved { .. }))
    }

    /// After all guards have looked once.
    pub(super) fn after_look(&mut self, look: &Look, at: Timestamp) -> Phase {
        let phase = self.phase.clone();
        if let Some(message) = &look.failed {
            return Phase::Returning { reason: Reason::Unfit { message: message.clone() } };
        }
        let (until, limit, step) = match &phase {
            // Its hold had ended well before: what is undecided now was decided then.
            Phase::Frozen { step, until } if self.paused.is_none() && at >= *until => {
                return self.shifting(*step, at);
            }
            Phase::AwaitingGroup { deadline, .. } if self.paused.is_none() && at >= *deadline => {
                return Phase::Returning {
                    reason: Reason::Undecided { message: no_word(*deadline) },
                };
            }
            Phase::Holding { step, until, limit } => (*until, *limit, Some(*step)),
            Phase::Baking { until, limit } => (*until, *limit, None),
            _ => return phase,
        };
        if self.paused.is_some() {
            return phase;
        }
        let decides = step.and_then(|step| self.plan.steps.get(step)).map(|step| &step.until);
        match decides {
            Some(Until::Decided { .. }) => {
                if let Some(winner) = look.winner.or((at >= until).then_some(Winner::Live)) {
                    return self.conclude(winner, step.unwrap_or_default(), at);
                }
                return phase;
            }
            Some(Until::Approved { .. }) if at >= until => {
                let message = "nobody approved the step in time".to_owned();
                return Phase::Returning { reason: Reason::Undecided { message } };
            }
            Some(Until::Approved { .. }) => return phase,
            Some(Until::Elapsed { .. }) | None => {}
        }
        if at < until {
            return phase;
        }
        if let Some(message) = &look.undecided {
            let on_undecided = match step.and_then(|step| self.plan.steps.get(step)) {
                Some(step) => step.on_undecided,
                None => self.plan.bake.on_undecided,
            };
            match on_undecided {
                OnUndecided::Extend { .. } if at < limit => return phase,
                OnUndecided::Extend { .. } | OnUndecided::Return => {
                    return Phase::Returning {
                        reason: Reason::Undecided { message: message.clone() },
                    };
                }
                OnUndecided::Proceed => {
                    self.note(at, format!("goes on undecided: {message}"));
                }
            }
        }
        match step {
            Some(step) => self.shifting(step.saturating_add(1), at),
            None => self.after_bake(at),
        }
    }

    fn conclude(&mut self, winner: Winner, step: usize, at: Timestamp) -> Phase {
        self.winner = Some(winner);
        match winner {
            Winner::Candidate => self.shifting(step.saturating_add(1), at),
            Winner::Live => Phase::Returning { reason: Reason::Concluded { winner } },
        }
    }
}
