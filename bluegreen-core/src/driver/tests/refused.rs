//! What a release that is refused says.

use super::{
    Change, Color, Duration, Operations, Outcome, Problem, Releaser, Routing, SwitchStrategy,
    change, cluster, plan,
};
use crate::ObservedState;
use crate::memory::MemoryCluster;
use crate::release::Next;

async fn refusals(cluster: &MemoryCluster, change: Change) -> Vec<Problem> {
    match Releaser::new(cluster.ports("one")).run(change, &plan()).await.unwrap() {
        Outcome::Refused { problems } => problems,
        other => panic!("it should be refused: {other}"),
    }
}

fn codes(problems: &[Problem]) -> Vec<&str> {
    problems.iter().map(|problem| problem.code.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_routing_that_is_not_whole_is_told_in_words_and_hides_nothing() {
    let (blue, green) = (Routing::all(Color::Blue), Routing::all(Color::Green));
    for (state, found) in [
        (ObservedState::Foreign("selector slot=purple".to_owned()), "selector slot=purple"),
        (
            ObservedState::Between { from: blue, to: green },
            "something between blue 100 % and green 100 %",
        ),
    ] {
        let cluster = cluster();
        cluster.set_routing(state);
        cluster.add_switch_problem(Problem::new("unlisted-service", "Service other"));
        let problems = refusals(&cluster, change("2")).await;
        assert_eq!(codes(&problems), ["routing", "unlisted-service"]);
        assert_eq!(
            problems[0].to_string(),
            format!(
                "routing of agent by memory: found {found}, wanted all traffic on one slot, blue \
                 or green; give it all to the slot that is to be live [routing]"
            )
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_that_cannot_be_made_hides_no_problem_of_the_switch() {
    let cluster = cluster();
    cluster.add_switch_problem(Problem::new("unlisted-service", "Service other"));
    let problems = refusals(&cluster, Change::image("nobody", "example.com/agent:2")).await;
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert_eq!(problems[1].code, "unlisted-service");
    assert!(problems[0].to_string().contains("nobody"), "{problems:?}");
}

#[tokio::test(start_paused = true)]
async fn a_refused_release_is_in_the_history_of_an_agent_that_was_released_before() {
    let cluster = cluster();
    let operations = Operations::new(cluster.ports("two"));
    cluster.add_switch_problem(Problem::new("unlisted-service", "Service other"));
    refusals(&cluster, change("2")).await;
    assert!(operations.history().await.unwrap().is_empty(), "there is nothing of ours yet");

    let cluster = self::cluster();
    let operations = Operations::new(cluster.ports("two"));
    let releaser = Releaser::new(cluster.ports("one"));
    assert_eq!(releaser.run(change("2"), &plan().standby(1)).await.unwrap(), Outcome::Released);
    let before = (operations.stored().await.unwrap(), cluster.switch().observe().await.unwrap());
    let other = Problem::new("quota", "ResourceQuota small");
    cluster.add_problem(Color::Blue, other.clone());
    for image in ["3", "4"] {
        refusals(&cluster, change(image)).await;
        cluster.clock().sleep(Duration::from_secs(1)).await;
    }
    let after = (operations.stored().await.unwrap(), cluster.switch().observe().await.unwrap());
    assert_eq!(after, before, "the release that is live stays the current one");
    let history = operations.history().await.unwrap();
    let ends: Vec<_> = history.iter().map(|it| it.current().unwrap().next()).collect();
    let refused = Next::Finish(Outcome::Refused { problems: vec![other] });
    assert_eq!(ends, [refused.clone(), refused, Next::Finish(Outcome::Released)]);
    let versions = history.iter().map(|it| it.current().unwrap().change.version().to_owned());
    assert_eq!(versions.collect::<Vec<_>>(), ["4", "3", "2"]);
}
