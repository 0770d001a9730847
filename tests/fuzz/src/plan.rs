//! Plans, changes and what else people write for a release.

use std::fmt::Debug;

use bluegreen_core::{Change, Color, Configuration, Plan, ResolvedChange, Routing};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) fn run(given: &[u8]) {
    if let Some(plan) = read::<Plan>(given) {
        judged(&plan);
    }
    if let Some(change) = read::<Change>(given) {
        resolved(&change, &Configuration::default());
        resolved(&change, &live());
    }
    if let Some(configuration) = read::<Configuration>(given) {
        let _ = configuration.to_string();
        let exactly = ResolvedChange::exactly(configuration.clone());
        assert_eq!(exactly.digest, configuration.digest());
        let completed = exactly.clone().completed_from(&live());
        assert_eq!(completed.configuration.digest(), exactly.digest, "completing changes nothing");
        let change = Change::image("agent", "a:1").env("A", "b");
        resolved(&change, &configuration);
    }
    if let Some(routing) = read::<Routing>(given) {
        let _ = (routing.to_string(), routing.is_whole());
        let _ = Color::BOTH.map(|color| (routing.share_of(color), routing.reaches(color)));
    }
}

/// Reads a value, which then reads back what it wrote.
fn read<T: DeserializeOwned + Serialize + PartialEq + Debug>(given: &[u8]) -> Option<T> {
    let value: T = serde_json::from_slice(given).ok()?;
    let text = serde_json::to_string(&value).expect("what was read can be written");
    let again: T = serde_json::from_str(&text).expect("what was written can be read");
    assert_eq!(again, value);
    Some(value)
}

fn judged(plan: &Plan) {
    let problems = plan.problems();
    for problem in &problems {
        let _ = problem.to_string();
    }
    for step in 0..=plan.steps.len().min(60) {
        for live in Color::BOTH {
            let Some(routing) = plan.routing(live, step) else { continue };
            let _ = (routing.to_string(), plan.is_last(step));
        }
    }
    let _ = plan.allows("quota", "a");
    if problems.is_empty() {
        assert!(plan.is_last(plan.steps.len() - 1), "a good plan has a step");
    }
}

/// A change makes something complete, or names what is wrong.
fn resolved(change: &Change, live: &Configuration) {
    match change.resolve(live, "AGENT_VERSION") {
        Ok(resolved) => {
            assert!((1..=63).contains(&resolved.version().len()), "{:?}", resolved.version());
            assert_eq!(resolved.digest, resolved.configuration.digest());
        }
        Err(problems) => {
            assert!(!problems.is_empty());
            for problem in problems {
                let _ = problem.to_string();
            }
        }
    }
}

fn live() -> Configuration {
    let mut agent = bluegreen_core::Container::new("registry.example.com/agent-service:1.2.0");
    agent.set("AGENT_VERSION", "1.2.0");
    Configuration::new([("agent".to_owned(), agent)].into()).with_version("1.2.0")
}
