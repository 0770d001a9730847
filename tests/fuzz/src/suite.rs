//! Suites of prompts, of our own form and promptfoo's.

use std::path::PathBuf;

use async_trait::async_trait;
use bluegreen_validate::prompt::{Grade, Grader, GraderInput, HttpAgent};
use bluegreen_validate::{ConfigError, PromptRegression, json};

use crate::shown;

pub(crate) fn run(given: &[u8]) {
    let Ok(text) = std::str::from_utf8(given) else { return };
    for name in ["suite.json", "suite.yaml"] {
        match PromptRegression::from_text(name, text) {
            Ok(gate) => {
                let suite = gate.suite();
                let written = serde_json::to_string(suite).expect("what was read can be written");
                let again = PromptRegression::from_text("again.json", &written);
                let again = again.expect("what was written can be read");
                assert_eq!((again.suite(), again.suite().digest()), (suite, suite.digest()));
                let gate = graded(gate);
                assert!(!gate.problems().iter().any(bluegreen_core::Problem::is_refusal));
                let _ = (gate.power(0.1), format!("{gate:?}"));
            }
            Err(error) => told(&error, given),
        }
    }
    promptfoo(text);
}

/// A grader of whatever name.
struct Named(String);

#[async_trait]
impl Grader for Named {
    fn name(&self) -> &str {
        &self.0
    }

    fn version(&self) -> &'static str {
        "1"
    }

    fn is_timed(&self) -> bool {
        false
    }

    async fn grade(&self, _: &GraderInput) -> bluegreen_core::Result<Grade> {
        Ok(Grade::pass())
    }
}

/// The same with every grader that it names: who reads a suite brings them afterwards.
fn graded(mut gate: PromptRegression) -> PromptRegression {
    loop {
        let named = gate.problems().into_iter().find_map(|problem| {
            let name = problem.found.strip_prefix("`grader: ")?.strip_suffix('`')?;
            (problem.code == "prompt-unsupported").then(|| name.to_owned())
        });
        let Some(name) = named else { return gate };
        gate = gate.grading(Named(name));
    }
}

/// The same as a configuration of promptfoo's, which may name files: such as are elsewhere are not
/// looked for here.
fn promptfoo(text: &str) {
    let leads_away = ["..", "file:///", "**", "~"].iter().any(|it| text.contains(it));
    if leads_away {
        return;
    }
    let folder = folder();
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("promptfooconfig.yaml");
    std::fs::write(&path, text).unwrap();
    let agent = HttpAgent::post("/chat", json!({"message": "{{prompt}}"}), "/reply");
    match PromptRegression::from_promptfoo(&path, agent) {
        Ok(gate) => {
            for problem in gate.problems() {
                let _ = problem.to_string();
            }
            let _ = (gate.suite().digest(), gate.power(0.1));
        }
        Err(error) => told(&error, text.as_bytes()),
    }
}

fn folder() -> PathBuf {
    std::env::temp_dir().join(format!("bluegreen-fuzz-suite-{}", std::process::id()))
}

fn told(error: &ConfigError, given: &[u8]) {
    assert!(!error.problems().is_empty(), "an error says what is wrong");
    assert!(error.problems().len() <= 2000, "{}", error.problems().len());
    shown(error, &[given, given, given, given].concat());
}
