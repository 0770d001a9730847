//! What the simulation found, each once more in few lines.

use std::sync::atomic::{AtomicU32, Ordering};

use super::{
    Always, Arc, Digest, Duration, Judgement, MemoryCluster, Operations, Outcome, PhaseName, Plan,
    Problem, Releaser, Result, Routing, Script, ScriptedRunner, Slot, TokioClock, Trial, Validator,
    Verdict, async_trait, await_phase, change, cluster, configuration, minutes, plan, routing,
    running,
};
use crate::memory::{Autoscaler, Fault, Faults};
use crate::{Color, ErrorKind};

/// Without any wait between the switch and the end.
fn short() -> Plan {
    let mut plan = plan().bake(Duration::ZERO);
    (plan.drain.quiet, plan.drain.max) = (Duration::ZERO, Duration::ZERO);
    plan
}

#[tokio::test(start_paused = true)]
async fn a_write_of_its_own_that_arrives_late_changes_nothing() {
    let cluster = MemoryCluster::builder("agent", configuration("1"))
        .clock(TokioClock::default())
        .autoscaler(Color::Green, Autoscaler::new(1, 5))
        .build();
    let faults = Faults::new();
    // Longer than a call is waited for, so that it is tried again, and than the whole release.
    faults.on("slot.freeze green", 1, Fault::Late(Duration::from_secs(15)));
    let releaser = Releaser::new(faults.around(cluster.ports("one")));
    assert_eq!(releaser.run(change("2"), &short()).await.unwrap(), Outcome::Released);
    assert_eq!(faults.count("slot.freeze green"), 2);
    cluster.clock().sleep(Duration::from_secs(20)).await;
    assert!(!cluster.autoscaler(Color::Green).unwrap().frozen);
}

#[tokio::test(start_paused = true)]
async fn a_conflict_at_the_end_is_read_and_tried_again() {
    let conflict = Fault::Before(ErrorKind::Conflict);
    for name in ["slot.commit", "slot.scale", "slot.thaw blue", "slot.thaw green", "slot.revert"] {
        let (cluster, faults) = (cluster(), Faults::new());
        (1..=2).for_each(|nth| faults.on(name, nth, conflict));
        let is_bad = name == "slot.revert";
        let verdict = if is_bad { Verdict::Fail } else { Verdict::Pass };
        let releaser = Releaser::new(faults.around(cluster.ports("one"))).gate(Always(verdict));
        let outcome = releaser.run(change("2"), &short()).await.unwrap();
        let wanted = if is_bad { "rolled back, unfit" } else { "released" };
        assert!(outcome.to_string().starts_with(wanted), "{name}: {outcome}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_candidate_that_was_given_traffic_keeps_its_pods() {
    let cluster = cluster();
    let releaser = Releaser::new(cluster.ports("one")).gate(Always(Verdict::Fail));
    let resumed = releaser.clone();
    let mut plan = plan();
    plan.keep_failed = minutes(10);
    let release = tokio::spawn(async move { releaser.run(change("2"), &plan).await });
    await_phase(&cluster, PhaseName::KeepingFailed).await;
    cluster.move_routing(Routing::all(Color::Green));
    let outcome = release.await.unwrap().unwrap();
    let Outcome::Stuck { stuck } = outcome else { panic!("it has traffic: {outcome}") };
    assert_eq!(stuck.message, "somebody moved traffic: found green 100 %, wanted blue 100 %");
    assert_eq!(running(&cluster, Color::Green).await, ("2".to_owned(), 3));

    cluster.move_routing(Routing::all(Color::Blue));
    assert!(matches!(resumed.resume().await.unwrap(), Outcome::RolledBack { .. }));
    assert_eq!(running(&cluster, Color::Green).await, ("1".to_owned(), 0));
}

/// A gate during whose first look live grows.
struct Growing(MemoryCluster, Arc<AtomicU32>);

#[async_trait]
impl Validator for Growing {
    fn name(&self) -> &'static str {
        "growing"
    }

    fn config_digest(&self) -> Digest {
        Digest::of(["growing"])
    }

    async fn check(&self, _: &Plan) -> Result<Vec<Problem>> {
        Ok(Vec::new())
    }

    async fn judge(&self, _: &Trial) -> Result<Judgement> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.edit_replicas(Color::Blue, 4);
        Ok(Judgement::new(Verdict::Pass, "good"))
    }
}

#[tokio::test(start_paused = true)]
async fn a_candidate_that_changes_while_it_is_raised_is_judged_again() {
    let slow = Script::ReadyAfter(Duration::from_secs(10));
    let cluster = MemoryCluster::builder("agent", configuration("1"))
        .replicas(3)
        .clock(TokioClock::default())
        .runner(ScriptedRunner::new().on_image("example.com/agent:2", slow))
        .build();
    let looks = Arc::new(AtomicU32::new(0));
    let gate = Growing(cluster.clone(), looks.clone());
    // What was read for the gate would be good enough for the first attempt: let that one fail,
    // and the question that is asked ahead of it.
    let faults = Faults::new();
    for nth in 1..=2 {
        faults.on("switch.await_known", nth, Fault::Before(ErrorKind::Unavailable));
    }
    let releaser = Releaser::new(faults.around(cluster.ports("one"))).gate(gate);
    let release = tokio::spawn(async move { releaser.run(change("2"), &plan()).await });
    let green = cluster.slot(Color::Green);
    let mut state = green.state().await.unwrap();
    let raised = async {
        while state.replicas.wanted < 4 {
            state = green.watch(&state).await.unwrap();
        }
    };
    tokio::time::timeout(minutes(60), raised).await.expect("the candidate should be raised");
    cluster.edit_template(Color::Green);
    assert_eq!(release.await.unwrap().unwrap(), Outcome::Released);
    assert_eq!(looks.load(Ordering::Relaxed), 2, "the gate looks at what gets traffic");
    assert_eq!(routing(&cluster).await, Routing::all(Color::Green));
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_lease_does_not_hang_with_the_call() {
    let cluster = cluster();
    let first = Releaser::new(cluster.ports("one"));
    let release = tokio::spawn(async move { first.run(change("2"), &plan()).await });
    await_phase(&cluster, PhaseName::Baking).await;
    Operations::new(cluster.ports("two")).abort("ann", "second thoughts").await.unwrap();
    release.abort();
    let faults = Faults::new();
    faults.on("liveness.vitality", 1, Fault::Hang);
    let third = Operations::new(faults.around(cluster.ports("three")));
    let ended = tokio::time::timeout(minutes(60), third.finish()).await;
    assert!(matches!(ended, Ok(Ok(Outcome::RolledBack { .. }))), "{ended:?}");
}
