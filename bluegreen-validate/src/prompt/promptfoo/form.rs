//! What promptfoo's files have in them.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::de::IgnoredAny;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value};

use crate::prompt::suite::Suite;

/// The whole. What does not bear on cases is passed over.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(dead_code, reason = "what is passed over is known by name, so that the rest is not")]
pub(super) struct Config {
    description: Option<IgnoredAny>,
    tags: Option<IgnoredAny>,
    pub(super) providers: Option<Value>,
    pub(super) targets: Option<Value>,
    pub(super) prompts: Option<Value>,
    pub(super) tests: Option<Tests>,
    pub(super) scenarios: Option<Vec<Scenario>>,
    pub(super) default_test: Option<TestEntry>,
    output_path: Option<IgnoredAny>,
    sharing: Option<IgnoredAny>,
    env: Option<IgnoredAny>,
    metadata: Option<IgnoredAny>,
    write_latest_results: Option<IgnoredAny>,
    tracing: Option<IgnoredAny>,
    derived_metrics: Option<IgnoredAny>,
    pub(super) evaluate_options: Option<EvaluateOptions>,
    command_line_options: Option<IgnoredAny>,
    pub(super) assertion_templates: Option<BTreeMap<String, Assert>>,
    #[serde(rename = "$schema")]
    schema: Option<IgnoredAny>,
}

/// How the run goes on.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(dead_code, reason = "what is passed over is known by name, so that the rest is not")]
pub(super) struct EvaluateOptions {
    max_concurrency: Option<u32>,
    repeat: Option<u32>,
    timeout_ms: Option<u64>,
    max_eval_time_ms: Option<u64>,
    delay: Option<IgnoredAny>,
    cache: Option<IgnoredAny>,
    show_progress_bar: Option<IgnoredAny>,
}

impl EvaluateOptions {
    pub(super) fn apply(&self, suite: &mut Suite) {
        if let Some(concurrency) = self.max_concurrency {
            suite.concurrency = concurrency;
        }
        if let Some(repeat) = self.repeat.filter(|it| *it > 1) {
            suite.rules.repeats = repeat;
        }
        if let Some(timeout) = self.timeout_ms {
            suite.timeout = Duration::from_millis(timeout);
        }
        suite.budget.time = self.max_eval_time_ms.map(Duration::from_millis);
    }
}

/// Several configurations, each with all tests.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(dead_code, reason = "what is passed over is known by name, so that the rest is not")]
pub(super) struct Scenario {
    description: Option<IgnoredAny>,
    pub(super) config: Vec<Test>,
    pub(super) tests: Option<Tests>,
}

/// One test. Everything that is known by name and not looked at makes its case unsupported.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Test {
    pub(super) description: Option<String>,
    pub(super) vars: Option<Vars>,
    pub(super) provider: Option<Value>,
    pub(super) providers: Option<Value>,
    pub(super) prompts: Option<Vec<String>>,
    pub(super) provider_output: Option<Value>,
    pub(super) assert: Option<Vec<Assert>>,
    pub(super) assert_scoring_function: Option<Value>,
    pub(super) threshold: Option<f64>,
    pub(super) metadata: Map<String, Value>,
    #[serde(deserialize_with = "options")]
    pub(super) options: Map<String, Value>,
    /// Of an entry that names a file.
    pub(super) path: Option<String>,
    pub(super) config: Option<Value>,
    /// What stands in the way of running it.
    #[serde(skip)]
    pub(super) unsupported: Option<String>,
}

impl Test {
    /// This test over the defaults: assertions of both, everything else of the one that has it.
    pub(super) fn over(&self, default: &Self) -> Self {
        let mut test = self.before(default);
        let alone = test.options.get("disableDefaultAsserts") == Some(&Value::Bool(true));
        if !alone && let Some(before) = &default.assert {
            let own = self.assert.iter().flatten();
            test.assert = Some(before.iter().chain(own).cloned().collect());
        } else {
            test.assert.clone_from(&self.assert);
        }
        test
    }

    /// This test over another, of which it takes what it has not.
    pub(super) fn before(&self, other: &Self) -> Self {
        let merged = |own: &Map<String, Value>, other: &Map<String, Value>| {
            let mut all = other.clone();
            all.extend(own.clone());
            all
        };
        Self {
            description: self.description.clone().or_else(|| other.description.clone()),
            vars: Vars::merged(other.vars.as_ref(), self.vars.as_ref()),
            provider: self.provider.clone().or_else(|| other.provider.clone()),
            providers: self.providers.clone().or_else(|| other.providers.clone()),
            prompts: self.prompts.clone().or_else(|| other.prompts.clone()),
            provider_output: self.provider_output.clone().or_else(|| other.provider_output.clone()),
            assert: self.assert.clone().or_else(|| other.assert.clone()),
            assert_scoring_function: self
                .assert_scoring_function
                .clone()
                .or_else(|| other.assert_scoring_function.clone()),
            threshold: self.threshold.or(other.threshold),
            metadata: merged(&self.metadata, &other.metadata),
            options: merged(&self.options, &other.options),
            path: None,
            config: None,
            unsupported: self.unsupported.clone().or_else(|| other.unsupported.clone()),
        }
    }

    pub(super) fn option(&self, name: &str) -> Option<&Value> {
        self.options.get(name).filter(|it| !it.is_null())
    }
}

/// What a test may say about how it is run. Options of providers are none: another agent is asked.
const OPTIONS: [&str; 14] = [
    "disableConversationVar",
    "disableDefaultAsserts",
    "disableVarExpansion",
    "factuality",
    "postprocess",
    "prefix",
    "provider",
    "repeat",
    "rubricPrompt",
    "runSerially",
    "storeOutputAs",
    "suffix",
    "transform",
    "transformVars",
];

/// Reads options, and refuses those that nobody knows.
fn options<'de, D: Deserializer<'de>>(from: D) -> Result<Map<String, Value>, D::Error> {
    let options = Map::deserialize(from)?;
    match options.keys().find(|name| !OPTIONS.contains(&name.as_str())) {
        Some(name) => Err(de::Error::unknown_field(name, &OPTIONS)),
        None => Ok(options),
    }
}

/// Variables: a map, or files with maps in them.
#[derive(Clone, Debug)]
pub(super) struct Vars {
    pub(super) files: Vec<String>,
    pub(super) values: Map<String, Value>,
}

impl Vars {
    fn merged(under: Option<&Self>, over: Option<&Self>) -> Option<Self> {
        let (Some(under), Some(over)) = (under, over) else {
            return over.or(under).cloned();
        };
        let mut merged = under.clone();
        merged.files.extend(over.files.iter().cloned());
        merged.values.extend(over.values.clone());
        Some(merged)
    }
}

impl<'de> Deserialize<'de> for Vars {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Vars;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of variables, or files with such maps")
            }

            fn visit_str<E: de::Error>(self, file: &str) -> Result<Vars, E> {
                Ok(Vars { files: vec![file.to_owned()], values: Map::new() })
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, list: A) -> Result<Vars, A::Error> {
                let files = Vec::deserialize(SeqAccessDeserializer::new(list))?;
                Ok(Vars { files, values: Map::new() })
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Vars, A::Error> {
                let values = Map::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Vars { files: Vec::new(), values })
            }
        }
        from.deserialize_any(Visitor)
    }
}

/// An assertion, or the name of one.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[allow(dead_code, reason = "what is passed over is known by name, so that the rest is not")]
pub(super) struct Assert {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    #[serde(rename = "$ref")]
    pub(super) reference: Option<String>,
    pub(super) value: Option<Value>,
    pub(super) threshold: Option<f64>,
    pub(super) weight: Option<f64>,
    pub(super) metric: Option<String>,
    pub(super) transform: Option<Value>,
    /// Of a set.
    #[serde(rename = "assert")]
    pub(super) members: Option<Vec<Self>>,
    pub(super) provider: Option<Value>,
    pub(super) rubric_prompt: Option<Value>,
    pub(super) context_transform: Option<Value>,
    pub(super) config: Option<Value>,
}

impl Assert {
    /// The assertion that its name stands for, in which what this one says itself wins.
    pub(super) fn over(&self, named: Self) -> Self {
        Self {
            kind: self.kind.clone().or(named.kind),
            reference: None,
            value: self.value.clone().or(named.value),
            threshold: self.threshold.or(named.threshold),
            weight: self.weight.or(named.weight),
            metric: self.metric.clone().or(named.metric),
            transform: self.transform.clone().or(named.transform),
            members: self.members.clone().or(named.members),
            provider: self.provider.clone().or(named.provider),
            rubric_prompt: self.rubric_prompt.clone().or(named.rubric_prompt),
            context_transform: self.context_transform.clone().or(named.context_transform),
            config: self.config.clone().or(named.config),
        }
    }
}

/// A test, or the name of a file with tests.
#[derive(Clone, Debug)]
pub(super) enum TestEntry {
    File(String),
    Test(Box<Test>),
}

impl<'de> Deserialize<'de> for TestEntry {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = TestEntry;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a test or the name of a file with tests")
            }

            fn visit_str<E: de::Error>(self, file: &str) -> Result<TestEntry, E> {
                Ok(TestEntry::File(file.to_owned()))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<TestEntry, A::Error> {
                let test = Test::deserialize(MapAccessDeserializer::new(map))?;
                Ok(TestEntry::Test(Box::new(test)))
            }
        }
        from.deserialize_any(Visitor)
    }
}

/// Tests, and whether they stand in a list.
#[derive(Clone, Debug)]
pub(super) struct Tests(pub(super) Vec<TestEntry>, pub(super) bool);

impl<'de> Deserialize<'de> for Tests {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Tests;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of tests or the name of a file with tests")
            }

            fn visit_str<E: de::Error>(self, file: &str) -> Result<Tests, E> {
                Ok(Tests(vec![TestEntry::File(file.to_owned())], false))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Tests, A::Error> {
                let test = TestEntry::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Tests(vec![test], false))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, list: A) -> Result<Tests, A::Error> {
                Ok(Tests(Vec::deserialize(SeqAccessDeserializer::new(list))?, true))
            }
        }
        from.deserialize_any(Visitor)
    }
}
