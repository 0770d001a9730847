//! How much memory a run takes whose cases are in a file: little, and hardly more where there are many.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

use std::alloc::System;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bluegreen_core::clock::minutes;
use bluegreen_core::{
    AgentClient, AnswerBody, Clock, Color, Configuration, PodRef, ReleaseId, Result, Side,
    SlotState, SystemClock, Target, Trial, Validator, Verdict,
};
use bluegreen_validate::prompt::{CaseFile, HttpAgent, Recorder, Suite};
use bluegreen_validate::{PromptRegression, Value, json};
use bytes::Bytes;
use cap::Cap;
use http::{Request, Response};

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// The bytes that a case may take, whatever it is: where its line is, what its line comes to, its place in the
/// order, its outcomes twice, and where its answers are. A list of cases takes some thousand.
const EACH: usize = 64;

/// Says what it was asked, after a millisecond.
struct Echo;

#[async_trait]
impl AgentClient for Echo {
    async fn pods(&self) -> Result<Vec<PodRef>> {
        Ok(vec![PodRef::new("a", "1")])
    }

    async fn send(&self, _: &Target, request: Request<Bytes>) -> Result<Response<AnswerBody>> {
        let body: Value = serde_json::from_slice(request.body()).unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
        let body = json!({"reply": format!("You said {}.", body["message"])}).to_string();
        Ok(Response::new(AnswerBody::full(body)))
    }
}

fn trial() -> Trial {
    let side = |color: Color| {
        let running = Configuration::new(BTreeMap::new());
        Side::new(SlotState::new(color, color.as_str(), running), Arc::new(Echo))
    };
    let deadline = SystemClock.now().plus(minutes(60));
    Trial::new(ReleaseId::new("r1"), side(Color::Green), side(Color::Blue), deadline)
}

/// The most memory that was in use at any time until the end of a run of so many cases.
async fn most(folder: &Path, cases: usize) -> usize {
    let path = folder.join(format!("{cases}.jsonl"));
    let mut lines = BufWriter::new(File::create(&path).unwrap());
    for number in 0..cases {
        let category = if number % 2 == 0 { "even" } else { "odd" };
        let case = json!({
            "id": format!("case {number}"), "category": category, "vars": {"number": number},
            "prompt": "This is {{number}}.", "assert": [{"contains": "is {{number}}"}],
        });
        writeln!(lines, "{case}").unwrap();
    }
    lines.into_inner().unwrap();
    let agent = HttpAgent::post("/chat", json!({"message": "{{prompt}}"}), "/reply");
    let mut suite = Suite::new(agent, []);
    suite.case_file = Some(CaseFile::new(path));
    suite.rules.repeats = 1;
    // So that it runs to its end, or close to it.
    suite.rules.margin = 0.01;
    let recorder = Recorder::new().in_folder(folder);
    let gate = PromptRegression::new(suite).recorded_by(&recorder);
    assert_eq!(gate.problems(), []);
    let judgement = gate.judge(&trial()).await.unwrap();
    assert_eq!(judgement.verdict, Verdict::Pass, "{judgement}");
    let outline = recorder.outline().unwrap();
    assert!(outline.verdict.idle.passed > cases as u64 * 9 / 10);
    assert!(recorder.write_json(std::io::sink()).unwrap());
    drop((gate, recorder));
    ALLOCATOR.max_allocated()
}

#[tokio::test(start_paused = true)]
async fn many_cases_take_a_few_bytes_each() {
    let folder = std::env::temp_dir().join(format!("bluegreen-memory-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let few = most(&folder, 1_000).await;
    let many = most(&folder, 9_000).await;
    std::fs::remove_dir_all(&folder).unwrap();
    let each = many.saturating_sub(few) / 8_000;
    assert!(each <= EACH, "{each} bytes a case: {few} with 1,000 cases, {many} with 9,000");
}
