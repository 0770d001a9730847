//! What a write may change, and when.

use bluegreen_core::memory::Sight;
use bluegreen_core::{Color, ObservedState, PhaseName, Routing, Share};

use super::{Marks, Witness, index, share};

impl Witness {
    /// A write of a process has arrived. `marks` is what it knew when it sent it.
    pub(crate) fn wrote(
        &mut self,
        process: usize,
        call: &str,
        (marks, is_late): (Marks, bool),
        after: Sight,
    ) {
        let before = std::mem::replace(&mut self.last, after);
        let sight = self.last.clone();
        // One that arrives late, of an earlier try, fences nothing any more.
        if call == "switch.fence" && !is_late {
            self.marks[process].has_looked = false;
        }
        self.fences(process, call, is_late, &before);
        self.epochs(process, call, &before, &sight);
        if before.routing != sight.routing {
            self.moved(call, marks, &before, &sight);
            self.moved = self.step;
        }
        for color in Color::BOTH {
            self.slot(color, call, marks, &before, &sight);
        }
        self.step += 1;
        self.weigh();
    }

    /// Who has taken over stamps its epoch on everything before it writes anything else. Only
    /// traffic goes back at once: that write stamps what it changes, and the slots have no part in
    /// it. One that came too late for that changes nothing.
    fn fences(&mut self, process: usize, call: &str, is_late: bool, before: &Sight) {
        let is_fence = call.contains(".fence");
        let is_act = call.starts_with("slot.") || call.starts_with("switch.");
        let Some((epoch, live)) = self.record.as_ref().map(|it| (it.epoch, it.live)) else {
            return;
        };
        let back = ObservedState::Routed(Routing::all(live));
        if call == "switch.shift" && [&back, &before.routing].contains(&&self.last.routing) {
            return;
        }
        if is_fence || is_late || !is_act || self.owners.get(&epoch) != Some(&process) {
            return;
        }
        let stamped = Color::BOTH.map(|color| before.slots.of(color).epoch);
        if stamped.into_iter().chain([before.epoch]).any(|stamped| stamped < epoch) {
            self.broken(
                "who takes over fences before it acts",
                format!("{call} of p{process} with epoch {epoch}, not stamped everywhere"),
            );
        }
    }

    fn epochs(&mut self, process: usize, call: &str, before: &Sight, after: &Sight) {
        let slots = Color::BOTH.map(|color| {
            let (before, after) = (before.slots.of(color), after.slots.of(color));
            (before != after, before.epoch, after.epoch)
        });
        let changed = before.epoch != after.epoch || before.routing != after.routing;
        for (changed, old, new) in slots.into_iter().chain([(changed, before.epoch, after.epoch)]) {
            if new < old {
                self.broken(
                    "a stale write changes nothing",
                    format!("{call} of p{process} with epoch {new} where {old} was stamped"),
                );
            } else if changed && self.owners.get(&new).is_some_and(|owner| *owner != process) {
                self.broken(
                    "a write has an epoch of the one who makes it",
                    format!("{call} of p{process} with epoch {new} of another process"),
                );
            }
        }
        // Between a takeover and its fence the one that was there before may still write.
        let all = || slots.into_iter().chain([(changed, before.epoch, after.epoch)]);
        if let Some(record) = &self.record
            && all().any(|(changed, _, new)| changed && new == record.epoch)
            && !belongs(call, record.phase)
        {
            let (phase, release) = (record.phase, record.release.clone());
            self.broken(
                "a write belongs to the phase",
                format!("{call} of p{process} changed something while {phase} ({release})"),
            );
        }
    }

    fn moved(&mut self, call: &str, marks: Marks, before: &Sight, after: &Sight) {
        let Some(record) = &self.record else { return };
        let ObservedState::Routed(to) = &after.routing else { return };
        let (live, undoes) = (record.live, record.undoes);
        let planned = record.routings.contains(to);
        if !planned && *to != Routing::all(live) && *to != Routing::all(live.other()) {
            self.broken("traffic goes where the plan says", format!("{call}: {to}"));
        }
        for color in Color::BOTH {
            let none = Share::NONE;
            let gains = share(after, color).unwrap_or(none) > share(before, color).unwrap_or(none);
            if !gains {
                continue;
            }
            let it = self.conditions[index(color)];
            let known = marks.slots[0].min(marks.slots[1]);
            let ready = Color::BOTH.map(|color| after.slots.of(color).ready);
            let text = format!("{call} to {to}; ready blue {}, green {}", ready[0], ready[1]);
            if color == live {
                let is_blind = marks.blind.contains(&true);
                if it.is_better.is_broken_since(known) && !is_blind {
                    self.broken("back to the better side", text);
                }
                continue;
            }
            if it.is_enough.is_broken_since(known) {
                self.broken("forward only to as many ready pods as live has", text.clone());
            }
            let runs = after.slots.of(color);
            let is_known = self.judged.iter().any(|(digest, _)| *digest == runs.digest);
            let is_undone = undoes && is_known;
            if it.is_judged.is_broken_since(marks.slots[index(color)]) && !is_undone {
                let (digest, hash) = (runs.digest.short(), &runs.template_hash);
                self.broken(
                    "forward only to what the gates passed",
                    format!("{text}; {color} runs {digest}, template {hash}"),
                );
            }
        }
    }

    fn slot(&mut self, color: Color, call: &str, marks: Marks, before: &Sight, after: &Sight) {
        let (old, new) = (before.slots.of(color), after.slots.of(color));
        let is_changed = old.template_hash != new.template_hash;
        if !is_changed && old.wanted <= new.wanted {
            return;
        }
        let what = format!("{call}; {} to {} pods", old.wanted, new.wanted);
        let it = self.conditions[index(color)];
        if !marks.has_looked {
            self.broken("look at the routing before a slot is written to", what);
        } else if it.is_idle.is_broken_since(marks.routing) {
            self.broken(
                "what has traffic is not deployed to or made smaller",
                format!("{what}; found {}", before.routing),
            );
        } else if self.is_followed.is_broken_since(self.moved) {
            self.broken("the old slot serves until traffic has followed", what);
        } else if call.starts_with("slot.scale")
            && self.record.as_ref().is_some_and(|it| it.drains && !it.cuts)
            && it.is_quiet.is_broken_since(self.draining)
        {
            self.broken("what has work in hand is not made smaller", what);
        }
    }
}

/// Whether a call that changes something is made in this phase.
fn belongs(call: &str, phase: PhaseName) -> bool {
    use PhaseName::{Deploying, Restoring, Retiring, Returning, Shifting};
    let (method, _) = call.split_once(' ').unwrap_or((call, ""));
    match method {
        "switch.shift" => matches!(phase, Shifting | Returning),
        "slot.deploy" | "slot.freeze" | "switch.prepare" => phase == Deploying,
        "slot.scale" => matches!(phase, Shifting | Retiring),
        "slot.commit" => phase == Retiring,
        "slot.revert" => phase == Restoring,
        "slot.thaw" => matches!(phase, Retiring | Restoring),
        _ => true,
    }
}
