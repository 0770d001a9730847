//! Suites whose cases are in a file of their own.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bluegreen_core::{Validator, Verdict};
use bluegreen_validate::PromptRegression;
use bluegreen_validate::prompt::{CaseFile, Recorder, Suite};
use bluegreen_validate::report::RunReport;

use crate::fake::{Fake, Script};
use crate::limits::paused;
use crate::world::{Kept, assert_verdict, judge, suite};

/// A folder that goes when its test ends.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("bluegreen-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The same suite with its cases in a file.
fn filed(folder: &Folder, mut suite: Suite) -> Suite {
    let lines = suite.cases.drain(..).map(|case| serde_json::to_string(&case).unwrap() + "\n");
    let path = folder.write("cases.jsonl", &lines.collect::<String>());
    suite.case_file = Some(CaseFile::new(path));
    suite
}

/// One that gets worse in a few cases of one category.
fn worse() -> (Arc<Fake>, Suite) {
    let mut suite = suite(60);
    suite.rules.repeats = 2;
    for (number, case) in suite.cases.iter_mut().enumerate() {
        case.category = Some(["parcels", "letters"][number % 2].to_owned());
        case.critical = number == 4;
        case.quarantined = number == 50;
    }
    let idle = Fake::new(|_, number| match number {
        4 | 6 => Script { text: "No idea.".to_owned(), ..Script::good(number) },
        _ => Script::good(number),
    });
    (idle, suite)
}

async fn report(recorder: &Recorder, suite: Suite, idle: &Arc<Fake>) -> RunReport {
    let trial = paused(&Fake::good(), idle, Duration::from_hours(1));
    let gate = PromptRegression::new(suite).recorded_by(recorder);
    let judgement = gate.judge(&trial).await.unwrap();
    let report = recorder.report().unwrap();
    assert_eq!(report.verdict.verdict, judgement.verdict);
    assert_eq!(report.recomputed(), report.verdict);
    report
}

#[tokio::test(start_paused = true)]
async fn what_comes_of_it_is_the_same_wherever_cases_and_answers_are() {
    let folder = Folder::new("case-file-same");
    let (idle, inline) = worse();
    let filed = filed(&folder, inline.clone());
    let mut reports = Vec::new();
    for suite in [inline, filed] {
        for recorder in [Recorder::new(), Recorder::new().in_folder(&folder.0)] {
            let mut report = report(&recorder, suite.clone(), &idle).await;
            assert_eq!(report.verdict.verdict, Verdict::Fail);
            let mut text = Vec::new();
            assert!(recorder.write_json(&mut text).unwrap());
            assert_eq!(String::from_utf8(text).unwrap(), report.to_json().unwrap());
            let outline = recorder.outline().unwrap();
            assert_eq!((&outline.verdict, outline.spent), (&report.verdict, report.spent));
            assert!(outline.cases.is_empty());
            // Which file it is, and when it ran, are all that differs.
            report.facts.remove("suite digest");
            report.started = bluegreen_core::Timestamp::default();
            reports.push(report);
        }
    }
    for other in &reports[1..] {
        assert_eq!(*other, reports[0]);
    }
    // Nothing is left of what was seen.
    assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_look_goes_on_where_another_one_stopped() {
    let folder = Folder::new("case-file-resume");
    let (live, idle) = (Fake::good(), Fake::good());
    let mut trial = paused(&live, &idle, Duration::from_hours(1));
    let kept = Arc::new(Kept::default());
    trial.checkpoint = kept.clone();
    let mut suite = filed(&folder, suite(100));
    suite.rules.repeats = 1;
    let gate = PromptRegression::new(suite.clone());
    let first = gate.clone().recorded_by(&Recorder::new().in_folder(&folder.0));
    let look = tokio::time::timeout(Duration::from_millis(1050), first.judge(&trial));
    assert!(look.await.is_err());
    let before = live.sent();
    trial.state.clone_from(&kept.0.lock().unwrap());
    let recorder = Recorder::new().in_folder(&folder.0);
    let judgement = gate.recorded_by(&recorder).judge(&trial).await.unwrap();
    assert_verdict(&judgement, Verdict::Pass);
    assert!(before >= 40 && live.sent() <= 100 + 14, "{before}, {}", live.sent());
    let report = recorder.report().unwrap();
    assert_eq!(report.recomputed(), report.verdict);
    // Of what passed in the first look, the times are known.
    let pairs = report.cases.iter().flat_map(|case| &case.pairs);
    let timed = pairs.filter(|pair| pair.live.as_ref().is_some_and(|it| it.millis == Some(100)));
    assert!(timed.count() > 90);
}

#[tokio::test(start_paused = true)]
async fn a_case_that_has_changed_meanwhile_is_lost_and_no_pass() {
    let folder = Folder::new("case-file-changed");
    let suite = filed(&folder, suite(60));
    let gate = PromptRegression::new(suite.clone());
    assert_eq!(gate.problems(), []);
    let path = folder.0.join("cases.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    // One of sixty is less than the budget for errors.
    let changed = text.replacen("parcel 17", "parcel 18", 1);
    assert_ne!(changed, text);
    std::fs::write(&path, changed).unwrap();
    let trial = paused(&Fake::good(), &Fake::good(), Duration::from_hours(1));
    let judgement = gate.judge(&trial).await.unwrap();
    assert_verdict(&judgement, Verdict::Inconclusive);
    let told = crate::world::told(&judgement);
    assert!(told.contains("has changed since the suite was read"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn some_cases_may_stand_in_the_suite_and_more_in_a_file() {
    let folder = Folder::new("case-file-both");
    let mut whole = suite(60);
    let rest = whole.cases.split_off(20);
    let first = std::mem::replace(&mut whole.cases, rest);
    let mut both = filed(&folder, whole);
    both.cases = first;
    assert_eq!(PromptRegression::new(both.clone()).size(), (60, 60));
    let idle = Fake::good();
    let trial = paused(&Fake::good(), &idle, Duration::from_hours(1));
    both.rules.repeats = 1;
    both.rules.margin = 0.1;
    assert_verdict(&judge(both, &trial).await, Verdict::Pass);
}

#[test]
fn the_digest_is_of_what_is_in_the_file() {
    let folder = Folder::new("case-file-digest");
    let one = filed(&folder, suite(60));
    let path = folder.0.join("cases.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    let copy = folder.write("copy.jsonl", &format!("\n{text}"));
    let other = folder.write("other.jsonl", &text.replace("parcel 1\"", "parcel 7\""));
    let with = |path: Option<PathBuf>| {
        let mut suite = one.clone();
        suite.case_file = path.map(CaseFile::new);
        suite
    };
    assert_eq!(one.digest(), with(Some(copy)).digest());
    assert_ne!(one.digest(), with(Some(other)).digest());
    assert_ne!(one.digest(), with(None).digest());
}

#[test]
fn an_agent_that_cannot_be_asked_is_told_also_where_the_first_case_asks_nothing() {
    let folder = Folder::new("case-file-unasked");
    let good = r#"{"id": "b", "prompt": "hi", "assert": [{"contains": "x"}]}"#;
    let bad = good.replace("hi", "{{nothing}}").replace("\"b\"", "\"a\"");
    folder.write("cases.jsonl", &format!("{bad}\n{good}\n"));
    let suite = "agent: { openai: { model: a, path: \"/v1 /chat\" } }\n\
                 rules: { min_cases: 2, margin: 0.9 }\ncase_file: cases.jsonl\n";
    let error = PromptRegression::from_file(folder.write("suite.yaml", suite)).unwrap_err();
    let found: Vec<String> = error.problems().iter().map(ToString::to_string).collect();
    for what in ["cases.jsonl:1 (a), prompt", "a request that can be made"] {
        assert!(found.iter().any(|it| it.contains(what)), "{what} in:\n{}", found.join("\n"));
    }
}

#[test]
fn all_that_is_wrong_is_told_with_its_line() {
    let folder = Folder::new("case-file-wrong");
    folder.write(
        "cases.jsonl",
        r#"{"id": "a", "prompt": "hi", "assert": [{"contains": "x"}]}

{"id": "b", "prompt": "Where is {{parcel}}?", "assert": [{"contains": ""}]}
{"id": "a", "prompt": "hi", "assert": [{"contains": "x"}], "asserts": 1}
{"id": "c", "prompt": "hi", "assert": [{"contain": "x"}]
{"id": "a", "prompt": "hi", "assert": [{"contains": "x"}]}
{"id": "d", "prompt": "hi", "vars": {"x": 1, "x": 2}, "assert": [{"contains": "x"}]}
"#,
    );
    let suite = "agent: { openai: { model: a } }\nrules: { min_cases: 2, margin: 0.9 }\n\
                 case_file: cases.jsonl\n";
    let suite = folder.write("suite.yaml", suite);
    let error = PromptRegression::from_file(&suite).unwrap_err();
    let found: Vec<String> = error.problems().iter().map(ToString::to_string).collect();
    for (line, what) in [
        ("cases.jsonl:3 (b), prompt", "template"),
        ("cases.jsonl:3 (b), assert[0].contains", "empty"),
        ("cases.jsonl:4:", "asserts"),
        ("cases.jsonl:5:", ""),
        ("cases.jsonl:6 (a), id", "which line 1 has too"),
        ("cases.jsonl:7:", "x"),
    ] {
        let there = found.iter().any(|it| it.contains(line) && it.contains(what));
        assert!(there, "{line} {what} in:\n{}", found.join("\n"));
    }
    assert!(found.iter().all(|it| it.contains("suite.yaml:3:")), "{found:?}");
    let nowhere =
        folder.write("nowhere.yaml", "agent: { openai: { model: a } }\ncase_file: no.jsonl");
    let error = PromptRegression::from_file(nowhere).unwrap_err().to_string();
    assert!(error.contains("case_file") && error.contains("No such file"), "{error}");
    let none = folder.write("none.yaml", "agent: { openai: { model: a } }");
    let error = PromptRegression::from_file(none).unwrap_err().to_string();
    assert!(error.contains("no cases"), "{error}");
}
