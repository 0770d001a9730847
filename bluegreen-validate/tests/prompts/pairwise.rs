//! Live's answers and the candidate's side by side, before judges that are wise, biased or broken.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bluegreen_core::{Judgement, Validator, Verdict};
use bluegreen_validate::prompt::{Assertion, Budget, Check, JudgeModel, Pairwise, Recorder, Suite};
use bluegreen_validate::report::{Preferred, RunReport};
use bluegreen_validate::{PromptRegression, Value, json};

use crate::agents::{client, doing, message, number, reply};
use crate::judges::{completion, model, sent, suite};
use crate::server::{Answer, Server, answer};
use crate::world::{assert_verdict, told, trial};

const CRITERIA: &str = "Helps the customer.";

/// What a judge is shown as answer A and as answer B, without their fences.
fn shown(user: &str) -> [String; 2] {
    let fence = user.split(' ').next().unwrap();
    ["answer A", "answer B"].map(|name| {
        let (_, rest) = user.split_once(&format!("{fence} {name}\n")).unwrap();
        rest.split_once(&format!("\n{fence} end of {name}")).unwrap().0.to_owned()
    })
}

fn better(which: &str) -> Answer {
    completion(&json!({"reason": "because so", "better": which}).to_string())
}

/// A judge that says which of two answers is better.
async fn judging(
    choose: impl Fn(&str, &str) -> Answer + Send + Sync + 'static,
) -> (Server, Arc<AtomicUsize>) {
    let (choose, calls) = (Arc::new(choose), Arc::new(AtomicUsize::new(0)));
    let counted = calls.clone();
    let server = doing(move |got| {
        let choose = choose.clone();
        counted.fetch_add(1, Ordering::SeqCst);
        async move {
            let (system, user) = sent(&got);
            assert!(system.contains("`better`"), "{system}");
            // Nobody tells it which slot an answer is of.
            assert!(!user.contains("live") && !user.contains("idle"), "{user}");
            let [a, b] = shown(&user);
            choose(&a, &b)
        }
    })
    .await;
    (server, calls)
}

/// Which of the two has this word in it, if one of them alone has.
fn with_word(word: &'static str) -> impl Fn(&str, &str) -> Answer {
    move |a, b| match (a.contains(word), b.contains(word)) {
        (true, false) => better("A"),
        (false, true) => better("B"),
        _ => better("neither"),
    }
}

/// An agent whose answers say what is said of the number in the question.
async fn saying(words: impl Fn(usize) -> &'static str + Send + Sync + 'static) -> Server {
    let words = Arc::new(words);
    doing(move |got| {
        let words = words.clone();
        async move {
            let number = number(&message(&got));
            reply(&format!("Parcel {number}: {}.", words(number)))
        }
    })
    .await
}

fn comparing(judges: Vec<JudgeModel>) -> Suite {
    suite(Check::Pairwise(Pairwise::new(CRITERIA)), judges)
}

async fn judged(suite: Suite, live: &Server, idle: &Server) -> (Judgement, RunReport) {
    let recorder = Recorder::default();
    let gate = PromptRegression::new(suite).recorded_by(&recorder);
    let judgement = gate.judge(&trial(client(live), client(idle))).await.unwrap();
    let report = recorder.report().unwrap();
    assert_eq!(report.recomputed(), report.verdict);
    (judgement, report)
}

fn preferred(report: &RunReport) -> Vec<Option<Preferred>> {
    let pairs = report.cases.iter().flat_map(|case| &case.pairs);
    pairs.flat_map(|pair| &pair.preferences).map(|it| it.preferred).collect()
}

#[tokio::test]
async fn a_candidate_that_is_worse_in_both_orders_fails_and_a_better_one_passes() {
    let (judge, _) = judging(with_word("on its way")).await;
    let (good, bad) = (saying(|_| "it is on its way").await, saying(|_| "no idea").await);
    let suite = comparing(vec![model(&judge)]);
    let (judgement, report) = judged(suite.clone(), &good, &bad).await;
    assert_verdict(&judgement, Verdict::Fail);
    let text = told(&judgement);
    assert!(text.contains("live is better in both orders") && text.contains(CRITERIA), "{text}");
    assert!(preferred(&report).iter().all(|it| *it == Some(Preferred::Live)), "{report:?}");
    let preference = &report.cases[0].pairs[0].preferences[0];
    let orders = &preference.judges[0].orders;
    assert_eq!((orders[0].first, orders[1].first), (Preferred::Live, Preferred::Idle));
    assert!(orders.iter().all(|it| it.reason == "because so"), "{preference:?}");
    let read = RunReport::from_json(&report.to_json().unwrap()).unwrap();
    assert_eq!(read, report);
    #[cfg(feature = "report")]
    {
        let page = report.to_html();
        assert!(page.contains("<b>live is better</b>"), "{page}");
        assert!(page.contains("the candidate as A: live is better: because so"), "{page}");
    }
    let (judgement, report) = judged(suite, &bad, &good).await;
    assert_verdict(&judgement, Verdict::Pass);
    assert!(preferred(&report).iter().all(|it| *it == Some(Preferred::Idle)), "{report:?}");
}

#[tokio::test]
async fn a_judge_that_goes_by_the_order_prefers_nobody() {
    for which in ["A", "B", "neither"] {
        let (judge, calls) = judging(move |_, _| better(which)).await;
        let (live, idle) = (saying(|_| "one").await, saying(|_| "two").await);
        let (judgement, report) = judged(comparing(vec![model(&judge)]), &live, &idle).await;
        assert_verdict(&judgement, Verdict::Pass);
        let all = preferred(&report);
        assert!(all.iter().all(|it| *it == Some(Preferred::Neither)), "{all:?}");
        // Each pair was asked in both orders, and what that took is told.
        assert!(calls.load(Ordering::SeqCst) >= 2 * all.len(), "{calls:?}");
        assert!(report.spent.input_tokens >= 200 * all.len() as u64, "{:?}", report.spent);
    }
}

#[tokio::test]
async fn as_many_better_as_worse_is_no_regression_and_mostly_worse_is() {
    let (judge, _) = judging(with_word("on its way")).await;
    let half =
        |number: usize| if number.is_multiple_of(2) { "it is on its way" } else { "no idea" };
    let other =
        |number: usize| if number.is_multiple_of(2) { "no idea" } else { "it is on its way" };
    let (live, idle) = (saying(half).await, saying(other).await);
    let mut suite = comparing(vec![model(&judge)]);
    let (judgement, report) = judged(suite.clone(), &live, &idle).await;
    assert_ne!(judgement.verdict, Verdict::Fail, "{}", told(&judgement));
    let overall = &report.verdict;
    assert!((overall.live.share - overall.idle.share).abs() < 0.1, "{overall:?}");
    // A case that is critical may not lose, whatever others win.
    suite.cases[0].critical = true;
    let (judgement, _) = judged(suite, &live, &idle).await;
    assert_ne!(judgement.verdict, Verdict::Pass, "{}", told(&judgement));
}

#[tokio::test]
async fn a_judge_that_is_broken_or_away_decides_nothing() {
    let texts = [
        "",
        "A",
        r#"{"reason": "r"}"#,
        r#"{"better": "A"}"#,
        r#"{"reason": "r", "better": "both"}"#,
        r#"{"reason": "r", "better": "A", "better": "B"}"#,
        r#"{"reason": "r", "better": "A"} {"reason": "r", "better": "A"}"#,
    ];
    let mut all: Vec<Box<dyn Fn() -> Answer + Send + Sync>> = vec![
        Box::new(|| answer(500, "away")),
        Box::new(|| answer(401, "no key")),
        Box::new(|| answer(200, "nonsense")),
    ];
    for text in texts {
        all.push(Box::new(move || completion(text)));
    }
    for broken in all {
        let broken = Arc::new(broken);
        // One order alone is no preference, nor a tie.
        for only_one in [false, true] {
            let broken = broken.clone();
            let (judge, _) =
                judging(
                    move |a, _| {
                        if only_one && a.contains("one") { better("A") } else { broken() }
                    },
                )
                .await;
            let (live, idle) = (saying(|_| "one").await, saying(|_| "two").await);
            let (judgement, report) = judged(comparing(vec![model(&judge)]), &live, &idle).await;
            assert_verdict(&judgement, Verdict::Inconclusive);
            assert!(told(&judgement).contains("judge grader: "), "{}", told(&judgement));
            assert!(preferred(&report).iter().all(Option::is_none), "{report:?}");
        }
    }
}

#[tokio::test]
async fn nobody_is_asked_about_the_same_answer_nor_where_there_is_none() {
    let (judge, calls) = judging(|_, _| better("A")).await;
    let suite = comparing(vec![model(&judge)]);
    let good = saying(|_| "it is on its way").await;
    let (judgement, report) = judged(suite.clone(), &good, &good).await;
    assert_verdict(&judgement, Verdict::Pass);
    assert!(preferred(&report).iter().all(|it| *it == Some(Preferred::Neither)), "{report:?}");
    let away = doing(|_| async { answer(503, "away") }).await;
    let (judgement, _) = judged(suite.clone(), &good, &away).await;
    assert_verdict(&judgement, Verdict::Inconclusive);
    // What is no answer where there should be one loses against any.
    let mute = doing(|_| async { answer(200, "{}") }).await;
    let (judgement, _) = judged(suite, &good, &mute).await;
    assert_verdict(&judgement, Verdict::Fail);
    assert_eq!(calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn what_pleases_a_judge_hides_nothing_that_is_broken() {
    let (judge, _) = judging(with_word("dear")).await;
    let live = saying(|_| "it is on its way").await;
    let idle = saying(|_| "oh dear, no idea").await;
    let mut suite = comparing(vec![model(&judge)]);
    suite.defaults.assert.push(Assertion::contains("on its way"));
    let (judgement, report) = judged(suite, &live, &idle).await;
    assert!(preferred(&report).iter().all(|it| *it == Some(Preferred::Idle)), "{report:?}");
    assert_verdict(&judgement, Verdict::Fail);
}

#[tokio::test]
async fn more_than_half_of_all_judges_must_find_it_worse() {
    let (fond, _) = judging(with_word("one")).await;
    let (other, _) = judging(with_word("two")).await;
    let (even, _) = judging(|_, _| better("neither")).await;
    let (away, _) = judging(|_, _| answer(503, "away")).await;
    let named = |server: &Server, name: &str| {
        let mut model = model(server);
        model.name = Some(name.to_owned());
        model
    };
    let (of_live, again) = (named(&fond, "a"), named(&fond, "b"));
    let (of_idle, tie, lost) = (named(&other, "c"), named(&even, "d"), named(&away, "e"));
    let (live, idle) = (saying(|_| "one").await, saying(|_| "two").await);
    let verdict = async |judges: [&JudgeModel; 3]| {
        let suite = comparing(judges.into_iter().cloned().collect());
        judged(suite, &live, &idle).await.0.verdict
    };
    assert_eq!(verdict([&of_live, &again, &of_idle]).await, Verdict::Fail);
    assert_eq!(verdict([&of_live, &again, &lost]).await, Verdict::Fail);
    assert_eq!(verdict([&of_live, &tie, &of_idle]).await, Verdict::Pass);
    assert_eq!(verdict([&of_live, &tie, &lost]).await, Verdict::Inconclusive);
}

#[tokio::test]
async fn a_budget_that_is_spent_on_judges_ends_the_run_without_a_pass() {
    let (judge, calls) = judging(|_, _| better("neither")).await;
    let (live, idle) = (saying(|_| "one").await, saying(|_| "two").await);
    let mut suite = comparing(vec![model(&judge)]);
    let mut budget = Budget::default();
    budget.calls = Some(22);
    suite.budget = budget;
    let (judgement, report) = judged(suite, &live, &idle).await;
    assert_ne!(judgement.verdict, Verdict::Pass, "{}", told(&judgement));
    assert!(judgement.summary.contains("the budget was spent: calls"), "{}", told(&judgement));
    assert_eq!(report.spent.calls, 22);
    assert!(calls.load(Ordering::SeqCst) < 22, "{calls:?}");
}

#[test]
fn it_stands_by_itself_and_is_part_of_the_digest() {
    let judge = || vec![JudgeModel::new("http://a/v1", "m")];
    let problems = |suite: Suite| {
        let problems = PromptRegression::new(suite).problems();
        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(problems(comparing(judge())), "");
    assert!(problems(comparing(Vec::new())).contains("add `judges: [{ url, model }]`"));
    let not = Assertion::from(Check::Pairwise(Pairwise::new(CRITERIA))).negated();
    assert!(problems(suite(not, judge())).contains("not-pairwise"));
    let of = |value: Value| -> Check { serde_json::from_value(value).unwrap() };
    let set = of(json!({"assert-set": {"assert": [{"pairwise": "Is kind."}, {"contains": "a"}]}}));
    assert!(problems(suite(set, judge())).contains("`pairwise` in a set"));
    assert!(problems(suite(of(json!({"pairwise": " "})), judge())).contains("an empty text"));
    let named = of(json!({"pairwise": {"criteria": "Is kind.", "judges": ["x"]}}));
    assert!(problems(suite(named, judge())).contains("add a judge called `x`"));
    let other = suite(Check::Pairwise(Pairwise::new("Is kind.")), judge());
    assert_ne!(comparing(judge()).digest(), other.digest());
    let wrong = serde_json::from_value::<Check>(json!({"pairwise": {"criterion": "a"}}));
    assert!(wrong.unwrap_err().to_string().contains("criterion"));
}
