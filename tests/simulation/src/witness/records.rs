//! What a record may say, and what a release leaves when it is over.

use bluegreen_core::memory::Sight;
use bluegreen_core::{Color, ObservedState, Outcome, PhaseName, Routing};

use super::{Found, Witness, found, index};
use crate::brief::Brief;

impl Witness {
    /// A process has saved a record.
    pub(crate) fn saved(&mut self, process: usize, holder: &str, record: Brief) {
        let before = self.record.take();
        let seen = self.marks[process].saves;
        if seen != self.saves {
            self.broken(
                "nobody saves over what it has not seen",
                format!("p{process} had seen {seen} of {} saves", self.saves),
            );
        }
        self.saves += 1;
        self.marks[process].saves = self.saves;
        if let Some(before) = &before {
            if record.epoch < before.epoch {
                let text = format!("epoch {} after {}", record.epoch, before.epoch);
                self.broken("epochs only grow", text);
            }
            if before.release != record.release && before.outcome.is_none() {
                self.broken("a release ends before the next one", before.release.to_string());
            }
        }
        let is_new = before.as_ref().is_none_or(|before| before.epoch < record.epoch);
        if is_new {
            self.owners.insert(record.epoch, process);
        }
        if let Some(owner) = record.holder.as_deref()
            && (is_new && owner != holder
                || self.owners.get(&record.epoch) != process_of(owner).as_ref())
        {
            self.broken(
                "who takes over takes the next epoch",
                format!("{owner} holds epoch {}, saved by {holder}", record.epoch),
            );
        }
        let same = before.as_ref().filter(|before| before.release == record.release);
        if same.is_none_or(|before| before.phase != record.phase) {
            if record.phase == PhaseName::Draining {
                self.draining = self.step;
            }
            self.ended = None;
            if let Some(outcome) = record.outcome.clone() {
                self.over(process, &record, &outcome);
            }
            self.entered = self.step;
        }
        if let Some(stuck) = &record.stuck
            && same.is_none_or(|before| before.stuck.is_none())
            && !self.is_excused
        {
            self.broken("stuck only when somebody else meddles", stuck.clone());
        }
        self.record = Some(record);
    }

    /// A release is over: everything is as one that nobody disturbed leaves it.
    fn over(&mut self, process: usize, record: &Brief, outcome: &Outcome) {
        let (live, candidate) = (record.live, record.live.other());
        let is_released = match outcome {
            Outcome::Released => true,
            Outcome::RolledBack { .. } => false,
            other => {
                return self.broken("a release ends released or rolled back", other.to_string());
            }
        };
        if is_released && self.aborted.contains(&record.release) {
            self.broken("what was aborted is not released", record.release.to_string());
        }
        let (winner, loser) = if is_released { (candidate, live) } else { (live, candidate) };
        let it = self.conditions[index(loser)];
        if it.is_idle.is_broken_since(self.marks[process].routing) {
            let text = format!("{outcome}; found {}", self.last.routing);
            self.broken("traffic is where the release ends", text);
        }
        let sight = self.last.clone();
        for color in Color::BOTH {
            let slot = sight.slots.of(color);
            if slot.frozen {
                self.broken("what was frozen is thawed", format!("{outcome}; {color} is frozen"));
            }
            if slot.open {
                self.broken("no deploy stays open", format!("{outcome}; {color} is open"));
            }
            if self.touched[index(color)] >= self.entered {
                continue;
            }
            let now = found(&sight, color);
            let was = self.found[index(color)].clone();
            let wanted = match (is_released, color == winner) {
                (true, true) => None,
                (true, false) if !record.kept => {
                    Some(Found { wanted: record.standby, ..was.clone() })
                }
                _ => Some(was.clone()),
            };
            if let Some(wanted) = wanted.filter(|wanted| *wanted != now) {
                self.broken(
                    "what was found is put back",
                    format!("{outcome}; {color} is {now:?}, wanted {wanted:?}"),
                );
            }
            if is_released && color == winner {
                let touched = self.touched[index(color)] > 0;
                if slot.digest != record.digest && !touched {
                    self.broken("what was released runs", format!("{color} runs something else"));
                }
                if now.wanted < was.wanted.min(1) {
                    self.broken("what was released runs", format!("{color} has no pods"));
                }
            }
        }
        self.found = Color::BOTH.map(|color| found(&sight, color));
        self.ended = Some(self.entered);
    }

    /// The last look: nothing has changed what a release left that was over.
    pub(crate) fn rest(&mut self, sight: &Sight) {
        let Some(record) = self.record.clone() else { return };
        let Some(outcome) = record.outcome.as_ref().filter(|_| self.ended.is_some()) else {
            return;
        };
        let winner = match outcome {
            Outcome::Released => record.live.other(),
            _ => record.live,
        };
        if self.ended.is_some_and(|entered| self.routed < entered)
            && sight.routing != ObservedState::Routed(Routing::all(winner))
        {
            let text = format!("{outcome}, and {} in the end", sight.routing);
            self.broken("what is over stays as it is", text);
        }
        for color in Color::BOTH {
            let (now, was) = (found(sight, color), self.found[index(color)].clone());
            if now != was || sight.slots.of(color).frozen || sight.slots.of(color).open {
                self.broken(
                    "what is over stays as it is",
                    format!("{outcome}; {color} was {was:?} and is {:?}", sight.slots.of(color)),
                );
            }
        }
    }
}

fn process_of(holder: &str) -> Option<usize> {
    holder.strip_prefix('p').and_then(|number| number.parse().ok())
}
