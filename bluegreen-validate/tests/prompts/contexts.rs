//! Answers held against their questions and their contexts, by real judges that list what they find.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bluegreen_core::{Judgement, Verdict};
use bluegreen_validate::prompt::{
    AnswerRelevance, Assertion, Check, ContextCheck, ContextRecall, EmbeddingModel, Suite,
};
use bluegreen_validate::{PromptRegression, Value, json};

use crate::agents::{client, doing, knowing, reply};
use crate::judges::{completion, model, sent, suite};
use crate::server::{Answer, Server, answer};
use crate::world::{assert_verdict, judge as run, told, trial};

const CONTEXT: &str =
    "Your parcel is on its way. It arrives on Tuesday. We like parcels. They are red.";

/// What stands between the fences of this name.
fn part(user: &str, name: &str) -> String {
    let fence = user.split(' ').next().unwrap();
    let begin = format!("{fence} {name}\n");
    let rest = user.split_once(begin.as_str()).unwrap_or_else(|| panic!("{name}: {user}")).1;
    rest.split_once(format!("\n{fence} end of {name}").as_str()).unwrap().0.to_owned()
}

/// What a judge of sound mind lists: what is said of Tuesday and of the way is so, and of use.
fn listed(system: &str, user: &str) -> Value {
    let is_so = |line: &str| line.contains("is on its way") || line.contains("Tuesday");
    let marks = |name: &str| -> Vec<bool> {
        let lines = part(user, name);
        assert!(lines.starts_with("1. "), "{lines}");
        lines.lines().map(is_so).collect()
    };
    if system.contains("`questions`") {
        assert!(!user.contains("question\n"), "the question would give it away: {user}");
        let near = is_so(&part(user, "answer"));
        let questions = if near { ["near", "near", "half"] } else { ["far", "far", "half"] };
        json!({"reason": "r", "questions": questions})
    } else if system.contains("`statements`") {
        let answer = part(user, "answer");
        let statements: Vec<String> =
            answer.split_terminator('.').map(|it| format!("{}.", it.trim())).collect();
        json!({"reason": "r", "statements": statements})
    } else if system.contains("`supported`") {
        assert!(part(user, "context").contains("Tuesday"));
        json!({"reason": "r", "supported": marks("statements")})
    } else {
        assert!(part(user, "question").ends_with('?'));
        json!({"reason": "r", "relevant": marks("context")})
    }
}

/// A judge, and how often it is asked.
async fn judge() -> (Server, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let server = doing(move |got| {
        counted.fetch_add(1, Ordering::SeqCst);
        async move {
            let (system, user) = sent(&got);
            completion(&listed(&system, &user).to_string())
        }
    })
    .await;
    (server, calls)
}

/// Vectors at known angles to those of questions: 0, 53.13 and 90 degrees.
async fn embedder() -> Server {
    doing(|got| async move {
        let body: Value = serde_json::from_slice(&got.body).unwrap();
        let texts = body["input"].as_array().unwrap();
        assert_eq!(texts.len(), 4, "{body}");
        let vectors = texts.iter().enumerate().map(|(index, text)| {
            let vector = match text.as_str().unwrap() {
                "half" => [0.6, 0.8],
                "far" => [0.0, 2.0],
                _ => [1.0, 0.0],
            };
            json!({"index": index, "embedding": vector})
        });
        answer(200, json!({"data": vectors.collect::<Value>()}).to_string())
    })
    .await
}

fn with(assertion: impl Into<Assertion>, judge: &Server) -> Suite {
    let mut suite = suite(assertion, vec![model(judge)]);
    suite.defaults.vars.insert("context".to_owned(), json!(CONTEXT));
    suite
}

async fn judged(suite: Suite, live: &Server, idle: &Server) -> Judgement {
    run(suite, &trial(client(live), client(idle))).await
}

/// An agent that always says this.
async fn saying(text: &'static str) -> Server {
    doing(move |_| async move { reply(text) }).await
}

fn faithful(threshold: f64) -> Check {
    Check::ContextFaithfulness(ContextCheck::new(threshold))
}

#[tokio::test]
async fn an_answer_says_what_the_context_says() {
    let (judge, _) = judge().await;
    let good = knowing(|_| false).await;
    assert_verdict(&judged(with(faithful(0.9), &judge), &good, &good).await, Verdict::Pass);
    // A third of it is so.
    let more = saying("Your parcel is on its way. It is free. It is blue.").await;
    assert_verdict(&judged(with(faithful(0.33), &judge), &good, &more).await, Verdict::Pass);
    let judgement = judged(with(faithful(0.34), &judge), &good, &more).await;
    assert_verdict(&judgement, Verdict::Fail);
    let told = told(&judgement);
    assert!(told.contains("1 of 3 supported by the context, not \"It is free.\": r"), "{told}");
    assert!(told.contains("an answer of which the context supports 0.34"), "{told}");
}

#[tokio::test]
async fn what_is_negated_fails_where_it_would_have_held() {
    let (judge, _) = judge().await;
    let unfaithful = || with(Assertion::from(faithful(0.5)).negated(), &judge);
    let (good, bad) = (knowing(|_| false).await, saying("It is free. It is blue.").await);
    assert_verdict(&judged(unfaithful(), &bad, &bad).await, Verdict::Pass);
    assert_verdict(&judged(unfaithful(), &bad, &good).await, Verdict::Fail);
}

#[tokio::test]
async fn an_answer_without_a_statement_cannot_be_told_also_under_not() {
    let (judge, _) = judge().await;
    let good = knowing(|_| false).await;
    for nothing in ["", " "] {
        let idle = saying(nothing).await;
        for assertion in [faithful(0.5).into(), Assertion::from(faithful(0.5)).negated()] {
            let judgement = judged(with(assertion, &judge), &good, &idle).await;
            assert_ne!(judgement.verdict, Verdict::Pass, "{}", told(&judgement));
        }
    }
}

#[tokio::test]
async fn a_context_has_what_the_right_answer_needs_and_is_asked_about_once() {
    let (judge, calls) = judge().await;
    let good = knowing(|_| false).await;
    let recall = |threshold| {
        Check::ContextRecall(ContextRecall::new("It arrives on Tuesday. It is free.", threshold))
    };
    assert_verdict(&judged(with(recall(0.5), &judge), &good, &good).await, Verdict::Pass);
    // All cases have the same context, and no answer is looked at.
    assert!(calls.load(Ordering::SeqCst) <= 2, "{calls:?}");
    let judgement = judged(with(recall(0.51), &judge), &good, &good).await;
    assert_ne!(judgement.verdict, Verdict::Pass, "{}", told(&judgement));
    // Without that variable it is what was asked.
    let mut suite = with(recall(0.5), &judge);
    suite.defaults.vars.clear();
    for case in &mut suite.cases {
        case.prompt = Some("It arrives on Tuesday, where is it?".to_owned());
    }
    assert_verdict(&judged(suite, &good, &good).await, Verdict::Pass);
}

#[tokio::test]
async fn a_context_has_little_that_the_question_does_not_need() {
    let (judge, _) = judge().await;
    let good = knowing(|_| false).await;
    let passes = async |threshold: f64, context: Value| {
        let check = Check::ContextRelevance(ContextCheck::new(threshold));
        let mut suite = with(check, &judge);
        suite.defaults.vars.insert("context".to_owned(), context);
        judged(suite, &good, &good).await.verdict == Verdict::Pass
    };
    // Two sentences of four, two lines of three, and one piece of two.
    assert!(passes(0.5, json!(CONTEXT)).await && !passes(0.51, json!(CONTEXT)).await);
    let lines = json!("It is on its way. It is red.\nTuesday.\nWe like parcels.\n");
    assert!(!passes(0.67, lines.clone()).await);
    let lines_of_use = json!("It is on its way: it is on its way.\nTuesday.\nWe like parcels.\n");
    assert!(passes(0.66, lines_of_use).await);
    let pieces = json!(["Tuesday. They are red. We like parcels.", "They are red."]);
    assert!(passes(0.5, pieces.clone()).await && !passes(0.51, pieces).await);
}

#[tokio::test]
async fn an_answer_is_relevant_by_the_mean_of_three_cosines() {
    let ((judge, _), vectors) = (judge().await, embedder().await);
    let (good, bad) = (knowing(|_| false).await, knowing(|_| true).await);
    let suite = |threshold: f64| {
        let mut check = AnswerRelevance::default();
        assert!((check.threshold - 0.7).abs() < 1e-12);
        check.threshold = threshold;
        let mut suite = with(Check::AnswerRelevance(check), &judge);
        let url = format!("http://{}/v1", vectors.address);
        suite.embeddings = Some(EmbeddingModel::new(url, "vectors"));
        suite
    };
    // (1 + 1 + 0.6) / 3, and (0 + 0 + 0.6) / 3.
    assert_verdict(&judged(suite(0.7), &good, &good).await, Verdict::Pass);
    assert_verdict(&judged(suite(0.8666), &good, &good).await, Verdict::Pass);
    assert_ne!(judged(suite(0.8667), &good, &good).await.verdict, Verdict::Pass);
    assert_verdict(&judged(suite(0.2), &good, &bad).await, Verdict::Pass);
    let judgement = judged(suite(0.7), &good, &bad).await;
    assert_verdict(&judgement, Verdict::Fail);
    assert!(told(&judgement).contains("as if asked \"far\", \"far\", \"half\""));
    // An empty answer answers nothing.
    assert_verdict(&judged(suite(0.1), &good, &saying("").await).await, Verdict::Fail);
}

#[tokio::test]
async fn what_is_no_list_is_never_a_pass_nor_a_fail_also_under_not() {
    let good = knowing(|_| false).await;
    let texts = [
        "",
        "all of them",
        r#"{"reason": "r", "statements": ["It is so."], "supported": [true]}"#,
        r#"{"reason": "r", "statements": []}"#,
        r#"{"reason": "r", "statements": "It is so."}"#,
        r#"{"reason": "r", "questions": ["near"]}"#,
        r#"{"reason": "r", "supported": [true, true, true, true, true]}"#,
        r#"{"reason": "r", "relevant": []}"#,
    ];
    let checks: [Check; 3] = [
        faithful(0.5),
        Check::ContextRelevance(ContextCheck::new(0.5)),
        Check::ContextRecall(ContextRecall::new("It arrives on Tuesday.", 0.5)),
    ];
    for text in texts {
        let judge = doing(move |_| async move { completion(text) }).await;
        for check in &checks {
            for assertion in
                [Assertion::from(check.clone()), Assertion::from(check.clone()).negated()]
            {
                let judgement = judged(with(assertion, &judge), &good, &good).await;
                let verdict = judgement.verdict;
                assert_eq!(verdict, Verdict::Inconclusive, "{text}: {}", told(&judgement));
                assert!(told(&judgement).contains("judge grader: "), "{}", told(&judgement));
            }
        }
    }
    // The second question may fail as well as the first.
    let judge = doing(|got| async move {
        let (system, user) = sent(&got);
        if system.contains("`statements`") {
            return completion(&listed(&system, &user).to_string());
        }
        let failed: Answer = answer(503, "away");
        failed
    })
    .await;
    let judgement = judged(with(faithful(0.5), &judge), &good, &good).await;
    assert_verdict(&judgement, Verdict::Inconclusive);
}

/// Problems of a suite with this assertion and these variables.
fn problems(assertion: &str, vars: &str) -> Vec<String> {
    let text = format!(
        "agent: {{ http: {{ path: /chat, answer: text }} }}\n\
         rules: {{ min_cases: 2, margin: 0.5 }}\n\
         judges: [{{ url: 'http://a/v1', model: m }}]\n\
         cases:\n  - id: a\n    prompt: Hi\n    vars: {vars}\n    assert:\n      - {assertion}\n\
         \x20 - {{ id: b, prompt: Hi, assert: [{{ contains: a }}] }}\n"
    );
    match PromptRegression::from_text("suite.yaml", &text) {
        Ok(gate) => gate.problems().iter().map(ToString::to_string).collect(),
        Err(error) => error.problems().iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn what_could_never_fail_or_be_told_is_refused_with_its_place() {
    let context = "{ context: It arrives on Tuesday. }";
    for good in [
        "context-faithfulness: { threshold: 0.9 }",
        "not-context-relevance: { threshold: 0.5, query: 'Where is {{ context }}' }",
        "context-recall: { expected: Tuesday., threshold: 1, judges: [m] }",
        "context-relevance: { threshold: 1, context: ['{{ context }}', More.] }",
    ] {
        assert_eq!(problems(good, context), [""; 0], "{good}");
    }
    let pieces = "{ pieces: [One., Two.] }";
    assert_eq!(
        problems("context-relevance: { threshold: 1, context: '{{ pieces }}' }", pieces),
        [""; 0]
    );
    for (assertion, vars, wanted) in [
        ("context-faithfulness: {}", context, "missing field `threshold`"),
        ("context-recall: { expected: a }", context, "missing field `threshold`"),
        ("context-relevance: { threshold: 0 }", context, "found 0, wanted more than 0"),
        ("context-relevance: { threshold: 1.1 }", context, "wanted more than 0 and at most 1"),
        ("answer-relevance: { threshold: 0 }", context, "found 0, wanted more than 0"),
        ("answer-relevance: {}", context, "add `embeddings: { url, model }` to the suite"),
        ("context-recall: { expected: ' ', threshold: 1 }", context, "an empty text"),
        ("context-relevance: { threshold: 1 }", "{ a: b }", "no variable `context`"),
        ("context-faithfulness: { threshold: 1 }", "{ context: 7 }", "the context 7"),
        ("context-recall: { expected: a, threshold: 1 }", "{ context: '' }", "an empty context"),
        ("context-relevance: { threshold: 1, judges: [other] }", context, "called `other`"),
        ("context-relevance: { threshold: 1, transform: a }", context, "unknown field"),
    ] {
        let found = problems(assertion, vars);
        assert!(found.iter().any(|it| it.contains(wanted)), "{assertion}: {found:?}");
        assert!(found[0].starts_with("suite.yaml:9:"), "{assertion}: {found:?}");
    }
    let found = problems("context-relevance: { threshold: 1 }", "{ a: b }");
    assert!(found[0].contains("wanted a text or a list of texts as the variable `context`"));
}
