//! A model that grades, for both forms of suites.

use bluegreen_core::Verdict;
use serde_json::{Value, json};

use crate::agents::Agent;
use crate::desk;
use crate::program::{Ended, Folder, command, ended};

const KEY: &str = "hunter2-is-the-key-of-the-judge";
/// What promptfoo's files are called here.
const SUITE: &str = "prompts";
const OPTIONS: [&str; 3] = ["--judge-model", "grader", "--judge-authorization-env"];

/// Grades what it is shown; `wise` tells how.
async fn judge(wise: bool) -> Agent {
    Agent::of(SUITE, u64::MAX, move |request: &Value, key: &str| {
        assert_eq!((&request["model"], key), (&json!("grader"), KEY));
        let verdict = json!({"reason": format!("I hold {KEY}"), "pass": true, "score": 0.9});
        let text = if wise { verdict.to_string() } else { "It passes.".to_owned() };
        let usage = json!({"prompt_tokens": 9, "completion_tokens": 9});
        json!({"choices": [{"message": {"content": text}}], "usage": usage})
    })
    .await
}

async fn agent() -> Agent {
    Agent::of(SUITE, u64::MAX, |request, _| desk::answer(request, false)).await
}

async fn run(judge: &Agent, agent: &Agent, folder: &Folder) -> Ended {
    let tests: Vec<Value> = (0..30)
        .map(|number| {
            let assert = json!([{"type": "llm-rubric", "value": "Is polite."}]);
            json!({"description": format!("case {number}"), "assert": assert})
        })
        .collect();
    let config = json!({
        "providers": ["openai:chat:agent"],
        "prompts": ["Where is my order?"],
        "tests": tests,
    });
    graded(judge, agent, folder, "promptfooconfig.yaml", &config).await
}

/// Runs a suite with this judge.
async fn graded(
    judge: &Agent,
    agent: &Agent,
    folder: &Folder,
    name: &str,
    config: &Value,
) -> Ended {
    let suite = folder.path(name);
    std::fs::write(&suite, config.to_string()).unwrap();
    let (url, out) = (format!("{}/v1", judge.url), folder.path(""));
    let all = ["run", &suite, "--live", &agent.url, "--idle", &agent.url, "--out", &out];
    let judged = ["--margin", "0.2", "--judge-url", &url, "JUDGE_KEY"];
    let (last, judged) = judged.split_last().unwrap();
    let all = [&all[..], judged, &OPTIONS[..], &[*last]].concat();
    ended(command(&all).env("JUDGE_KEY", KEY).spawn().unwrap()).await
}

#[tokio::test]
async fn a_judge_that_is_named_on_the_command_line_grades() {
    let (wise, agent, folder) = (judge(true).await, agent().await, Folder::new());
    let ended = run(&wise, &agent, &folder).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(wise.times_asked() > 0);
    assert_eq!(folder.report("report.json").verdict.verdict, Verdict::Pass);
    for name in ["report.json", "junit.xml", "report.md", "report.html"] {
        assert!(!folder.read(name).contains("hunter2"), "{name}");
    }
    assert!(!ended.out.contains("hunter2") && !ended.err.contains("hunter2"), "{ended:?}");
}

#[tokio::test]
async fn a_judge_that_says_nothing_of_use_passes_nobody() {
    let (dull, agent, folder) = (judge(false).await, agent().await, Folder::new());
    let ended = run(&dull, &agent, &folder).await;
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.out.contains("judge grader: words that are no JSON object"), "{ended:?}");
}

#[tokio::test]
async fn a_judge_of_the_command_line_grades_instead_of_the_suites_own() {
    let (wise, agent, folder) = (judge(true).await, agent().await, Folder::new());
    let cases: Vec<Value> = (0..30)
        .map(|number| json!({"id": number.to_string(), "prompt": "Where is my order?"}))
        .collect();
    let config = json!({
        "agent": {"openai": {"model": "agent"}},
        // Nobody is there.
        "judges": [{"url": "http://127.0.0.1:9/v1", "model": "old"}],
        "defaults": {"assert": [{"llm-rubric": "Is polite."}]},
        "cases": cases,
    });
    let ended = graded(&wise, &agent, &folder, "suite.json", &config).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.err.contains("grader grades instead of the suite's judges: old"), "{ended:?}");
    assert!(wise.times_asked() > 0);
}
