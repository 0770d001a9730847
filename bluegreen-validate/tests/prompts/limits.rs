//! Limits of a run: how much at a time, how long, how dear, and pauses that are asked for.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bluegreen_core::memory::TokioClock;
use bluegreen_core::{Clock, Trial, Verdict};
use bluegreen_validate::prompt::{Agent, Budget, Prices, Turn};
use tokio::time::Instant;

use crate::fake::{Fake, Script};
use crate::world::{assert_verdict, judge, suite, told};

/// A trial on tokio's clock, which may be paused.
pub(crate) fn paused(live: &Arc<Fake>, idle: &Arc<Fake>, time: Duration) -> Trial {
    let clock = TokioClock::new();
    let mut trial = crate::world::trial(live.clone(), idle.clone());
    trial.deadline = clock.now().plus(time);
    trial.clock = Arc::new(clock);
    trial
}

const HOUR: Duration = Duration::from_hours(1);

#[tokio::test(start_paused = true)]
async fn no_more_runs_go_on_at_a_time_than_allowed_and_no_fewer() {
    let (live, idle) = (Fake::good(), Fake::good());
    let mut suite = suite(100);
    suite.concurrency = 5;
    let begin = Instant::now();
    let judgement = judge(suite, &paused(&live, &idle, HOUR)).await;
    assert_verdict(&judgement, Verdict::Pass);
    for side in [&live, &idle] {
        assert_eq!(side.seen.most_open.load(Ordering::SeqCst), 5);
        assert!(side.sent() <= 300);
    }
    // Both slots together take the time of one: at most 300 answers of 100 ms, 5 at a time.
    assert!(begin.elapsed() <= Duration::from_millis(6300), "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_is_asked_for_is_kept() {
    // Of the first 8 requests each is answered 429.
    let live = Fake::good();
    let idle = Fake::new(
        |count, number| {
            if count < 8 { Script::busy(Some("30")) } else { Script::good(number) }
        },
    );
    let begin = Instant::now();
    let judgement = judge(suite(100), &paused(&live, &idle, HOUR)).await;
    assert_verdict(&judgement, Verdict::Pass);
    assert!(begin.elapsed() >= Duration::from_mins(1), "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_is_too_long_ends_the_run_at_once() {
    let live = Fake::good();
    let idle = Fake::new(|_, _| Script::busy(Some("3600")));
    let judgement = judge(suite(100), &paused(&live, &idle, HOUR)).await;
    assert_verdict(&judgement, Verdict::Inconclusive);
    assert!(told(&judgement).contains("429"), "{}", told(&judgement));
    assert!(idle.sent() <= 4, "{} requests though it must not be asked", idle.sent());
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_calls_is_kept_exactly_and_is_no_pass() {
    let (live, idle) = (Fake::good(), Fake::good());
    let mut suite = suite(100);
    suite.budget = serde_json::from_str::<Budget>(r#"{"calls": 101}"#).unwrap();
    let judgement = judge(suite, &paused(&live, &idle, HOUR)).await;
    assert_ne!(judgement.verdict, Verdict::Pass, "{}", told(&judgement));
    assert!(judgement.summary.contains("budget"), "{}", told(&judgement));
    assert_eq!(live.sent() + idle.sent(), 101);
}

#[tokio::test(start_paused = true)]
async fn limits_of_tokens_money_and_time_are_kept() {
    for budget in [r#"{"tokens": 600}"#, r#"{"money": 600}"#, r#"{"time": "1s"}"#] {
        let (live, idle) = (Fake::good(), Fake::good());
        let mut suite = suite(100);
        suite.prices = Some(Prices::new(1e6, 1e6));
        suite.budget = serde_json::from_str::<Budget>(budget).unwrap();
        let judgement = judge(suite, &paused(&live, &idle, HOUR)).await;
        assert_ne!(judgement.verdict, Verdict::Pass, "{}", told(&judgement));
        assert!(judgement.summary.contains("budget"), "{}", told(&judgement));
        // 15 tokens each; before the first answers it is not known how dear they are.
        let sent = live.sent() + idle.sent();
        assert!((8..=88).contains(&sent), "{budget}: {sent} requests");
    }
}

#[tokio::test(start_paused = true)]
async fn answers_that_are_none_and_those_that_do_not_come_are_paid_too() {
    let malformed = |_, number| Script { found: false, ..Script::good(number) };
    // The first answers tell how dear one is.
    let late = |count, number| {
        let after = if count < 8 { Duration::from_millis(100) } else { HOUR };
        Script { after, ..Script::good(number) }
    };
    for (live, idle) in
        [(Fake::new(malformed), Fake::new(malformed)), (Fake::new(late), Fake::new(late))]
    {
        let mut suite = suite(100);
        suite.budget = serde_json::from_str::<Budget>(r#"{"tokens": 600}"#).unwrap();
        // As much may be lost as is.
        suite.rules.error_budget = 0.5;
        let judgement = judge(suite, &paused(&live, &idle, 100 * HOUR)).await;
        assert_ne!(judgement.verdict, Verdict::Pass, "{}", told(&judgement));
        assert!(judgement.summary.contains("budget was spent: tokens"), "{}", told(&judgement));
        let sent = live.sent() + idle.sent();
        assert!((8..=88).contains(&sent), "{sent} requests");
    }
}

#[tokio::test(start_paused = true)]
async fn requests_that_cannot_be_made_are_the_suites_fault() {
    let other = Fake::new(|_, number| {
        let text = format!("A parcel {number} is on its way.");
        Script { text, ..Script::good(number) }
    });
    // The second requests of all conversations, or only of those with the candidate.
    for (word, idle) in [("parcel", Fake::good()), ("A parcel", other)] {
        let live = Fake::good();
        let mut suite = suite(100);
        if let Agent::Http(agent) = &mut suite.agent {
            agent.path =
                format!("/chat/{{{{ 'a b' if history and '{word}' in history[1].content }}}}");
        }
        for case in &mut suite.cases {
            let prompt = case.prompt.take().unwrap();
            let again = Turn::new(prompt.as_str());
            case.turns = vec![Turn::new(prompt), again];
        }
        let judgement = judge(suite, &paused(&live, &idle, HOUR)).await;
        assert_verdict(&judgement, Verdict::Inconclusive);
        let text = told(&judgement);
        assert!(judgement.summary.contains("requests could not be made"), "{text}");
        assert!(text.contains("made: the path `/chat/a b`"), "{text}");
        assert!(!text.contains("upstream") && !text.contains("did not answer"), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_deadline_leaves_time_for_a_verdict() {
    let (live, idle) = (Fake::good(), Fake::good());
    let trial = paused(&live, &idle, Duration::from_secs(2));
    let judgement = judge(suite(100), &trial).await;
    assert_ne!(judgement.verdict, Verdict::Pass, "{}", told(&judgement));
    assert!(trial.clock.now() < trial.deadline);
    assert!(judgement.summary.contains("time"), "{}", told(&judgement));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_takes_too_long_is_lost() {
    let live = Fake::good();
    let idle = Fake::new(|_, number| Script { after: HOUR, ..Script::good(number) });
    let mut suite = suite(100);
    suite.timeout = Duration::from_secs(3);
    let judgement = judge(suite, &paused(&live, &idle, 10 * HOUR)).await;
    assert_verdict(&judgement, Verdict::Inconclusive);
    assert!(told(&judgement).contains("no whole answer within 3s"), "{}", told(&judgement));
}

#[tokio::test(start_paused = true)]
async fn dropping_a_run_closes_everything() {
    let (live, idle) = (Fake::good(), Fake::good());
    let trial = paused(&live, &idle, HOUR);
    let look = tokio::time::timeout(Duration::from_millis(350), judge(suite(100), &trial));
    assert!(look.await.is_err());
    for side in [&live, &idle] {
        assert_eq!(side.seen.open.load(Ordering::SeqCst), 0);
        assert!(side.sent() > 0);
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_budget_cuts_off_is_blamed_on_the_budget_and_on_nobody_else() {
    let (live, idle) = (Fake::good(), Fake::good());
    // Of 30 cases more than 1 that is lost is too much, and the last of 21 calls leaves 2 cases.
    let mut suite = suite(30);
    suite.rules.repeats = 1;
    suite.budget.calls = Some(21);
    let judgement = judge(suite, &paused(&live, &idle, HOUR)).await;
    assert_verdict(&judgement, Verdict::Inconclusive);
    let told = told(&judgement);
    assert!(judgement.summary.contains("the budget was spent: calls"), "{told}");
    assert!(!told.contains("neither slot answered") && !told.contains("did not answer"), "{told}");
    assert_eq!(live.sent() + idle.sent(), 21);
}

#[tokio::test(start_paused = true)]
async fn a_budget_that_ends_within_the_last_pair_is_no_pass() {
    let (live, idle) = (Fake::good(), Fake::good());
    // One of sixty is less than the budget for errors, and is none; and it could still turn the verdict.
    let mut suite = suite(60);
    suite.rules.repeats = 1;
    suite.rules.margin = 0.05;
    suite.budget.calls = Some(119);
    let judgement = judge(suite, &paused(&live, &idle, HOUR)).await;
    assert_verdict(&judgement, Verdict::Inconclusive);
    assert!(judgement.summary.contains("the budget was spent: calls"), "{}", told(&judgement));
}
