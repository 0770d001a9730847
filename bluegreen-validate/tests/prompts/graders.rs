//! Graders of one's own: what they see, what they decide, and what comes of it when they can't.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bluegreen_core::{Error, ErrorKind, Result, Trial, Validator, Verdict};
use bluegreen_validate::prompt::{
    AssertSet, Assertion, Baseline, Cassette, CassetteMode, Check, Grade, Grader, GraderCheck,
    GraderInput, Recorder, Suite, Turn,
};
use bluegreen_validate::{PromptRegression, Value, json};

use crate::agents::{client, doing, knowing, message, number, reply};
use crate::fake::{Fake, Script};
use crate::judges::suite;
use crate::limits::paused;
use crate::server::{Server, answer};
use crate::world::{Kept, assert_verdict, told, trial};

type Say = dyn Fn(&GraderInput) -> Result<Grade> + Send + Sync;

/// A grader that says what it is told to, after a while, and counts.
#[derive(Clone)]
struct Saying {
    version: &'static str,
    is_timed: bool,
    after: Duration,
    say: Arc<Say>,
    calls: Arc<AtomicUsize>,
}

impl Saying {
    fn new(say: impl Fn(&GraderInput) -> Result<Grade> + Send + Sync + 'static) -> Self {
        let (after, calls) = (Duration::ZERO, Arc::default());
        Self { version: "1", is_timed: false, after, say: Arc::new(say), calls }
    }

    /// Lets pass what is on its way, with this score.
    fn kind(score: f64) -> Self {
        Self::new(move |input| {
            Ok(if input.answer.text.contains("is on its way") {
                Grade::pass().scoring(score).because("it moves")
            } else {
                Grade::fail().scoring(0.1).because("it does not move")
            })
        })
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Grader for Saying {
    fn name(&self) -> &'static str {
        "own"
    }

    fn version(&self) -> &str {
        self.version
    }

    fn is_timed(&self) -> bool {
        self.is_timed
    }

    async fn grade(&self, input: &GraderInput) -> Result<Grade> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(self.after).await;
        (self.say)(input)
    }
}

fn own() -> Check {
    Check::Grader(GraderCheck::new("own"))
}

fn check(value: Value) -> Check {
    serde_json::from_value(value).unwrap()
}

async fn judged(suite: Suite, bad: bool) -> bluegreen_core::Judgement {
    let (live, idle) = (knowing(|_| false).await, knowing(move |_| bad).await);
    crate::world::judge(suite, &trial(client(&live), client(&idle))).await
}

#[tokio::test]
async fn a_grader_tells_a_good_candidate_from_a_bad_one() {
    let grader = Saying::kind(0.9);
    let suite = suite(own(), Vec::new()).grading(grader.clone());
    assert_verdict(&judged(suite.clone(), false).await, Verdict::Pass);
    assert!(grader.calls() >= 40, "{}", grader.calls());
    let judgement = judged(suite, true).await;
    assert_verdict(&judgement, Verdict::Fail);
    let text = told(&judgement);
    assert!(text.contains("the grader own") && text.contains("it does not move"), "{text}");
}

#[tokio::test]
async fn it_sees_the_case_the_whole_answer_and_the_value_of_the_assertion() {
    let seen: Arc<Mutex<Vec<GraderInput>>> = Arc::default();
    let kept = seen.clone();
    let grader = Saying::new(move |input| {
        kept.lock().unwrap().push(input.clone());
        Ok(Grade::pass())
    });
    let value = json!({"parcel": "{{parcel}}", "text": "no. {{parcel}}", "deep": [true, null]});
    let wanted = check(json!({"grader": {"name": "own", "value": value}}));
    let mut suite = suite(wanted, Vec::new()).grading(grader);
    for (number, case) in suite.cases.iter_mut().enumerate() {
        case.vars.insert("parcel".to_owned(), number.into());
        case.prompt = None;
        case.turns = vec![Turn::new("Where is {{parcel}}?"), Turn::new("And {{parcel}} now?")];
        case.turns[0].assert.push(own().into());
    }
    let bluegreen_validate::prompt::Agent::Http(agent) = &mut suite.agent else { unreachable!() };
    agent.tool_calls = Some("/calls".to_owned());
    let agent = || {
        doing(|got| async move {
            let number = number(&message(&got));
            let calls = json!([{"id": "c1", "name": "find", "arguments": {"id": number}}]);
            let usage = json!({"prompt_tokens": 10, "completion_tokens": 5});
            let text = format!("Your parcel {number} is on its way.");
            answer(200, json!({"reply": text, "usage": usage, "calls": calls}).to_string())
        })
    };
    let (live, idle) = (agent().await, agent().await);
    let judgement = crate::world::judge(suite, &trial(client(&live), client(&idle))).await;
    assert_verdict(&judgement, Verdict::Pass);
    let seen = seen.lock().unwrap();
    let of = |turns: usize| {
        let mut found = seen.iter().filter(|it| it.case.id == "case 7");
        found.find(|it| it.value.is_null() == (turns == 1)).unwrap()
    };
    let (first, last) = (of(1), of(2));
    assert_eq!((first.conversation.len(), last.conversation.len()), (1, 2));
    assert_eq!(first.vars["parcel"], json!(7));
    assert_eq!(last.value, json!({"parcel": 7, "text": "no. 7", "deep": [true, null]}));
    assert_eq!(last.conversation[1].messages[0].content, json!("And 7 now?"));
    assert_eq!(last.conversation[0].answer.text, last.answer.text);
    // Of the whole case the calls and tokens of all turns count.
    assert_eq!((first.answer.tool_calls.len(), last.answer.tool_calls.len()), (1, 2));
    let call = &last.answer.tool_calls[1];
    assert_eq!((call.name.as_str(), &call.arguments), ("find", &Ok(json!({"id": 7}))));
    let tokens = last.answer.tokens.unwrap();
    assert_eq!((tokens.input, tokens.output), (20, 10));
    assert!(last.answer.latency > Duration::ZERO);
}

#[tokio::test]
async fn what_cannot_be_told_is_never_a_pass_nor_a_fail_also_under_not() {
    let all: Vec<(&str, Box<Say>)> = vec![
        (
            "ask the ledger: unavailable",
            Box::new(|_| Err(Error::new(ErrorKind::Unavailable, "ask the ledger"))),
        ),
        ("the score 1.5", Box::new(|_| Ok(Grade::pass().scoring(1.5)))),
        ("the score NaN", Box::new(|_| Ok(Grade::fail().scoring(f64::NAN)))),
        ("contradicts itself", Box::new(|_| Ok(Grade::pass().scoring(0.0)))),
        ("contradicts itself", Box::new(|_| Ok(Grade::fail().scoring(1.0)))),
    ];
    for (why, say) in all {
        let grader = Saying::new(say);
        for assertion in [Assertion::from(own()), Assertion::from(own()).negated()] {
            let suite = suite(assertion, Vec::new()).grading(grader.clone());
            let judgement = judged(suite, false).await;
            assert_eq!(judgement.verdict, Verdict::Inconclusive, "{why}: {}", told(&judgement));
            let text = told(&judgement);
            assert!(text.contains("grader own: ") && text.contains(why), "{why}: {text}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_grader_that_takes_too_long_tells_nothing() {
    let grader = Saying { after: Duration::from_hours(2), ..Saying::kind(1.0) };
    let mut suite = crate::world::suite(30).grading(grader.clone());
    suite.defaults.assert.push(own().into());
    suite.timeout = Duration::from_secs(20);
    suite.rules.repeats = 1;
    let (live, idle) = (Fake::good(), Fake::good());
    let trial = paused(&live, &idle, Duration::from_hours(1));
    let judgement = crate::world::judge(suite, &trial).await;
    assert_verdict(&judgement, Verdict::Inconclusive);
    assert!(told(&judgement).contains("no grade within 20s"), "{}", told(&judgement));
}

#[tokio::test]
async fn not_threshold_weight_and_sets_are_what_they_are_elsewhere() {
    let by = async |grader: Saying, assertion: Assertion, bad: bool| {
        judged(suite(assertion, Vec::new()).grading(grader), bad).await.verdict
    };
    let verdict = |assertion, bad| by(Saying::kind(0.6), assertion, bad);
    let of = |threshold: f64| {
        Assertion::from(check(json!({"grader": {"name": "own", "threshold": threshold}})))
    };
    assert_eq!(verdict(of(0.6), false).await, Verdict::Pass);
    assert_eq!(verdict(of(0.6), true).await, Verdict::Fail);
    // Live does not reach it either, which is no regression, and no reason to release.
    assert_eq!(verdict(of(0.61), false).await, Verdict::Inconclusive);
    // What is not to be found is found in the candidate.
    let rude = Saying::new(|input| {
        let is_rude = input.answer.text.contains("I cannot");
        Ok(if is_rude { Grade::pass() } else { Grade::fail() })
    });
    let not = Assertion::from(own()).negated();
    assert_eq!(by(rude.clone(), not.clone(), false).await, Verdict::Pass);
    assert_eq!(by(rude, not, true).await, Verdict::Fail);
    let set: AssertSet = serde_json::from_value(json!({
        "assert": [{"grader": "own", "weight": 3}, {"contains": "parcel"}], "threshold": 0.69,
    }))
    .unwrap();
    // (3 * 0.6 + 1) / 4 is nearly 0.7.
    assert_eq!(verdict(Check::AssertSet(set.clone()).into(), true).await, Verdict::Fail);
    // What weighs nothing decides nothing.
    let mut light = suite(Assertion::from(own()).weighing(0.0), Vec::new());
    light.defaults.assert.push(Assertion::contains("e"));
    assert_verdict(&judged(light.grading(Saying::kind(0.6)), true).await, Verdict::Pass);
}

const FILE: &str = r#"
agent: { http: { path: /chat, body: { message: "{{prompt}}" }, answer: /reply } }
rules: { min_cases: 2, margin: 0.5, repeats: 1 }
defaults:
  assert: [{ not-grader: { name: rude, value: 1 } }]
cases:
  - { id: a, prompt: "1?", assert: [{ contains: way }] }
  - id: b
    prompt: "2?"
    assert:
      - contains: way
      - { grader: own, weight: 2 }
  - { id: c, prompt: "3?", assert: [{ contains: way }] }
"#;

#[tokio::test]
async fn a_grader_that_nobody_brought_is_said_with_file_and_line_before_anything_is_asked() {
    let gate = PromptRegression::from_text("suite.yaml", FILE).unwrap();
    let problems = |gate: &PromptRegression| {
        gate.problems().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let text = problems(&gate);
    assert!(text.contains("suite.yaml:5:26, prompts, defaults.assert[0].not-grader"), "{text}");
    assert!(text.contains("suite.yaml:12:19, prompts, cases[1] (b), assert[1].grader"), "{text}");
    assert!(text.contains("`grader: own`") && text.contains("`grader: rude`"), "{text}");
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let agent = doing(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        async { reply("It is on its way.") }
    })
    .await;
    let trial = trial(client(&agent), client(&agent));
    let half = gate.clone().grading(Saying::kind(1.0));
    let error = half.judge(&trial).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    let chain = error.chain();
    assert!(chain.contains("suite.yaml:5:26") && chain.contains("rude"), "{chain}");
    assert!(!chain.contains("suite.yaml:12"), "{chain}");
    assert_eq!(asked.load(Ordering::SeqCst), 0);
    // Cases that need it may be left out, and are said to be; what is left must be enough.
    let mut left_out = half.clone().with(|suite| {
        suite.defaults.assert.clear();
        suite.skip_unsupported = true;
    });
    assert!(left_out.judge(&trial).await.is_ok());
    left_out = gate.with(|suite| {
        suite.defaults.assert.clear();
        suite.skip_unsupported = true;
    });
    let (judgement, report) = left_out.judge_and_report(&trial).await.unwrap();
    assert!(report.facts["left out"].contains("b (grader: own)"), "{:?}", report.facts);
    assert!(told(&judgement).contains("grader: own"), "{}", told(&judgement));
}

#[test]
fn what_is_wrong_with_a_grader_is_said() {
    let problems = |suite: Suite| {
        let problems = PromptRegression::new(suite).problems();
        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let good = || suite(own(), Vec::new()).grading(Saying::kind(1.0));
    assert_eq!(problems(good()), "");
    let twice = problems(good().grading(Saying::kind(0.5)));
    assert!(twice.contains("graders[1]") && twice.contains("another one is called"), "{twice}");
    let nameless = problems(good().grading(Saying { version: "", ..Saying::kind(1.0) }));
    assert!(nameless.contains("graders[1].version"), "{nameless}");
    let far = check(json!({"grader": {"name": "own", "threshold": 1.5}}));
    let far = problems(suite(far, Vec::new()).grading(Saying::kind(1.0)));
    assert!(far.contains("grader.threshold"), "{far}");
    for wrong in
        [json!({"grader": {}}), json!({"grader": {"name": "a", "least": 1}}), json!("grader")]
    {
        assert!(serde_json::from_value::<Assertion>(wrong.clone()).is_err(), "{wrong}");
    }
}

#[test]
fn another_version_is_another_suite_and_what_nobody_names_is_none() {
    let bare = suite(own(), Vec::new());
    let of = |version| bare.clone().grading(Saying { version, ..Saying::kind(1.0) });
    assert_eq!(of("1").digest(), of("1").digest());
    assert_ne!(of("1").digest(), of("2").digest());
    assert_ne!(of("1").digest(), bare.digest());
    assert_ne!(of("1"), of("2"));
    let plain = suite(Assertion::contains("a"), Vec::new());
    assert_eq!(plain.clone().grading(Saying::kind(1.0)).digest(), plain.digest());
    // The same wherever in the suite it is named.
    let mut deep = plain.clone();
    deep.cases[3].turns.push(Turn::new("a"));
    let set = json!({"assert-set": {"assert": [{"not-grader": "own"}]}});
    deep.cases[3].turns[0].assert.push(check(set).into());
    assert_ne!(deep.clone().grading(Saying::kind(1.0)).digest(), deep.digest());
}

#[tokio::test(start_paused = true)]
async fn a_look_of_another_version_begins_anew() {
    let (live, idle) = (Fake::good(), Fake::good());
    let mut trial = paused(&live, &idle, Duration::from_hours(1));
    let kept = Arc::new(Kept::default());
    trial.checkpoint = kept.clone();
    let mut bare = crate::world::suite(60);
    bare.defaults.assert.push(own().into());
    bare.rules.repeats = 1;
    bare.rules.margin = 0.1;
    let first = Saying::kind(0.8);
    let judged = crate::world::judge(bare.clone().grading(first.clone()), &trial);
    // 60 pairs, 4 at a time, 100 ms each: 40 are run, and most of them are kept.
    assert!(tokio::time::timeout(Duration::from_millis(1050), judged).await.is_err());
    trial.state.clone_from(&kept.0.lock().unwrap());
    assert!(trial.state.is_some());
    let (before, asked) = (first.calls(), live.sent());
    let same = crate::world::judge(bare.clone().grading(first.clone()), &trial).await;
    assert_verdict(&same, Verdict::Pass);
    assert!(first.calls() - before <= 2 * 34, "{before}, {}", first.calls());
    assert!(live.sent() - asked <= 34, "{asked}, {}", live.sent());
    // The other one has seen nothing of it.
    let other = Saying { version: "2", ..Saying::kind(0.8) };
    let asked = live.sent();
    let judgement = crate::world::judge(bare.grading(other.clone()), &trial).await;
    assert_verdict(&judgement, Verdict::Pass);
    assert!(live.sent() - asked >= 40 && other.calls() >= 80, "{asked}, {}", live.sent());
}

/// A file that ends with this value.
struct File(std::path::PathBuf);

impl File {
    fn new(name: &str) -> Self {
        let name = format!("graders-{}-{name}.jsonl", std::process::id());
        Self(std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name))
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

async fn recorded(suite: &Suite, trial: &Trial, file: &File, mode: CassetteMode) -> Verdict {
    let cassette = Cassette::open(&file.0, mode).unwrap();
    let gate = PromptRegression::new(suite.clone()).with_cassette(&cassette);
    gate.judge(trial).await.unwrap().verdict
}

#[tokio::test]
async fn answers_of_a_cassette_are_graded_anew_by_whatever_version() {
    let file = File::new("replay");
    let bare = suite(own(), Vec::new());
    let saying = |text: &'static str| {
        doing(
            move |got| async move { reply(&format!("Parcel {} {text}.", number(&message(&got)))) },
        )
    };
    let (live, idle) = (saying("is on its way").await, saying("was never sent").await);
    let trial = trial(client(&live), client(&idle));
    // It lets everything pass.
    let first = bare.clone().grading(Saying::new(|_| Ok(Grade::pass())));
    assert_eq!(recorded(&first, &trial, &file, CassetteMode::Record).await, Verdict::Pass);
    drop((live, idle));
    let mut nobody = trial.clone();
    let address = Server::nowhere().await.to_string();
    let client = Arc::new(bluegreen_validate::AddressClient::new([address]));
    (nobody.live.client, nobody.candidate.client) = (client.clone(), client);
    assert_eq!(recorded(&first, &nobody, &file, CassetteMode::Replay).await, Verdict::Pass);
    let second = Saying { version: "2", ..Saying::kind(0.9) };
    let suite = bare.grading(second.clone());
    assert_eq!(recorded(&suite, &nobody, &file, CassetteMode::Replay).await, Verdict::Fail);
    assert!(second.calls() > 0);
}

#[tokio::test]
async fn live_is_asked_beside_a_baseline_where_a_grader_looks_at_times() {
    let file = File::new("baseline");
    let bare = suite(own(), Vec::new());
    let (live, idle) = (knowing(|_| false).await, knowing(|_| false).await);
    let before = trial(client(&live), client(&idle));
    let grader = Saying::kind(0.9);
    let recording = bare.clone().grading(grader.clone());
    assert_eq!(recorded(&recording, &before, &file, CassetteMode::Record).await, Verdict::Pass);
    for is_timed in [false, true] {
        let baseline = Baseline::open(&file.0, Duration::from_hours(24)).unwrap();
        let grader = Saying { is_timed, ..grader.clone() };
        let recorder = Recorder::new();
        let gate = PromptRegression::new(bare.clone().grading(grader)).with_baseline(&baseline);
        let judgement = gate.recorded_by(&recorder).judge(&before).await.unwrap();
        assert_verdict(&judgement, Verdict::Pass);
        assert_eq!(baseline.counts().used == 0, is_timed, "{}", baseline.counts());
        let facts = recorder.report().unwrap().facts;
        assert_eq!(facts["graders"], "own (version 1)");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_lost_is_not_graded() {
    let live = Fake::good();
    let idle = Fake::new(|_, number| Script { status: 502, ..Script::good(number) });
    let grader = Saying::kind(0.9);
    let mut suite = crate::world::suite(30).grading(grader.clone());
    suite.defaults.assert.push(own().into());
    let trial = paused(&live, &idle, Duration::from_hours(1));
    let judgement = crate::world::judge(suite, &trial).await;
    assert_verdict(&judgement, Verdict::Inconclusive);
    assert!(grader.calls() <= live.sent(), "{}", grader.calls());
}
