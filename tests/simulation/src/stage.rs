//! Where a schedule is played: one cluster, the processes in it, and what is done to them.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bluegreen_core::memory::{Fault, Faults, MemoryCluster, TokioClock};
use bluegreen_core::{
    Color, Configuration, Container, ObservedState, PhaseName, Ports, Routing, SlotState,
};
use tokio::time::Instant;

use crate::brief::Brief;
use crate::process::{Control, Stepped};
use crate::schedule::{Action, Deed, Judged, Operation, Point, Schedule, Setting, World};
use crate::witness::{Marks, Violation, Witness};
use crate::work;

mod calls;

use calls::{Hand, fault};

pub(crate) struct Stage {
    pub(crate) cluster: MemoryCluster,
    pub(crate) setting: Setting,
    clock: TokioClock,
    began: Instant,
    state: Mutex<State>,
    me: Weak<Self>,
}

struct State {
    witness: Witness,
    actions: Vec<(Action, bool)>,
    calls: u32,
    /// How many calls there were when a phase was first said, by phase.
    entered: Vec<(PhaseName, u32)>,
    processes: Vec<Arc<Control>>,
    outage: Option<Instant>,
    verdict: Option<Judged>,
    is_over: bool,
    /// What the one who writes at this moment knew when it sent that, and whether it may be late.
    writing: Option<(Marks, bool)>,
    /// What was known when calls were sent that arrive late.
    sent: Vec<(usize, String, Marks)>,
    trace: Option<String>,
    fingerprint: u64,
    steps: u64,
}

/// What came of a run.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// The promise that was broken, if one was.
    pub violation: Option<Violation>,
    /// How the release ended, in one word.
    pub outcome: &'static str,
    /// How many steps were looked at.
    pub steps: u64,
    /// A number that two runs share only if they went the same way.
    pub fingerprint: u64,
    /// Every step, where it was asked for.
    pub trace: Option<String>,
}

impl Stage {
    pub(crate) fn new(schedule: &Schedule, cluster: MemoryCluster, is_traced: bool) -> Arc<Self> {
        let witness = Witness::new(cluster.sight(), Color::Blue);
        let actions = schedule.actions.iter().map(|(_, action)| (*action, false)).collect();
        let state = State {
            witness,
            actions,
            calls: 0,
            entered: Vec::new(),
            processes: Vec::new(),
            outage: None,
            verdict: None,
            is_over: false,
            writing: None,
            sent: Vec::new(),
            trace: is_traced.then(String::new),
            fingerprint: 0xCBF2_9CE4_8422_2325,
            steps: 0,
        };
        Arc::new_cyclic(|me| Self {
            cluster,
            setting: schedule.setting.clone(),
            clock: TokioClock::new(),
            began: Instant::now(),
            state: Mutex::new(state),
            me: me.clone(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins `operation` in a process of its own. Says which one.
    pub(crate) fn start(&self, operation: Operation) -> usize {
        self.begin(&mut self.state(), operation)
    }

    fn begin(&self, state: &mut State, operation: Operation) -> usize {
        let number = state.processes.len();
        let Some(me) = self.me.upgrade() else { return number };
        let control = Arc::new(Control::default());
        state.processes.push(Arc::clone(&control));
        state.witness.process();
        self.tell(state, number, "begins", &format!("{operation:?}"));
        let work = work::of(Arc::clone(&me), number, operation);
        // It ends with the runtime of this run, at the latest.
        tokio::spawn(Stepped::new(me, number, control, work));
        number
    }

    /// The ways of a process into the cluster.
    pub(crate) fn ports(self: &Arc<Self>, number: usize) -> Ports {
        let skew = self.setting.clocks[number % self.setting.clocks.len()];
        let by = Duration::from_secs(skew.ahead.unsigned_abs().into());
        let clock = if skew.ahead < 0 { self.clock.behind(by) } else { self.clock.ahead(by) };
        let rate = 1_000_000_u32.saturating_add_signed(skew.rate);
        let cluster = self.cluster.clone().with_clock(Arc::new(clock.at_rate(rate)));
        let faults = Faults::new();
        faults.directed(Arc::new(Hand { stage: Arc::clone(self), number }));
        faults.around(cluster.ports(format!("p{number}")))
    }

    /// What the gate says of a candidate.
    pub(crate) fn judge(&self, candidate: &SlotState) -> Option<Judged> {
        let mut state = self.state();
        let verdict = state.verdict.take();
        if verdict.is_none() {
            state.witness.passed(candidate.digest(), candidate.template_hash.clone());
        }
        verdict
    }

    /// Looks at the world after a process has run for a while.
    pub(crate) fn step(&self) {
        self.look(&mut self.state());
    }

    fn look(&self, state: &mut State) {
        state.steps += 1;
        state.witness.look(self.cluster.sight());
    }

    pub(crate) fn note(&self, number: usize, what: &str, detail: &str) {
        self.tell(&mut self.state(), number, what, detail);
    }

    fn tell(&self, state: &mut State, number: usize, what: &str, detail: &str) {
        let millis = self.began.elapsed().as_millis();
        for byte in what.bytes().chain(detail.bytes()).chain(millis.to_le_bytes()) {
            state.fingerprint = (state.fingerprint ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3);
        }
        if let Some(trace) = &mut state.trace {
            // Writing to a String cannot fail.
            let _ = writeln!(trace, "{millis:>8} p{number} {what} {detail}");
        }
    }

    /// Does what is to be done at this moment of the clock.
    pub(crate) fn now(&self, place: usize) {
        let mut state = self.state();
        let (action, done) = &mut state.actions[place];
        if *done {
            return;
        }
        *done = true;
        let deed = action.deed;
        self.look(&mut state);
        self.perform(&mut state, None, deed, "");
    }

    /// When each action is due that goes by the clock.
    pub(crate) fn due(&self) -> Vec<(u32, usize)> {
        let state = self.state();
        let mut due = Vec::new();
        for (place, (action, _)) in state.actions.iter().enumerate() {
            if let Point::Time(millis) = action.at {
                due.push((millis, place));
            }
        }
        due.sort_unstable();
        due
    }

    fn perform(
        &self,
        state: &mut State,
        caller: Option<usize>,
        deed: Deed,
        call: &str,
    ) -> Option<Fault> {
        self.tell(state, caller.unwrap_or_default(), "deed", &format!("{deed:?}"));
        let control = caller.and_then(|number| state.processes.get(number).cloned());
        match deed {
            Deed::Fault(mishap) => {
                let fault = fault(mishap, call);
                // What a driver is told wrongly looks to it like somebody who meddles.
                if fault == Fault::Stale {
                    state.witness.excuse();
                }
                return Some(fault);
            }
            Deed::DieBefore => {
                control?.die();
                return Some(Fault::Hang);
            }
            Deed::DieAfter => {
                control?.die();
                return Some(Fault::HangAfter);
            }
            Deed::DieLater { polls } => control?.die_after(polls),
            Deed::Sleep { millis } => control?.sleep(time(millis)),
            Deed::Outage { millis } => state.outage = Some(Instant::now() + time(millis)),
            Deed::Start(operation) => {
                self.begin(state, operation);
            }
            Deed::World(world) => self.change(state, world),
        }
        None
    }

    fn change(&self, state: &mut State, world: World) {
        let cluster = &self.cluster;
        match world {
            World::Kill { color, count } => {
                cluster.kill(color, count as usize);
            }
            World::Unready { color, count } => {
                cluster.mark_unready(color, count as usize, "unwell");
            }
            World::MarkReady { color } => cluster.mark_ready(color),
            World::StopReplacing { color } => cluster.stop_replacing(color),
            World::Restart { color } => cluster.bump_restarts(color, 1),
            World::Route { to } => cluster.move_routing(Routing::all(to)),
            World::RouteForeign => {
                cluster.set_routing(ObservedState::Foreign("purple".to_owned()));
            }
            World::EditTemplate { color } => cluster.edit_template(color),
            World::EditReplicas { color, replicas } => cluster.edit_replicas(color, replicas),
            World::Autoscale { color, replicas } => cluster.autoscale(color, replicas),
            World::StopFollowing => cluster.stop_following(),
            World::ResumeFollowing => cluster.resume_following(),
            World::Load { color, in_flight } => {
                cluster.load().set(color, Some(in_flight.into()));
            }
            World::Verdict(judged) => state.verdict = Some(judged),
        }
        let sight = cluster.sight();
        state.witness.world(world, &sight);
        state.witness.look(sight);
    }

    /// The trouble is over: nothing goes wrong any more, and a person puts in order what is left.
    pub(crate) fn calm(&self) {
        let mut state = self.state();
        state.is_over = true;
        state.outage = None;
        state.verdict = None;
        self.tell(&mut state, 0, "calm", "");
        for color in Color::BOTH {
            self.cluster.resume_replacing(color);
            self.cluster.mark_ready(color);
            self.change(&mut state, World::Load { color, in_flight: 0 });
        }
        self.change(&mut state, World::ResumeFollowing);
        if !self.setting.survivors {
            state.processes.iter().for_each(|control| control.die());
        }
    }

    /// A person puts a routing right that nobody knows, as the advice of a stuck release says.
    pub(crate) fn mend(&self) {
        let mut state = self.state();
        let Some(record) = state.witness.record() else { return };
        let routing = record.routing.clone();
        self.cluster.move_routing(routing);
        state.witness.mended();
        self.tell(&mut state, 0, "mends", "the routing");
        self.look(&mut state);
    }

    /// Whether all traffic is on a slot that serves. Somebody else may have moved it elsewhere.
    pub(crate) fn is_whole(&self) -> bool {
        let sight = self.cluster.sight();
        Color::BOTH.into_iter().any(|color| {
            sight.routing == ObservedState::Routed(Routing::all(color))
                && sight.slots.of(color).ready > 0
        })
    }

    pub(crate) fn record(&self) -> Option<Brief> {
        self.state().witness.record().cloned()
    }

    pub(crate) fn was_aborted(&self, release: bluegreen_core::ReleaseId) {
        self.state().witness.was_aborted(release);
    }

    /// Whether all processes have ended.
    pub(crate) fn is_quiet(&self) -> bool {
        self.state().processes.iter().all(|control| control.ended().is_some())
    }

    /// Whether everything has been done that is to be done, or can be.
    pub(crate) fn is_spent(&self) -> bool {
        self.state().actions.iter().all(|(_, done)| *done)
    }

    pub(crate) fn ended(&self, number: usize) -> Option<String> {
        self.state().processes.get(number).and_then(|control| control.ended())
    }

    pub(crate) fn broken(&self, promise: &'static str, seen: String) {
        self.state().witness.broken(promise, seen);
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.state().witness.violation.is_some()
    }

    pub(crate) fn report(&self) -> Report {
        let mut state = self.state();
        let sight = self.cluster.sight();
        state.witness.rest(&sight);
        let outcome = match state.witness.record() {
            None => "nothing",
            Some(record) => match &record.outcome {
                Some(bluegreen_core::Outcome::Released) => "released",
                Some(bluegreen_core::Outcome::RolledBack { .. }) => "rolled back",
                Some(_) => "other",
                None => "unfinished",
            },
        };
        Report {
            violation: state.witness.violation.clone(),
            outcome,
            steps: state.steps,
            fingerprint: state.fingerprint,
            trace: state.trace.take(),
        }
    }
}

fn time(millis: u32) -> Duration {
    Duration::from_millis(millis.into())
}

pub(crate) fn configuration(image: &str) -> Configuration {
    let container = Container::new(format!("example.com/agent:{image}"));
    Configuration::new([("agent".to_owned(), container)].into()).with_version(image)
}
