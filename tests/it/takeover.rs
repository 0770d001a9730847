//! Several processes and one release: one drives, others take it away, take it over or are too
//! late.

use std::process::Stdio;
use std::sync::Arc;

use bluegreen_core::{
    Color, ErrorKind, OperationError, Outcome, Phase, PhaseName, Reason, Routing, Slot as _,
};
use bluegreen_kube::{Cluster, ClusterBuilder, LeaseLiveness, Settings};
use bluegreen_tests::{
    ACCOUNT, Access, Agent, Load, Proxy, SERVICE, baking, change, plan, reaches, reason, seconds,
};
use bluegreen_validate::Smoke;
use k8s_openapi::api::core::v1::Service;
use kube::Client;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use tokio::process::{Child, Command};

use crate::objects::workloads;

/// The variable in which a driver of its own finds the namespace of its agent.
const NAMESPACE: &str = "BLUEGREEN_TEST_NAMESPACE";
/// For how long a killed driver counts as alive.
const LEASE: u64 = 3;

#[tokio::test]
async fn another_process_aborts_and_the_first_one_cleans_up() {
    let agent = Agent::new().await;
    let two = agent.cluster("two").await;
    let mut driver = driver(&agent);
    reaches(&two, PhaseName::Baking).await;
    assert_eq!(agent.live().await, Some(Color::Green));

    two.operations().abort("ann", "second thoughts").await.unwrap();
    assert_eq!(agent.live().await, Some(Color::Blue), "traffic is back when it returns");
    let ended = tokio::time::timeout(seconds(60), driver.wait()).await.expect("it should end");
    assert!(ended.unwrap().success(), "the process sees to the end by itself");
    let record = two.operations().status().await.unwrap().record.unwrap();
    let Phase::Done { outcome } = record.phase else { panic!("{record:?}") };
    let Reason::Aborted { actor, reason } = reason(outcome) else { panic!("another reason") };
    assert_eq!((actor.as_str(), reason.as_str()), ("ann", "second thoughts"));
    put_back(&two).await;
}

#[tokio::test]
async fn a_rollback_needs_no_driver_that_lives() {
    let agent = Agent::new().await;
    let (one, two) = (agent.cluster("one").await, agent.cluster("two").await);
    let release = baking(&one, plan(seconds(60))).await;
    release.abort();
    assert!(release.await.unwrap_err().is_cancelled());

    two.operations().rollback("ann", "wrong refunds").await.unwrap();
    assert_eq!(agent.live().await, Some(Color::Blue), "traffic is back when it returns");
    let Reason::Requested { .. } = reason(two.operations().finish().await.unwrap()) else {
        panic!("another reason")
    };
    let green = two.slot(Color::Green).state().await.unwrap();
    assert_eq!((green.replicas.wanted, green.open), (0, false));
}

#[tokio::test]
async fn a_rollback_is_followed_by_the_driver_that_lives() {
    let agent = Agent::new().await;
    let (one, two) = (agent.cluster("one").await, agent.cluster("two").await);
    let release = baking(&one, plan(seconds(60))).await;
    let operations = two.operations();
    operations.rollback("ann", "wrong refunds").await.unwrap();
    assert_eq!(agent.live().await, Some(Color::Blue), "traffic is back when it returns");
    let (one, two) = tokio::join!(release, operations.finish());
    let ends = [one.unwrap().unwrap(), two.unwrap()];
    for outcome in ends {
        assert!(matches!(reason(outcome), Reason::Requested { .. }));
    }
    let again = operations.rollback("ann", "once more").await.unwrap_err();
    assert!(matches!(again, OperationError::NoWayBack { .. }), "{again}");
}

#[tokio::test]
async fn of_two_drivers_one_is_told_that_the_other_is_busy() {
    let agent = Agent::new().await;
    let (one, two) = (agent.cluster("one").await, agent.cluster("two").await);
    let plan = plan(seconds(2));
    let (one, two) = (one.releaser(), two.releaser());
    let (a, b) = tokio::join!(one.run(change("1.3.0"), &plan), two.run(change("1.4.0"), &plan));
    let (ended, refused) = if a.is_ok() { (a, b) } else { (b, a) };
    assert_eq!(ended.unwrap(), Outcome::Released);
    assert!(matches!(refused, Err(OperationError::Busy { .. })), "{refused:?}");
    assert_eq!(agent.live().await, Some(Color::Green));
}

#[tokio::test]
async fn the_late_writes_of_a_stale_driver_change_nothing() {
    let agent = Agent::new().await;
    let (one, two) = (agent.cluster("one").await, agent.cluster("two").await);
    let release = baking(&one, plan(seconds(60))).await;
    release.abort();
    let stale = one.operations().status().await.unwrap().envelope.unwrap().epoch;
    two.operations().rollback("ann", "wrong refunds").await.unwrap();

    let (from, to) = (Routing::all(Color::Blue), Routing::all(Color::Green));
    let (blue, green) = (one.slot(Color::Blue), one.slot(Color::Green));
    let before = (blue.state().await.unwrap(), green.state().await.unwrap());
    let late = [
        one.switch().shift(&from, &to, stale).await,
        blue.scale(0, stale).await,
        green.commit(stale).await,
        green.fence(stale).await,
    ];
    for result in late {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{}", error.chain());
    }
    assert_eq!(agent.live().await, Some(Color::Blue));
    assert_eq!((blue.state().await.unwrap(), green.state().await.unwrap()), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_driver_killed_while_pods_start_is_resumed() {
    killed_in(PhaseName::RollingOut).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_driver_killed_in_the_bake_is_resumed() {
    killed_in(PhaseName::Baking).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_driver_killed_in_the_drain_is_resumed() {
    killed_in(PhaseName::Draining).await;
}

/// Kills the process that drives a release when it is in `phase`, and goes on with another.
async fn killed_in(phase: PhaseName) {
    let agent = Agent::new().await;
    let two = short_lease(agent.builder("two"), agent.client(), agent.namespace().name(), "two");
    let two = two.connect().await.unwrap();
    let load = Load::start(agent.address());
    let mut driver = driver(&agent);
    reaches(&two, phase).await;
    driver.kill().await.unwrap();
    assert_eq!(driver.wait().await.unwrap().code(), None, "it ends by the signal");

    // Once the old slot ends its work no validator is asked any more.
    if phase != PhaseName::Draining {
        let error = two.releaser().resume().await.unwrap_err();
        assert!(matches!(error, OperationError::OtherValidators { .. }), "{error}");
    }
    let resumed = two.releaser().gate(gate()).resume().await.unwrap();
    assert_eq!(resumed, Outcome::Released);
    let tally = load.stop().await;
    assert!(tally.failures.is_empty(), "{tally}");
    assert!(tally.answers["1.2.0"] > 0 && tally.answers["1.3.0"] > 0, "{tally}");
    assert_eq!(agent.live().await, Some(Color::Green));
    agent.is_retired(Color::Blue).await;
    let green = two.slot(Color::Green).state().await.unwrap();
    assert_eq!((green.replicas.ready, green.open), (2, false));
}

#[tokio::test]
async fn a_killed_driver_does_not_delay_a_rollback() {
    let reason = without_the_killed(async |two| {
        two.operations().rollback("ann", "wrong refunds").await.unwrap();
    });
    assert!(matches!(reason.await, Reason::Requested { .. }));
}

#[tokio::test]
async fn a_killed_driver_does_not_delay_an_abort() {
    let reason = without_the_killed(async |two| {
        two.operations().abort("ann", "second thoughts").await.unwrap();
    });
    assert!(matches!(reason.await, Reason::Aborted { .. }));
}

/// Takes traffic back from another process, and then puts the slot back. Why the release ended.
async fn without_the_killed(take_back: impl AsyncFn(&Cluster)) -> Reason {
    let (agent, two, _driver) = killed().await;
    let began = std::time::Instant::now();
    take_back(&two).await;
    let took = began.elapsed();
    assert_eq!(agent.live().await, Some(Color::Blue));
    assert!(took < seconds(LEASE), "it waited for the lease: {took:?}");
    let reason = reason(two.operations().finish().await.unwrap());
    put_back(&two).await;
    reason
}

#[tokio::test]
async fn traffic_moved_back_while_nobody_drives_ends_the_release() {
    let (agent, two, _driver) = killed().await;
    let patch = Patch::Merge(json!({"spec": {"selector": {"slot": "blue"}}}));
    agent.api::<Service>().patch(SERVICE, &PatchParams::default(), &patch).await.unwrap();
    let resumed = two.releaser().gate(gate()).resume().await.unwrap();
    assert!(matches!(reason(resumed), Reason::External { .. }));
    assert_eq!(agent.live().await, Some(Color::Blue));
    put_back(&two).await;
}

/// A release whose driver was killed in the bake, and who else can see to it.
async fn killed() -> (Agent, Cluster, Child) {
    let agent = Agent::new().await;
    let two = short_lease(agent.builder("two"), agent.client(), agent.namespace().name(), "two");
    let two = two.connect().await.unwrap();
    let mut driver = driver(&agent);
    reaches(&two, PhaseName::Baking).await;
    driver.kill().await.unwrap();
    assert_eq!(driver.wait().await.unwrap().code(), None, "it ends by the signal");
    (agent, two, driver)
}

#[tokio::test]
async fn a_driver_that_was_frozen_meanwhile_changes_nothing() {
    let agent = Agent::new().await;
    let two = agent.cluster("two").await;
    let mut driver = driver(&agent);
    reaches(&two, PhaseName::RollingOut).await;
    signal(&driver, "STOP").await;
    two.operations().abort("ann", "second thoughts").await.unwrap();
    let Reason::Aborted { .. } = reason(two.operations().finish().await.unwrap()) else {
        panic!("another reason")
    };
    put_back(&two).await;
    let before = workloads(&agent).await;
    let record = two.operations().status().await.unwrap().record;

    // It goes on where it was: with pods to wait for, and then traffic to move.
    signal(&driver, "CONT").await;
    let ended = tokio::time::timeout(seconds(60), driver.wait()).await.expect("it should end");
    assert!(ended.unwrap().success(), "it ends by itself");
    assert_eq!(workloads(&agent).await, before);
    assert_eq!(two.operations().status().await.unwrap().record, record);
    assert_eq!(agent.live().await, Some(Color::Blue));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_driver_that_cannot_renew_its_lease_loses_the_release_and_writes_no_more() {
    let agent = Agent::new().await;
    let namespace = agent.namespace().name();
    let two = short_lease(agent.builder("two"), agent.client(), namespace, "two");
    let two = two.connect().await.unwrap();
    let proxy = Proxy::mute(agent.account()).await;
    let client = proxy.access().client();
    let one = Cluster::builder(client.clone(), namespace, SERVICE);
    let one = short_lease(one, client, namespace, "one").connect().await.unwrap();
    let load = Load::start(agent.address());
    let releaser = one.releaser().gate(gate());
    let release =
        tokio::spawn(async move { releaser.run(change("1.3.0"), &plan(seconds(15))).await });
    reaches(&two, PhaseName::Baking).await;

    let two = two.releaser().gate(gate());
    let (ended, followed) = tokio::join!(two.resume(), release);
    assert_eq!(ended.unwrap(), Outcome::Released);
    assert_eq!(followed.unwrap().unwrap(), Outcome::Released, "it follows to the end");
    let mut written = proxy.written();
    // Whoever hears of the end sees to it that it is in the history.
    written.retain(|it| it.write != "archive the record");
    let last = written.pop().unwrap().write;
    assert!(
        ["save the record: baking", "keep guard-pod-health"].contains(&last.as_str()),
        "{last}"
    );
    let tally = load.stop().await;
    assert!(tally.failures.is_empty(), "{tally}");
    assert_eq!(agent.live().await, Some(Color::Green));
}

/// The candidate's slot is as it was found.
async fn put_back(cluster: &Cluster) {
    let green = cluster.slot(Color::Green).state().await.unwrap();
    assert_eq!(green.running.version.as_deref(), Some("1.2.0"));
    assert_eq!((green.replicas.wanted, green.open), (0, false));
}

async fn signal(process: &Child, name: &str) {
    let id = process.id().unwrap().to_string();
    let sent = Command::new("kill").args(["-s", name, &id]).status().await.unwrap();
    assert!(sent.success(), "{name} should be sent: {sent}");
}

/// Drives a release of this agent in a process of its own.
fn driver(agent: &Agent) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "takeover::a_driver_of_its_own", "--ignored"])
        .env(NAMESPACE, agent.namespace().name())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

#[tokio::test]
#[ignore = "other tests start it, in a process that they kill"]
async fn a_driver_of_its_own() {
    let namespace = std::env::var(NAMESPACE).expect("it is started by another test");
    let client = Access::admin().await.account(&namespace, ACCOUNT).await.client();
    let builder = Cluster::builder(client.clone(), namespace.as_str(), SERVICE);
    let cluster = short_lease(builder, client, &namespace, "one").connect().await.unwrap();
    let mut plan = plan(seconds(8));
    plan.drain.quiet = seconds(5);
    let outcome = cluster.releaser().gate(gate()).run(change("1.3.0"), &plan).await.unwrap();
    eprintln!("it has ended: {outcome}");
}

fn gate() -> Smoke {
    Smoke::get("/readyz").expect_version()
}

fn short_lease(
    builder: ClusterBuilder,
    client: Client,
    namespace: &str,
    holder: &str,
) -> ClusterBuilder {
    let lease = LeaseLiveness::new(client, Settings::new(SERVICE, namespace), holder);
    builder.liveness(Arc::new(lease.with_time_to_live(seconds(LEASE))))
}
