//! Sees every step, and says which promise was broken.
//!
//! What a driver decides rests on what it has read, and the world may change between the two. So
//! a condition counts as met if it was true at any moment since the driver last looked; what has
//! been wrong since before that look is the driver's fault.

use std::collections::{BTreeMap, BTreeSet};

use bluegreen_core::memory::{Fault, Sight};
use bluegreen_core::{Color, Digest, Epoch, ObservedState, ReleaseId, Share};

use crate::brief::Brief;
use crate::schedule::World;

mod records;
mod writes;

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
#[allow(clippy::struct_field_names, reason = "each is a question about the slot")]
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
}

fn found(sight: &Sight, color: Color) -> Found {
    let slot = sight.slots.of(color);
    Found { template_hash: slot.template_hash.clone(), wanted: slot.wanted }
}
