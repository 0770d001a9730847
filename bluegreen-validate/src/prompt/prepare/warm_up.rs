//! What is wrong with how pods are warmed up.

use bluegreen_core::Problem;
use serde_json::json;

use super::Flaws;
use crate::document::{Original, Step};
use crate::prompt::ask::Asker;
use crate::prompt::suite::{Agent, Suite};
use crate::prompt::template::{Scope, Templates};
use crate::prompt::warm_up::ModelWarmUpConfig;

/// More questions than anybody needs to get warm.
const MOST_PROMPTS: u64 = 1000;

/// Makes ready how pods are asked, and says what is wrong with the settings; with anything, there is
/// nothing to ask with.
pub(in crate::prompt) fn warm_up(
    config: &ModelWarmUpConfig,
    original: Original<'_>,
) -> (Option<Asker>, Vec<(Vec<Step>, Problem)>) {
    // What is asked outside of suites is asked in the same way.
    let mut suite = Suite::new(streaming(&config.agent), []);
    suite.name.clone_from(&config.name);
    (suite.timeout, suite.max_body) = (config.timeout, config.max_body);
    let mut flaws = Flaws::new(&suite, original);
    flaws.check_warm_up(config);
    let made = Asker::new(&suite).and_then(|asker| {
        let question = [json!({"role": "user", "content": "?"})];
        asker.request(&Templates::new(true), &Scope::new(), &question, "w0").map(|_| asker)
    });
    let asker = match made {
        Ok(asker) => Some(asker),
        Err(found) if !flaws.is_refused() => {
            flaws.within("agent", |flaws| {
                flaws.say("prompt-agent", found, "an agent that can be asked");
            });
            None
        }
        Err(_) => None,
    };
    (asker.filter(|_| !flaws.is_refused()), flaws.found)
}

/// The agent, asked to stream where it can be.
fn streaming(agent: &Agent) -> Agent {
    let mut agent = agent.clone();
    match &mut agent {
        Agent::Http(_) => {}
        Agent::Openai(it) => it.stream = true,
        Agent::Responses(it) => it.stream = true,
        Agent::A2a(it) => it.stream = true,
    }
    agent
}

impl Flaws<'_> {
    fn check_warm_up(&mut self, config: &ModelWarmUpConfig) {
        let suite = self.suite;
        self.within("name", |flaws| flaws.check_name(&config.name, 100));
        self.within("agent", |flaws| {
            flaws.check_agent();
            if !suite.agent.streams() {
                flaws.within("http", |flaws| {
                    let found = "an answer that is read as a whole, whose first token has no time";
                    flaws.say("warm-up", found, "`reading: stream` or `reading: events`");
                });
            }
        });
        self.within("prompts", |flaws| {
            flaws.check_count(config.prompts.len() as u64, 1..=MOST_PROMPTS);
            for (index, prompt) in config.prompts.iter().enumerate() {
                flaws.within(index, |flaws| {
                    if prompt.trim().is_empty() {
                        flaws.say("warm-up", "an empty text", "a question");
                    }
                });
            }
        });
        self.within("timeout", |flaws| flaws.check_duration(config.timeout));
        self.within("first_token", |flaws| {
            flaws.check_duration(config.first_token);
            if config.first_token > config.timeout {
                let shown = humantime::format_duration;
                let wanted = format!("at most {}, the timeout", shown(config.timeout));
                flaws.say("warm-up", shown(config.first_token).to_string(), wanted);
            }
        });
        self.within("consecutive", |flaws| flaws.check_count(config.consecutive.into(), 1..=100));
        self.within("concurrency", |flaws| flaws.check_count(config.concurrency.into(), 1..=64));
        // Fewer could never make a pod warm.
        let fewest = u64::from(config.consecutive.clamp(1, 100));
        self.within("attempts", |flaws| {
            flaws.check_count(config.attempts.into(), fewest..=10_000);
        });
        self.within("calls", |flaws| flaws.check_count(config.calls, fewest..=10_000_000));
        self.within("max_body", |flaws| flaws.check_count(config.max_body as u64, 1..=64 << 20));
        if let Some(time) = config.time {
            self.within("time", |flaws| {
                if time.is_zero() {
                    flaws.say("warm-up", "no time at all", "more, or no such limit");
                }
            });
        }
    }
}
