//! A slot that lost its traffic, and the work that it still has in hand.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::StatusCode;

use super::{
    Always, MemoryCluster, Operations, Outcome, PhaseName, Plan, Progress, Releaser, Routing,
    TokioClock, Verdict, await_phase, change, cluster, configuration, plan, routing, running,
};
use crate::clock::minutes;
use crate::memory::{Fault, Faults, pieces};
use crate::plan::OnExpiry;
use crate::release::Entry;
use crate::{Color, ErrorKind, OperationError, Timestamp};

type Release = tokio::task::JoinHandle<Result<Outcome, OperationError>>;

/// A release whose drain has begun, while blue has so much in hand.
async fn draining(cluster: &MemoryCluster, plan: Plan, in_hand: Option<u64>) -> Release {
    cluster.load().set(Color::Blue, in_hand);
    let releaser = Releaser::new(cluster.ports("one"));
    let release = tokio::spawn(async move { releaser.run(change("2"), &plan).await });
    await_phase(cluster, PhaseName::Draining).await;
    release
}

async fn sleep(cluster: &MemoryCluster, duration: Duration) {
    cluster.clock().sleep(duration).await;
}

/// What the stored record tells of one phase, oldest first.
async fn told(cluster: &MemoryCluster, phase: PhaseName) -> Vec<String> {
    let record = Operations::new(cluster.ports("reader")).status().await.unwrap().record.unwrap();
    let of_it = |entry: &Entry| entry.phase == phase;
    record.trail.into_iter().filter(of_it).map(|entry| entry.what).collect()
}

async fn deadline(cluster: &MemoryCluster) -> Timestamp {
    Operations::new(cluster.ports("reader")).status().await.unwrap().deadline.unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_old_slot_stays_until_its_last_work_has_ended() {
    let cluster = cluster();
    let release = draining(&cluster, plan(), Some(2)).await;
    for left in [2, 1] {
        cluster.load().set(Color::Blue, Some(left));
        sleep(&cluster, minutes(5)).await;
        assert_eq!(running(&cluster, Color::Blue).await.1, 3, "{left} in hand");
    }
    cluster.load().set(Color::Blue, Some(0));
    let ended = cluster.clock().now();
    assert_eq!(release.await.unwrap().unwrap(), Outcome::Released);
    assert_eq!(running(&cluster, Color::Blue).await.1, 0);
    let took = cluster.clock().now().since(ended);
    let quiet = plan().drain.quiet;
    assert!(took >= quiet && took < quiet + Duration::from_secs(1), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn new_work_begins_the_quiet_period_anew() {
    let cluster = cluster();
    let release = draining(&cluster, plan(), Some(0)).await;
    for _ in 0..10 {
        sleep(&cluster, Duration::from_secs(25)).await;
        cluster.load().set(Color::Blue, Some(1));
        sleep(&cluster, Duration::from_secs(1)).await;
        cluster.load().set(Color::Blue, Some(0));
    }
    assert_eq!(running(&cluster, Color::Blue).await.1, 3);
    assert_eq!(release.await.unwrap().unwrap(), Outcome::Released);
}

#[tokio::test(start_paused = true)]
async fn time_in_which_nothing_is_known_is_not_quiet() {
    let cluster = cluster();
    let release = draining(&cluster, plan(), Some(0)).await;
    sleep(&cluster, Duration::from_secs(20)).await;
    cluster.load().set(Color::Blue, None);
    sleep(&cluster, minutes(20)).await;
    assert_eq!(running(&cluster, Color::Blue).await.1, 3);
    cluster.load().set(Color::Blue, Some(0));
    let known = cluster.clock().now();
    assert_eq!(release.await.unwrap().unwrap(), Outcome::Released);
    let took = cluster.clock().now().since(known);
    assert!((9..12).contains(&took.as_secs()), "what was quiet before still counts: {took:?}");
}

#[tokio::test(start_paused = true)]
async fn work_that_does_not_end_keeps_its_slot_or_is_cut_off_as_the_plan_says() {
    for (in_hand, found) in [(Some(2), "still has 2 in hand"), (None, "what is not known")] {
        for (on_expiry, size, says) in
            [(OnExpiry::Keep, 3, "keeps its size"), (OnExpiry::Cut, 0, "is cut off")]
        {
            let cluster = cluster();
            let mut plan = plan();
            plan.drain.on_expiry = on_expiry;
            let release = draining(&cluster, plan, in_hand).await;
            let deadline = deadline(&cluster).await;
            assert_eq!(release.await.unwrap().unwrap(), Outcome::Released);
            assert_eq!(running(&cluster, Color::Blue).await.1, size);
            let told = told(&cluster, PhaseName::Draining).await.join("\n");
            assert!(told.contains(found) && told.contains(says), "{told}");
            let late = cluster.clock().now().since(deadline);
            assert!(late < Duration::from_secs(1), "{late:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn where_nothing_measures_the_quiet_period_is_waited_and_that_is_told() {
    let cluster = cluster();
    let mut ports = cluster.ports("one");
    ports.load = None;
    let notes = Arc::new(Mutex::new(Vec::new()));
    let heard = notes.clone();
    let releaser = Releaser::new(ports).report(move |progress: &Progress| {
        heard.lock().unwrap().push(progress.to_string());
    });
    let release = tokio::spawn(async move { releaser.run(change("2"), &plan()).await });
    await_phase(&cluster, PhaseName::Draining).await;
    let began = cluster.clock().now();
    assert_eq!(release.await.unwrap().unwrap(), Outcome::Released);
    assert_eq!(cluster.clock().now().since(began).as_secs(), 30);
    let told = told(&cluster, PhaseName::Draining).await;
    assert_eq!(told, ["blue: nothing measures its work in hand, waited 30s"]);
    assert!(notes.lock().unwrap().contains(&told[0]), "{notes:?}");
}

#[tokio::test(start_paused = true)]
async fn whoever_has_no_validators_may_go_on_where_none_is_asked_any_more() {
    let cluster = cluster();
    cluster.load().set(Color::Blue, Some(3));
    let releaser = Releaser::new(cluster.ports("one")).gate(Always(Verdict::Pass));
    let release = tokio::spawn(async move { releaser.run(change("2"), &plan()).await });
    await_phase(&cluster, PhaseName::Draining).await;
    release.abort();
    cluster.load().set(Color::Blue, Some(0));
    let stranger = Releaser::new(cluster.ports("two"));
    assert_eq!(stranger.resume().await.unwrap(), Outcome::Released);
}

#[tokio::test(start_paused = true)]
async fn a_person_sees_how_much_is_left() {
    let cluster = cluster();
    cluster.load().set(Color::Blue, Some(3));
    let counts = Arc::new(Mutex::new(Vec::new()));
    let heard = counts.clone();
    let releaser = Releaser::new(cluster.ports("one")).report(move |progress: &Progress| {
        if let Progress::Draining { slot: Color::Blue, in_flight, .. } = progress {
            heard.lock().unwrap().push(*in_flight);
        }
    });
    let release = tokio::spawn(async move { releaser.run(change("2"), &plan()).await });
    await_phase(&cluster, PhaseName::Draining).await;
    for left in [Some(2), None, Some(1), Some(0)] {
        sleep(&cluster, Duration::from_secs(10)).await;
        cluster.load().set(Color::Blue, left);
    }
    assert_eq!(release.await.unwrap().unwrap(), Outcome::Released);
    assert_eq!(*counts.lock().unwrap(), [Some(3), Some(2), None, Some(1), Some(0)]);
}

#[tokio::test(start_paused = true)]
async fn a_drain_that_is_resumed_begins_its_quiet_period_anew_and_keeps_its_deadline() {
    let cluster = cluster();
    let release = draining(&cluster, plan(), Some(0)).await;
    let before = deadline(&cluster).await;
    sleep(&cluster, Duration::from_secs(25)).await;
    release.abort();
    let _ = release.await;
    let two = Releaser::new(cluster.ports("two"));
    let resumed = tokio::spawn(async move { two.resume().await });
    // The first one's lease has to lapse first.
    sleep(&cluster, Duration::from_secs(40)).await;
    assert_eq!(running(&cluster, Color::Blue).await.1, 3, "not quiet for long enough");
    assert_eq!(deadline(&cluster).await, before);
    assert_eq!(resumed.await.unwrap().unwrap(), Outcome::Released);
    assert_eq!(running(&cluster, Color::Blue).await.1, 0);
}

#[tokio::test(start_paused = true)]
async fn traffic_goes_back_while_the_old_slot_drains() {
    let cluster = cluster();
    let release = draining(&cluster, plan(), Some(1)).await;
    Operations::new(cluster.ports("two")).rollback("ann", "wrong refunds").await.unwrap();
    assert_eq!(routing(&cluster).await, Routing::all(Color::Blue));
    assert!(matches!(release.await.unwrap().unwrap(), Outcome::RolledBack { .. }));
    assert_eq!(running(&cluster, Color::Blue).await.1, 3);
}

/// A release that was rolled back in its bake, while its candidate has so much in hand.
async fn returned(cluster: &MemoryCluster, plan: Plan, in_hand: Option<u64>) -> Release {
    cluster.load().set(Color::Green, in_hand);
    let releaser = Releaser::new(cluster.ports("one"));
    let release = tokio::spawn(async move { releaser.run(change("2"), &plan).await });
    await_phase(cluster, PhaseName::Baking).await;
    Operations::new(cluster.ports("two")).rollback("ann", "wrong refunds").await.unwrap();
    release
}

#[tokio::test(start_paused = true)]
async fn a_failed_candidate_drains_while_it_is_kept() {
    for (keep, work, wanted) in [(0, 10, 10), (20, 10, 20), (5, 0, 5)] {
        let cluster = cluster();
        let mut plan = plan();
        plan.keep_failed = minutes(keep);
        let release = returned(&cluster, plan, Some(1)).await;
        let began = cluster.clock().now();
        sleep(&cluster, minutes(work)).await;
        assert_eq!(running(&cluster, Color::Green).await.0, "2", "it has work in hand");
        cluster.load().set(Color::Green, Some(0));
        release.await.unwrap().unwrap();
        assert_eq!(running(&cluster, Color::Green).await.0, "1");
        let took = cluster.clock().now().since(began);
        assert!(took >= minutes(wanted) && took < minutes(wanted + 1), "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_candidate_is_put_back_at_the_end_of_the_drain_whoever_drives_it_then() {
    let cluster = cluster();
    let release = returned(&cluster, plan(), Some(1)).await;
    let began = cluster.clock().now();
    sleep(&cluster, minutes(20)).await;
    release.abort();
    let _ = release.await;
    Operations::new(cluster.ports("three")).finish().await.unwrap();
    let took = cluster.clock().now().since(began);
    assert!(took >= minutes(30) && took < minutes(31), "the deadline holds: {took:?}");
    let told = told(&cluster, PhaseName::KeepingFailed).await.join("\n");
    assert!(told.contains("still has 1 in hand") && told.contains("is cut off"), "{told}");
}

/// A cluster whose pods are asked to leave: who was, and the status that all of them answer.
fn leaving(status: StatusCode) -> (MemoryCluster, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heard = asked.clone();
    let cluster = MemoryCluster::builder("agent", configuration("1"))
        .replicas(3)
        .clock(TokioClock::default())
        .answer(move |it| {
            let (method, path) = (it.request.method(), it.request.uri().path());
            heard.lock().unwrap().push(format!("{} {method} {path}", it.color));
            let mut answer = http::Response::new(pieces([""]));
            *answer.status_mut() = status;
            Ok(answer)
        })
        .build();
    (cluster, asked)
}

#[tokio::test(start_paused = true)]
async fn every_pod_is_asked_to_let_its_clients_go_and_asked_again() {
    let (cluster, asked) = leaving(StatusCode::NO_CONTENT);
    cluster.load().set(Color::Blue, Some(1));
    let releaser = Releaser::new(cluster.ports("one"));
    let plan = plan().leave("/admin/leave");
    let release = tokio::spawn(async move { releaser.run(change("2"), &plan).await });
    await_phase(&cluster, PhaseName::Baking).await;
    assert_eq!(asked.lock().unwrap().len(), 0, "in the bake nobody is asked");
    await_phase(&cluster, PhaseName::Draining).await;
    sleep(&cluster, Duration::from_secs(1)).await;
    assert_eq!(*asked.lock().unwrap(), ["blue POST /admin/leave"; 3]);
    sleep(&cluster, Duration::from_secs(20)).await;
    assert_eq!(asked.lock().unwrap().len(), 6);
    cluster.load().set(Color::Blue, Some(0));
    assert_eq!(release.await.unwrap().unwrap(), Outcome::Released);
    let told = told(&cluster, PhaseName::Draining).await;
    assert_eq!(told, ["blue has had nothing in hand for 30s"]);
}

#[tokio::test(start_paused = true)]
async fn a_candidate_that_lost_its_traffic_lets_its_clients_go_too() {
    let (cluster, asked) = leaving(StatusCode::OK);
    let release = returned(&cluster, plan().leave("/admin/leave"), Some(0)).await;
    assert!(matches!(release.await.unwrap().unwrap(), Outcome::RolledBack { .. }));
    let asked = asked.lock().unwrap();
    assert!(
        asked.len() >= 3 && asked.iter().all(|it| it == "green POST /admin/leave"),
        "{asked:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_does_not_let_its_clients_go_is_told_and_nothing_else() {
    let (cluster, _) = leaving(StatusCode::NOT_FOUND);
    let release = draining(&cluster, plan().leave("/leave"), Some(0)).await;
    assert_eq!(release.await.unwrap().unwrap(), Outcome::Released);
    let told = told(&cluster, PhaseName::Draining).await.join("\n");
    assert!(told.contains("3 of 3 pods do not let their clients go: "), "{told}");
    assert!(told.contains(": status 404"), "{told}");

    // Nor does a pod that hangs hold the drain up.
    let (cluster, faults) = (self::cluster(), Faults::new());
    faults.always("client.send", Fault::Hang);
    let releaser = Releaser::new(faults.around(cluster.ports("one")));
    let plan = plan().leave("/leave");
    assert_eq!(releaser.run(change("2"), &plan).await.unwrap(), Outcome::Released);
}

#[tokio::test(start_paused = true)]
async fn a_load_that_cannot_be_measured_is_a_warning_before_the_release() {
    let cluster = cluster();
    let releaser = Releaser::new(cluster.ports("one"));
    assert_eq!(releaser.check(&change("2"), &plan()).await.unwrap(), []);
    cluster.load().set(Color::Blue, None);
    let found = releaser.check(&change("2"), &plan()).await.unwrap();
    let [problem] = found.as_slice() else { panic!("one is wanted: {found:?}") };
    assert_eq!((problem.code.as_str(), problem.is_refusal()), ("load-unknown", false));
}

#[tokio::test(start_paused = true)]
async fn conversations_are_held_until_they_have_ended() {
    let cluster = cluster();
    let plan = plan().conversations_by_cookie("agent-slot");
    let release = draining(&cluster, plan, Some(1)).await;
    sleep(&cluster, minutes(10)).await;
    let held = routing(&cluster).await;
    assert_eq!((held.live, held.pins.len()), (Color::Green, 2), "{held}");
    cluster.load().set(Color::Blue, Some(0));
    assert_eq!(release.await.unwrap().unwrap(), Outcome::Released);
    assert_eq!(routing(&cluster).await, Routing::all(Color::Green));
    assert_eq!(running(&cluster, Color::Blue).await.1, 0);

    // And the next release finds nothing in its way.
    let next = Releaser::new(cluster.ports("two"));
    assert_eq!(next.run(change("3"), &self::plan()).await.unwrap(), Outcome::Released);
}

#[tokio::test(start_paused = true)]
async fn a_rollback_takes_conversations_along() {
    let cluster = cluster();
    let plan = plan().conversations_by_header("x-slot");
    let release = draining(&cluster, plan, Some(1)).await;
    Operations::new(cluster.ports("two")).rollback("ann", "wrong refunds").await.unwrap();
    assert_eq!(routing(&cluster).await, Routing::all(Color::Blue));
    assert!(matches!(release.await.unwrap().unwrap(), Outcome::RolledBack { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_driver_that_dies_while_it_takes_pins_away_is_resumed_to_the_same_end() {
    for fault in [Fault::Hang, Fault::HangAfter, Fault::After(ErrorKind::Unknown)] {
        let (cluster, faults) = (cluster(), Faults::new());
        let plan = plan().conversations_by_cookie("agent-slot");
        faults.on("switch.shift", 2, fault);
        let one = Releaser::new(faults.around(cluster.ports("one")));
        tokio::select! {
            outcome = one.run(change("2"), &plan) => assert_eq!(outcome.unwrap(), Outcome::Released),
            _ = faults.hung(1) => {
                drop(one);
                let two = Releaser::new(cluster.ports("two"));
                assert_eq!(two.resume().await.unwrap(), Outcome::Released);
            }
        }
        assert_eq!(routing(&cluster).await, Routing::all(Color::Green));
        assert_eq!(running(&cluster, Color::Blue).await.1, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_switch_that_cannot_pin_is_refused_such_a_plan() {
    let cluster = MemoryCluster::builder("agent", configuration("1"))
        .clock(TokioClock::default())
        .capabilities(crate::Capabilities::SWITCH_ONLY)
        .build();
    let releaser = Releaser::new(cluster.ports("one"));
    let plan = plan().conversations_by_cookie("agent-slot");
    let outcome = releaser.run(change("2"), &plan).await.unwrap();
    let Outcome::Refused { .. } = &outcome else { panic!("{outcome}") };
    assert!(outcome.to_string().contains("pins by header or cookie"), "{outcome}");
}
