//! Hooks: which comes next at a point of a release, and what came of those that ran.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{EventKind, Phase, Reason, Record, Stuck};
use crate::plan::HookPoint;
use crate::{HookOutcome, Timestamp};

/// How many results are kept, and how many bytes of all their logs together: a record has to stay
/// far below [`MAX_RECORD`](crate::MAX_RECORD).
const RESULTS: usize = 32;
const LOGS: usize = 12 * 1024;
/// How many characters of a reason are kept.
const REASON: usize = 400;

/// What came of one attempt at a hook.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HookResult {
    /// The hook's name.
    pub hook: String,
    /// At which point it ran.
    pub before: HookPoint,
    /// The number of the attempt, from one.
    pub attempt: u32,
    /// When it had ended.
    pub at: Timestamp,
    /// How.
    pub outcome: HookOutcome,
}

impl HookResult {
    /// Whether it ended well.
    pub fn is_success(&self) -> bool {
        matches!(self.outcome, HookOutcome::Succeeded)
    }
}

/// What came of it, and under that the log that it left.
impl fmt::Display for HookResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { hook, before, attempt, at, .. } = self;
        // A record is text that others can write, and this goes to terminals.
        let outcome = shortened(self.outcome.clone().bounded());
        write!(f, "hook {hook} ({before}), attempt {attempt}: ")?;
        match outcome {
            HookOutcome::Succeeded => write!(f, "succeeded at {at}"),
            HookOutcome::Failed { reason, log } => {
                write!(f, "failed at {at}: {reason}")?;
                log.lines().try_for_each(|line| write!(f, "\n  | {line}"))
            }
        }
    }
}

impl Record {
    /// To the writing of the candidate, after the hooks before it.
    pub(super) fn deploying(&mut self, at: Timestamp) -> Phase {
        self.hook_from(0, HookPoint::Deploying, at).unwrap_or(Phase::Deploying)
    }

    /// To the end of the old slot, after the hooks before it.
    pub(super) fn retiring(&mut self, at: Timestamp) -> Phase {
        self.hook_from(0, HookPoint::Retiring, at).unwrap_or(Phase::Retiring)
    }

    /// To the end of the release, after the hooks before it.
    pub(super) fn after_retiring(&mut self, at: Timestamp) -> Phase {
        self.hook_from(0, HookPoint::Done, at).unwrap_or_else(|| self.ended())
    }

    /// The next hook of a point that has not succeeded yet, from the plan's `first` on.
    pub(super) fn hook_from(
        &self,
        first: usize,
        before: HookPoint,
        at: Timestamp,
    ) -> Option<Phase> {
        let mut hooks = self.plan.hooks.iter().enumerate().skip(first);
        let (hook, named) = hooks.find(|(_, it)| {
            let has_succeeded = |result: &HookResult| result.hook == it.name && result.is_success();
            it.before == before && !self.hooks.iter().any(has_succeeded)
        })?;
        let tried = self.hooks.iter().filter(|result| result.hook == named.name);
        let attempt = tried.map(|result| result.attempt).max().unwrap_or_default();
        Some(self.attempt(hook, before, attempt.saturating_add(1), at))
    }

    fn attempt(&self, hook: usize, before: HookPoint, attempt: u32, at: Timestamp) -> Phase {
        let timeout = self.plan.hooks.get(hook).map(|it| it.timeout).unwrap_or_default();
        // That its time begins only then is part of what is stored: see `may_begin`.
        let deadline = (before != HookPoint::Done).then(|| at.plus(timeout));
        Phase::RunningHook { before, hook, attempt, deadline }
    }

    /// After what can happen to a hook.
    pub(super) fn in_hook(
        &mut self,
        phase: &Phase,
        kind: EventKind,
        at: Timestamp,
    ) -> Option<Phase> {
        match (phase, kind) {
            (Phase::RunningHook { hook, attempt, deadline: None, .. }, EventKind::Emptied) => {
                self.may_begin(*hook, *attempt, at)
            }
            (_, EventKind::HookEnded { outcome }) => self.after_hook(phase, outcome, at),
            (_, EventKind::Promote { .. }) => self.without_hook(phase, at),
            _ => None,
        }
    }

    /// Once nothing of the old slot is left, a hook that takes something away may begin.
    fn may_begin(&self, hook: usize, attempt: u32, at: Timestamp) -> Option<Phase> {
        let named = self.plan.hooks.get(hook)?;
        let deadline = Some(at.plus(named.timeout));
        Some(Phase::RunningHook { before: named.before, hook, attempt, deadline })
    }

    /// After an attempt at the hook of this phase.
    fn after_hook(&mut self, phase: &Phase, outcome: HookOutcome, at: Timestamp) -> Option<Phase> {
        let Phase::RunningHook { before, hook, attempt, deadline: Some(_) } = phase else {
            return None;
        };
        let (before, attempt) = (*before, *attempt);
        let name = self.plan.hooks.get(*hook)?.name.clone();
        let outcome = shortened(outcome.bounded());
        let result = HookResult { hook: name.clone(), before, attempt, at, outcome };
        self.keep_result(result.clone());
        let HookOutcome::Failed { reason, .. } = result.outcome else {
            self.note(at, format!("hook {name} has succeeded"));
            return Some(self.after_hooks(hook.saturating_add(1), before, at));
        };
        let message = format!("hook {name}, attempt {attempt}: {reason}");
        self.note(at, format!("failed: {message}"));
        let advice = match before {
            HookPoint::Deploying | HookPoint::Shifting => {
                return self.give_up(phase, Reason::Failed { message }, at);
            }
            HookPoint::Retiring => {
                "the candidate has all traffic; mend the hook and `resume` to run it again, \
                 `promote` to go on without it, or `rollback`"
            }
            HookPoint::Done => {
                "the candidate is live, and there is no way back; mend the hook and `resume` to \
                 run it again, or `promote` to end the release without it"
            }
        };
        self.stuck = Some(Stuck::new(phase.name(), message, advice));
        Some(phase.clone())
    }

    /// After somebody said that the release goes on without a hook that failed.
    fn without_hook(&mut self, phase: &Phase, at: Timestamp) -> Option<Phase> {
        let Phase::RunningHook { before, hook, .. } = phase else { return None };
        let is_passed = matches!(before, HookPoint::Retiring | HookPoint::Done);
        if !is_passed || !self.has_failed(phase) {
            return None;
        }
        let name = self.plan.hooks.get(*hook)?.name.clone();
        self.note(at, format!("goes on without hook {name}"));
        Some(self.after_hooks(hook.saturating_add(1), *before, at))
    }

    /// What follows the hooks of a point, from the plan's `first` on.
    fn after_hooks(&mut self, first: usize, before: HookPoint, at: Timestamp) -> Phase {
        if let Some(next) = self.hook_from(first, before, at) {
            return next;
        }
        match before {
            HookPoint::Deploying => Phase::Deploying,
            // A freeze may have begun meanwhile.
            HookPoint::Shifting => self.shifting(0, at),
            HookPoint::Retiring => Phase::Retiring,
            HookPoint::Done => self.ended(),
        }
    }

    /// When somebody resumes the release: what has failed is tried anew. What has not goes on as the
    /// attempt that it is, with all its time, so that it is followed and not run twice.
    pub(super) fn resume_hook(&mut self, at: Timestamp) {
        let Phase::RunningHook { before, hook, attempt, deadline } = self.phase else { return };
        if self.has_failed(&self.phase) {
            self.phase = self.attempt(hook, before, attempt.saturating_add(1), at);
            self.since = at;
        } else if deadline.is_some()
            && let Some(phase) = self.may_begin(hook, attempt, at)
        {
            self.phase = phase;
        }
    }

    /// Whether the attempt of this phase has ended, and not well.
    pub(crate) fn has_failed(&self, phase: &Phase) -> bool {
        let Phase::RunningHook { hook, attempt, .. } = phase else { return false };
        let Some(hook) = self.plan.hooks.get(*hook) else { return false };
        self.hooks.iter().any(|it| it.hook == hook.name && it.attempt == *attempt)
    }

    /// The hook of the phase that the release is in.
    pub(crate) fn running_hook(&self) -> Option<&str> {
        let Phase::RunningHook { hook, .. } = &self.phase else { return None };
        self.plan.hooks.get(*hook).map(|hook| &*hook.name)
    }

    /// The hook that has taken away, or may have, what the old version needs.
    pub(crate) fn contracted_by(&self) -> Option<&str> {
        let ran = self.hooks.iter().find(|result| result.before == HookPoint::Done);
        let runs = match self.phase {
            Phase::RunningHook { before: HookPoint::Done, deadline: Some(_), .. } => {
                self.running_hook()
            }
            _ => None,
        };
        ran.map(|result| &*result.hook).or(runs)
    }

    /// The oldest failures go when there are many, and the oldest logs when they are long.
    fn keep_result(&mut self, result: HookResult) {
        self.hooks.push(result);
        if self.hooks.len() > RESULTS
            && let Some(oldest) = self.hooks.iter().position(|it| !it.is_success())
        {
            self.hooks.remove(oldest);
        }
        let mut left = LOGS;
        for result in self.hooks.iter_mut().rev() {
            let HookOutcome::Failed { log, .. } = &mut result.outcome else { continue };
            if log.len() > left {
                log.clear();
            }
            left -= log.len();
        }
    }
}

fn shortened(outcome: HookOutcome) -> HookOutcome {
    let HookOutcome::Failed { reason, log } = outcome else { return outcome };
    let mut short: String = reason.chars().filter(|it| !it.is_control()).take(REASON).collect();
    if reason.chars().count() > REASON {
        short.push('…');
    }
    HookOutcome::Failed { reason: short, log }
}

#[cfg(test)]
pub(super) mod tests;
