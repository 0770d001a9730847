//! Times at which no traffic moves forward.

use bluegreen_core::plan::Freeze;
use bluegreen_core::{Color, Outcome, PhaseName, Plan, Reason, Slot as _};
use bluegreen_tests::{Agent, Load, Manifests, change, plan, reaches, reason, seconds};

/// A plan in which everything is frozen.
fn frozen() -> Plan {
    plan(seconds(1)).freeze(Freeze::new("Europe/Berlin").window("2026-01-01 - 2199-12-31"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_candidate_waits_in_a_freeze_until_somebody_overrides_it() {
    let agent = Agent::of(Manifests::shipped().sized(2, 0)).await;
    let (one, two) = (agent.cluster("one").await, agent.cluster("two").await);
    let load = Load::start(agent.address());
    let releaser = one.releaser();
    let release = tokio::spawn(async move { releaser.run(change("1.3.0"), &frozen()).await });
    reaches(&two, PhaseName::Frozen).await;
    assert_eq!(agent.live().await, Some(Color::Blue));
    assert_eq!(two.slot(Color::Green).state().await.unwrap().replicas.ready, 2);

    // No word but the one that is meant for it lets traffic move.
    two.operations().promote("ann").await.unwrap_err();
    assert_eq!(agent.live().await, Some(Color::Blue));
    two.operations().override_freeze("ann", "the old one leaks").await.unwrap();
    assert_eq!(release.await.unwrap().unwrap(), Outcome::Released);
    assert_eq!(agent.live().await, Some(Color::Green));
    let tally = load.stop().await;
    assert!(tally.failures.is_empty(), "{tally}");

    let record = two.operations().status().await.unwrap().record.unwrap();
    let is_why = |what: &str| what.contains("2026-01-01 - 2199-12-31");
    assert!(record.trail.iter().any(|it| is_why(&it.what)), "{:?}", record.trail);
    let said = record.plan.freeze_override.unwrap();
    assert_eq!((said.by.to_string(), &*said.reason), ("ann".into(), "the old one leaks"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_way_back_is_open_in_a_freeze() {
    let agent = Agent::of(Manifests::shipped().sized(2, 0)).await;
    let (one, two) = (agent.cluster("one").await, agent.cluster("two").await);
    let releaser = one.releaser();
    let release = tokio::spawn(async move { releaser.run(change("1.3.0"), &frozen()).await });
    reaches(&two, PhaseName::Frozen).await;
    two.operations().rollback("ann", "wrong refunds").await.unwrap();
    let outcome = release.await.unwrap().unwrap();
    let Reason::Requested { .. } = reason(outcome) else { panic!("another reason") };
    assert_eq!(agent.live().await, Some(Color::Blue));
    let green = two.slot(Color::Green).state().await.unwrap();
    assert_eq!((green.replicas.wanted, green.open), (0, false));
}
