//! Whole releases on the cluster in memory, with paused time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;

use crate::clock::minutes;
use crate::memory::{MemoryCluster, Script, ScriptedRunner, TokioClock};
use crate::{
    Change, Color, Configuration, Container, Digest, ErrorKind, Finding, Judgement, ObservedState,
    OperationError, Operations, Outcome, PhaseName, Plan, Problem, Progress, Reason, Releaser,
    Result, Routing, Slot, SwitchStrategy, Trial, Validator, Verdict,
};

mod back;
mod blind;
mod drain;
mod drift;
mod experiments;
mod faults;
mod freeze;
mod hooks;
mod known;
mod lease;
mod metered;
mod preflight;
mod refused;
mod simulated;
mod spans;
mod throttled;
mod warm_up;

/// A gate that always says the same.
struct Always(Verdict);

#[async_trait]
impl Validator for Always {
    fn name(&self) -> &'static str {
        "always"
    }

    fn config_digest(&self) -> Digest {
        Digest::of([self.0.to_string()])
    }

    async fn check(&self, _: &Plan) -> Result<Vec<Problem>> {
        Ok(Vec::new())
    }

    async fn judge(&self, _: &Trial) -> Result<Judgement> {
        let finding = Finding::new("pod", "good", self.0.to_string());
        Ok(Judgement::new(self.0, "always the same").with_evidence(vec![finding]))
    }
}

fn configuration(image: &str) -> Configuration {
    let container = Container::new(format!("example.com/agent:{image}"));
    Configuration::new([("agent".to_owned(), container)].into()).with_version(image)
}

fn cluster() -> MemoryCluster {
    MemoryCluster::builder("agent", configuration("1"))
        .replicas(3)
        .clock(TokioClock::default())
        .build()
}

fn change(image: &str) -> Change {
    Change::image("agent", format!("example.com/agent:{image}")).version(image)
}

fn plan() -> Plan {
    let mut plan = Plan::all_at_once().bake(minutes(30));
    plan.keep_failed = Duration::ZERO;
    plan
}

async fn routing(cluster: &MemoryCluster) -> Routing {
    cluster.switch().observe().await.unwrap().routing().unwrap().clone()
}

async fn running(cluster: &MemoryCluster, color: Color) -> (String, u32) {
    let state = cluster.slot(color).state().await.unwrap();
    (state.running.version.unwrap_or_default(), state.replicas.wanted)
}

/// Waits until the stored release is in this phase.
async fn await_phase(cluster: &MemoryCluster, phase: PhaseName) {
    let operations = Operations::new(cluster.ports("observer"));
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
    tokio::time::timeout(minutes(600), waiting).await.expect("the phase should come");
}

fn reason(outcome: Outcome) -> Reason {
    match outcome {
        Outcome::RolledBack { reason } => reason,
        other => panic!("should be rolled back: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_release_ends_live_and_the_next_goes_back_to_blue() {
    let cluster = cluster();
    let releaser = Releaser::new(cluster.ports("one")).gate(Always(Verdict::Pass));
    let first = change("2").env("COLOR", "red");
    assert_eq!(releaser.run(first, &plan()).await.unwrap(), Outcome::Released);
    assert_eq!(routing(&cluster).await, Routing::all(Color::Green));
    assert_eq!(running(&cluster, Color::Green).await, ("2".to_owned(), 3));
    assert_eq!(running(&cluster, Color::Blue).await, ("1".to_owned(), 0));

    assert_eq!(releaser.run(change("3"), &plan()).await.unwrap(), Outcome::Released);
    assert_eq!(routing(&cluster).await, Routing::all(Color::Blue));
    let state = cluster.slot(Color::Blue).state().await.unwrap();
    // What the first release set survives the second, which does not name it.
    assert!(state.running.containers["agent"].value("COLOR").is_some());
    assert_eq!(Operations::new(cluster.ports("two")).history().await.unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_failed_gate_moves_no_traffic_and_puts_the_slot_back() {
    let cluster = cluster();
    let before = running(&cluster, Color::Green).await;
    let ports = cluster.ports("one");
    for (verdict, wanted) in [(Verdict::Fail, "unfit"), (Verdict::Inconclusive, "undecided")] {
        let releaser = Releaser::new(ports.clone()).gate(Always(verdict));
        let outcome = releaser.run(change("2"), &plan()).await.unwrap();
        assert!(reason(outcome).to_string().starts_with(wanted));
        assert_eq!(routing(&cluster).await, Routing::all(Color::Blue));
        assert_eq!(running(&cluster, Color::Green).await, before);
    }
}

#[tokio::test(start_paused = true)]
async fn candidate_pods_that_die_in_the_bake_bring_traffic_back() {
    for count in [1, 3] {
        let cluster = cluster();
        let releaser = Releaser::new(cluster.ports("one"));
        let release = tokio::spawn(async move { releaser.run(change("2"), &plan()).await });
        await_phase(&cluster, PhaseName::Baking).await;
        cluster.stop_replacing(Color::Green);
        cluster.kill(Color::Green, count);
        let outcome = release.await.unwrap().unwrap();
        assert!(matches!(reason(outcome), Reason::Unfit { .. }));
        assert_eq!(routing(&cluster).await, Routing::all(Color::Blue));
    }
}

#[tokio::test(start_paused = true)]
async fn another_process_aborts_and_the_first_one_cleans_up() {
    let cluster = cluster();
    let before = running(&cluster, Color::Green).await;
    let releaser = Releaser::new(cluster.ports("one"));
    let release = tokio::spawn(async move { releaser.run(change("2"), &plan()).await });
    await_phase(&cluster, PhaseName::Baking).await;
    let operations = Operations::new(cluster.ports("two"));
    operations.abort("ann", "second thoughts").await.unwrap();
    assert_eq!(routing(&cluster).await, Routing::all(Color::Blue));
    let outcome = release.await.unwrap().unwrap();
    assert!(matches!(reason(outcome), Reason::Aborted { .. }));
    assert_eq!(running(&cluster, Color::Green).await, before);
}

#[tokio::test(start_paused = true)]
async fn a_rollback_needs_no_driver_that_lives() {
    let cluster = cluster();
    let releaser = Releaser::new(cluster.ports("one"));
    let release = tokio::spawn(async move { releaser.run(change("2"), &plan()).await });
    await_phase(&cluster, PhaseName::Baking).await;
    release.abort();
    let operations = Operations::new(cluster.ports("two"));
    operations.rollback("ann", "wrong refunds").await.unwrap();
    assert_eq!(routing(&cluster).await, Routing::all(Color::Blue));
    let outcome = operations.finish().await.unwrap();
    assert!(matches!(reason(outcome), Reason::Requested { .. }));
    assert_eq!(running(&cluster, Color::Green).await.0, "1");
}

#[tokio::test(start_paused = true)]
async fn a_released_version_is_undone_by_a_rollback() {
    let cluster = cluster();
    let plan = plan().standby(1);
    let releaser = Releaser::new(cluster.ports("one"));
    assert_eq!(releaser.run(change("2"), &plan).await.unwrap(), Outcome::Released);
    let status = releaser.operations().rollback("ann", "wrong refunds").await.unwrap();
    assert_eq!(status.record.unwrap().undoes.unwrap().reason, "wrong refunds");
    assert_eq!(routing(&cluster).await, Routing::all(Color::Blue));
    assert_eq!(running(&cluster, Color::Blue).await, ("1".to_owned(), 3));
}

#[tokio::test(start_paused = true)]
async fn a_killed_driver_is_resumed_and_the_bake_is_not_longer() {
    let cluster = cluster();
    let clock = cluster.clock();
    let began = clock.now();
    let releaser = Releaser::new(cluster.ports("one")).gate(Always(Verdict::Pass));
    let release = tokio::spawn(async move { releaser.run(change("2"), &plan()).await });
    await_phase(&cluster, PhaseName::Baking).await;
    release.abort();
    let stranger = Releaser::new(cluster.ports("two"));
    // A guard is no gate, whatever it is called.
    for stranger in [stranger.clone(), stranger.guard(Always(Verdict::Pass))] {
        let error = stranger.resume().await.unwrap_err();
        assert!(matches!(error, OperationError::OtherValidators { .. }), "{error}");
    }
    let second = Releaser::new(cluster.ports("two")).gate(Always(Verdict::Pass));
    assert_eq!(second.resume().await.unwrap(), Outcome::Released);
    let took = clock.now().since(began);
    assert!(took < minutes(32), "{took:?}");
    assert_eq!(routing(&cluster).await, Routing::all(Color::Green));
}

#[tokio::test(start_paused = true)]
async fn of_two_drivers_one_is_told_that_the_other_is_busy() {
    let cluster = cluster();
    let one = Releaser::new(cluster.ports("one"));
    let two = Releaser::new(cluster.ports("two"));
    let plan = plan();
    let (a, b) = tokio::join!(one.run(change("2"), &plan), two.run(change("3"), &plan));
    let busy = |result: &std::result::Result<Outcome, OperationError>| {
        matches!(result, Err(OperationError::Busy { .. }))
    };
    assert!(busy(&a) != busy(&b), "{a:?} {b:?}");
    assert!([a, b].iter().any(|result| matches!(result, Ok(Outcome::Released))));
}

#[tokio::test(start_paused = true)]
async fn a_stale_driver_cannot_write() {
    let cluster = cluster();
    let epoch = cluster.slot(Color::Blue).state().await.unwrap().epoch;
    let releaser = Releaser::new(cluster.ports("one"));
    releaser.run(change("2"), &plan()).await.unwrap();
    let (from, to) = (Routing::all(Color::Green), Routing::all(Color::Blue));
    let error = cluster.switch().shift(&from, &to, epoch).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    let error = cluster.slot(Color::Green).scale(0, epoch).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
}

#[tokio::test(start_paused = true)]
async fn traffic_moved_back_by_hand_ends_the_release() {
    let cluster = cluster();
    let releaser = Releaser::new(cluster.ports("one"));
    let release = tokio::spawn(async move { releaser.run(change("2"), &plan()).await });
    await_phase(&cluster, PhaseName::Baking).await;
    cluster.move_routing(Routing::all(Color::Blue));
    let outcome = release.await.unwrap().unwrap();
    assert!(matches!(reason(outcome), Reason::External { .. }));
}

#[tokio::test(start_paused = true)]
async fn traffic_that_cannot_be_given_back_is_an_error_until_it_can() {
    let cluster = cluster();
    let releaser = Releaser::new(cluster.ports("one"));
    let release = tokio::spawn(async move { releaser.run(change("2"), &plan()).await });
    await_phase(&cluster, PhaseName::Baking).await;
    cluster.set_routing(ObservedState::Foreign("a selector of purple".to_owned()));
    assert!(matches!(release.await.unwrap().unwrap(), Outcome::Stuck { .. }));

    let operations = Operations::new(cluster.ports("two"));
    for _ in 0..2 {
        let Err(OperationError::Stuck { stuck }) = operations.rollback("ann", "why?").await else {
            panic!("traffic cannot be back")
        };
        assert_eq!(stuck.message, "found a selector of purple, wanted green 100 %");
        assert_eq!(operations.status().await.unwrap().record.unwrap().stuck, Some(stuck));
    }
    cluster.move_routing(Routing::all(Color::Green));
    operations.rollback("ann", "why?").await.unwrap();
    assert_eq!(routing(&cluster).await, Routing::all(Color::Blue));
}

#[tokio::test(start_paused = true)]
async fn an_approval_is_waited_for_and_given_by_another_process() {
    let cluster = cluster();
    let releaser = Releaser::new(cluster.ports("one"));
    let plan = plan().approval(minutes(60));
    let release = tokio::spawn(async move { releaser.run(change("2"), &plan).await });
    await_phase(&cluster, PhaseName::AwaitingApproval).await;
    assert_eq!(routing(&cluster).await, Routing::all(Color::Blue));
    Operations::new(cluster.ports("two")).approve("ann").await.unwrap();
    assert_eq!(release.await.unwrap().unwrap(), Outcome::Released);
}

#[tokio::test(start_paused = true)]
async fn every_step_is_told() {
    use PhaseName::{Baking, Deploying, Done, Draining, Retiring, RollingOut, Shifting};

    let told = Arc::new(Mutex::new(Vec::new()));
    let kept = told.clone();
    let releaser = Releaser::new(cluster().ports("one")).report(move |progress: &Progress| {
        if let Progress::Entered { phase, .. } = progress {
            kept.lock().unwrap().push(*phase);
        }
    });
    releaser.run(change("2"), &plan()).await.unwrap();
    let wanted = [Deploying, RollingOut, Shifting, Baking, Draining, Retiring, Done];
    assert_eq!(*told.lock().unwrap(), wanted);
}

#[tokio::test(start_paused = true)]
async fn pods_that_are_late_are_counted_and_named() {
    let runner = ScriptedRunner::new().on_image("example.com/agent:2", Script::Never);
    let cluster = MemoryCluster::builder("agent", configuration("1"))
        .replicas(3)
        .clock(TokioClock::default())
        .runner(runner)
        .build();
    let mut plan = plan();
    plan.rollout = Some(minutes(5));
    let outcome = Releaser::new(cluster.ports("one")).run(change("2"), &plan).await.unwrap();
    let Reason::Failed { message } = reason(outcome) else { panic!("another reason") };
    assert!(message.contains(": found 0 of 3 ready; pod "), "{message}");
}

/// A guard that counts its looks in its state, and tells how many there were.
struct Counting(Arc<Mutex<Vec<u8>>>);

#[async_trait]
impl Validator for Counting {
    fn name(&self) -> &'static str {
        "counting"
    }

    fn config_digest(&self) -> Digest {
        Digest::of(["counting"])
    }

    async fn check(&self, _: &Plan) -> Result<Vec<Problem>> {
        Ok(Vec::new())
    }

    async fn judge(&self, trial: &Trial) -> Result<Judgement> {
        let last = trial.state.as_ref().and_then(|state| state.first()).copied();
        let count = last.unwrap_or_default() + 1;
        self.0.lock().unwrap().push(count);
        Ok(Judgement::new(Verdict::Pass, "counted").with_state(vec![count]))
    }
}

#[tokio::test(start_paused = true)]
async fn a_guard_goes_on_with_its_state_from_step_to_step() {
    let counted = Arc::new(Mutex::new(Vec::new()));
    let cluster = MemoryCluster::builder("agent", configuration("1"))
        .replicas(3)
        .clock(TokioClock::default())
        .capabilities(crate::Capabilities::ALL)
        .build();
    let releaser = Releaser::new(cluster.ports("one")).guard(Counting(counted.clone()));
    let plan = Plan::canary([5, 50]).hold(minutes(1)).bake(minutes(1));
    assert_eq!(releaser.run(change("2"), &plan).await.unwrap(), Outcome::Released);
    let counted = counted.lock().unwrap();
    let wanted: Vec<u8> = (1..=u8::try_from(counted.len()).unwrap()).collect();
    assert_eq!(*counted, wanted);
    assert!(counted.len() > 10, "{counted:?}");
}
