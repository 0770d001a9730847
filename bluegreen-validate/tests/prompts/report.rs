//! What a run leaves for a report, and what it tells while it goes on.

use std::sync::Arc;
use std::time::Duration;

use bluegreen_core::{Judgement, Trial, Validator, Verdict};
use bluegreen_validate::paired::Attempt;
use bluegreen_validate::prompt::{Budget, Prices, Recorder, Suite};
use bluegreen_validate::report::RunReport;
use bluegreen_validate::{HeaderText, PromptRegression};

use crate::agents::{client, knowing};
use crate::fake::{Fake, Script};
use crate::limits::paused;
use crate::world::{Kept, agent, assert_verdict, suite, told, trial};

async fn recorded(suite: &Suite, trial: &Trial) -> (Judgement, RunReport) {
    PromptRegression::new(suite.clone()).judge_and_report(trial).await.unwrap()
}

/// The report says what the judgement says, also when it is written and read again.
fn assert_agrees(report: &RunReport, judgement: &Judgement) -> String {
    assert_eq!(report.verdict.verdict, judgement.verdict, "{}", told(judgement));
    let text = report.to_json().unwrap();
    let read: RunReport = serde_json::from_str(&text).unwrap();
    assert_eq!(&read, report);
    assert_eq!(read.recomputed(), report.verdict);
    text
}

#[tokio::test(start_paused = true)]
async fn a_whole_run_is_reported_with_all_that_it_saw() {
    let live = Fake::good();
    let idle = Fake::new(|_, number| match number {
        0..12 => Script { text: "No idea,\nas an AI.".to_owned(), ..Script::good(number) },
        _ => Script::good(number),
    });
    let trial = paused(&live, &idle, Duration::from_hours(1));
    let mut suite = suite(60);
    suite.rules.repeats = 2;
    suite.prices = Some(Prices::new(1e6, 2e6));
    suite.cases[3].critical = true;
    suite.cases[4].category = Some("parcels".to_owned());
    let (judgement, report) = recorded(&suite, &trial).await;
    assert_verdict(&judgement, Verdict::Fail);
    assert_agrees(&report, &judgement);
    assert_eq!((report.suite.as_str(), report.cases.len()), ("prompts", 60));
    assert_eq!((report.live.as_str(), report.idle.as_str()), ("1.2.0", "1.3.0"));
    assert_eq!(report.facts["suite digest"], suite.digest().to_string());
    assert_eq!(report.facts["agent"], "POST /chat");
    let case = &report.cases[3];
    assert_eq!((case.case.as_str(), case.critical), ("case 3", true));
    assert_eq!(case.asked, "Where is parcel 3?");
    assert_eq!(report.cases[4].category.as_deref(), Some("parcels"));
    let idle = case.pairs[0].idle.as_ref().unwrap();
    assert_eq!(idle.text, "No idea,\nas an AI.");
    assert!(matches!(idle.outcome, Attempt::Failed { .. }));
    let names: Vec<_> = idle.assertions.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["contains \"parcel 3 is\"", "not-contains \"as an AI\""]);
    assert!(idle.assertions.iter().all(|it| it.held == Some(false)));
    assert!(idle.assertions[0].reason.contains("found "), "{}", idle.assertions[0].reason);
    assert_eq!(idle.millis, Some(100));
    assert_eq!((idle.usage.calls, idle.usage.input_tokens, idle.usage.output_tokens), (1, 10, 5));
    assert_eq!(idle.usage.cost, Some(20.0));
    let live = case.pairs[0].live.as_ref().unwrap();
    assert_eq!(live.text, "Your parcel 3 is on its way.");
    assert!(live.assertions.iter().all(|it| it.held == Some(true)));
    // Of the pairs that were run, and of no others.
    let answered: u64 = report.cases.iter().map(|case| case.pairs.len() as u64 * 2).sum();
    assert!(report.spent.calls >= answered && answered > 60, "{:?}", report.spent);
    assert!(report.took >= Duration::from_secs(1), "{:?}", report.took);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_ends_early_says_so_and_is_no_pass() {
    let (live, idle) = (Fake::good(), Fake::good());
    let trial = paused(&live, &idle, Duration::from_hours(1));
    let mut suite = suite(100);
    suite.rules.repeats = 1;
    suite.rules.error_budget = 0.5;
    suite.rules.margin = 0.2;
    suite.budget = Budget::default();
    suite.budget.calls = Some(100);
    let (judgement, report) = recorded(&suite, &trial).await;
    assert_verdict(&judgement, Verdict::Inconclusive);
    assert_agrees(&report, &judgement);
    let stopped = report.stopped.as_ref().unwrap();
    assert_eq!(stopped.wanted, "all 100 pairs");
    assert!(stopped.found.contains("the budget was spent: calls"), "{stopped}");
    assert_eq!(&report.verdict.reasons[0], stopped);
    assert_eq!(report.spent.calls, 100);
    assert_eq!(report.facts["budget"], "100 calls");
}

#[tokio::test(start_paused = true)]
async fn what_came_to_nothing_says_why() {
    let live = Fake::good();
    let idle = Fake::new(|_, number| {
        let status = if number == 7 { 503 } else { 200 };
        Script { status, ..Script::good(number) }
    });
    let trial = paused(&live, &idle, Duration::from_hours(1));
    let mut suite = suite(60);
    suite.rules.repeats = 1;
    suite.rules.margin = 0.1;
    let (judgement, report) = recorded(&suite, &trial).await;
    assert_agrees(&report, &judgement);
    let lost = report.cases[7].pairs[0].idle.as_ref().unwrap();
    assert_eq!(lost.outcome, Attempt::Error);
    assert!(lost.error.as_ref().unwrap().contains("status 503"), "{lost:?}");
    assert_eq!(lost.usage.calls, 1);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_dropped_leaves_what_it_saw() {
    let (live, idle) = (Fake::good(), Fake::good());
    let trial = paused(&live, &idle, Duration::from_hours(1));
    let recorder = Recorder::new();
    assert_eq!(recorder.report(), None);
    let gate = PromptRegression::new(suite(100)).recorded_by(&recorder);
    let progress = recorder.progress();
    let look = tokio::time::timeout(Duration::from_millis(1050), gate.judge(&trial));
    assert!(look.await.is_err());
    let now = progress.borrow().clone();
    assert_eq!((now.planned, now.known, now.over, now.running), (300, 40, true, 0));
    let report = recorder.report().unwrap();
    assert_eq!(report.verdict.verdict, Verdict::Inconclusive);
    assert_eq!(report.recomputed(), report.verdict);
    assert_eq!(report.stopped.as_ref().unwrap().found, "40, when the run was stopped");
    let known: usize = report.cases.iter().map(|case| case.pairs.len()).sum();
    assert_eq!(known, 40);
    assert_eq!(report.spent.calls, 88);
}

#[tokio::test(start_paused = true)]
async fn progress_tells_counts_and_spend_and_how_long_it_takes() {
    let (live, idle) = (Fake::good(), Fake::good());
    let trial = paused(&live, &idle, Duration::from_hours(1));
    let recorder = Recorder::new();
    let mut suite = suite(60);
    suite.prices = Some(Prices::new(1e6, 1e6));
    suite.budget.calls = Some(1000);
    let gate = PromptRegression::new(suite).recorded_by(&recorder);
    let mut progress = recorder.progress();
    let mut judging = std::pin::pin!(gate.judge(&trial));
    let mut seen = Vec::new();
    loop {
        tokio::select! {
            biased;
            Ok(()) = progress.changed() => seen.push(progress.borrow_and_update().clone()),
            judgement = &mut judging => {
                assert_verdict(&judgement.unwrap(), Verdict::Pass);
                break;
            }
        }
    }
    let end = progress.borrow().clone();
    assert_eq!((end.planned, end.known, end.running, end.over), (180, 180, 0, true));
    assert_eq!((end.spent.calls, end.spent.cost, end.left), (360, Some(5400.0), None));
    assert!(seen.is_sorted_by_key(|it| (it.known, it.spent.calls)));
    // 4 pairs take 100 ms: after 20 of them the other 160 take 4 s.
    let middle = seen.iter().find(|it| it.known == 20).unwrap();
    assert_eq!(middle.left, Some(Duration::from_secs(4)));
    assert_eq!(middle.budget.calls, Some(1000));
}

#[tokio::test(start_paused = true)]
async fn a_look_of_another_process_reports_on_both() {
    let live = Fake::good();
    let idle = Fake::new(|_, number| match number {
        0..3 => Script { text: "I have lost it.".to_owned(), ..Script::good(number) },
        _ => Script::good(number),
    });
    let mut trial = paused(&live, &idle, Duration::from_hours(1));
    let kept = Arc::new(Kept::default());
    trial.checkpoint = kept.clone();
    let mut suite = suite(60);
    suite.rules.repeats = 3;
    let first = PromptRegression::new(suite.clone()).recorded_by(&Recorder::new());
    // All cases once, and some of them twice.
    let look = tokio::time::timeout(Duration::from_millis(2_050), first.judge(&trial));
    assert!(look.await.is_err());
    trial.state.clone_from(&kept.0.lock().unwrap());
    let (judgement, report) = recorded(&suite, &trial).await;
    assert_agrees(&report, &judgement);
    let pairs = || report.cases.iter().flat_map(|case| &case.pairs);
    // It is decided before the last ones.
    assert!((150..=180).contains(&pairs().count()), "{}", pairs().count());
    let answers = || pairs().flat_map(|pair| [pair.live.as_ref(), pair.idle.as_ref()]).flatten();
    assert!(answers().all(|answer| answer.usage.calls == 1 && answer.millis == Some(100)));
    assert!(answers().all(|answer| answer.assertions.len() == 2));
    for case in &report.cases[..3] {
        for answer in case.pairs.iter().map(|pair| pair.idle.as_ref().unwrap()) {
            assert_eq!(answer.text, "I have lost it.");
            assert_eq!(answer.assertions[0].held, Some(false));
        }
    }
    assert!(report.took >= Duration::from_secs(4), "{:?}", report.took);
}

#[tokio::test(start_paused = true)]
async fn a_recorder_goes_on_with_the_same_slots_and_begins_anew_with_others() {
    let live = Fake::good();
    let idle = Fake::new(|count, number| {
        let status = if count < 20 { 502 } else { 200 };
        Script { status, ..Script::good(number) }
    });
    let mut trial = paused(&live, &idle, Duration::from_hours(1));
    let mut suite = suite(60);
    suite.rules.repeats = 1;
    suite.rules.margin = 0.1;
    let recorder = Recorder::new();
    let gate = PromptRegression::new(suite).recorded_by(&recorder);
    trial.state = gate.judge(&trial).await.unwrap().state;
    let first = recorder.report().unwrap();
    assert!(first.stopped.is_some());
    let judgement = gate.judge(&trial).await.unwrap();
    let second = recorder.report().unwrap();
    assert_verdict(&judgement, Verdict::Inconclusive);
    assert_agrees(&second, &judgement);
    assert_eq!(first.started, second.started);
    let judgement = loop {
        let judgement = gate.judge(&trial).await.unwrap();
        if judgement.verdict == Verdict::Pass {
            break judgement;
        }
        trial.state = judgement.state;
    };
    assert_agrees(&recorder.report().unwrap(), &judgement);
    trial.candidate.state.template_hash = "another".to_owned();
    let sent = idle.sent();
    let judgement = gate.judge(&trial).await.unwrap();
    assert_agrees(&recorder.report().unwrap(), &judgement);
    assert_eq!(idle.sent(), sent + 60);
    assert!(recorder.report().unwrap().started > first.started);
}

#[tokio::test]
async fn no_secret_and_no_long_answer_is_in_a_report() {
    let (live, idle) = (knowing(|_| false).await, knowing(|number| number < 20).await);
    let trial = trial(client(&live), client(&idle));
    let mut suite = suite(60);
    let mut agent = agent();
    let secret = "hunter2-is-the-secret";
    let header = HeaderText::Literal(format!("Bearer {secret}"));
    agent.headers.insert("authorization".to_owned(), header);
    agent.path = format!("/chat?api_key={secret}");
    // The suite repeats it where it is shown, as an agent does that echoes its headers.
    suite.cases[0].prompt = Some(format!("Where is parcel 0? {secret} {}", "a".repeat(10_000)));
    suite.agent = agent.into();
    let (judgement, report) = recorded(&suite, &trial).await;
    assert_verdict(&judgement, Verdict::Fail);
    let text = assert_agrees(&report, &judgement);
    // What the agent says in this world has a key in it.
    assert!(!text.contains("sk-live") && !text.contains(secret), "{text}");
    assert!(text.contains("Use the key ***"), "{text}");
    assert!(report.cases[0].asked.starts_with("Where is parcel 0? *** aaa"));
    assert!(report.cases[0].asked.chars().count() <= 2_001);
    assert!(!format!("{:?}", PromptRegression::new(suite)).contains("Use the key"));
}

#[tokio::test(start_paused = true)]
async fn answers_are_kept_only_as_far_as_is_asked_for() {
    let (live, idle) = (
        Fake::good(),
        Fake::new(|_, number| Script { text: "x".repeat(10_000), ..Script::good(number) }),
    );
    let trial = paused(&live, &idle, Duration::from_hours(1));
    for (keeping, wanted) in [(0, 0), (100, 101)] {
        let recorder = Recorder::keeping(keeping);
        PromptRegression::new(suite(60)).recorded_by(&recorder).judge(&trial).await.unwrap();
        let text = recorder.report().unwrap().to_json().unwrap();
        let longest = text.split(|c| c != 'x' && c != '…').map(|run| run.chars().count()).max();
        let found = recorder.report().unwrap();
        let answers = found.cases.iter().flat_map(|case| &case.pairs);
        let most = answers.filter_map(|pair| pair.idle.as_ref()).map(|it| it.text.chars().count());
        assert_eq!(most.max(), Some(wanted));
        // What assertions found is an excerpt of its own.
        assert!(longest < Some(200), "{longest:?}");
    }
}
