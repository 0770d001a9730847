//! A look that goes on where another one stopped.

use std::sync::Arc;
use std::time::Duration;

use bluegreen_core::Verdict;

use crate::fake::{Fake, Script};
use crate::limits::paused;
use crate::world::{Kept, assert_verdict, judge, suite, told};

#[tokio::test(start_paused = true)]
async fn a_crash_does_not_pay_twice() {
    let (live, idle) = (Fake::good(), Fake::good());
    let mut trial = paused(&live, &idle, Duration::from_hours(1));
    let kept = Arc::new(Kept::default());
    trial.checkpoint = kept.clone();
    let mut suite = suite(100);
    suite.rules.repeats = 1;
    // 100 pairs, 4 at a time, 100 ms each: about 40 are run.
    let look = tokio::time::timeout(Duration::from_millis(1050), judge(suite.clone(), &trial));
    assert!(look.await.is_err());
    let before = live.sent();
    trial.state.clone_from(&kept.0.lock().unwrap());
    assert!(trial.state.is_some());
    let judgement = judge(suite, &trial).await;
    assert_verdict(&judgement, Verdict::Pass);
    // What was under way, and what came since the last batch of 10, is asked again.
    assert!(before >= 40 && live.sent() <= 100 + 14, "{before}, {}", live.sent());
}

#[tokio::test(start_paused = true)]
async fn a_later_look_asks_only_what_was_lost() {
    let live = Fake::good();
    // The first 4 requests get no answer that counts.
    let idle = Fake::new(|count, number| {
        let status = if count < 4 { 502 } else { 200 };
        Script { status, ..Script::good(number) }
    });
    let mut trial = paused(&live, &idle, Duration::from_hours(1));
    let mut suite = suite(60);
    suite.rules.repeats = 1;
    suite.rules.margin = 0.1;
    let first = judge(suite.clone(), &trial).await;
    assert_verdict(&first, Verdict::Inconclusive);
    let before = idle.sent();
    trial.state = first.state;
    trial.look = 2;
    let second = judge(suite, &trial).await;
    assert_verdict(&second, Verdict::Pass);
    // Of the first look not more than what was under way when it ended.
    assert!(before <= 8 && idle.sent() <= before + 60, "{before}, {}", idle.sent());
}

#[tokio::test(start_paused = true)]
async fn what_is_known_of_other_pods_is_nothing() {
    let (live, idle) = (Fake::good(), Fake::good());
    let mut trial = paused(&live, &idle, Duration::from_hours(1));
    let mut suite = suite(60);
    suite.rules.repeats = 1;
    suite.rules.margin = 0.1;
    let first = judge(suite.clone(), &trial).await;
    trial.state = first.state;
    trial.candidate.state.template_hash = "another".to_owned();
    let second = judge(suite.clone(), &trial).await;
    assert_verdict(&second, Verdict::Pass);
    assert!(idle.sent() > 60, "{}", idle.sent());
    // The same pods again: nothing is asked.
    let sent = idle.sent();
    trial.state = second.state;
    let third = judge(suite, &trial).await;
    assert_verdict(&third, Verdict::Pass);
    assert_eq!(idle.sent(), sent, "{}", told(&third));
}
