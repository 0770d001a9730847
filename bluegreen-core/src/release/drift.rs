//! Somebody else writes to what a release works on, and what that leads to.

use std::fmt;

use super::{Paused, Phase, Reason, Record, Stuck};
use crate::plan::{HookPoint, OnDrift};
use crate::{Actor, Binding, Routing, Share, Timestamp};

/// A foreign write to what a release works on.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Drift {
    /// What was written to.
    pub what: Drifted,
    /// What was found.
    pub found: String,
    /// What it should be.
    pub wanted: String,
    /// Who wrote it, as far as that is known: the name of a field manager.
    pub by: Option<String>,
}

/// What a foreign write was made to.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Drifted {
    /// Where traffic goes; the new routing, where everything agrees on one.
    Routing(Option<Routing>),
    /// What the candidate's pods are made from.
    Candidate(Box<Binding>),
    /// How many pods the candidate should have: fewer than it was deployed with.
    Size(u32),
    /// The record.
    Record,
}

impl Drift {
    /// A foreign write by somebody.
    pub fn new(what: Drifted, found: impl Into<String>, wanted: impl Into<String>) -> Self {
        Self { what, found: found.into(), wanted: wanted.into(), by: None }
    }
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, found, wanted, by } = self;
        let by = by.as_deref().unwrap_or("someone else");
        let what = match what {
            Drifted::Routing(_) => "moved traffic",
            Drifted::Candidate(_) => "changed the candidate",
            Drifted::Size(_) => "changed the candidate's size",
            Drifted::Record => "changed the record",
        };
        write!(f, "{by} {what}: found {found}, wanted {wanted}")
    }
}

impl Record {
    /// Where a foreign write leads: by the plan's policy, but never to a fight, and never to
    /// traffic for what was not judged. `None` where it cannot have been noticed.
    pub(super) fn after_drift(
        &mut self,
        phase: &Phase,
        drift: &Drift,
        at: Timestamp,
    ) -> Option<Phase> {
        if phase.is_past_return() || matches!(phase, Phase::Preflight | Phase::Done { .. }) {
            return None;
        }
        if !phase.name().is_backward() {
            let back = Routing::all(self.envelope.live);
            let is_back = matches!(&drift.what, Drifted::Routing(Some(found)) if *found == back);
            // More traffic would go to what no gate has seen.
            let is_between_steps =
                matches!(phase, Phase::Holding { .. } | Phase::Frozen { step: 1.., .. });
            let is_unseen = is_between_steps && matches!(drift.what, Drifted::Candidate(_));
            // Another one of its group may already have stayed, so that one waits for a person.
            let is_bound = matches!(phase, Phase::AwaitingGroup { bound: true, .. });
            let returns = self.plan.on_drift == OnDrift::Return && !is_bound;
            if is_back || is_unseen || returns {
                self.stuck = None;
                return self.give_up(phase, Reason::External { found: drift.to_string() }, at);
            }
            if self.plan.on_drift == OnDrift::Accept
                && let Some(phase) = self.accepted(phase, drift, at)
            {
                self.stuck = None;
                return Some(phase);
            }
        }
        if has_traffic(phase) && self.take(&drift.what) {
            // To leave it alone would leave traffic to it: guards go on looking at what is there.
            let by = drift.by.as_deref().unwrap_or("someone else");
            self.paused.get_or_insert(Paused { at, by: Actor::new(by) });
            return Some(phase.clone());
        }
        // Without traffic there is no hurry, and whoever resumes has seen what the candidate is now.
        let is_forward = !phase.name().is_backward();
        let mut next = phase.clone();
        let advice = match &drift.what {
            Drifted::Routing(_) => "put the routing back and `resume`, or `rollback`",
            Drifted::Record => "it was put back: `resume`, or `rollback`",
            Drifted::Candidate(found) if is_forward && found.digest == self.change.digest => {
                next = self.judge_again(at);
                "`resume` to have it judged again, or `rollback`"
            }
            Drifted::Candidate(_) => "`rollback`, and release what it is to be",
            Drifted::Size(_) => {
                self.take(&drift.what);
                "`resume` to go on with it, or `rollback`"
            }
        };
        self.stuck = Some(Stuck::new(phase.name(), drift.to_string(), advice));
        Some(next)
    }

    /// Takes over what the candidate is now. Whether that was what the drift is about.
    fn take(&mut self, what: &Drifted) -> bool {
        match what {
            Drifted::Candidate(found) => self.candidate = Some((**found).clone()),
            Drifted::Size(found) => self.replicas = Some(*found),
            Drifted::Routing(_) | Drifted::Record => return false,
        }
        true
    }

    /// The phase after what somebody else wrote is taken over, if it can be.
    fn accepted(&mut self, phase: &Phase, drift: &Drift, at: Timestamp) -> Option<Phase> {
        match &drift.what {
            Drifted::Routing(Some(found)) if has_traffic(phase) => {
                let candidate = self.candidate_color();
                if found.share_of(candidate) == Share::NONE {
                    return None;
                }
                self.envelope.routing = found.clone();
                let last = self.plan.steps.len().saturating_sub(1);
                Some(match phase {
                    Phase::Holding { .. } | Phase::Frozen { .. }
                        if *found == Routing::all(candidate) =>
                    {
                        self.after_shift(last, at)
                    }
                    phase => phase.clone(),
                })
            }
            // Another configuration would be another release.
            Drifted::Candidate(found) if found.digest == self.change.digest => {
                if has_traffic(phase) {
                    self.take(&drift.what);
                    return Some(phase.clone());
                }
                Some(self.judge_again(at))
            }
            Drifted::Size(_) => {
                self.take(&drift.what);
                Some(phase.clone())
            }
            Drifted::Routing(_) | Drifted::Candidate(_) | Drifted::Record => None,
        }
    }
}

/// Whether the candidate has traffic, and nothing is under way with it.
fn has_traffic(phase: &Phase) -> bool {
    matches!(
        phase,
        Phase::Frozen { step: 1.., .. }
            | Phase::Holding { .. }
            | Phase::Baking { .. }
            | Phase::AwaitingGroup { before: HookPoint::Retiring, .. }
            | Phase::Draining { .. }
            | Phase::RunningHook { before: HookPoint::Retiring, .. }
    )
}

#[cfg(test)]
mod tests;
