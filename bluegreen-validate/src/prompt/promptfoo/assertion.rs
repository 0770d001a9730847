//! promptfoo's assertions, with the meaning that its documentation gives them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};

use super::Loading;
use super::files::Files;
use super::form::Assert;
use crate::prompt::suite::{
    ArgumentMode, Arguments, AssertSet, Assertion, CallMode, Check, Distance, Likeness, Limits,
    ToolCallRule, ToolCount, ToolNames, Trajectory, Unsupported,
};

/// Types that are known and can't be looked at here: programs, judges, services.
const ELSEWHERE: [&str; 44] = [
    "agent-rubric",
    "answer-relevance",
    "classifier",
    "contains-html",
    "contains-sql",
    "contains-xml",
    "context-faithfulness",
    "context-recall",
    "context-relevance",
    "conversation-relevance",
    "factuality",
    "g-eval",
    "guardrails",
    "human",
    "is-html",
    "is-sql",
    "is-valid-function-call",
    "is-valid-openai-function-call",
    "is-xml",
    "javascript",
    "llm-rubric",
    "max-score",
    "meteor",
    "model-graded-closedqa",
    "model-graded-factuality",
    "moderation",
    "perplexity",
    "perplexity-score",
    "pi",
    "python",
    "ruby",
    "search-rubric",
    "select-best",
    "similar",
    "similar:cosine",
    "similar:dot",
    "similar:euclidean",
    "skill-used",
    "trace-error-spans",
    "trace-span-count",
    "trace-span-duration",
    "trajectory:goal-success",
    "trajectory:step-count",
    "webhook",
];

/// Types that are looked at here.
pub(super) const KNOWN: [&str; 26] = [
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
            let name = reference.strip_prefix("#/assertionTemplates/");
            let Some(known) = name.and_then(|name| self.templates.get(name)).cloned() else {
                self.say(format!("`{reference}`"), "the name of one of `assertionTemplates`");
                return None;
            };
            if known.reference.is_some() {
                self.say(format!("`{reference}`, which names another"), "an assertion");
                return None;
            }
            return self.assertion(&known);
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

    fn check(&mut self, kind: &str, assert: &Assert) -> Result<Assertion, (String, String)> {
        let value = self.value_of(assert)?;
        if let Value::Object(entries) = &value
            && let Some(what) = entries.get(PROGRAM)
        {
            return Ok(unsupported("file", Some(what)));
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
                let wanted = format!("one of {}", KNOWN.join(", "));
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

/// A text that is not empty.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A list of texts, or one text with commas between them, and quotes around those with commas.
fn texts_of(value: &Value) -> Option<Vec<String>> {
    if let Value::Array(items) = value {
        return items.iter().map(text_of).collect();
    }
    let parts: Vec<String> =
        split(&text_of(value)?).into_iter().filter(|it| !it.is_empty()).collect();
    (!parts.is_empty()).then_some(parts)
}

/// The parts of a text between commas, without the blanks around them; a part in double quotes may
/// have commas in it, and quotes that are written twice.
fn split(text: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let mut part = String::new();
        if let Some(mut inner) = rest.strip_prefix('"') {
            while let Some((before, after)) = inner.split_once('"') {
                part.push_str(before);
                inner = after;
                match inner.strip_prefix('"') {
                    Some(more) => {
                        part.push('"');
                        inner = more;
                    }
                    None => break,
                }
            }
            rest = inner;
        }
        let (plain, after) =
            rest.split_once(',').map_or((rest, None), |(it, rest)| (it, Some(rest)));
        part.push_str(plain.trim_end());
        parts.push(part);
        match after {
            Some(after) => rest = after,
            None => return parts,
        }
    }
}

/// A JSON Schema, which may be written as a text.
pub(super) fn schema_of(value: &Value) -> Result<Option<Value>, String> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => {
            let source = crate::document::Source { name: "schema.yaml", text };
            crate::document::read(source, |_: &Value, _| Vec::new())
                .map(Some)
                .map_err(|_| format!("`{text}`"))
        }
        value => Ok(Some(value.clone())),
    }
}

fn limits_of(value: &Value) -> Option<Limits> {
    if let Some(count) = value.as_u64() {
        return Some(Limits::new(Some(count), Some(count)));
    }
    if let Some(count) = value.as_str().and_then(|text| text.trim().parse().ok()) {
        return Some(Limits::new(Some(count), Some(count)));
    }
    let entries = value.as_object()?;
    let limits = |name: &str| entries.get(name).and_then(Value::as_u64);
    (limits("min").or(limits("max")).is_some()).then(|| Limits::new(limits("min"), limits("max")))
}

/// A tool's name, which may be a pattern.
fn name_of(entries: &Map<String, Value>) -> Option<&str> {
    entries.get("name").or_else(|| entries.get("pattern"))?.as_str().filter(|it| !it.is_empty())
}

fn used(value: &Value) -> Option<Check> {
    let count = |value: &Value| match value {
        Value::String(name) if !name.is_empty() => {
            Some(ToolCount::new(name.as_str(), Limits::new(Some(1), None)))
        }
        Value::Object(entries) => {
            let number = |name: &str| entries.get(name).and_then(Value::as_u64);
            let limits = Limits::new(number("min").or(Some(1)), number("max"));
            Some(ToolCount::new(name_of(entries)?, limits))
        }
        _ => None,
    };
    match value {
        Value::Array(items) if !items.is_empty() => {
            let all = items.iter().map(|it| Some(Check::ToolCount(count(it)?).into()));
            Some(Check::AssertSet(AssertSet {
                assert: all.collect::<Option<_>>()?,
                threshold: None,
            }))
        }
        one => Some(Check::ToolCount(count(one)?)),
    }
}

fn sequence(value: &Value) -> Option<Check> {
    let (steps, mode) = match value {
        Value::Array(steps) => (steps, CallMode::InOrder),
        Value::Object(entries) => {
            let mode = match entries.get("mode").map(Value::as_str) {
                None | Some(Some("in_order")) => CallMode::InOrder,
                Some(Some("exact")) => CallMode::Exact,
                _ => return None,
            };
            (entries.get("steps")?.as_array()?, mode)
        }
        _ => return None,
    };
    let rule = |step: &Value| match step {
        Value::String(name) => Some(ToolCallRule::new(name)),
        Value::Object(entries) => Some(ToolCallRule::new(name_of(entries)?)),
        _ => None,
    };
    Some(Check::ToolCalls(Trajectory {
        mode,
        calls: steps.iter().map(rule).collect::<Option<_>>()?,
    }))
}

fn arguments(value: &Value) -> Option<Check> {
    let entries = value.as_object()?;
    let map = |name: &str| entries.get(name).map(|it| it.as_object().cloned());
    let values = map("args").or_else(|| map("arguments"))??;
    let mode = match entries.get("mode").map(Value::as_str) {
        None | Some(Some("partial")) => ArgumentMode::Partial,
        Some(Some("exact")) => ArgumentMode::Exact,
        _ => return None,
    };
    let ignore = match entries.get("ignore") {
        None => Vec::new(),
        Some(names) => {
            let names = names.as_array()?.iter().map(|it| Some(it.as_str()?.to_owned()));
            names.collect::<Option<_>>()?
        }
    };
    let defaults = map("defaults").unwrap_or_else(|| Some(Map::new()))?;
    let mut rule = ToolCallRule::new(name_of(entries)?);
    rule.args = Some(Arguments { values, mode, defaults, ignore });
    Some(Check::ToolCalls(Trajectory { mode: CallMode::Superset, calls: vec![rule] }))
}
