//! Trials, and what judgements say.

use std::collections::BTreeMap;
use std::sync::Arc;

use bluegreen_core::clock::minutes;
use bluegreen_core::{
    AgentClient, Clock, Color, Configuration, Container, Finding, Judgement, PodRef, ReleaseId,
    Side, SlotState, SystemClock, Trial, Validator,
};
use bluegreen_validate::Smoke;

/// The candidate's version label.
pub(crate) const VERSION: &str = "1.3.0";

pub(crate) fn pod(number: usize) -> PodRef {
    PodRef::new(format!("agent-green-{number}"), format!("uid-{number}"))
}

/// A first look at a candidate that is reached through `client`.
pub(crate) fn trial(client: impl AgentClient + 'static) -> Trial {
    let side = |color: Color, version: &str, client| {
        let containers = BTreeMap::from([("agent".to_owned(), Container::new("agent:1"))]);
        let running = Configuration::new(containers).with_version(version);
        Side::new(SlotState::new(color, color.as_str(), running), client)
    };
    let client: Arc<dyn AgentClient> = Arc::new(client);
    let candidate = side(Color::Green, VERSION, client.clone());
    let live = side(Color::Blue, "1.2.0", client);
    let deadline = SystemClock.now().plus(minutes(30));
    Trial::new(ReleaseId::new("r1"), candidate, live, deadline)
}

pub(crate) async fn judge(smoke: Smoke, client: impl AgentClient + 'static) -> Judgement {
    smoke.judge(&trial(client)).await.unwrap()
}

/// The only finding.
pub(crate) fn only(judgement: &Judgement) -> &Finding {
    let [finding] = judgement.evidence.as_slice() else {
        panic!("one finding is wanted: {judgement:#?}");
    };
    finding
}
