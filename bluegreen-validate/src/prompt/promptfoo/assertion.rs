//! promptfoo's assertions, with the meaning that its documentation gives them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};

use super::Loading;
use super::files::Files;
use super::form::Assert;
use super::graded;
use super::values::{arguments, limits_of, schema_of, sequence, text_of, texts_of, used};
use crate::prompt::suite::{
    AssertSet, Assertion, Check, Distance, Likeness, ToolNames, Unsupported,
};

/// Types that are known and can't be looked at here: programs, judges of other kinds.
const ELSEWHERE: [&str; 31] = [
    "agent-rubric",
    "classifier",
    "contains-html",
    "contains-sql",
    "contains-xml",
    "conversation-relevance",
    "guardrails",
    "human",
    "is-html",
    "is-sql",
    "is-valid-function-call",
    "is-valid-openai-function-call",
    "is-xml",
    "javascript",
    "max-score",
    "meteor",
    "moderation",
    "perplexity",
    "perplexity-score",
    "pi",
    "python",
    "ruby",
    "search-rubric",
    "similar:dot",
    "similar:euclidean",
    "skill-used",
    "trace-error-spans",
    "trace-span-count",
    "trace-span-duration",
    "trajectory:goal-success",
    "trajectory:step-count",
];

/// The most templates within one another.
const DEEPEST: usize = 16;
/// The most templates in one assertion.
const MOST_LED: usize = 1000;

/// Types that are looked at here.
const KNOWN: [&str; 26] = [
    "equals",
    "contains",
    "icontains",
    "contains-any",
    "contains-all",
    "icontains-any",
    "icontains-all",
    "starts-with",
    "regex",
    "is-json",
    "contains-json",
    "levenshtein",
    "rouge-n",
    "bleu",
    "gleu",
    "latency",
    "cost",
    "word-count",
    "finish-reason",
    "is-refusal",
    "tool-call-f1",
    "is-valid-openai-tools-call",
    "trajectory:tool-used",
    "trajectory:tool-sequence",
    "trajectory:tool-args-match",
    "assert-set",
];

/// The types that are looked at here: by rule, or by whoever grades.
pub(super) fn known() -> impl Iterator<Item = &'static str> {
    KNOWN.into_iter().chain(graded::GRADED)
}

/// Whether this is a type that can't be looked at here.
pub(super) fn is_elsewhere(kind: &str) -> bool {
    ELSEWHERE.contains(&kind) || kind.starts_with("promptfoo:redteam:")
}

/// What is there that can't be looked at.
pub(super) fn unsupported(kind: &str, value: Option<&Value>) -> Assertion {
    let mut settings = BTreeMap::new();
    if let Some(value) = value {
        settings.insert("value".to_owned(), value.clone());
    }
    Check::Unsupported(Unsupported { kind: kind.to_owned(), settings }).into()
}

impl Loading<'_> {
    /// Reads a list of assertions.
    pub(super) fn assertions(&mut self, list: &[Assert]) -> Vec<Assertion> {
        let mut read = Vec::with_capacity(list.len());
        for (index, assert) in list.iter().enumerate() {
            self.within("assert", |it| {
                it.within(index, |it| read.extend(it.assertion(assert)));
            });
        }
        read
    }

    fn assertion(&mut self, assert: &Assert) -> Option<Assertion> {
        if let Some(reference) = &assert.reference {
            return self.template(reference, assert);
        }
        let Some(name) = assert.kind.as_deref() else {
            self.say("an assertion without `type`", "`type`");
            return None;
        };
        let (kind, not) = match name.strip_prefix("not-") {
            Some(kind) => (kind, true),
            None => (name, false),
        };
        let read = if assert.transform.is_some() {
            Ok(unsupported("transform", assert.transform.as_ref()))
        } else if is_elsewhere(kind) {
            Ok(unsupported(kind, assert.value.as_ref()))
        } else {
            self.check(kind, assert)
        };
        match read {
            Ok(mut assertion) => {
                assertion.not = not;
                assertion.weight = assert.weight.unwrap_or(1.0);
                assertion.metric.clone_from(&assert.metric);
                Some(assertion)
            }
            Err((found, wanted)) => {
                self.say(found, wanted);
                None
            }
        }
    }

    /// The assertion that a name stands for, with what stands beside the name.
    fn template(&mut self, reference: &str, assert: &Assert) -> Option<Assertion> {
        let name = reference.strip_prefix("#/assertionTemplates/").unwrap_or_default();
        let Some(known) = self.templates.get(name).cloned() else {
            self.say(format!("`{reference}`"), "the name of one of `assertionTemplates`");
            return None;
        };
        if known.reference.is_some() {
            self.say(format!("`{reference}`, which names another"), "an assertion");
            return None;
        }
        let (leads, count) = &mut self.leads;
        if leads.is_empty() {
            *count = 0;
        }
        *count += 1;
        let fault = if leads.iter().any(|lead| lead == name) {
            Some(format!("`{reference}`, which leads to itself"))
        } else if leads.len() == DEEPEST {
            Some(format!("`{reference}`, more than {DEEPEST} templates deep"))
        } else if *count == MOST_LED + 1 {
            Some(format!("`{reference}`, one of more than {MOST_LED} templates in one assertion"))
        } else if *count > MOST_LED {
            // That has been said.
            return None;
        } else {
            None
        };
        if let Some(found) = fault {
            self.say(found, "templates that come to an end");
            return None;
        }
        self.leads.0.push(name.to_owned());
        let read = self.assertion(&assert.over(known));
        self.leads.0.pop();
        read
    }

    fn check(&mut self, kind: &str, assert: &Assert) -> Result<Assertion, (String, String)> {
        let value = self.value_of(assert)?;
        if let Value::Object(entries) = &value
            && let Some(what) = entries.get(PROGRAM)
        {
            return Ok(unsupported("file", Some(what)));
        }
        if kind == "select-best" && self.prompts.len() > 1 {
            // There it is the prompts that are compared with one another.
            return Ok(unsupported("select-best of several prompts", Some(&value)));
        }
        if graded::GRADED.contains(&kind) {
            return graded::read(kind, &value, assert, &self.grading);
        }
        let wrong = |wanted: &str| (format!("{kind}: {value}"), wanted.to_owned());
        let text = || text_of(&value).ok_or_else(|| wrong("a text that is not empty"));
        let texts = || texts_of(&value).ok_or_else(|| wrong("a list of texts, or one with commas"));
        let threshold = |default: f64| assert.threshold.unwrap_or(default);
        let wanted_threshold = || {
            let wanted = (format!("{kind} without `threshold`"), "`threshold`".to_owned());
            assert.threshold.filter(|it| it.is_finite() && *it >= 0.0).ok_or(wanted)
        };
        let like = |default: f64| {
            let to = match &value {
                Value::Array(_) => texts()?,
                _ => vec![text()?],
            };
            Ok::<_, (String, String)>(Likeness { to, at_least: threshold(default) })
        };
        let check = match kind {
            "equals" => Check::Equals(match value {
                Value::Null => return Err(wrong("a value")),
                ref value => value.clone(),
            }),
            "contains" => Check::Contains(text()?),
            "icontains" => Check::Icontains(text()?),
            "contains-any" => Check::ContainsAny(texts()?),
            "contains-all" => Check::ContainsAll(texts()?),
            "icontains-any" => Check::IcontainsAny(texts()?),
            "icontains-all" => Check::IcontainsAll(texts()?),
            "starts-with" => Check::StartsWith(text()?),
            "regex" => Check::Regex(text()?),
            "is-json" => Check::IsJson(schema_of(&value).map_err(|why| (why, SCHEMA.to_owned()))?),
            "contains-json" => {
                Check::ContainsJson(schema_of(&value).map_err(|why| (why, SCHEMA.to_owned()))?)
            }
            "levenshtein" => {
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
                let at_most = threshold(5.0).clamp(0.0, 1e9) as u64;
                Check::Levenshtein(Distance { to: text()?, at_most })
            }
            "rouge-n" => Check::RougeN(like(0.75)?),
            "bleu" => Check::Bleu(like(0.5)?),
            "gleu" => Check::Gleu(like(0.5)?),
            "latency" => {
                let millis = wanted_threshold()?.min(1e9);
                Check::Latency(Duration::from_secs_f64(millis / 1000.0))
            }
            "cost" => Check::Cost(wanted_threshold()?),
            "word-count" => {
                Check::WordCount(limits_of(&value).ok_or_else(|| wrong("a number, or {min, max}"))?)
            }
            "finish-reason" => Check::FinishReason(text()?),
            "is-refusal" => Check::IsRefusal,
            "tool-call-f1" => {
                Check::ToolCallF1(ToolNames { names: texts()?, at_least: threshold(1.0) })
            }
            "is-valid-openai-tools-call" => Check::IsValidOpenaiToolsCall,
            "trajectory:tool-used" => used(&value).ok_or_else(|| wrong(USED))?,
            "trajectory:tool-sequence" => sequence(&value).ok_or_else(|| wrong(SEQUENCE))?,
            "trajectory:tool-args-match" => arguments(&value).ok_or_else(|| wrong(ARGUMENTS))?,
            "assert-set" => {
                let list = assert.members.as_deref().unwrap_or_default();
                let set = self.assertions(list);
                if set.len() != list.len() {
                    // What is wrong with them has been said.
                    return Ok(unsupported("assert-set", None));
                }
                Check::AssertSet(AssertSet { assert: set, threshold: assert.threshold })
            }
            other => {
                let wanted = format!("one of {}", known().collect::<Vec<_>>().join(", "));
                return Err((format!("the type `{other}`"), wanted));
            }
        };
        Ok(check.into())
    }

    /// The value, or what is in the file that it names.
    fn value_of(&self, assert: &Assert) -> Result<Value, (String, String)> {
        let value = assert.value.clone().unwrap_or_default();
        let Some(name) = value.as_str().filter(|it| it.starts_with("file://")) else {
            return Ok(value);
        };
        let wanted = "a file with a value".to_owned();
        let file = std::path::Path::new(name);
        if ["js", "mjs", "cjs", "ts", "py", "rb"].contains(&super::files::ending(file).as_str())
            || name.contains(".js:")
            || name.contains(".py:")
        {
            return Ok(Value::Object(Map::from_iter([(PROGRAM.to_owned(), name.into())])));
        }
        let found = self.files.find(name).map_err(|found| (found, wanted.clone()))?;
        match found.as_slice() {
            [file] => Files::value(file).map_err(|found| (found, wanted)),
            files => Err((format!("{} files", files.len()), "one file".to_owned())),
        }
    }
}

/// Stands for a program in a file.
const PROGRAM: &str = "\u{0}program";
const SCHEMA: &str = "a JSON Schema";
const USED: &str = "the name of a tool, a list of them, or {name, min, max}";
const SEQUENCE: &str = "a list of names of tools, or {mode, steps}";
const ARGUMENTS: &str = "{name, args, mode, defaults, ignore}";
