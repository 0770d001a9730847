//! Trials and suites.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bluegreen_core::clock::minutes;
use bluegreen_core::{
    AgentClient, Checkpoint, Clock, Color, Configuration, Container, Judgement, ReleaseId, Result,
    Side, SlotState, SystemClock, Trial, Validator, Verdict,
};
use bluegreen_validate::prompt::{Assertion, Case, HttpAgent, Suite};
use bluegreen_validate::{PromptRegression, json};
use bytes::Bytes;

/// A first look at a candidate that is reached through `idle`.
pub(crate) fn trial(live: Arc<dyn AgentClient>, idle: Arc<dyn AgentClient>) -> Trial {
    let side = |color: Color, version: &str, client| {
        let containers = BTreeMap::from([("agent".to_owned(), Container::new("agent:1"))]);
        let running = Configuration::new(containers).with_version(version);
        Side::new(SlotState::new(color, color.as_str(), running), client)
    };
    let deadline = SystemClock.now().plus(minutes(30));
    let (live, idle) = (side(Color::Blue, "1.2.0", live), side(Color::Green, "1.3.0", idle));
    Trial::new(ReleaseId::new("r1"), idle, live, deadline)
}

/// How the agents of these tests are spoken to.
pub(crate) fn agent() -> HttpAgent {
    let mut agent = HttpAgent::post(
        "/chat",
        json!({"message": "{{prompt}}", "from": "{{conversation}}"}),
        "/reply",
    );
    agent.usage = Some("/usage".to_owned());
    agent
}

/// So many cases; a good answer to case 7 has `parcel 7` in it.
pub(crate) fn suite(cases: usize) -> Suite {
    let cases = (0..cases).map(|number| {
        Case::new(format!("case {number}"), "Where is {{parcel}}?")
            .var("parcel", format!("parcel {number}"))
            .assert(Assertion::contains("{{parcel}} is"))
            .assert(Assertion::contains("as an AI").negated())
    });
    Suite::new(agent(), cases)
}

pub(crate) async fn judge(suite: Suite, trial: &Trial) -> Judgement {
    PromptRegression::new(suite).judge(trial).await.unwrap()
}

/// Everything that a judgement says.
pub(crate) fn told(judgement: &Judgement) -> String {
    let findings: Vec<String> = judgement.evidence.iter().map(ToString::to_string).collect();
    format!("{judgement}\n{}", findings.join("\n"))
}

pub(crate) fn assert_verdict(judgement: &Judgement, wanted: Verdict) {
    assert_eq!(judgement.verdict, wanted, "{}", told(judgement));
}

/// Keeps the last state.
#[derive(Default)]
pub(crate) struct Kept(pub(crate) Mutex<Option<Bytes>>);

#[async_trait]
impl Checkpoint for Kept {
    async fn save(&self, state: Bytes) -> Result<()> {
        *self.0.lock().unwrap() = Some(state);
        Ok(())
    }
}
