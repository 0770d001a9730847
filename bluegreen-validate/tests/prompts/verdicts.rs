//! What agents that are as good, worse, or away come to.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bluegreen_core::{ErrorKind, Validator, Verdict};
use bluegreen_validate::PromptRegression;
use bluegreen_validate::prompt::{Assertion, Case, Check};

use crate::agents::{client, doing, knowing, message, number, reply};
use crate::server::{Server, answer};
use crate::world::{agent, assert_verdict, judge, suite, told, trial};

#[tokio::test]
async fn agents_that_are_the_same_pass() {
    let (live, idle) = (knowing(|n| n == 3).await, knowing(|n| n == 3).await);
    let judgement = judge(suite(100), &trial(client(&live), client(&idle))).await;
    assert_verdict(&judgement, Verdict::Pass);
    assert!(!judgement.evidence.is_empty());
}

#[tokio::test]
async fn a_prompt_that_is_20_points_worse_fails_with_its_cases_named() {
    let (live, idle) = (knowing(|_| false).await, knowing(|n| n.is_multiple_of(5)).await);
    let judgement = judge(suite(100), &trial(client(&live), client(&idle))).await;
    assert_verdict(&judgement, Verdict::Fail);
    let first = &judgement.evidence[0];
    let number = number(&first.subject);
    assert!(first.subject.starts_with("case case ") && number.is_multiple_of(5), "{first}");
    assert_eq!(first.asked, format!("Where is parcel {number}?"));
    assert!(first.wanted.contains(&format!("Your parcel {number} is on its way.")), "{first}");
    assert!(first.found.contains("I cannot find that"), "{first}");
    // What looks like a key is in nothing that is told or kept.
    let state = String::from_utf8_lossy(judgement.state.as_ref().unwrap()).into_owned();
    for text in [told(&judgement), state] {
        assert!(!text.contains("sk-live"), "{text}");
    }
}

#[tokio::test]
async fn one_critical_case_is_enough_to_fail() {
    let (live, idle) = (knowing(|_| false).await, knowing(|n| n == 7).await);
    let mut suite = suite(100);
    suite.cases[7].critical = true;
    let judgement = judge(suite, &trial(client(&live), client(&idle))).await;
    assert_verdict(&judgement, Verdict::Fail);
    assert!(judgement.evidence[0].subject.contains("critical case case 7"), "{}", told(&judgement));
}

#[tokio::test]
async fn what_is_away_for_both_is_upstream_and_not_the_candidates_fault() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let down = doing(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        async { answer(503, "no provider") }
    })
    .await;
    let judgement = judge(suite(100), &trial(client(&down), client(&down))).await;
    assert_verdict(&judgement, Verdict::Inconclusive);
    assert!(judgement.summary.contains("upstream"), "{}", told(&judgement));
    assert!(told(&judgement).contains("no provider"), "{}", told(&judgement));
    // It gives up instead of asking 600 times.
    let calls = calls.load(Ordering::SeqCst);
    assert!(calls < 100, "{calls} calls");
}

#[tokio::test]
async fn a_candidate_that_is_away_does_not_pass() {
    let (live, idle) = (knowing(|_| false).await, doing(|_| async { answer(500, "oh") }).await);
    let judgement = judge(suite(60), &trial(client(&live), client(&idle))).await;
    assert_ne!(judgement.verdict, Verdict::Pass, "{}", told(&judgement));
    assert!(judgement.summary.contains("the candidate did not answer"), "{}", told(&judgement));
}

#[tokio::test]
async fn answers_without_what_is_read_fail_the_candidate() {
    let live = knowing(|_| false).await;
    let idle = doing(|_| async { answer(200, r#"{"answer": "renamed"}"#) }).await;
    let judgement = judge(suite(60), &trial(client(&live), client(&idle))).await;
    assert_verdict(&judgement, Verdict::Fail);
}

#[tokio::test]
async fn an_assertion_that_cannot_be_told_is_an_error_and_never_a_pass() {
    // The answers have no tokens in them, though the suite says where they are.
    let (live, idle) = (silent().await, silent().await);
    for assertion in [
        Assertion::from(Check::Tokens(serde_json::from_str(r#"{"total": 100}"#).unwrap())),
        Assertion::from(Check::Cost(100.0)),
        Assertion::from(Check::Cost(100.0)).negated(),
    ] {
        let mut suite = suite(60);
        suite.prices = Some(bluegreen_validate::prompt::Prices::new(1.0, 1.0));
        suite.defaults.assert.push(assertion);
        let judgement = judge(suite, &trial(client(&live), client(&idle))).await;
        assert_verdict(&judgement, Verdict::Inconclusive);
        assert!(told(&judgement).contains("tokens"), "{}", told(&judgement));
    }
}

async fn silent() -> Server {
    doing(|got| async move {
        let number = number(&message(&got));
        answer(200, format!(r#"{{"reply": "Your parcel {number} is here."}}"#))
    })
    .await
}

#[tokio::test]
async fn live_that_knows_nothing_is_no_measure() {
    let (live, idle) = (knowing(|_| true).await, knowing(|_| true).await);
    let judgement = judge(suite(100), &trial(client(&live), client(&idle))).await;
    assert_ne!(judgement.verdict, Verdict::Pass, "{}", told(&judgement));
}

#[tokio::test]
async fn a_suite_with_problems_is_never_run() {
    let live = doing(|_| async { reply("never asked") }).await;
    let trial = trial(client(&live), client(&live));
    let nothing = bluegreen_validate::prompt::Suite::new(agent(), []);
    let mut toothless = suite(60);
    toothless.cases[3].assert.clear();
    let mut weightless = suite(60);
    weightless.cases[3] = Case::new("w", "hi").assert(Assertion::contains("a").weighing(0.0));
    let mut endless = suite(60);
    endless.cases[3].threshold = Some(f64::NAN);
    let mut zero = suite(60);
    zero.cases[3].threshold = Some(0.0);
    let few = suite(5);
    for suite in [nothing, toothless, weightless, endless, zero, few] {
        let gate = PromptRegression::new(suite);
        assert!(gate.problems().iter().any(bluegreen_core::Problem::is_refusal));
        assert_eq!(gate.judge(&trial).await.unwrap_err().kind(), ErrorKind::Rejected);
    }
}
