//! Sees every step, and says which promise was broken.
//!
//! What a driver decides rests on what it has read, and the world may change between the two. So
//! a condition counts as met if it was true at any moment since the driver last looked; what has
//! been wrong since before that look is the driver's fault.

use std::collections::{BTreeMap, BTreeSet};

use bluegreen_core::memory::{Fault, Sight};
use bluegreen_core::{
    Color, Digest, Epoch, ObservedState, Outcome, PhaseName, ReleaseId, Routing, Share,
};

use crate::brief::Brief;
use crate::schedule::World;

/// A promise that was broken.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Violation {
    /// Which promise, in few words.
    pub promise: &'static str,
    /// What was seen.
    pub seen: String,
}

/// When each of the things that a process decides by was last looked at by it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Marks {
    slots: [u64; 2],
    routing: u64,
    /// Whether it has looked at the routing since its last fence, whatever it was told.
    has_looked: bool,
    /// The last attempt to read a slot failed or took long, so that it may decide without.
    blind: [bool; 2],
    /// How many saves it has seen.
    saves: u64,
}

/// A condition, and since when it has not been met.
#[derive(Clone, Copy, Debug, Default)]
struct Condition(Option<u64>);

impl Condition {
    fn note(&mut self, is_met: bool, step: u64) {
        self.0 = if is_met { None } else { Some(self.0.unwrap_or(step)) };
    }

    /// Whether it has not been met at any moment since `step`.
    fn is_broken_since(self, step: u64) -> bool {
        self.0.is_some_and(|since| since <= step)
    }
}

/// Of one slot.
#[derive(Clone, Copy, Debug, Default)]
struct Conditions {
    /// It has as many ready pods as the other one serves with.
    is_enough: Condition,
    /// It runs what a gate has passed, or what was live before.
    is_judged: Condition,
    /// It has no traffic.
    is_idle: Condition,
    /// It serves with a pod, or the other one does not either.
    is_better: Condition,
    /// It has nothing in hand.
    is_quiet: Condition,
}

/// What a release should leave in a slot.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Found {
    template_hash: String,
    wanted: u32,
}

pub(crate) struct Witness {
    pub(crate) violation: Option<Violation>,
    step: u64,
    last: Sight,
    conditions: [Conditions; 2],
    marks: Vec<Marks>,
    record: Option<Brief>,
    saves: u64,
    owners: BTreeMap<Epoch, usize>,
    judged: BTreeSet<(Digest, String)>,
    in_flight: [u32; 2],
    found: [Found; 2],
    /// At which step somebody else last wrote to a slot.
    touched: [u64; 2],
    routed: u64,
    /// The routing layer keeps up, and when a driver last moved traffic.
    is_followed: Condition,
    moved: u64,
    entered: u64,
    draining: u64,
    aborted: BTreeSet<ReleaseId>,
    /// Whether a release may be stuck: somebody meddles.
    is_excused: bool,
    ended: Option<u64>,
}

fn index(color: Color) -> usize {
    match color {
        Color::Blue => 0,
        Color::Green => 1,
    }
}

fn share(sight: &Sight, color: Color) -> Option<Share> {
    match &sight.routing {
        ObservedState::Routed(routing) => Some(routing.share_of(color)),
        _ => None,
    }
}

impl Witness {
    pub(crate) fn new(sight: Sight, live: Color) -> Self {
        let found = Color::BOTH.map(|color| found(&sight, color));
        let slot = sight.slots.of(live);
        let judged = [(slot.digest.clone(), slot.template_hash.clone())].into();
        Self {
            violation: None,
            step: 0,
            last: sight,
            conditions: [Conditions::default(); 2],
            marks: Vec::new(),
            record: None,
            saves: 0,
            owners: BTreeMap::new(),
            judged,
            in_flight: [0; 2],
            found,
            touched: [0; 2],
            routed: 0,
            is_followed: Condition::default(),
            moved: 0,
            entered: 0,
            draining: 0,
            aborted: BTreeSet::new(),
            is_excused: false,
            ended: None,
        }
    }

    pub(crate) fn process(&mut self) {
        self.marks.push(Marks::default());
    }

    pub(crate) fn marks(&self, process: usize) -> Marks {
        self.marks[process]
    }

    pub(crate) fn record(&self) -> Option<&Brief> {
        self.record.as_ref()
    }

    /// One more step. What the world is like now decides which conditions are met.
    pub(crate) fn look(&mut self, sight: Sight) {
        self.step += 1;
        self.last = sight;
        self.weigh();
    }

    fn weigh(&mut self) {
        let (step, sight) = (self.step, &self.last);
        for color in Color::BOTH {
            let (slot, other) = (sight.slots.of(color), sight.slots.of(color.other()));
            let key = (slot.digest.clone(), slot.template_hash.clone());
            let it = &mut self.conditions[index(color)];
            it.is_enough.note(slot.ready >= other.ready.max(1), step);
            it.is_judged.note(self.judged.contains(&key), step);
            it.is_idle.note(share(sight, color) == Some(Share::NONE), step);
            it.is_better.note(slot.ready > 0 || other.ready == 0, step);
            it.is_quiet.note(self.in_flight[index(color)] == 0, step);
        }
    }

    /// A gate has passed this.
    pub(crate) fn passed(&mut self, digest: Digest, template_hash: String) {
        self.judged.insert((digest, template_hash));
        self.weigh();
    }

    /// Somebody has been told that the release is called off.
    pub(crate) fn was_aborted(&mut self, release: ReleaseId) {
        self.aborted.insert(release);
    }

    /// The rest of the world is about to do something, or has done it.
    pub(crate) fn world(&mut self, world: World, after: &Sight) {
        if let World::Load { color, in_flight } = world {
            self.in_flight[index(color)] = in_flight;
        }
        match world {
            World::StopFollowing => self.is_followed.note(false, self.step),
            World::ResumeFollowing => self.is_followed.note(true, self.step),
            World::Route { .. } | World::RouteForeign => self.routed = self.step,
            World::EditTemplate { color }
            | World::EditReplicas { color, .. }
            | World::Autoscale { color, .. } => {
                self.touched[index(color)] = self.step;
                // What is live counts as passed, whoever made it so.
                if share(after, color).is_some_and(|share| share > Share::NONE) {
                    let slot = after.slots.of(color);
                    self.judged.insert((slot.digest.clone(), slot.template_hash.clone()));
                }
                // While a deploy is open, what it found is what is put back.
                if !after.slots.of(color).open {
                    self.found[index(color)] = found(after, color);
                }
            }
            _ => {}
        }
        let helps = matches!(world, World::MarkReady { .. } | World::ResumeFollowing);
        if !helps && !matches!(world, World::Load { .. }) {
            self.excuse();
        }
        if world.is_foreign_write() {
            self.ended = None;
        }
    }

    /// From now on a release may get stuck.
    pub(crate) fn excuse(&mut self) {
        self.is_excused = true;
    }

    /// A person puts everything in order: what was found is what there is from now on.
    pub(crate) fn mended(&mut self) {
        self.routed = self.step;
    }

    /// A process is about to read, or tries to.
    pub(crate) fn begins(&mut self, process: usize, call: &str, fault: Option<Fault>) {
        let is_disturbed = fault.is_some();
        if fault == Some(Fault::Stale) && call == "switch.observe" {
            self.marks[process].has_looked = true;
        }
        if let Some(color) = call.strip_prefix("slot.state ").and_then(Color::parse) {
            self.marks[process].blind[index(color)] = is_disturbed;
        }
    }

    /// A process has seen something, just now.
    pub(crate) fn seen(&mut self, process: usize, call: &str) {
        let (step, saves) = (self.step, self.saves);
        let marks = &mut self.marks[process];
        match call.split_once(' ').unwrap_or((call, "")) {
            ("slot.state" | "slot.await_ready" | "slot.watch", color) => {
                if let Some(color) = Color::parse(color) {
                    marks.slots[index(color)] = step;
                }
            }
            ("switch.observe" | "switch.watch", _) => {
                marks.routing = step;
                marks.has_looked = true;
            }
            ("store.load" | "store.watch", _) => marks.saves = saves,
            _ => {}
        }
    }

    pub(crate) fn broken(&mut self, promise: &'static str, seen: impl Into<String>) {
        let seen = seen.into();
        self.violation.get_or_insert(Violation { promise, seen });
    }

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
        if call == "switch.fence" {
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

    /// Who has taken over stamps its epoch on everything before it writes anything else.
    fn fences(&mut self, process: usize, call: &str, is_late: bool, before: &Sight) {
        let is_fence = call.contains(".fence");
        let is_act = call.starts_with("slot.") || call.starts_with("switch.");
        let Some(epoch) = self.record.as_ref().map(|it| it.epoch) else { return };
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
        let in_force = self.record.as_ref().filter(|it| it.epoch == after.epoch);
        if let Some(record) = in_force
            && (changed || slots.iter().any(|it| it.0))
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

fn found(sight: &Sight, color: Color) -> Found {
    let slot = sight.slots.of(color);
    Found { template_hash: slot.template_hash.clone(), wanted: slot.wanted }
}

fn process_of(holder: &str) -> Option<usize> {
    holder.strip_prefix('p').and_then(|number| number.parse().ok())
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
