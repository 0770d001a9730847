//! Conversations of several turns, compared side by side, beside what is kept of them: in a cassette, in
//! the state of a look, and in the run before.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bluegreen_core::{AgentClient, Judgement, Trial, Validator, Verdict};
use bluegreen_validate::prompt::{
    Assertion, Baseline, Cassette, CassetteMode, Check, HttpAgent, Pairwise, Recorder, Suite, Turn,
};
use bluegreen_validate::report::{Preferred, RunReport};
use bluegreen_validate::{AddressClient, PromptRegression, Value, json};
use tokio::sync::Notify;

use crate::agents::{client, doing, number, reply};
use crate::judges::{completion, model, sent};
use crate::server::Server;
use crate::world::{Kept, assert_verdict, told, trial};

/// A file that ends with this value.
struct File(PathBuf);

impl File {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let count = NEXT.fetch_add(1, Ordering::SeqCst);
        let name = format!("pairwise-{}-{count}.jsonl", std::process::id());
        Self(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name))
    }

    fn open(&self, mode: CassetteMode) -> Cassette {
        Cassette::open(&self.0, mode).unwrap()
    }

    /// The exchanges by slot, case and turn.
    fn exchanges(&self) -> BTreeMap<(String, usize, u64), Value> {
        let text = std::fs::read_to_string(&self.0).unwrap();
        let lines = text.lines().skip(1).map(|line| serde_json::from_str::<Value>(line).unwrap());
        let key = |line: &Value| {
            let text = |name: &str| line[name].as_str().unwrap().to_owned();
            (text("slot"), number(&text("case")), line["turn"].as_u64().unwrap())
        };
        lines.map(|line| (key(&line), line)).collect()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// What an agent was asked: the parcel, the turn from 0, in which conversation, after what was said.
type Asked = Arc<Mutex<Vec<(usize, u64, String, Value)>>>;

/// An agent that says what `words` has for a turn, or nothing at all where it has nothing.
async fn talking(words: impl Fn(u64) -> Option<String> + Send + Sync + 'static) -> (Server, Asked) {
    let asked = Asked::default();
    let (words, seen) = (Arc::new(words), asked.clone());
    let server = doing(move |got| {
        let body: Value = serde_json::from_slice(&got.body).unwrap();
        let history = body["all"].clone();
        let of_user = |it: &&Value| it["role"] == "user";
        let turn = history.as_array().unwrap().iter().filter(of_user).count() as u64;
        let number = number(body["message"].as_str().unwrap());
        let from = body["from"].as_str().unwrap().to_owned();
        seen.lock().unwrap().push((number, turn, from, history));
        let said = words(turn);
        async move {
            match said {
                Some(words) => reply(&format!("Parcel {number}: {words}.")),
                None => std::future::pending().await,
            }
        }
    })
    .await;
    (server, asked)
}

async fn saying(first: &'static str, second: &'static str) -> (Server, Asked) {
    talking(move |turn| Some(if turn == 0 { first } else { second }.to_owned())).await
}

/// What a judge was shown.
type Shown = Arc<Mutex<Vec<String>>>;

/// A judge to which an answer that has no idea is the worse one.
async fn judging() -> (Server, Shown) {
    let shown = Shown::default();
    let seen = shown.clone();
    let server = doing(move |got| {
        let (_, user) = sent(&got);
        let (_, a) = user.split_once(" answer A\n").unwrap();
        let (a, b) = a.split_once(" answer B\n").unwrap();
        let better = match (a.contains("no idea"), b.contains("no idea")) {
            (true, false) => "B",
            (false, true) => "A",
            _ => "neither",
        };
        // The fences are others in every run.
        let fence = user.split(' ').next().unwrap();
        seen.lock().unwrap().push(user.replace(fence, ""));
        async move { completion(&json!({"reason": "because so", "better": better}).to_string()) }
    })
    .await;
    (server, shown)
}

fn compared() -> Assertion {
    Check::Pairwise(Pairwise::new("Helps the customer.")).into()
}

/// 30 cases of two turns, compared after the first and after both.
fn suite(judge: &Server) -> Suite {
    let mut suite = crate::judges::suite(compared(), vec![model(judge)]);
    let mut agent = HttpAgent::post(
        "/chat",
        json!({"message": "{{prompt}}", "from": "{{conversation}}", "all": "{{history}}"}),
        "/reply",
    );
    agent.usage = Some("/usage".to_owned());
    suite.agent = agent.into();
    for case in &mut suite.cases {
        let prompt = case.prompt.take().unwrap();
        let mut first = Turn::new(prompt.clone());
        first.assert.push(compared());
        case.turns = vec![first, Turn::new(format!("Again: {prompt}"))];
    }
    suite
}

struct Ran {
    judgement: Judgement,
    report: RunReport,
}

async fn run(gate: PromptRegression, trial: &Trial) -> Ran {
    let (judgement, report) = gate.judge_and_report(trial).await.unwrap();
    assert_eq!(report.recomputed(), report.verdict);
    Ran { judgement, report }
}

/// By case, what was preferred in each place.
fn preferred(report: &RunReport) -> BTreeMap<String, Vec<Option<Preferred>>> {
    let of_case = |case: &bluegreen_validate::report::CaseReport| {
        let all = case.pairs.iter().flat_map(|pair| &pair.preferences);
        (case.case.clone(), all.map(|it| it.preferred).collect::<Vec<_>>())
    };
    report.cases.iter().map(of_case).filter(|(_, all)| !all.is_empty()).collect()
}

/// Where nobody is.
async fn nobody() -> Arc<dyn AgentClient> {
    Arc::new(AddressClient::new([Server::nowhere().await.to_string()]))
}

/// Runs until `stuck` says that it goes on no more, and is killed then.
async fn killed(gate: &PromptRegression, trial: &Trial, stuck: &Notify) {
    let mut running = std::pin::pin!(gate.judge(trial));
    let stuck = tokio::time::timeout(Duration::from_mins(1), stuck.notified());
    tokio::select! {
        ended = &mut running => panic!("{ended:?}"),
        stuck = stuck => stuck.unwrap(),
    }
}

/// An agent of which so many second turns come, and no more.
async fn stuck_after(most: usize, second: &'static str) -> (Server, Asked, Arc<Notify>) {
    let (count, stuck) = (AtomicUsize::new(0), Arc::new(Notify::new()));
    let told = stuck.clone();
    let (server, asked) = talking(move |turn| {
        if turn == 0 {
            return Some("it left today".to_owned());
        }
        let is_stuck = count.fetch_add(1, Ordering::SeqCst) >= most;
        if is_stuck {
            told.notify_one();
        }
        (!is_stuck).then(|| second.to_owned())
    })
    .await;
    (server, asked, stuck)
}

#[tokio::test]
async fn a_replay_compares_the_same_conversations_and_asks_only_judges() {
    let ((judge, shown), file) = (judging().await, File::new());
    let (live, _) = saying("it left today", "it comes on Friday").await;
    let (idle, _) = saying("it is on its way", "I have no idea").await;
    let gate = |cassette: &Cassette| PromptRegression::new(suite(&judge)).with_cassette(cassette);
    let cassette = file.open(CassetteMode::Record);
    let first = run(gate(&cassette), &trial(client(&live), client(&idle))).await;
    assert_verdict(&first.judgement, Verdict::Fail);
    drop(cassette);
    let before: BTreeSet<String> = shown.lock().unwrap().drain(..).collect();
    // After the first turn the second is shown to nobody, and after both the first is, too.
    assert!(before.iter().any(|it| it.contains("Again") && it.contains("left today")));
    assert!(before.iter().any(|it| !it.contains("Again") && !it.contains("no idea")));

    let cassette = file.open(CassetteMode::Replay);
    let again = run(gate(&cassette), &trial(nobody().await, nobody().await)).await;
    assert_verdict(&again.judgement, Verdict::Fail);
    let now: BTreeSet<String> = shown.lock().unwrap().drain(..).collect();
    assert!(!now.is_empty() && now.is_subset(&before), "{:?}", now.difference(&before));
    let (first, again) = (preferred(&first.report), preferred(&again.report));
    assert!(!again.is_empty());
    for (case, found) in &again {
        assert_eq!(found, &[Some(Preferred::Neither), Some(Preferred::Live)], "{case}");
        assert_eq!(first.get(case), Some(found), "{case}");
    }
}

#[tokio::test]
async fn a_killed_run_goes_on_in_the_conversations_that_had_begun() {
    let ((judge, _), file) = (judging().await, File::new());
    let (live, _) = saying("it left on Monday", "it comes on Friday").await;
    let (idle, _, stuck) = stuck_after(10, "it comes on Thursday").await;
    let cassette = file.open(CassetteMode::Record);
    let gate = PromptRegression::new(suite(&judge)).with_cassette(&cassette);
    killed(&gate, &trial(client(&live), client(&idle)), &stuck).await;
    drop((gate, cassette));
    let had = file.exchanges();
    let begun: Vec<usize> = (0..30)
        .filter(|case| {
            let has = |turn| had.contains_key(&("idle".to_owned(), *case, turn));
            has(0) && !has(1)
        })
        .collect();
    assert!(!begun.is_empty() && had.len() > 30, "{begun:?}, {}", had.len());

    let (live, live_asked) = saying("it left on Monday", "it comes on Friday").await;
    let (idle, idle_asked) = saying("it left today", "it comes on Thursday").await;
    let cassette = file.open(CassetteMode::Record);
    let gate = PromptRegression::new(suite(&judge)).with_cassette(&cassette);
    let ran = run(gate, &trial(client(&live), client(&idle))).await;
    assert_verdict(&ran.judgement, Verdict::Pass);
    for (slot, asked) in [("live", live_asked), ("idle", idle_asked)] {
        for (case, turn, from, history) in asked.lock().unwrap().iter() {
            let known = |turn| had.get(&(slot.to_owned(), *case, turn));
            assert!(known(*turn).is_none(), "{slot} was asked twice for {case}, turn {turn}");
            if let (1, Some(first)) = (*turn, known(0)) {
                assert_eq!(first["conversation"].as_str(), Some(from.as_str()), "{case}");
                assert!(history[1]["content"].as_str().unwrap().contains("it left"), "{history}");
            }
        }
    }
    let ties = vec![Some(Preferred::Neither); 2];
    assert!(preferred(&ran.report).values().all(|it| *it == ties), "{:?}", ran.report);
}

#[tokio::test]
async fn a_later_look_compares_only_what_is_left_and_reports_on_all() {
    let (judge, shown) = judging().await;
    let (live, live_asked) = saying("it left on Monday", "it comes on Friday").await;
    let (idle, _, stuck) = stuck_after(22, "I have no idea").await;
    let mut suite = suite(&judge);
    // A fail is not decided before most of it is known.
    suite.rules.margin = 0.7;
    let mut trial = trial(client(&live), client(&idle));
    let kept = Arc::new(Kept::default());
    trial.checkpoint = kept.clone();
    let gate = PromptRegression::new(suite.clone()).recorded_by(&Recorder::new());
    killed(&gate, &trial, &stuck).await;
    trial.state.clone_from(&kept.0.lock().unwrap());
    assert!(trial.state.is_some());
    let before = live_asked.lock().unwrap().len();
    shown.lock().unwrap().clear();

    let (idle, _) = saying("it left today", "I have no idea").await;
    trial.candidate.client = client(&idle);
    let ran = run(PromptRegression::new(suite), &trial).await;
    assert_verdict(&ran.judgement, Verdict::Fail);
    let all = preferred(&ran.report);
    assert!(all.len() >= 20, "{} of 30, {}", all.len(), told(&ran.judgement));
    assert!(all.values().all(|it| it[..] == [Some(Preferred::Neither), Some(Preferred::Live)]));
    // At least one batch of ten was kept. Each of the others is asked in two turns, and compared in two
    // places, in both orders.
    let asked = live_asked.lock().unwrap().len() - before;
    assert!(asked <= 2 * 20, "{asked}");
    let compared = shown.lock().unwrap().len();
    assert!(compared <= 4 * 20, "{compared}");
}

#[tokio::test]
async fn what_is_compared_is_asked_of_both_slots_today_whatever_a_baseline_has() {
    let ((judge, shown), file) = (judging().await, File::new());
    let mut suite = suite(&judge);
    suite.defaults.assert = vec![Assertion::contains("Parcel")];
    for case in suite.cases.iter_mut().skip(5) {
        case.turns[0].assert.clear();
    }
    let (live, _) = saying("it left on Monday", "it comes on Friday").await;
    let (idle, _) = saying("it left on Tuesday", "it comes on Thursday").await;
    let cassette = file.open(CassetteMode::Record);
    let gate = PromptRegression::new(suite.clone()).with_cassette(&cassette);
    assert_verdict(&run(gate, &trial(client(&live), client(&idle))).await.judgement, Verdict::Pass);
    drop(cassette);
    shown.lock().unwrap().clear();

    // What was the candidate is live, and says today what it says today.
    let (live, asked) = saying("it left this morning", "it comes on Thursday").await;
    let (idle, _) = saying("it left at noon", "it comes on Wednesday").await;
    let mut trial = trial(client(&live), client(&idle));
    let named = |version: &str| trial.live.state.running.clone().with_version(version);
    (trial.live.state.running, trial.candidate.state.running) = (named("1.3.0"), named("1.4.0"));
    let baseline = Baseline::open(&file.0, Duration::from_hours(24)).unwrap();
    let ran = run(PromptRegression::new(suite).with_baseline(&baseline), &trial).await;
    assert_verdict(&ran.judgement, Verdict::Pass);
    let counts = baseline.counts();
    assert!(counts.used > 0 && counts.audited == 10, "{counts}");
    let cases: BTreeSet<usize> = asked.lock().unwrap().iter().map(|it| it.0).collect();
    for (case, _) in preferred(&ran.report) {
        assert!(cases.contains(&number(&case)), "{case}: {cases:?}");
    }
    // Of each case both turns are asked, or both are taken.
    assert_eq!(asked.lock().unwrap().len(), 2 * cases.len());
    assert!(counts.used / 2 + cases.len() <= 30, "{counts}, {cases:?}");
    let shown = shown.lock().unwrap();
    assert!(!shown.is_empty() && shown.iter().all(|it| it.contains("this morning")), "{shown:?}");
}
