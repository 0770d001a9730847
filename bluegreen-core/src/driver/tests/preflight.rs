//! What a release is refused for.

use super::*;

#[tokio::test(start_paused = true)]
async fn problems_are_one_list_and_nothing_is_touched() {
    let cluster = cluster();
    let mut plan = plan();
    plan.look = Duration::ZERO;
    cluster.add_problem(Color::Green, Problem::new("no-readiness-probe", "Deployment agent"));
    let outcome = Releaser::new(cluster.ports("one")).run(change("2"), &plan).await.unwrap();
    let Outcome::Refused { problems } = outcome else { panic!("{outcome:?}") };
    let codes: Vec<&str> = problems.iter().map(|problem| problem.code.as_str()).collect();
    assert_eq!(codes, ["plan-duration", "no-readiness-probe"]);
    assert!(Operations::new(cluster.ports("two")).status().await.unwrap().record.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_change_that_does_not_fit_hides_no_other_problem() {
    let cluster = cluster();
    cluster.add_problem(Color::Green, Problem::new("no-readiness-probe", "Deployment agent"));
    let change = Change::image("agnet", "Bad Image");
    let outcome = Releaser::new(cluster.ports("one")).run(change, &plan()).await.unwrap();
    let Outcome::Refused { problems } = outcome else { panic!("{outcome:?}") };
    let codes: Vec<&str> = problems.iter().map(|problem| problem.code.as_str()).collect();
    assert_eq!(codes, ["unknown-container", "malformed-image", "no-readiness-probe"]);
    assert!(Operations::new(cluster.ports("two")).status().await.unwrap().record.is_none());
}

#[tokio::test(start_paused = true)]
async fn what_no_release_can_begin_with_cannot_be_allowed() {
    let cluster = cluster();
    cluster.set_routing(ObservedState::Foreign("a selector of purple".to_owned()));
    let plan = plan().allow("routing");
    let outcome = Releaser::new(cluster.ports("one")).run(change("2"), &plan).await.unwrap();
    let Outcome::Refused { problems } = outcome else { panic!("{outcome:?}") };
    let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert!(said[0].contains("found a selector of purple, wanted all traffic"), "{said:?}");
}
