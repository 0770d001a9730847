//! Answers of agents, as a suite of prompts reads them: whole, in pieces, and from a cassette.

use std::sync::Arc;

use bluegreen_core::clock::minutes;
use bluegreen_core::memory::TokioClock;
use bluegreen_core::{AgentClient, Clock as _, Color, ReleaseId, Side, SlotState, Trial};
use bluegreen_validate::PromptRegression;
use bluegreen_validate::prompt::{Cassette, CassetteMode, Recorder};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::agent::Agent;
use crate::{agent, within};

/// What every request carries and nothing may show.
const SECRET: &str = "sk-planted-0123456789";

/// In which shapes an answer is looked for, and what of it.
const AGENTS: [&str; 5] = [
    r#"{"http": {"path": "/chat", "body": {"m": "{{prompt}}"}, "answer": "/reply", "tool_calls": "/tools", "usage": "/usage"}}"#,
    r#"{"http": {"path": "/chat", "body": {"m": "{{prompt}}"}, "answer": "text", "tool_calls": "/tools", "usage": "/usage"}}"#,
    r#"{"http": {"path": "/chat", "body": {"m": "{{prompt}}"}, "answer": "/reply", "reading": "events", "tool_calls": "/tools", "usage": "/usage"}}"#,
    r#"{"openai": {"model": "agent", "headers": {"authorization": "Bearer sk-planted-0123456789"}}}"#,
    r#"{"openai": {"model": "agent", "stream": true}}"#,
];
const CASES: &str = r#"[{"id": "a", "turns": [
    {"prompt": "Where is it?", "assert": [{"tool-calls": {"calls": [{"name": "find", "args": {"values": {"id": 7}}}]}}]},
    {"messages": [{"role": "tool", "name": "find", "content": "{}"}]}],
  "assert": [{"contains": "7"}, {"not-icontains": "sorry"}, {"regex": "^(a+)+$"}, {"is-json": {"type": "object"}},
    "contains-json", {"similar-words": {"to": "It is on its way", "at_least": 0.5}}, "is-refusal",
    {"latency": "1s"}, {"tokens": {"total": 10}}, {"equals": {"a": 1}}]},
  {"id": "b", "prompt": "And the other?", "assert": [{"not-equals": "no"}]}]"#;

pub(crate) fn run(given: &[u8]) {
    let Some((first, body)) = given.split_first() else { return };
    let which = usize::from(*first) % (AGENTS.len() + 1);
    match AGENTS.get(which) {
        Some(agent) => asked(agent, body),
        None => recorded(body),
    }
}

fn gate(agent: &str) -> PromptRegression {
    let text = format!(
        r#"{{"agent": {agent}, "rules": {{"min_cases": 2, "repeats": 2}}, "cases": {CASES}}}"#
    );
    PromptRegression::from_text("suite.json", &text).expect("the suite is good")
}

/// Both slots answer this, whatever they are asked.
fn asked(agent: &str, body: &[u8]) {
    let recorder = Recorder::new();
    let gate = gate(agent).recorded_by(&recorder);
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("text/event-stream"));
    let body = Bytes::copy_from_slice(body);
    let agent = Agent { status: StatusCode::OK, headers, body };
    let judgement = within(3600, async {
        use bluegreen_core::Validator as _;
        gate.judge(&trial(agent).await).await
    });
    match judgement.expect("a look ends") {
        Ok(judgement) => {
            for finding in &judgement.evidence {
                let text = finding.to_string();
                assert!(text.len() < 16 * 1024, "{} bytes", text.len());
                assert!(!text.contains(SECRET), "{text}");
            }
        }
        Err(error) => assert!(!error.chain().contains(SECRET), "{}", error.chain()),
    }
    let report = recorder.report().expect("a run has a report");
    let text = serde_json::to_string(&report).expect("a report can be written");
    assert!(!text.contains(SECRET), "{text}");
    assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap()["cases"][0]["case"], "a");
}

/// A cassette of which it is all.
fn recorded(bytes: &[u8]) {
    let name = format!("bluegreen-fuzz-cassette-{}.jsonl", std::process::id());
    let path = std::env::temp_dir().join(name);
    std::fs::write(&path, bytes).unwrap();
    match Cassette::open(&path, CassetteMode::Replay) {
        Ok(cassette) => {
            let gate = gate(AGENTS[0]).with_cassette(&cassette);
            let agent = Agent {
                status: StatusCode::OK,
                headers: HeaderMap::new(),
                body: Bytes::from_static(b"nobody asks"),
            };
            let judgement = within(3600, async {
                use bluegreen_core::Validator as _;
                gate.judge(&trial(agent).await).await
            });
            let _ = (judgement.expect("a look ends"), cassette.counts().to_string());
        }
        Err(error) => assert!(!error.chain().is_empty()),
    }
}

async fn trial(agent: Agent) -> Trial {
    let cluster = agent::cluster();
    let running = agent::state(&cluster).await.running;
    let clock = TokioClock::new();
    let deadline = clock.now().plus(minutes(30));
    let client: Arc<dyn AgentClient> = Arc::new(agent);
    let side =
        |color: Color| Side::new(SlotState::new(color, "uid", running.clone()), client.clone());
    let mut trial =
        Trial::new(ReleaseId::new("r1"), side(Color::Green), side(Color::Blue), deadline);
    trial.clock = Arc::new(clock);
    trial
}
