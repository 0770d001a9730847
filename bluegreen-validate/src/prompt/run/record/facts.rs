//! What else makes a run what it was.

use std::collections::BTreeMap;

use super::begun::Begun;
use crate::prompt::suite::{A2aVersion, Agent, Budget, Suite};

/// What is known of a run before it begins.
pub(super) fn of(begun: &Begun<'_, '_>) -> BTreeMap<String, String> {
    let Begun { suite, prepared, trial, .. } = begun;
    let mut facts = BTreeMap::new();
    let mut say = |name: &str, value: String| facts.insert(name.to_owned(), value);
    say("release", trial.release.as_str().to_owned());
    say("suite digest", begun.digest.to_string());
    say("seed", suite.rules.seed.to_string());
    say("agent", agent(&suite.agent));
    if let Some(judges) = judges(suite) {
        say("judges", judges);
    }
    let own = suite.graders_in_use().into_iter();
    let own: Vec<String> = own.map(|(name, it)| format!("{name} (version {it})")).collect();
    if !own.is_empty() {
        say("graders", own.join(", "));
    }
    if let Some(budget) = budget(suite.budget) {
        say("budget", budget);
    }
    if let Some(prices) = &suite.prices {
        let (input, output) = (prices.input, prices.output);
        say("prices of a million tokens", format!("{input} read, {output} written"));
    }
    if !prepared.skipped.is_empty() {
        let named = prepared.skipped.iter().take(20).map(|(case, what)| format!("{case} ({what})"));
        let named: Vec<String> = named.collect();
        let more = prepared.skipped.len() - named.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let count = prepared.skipped.len();
        say(
            "left out",
            format!("{count} cases that need what is not there: {}{more}", named.join(", ")),
        );
    }
    facts
}

/// How the agent is spoken to; of its path what stands before the query, which may hold a key.
fn agent(agent: &Agent) -> String {
    let path = crate::excerpt::without_query(agent.path());
    match agent {
        Agent::Http(agent) => format!("{} {path}", agent.method),
        Agent::Openai(agent) => {
            let streams = if agent.stream { ", streaming" } else { "" };
            format!("chat completions at {path}, model {}{streams}", agent.model)
        }
        Agent::Responses(agent) => {
            let streams = if agent.stream { ", streaming" } else { "" };
            format!("responses at {path}, model {}{streams}", agent.model)
        }
        Agent::A2a(agent) => {
            let streams = if agent.stream { ", streaming" } else { "" };
            let version = if agent.version == A2aVersion::V1 { "1.0" } else { "0.3" };
            format!("A2A {version} at {path}{streams}")
        }
    }
}

/// Who grades; of their addresses what stands before the query, which may hold a key.
fn judges(suite: &Suite) -> Option<String> {
    let at = |what: &str, model: &str, url: &str| {
        format!("{what} (model {model} at {})", crate::excerpt::without_query(url))
    };
    let judges = suite.judges.iter().map(|it| at(it.name(), &it.model, &it.url));
    let embeddings = suite.embeddings.iter().map(|it| at("embeddings", &it.model, &it.url));
    let all: Vec<String> = judges.chain(embeddings).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

fn budget(budget: Budget) -> Option<String> {
    let Budget { calls, tokens, money, time } = budget;
    let parts = [
        calls.map(|calls| format!("{calls} calls")),
        tokens.map(|tokens| format!("{tokens} tokens")),
        money.map(|money| format!("{money} of money")),
        time.map(|time| humantime::format_duration(time).to_string()),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}
