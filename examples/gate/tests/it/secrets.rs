//! What must be in no report and on no screen.

use serde_json::{Value, json};

use crate::agents::Agent;
use crate::desk;
use crate::program::{Folder, SUITE, command, ended};

const KEY: &str = "hunter2-is-the-key-of-the-desk";

/// An agent that repeats its key wherever it can.
fn indiscreet(request: &Value, key: &str) -> Value {
    assert_eq!(key, format!("Bearer {KEY}"), "the key came from the environment");
    let mut answer = desk::answer(request, false);
    let message = &mut answer["choices"][0]["message"];
    if let Some(text) = message["content"].as_str() {
        message["content"] = json!(format!("{text} (your key is {key})"));
    }
    answer
}

#[tokio::test]
async fn no_key_is_in_any_report() {
    let (live, idle) =
        (Agent::new(u64::MAX, indiscreet).await, Agent::new(u64::MAX, indiscreet).await);
    let folder = Folder::new();
    let suite = folder.path("suite.yaml");
    let text = std::fs::read_to_string(SUITE).unwrap();
    let text = text.replacen("# headers:", "headers:", 1);
    assert!(text.contains("    headers: { authorization: { env: AGENT_AUTHORIZATION } }"));
    std::fs::write(&suite, text).unwrap();
    let all = ["run", &suite, "--live", &live.url, "--idle", &idle.url, "--out", &folder.path("")];
    let child = command(&all).env("AGENT_AUTHORIZATION", format!("Bearer {KEY}")).spawn().unwrap();
    let ended = ended(child).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let files = ["report.json", "junit.xml", "report.md", "report.html"].map(|it| folder.read(it));
    for text in files.iter().chain([&ended.out, &ended.err]) {
        assert!(!text.contains(KEY) && !text.contains("hunter2"), "{text}");
    }
    assert!(
        files[0].contains("(your key is Bearer ***)") || files[0].contains("(your key is ***)")
    );
    // Without the variable nothing is asked.
    let before = live.times_asked();
    let ended = crate::program::ended(command(&all).spawn().unwrap()).await;
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(ended.err.contains("AGENT_AUTHORIZATION"), "{}", ended.err);
    assert_eq!(live.times_asked(), before);
}
