//! Whole releases on the cluster in memory, with conversations that follow the routing.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bluegreen_core::clock::minutes;
use bluegreen_core::memory::{MemoryCluster, TokioClock};
use bluegreen_core::plan::Until;
use bluegreen_core::{
    Assignment, Capabilities, Change, Color, Configuration, Container, Outcome, Plan, Progress,
    Releaser, SwitchStrategy, Winner,
};
use bluegreen_validate::{Experiment, Exposures};

use crate::world::{completes, config};

fn configuration(version: &str) -> Configuration {
    let container = Container::new(format!("example.com/agent:{version}"));
    Configuration::new([("agent".to_owned(), container)].into()).with_version(version)
}

fn cluster() -> MemoryCluster {
    MemoryCluster::builder("agent", configuration("1"))
        .clock(TokioClock::default())
        .capabilities(Capabilities::ALL)
        .build()
}

fn plan() -> Plan {
    let mut plan = Plan::experiment(50).bake(minutes(10));
    plan.experiment.get_or_insert_default().primary = Some("experiment".to_owned());
    plan.keep_failed = Duration::ZERO;
    plan.look = minutes(1);
    (plan.drain.quiet, plan.drain.max) = (Duration::ZERO, Duration::ZERO);
    plan
}

/// Conversations that go where the routing says, for ever: of the candidate's so many percent complete, of
/// live's 70.
async fn traffic(cluster: &MemoryCluster, exposures: &Exposures, candidate: u64) {
    let (clock, assignment) = (cluster.clock(), Assignment::new("ab"));
    let mut number = 0;
    loop {
        clock.sleep(Duration::from_secs(1)).await;
        let observed = cluster.switch().observe().await.unwrap();
        let routing = observed.routing().unwrap();
        for _ in 0..4 {
            number += 1;
            let unit = format!("conversation-{number}");
            let color = assignment.slot(&unit, routing);
            let (version, percent) =
                if color == Color::Green { ("2", candidate) } else { ("1", 70) };
            exposures.expose(&unit, color, version, clock.now());
            let value = if completes(number, percent) { 1.0 } else { 0.0 };
            exposures.outcome(&unit, "completed", value, clock.now());
        }
    }
}

fn experiment(exposures: &Exposures) -> Experiment {
    let mut config = config();
    config.primary.margin = 0.04;
    Experiment::new(config, exposures.clone())
}

async fn release(candidate: u64) -> (Outcome, String) {
    release_by(candidate, plan(), experiment).await
}

async fn release_by(
    candidate: u64,
    plan: Plan,
    experiment: impl FnOnce(&Exposures) -> Experiment,
) -> (Outcome, String) {
    let (cluster, exposures) = (cluster(), Exposures::new());
    let last = Arc::new(Mutex::new(String::new()));
    let told = last.clone();
    let releaser = Releaser::new(cluster.ports("one")).guard(experiment(&exposures)).report(
        move |progress: &Progress| {
            if let Progress::Judged { validator, judgement } = progress
                && validator == "experiment"
            {
                *told.lock().unwrap() = judgement.to_string();
            }
        },
    );
    let change = Change::image("agent", "example.com/agent:2").version("2");
    let outcome = tokio::select! {
        outcome = releaser.run(change, &plan) => outcome.unwrap(),
        () = traffic(&cluster, &exposures, candidate) => unreachable!("it has no end"),
    };
    let last = last.lock().unwrap().clone();
    (outcome, last)
}

#[tokio::test(start_paused = true)]
async fn a_better_candidate_is_promoted() {
    let (outcome, last) = release(80).await;
    assert_eq!(outcome, Outcome::Concluded { winner: Winner::Candidate }, "{last}");
    assert!(last.starts_with("pass: candidate better: +"), "{last}");
}

#[tokio::test(start_paused = true)]
async fn a_worse_one_goes_back_and_the_release_is_concluded() {
    let (outcome, last) = release(60).await;
    assert_eq!(outcome, Outcome::Concluded { winner: Winner::Live }, "{last}");
    assert!(last.starts_with("fail: live better: -"), "{last}");
}

#[tokio::test(start_paused = true)]
async fn two_that_are_the_same_are_known_to_be() {
    let (outcome, last) = release(70).await;
    assert_eq!(outcome, Outcome::Concluded { winner: Winner::Live }, "{last}");
    assert!(last.starts_with("fail: no difference that matters: "), "{last}");
}

#[tokio::test(start_paused = true)]
async fn at_the_horizon_of_both_live_wins() {
    let mut plan = plan();
    plan.steps[0].until = Until::Decided { horizon: minutes(30) };
    let (outcome, last) = release_by(70, plan, |exposures| {
        let mut config = config();
        config.horizon.time = Some(minutes(30));
        Experiment::new(config, exposures.clone())
    })
    .await;
    assert_eq!(outcome, Outcome::Concluded { winner: Winner::Live }, "{last}");
    assert!(last.starts_with("inconclusive: undecided at horizon: "), "{last}");
}

#[tokio::test(start_paused = true)]
async fn a_driver_that_is_killed_is_followed_by_another() {
    let (cluster, exposures, plan) = (cluster(), Exposures::new(), plan());
    let releaser =
        |holder: &str| Releaser::new(cluster.ports(holder)).guard(experiment(&exposures));
    let change = Change::image("agent", "example.com/agent:2").version("2");
    let releasing = async {
        let killed = tokio::time::timeout(minutes(4), releaser("one").run(change, &plan)).await;
        assert!(killed.is_err(), "it has not ended yet");
        cluster.clock().sleep(minutes(1)).await;
        releaser("two").resume().await.unwrap()
    };
    let outcome = tokio::select! {
        outcome = releasing => outcome,
        () = traffic(&cluster, &exposures, 80) => unreachable!("it has no end"),
    };
    assert_eq!(outcome, Outcome::Concluded { winner: Winner::Candidate });
}
