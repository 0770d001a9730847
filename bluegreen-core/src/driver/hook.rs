//! Hooks of the plan: what runs at certain points of a release, and must have succeeded there.

use std::time::Duration;

use super::Driver;
use crate::release::EventKind;
use crate::{
    Color, ErrorKind, HookOutcome, HookRun, Plan, Problem, Progress, Record, Result, SlotState,
    Timestamp,
};

/// For how long after the deadline of a hook it is waited for whoever ends it then to say so, and at
/// least for how long what has begun is followed: its end may long be there to be read.
const GRACE: Duration = crate::clock::minutes(1);

impl Driver {
    /// What stands in the way of the plan's hooks.
    pub(super) async fn check_hooks(&self, plan: &Plan, limit: Duration) -> Result<Vec<Problem>> {
        let mut problems = Vec::new();
        for hook in &plan.hooks {
            let Some(runner) = &self.ports.hooks else {
                problems.push(
                    Problem::new("hooks", format!("plan, hook {}", hook.name))
                        .found("nothing that runs hooks")
                        .wanted("a runner, by `Ports::with_hooks`"),
                );
                continue;
            };
            problems.extend(self.bounded_read("check a hook", limit, runner.check(hook)).await?);
        }
        Ok(problems)
    }

    /// Runs a hook, or follows what already runs.
    pub(super) async fn run_hook(
        &self,
        record: &Record,
        hook: usize,
        attempt: u32,
        deadline: Timestamp,
    ) -> EventKind {
        let Some(hook) = record.plan.hooks.get(hook).cloned() else {
            return EventKind::Stuck {
                message: format!("the plan in the record has no hook {hook}"),
                advice: "put the record back and `resume`, or `rollback`".to_owned(),
            };
        };
        let Some(runner) = &self.ports.hooks else {
            return EventKind::Stuck {
                message: format!("hook {}: nothing here runs hooks", hook.name),
                advice: "`resume` in a process that has a runner (`Ports::with_hooks`)".to_owned(),
            };
        };
        let name = hook.name.clone();
        self.report(&Progress::note(format!("hook {name}, attempt {attempt}: {}", hook.run)));
        let run = HookRun::of(record, hook, attempt, deadline);
        let last = deadline.max(self.now()).plus(GRACE);
        let running = self.tried(last, || runner.run(&run));
        let outcome = tokio::select! {
            biased;
            result = running => result.unwrap_or_else(|error| {
                HookOutcome::failed(error.chain(), "")
            }),
            () = self.sleep_until(last) => {
                HookOutcome::failed(format!("it had not ended by {deadline}"), "")
            }
        };
        let outcome = outcome.bounded();
        self.report(&Progress::note(match &outcome {
            HookOutcome::Succeeded => format!("hook {name} has succeeded"),
            HookOutcome::Failed { reason, log } if log.is_empty() => {
                format!("hook {name} has failed: {reason}")
            }
            HookOutcome::Failed { reason, log } => {
                format!("hook {name} has failed: {reason}; its log ends with\n{log}")
            }
        }));
        EventKind::HookEnded { outcome }
    }

    /// Waits until nothing of the old slot is left: neither pods, nor any that there should be, nor
    /// traffic for them.
    pub(super) async fn await_empty(&self, record: &Record, slot: Color) -> EventKind {
        let last = record.last_instant().max(self.now().plus(GRACE));
        let waiting = self.tried(last, || self.try_empty(record, slot));
        let advice = format!("see to it that nothing of {slot} is left, then `resume`");
        tokio::select! {
            biased;
            result = waiting => result.unwrap_or_else(|error| EventKind::Stuck {
                message: error.chain(),
                advice,
            }),
            () = self.sleep_until(last) => EventKind::Stuck {
                message: format!("pods of {slot} had not ended by {last}"),
                advice,
            },
        }
    }

    async fn try_empty(&self, record: &Record, slot: Color) -> Result<EventKind> {
        let call = record.plan.call;
        let old = self.ports.slots.of(slot);
        let mut told = false;
        loop {
            let (state, observed) = tokio::join!(
                self.bounded_read("read the old slot", call, old.state()),
                self.bounded_read("observe the routing", call, self.ports.switch.observe()),
            );
            // A slot that somebody has deleted has nothing left.
            let state = match state {
                Err(error) if error.kind() == ErrorKind::NotFound => None,
                state => Some(state?),
            };
            let observed = observed?;
            let wanted = state.as_ref().map_or(0, |state| state.replicas.wanted);
            let found = if observed.routing().is_none_or(|routing| routing.reaches(slot)) {
                format!("has traffic: found {}", observed.state)
            } else if wanted > 0 {
                format!("is to have pods: found {wanted} replicas, wanted 0")
            } else {
                let Some(state) = state.filter(|state| !state.pods.is_empty()) else {
                    return Ok(EventKind::Emptied);
                };
                if !told {
                    self.report(&Progress::note(last_pods(&state)));
                    told = true;
                }
                let changed = old.watch(&state);
                // A watch may be behind, so it is only what says when to read again.
                let again = self.bounded_read_unqueued("watch the old slot", call, changed).await;
                match again {
                    Err(error) if error.kind() == ErrorKind::Unavailable => {}
                    again => drop(again?),
                }
                continue;
            };
            return Ok(EventKind::Stuck {
                message: format!("{slot} {found}"),
                advice: format!(
                    "what the next hook does is not for {slot} to see: make it 0 pods without \
                     traffic once its work has ended, then `resume`"
                ),
            });
        }
    }
}

fn last_pods(state: &SlotState) -> String {
    let names: Vec<&str> = state.pods.iter().map(|pod| &*pod.name).collect();
    format!("{}: waits for its last pods to end: {}", state.color, names.join(", "))
}
