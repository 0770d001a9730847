//! What is wrong with a suite's settings and cases, besides its assertions.

use std::collections::{BTreeSet, HashMap};
use std::ops::RangeInclusive;
use std::time::Duration;

use bluegreen_core::Problem;
use serde_json::Value;

use super::{Flaws, PreparedCase};
use crate::document::Step;
use crate::prompt::ask::Asker;
use crate::prompt::suite::{Agent, Case, Message, Prices};
use crate::prompt::template::Templates;

/// More pairs of runs than any suite needs: a million calls to each slot.
const MOST_PAIRS: u64 = 1_000_000;
/// Longer than anything that is waited for.
const LONGEST: Duration = Duration::from_hours(1);

impl Flaws<'_> {
    pub(super) fn check_settings(&mut self) {
        let suite = self.suite;
        self.within("name", |flaws| flaws.check_name(&suite.name, 100));
        self.within("agent", Self::check_agent);
        self.within("concurrency", |flaws| flaws.check_count(suite.concurrency.into(), 1..=256));
        self.within("retries", |flaws| flaws.check_count(suite.retries.into(), 0..=10));
        self.within("max_body", |flaws| flaws.check_count(suite.max_body as u64, 1..=64 << 20));
        self.within("timeout", |flaws| flaws.check_duration(suite.timeout));
        self.within("longest_pause", |flaws| flaws.check_duration(suite.longest_pause));
        self.within("budget", Self::check_budget);
        if let Some(prices) = suite.prices {
            self.check_each_price(prices);
        }
        for problem in suite.rules.problems() {
            let field = problem.object.strip_prefix("rules.").unwrap_or(&problem.object).to_owned();
            self.along(&["rules".into(), Step::Key(field)], |flaws| {
                flaws.add(|object| {
                    let mut problem = problem;
                    problem.object = object;
                    problem
                });
            });
        }
        if let Some(threshold) = suite.defaults.threshold {
            self.along(&["defaults".into(), "threshold".into()], |flaws| {
                flaws.check_share(threshold);
            });
        }
    }

    /// What tokens cost, wherever that stands.
    pub(super) fn check_each_price(&mut self, prices: Prices) {
        let named = [("input", prices.input), ("output", prices.output)];
        let cached = prices.cached_input.map(|price| ("cached_input", price));
        for (name, price) in named.into_iter().chain(cached) {
            self.along(&["prices".into(), name.into()], |flaws| {
                flaws.check_number(price, 0.0, "a price of at least 0");
            });
        }
    }

    fn check_budget(&mut self) {
        let suite = self.suite;
        let budget = suite.budget;
        for (name, limit) in [("calls", budget.calls), ("tokens", budget.tokens)] {
            self.within(name, |flaws| {
                if limit == Some(0) {
                    flaws.say("prompt-budget", "0", "at least 1, or no such budget");
                }
            });
        }
        self.within("money", |flaws| {
            if let Some(money) = budget.money {
                flaws.check_number(money, f64::MIN_POSITIVE, "more than 0, or no such budget");
                if suite.prices.is_none() {
                    flaws.say("prompt-budget", "a budget of money, and no prices", "`prices`");
                }
            }
        });
        self.within("time", |flaws| {
            if budget.time.is_some_and(|time| time.is_zero()) {
                flaws.say("prompt-budget", "no time at all", "more, or no such budget");
            }
        });
        let counts = budget.tokens.is_some() || budget.money.is_some();
        if counts && !suite.agent.tells_usage() {
            let wanted = "`usage` of the agent: where its answers tell their tokens";
            self.say("prompt-budget", "a budget of tokens that nobody counts", wanted);
        }
    }

    /// Makes the first request of every case, to see whether it can be made. What the others are
    /// like depends on answers.
    pub(super) fn check_requests<'c>(
        &mut self,
        asker: &Asker,
        templates: &Templates,
        cases: impl Iterator<Item = (usize, &'c PreparedCase)>,
    ) {
        let (mut made, mut faults) = (0, Vec::new());
        for (index, case) in cases {
            let messages = case.turns.first().map_or(&[][..], |turn| turn.messages.as_slice());
            if messages.is_empty() {
                continue;
            }
            let messages: Vec<_> = messages.iter().map(Message::sent).collect();
            match asker.request(templates, &case.vars, &messages, "c0") {
                Ok(_) => made += 1,
                Err(found) => faults.push((index, found)),
            }
        }
        let wanted = "a request that can be made of the agent's templates";
        if made == 0 {
            // Where none can be made, the templates are at fault, which all have in common.
            faults.truncate(1);
            self.within("agent", |flaws| {
                for (_, found) in faults {
                    flaws.say("prompt-agent", found, wanted);
                }
            });
            return;
        }
        // What several cases have in common is said once.
        let mut known = BTreeSet::new();
        for (index, found) in faults {
            if known.insert(found.clone()) {
                self.along(&["cases".into(), index.into()], |flaws| {
                    flaws.say("prompt-agent", found, wanted);
                });
            }
        }
    }

    pub(super) fn check_cases(&mut self) {
        let cases = &self.suite.cases;
        let mut known = HashMap::new();
        for (index, case) in cases.iter().enumerate() {
            if let Some(first) = known.insert(case.id.as_str(), index) {
                self.along(&[index.into(), "id".into()], |flaws| {
                    let found = format!("`{}`, which cases[{first}] has too", case.id);
                    flaws.say("prompt-case", found, "a name that no other case has");
                });
            }
        }
    }

    pub(super) fn check_case(&mut self, case: &Case) {
        self.within("id", |flaws| flaws.check_name(&case.id, 200));
        for (name, text) in [("category", &case.category), ("group", &case.group)] {
            if let Some(text) = text {
                self.within(name, |flaws| flaws.check_name(text, 100));
            }
        }
        if let Some(threshold) = case.threshold {
            self.within("threshold", |flaws| flaws.check_share(threshold));
        }
        match (&case.prompt, case.turns.len()) {
            (Some(_), 0) => {}
            (None, 0) => self.say("prompt-case", "nothing that is asked", "`prompt` or `turns`"),
            (Some(_), _) => self.say("prompt-case", "`prompt` and `turns`", "one of them"),
            (None, turns) => {
                self.within("turns", |flaws| flaws.check_count(turns as u64, 1..=100));
                for (index, turn) in case.turns.iter().enumerate() {
                    if turn.prompt.is_some() != turn.messages.is_empty() {
                        self.along(&["turns".into(), index.into()], |flaws| {
                            let found = "not one thing that is said";
                            flaws.say("prompt-case", found, "`prompt`, or `messages`");
                        });
                    }
                    self.check_messages(index, &turn.messages);
                }
            }
        }
    }

    fn check_messages(&mut self, turn: usize, messages: &[Message]) {
        for (index, message) in messages.iter().enumerate() {
            let path = ["turns".into(), turn.into(), "messages".into(), index.into()];
            self.along(&path, |flaws| {
                let roles: &[&str] = match flaws.suite.agent {
                    // What else was said, the agent knows itself.
                    Agent::A2a(_) => &["user"],
                    _ => &["user", "system", "developer", "assistant", "tool"],
                };
                if !roles.contains(&message.role.as_str()) {
                    let wanted = format!("one of {}", roles.join(", "));
                    flaws.say("prompt-case", format!("the role `{}`", message.role), wanted);
                }
                if message.role == "tool" && (message.name.is_none() || turn == 0) {
                    let wanted = "`name`, of a tool that the agent called in the turn before";
                    flaws.say("prompt-case", "a result of no tool", wanted);
                }
                if !matches!(message.content, Value::String(_) | Value::Array(_)) {
                    flaws.say("prompt-case", message.content.to_string(), "a text or its parts");
                }
            });
        }
    }

    /// A case must be able to fail.
    pub(super) fn check_judges(&mut self, case: &Case) {
        let of_turns = case.turns.iter().flat_map(|turn| &turn.assert);
        let mut all = self.suite.defaults.assert.iter().chain(&case.assert).chain(of_turns);
        if all.all(|it| it.weight <= 0.0) {
            let wanted = "at least one assertion that has a weight";
            self.say("prompt-case", "nothing that could fail", wanted);
        }
    }

    pub(super) fn check_counts(&mut self, all: usize, run: usize) {
        let rules = &self.suite.rules;
        let (repeats, fewest) = (u64::from(rules.repeats), rules.min_cases as usize);
        self.within("cases", |flaws| {
            if all == 0 {
                flaws.say("prompt-case", "no cases", "at least one");
            } else if all as u64 * repeats > MOST_PAIRS {
                let found = format!("{all} cases, {repeats} times each");
                let wanted = format!("at most {MOST_PAIRS} runs in each slot");
                flaws.say("prompt-case", found, wanted);
            } else if all < fewest || (run < fewest && !flaws.is_refused()) {
                flaws.add(|object| {
                    Problem::new("prompt-case", object)
                        .found(format!("{run} cases that can be run, which can never pass"))
                        .wanted(format!("at least {fewest}"))
                        .mend("add cases, or lower rules.min_cases and widen rules.margin")
                });
            }
        });
    }

    pub(super) fn check_name(&mut self, name: &str, longest: usize) {
        if name.is_empty() || name.len() > longest || name.chars().any(char::is_control) {
            let wanted = format!("1 to {longest} printable characters");
            self.say("prompt-name", format!("{name:?}"), wanted);
        }
    }

    pub(super) fn check_count(&mut self, count: u64, wanted: RangeInclusive<u64>) {
        if !wanted.contains(&count) {
            let wanted = format!("{} to {}", wanted.start(), wanted.end());
            self.say("prompt-number", count.to_string(), wanted);
        }
    }

    pub(super) fn check_duration(&mut self, duration: Duration) {
        if duration.is_zero() || duration > LONGEST {
            let found = humantime::format_duration(duration).to_string();
            self.say("prompt-duration", found, "more than nothing and at most 1h");
        }
    }

    pub(super) fn check_share(&mut self, share: f64) {
        // NaN is in no range.
        if !(share > 0.0 && share <= 1.0) {
            self.say("prompt-number", share.to_string(), "more than 0 and at most 1");
        }
    }

    pub(super) fn check_number(&mut self, number: f64, least: f64, wanted: &str) {
        if !(number.is_finite() && number >= least) {
            self.say("prompt-number", number.to_string(), wanted);
        }
    }
}
