//! What live answered in an earlier run, and when it is asked all the same.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bluegreen_core::clock::minutes;
use bluegreen_core::{Configuration, ErrorKind, Judgement, PodState, Trial, Validator, Verdict};
use bluegreen_validate::prompt::{
    Agent, Baseline, Cassette, CassetteMode, Check, Recorder, Suite, Turn,
};
use bluegreen_validate::{PromptRegression, Value, json};

use crate::agents::{client, doing, message, number, reply};
use crate::server::{Server, answer};
use crate::world::{assert_verdict, suite, trial};

/// A file that ends with this value.
struct File(std::path::PathBuf);

impl File {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let count = NEXT.fetch_add(1, Ordering::SeqCst);
        let name = format!("baseline-{}-{count}.jsonl", std::process::id());
        Self(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name))
    }

    fn record(&self) -> Cassette {
        Cassette::open(&self.0, CassetteMode::Record).unwrap()
    }

    fn baseline(&self) -> Baseline {
        Baseline::open(&self.0, Duration::from_hours(24)).unwrap()
    }

    /// Its lines, changed.
    fn change(&self, change: impl Fn(&mut Value)) {
        let text = std::fs::read_to_string(&self.0).unwrap();
        let mut lines = Vec::new();
        for line in text.lines() {
            let mut line = serde_json::from_str(line).unwrap();
            change(&mut line);
            lines.push(line.to_string());
        }
        lines.push(String::new());
        std::fs::write(&self.0, lines.join("\n")).unwrap();
    }

    /// The exchanges of a slot.
    fn of(&self, slot: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.0).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["slot"] == slot).collect()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// An agent that answers well unless told otherwise, and counts.
async fn agent(is_good: bool) -> (Server, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let server = doing(move |got| {
        counted.fetch_add(1, Ordering::SeqCst);
        let number = number(&message(&got));
        let text = if is_good { "is on its way" } else { "was never sent" };
        async move { reply(&format!("Your parcel {number} {text}.")) }
    })
    .await;
    (server, count)
}

fn once(cases: usize) -> Suite {
    let mut suite = suite(cases);
    suite.rules.repeats = 1;
    suite.rules.margin = 0.1;
    suite
}

/// The next release: what was the candidate is live.
fn next(live: &Server, idle: &Server) -> Trial {
    let mut trial = trial(client(live), client(idle));
    let named = |running: &Configuration, version: &str| running.clone().with_version(version);
    trial.live.state.running = named(&trial.live.state.running, "1.3.0");
    trial.candidate.state.running = named(&trial.candidate.state.running, "1.4.0");
    trial
}

async fn record(suite: &Suite, trial: &Trial, file: &File) -> Judgement {
    let gate = PromptRegression::new(suite.clone()).with_cassette(&file.record());
    gate.judge(trial).await.unwrap()
}

/// Records a release in which both slots answer well.
async fn before(suite: &Suite, file: &File) {
    let ((live, _), (idle, _)) = (agent(true).await, agent(true).await);
    assert_verdict(&record(suite, &trial(client(&live), client(&idle)), file).await, Verdict::Pass);
}

async fn judge(suite: &Suite, trial: &Trial, baseline: &Baseline) -> Judgement {
    let gate = PromptRegression::new(suite.clone()).with_baseline(baseline);
    gate.judge(trial).await.unwrap()
}

fn count(count: &AtomicUsize) -> usize {
    count.load(Ordering::SeqCst)
}

#[tokio::test]
async fn live_is_asked_for_a_sample_of_what_it_answered_as_the_candidate() {
    let (suite, first, second) = (once(60), File::new(), File::new());
    before(&suite, &first).await;
    let ((live, asked), (idle, asked_idle)) = (agent(true).await, agent(true).await);
    let (trial, baseline) = (next(&live, &idle), first.baseline());
    let recorder = Recorder::new();
    let cassette = second.record();
    let gate = PromptRegression::new(suite.clone()).with_baseline(&baseline);
    let gate = gate.with_cassette(&cassette).recorded_by(&recorder);
    assert_verdict(&gate.judge(&trial).await.unwrap(), Verdict::Pass);
    let counts = baseline.counts();
    // The run that was recorded may have been decided before its last pairs.
    let unknown = 60 - counts.had / 2;
    assert!((10..=10 + unknown).contains(&count(&asked)), "{counts}");
    assert_eq!(counts.audited, 10, "{counts}");
    assert_eq!((counts.better, counts.worse, counts.drifted), (0, 0, false), "{counts}");
    assert!(counts.used >= 20 && count(&asked_idle) >= counts.used + 10, "{counts}");
    let facts = recorder.report().unwrap().facts;
    assert!(facts["baseline"].contains("10 pairs were asked anew"), "{facts:?}");

    // It goes into the cassette of this run with its age, and from there into the next run.
    drop((gate, cassette, baseline));
    let lines = second.of("live");
    assert_eq!(lines.len(), counts.used + 10);
    let old = first.of("idle").iter().filter_map(|it| it["at"].as_str().map(str::to_owned)).max();
    let old = old.unwrap();
    assert_eq!(lines.iter().filter(|it| it["at"].as_str() <= Some(&old)).count(), counts.used);
    let again = second.baseline();
    let (idle, _) = agent(true).await;
    assert_verdict(&judge(&suite, &next(&live, &idle), &again).await, Verdict::Pass);
    assert!(again.counts().used >= 20 && count(&asked) == 20, "{}", again.counts());
}

#[tokio::test]
async fn a_candidate_that_got_worse_fails_beside_old_answers() {
    let (suite, file) = (once(60), File::new());
    before(&suite, &file).await;
    let ((live, _), (idle, _)) = (agent(true).await, agent(false).await);
    let baseline = file.baseline();
    assert_verdict(&judge(&suite, &next(&live, &idle), &baseline).await, Verdict::Fail);
    assert!(!baseline.counts().drifted, "{}", baseline.counts());
}

#[tokio::test]
async fn where_live_answers_otherwise_than_it_did_nothing_is_taken() {
    let (suite, file) = (once(60), File::new());
    before(&suite, &file).await;
    // The provider has a bad day, which is not the candidate's fault.
    let ((live, asked), (idle, asked_idle)) = (agent(false).await, agent(false).await);
    let baseline = file.baseline();
    let judgement = judge(&suite, &next(&live, &idle), &baseline).await;
    let counts = baseline.counts();
    assert!(counts.drifted && counts.used == 0 && counts.worse == 10, "{counts}");
    assert_eq!(count(&asked), count(&asked_idle));
    assert_ne!(judgement.verdict, Verdict::Fail, "{judgement}");
}

#[tokio::test]
async fn answers_are_not_taken_that_may_not_be() {
    let (mut suite, file) = (once(30), File::new());
    before(&suite, &file).await;
    let ((live, asked), (idle, _)) = (agent(true).await, agent(true).await);
    let now = next(&live, &idle);
    let none = async |suite: &Suite, trial: &Trial, what: &str| {
        let (baseline, before) = (file.baseline(), count(&asked));
        let judged = judge(suite, trial, &baseline).await;
        let counts = baseline.counts();
        assert_eq!(counts.used, 0, "{what}: {counts}");
        assert!(count(&asked) >= before + 20, "{what}: {judged}");
    };
    let mut other = now.clone();
    other.live.state.running = other.live.state.running.clone().with_version("1.2.9");
    none(&suite, &other, "of another version").await;
    let mut moved = now.clone();
    let mut pod = PodState::new("agent-blue-1", "1", true);
    pod.image_ids.push("agent@sha256:0".to_owned());
    moved.live.state.pods.push(pod);
    none(&suite, &moved, "of a tag that has moved").await;
    let mut asks = suite.clone();
    for case in &mut asks.cases {
        case.prompt = Some("Where is {{parcel}} now?".to_owned());
    }
    none(&asks, &now, "to another question").await;
    let mut told = suite.clone();
    let Agent::Http(agent) = &mut told.agent else { unreachable!("it is one") };
    agent.tool_calls = Some("/calls".to_owned());
    none(&told, &now, "of which something else was read").await;
    let mut scored = suite.clone();
    scored.rules.score_margin = Some(0.2);
    none(&scored, &now, "whose scores decide").await;
    let times = (now.clock.now(), file.of("idle")[0]["at"].clone());
    file.change(|line| {
        if line["at"].is_string() {
            line["at"] = json!(times.0.plus(minutes(30)));
        }
    });
    none(&suite, &now, "from the future").await;
    file.change(|line| {
        if line["at"].is_string() {
            line["at"] = json!("2026-01-02T03:04:05.000Z");
        }
    });
    none(&suite, &now, "too old").await;
    file.change(|line| {
        if line["at"].is_string() {
            (line["at"], line["hidden"]) = (times.1.clone(), json!(true));
        }
    });
    none(&suite, &now, "hidden in part").await;
    file.change(|line| {
        if line["at"].is_string() {
            line["hidden"] = json!(false);
        }
    });
    for case in &mut suite.cases {
        case.assert.push(Check::Latency(Duration::from_mins(1)).into());
    }
    none(&suite, &now, "of a case that looks at times").await;
}

#[tokio::test]
async fn a_conversation_is_taken_whole_or_not_at_all() {
    let (mut suite, file) = (once(30), File::new());
    for case in &mut suite.cases {
        case.turns = case.prompt.take().into_iter().map(Turn::new).collect();
        case.turns.push(Turn::new("And {{parcel}} again?"));
    }
    before(&suite, &file).await;
    let ((live, asked), (idle, _)) = (agent(true).await, agent(true).await);
    let baseline = file.baseline();
    assert_verdict(&judge(&suite, &next(&live, &idle), &baseline).await, Verdict::Pass);
    let counts = baseline.counts();
    assert!(counts.used >= 20 && counts.used % 2 == 0 && count(&asked) == 20, "{counts}");
    for case in &mut suite.cases {
        case.turns[1] = Turn::new("And what of {{parcel}}?");
    }
    let (baseline, before) = (file.baseline(), count(&asked));
    assert_verdict(&judge(&suite, &next(&live, &idle), &baseline).await, Verdict::Pass);
    assert_eq!(baseline.counts().used, 0);
    assert!(count(&asked) - before >= 40);
}

#[tokio::test]
async fn a_sample_that_could_not_be_compared_vouches_for_nothing() {
    let (mut suite, file) = (once(60), File::new());
    suite.rules.error_budget = 0.5;
    before(&suite, &file).await;
    let (idle, _) = agent(true).await;
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    // Live is away at first.
    let live = doing(move |got| {
        let is_away = counted.fetch_add(1, Ordering::SeqCst) < 10;
        let number = number(&message(&got));
        async move {
            if is_away {
                answer(503, "away")
            } else {
                reply(&format!("Your parcel {number} is on its way."))
            }
        }
    })
    .await;
    let baseline = file.baseline();
    judge(&suite, &next(&live, &idle), &baseline).await;
    let counts = baseline.counts();
    assert_eq!((counts.used, counts.audited, counts.drifted), (0, 0, false), "{counts}");
    assert!(count(&asked) > 20, "{counts}");
}

#[tokio::test]
async fn a_baseline_that_is_none_is_refused() {
    let file = File::new();
    let error = Baseline::open(&file.0, Duration::from_hours(1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert!(error.chain().contains("No such file"), "{}", error.chain());
    std::fs::write(&file.0, "cases: []\n").unwrap();
    let error = Baseline::open(&file.0, Duration::from_hours(1)).unwrap_err().chain();
    assert!(error.contains("line 1") && error.contains(&file.0.display().to_string()), "{error}");
}
