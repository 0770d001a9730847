//! Whole groups on clusters in memory, with paused time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;

use super::*;
use crate::clock::minutes;
use crate::memory::{Faults, MemoryCluster, TokioClock};
use crate::{
    Color, Configuration, Container, Judgement, ObservedState, Operations, PhaseName, Progress,
    Reason, Result, Routing, Slot, SwitchStrategy, Timestamp, Trial, Validator, Verdict,
};

mod bad_input;
mod crashes;
mod waits;

/// A validator that fails from some time on, if ever.
#[derive(Clone, Copy)]
struct FailsFrom(Option<Duration>);

const NEVER: FailsFrom = FailsFrom(None);
const ALWAYS: FailsFrom = FailsFrom(Some(Duration::ZERO));

/// When the clocks of all clusters begin.
const START: Timestamp = Timestamp::from_unix_millis(1_764_000_000_000);

#[async_trait]
impl Validator for FailsFrom {
    fn name(&self) -> &'static str {
        "fails-from"
    }

    fn config_digest(&self) -> Digest {
        Digest::of([format!("{:?}", self.0)])
    }

    async fn check(&self, _: &Plan) -> Result<Vec<Problem>> {
        Ok(Vec::new())
    }

    async fn judge(&self, trial: &Trial) -> Result<Judgement> {
        let is_bad = self.0.is_some_and(|from| trial.clock.now() >= START.plus(from));
        Ok(Judgement::new(if is_bad { Verdict::Fail } else { Verdict::Pass }, "by the clock"))
    }
}

/// A line for each time traffic followed and each phase that began.
type Log = Arc<Mutex<Vec<String>>>;

/// Agents, each in a cluster of its own, on one clock.
struct World {
    clusters: Vec<(&'static str, MemoryCluster)>,
    log: Log,
}

impl World {
    fn new<const COUNT: usize>(names: [&'static str; COUNT]) -> Self {
        let clock = TokioClock::starting_at(START);
        let clusters = names.into_iter().map(|name| {
            let container = Container::new("example.com/agent:1");
            let live = Configuration::new([("agent".to_owned(), container)].into());
            let builder = MemoryCluster::builder(name, live.with_version("1")).replicas(2);
            (name, builder.clock(clock).build())
        });
        Self { clusters: clusters.collect(), log: Log::default() }
    }

    fn cluster(&self, name: &str) -> &MemoryCluster {
        &self.clusters.iter().find(|it| it.0 == name).unwrap().1
    }

    /// A member whose gate and guard fail from some time on.
    fn member(
        &self,
        name: &'static str,
        holder: &str,
        [gate, guard]: [FailsFrom; 2],
        faults: &Faults,
    ) -> Member {
        let log = self.log.clone();
        let ports = faults.around(self.cluster(name).ports(holder));
        let releaser = Releaser::new(ports).gate(gate).guard(guard);
        let releaser = releaser.report(move |progress: &Progress| match progress {
            Progress::Shifted { routing, .. } => {
                log.lock().unwrap().push(format!("{name}: traffic {routing}"));
            }
            Progress::Entered { phase, .. } => log.lock().unwrap().push(format!("{name}: {phase}")),
            _ => {}
        });
        Member::new(releaser, change("2"), &plan())
    }

    fn good(&self, name: &'static str, holder: &str) -> Member {
        self.member(name, holder, [NEVER, NEVER], &Faults::new())
    }

    /// The lines that say this.
    fn told(&self, what: &str) -> Vec<String> {
        let log = self.log.lock().unwrap();
        log.iter().filter(|line| line.contains(what)).cloned().collect()
    }

    fn position(&self, line: &str) -> usize {
        let log = self.log.lock().unwrap();
        log.iter().position(|it| it == line).unwrap_or_else(|| panic!("{line}: {log:#?}"))
    }

    /// The slots that have all traffic, and the versions that these run.
    async fn live(&self) -> Vec<(Color, String)> {
        let mut all = Vec::new();
        for (_, cluster) in &self.clusters {
            let observed = cluster.switch().observe().await.unwrap();
            let ObservedState::Routed(routing) = observed.state else { panic!("{observed:?}") };
            let color =
                if routing == Routing::all(Color::Blue) { Color::Blue } else { Color::Green };
            assert_eq!(routing, Routing::all(color));
            let state = cluster.slot(color).state().await.unwrap();
            all.push((color, state.running.version.unwrap_or_default()));
        }
        all
    }

    async fn all_are(&self, color: Color, version: &str) {
        let live = self.live().await;
        assert!(live.iter().all(|it| *it == (color, version.to_owned())), "{live:?}");
    }

    /// Waits until the stored release of a member is in this phase.
    async fn phase(&self, name: &str, phase: PhaseName) {
        let operations = Operations::new(self.cluster(name).ports("observer"));
        let waiting = async {
            let mut known = None;
            loop {
                let stored = operations.watch(known).await.unwrap().unwrap();
                if stored.document.current().unwrap().phase.name() == phase {
                    return;
                }
                known = Some(stored.revision);
            }
        };
        tokio::time::timeout(minutes(6000), waiting).await.expect("the phase should come");
    }

    /// Who drives a member.
    fn holder(&self, name: &str) -> Option<String> {
        let holder = |it: &crate::Document| it.envelope().holder.clone();
        self.cluster(name).store().peek(|it| it.and_then(holder)).map(|it| it.to_string())
    }

    fn operations(&self, name: &str) -> Operations {
        Operations::new(self.cluster(name).ports("ann"))
    }
}

fn change(version: &str) -> Change {
    Change::image("agent", format!("example.com/agent:{version}")).version(version)
}

fn plan() -> Plan {
    let mut plan = Plan::all_at_once().bake(minutes(30));
    plan.keep_failed = Duration::ZERO;
    plan
}

fn rolled_back(outcome: GroupOutcome) -> (String, Reason) {
    match outcome {
        GroupOutcome::RolledBack { member, reason } => (member, reason),
        other => panic!("should be rolled back: {other}"),
    }
}

#[tokio::test(start_paused = true)]
async fn all_gates_pass_before_the_first_switch_and_traffic_moves_in_order() {
    let world = World::new(["agent", "tools", "search"]);
    // Given in another order than they move in.
    let group = Group::new("checkout")
        .member(world.good("agent", "one").after("tools").after("search"))
        .member(world.good("tools", "one").after("search"))
        .member(world.good("search", "one"));
    assert_eq!(group.check().await.unwrap().iter().find(|it| it.is_refusal()), None);
    assert_eq!(group.run().await.unwrap(), GroupOutcome::Released);
    world.all_are(Color::Green, "2").await;
    let moved = ["search", "tools", "agent"].map(|it| format!("{it}: traffic green 100 %"));
    assert_eq!(world.told("traffic"), moved);
    for name in ["agent", "tools", "search"] {
        let ready = world.position(&format!("{name}: awaiting its group"));
        assert!(ready < world.position(&moved[0]), "{name}");
    }
    // All have baked before the first old slot ends.
    for name in ["agent", "tools", "search"] {
        let drains = world.position(&format!("{name}: draining"));
        assert!(world.position("agent: baking") < drains);
        let waits = world
            .log
            .lock()
            .unwrap()
            .iter()
            .filter(|it| **it == format!("{name}: awaiting its group"))
            .count();
        assert!(waits >= 2, "{name} waited {waits} times");
    }
}

#[tokio::test(start_paused = true)]
async fn those_without_an_order_move_at_once() {
    let world = World::new(["agent", "tools"]);
    let mut slow = world.good("agent", "one");
    slow.plan = Plan::canary([10]).hold(minutes(20)).bake(minutes(30));
    let group = Group::new("checkout").member(slow).member(world.good("tools", "one"));
    assert_eq!(group.run().await.unwrap(), GroupOutcome::Released);
    world.all_are(Color::Green, "2").await;
    let [slow, fast] = ["agent", "tools"].map(|it| world.position(&format!("{it}: baking")));
    assert!(fast < slow, "{:#?}", world.log.lock().unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_gate_that_fails_moves_no_traffic_of_anybody() {
    for failing in ["agent", "tools"] {
        let world = World::new(["agent", "tools"]);
        let faults = Faults::new();
        let gate = |name| if name == failing { ALWAYS } else { NEVER };
        let member = |name| world.member(name, "one", [gate(name), NEVER], &faults);
        let group =
            Group::new("checkout").member(member("tools")).member(member("agent").after("tools"));
        let (member, reason) = rolled_back(group.run().await.unwrap());
        assert!(member == failing && matches!(reason, Reason::Unfit { .. }), "{member}: {reason}");
        world.all_are(Color::Blue, "1").await;
        assert_eq!(world.told("traffic"), [""; 0]);
        let other = if failing == "agent" { "tools" } else { "agent" };
        let record = world.operations(other).status().await.unwrap().record.unwrap();
        let text = format!("{:?}", record.phase);
        assert!(text.contains("Aborted") && text.contains(failing), "{text}");
        let slot = world.cluster(other).slot(Color::Green).state().await.unwrap();
        assert_eq!((slot.running.version.as_deref(), slot.replicas.wanted), (Some("1"), 0));
    }
}

#[tokio::test(start_paused = true)]
async fn one_failure_takes_all_back_in_reverse_order() {
    let names = ["search", "tools", "agent"];
    for failing in names {
        let world = World::new(names);
        let faults = Faults::new();
        let guard = |name| {
            if name == failing { FailsFrom(Some(minutes(10))) } else { NEVER }
        };
        let member = |name| world.member(name, "one", [NEVER, guard(name)], &faults);
        let group = Group::new("checkout")
            .member(member("search"))
            .member(member("tools").after("search"))
            .member(member("agent").after("tools"));
        let (member, reason) = rolled_back(group.run().await.unwrap());
        assert!(member == failing && matches!(reason, Reason::Unfit { .. }), "{member}: {reason}");
        world.all_are(Color::Blue, "1").await;
        // What fails goes at once; the others in reverse.
        let mut wanted = vec![format!("{failing}: traffic blue 100 %")];
        let others = names.iter().rev().filter(|it| **it != failing);
        wanted.extend(others.map(|it| format!("{it}: traffic blue 100 %")));
        assert_eq!(world.told("traffic blue"), wanted);
        let records = names.map(|name| world.operations(name));
        for (name, operations) in names.iter().zip(records).filter(|it| *it.0 != failing) {
            let record = operations.status().await.unwrap().record.unwrap();
            let text = format!("{:?}", record.phase);
            assert!(text.contains("Requested") && text.contains(failing), "{name}: {text}");
            assert!(text.contains("group checkout"), "{name}: {text}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_fails_while_others_switch_stops_those_that_have_not() {
    let world = World::new(["tools", "agent"]);
    let faults = Faults::new();
    // The first has a step in which it fails; the second never moves.
    let mut first = world.member("tools", "one", [NEVER, FailsFrom(Some(minutes(5)))], &faults);
    first.plan = Plan::canary([10]).hold(minutes(20)).bake(minutes(30));
    let group =
        Group::new("checkout").member(first).member(world.good("agent", "one").after("tools"));
    assert_eq!(rolled_back(group.run().await.unwrap()).0, "tools");
    world.all_are(Color::Blue, "1").await;
    let moved = world.told("traffic");
    assert!(moved.iter().all(|it| it.starts_with("tools")), "{moved:?}");
}

#[tokio::test(start_paused = true)]
async fn to_abort_one_calls_off_all() {
    for (phase, moved) in [(PhaseName::Baking, true), (PhaseName::AwaitingGroup, false)] {
        let world = World::new(["tools", "agent"]);
        let slow = if moved { NEVER } else { FailsFrom(None) };
        let mut last = world.member("agent", "one", [slow, NEVER], &Faults::new());
        if !moved {
            last.plan.approval = Some(crate::plan::Approval::default());
        }
        last = last.after("tools");
        let group = Group::new("checkout").member(world.good("tools", "one")).member(last);
        let running = tokio::spawn(async move { group.run().await });
        world.phase("tools", phase).await;
        world.operations("tools").abort("ann", "second thoughts").await.unwrap();
        let (member, reason) = rolled_back(running.await.unwrap().unwrap());
        assert!(member == "tools" && matches!(reason, Reason::Aborted { .. }), "{member} {reason}");
        world.all_are(Color::Blue, "1").await;
        assert_eq!(world.told("traffic").is_empty(), !moved, "{:?}", world.log.lock().unwrap());
    }
}
