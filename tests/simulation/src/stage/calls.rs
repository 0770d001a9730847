//! Every call of every process: what goes wrong with it, and what the witness is told.

use std::sync::Arc;
use std::time::Duration;

use bluegreen_core::ErrorKind;
use bluegreen_core::memory::{Director, Fault};
use tokio::time::Instant;

use super::{Stage, time};
use crate::brief::Brief;
use crate::schedule::{Mishap, Point};

/// The longest that a call hangs that only waits: whoever serves it ends it then.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// One process's hand on the faults.
pub(super) struct Hand {
    pub(super) stage: Arc<Stage>,
    pub(super) number: usize,
}

impl Director for Hand {
    fn begins(&self, call: &str) -> Option<Fault> {
        let state = &mut *self.stage.state();
        self.stage.look(state);
        let number = state.calls;
        state.calls += 1;
        let mut found = None;
        if !state.is_over {
            for place in 0..state.actions.len() {
                let (action, done) = state.actions[place];
                let Point::Call { phase, number: wanted } = action.at else { continue };
                let since = match phase {
                    None => Some(0),
                    Some(phase) => state.entered.iter().find(|it| it.0 == phase).map(|it| it.1),
                };
                if done || since.is_none_or(|since| number < since.saturating_add(wanted)) {
                    continue;
                }
                state.actions[place].1 = true;
                let fault = self.stage.perform(state, Some(self.number), action.deed, call);
                found = found.or(fault);
            }
        }
        let control = state.processes[self.number].clone();
        if control.is_dead() && found.is_none() {
            found = Some(Fault::Hang);
        }
        if let Some(left) = control.asleep() {
            found = found.or(Some(Fault::Delay(left)));
        }
        if state.outage.is_some_and(|until| Instant::now() < until) {
            found = found.or(Some(Fault::Before(ErrorKind::Unavailable)));
        }
        state.witness.begins(self.number, call, found);
        if let Some(Fault::Late(_)) = found {
            let marks = state.witness.marks(self.number);
            state.sent.push((self.number, call.to_owned(), marks));
        }
        match found {
            None => self.stage.tell(state, self.number, "calls", call),
            Some(fault) => {
                self.stage.tell(state, self.number, "calls", &format!("{call}: {fault:?}"));
            }
        }
        found
    }

    fn arrives(&self, call: &str) {
        let state = &mut *self.stage.state();
        self.stage.look(state);
        let late =
            state.sent.iter().find(|(number, name, _)| *number == self.number && name == call);
        let marks = late.map_or_else(|| state.witness.marks(self.number), |it| it.2);
        state.writing = Some((marks, late.is_some()));
    }

    fn answered(&self, call: &str, went_well: bool) {
        let state = &mut *self.stage.state();
        let Some(sent) = state.writing.take() else {
            self.stage.look(state);
            if went_well {
                state.witness.seen(self.number, call);
            }
            return;
        };
        state.steps += 1;
        self.stage.tell(state, self.number, if went_well { "does" } else { "may not" }, call);
        state.witness.wrote(self.number, call, sent, self.stage.cluster.sight());
        if call == "store.save" && went_well {
            let Some(record) = self.stage.cluster.store().peek(Brief::of) else { return };
            if !state.entered.iter().any(|it| it.0 == record.phase) {
                let calls = state.calls;
                state.entered.push((record.phase, calls));
            }
            let what = format!("{} {} epoch {}", record.release, record.phase, record.epoch);
            self.stage.tell(state, self.number, "saves", &what);
            state.witness.saved(self.number, &format!("p{}", self.number), record);
        }
    }
}

/// What a mishap is for this call.
pub(super) fn fault(mishap: Mishap, call: &str) -> Fault {
    let (method, _) = call.split_once(' ').unwrap_or((call, ""));
    let waits = matches!(
        method,
        "slot.await_ready"
            | "slot.watch"
            | "switch.watch"
            | "switch.await_known"
            | "switch.converge"
            | "store.watch"
            | "approver.decide"
    );
    let reads = waits
        || matches!(
            method,
            "slot.state"
                | "slot.check"
                | "switch.observe"
                | "switch.check"
                | "store.check"
                | "store.load"
                | "store.list"
                | "store.blob"
                | "liveness.check"
                | "liveness.vitality"
                | "load.in_flight"
        );
    let is_lease = method.starts_with("liveness");
    let unavailable = Fault::Before(ErrorKind::Unavailable);
    match mishap {
        Mishap::Conflict if !reads && !is_lease => Fault::Before(ErrorKind::Conflict),
        Mishap::LostRequest if !reads => Fault::Before(ErrorKind::Unknown),
        Mishap::LostAnswer if !reads => Fault::After(ErrorKind::Unknown),
        Mishap::Hang | Mishap::HangAfter if waits => Fault::Slow(LONGEST_WAIT),
        Mishap::HangAfter if !reads => Fault::HangAfter,
        Mishap::Hang | Mishap::HangAfter => Fault::Hang,
        Mishap::Delay { millis } => Fault::Delay(time(millis)),
        Mishap::Slow { millis } => Fault::Slow(time(millis)),
        Mishap::Late { millis } => Fault::Late(time(millis)),
        Mishap::Stale if matches!(method, "slot.state" | "switch.observe") => Fault::Stale,
        _ => unavailable,
    }
}
