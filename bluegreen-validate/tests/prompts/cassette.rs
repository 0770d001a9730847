//! Answers that are kept in a file, and taken from there.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bluegreen_core::{AgentClient, ErrorKind, Judgement, Result, Trial, Validator, Verdict};
use bluegreen_validate::prompt::{
    Assertion, Cassette, CassetteMode, Check, HttpAgent, Recorder, Suite, Turn,
};
use bluegreen_validate::{AddressClient, PromptRegression, Value, json};
use tokio::sync::Notify;

use crate::agents::{client, doing, knowing, message, number, reply};
use crate::server::{Server, answer};
use crate::world::{assert_verdict, suite, told, trial};

/// A file that ends with this value.
struct Tape(PathBuf);

impl Tape {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let count = NEXT.fetch_add(1, Ordering::SeqCst);
        let name = format!("cassette-{}-{count}.jsonl", std::process::id());
        Self(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name))
    }

    fn open(&self, mode: CassetteMode) -> Cassette {
        Cassette::open(&self.0, mode).unwrap()
    }

    fn read(&self) -> String {
        std::fs::read_to_string(&self.0).unwrap()
    }

    fn lines(&self) -> Vec<Value> {
        self.read().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Drop for Tape {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// 60 cases, each of which is asked once in each slot.
fn once() -> Suite {
    let mut suite = suite(60);
    suite.rules.repeats = 1;
    suite.rules.margin = 0.1;
    suite
}

async fn run(suite: &Suite, trial: &Trial, cassette: &Cassette) -> Result<Judgement> {
    PromptRegression::new(suite.clone()).with_cassette(cassette).judge(trial).await
}

/// Where nobody is.
async fn nobody() -> Arc<dyn AgentClient> {
    Arc::new(AddressClient::new([Server::nowhere().await.to_string()]))
}

/// How often each parcel was asked for.
type Counts = Arc<Mutex<BTreeMap<usize, usize>>>;

fn all(counts: &Counts) -> usize {
    counts.lock().unwrap().values().sum()
}

/// A good agent that counts, and says nothing any more after `most` answers until it `may`.
async fn counting(most: usize, may: Arc<Notify>) -> (Server, Counts) {
    let counts = Counts::default();
    let counted = counts.clone();
    let server = doing(move |got| {
        let number = number(&message(&got));
        *counted.lock().unwrap().entry(number).or_default() += 1;
        let is_silent = all(&counted) > most;
        let may = may.clone();
        async move {
            if is_silent {
                may.notify_one();
                std::future::pending::<()>().await;
            }
            reply(&format!("Your parcel {number} is on its way."))
        }
    })
    .await;
    (server, counts)
}

#[tokio::test]
async fn a_run_that_was_killed_goes_on_without_paying_twice() {
    let (tape, suite) = (Tape::new(), once());
    let silent = Arc::new(Notify::new());
    let (live, live_asked) = counting(usize::MAX, silent.clone()).await;
    let (idle, idle_asked) = counting(20, silent.clone()).await;
    let before = trial(client(&live), client(&idle));
    let cassette = tape.open(CassetteMode::Record);
    {
        let mut running = std::pin::pin!(run(&suite, &before, &cassette));
        let silent = tokio::time::timeout(Duration::from_mins(1), silent.notified());
        tokio::select! {
            ended = &mut running => panic!("{ended:?}"),
            silent = silent => silent.unwrap(),
        }
    }
    let had = cassette.counts().recorded;
    drop(cassette);
    let lines = tape.lines();
    assert_eq!(lines.len(), had + 1);
    assert!(had >= 30, "{had}");
    let kept = |slot: &str| -> Vec<usize> {
        let lines = lines.iter().filter(|line| line["slot"] == slot);
        lines.map(|line| number(line["case"].as_str().unwrap())).collect()
    };
    let (kept_live, kept_idle) = (kept("live"), kept("idle"));

    let (idle, idle_again) = counting(usize::MAX, Arc::default()).await;
    let asked_before = all(&live_asked);
    let after = trial(client(&live), client(&idle));
    let cassette = tape.open(CassetteMode::Record);
    assert_eq!(cassette.counts().had, had);
    assert_verdict(&run(&suite, &after, &cassette).await.unwrap(), Verdict::Pass);
    let counts = cassette.counts();
    assert_eq!((counts.replayed, counts.missing), (had, 0));
    // Of live only what was under way is asked again, of idle nothing that was answered.
    let asked = all(&live_asked) - asked_before + all(&idle_again);
    assert_eq!(asked, counts.recorded);
    for (parcel, times) in live_asked.lock().unwrap().iter() {
        assert!(*times == 1 || !kept_live.contains(parcel), "{parcel}: {times}");
    }
    for parcel in idle_again.lock().unwrap().keys() {
        assert!(!kept_idle.contains(parcel), "{parcel}");
    }
    assert!(all(&idle_asked) >= 21);
}

#[tokio::test]
async fn a_replay_asks_nobody_and_comes_to_the_same() {
    let (tape, mut suite) = (Tape::new(), once());
    let live = knowing(|_| false).await;
    let idle = doing(|got| async move {
        let number = number(&message(&got));
        reply(if number.is_multiple_of(3) { "No, as an AI." } else { "Your parcel is late." })
    })
    .await;
    let both = trial(client(&live), client(&idle));
    let cassette = tape.open(CassetteMode::Record);
    let first = run(&suite, &both, &cassette).await.unwrap();
    assert_verdict(&first, Verdict::Fail);
    drop(cassette);

    let mut lines = tape.lines();
    for answer in lines.iter_mut().filter_map(|line| line.pointer_mut("/reply/answer/micros")) {
        *answer = json!(30_500);
    }
    let mut lines: Vec<_> = lines.iter().map(ToString::to_string).collect();
    lines.push(String::new());
    let lines = lines.join("\n");
    assert!(lines.contains("30500"), "{lines}");
    std::fs::write(&tape.0, lines).unwrap();
    let silent = trial(nobody().await, nobody().await);
    let cassette = tape.open(CassetteMode::Replay);
    let before = tape.read();
    // Assertions may be others than those that it was recorded with; times are those of then.
    for case in &mut suite.cases {
        case.assert.push(Check::Latency(Duration::from_mins(1)).into());
    }
    let recorder = Recorder::new();
    let gate = PromptRegression::new(suite.clone()).with_cassette(&cassette);
    let second = gate.recorded_by(&recorder).judge(&silent).await.unwrap();
    assert_verdict(&second, Verdict::Fail);
    let report = recorder.report().unwrap();
    assert_eq!(report.spent.calls, 0);
    assert!(report.facts["cassette"].starts_with("replayed from "), "{:?}", report.facts);
    let pairs: Vec<_> = report.cases.iter().flat_map(|case| &case.pairs).collect();
    assert!(pairs.len() < 60, "it was decided early");
    // What was under way when it was decided is not there.
    let answered = pairs.iter().filter_map(|pair| pair.idle.as_ref());
    let answered: Vec<_> = answered.filter(|idle| idle.error.is_none()).collect();
    assert!(answered.len() >= 10);
    for idle in answered {
        assert_eq!(idle.millis, Some(30));
        assert_eq!(idle.assertions[2].held, Some(true), "{idle:?}");
    }
    assert_eq!(tape.read(), before);
}

#[tokio::test]
async fn what_is_missing_is_named_and_never_a_pass() {
    let (tape, suite) = (Tape::new(), once());
    let (live, idle) = (knowing(|_| false).await, knowing(|_| false).await);
    let both = trial(client(&live), client(&idle));
    let pass = run(&suite, &both, &tape.open(CassetteMode::Record)).await.unwrap();
    assert_verdict(&pass, Verdict::Pass);
    let silent = trial(nobody().await, nobody().await);
    let pass = run(&suite, &silent, &tape.open(CassetteMode::Replay)).await.unwrap();
    assert_verdict(&pass, Verdict::Pass);
    // Without the answers of idle to ten cases.
    let text = tape.read();
    let left: Vec<&str> = text
        .lines()
        .filter(|line| !(line.contains(r#""slot":"idle""#) && line.contains(r#""case":"case 1"#)))
        .collect();
    assert!(left.len() < text.lines().count() - 8);
    std::fs::write(&tape.0, left.join("\n") + "\n").unwrap();
    let cassette = tape.open(CassetteMode::Replay);
    let judgement = run(&suite, &silent, &cassette).await.unwrap();
    assert_verdict(&judgement, Verdict::Inconclusive);
    let told = told(&judgement);
    assert!(told.contains("not recorded: idle on case case 1"), "{told}");
    assert!(!told.contains("upstream"), "{told}");
    assert!(cassette.counts().missing > 0);
}

#[tokio::test]
async fn a_cassette_of_something_else_is_refused_and_both_are_named() {
    let (tape, suite) = (Tape::new(), once());
    let (live, idle) = (knowing(|_| false).await, knowing(|_| false).await);
    let mut recorded = trial(client(&live), client(&idle));
    run(&suite, &recorded, &tape.open(CassetteMode::Record)).await.unwrap();
    let mut other = suite.clone();
    other.cases[0].prompt = Some("Where is it, {{parcel}}?".to_owned());
    recorded.candidate.state.running.version = Some("1.4.0".to_owned());
    for mode in [CassetteMode::Record, CassetteMode::Replay, CassetteMode::Refresh] {
        let error = run(&other, &recorded, &tape.open(mode)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Rejected);
        let text = error.chain();
        for wanted in ["suite: found prompts (sha256:", "idle: found ", "1.3.0", "wanted ", "1.4.0"]
        {
            assert!(text.contains(wanted), "{text}");
        }
        assert!(!text.contains("live:"), "{text}");
    }
}

#[tokio::test]
async fn a_torn_last_line_is_missing_and_told_and_any_other_is_refused() {
    let (tape, suite) = (Tape::new(), once());
    let (live, idle) = (knowing(|_| false).await, knowing(|_| false).await);
    let both = trial(client(&live), client(&idle));
    run(&suite, &both, &tape.open(CassetteMode::Record)).await.unwrap();
    let text = tape.read();
    std::fs::write(&tape.0, &text[..text.len() - 40]).unwrap();
    let cassette = tape.open(CassetteMode::Replay);
    assert!(cassette.counts().torn > 40);
    let told = cassette.counts().to_string();
    assert!(told.contains("the last line was torn"), "{told}");
    run(&suite, &both, &cassette).await.unwrap();
    assert_eq!(cassette.counts().missing, 1);
    drop(cassette);
    let cassette = tape.open(CassetteMode::Record);
    run(&suite, &both, &cassette).await.unwrap();
    assert_eq!(cassette.counts().recorded, 1);
    drop(cassette);
    assert_eq!(tape.lines().len(), text.lines().count());

    let broken = text.replacen("\"turn\":0", "\"turn\":", 1);
    for (text, wanted) in [
        (broken.as_str(), "line 2: "),
        ("{\"cassette\":2,\"new\":1}\n", "found version 2 of the format, wanted 1"),
        ("hello\n", "line 1: no head of a cassette"),
        ("", "found nothing in it"),
    ] {
        std::fs::write(&tape.0, text).unwrap();
        let error = Cassette::open(&tape.0, CassetteMode::Replay).unwrap_err().chain();
        assert!(error.contains(wanted) && error.contains("cassette-"), "{error}");
    }
    let absent = Tape::new();
    let error = Cassette::open(&absent.0, CassetteMode::Replay).unwrap_err().chain();
    assert!(error.contains("No such file"), "{error}");
}

#[tokio::test]
async fn two_do_not_write_one_cassette() {
    let tape = Tape::new();
    let first = tape.open(CassetteMode::Record);
    let error = Cassette::open(&tape.0, CassetteMode::Record).unwrap_err().chain();
    assert!(error.contains("in use by another process"), "{error}");
    drop(first);
    tape.open(CassetteMode::Record);
}

#[tokio::test]
async fn no_key_is_in_it_and_what_was_hidden_is_not_judged_again() {
    let (tape, mut suite) = (Tape::new(), once());
    // What leaks a key is bad, and may not come out as good because the key is hidden.
    suite.defaults.assert.push(Assertion::contains("sk-live").negated());
    let (live, idle) = (knowing(|_| false).await, knowing(|n| n.is_multiple_of(5)).await);
    let both = trial(client(&live), client(&idle));
    let judgement = run(&suite, &both, &tape.open(CassetteMode::Record)).await.unwrap();
    assert_verdict(&judgement, Verdict::Fail);
    assert!(!tape.read().contains("sk-live"), "{}", tape.read());
    assert!(tape.read().contains("Use the key ***"));
    let cassette = tape.open(CassetteMode::Replay);
    let again = run(&suite, &both, &cassette).await.unwrap();
    assert_ne!(again.verdict, Verdict::Pass, "{}", told(&again));
    assert!(
        told(&again).contains("hidden in part, so it can't be judged again: idle on case"),
        "{}",
        told(&again)
    );
    assert!(cassette.counts().missing > 0);
}

#[tokio::test]
async fn a_refresh_asks_anew_and_takes_the_place_of_what_was() {
    let (tape, suite) = (Tape::new(), once());
    let bad = doing(|_| async { reply("No, as an AI.") }).await;
    let (live, idle) = (knowing(|_| false).await, knowing(|_| false).await);
    let mode = CassetteMode::Record;
    let both = trial(client(&bad), client(&bad));
    run(&suite, &both, &tape.open(mode)).await.unwrap();
    let both = trial(client(&live), client(&idle));
    for _ in 0..4 {
        let cassette = tape.open(CassetteMode::Refresh);
        assert_verdict(&run(&suite, &both, &cassette).await.unwrap(), Verdict::Pass);
        assert_eq!(cassette.counts().replayed, 0);
        assert!(cassette.counts().recorded > 30);
    }
    // What was there is gone, and each question is there once.
    let lines = tape.lines();
    let questions: std::collections::BTreeSet<_> =
        lines[1..].iter().map(|it| (it["slot"].to_string(), it["case"].to_string())).collect();
    assert_eq!(questions.len(), lines.len() - 1);
    assert!(!tape.read().contains("as an AI"));
    let silent = trial(nobody().await, nobody().await);
    let cassette = tape.open(CassetteMode::Replay);
    assert_verdict(&run(&suite, &silent, &cassette).await.unwrap(), Verdict::Pass);
    drop(cassette);
    // Nor do good old answers stand in for new ones that never came.
    let down = doing(|_| async { answer(503, "no provider") }).await;
    let both = trial(client(&live), client(&down));
    let judgement = run(&suite, &both, &tape.open(CassetteMode::Refresh)).await.unwrap();
    assert_ne!(judgement.verdict, Verdict::Pass, "{}", told(&judgement));
    let judgement = run(&suite, &silent, &tape.open(CassetteMode::Replay)).await.unwrap();
    assert_ne!(judgement.verdict, Verdict::Pass, "{}", told(&judgement));
}

#[tokio::test]
async fn a_file_of_somebody_else_is_left_as_it_is() {
    let tape = Tape::new();
    for text in ["{\"name\":\"package\"}", "no end of line", "{\"name\":\"package\"}\n"] {
        std::fs::write(&tape.0, text).unwrap();
        for mode in [CassetteMode::Record, CassetteMode::Replay, CassetteMode::Refresh] {
            let error = Cassette::open(&tape.0, mode).unwrap_err().chain();
            assert!(error.contains("line 1: "), "{text}: {error}");
            assert_eq!(tape.read(), text);
        }
    }
    // A head that was not written to its end is ours.
    std::fs::write(&tape.0, "{\"cassette\":1,\"su").unwrap();
    assert!(tape.open(CassetteMode::Record).counts().torn > 0);
    let error = Cassette::open(env!("CARGO_TARGET_TMPDIR"), CassetteMode::Replay).unwrap_err();
    assert!(error.chain().contains("wanted a file"), "{}", error.chain());
}

#[tokio::test]
async fn what_came_to_nothing_is_not_kept() {
    let (tape, suite) = (Tape::new(), once());
    let down = doing(|_| async { answer(503, "no provider") }).await;
    let both = trial(client(&down), client(&down));
    let cassette = tape.open(CassetteMode::Record);
    assert_verdict(&run(&suite, &both, &cassette).await.unwrap(), Verdict::Inconclusive);
    assert_eq!((cassette.counts().recorded, tape.lines().len()), (0, 1));
}

/// Conversations go on under the name that they began with, whatever the request is made of.
#[tokio::test]
async fn a_conversation_of_several_turns_is_replayed() {
    let (tape, mut suite) = (Tape::new(), once());
    let mut agent = HttpAgent::post(
        "/chat",
        json!({"message": "{{prompt}}", "from": "{{conversation}}", "all": "{{history}}"}),
        "/reply",
    );
    agent.usage = Some("/usage".to_owned());
    suite.agent = agent.into();
    for case in &mut suite.cases {
        let prompt = case.prompt.take().unwrap();
        case.turns = vec![Turn::new(prompt.clone()), Turn::new(format!("Again: {prompt}"))];
    }
    let (live, idle) = (knowing(|_| false).await, knowing(|_| false).await);
    let both = trial(client(&live), client(&idle));
    let pass = run(&suite, &both, &tape.open(CassetteMode::Record)).await.unwrap();
    assert_verdict(&pass, Verdict::Pass);
    let lines = tape.lines();
    let of = |turn: u64| {
        let it = lines.iter().find(|it| it["case"] == "case 7" && it["turn"] == turn);
        it.map(|it| it["request"]["from"].clone())
    };
    assert_eq!(of(0), of(1));
    let silent = trial(nobody().await, nobody().await);
    let cassette = tape.open(CassetteMode::Replay);
    assert_verdict(&run(&suite, &silent, &cassette).await.unwrap(), Verdict::Pass);
    assert_eq!(cassette.counts().missing, 0);
    drop(cassette);
    // The second turn is asked in the conversation of the first.
    let text = tape.read();
    let left = text.lines().filter(|it| !it.contains(r#""case":"case 7","turn":1"#));
    let left: Vec<&str> = left.collect();
    std::fs::write(&tape.0, left.join("\n") + "\n").unwrap();
    run(&suite, &both, &tape.open(CassetteMode::Record)).await.unwrap();
    let again = tape.lines();
    let again: Vec<_> = again.iter().filter(|it| it["case"] == "case 7").collect();
    assert_eq!(again.len(), 4);
    for slot in ["live", "idle"] {
        let names: Vec<_> = again.iter().filter(|it| it["slot"] == slot).collect();
        assert_eq!(names[0]["conversation"], names[1]["request"]["from"], "{names:?}");
    }
    // Without the first turn, the second is one of a conversation that nobody goes on with.
    let text = tape.read();
    let left = text.lines().filter(|it| !it.contains(r#""case":"case 9","turn":0"#));
    let left: Vec<&str> = left.collect();
    std::fs::write(&tape.0, left.join("\n") + "\n").unwrap();
    let cassette = tape.open(CassetteMode::Record);
    run(&suite, &both, &cassette).await.unwrap();
    assert_eq!(cassette.counts().recorded, 4, "both turns, of both slots");
}
