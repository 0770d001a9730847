//! promptfoo's files, run as they are.

use std::path::{Path, PathBuf};

use bluegreen_core::{Plan, Validator, Verdict};
use bluegreen_validate::PromptRegression;
use bluegreen_validate::prompt::Check;

use crate::agents::{client, knowing};
use crate::world::{agent, assert_verdict, told, trial};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/prompts/promptfoo").join(name)
}

fn gate(name: &str) -> PromptRegression {
    PromptRegression::from_promptfoo(file(name), agent()).unwrap_or_else(|error| panic!("{error}"))
}

#[tokio::test]
async fn a_configuration_is_run_as_it_is() {
    let gate = gate("promptfooconfig.yaml");
    // 20 parcels of a list, 30 of a table, 5 of a file of lines, 6 of files that a pattern finds.
    assert_eq!(gate.suite().cases.len(), 20 + 30 + 5 + 6);
    let refusals: Vec<_> =
        gate.problems().into_iter().filter(bluegreen_core::Problem::is_refusal).collect();
    assert!(refusals.is_empty(), "{refusals:?}");
    let live = knowing(|_| false).await;
    let (good, bad) = (knowing(|_| false).await, knowing(|number| number % 4 == 0).await);
    let judgement = gate.judge(&trial(client(&live), client(&good))).await.unwrap();
    assert_verdict(&judgement, Verdict::Pass);
    let judgement = gate.judge(&trial(client(&live), client(&bad))).await.unwrap();
    assert_verdict(&judgement, Verdict::Fail);
}

#[tokio::test]
async fn a_file_that_is_recognised_takes_its_provider() {
    let gate = PromptRegression::from_file(file("promptfooconfig.yaml")).unwrap();
    let live = knowing(|_| false).await;
    let judgement = gate.judge(&trial(client(&live), client(&live))).await.unwrap();
    assert_verdict(&judgement, Verdict::Pass);
}

#[tokio::test]
async fn a_case_that_needs_a_program_can_never_pass() {
    let gate = gate("promptfooconfig.yaml").with(|suite| {
        let mut case = suite.cases[0].clone();
        case.id = "scripted".to_owned();
        let javascript = r#"{"kind": "javascript", "settings": {"value": "true"}}"#;
        case.assert.push(Check::Unsupported(serde_json::from_str(javascript).unwrap()).into());
        suite.cases.push(case);
    });
    let problems = gate.check(&Plan::all_at_once()).await.unwrap();
    let refused = problems.iter().find(|it| it.is_refusal()).unwrap();
    assert!(refused.to_string().contains("javascript"), "{refused}");
    let live = knowing(|_| false).await;
    let trial = trial(client(&live), client(&live));
    assert!(gate.judge(&trial).await.is_err());
    // Left out, and said so.
    let gate = gate.with(|suite| suite.skip_unsupported = true);
    let judgement = gate.judge(&trial).await.unwrap();
    assert_verdict(&judgement, Verdict::Pass);
    assert!(told(&judgement).contains("scripted needs javascript"), "{}", told(&judgement));
}

#[test]
fn what_promptfoo_lets_pass_is_refused() {
    let refused =
        |name: &str| PromptRegression::from_promptfoo(file(name), agent()).unwrap_err().to_string();
    let text = refused("typing-error.yaml");
    assert!(text.contains("typing-error.yaml:5:5, tests[0].asserts"), "{text}");
    let text = refused("no-such-file.yaml");
    assert!(text.contains("no-such-file.yaml:2:5") && text.contains("nowhere/*.yaml"), "{text}");
    let text = refused("bad-table.yaml");
    assert!(text.contains("bad-table.csv, row 1, column __expectd"), "{text}");
}

#[test]
fn what_is_refused_is_refused_however_much_is_left_out() {
    let gate = gate("promptfooconfig.yaml").with(|suite| {
        suite.skip_unsupported = true;
        for number in 0..150 {
            let mut case = suite.cases[0].clone();
            case.id = format!("scripted {number}");
            let javascript = r#"{"kind": "javascript", "settings": {"value": "true"}}"#;
            case.assert.push(Check::Unsupported(serde_json::from_str(javascript).unwrap()).into());
            suite.cases.push(case);
        }
        let mut case = suite.cases[0].clone();
        case.id = "no pattern".to_owned();
        case.assert.push(Check::Regex("(".to_owned()).into());
        suite.cases.push(case);
    });
    let problems = gate.problems();
    let refused: Vec<_> = problems.iter().filter(|it| it.is_refusal()).collect();
    assert_eq!(refused.len(), 1, "{problems:?}");
    assert!(refused[0].to_string().contains("no pattern"), "{}", refused[0]);
    assert!(problems.len() <= 101, "{} problems", problems.len());
}
