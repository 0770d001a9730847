//! What becomes of a candidate that does not get warm.

use super::*;
use crate::Severity;

async fn released(warm_up: Verdict, plan: &Plan) -> Outcome {
    let cluster = cluster();
    let releaser = Releaser::new(cluster.ports("one")).warm_up(Always(warm_up));
    releaser.run(change("2"), plan).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_candidate_that_gets_warm_is_released() {
    let plan = plan().warm_up(minutes(5));
    assert_eq!(released(Verdict::Pass, &plan).await, Outcome::Released);
}

#[tokio::test(start_paused = true)]
async fn one_that_does_not_goes_back_and_says_what_was_found_and_wanted() {
    let plan = plan().warm_up(minutes(5));
    let told = reason(released(Verdict::Fail, &plan).await).to_string();
    assert!(
        told.contains("always: fail: always the same (pod: wanted good, found fail)"),
        "{told}"
    );
}

#[tokio::test(start_paused = true)]
async fn one_that_has_not_got_warm_in_time_goes_back_and_says_why() {
    let plan = plan().warm_up(minutes(5));
    let told = reason(released(Verdict::Inconclusive, &plan).await).to_string();
    assert!(told.contains("the candidate was not warm by "), "{told}");
    assert!(told.contains("(pod: wanted good, found inconclusive)"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn what_would_warm_up_and_is_never_asked_is_told() {
    let cluster = cluster();
    let releaser = Releaser::new(cluster.ports("one")).warm_up(Always(Verdict::Fail));
    let found = releaser.check(&change("2"), &plan()).await.unwrap();
    let found: Vec<_> = found.iter().filter(|it| it.code == "warm-up").collect();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].severity, Severity::Warn);
    let told = found[0].to_string();
    assert!(told.contains("none, so that `always` warms nothing up"), "{told}");
    // It is a warning: the release goes on without it.
    assert_eq!(released(Verdict::Fail, &plan()).await, Outcome::Released);
}
