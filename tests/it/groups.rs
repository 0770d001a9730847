//! Agents released together, each with traffic of its own.

use bluegreen_core::{Change, Color, Group, GroupOutcome, Member, PhaseName, Reason, Releaser};
use bluegreen_kube::Cluster;
use bluegreen_tests::{Agent, Load, change, plan, reaches, seconds};
use bluegreen_validate::{Request, Smoke, json};

/// The agent comes after its tools.
fn group(tools: Releaser, agent: Releaser, of_agent: Change) -> Group {
    let plan = plan(seconds(5));
    Group::new("checkout")
        .member(Member::new(tools, change("1.3.0"), &plan).named("tools"))
        .member(Member::new(agent, of_agent, &plan).named("agent").after("tools"))
        .actor("groups")
}

async fn agents() -> (Agent, Agent) {
    tokio::join!(Agent::new(), Agent::new())
}

async fn both(tools: &Agent, agent: &Agent, holder: &str) -> (Cluster, Cluster) {
    tokio::join!(tools.cluster(holder), agent.cluster(holder))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_agents_are_released_together_and_another_process_may_go_on() {
    let (tools, agent) = agents().await;
    let loads = [&tools, &agent].map(|it| Load::gentle(it.address()));
    let (first, second) = both(&tools, &agent, "one").await;
    let began = group(first.releaser(), second.releaser(), change("1.3.0"));
    let release = tokio::spawn(async move { began.run().await });
    reaches(&second, PhaseName::Baking).await;
    release.abort();
    assert!(release.await.is_err(), "it was killed");

    let (first, second) = both(&tools, &agent, "two").await;
    let outcome = group(first.releaser(), second.releaser(), change("1.3.0")).resume().await;
    assert_eq!(outcome.unwrap(), GroupOutcome::Released);
    for it in [&tools, &agent] {
        assert_eq!(it.live().await, Some(Color::Green));
        it.is_retired(Color::Blue).await;
    }
    for load in loads {
        let tally = load.stop().await;
        assert!(tally.failures.is_empty() && tally.answers.contains_key("1.3.0"), "{tally}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gate_of_one_keeps_the_traffic_of_all() {
    let (tools, agent) = agents().await;
    let (first, second) = both(&tools, &agent, "one").await;
    let gate = Smoke::from(Request::post("/chat", json!("hello")).expect_json("/reply", "goodbye"));
    let refusing = second.releaser().gate(gate);
    let outcome = group(first.releaser(), refusing, change("1.3.0")).run().await.unwrap();
    let GroupOutcome::RolledBack { member, reason: Reason::Unfit { .. } } = &outcome else {
        panic!("{outcome}")
    };
    assert_eq!(member, "agent");
    for (it, cluster) in [(&tools, &first), (&agent, &second)] {
        assert_eq!(it.live().await, Some(Color::Blue));
        let record = cluster.operations().status().await.unwrap().record.unwrap();
        let moved = record.trail.iter().any(|entry| entry.phase == PhaseName::Shifting);
        assert!(!moved, "{:?}", record.trail);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_aborts_takes_the_other_back_and_nobody_loses_a_request() {
    let (tools, agent) = agents().await;
    let loads = [&tools, &agent].map(|it| Load::gentle(it.address()));
    let (first, second) = both(&tools, &agent, "one").await;
    let began = group(first.releaser(), second.releaser(), change("1.3.0"));
    let release = tokio::spawn(async move { began.run().await });
    reaches(&second, PhaseName::Baking).await;
    let other = agent.cluster("two").await;
    other.operations().abort("ann", "second thoughts").await.unwrap();
    let outcome = release.await.unwrap().unwrap();
    let GroupOutcome::RolledBack { member, reason: Reason::Aborted { .. } } = &outcome else {
        panic!("{outcome}")
    };
    assert_eq!(member, "agent");
    for it in [&tools, &agent] {
        assert_eq!(it.live().await, Some(Color::Blue));
    }
    for load in loads {
        let tally = load.stop().await;
        assert!(tally.failures.is_empty(), "{tally}");
    }
}
