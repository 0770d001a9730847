//! Releases of one process that go on in turns.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinHandle;

use super::drift::Slow;
use super::{
    Digest, Judgement, MemoryCluster, Plan, Problem, Result, Trial, Validator, Verdict,
    async_trait, await_phase, change, cluster, minutes, plan, reason, routing,
};
use crate::memory::{Fault, Faults};
use crate::plan::OnDrift;
use crate::{
    Color, Document, Liveness as _, ObservedState, OperationError, Operations, Outcome, PhaseName,
    Ports, Progress, Reason, ReleaseStore as _, Releaser, Routing, Stored, Throttle,
};

type Going = JoinHandle<Result<Outcome, OperationError>>;

fn ports(cluster: &MemoryCluster, throttle: &Throttle) -> Ports {
    cluster.ports("one").with_throttle(throttle.clone())
}

fn release(releaser: Releaser) -> Going {
    tokio::spawn(async move { releaser.run(change("2"), &plan()).await })
}

fn begin(cluster: &MemoryCluster, throttle: &Throttle) -> Going {
    release(Releaser::new(ports(cluster, throttle)))
}

async fn is_untouched(cluster: &MemoryCluster) -> bool {
    Operations::new(cluster.ports("observer")).status().await.unwrap().record.is_none()
}

#[tokio::test(start_paused = true)]
async fn a_release_begins_when_it_is_its_turn() {
    let (here, elsewhere) = (cluster(), cluster());
    let throttle = Throttle::new().with_releases(1);
    let namespace = ports(&here, &throttle).namespace.unwrap_or_default();
    let turn = throttle.try_turn(&namespace).unwrap();
    let notes = Arc::new(Mutex::new(Vec::new()));
    let told = notes.clone();
    let releaser = Releaser::new(ports(&here, &throttle)).report(move |it: &Progress| {
        if let Progress::Note { text } = it {
            told.lock().unwrap().push(text.clone());
        }
    });
    let waiting = release(releaser);
    let other = ports(&elsewhere, &throttle).with_namespace("elsewhere");
    let free = release(Releaser::new(other));
    await_phase(&elsewhere, PhaseName::Baking).await;
    assert!(is_untouched(&here).await, "it is not its turn");
    assert!(notes.lock().unwrap()[0].starts_with("waits for its turn"), "{notes:?}");
    drop(turn);
    await_phase(&here, PhaseName::Baking).await;
    drop((waiting, free));
}

#[tokio::test(start_paused = true)]
async fn a_release_that_bakes_leaves_its_place() {
    let (first, second) = (cluster(), cluster());
    let throttle = Throttle::new().with_releases(1);
    let one = begin(&first, &throttle);
    await_phase(&first, PhaseName::Baking).await;
    let other = begin(&second, &throttle);
    await_phase(&second, PhaseName::Baking).await;
    assert!(!one.is_finished() && !other.is_finished());
}

#[tokio::test(start_paused = true)]
async fn one_that_ends_before_its_switch_leaves_its_place() {
    let (first, second) = (cluster(), cluster());
    let throttle = Throttle::new().with_releases(1);
    let mut bad = plan();
    bad.look = Duration::ZERO;
    let refused = Releaser::new(ports(&first, &throttle)).run(change("2"), &bad).await.unwrap();
    assert!(matches!(refused, Outcome::Refused { .. }), "{refused:?}");
    let dropped = begin(&first, &throttle);
    tokio::task::yield_now().await;
    dropped.abort();
    drop(dropped.await);
    let going = begin(&second, &throttle);
    await_phase(&second, PhaseName::Baking).await;
    drop(going);
}

#[tokio::test(start_paused = true)]
async fn nobody_who_goes_back_waits_for_those_who_go_forward() {
    // Somebody asks for it, or the guard of the process that drives finds it out.
    for asks in [true, false] {
        let (going, blocked) = (cluster(), cluster());
        let throttle = Throttle::new().with_calls(1);
        let release = begin(&going, &throttle);
        await_phase(&going, PhaseName::Baking).await;
        tokio::time::sleep(Duration::from_secs(30)).await;
        let all_places = throttle.call("others").await;
        let forward = begin(&blocked, &throttle);
        if asks {
            let operations = Operations::new(ports(&going, &throttle));
            operations.rollback("ann", "wrong refunds").await.unwrap();
        } else {
            going.stop_replacing(Color::Green);
            going.kill(Color::Green, 3);
        }
        let outcome = reason(release.await.unwrap().unwrap());
        assert!(matches!(outcome, Reason::Requested { .. } | Reason::Unfit { .. }), "{outcome}");
        assert_eq!(routing(&going).await, Routing::all(Color::Blue));
        assert!(is_untouched(&blocked).await, "the one that goes forward has waited");
        drop(all_places);
        await_phase(&blocked, PhaseName::Baking).await;
        drop(forward);
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_release_waits_for_takes_no_place_of_a_call() {
    for (name, nth) in [("switch.await_known", 1), ("switch.converge", 1), ("slot.await_ready", 2)]
    {
        let (cluster, faults) = (cluster(), Faults::new());
        let throttle = Throttle::new().with_calls(1);
        faults.on(name, nth, Fault::Hang);
        faults.on("slot.await_ready", 1, Fault::Delay(Duration::from_secs(5)));
        let going = release(Releaser::new(faults.around(ports(&cluster, &throttle))));
        faults.reached("slot.await_ready", 1).await;
        if name == "slot.await_ready" {
            // Live grew meanwhile, so the candidate is made larger, which is waited for.
            cluster.edit_replicas(Color::Blue, 5);
        }
        faults.hung(1).await;
        let place = tokio::time::timeout(Duration::from_millis(50), throttle.call("others"));
        assert!(place.await.is_ok(), "{name} waits in a place of a call");
        going.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn a_release_that_puts_an_end_to_a_failed_one_goes_forward_itself() {
    let cluster = cluster();
    let throttle = Throttle::new().with_calls(1);
    let releaser = Releaser::new(ports(&cluster, &throttle)).gate(OnlyThird);
    let mut keeping = plan();
    keeping.keep_failed = minutes(60);
    let failing = releaser.clone();
    let failed = tokio::spawn(async move { failing.run(change("2"), &keeping).await });
    await_phase(&cluster, PhaseName::KeepingFailed).await;
    failed.abort();
    drop(failed.await);
    let all_places = throttle.call("others").await;
    let next = tokio::spawn(async move { releaser.run(change("3"), &plan()).await });
    tokio::time::sleep(minutes(5)).await;
    let status = Operations::new(cluster.ports("observer")).status().await.unwrap();
    let record = status.record.unwrap();
    assert_eq!(record.phase.name(), PhaseName::Done, "nobody who goes back waits");
    assert_eq!(record.change.version(), "2", "the one that goes forward has waited");
    drop(all_places);
    await_phase(&cluster, PhaseName::Baking).await;
    next.abort();
}

#[tokio::test(start_paused = true)]
async fn one_that_is_paused_leaves_its_place() {
    let (first, second) = (cluster(), cluster());
    let throttle = Throttle::new().with_releases(1);
    let one = release(Releaser::new(ports(&first, &throttle)).gate(Slow::new()));
    await_phase(&first, PhaseName::Validating).await;
    Operations::new(first.ports("observer")).pause("ann").await.unwrap();
    let other = begin(&second, &throttle);
    let baking = tokio::time::timeout(minutes(10), await_phase(&second, PhaseName::Baking));
    assert!(baking.await.is_ok(), "it waits for one that is paused");
    assert!(!one.is_finished() && !other.is_finished());
}

#[tokio::test(start_paused = true)]
async fn one_that_another_process_has_taken_over_leaves_its_place() {
    let (first, second) = (cluster(), cluster());
    let throttle = Throttle::new().with_releases(1);
    let one = release(Releaser::new(ports(&first, &throttle)).gate(Slow::new()));
    await_phase(&first, PhaseName::Validating).await;
    let store = first.store();
    let Stored { document, revision } = store.load().await.unwrap().unwrap();
    let mut record = document.current().unwrap().clone();
    first.liveness("two").renew().await.unwrap();
    record.envelope.holder = Some("two".into());
    record.envelope.epoch = record.envelope.epoch.next();
    store.save(&Document::Current(record), Some(revision)).await.unwrap();
    let other = begin(&second, &throttle);
    let baking = tokio::time::timeout(
        first.liveness("two").time_to_live() / 2,
        await_phase(&second, PhaseName::Baking),
    );
    assert!(baking.await.is_ok(), "it waits for one that another process drives");
    drop((one, other));
}

#[tokio::test(start_paused = true)]
async fn what_others_wrote_is_answered_without_waiting() {
    type Deed = fn(&MemoryCluster);
    let deeds: [(&str, Deed); 3] = [
        ("candidate", |cluster| cluster.edit_template(Color::Green)),
        ("routing", |cluster| cluster.set_routing(ObservedState::Foreign("x".into()))),
        ("record", |cluster| cluster.store().garble()),
    ];
    for (what, deed) in deeds {
        let cluster = cluster();
        let throttle = Throttle::new().with_calls(1);
        let mut plan = plan();
        plan.on_drift = OnDrift::Return;
        let releaser = Releaser::new(ports(&cluster, &throttle));
        let going = tokio::spawn(async move { releaser.run(change("2"), &plan).await });
        await_phase(&cluster, PhaseName::Baking).await;
        tokio::time::sleep(Duration::from_secs(30)).await;
        let all_places = throttle.call("others").await;
        deed(&cluster);
        let outcome = tokio::time::timeout(minutes(10), going).await;
        let outcome = outcome.unwrap_or_else(|_| panic!("{what}: it waits for its place"));
        outcome.unwrap().unwrap();
        drop(all_places);
    }
}

#[tokio::test(start_paused = true)]
async fn a_way_back_that_is_resumed_waits_for_nobody() {
    let (cluster, faults) = (cluster(), Faults::new());
    let throttle = Throttle::new().with_calls(1);
    let going = release(Releaser::new(faults.around(ports(&cluster, &throttle))));
    await_phase(&cluster, PhaseName::Baking).await;
    faults.on("switch.shift", 1, Fault::Hang);
    cluster.stop_replacing(Color::Green);
    cluster.kill(Color::Green, 3);
    faults.hung(1).await;
    going.abort();
    drop(going.await);
    let all_places = throttle.call("others").await;
    let two = Releaser::new(cluster.ports("two").with_throttle(throttle.clone()));
    let outcome = tokio::time::timeout(minutes(10), two.resume()).await;
    reason(outcome.expect("it waits for its place").unwrap());
    drop(all_places);
}

#[tokio::test(start_paused = true)]
async fn a_good_look_that_had_to_wait_is_kept() {
    let cluster = cluster();
    let throttle = Throttle::new().with_calls(1);
    let guard = Crowd(throttle.clone());
    let releaser = Releaser::new(ports(&cluster, &throttle)).guard(guard);
    let plan = plan().bake(Duration::from_secs(30));
    assert!(plan.call < CROWDED);
    let going = tokio::spawn(async move { releaser.run(change("2"), &plan).await });
    let over = tokio::time::timeout(minutes(10), going).await.expect("no look was kept");
    assert_eq!(over.unwrap().unwrap(), Outcome::Released);
}

/// How long a [`Crowd`] has all places.
const CROWDED: Duration = Duration::from_secs(20);

/// A guard after whose looks others have all places.
struct Crowd(Throttle);

#[async_trait]
impl Validator for Crowd {
    fn name(&self) -> &'static str {
        "crowd"
    }

    fn config_digest(&self) -> Digest {
        Digest::of(["crowd"])
    }

    async fn check(&self, _: &Plan) -> Result<Vec<Problem>> {
        Ok(Vec::new())
    }

    async fn judge(&self, _: &Trial) -> Result<Judgement> {
        let place = self.0.call("others").await;
        tokio::spawn(async move {
            tokio::time::sleep(CROWDED).await;
            drop(place);
        });
        Ok(Judgement::new(Verdict::Pass, "good"))
    }
}

/// A gate that only the third version passes.
struct OnlyThird;

#[async_trait]
impl Validator for OnlyThird {
    fn name(&self) -> &'static str {
        "only-third"
    }

    fn config_digest(&self) -> Digest {
        Digest::of(["only-third"])
    }

    async fn check(&self, _: &Plan) -> Result<Vec<Problem>> {
        Ok(Vec::new())
    }

    async fn judge(&self, trial: &Trial) -> Result<Judgement> {
        let version = trial.candidate.state.running.version.as_deref();
        let verdict = if version == Some("3") { Verdict::Pass } else { Verdict::Fail };
        Ok(Judgement::new(verdict, "only the third"))
    }
}
