//! What is wrong with assertions: those that can't fail, and those that can't be told.

use bluegreen_core::Problem;

use super::Flaws;
use crate::prompt::ask::is_pointer;
use crate::prompt::assess::Workshop;
use crate::prompt::suite::{Arguments, Assertion, Check, Likeness, Limits, ToolCallRule};

/// What to do about what can't be looked at.
const UNSUPPORTED: &str =
    "write it as another assertion, or set skip_unsupported to leave such cases out";

impl Flaws<'_> {
    pub(super) fn check_assertion(&mut self, assertion: &Assertion, workshop: &Workshop<'_>) {
        self.within("weight", |flaws| {
            flaws.check_number(assertion.weight, 0.0, "a weight of at least 0");
        });
        let name = assertion.check.name();
        let key = if assertion.not { format!("not-{name}") } else { name.to_owned() };
        self.within(key.as_str(), |flaws| match &assertion.check {
            Check::AssertSet(set) => flaws.check_set(&set.assert, set.threshold, workshop),
            check @ Check::Unsupported(_) => flaws.check_unsupported(check, UNSUPPORTED),
            check => {
                if let Some(mend) = flaws.suite.ungraded(check) {
                    let mend = format!("{mend}, or set skip_unsupported to leave such cases out");
                    flaws.check_unsupported(check, &mend);
                }
                flaws.check_graded(check);
                if assertion.not && matches!(check, Check::Pairwise(_)) {
                    let found = "`not-pairwise`, for which both would have to be worse";
                    flaws.say("prompt-assertion", found, "`pairwise`");
                }
                flaws.check_value(check);
                flaws.check_means(check, workshop);
            }
        });
    }

    fn check_set(&mut self, set: &[Assertion], threshold: Option<f64>, workshop: &Workshop<'_>) {
        if !set.iter().any(|it| it.weight > 0.0) {
            self.say("prompt-assertion", "a set in which nothing could fail", "an assertion");
        }
        if let Some(threshold) = threshold {
            self.within("threshold", |flaws| flaws.check_share(threshold));
        }
        for (index, assertion) in set.iter().enumerate() {
            self.along(&["assert".into(), index.into()], |flaws| {
                flaws.check_assertion(assertion, workshop);
                if matches!(assertion.check, Check::Pairwise(_)) {
                    let wanted = "`pairwise` outside, as an assertion of its own";
                    flaws.say("prompt-assertion", "`pairwise` in a set", wanted);
                }
            });
        }
    }

    fn check_unsupported(&mut self, check: &Check, mend: &str) {
        let skips = self.suite.skip_unsupported;
        let kind = check.kind();
        let place = match check {
            // It was no problem yet when the file was read.
            Check::Grader(it) => self.placed(&it.name),
            _ => String::new(),
        };
        self.add(|object| {
            let problem = Problem::new("prompt-unsupported", format!("{place}{object}"));
            let problem = problem.found(format!("`{kind}`"));
            if skips {
                problem.wanted("what can be looked at here; the case is left out").warning()
            } else {
                problem.wanted("what can be looked at here: its case can never pass").mend(mend)
            }
        });
    }

    /// A value with which a check can both hold and not.
    fn check_value(&mut self, check: &Check) {
        match check {
            Check::Contains(text)
            | Check::Icontains(text)
            | Check::StartsWith(text)
            | Check::EndsWith(text)
            | Check::FinishReason(text)
            | Check::Regex(text) => self.check_text(text),
            Check::ContainsAny(texts)
            | Check::ContainsAll(texts)
            | Check::IcontainsAny(texts)
            | Check::IcontainsAll(texts) => self.check_texts(texts),
            Check::Json(values) => {
                self.check_list(values.len());
                self.check_pointers(values.keys());
            }
            Check::JsonPresent(pointers) => {
                self.check_list(pointers.len());
                self.check_pointers(pointers.iter());
            }
            Check::Length(limits) | Check::WordCount(limits) => self.check_limits(*limits),
            Check::RougeN(like)
            | Check::Bleu(like)
            | Check::Gleu(like)
            | Check::SimilarWords(like) => self.check_likeness(like),
            Check::Latency(limit) | Check::FirstToken(limit) => {
                self.check_duration(*limit);
                let timeout = self.suite.timeout;
                if *limit > timeout {
                    let shown = |it| humantime::format_duration(it).to_string();
                    let wanted = format!("at most {}, the suite's timeout", shown(timeout));
                    self.say("prompt-duration", shown(*limit), wanted);
                }
            }
            Check::Tokens(limits) if limits.input.or(limits.output).or(limits.total).is_none() => {
                self.say("prompt-assertion", "no limit", "`input`, `output` or `total`");
            }
            Check::Cost(limit) => self.check_number(*limit, 0.0, "a cost of at least 0"),
            Check::ToolCount(count) => {
                self.check_limits(count.limits());
                self.within("name", |flaws| flaws.check_text(&count.name));
            }
            Check::ToolCallF1(names) => {
                self.within("at_least", |flaws| flaws.check_share(names.at_least));
            }
            Check::ToolCalls(wanted) => {
                for rule in &wanted.calls {
                    self.check_rule(rule);
                }
                let none = wanted.calls.is_empty();
                let any = crate::prompt::suite::CallMode::Superset;
                if none && [any, crate::prompt::suite::CallMode::InOrder].contains(&wanted.mode) {
                    self.say("prompt-assertion", "no calls, which any answer has", "at least one");
                }
            }
            _ => {}
        }
    }

    fn check_rule(&mut self, rule: &ToolCallRule) {
        self.check_text(&rule.name);
        if let Some(Arguments { values, ignore, .. }) = &rule.args
            && let Some(name) = ignore.iter().find(|name| values.contains_key(*name))
        {
            self.say("prompt-assertion", format!("`{name}`, wanted and ignored"), "one of both");
        }
    }

    fn check_text(&mut self, text: &str) {
        if text.is_empty() {
            self.say("prompt-assertion", "an empty text, which is in every answer", "a text");
        }
    }

    fn check_texts(&mut self, texts: &[String]) {
        self.check_list(texts.len());
        for text in texts {
            self.check_text(text);
        }
    }

    pub(super) fn check_list(&mut self, length: usize) {
        if length == 0 {
            self.say("prompt-assertion", "an empty list", "at least one");
        }
    }

    fn check_pointers<'p>(&mut self, pointers: impl Iterator<Item = &'p String>) {
        for pointer in pointers.filter(|it| !it.is_empty() && !is_pointer(it)) {
            self.say("prompt-assertion", format!("`{pointer}`"), "a JSON pointer like `/a/0`");
        }
    }

    fn check_limits(&mut self, limits: Limits) {
        match (limits.min, limits.max) {
            (None, None) => self.say("prompt-assertion", "no limit", "`min` or `max`"),
            (Some(min), Some(max)) if min > max => {
                let found = format!("min {min} and max {max}");
                self.say("prompt-assertion", found, "a min of at most max");
            }
            _ => {}
        }
    }

    pub(super) fn check_likeness(&mut self, like: &Likeness) {
        self.check_list(like.to.len());
        self.within("at_least", |flaws| flaws.check_share(like.at_least));
    }

    /// What the agent has to tell for a check.
    fn check_means(&mut self, check: &Check, workshop: &Workshop<'_>) {
        let agent = &self.suite.agent;
        let missing = match check {
            Check::FirstToken(_) if !agent.streams() => "an agent that streams",
            Check::Tokens(_) | Check::Cost(_) if !agent.tells_usage() => "`usage` of the agent",
            Check::Cost(_) if self.suite.prices.is_none() => "`prices` of the suite",
            Check::FinishReason(_) if !agent.tells_finish() => "`finish_reason` of the agent",
            Check::IsValidOpenaiToolsCall if workshop.tools.is_empty() => {
                "`tools` of a `responses` agent, or among the parameters of an `openai` agent"
            }
            Check::ToolCalls(_)
            | Check::ToolCount(_)
            | Check::ToolCallF1(_)
            | Check::IsValidOpenaiToolsCall
                if !agent.tells_calls() =>
            {
                "`tool_calls` of the agent"
            }
            _ => return,
        };
        let found = format!("`{}`, which could never be told", check.name());
        self.say("prompt-assertion", found, missing);
    }
}
