//! Releases that succeed, and what becomes of the traffic meanwhile.

use bluegreen_core::{Color, EnvValue, EvidenceKind, Outcome, PhaseName, Slot as _};
use bluegreen_tests::{Agent, Load, Manifests, change, plan, reaches, seconds};
use bluegreen_validate::Smoke;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_releases_under_load_lose_no_request() {
    let agent = Agent::of(Manifests::shipped().sized(3, 3)).await;
    let cluster = agent.cluster("one").await;
    let plan = plan(seconds(5)).evidence(EvidenceKind::answers(20));
    let releaser = cluster.releaser().gate(Smoke::get("/readyz").expect_version());

    let load = Load::start(agent.address());
    let first = change("1.3.0").env("GREETING", "hello");
    assert_eq!(releaser.run(first, &plan).await.unwrap(), Outcome::Released);
    let tally = load.stop().await;
    assert!(tally.failures.is_empty(), "{tally}");
    assert!(tally.answers["1.2.0"] > 0 && tally.answers["1.3.0"] > 0, "{tally}");
    assert_eq!(tally.answers.len(), 2, "{tally}");
    assert_eq!(agent.live().await, Some(Color::Green));
    agent.is_retired(Color::Blue).await;

    let load = Load::start(agent.address());
    assert_eq!(releaser.run(change("1.4.0"), &plan).await.unwrap(), Outcome::Released);
    let tally = load.stop().await;
    assert!(tally.failures.is_empty(), "{tally}");
    assert!(tally.answers["1.3.0"] > 0 && tally.answers["1.4.0"] > 0, "{tally}");
    assert_eq!(agent.live().await, Some(Color::Blue));
    let running = cluster.slot(Color::Blue).state().await.unwrap().running;
    let Some(EnvValue::Literal(greeting)) = running.containers["agent"].value("GREETING") else {
        panic!("the second release should keep it: {running}")
    };
    assert_eq!(greeting.reveal(), Some("hello"));
    assert_eq!(cluster.operations().history().await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_names_no_slot_gets_it_before_the_candidate_gets_pods() {
    let agent = Agent::of(Manifests::shipped().sized(2, 0).slotless()).await;
    assert_eq!(agent.live().await, None);
    let cluster = agent.cluster("one").await;
    let load = Load::start(agent.address());
    let release = {
        let releaser = cluster.releaser();
        tokio::spawn(async move { releaser.run(change("1.3.0"), &plan(seconds(2))).await })
    };
    // By the time that the candidate's pods start, they are not found any more.
    reaches(&cluster, PhaseName::RollingOut).await;
    assert_eq!(agent.live().await, Some(Color::Blue));
    assert_eq!(release.await.unwrap().unwrap(), Outcome::Released);
    let tally = load.stop().await;
    assert!(tally.failures.is_empty(), "{tally}");
    assert_eq!(agent.live().await, Some(Color::Green));
}
