//! The schema beside what is read: the committed file, all suites of the repository, and what is refused.

use std::path::{Path, PathBuf};

use jsonschema::Validator;
use serde_json::{Value, json};

use super::suite_schema;
use crate::PromptRegression;
use crate::document::{self, Source};

fn validator() -> Validator {
    jsonschema::validator_for(&suite_schema()).unwrap()
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A text as the files of suites are read, before anything is made of it.
fn value(name: &str, text: &str) -> Value {
    document::read(Source { name, text }, |_, _| Vec::new()).unwrap()
}

/// All files that may be suites.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !name.starts_with('.') && name != "target" {
                files(&path, found);
            }
            continue;
        }
        let ending = path.extension().map(|it| it.to_string_lossy().into_owned());
        let of_fuzzing = path.parent().is_some_and(|it| it.ends_with("corpus/suite"));
        if of_fuzzing || ending.is_some_and(|it| ["yaml", "yml", "json"].contains(&it.as_str())) {
            found.push(path);
        }
    }
}

#[test]
fn the_committed_file_is_what_is_made() {
    let path = repository().join("docs/suite.schema.json");
    let found = std::fs::read_to_string(path).unwrap_or_default();
    let found: Value = serde_json::from_str(&found).unwrap_or_default();
    let wanted = suite_schema();
    assert_eq!(found, wanted, "write what `gate schema` says to docs/suite.schema.json");
    assert!(jsonschema::meta::is_valid(&wanted));
}

#[test]
fn every_suite_of_the_repository_is_as_it_says() {
    let (validator, mut all, mut read) = (validator(), Vec::new(), Vec::new());
    files(&repository(), &mut all);
    for path in all {
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        if PromptRegression::from_text("suite.yaml", &text).is_err() {
            continue;
        }
        let value = value("suite.yaml", &text);
        let found = validator.validate(&value);
        assert!(found.is_ok(), "{}: {found:?}", path.display());
        read.push(path);
    }
    for name in ["examples/gate/suite.yaml", "corpus/suite/support", "corpus/suite/grader"] {
        assert!(read.iter().any(|path| path.ends_with(name)), "{name} in {read:?}");
    }
}

/// A suite with these settings, and this case.
fn with(settings: &str, case: &str) -> String {
    format!("agent: {{ openai: {{ model: m }} }}\n{settings}\ncases:\n  - {case}\n")
}

#[test]
fn what_is_read_fits_and_what_is_not_does_not() {
    let validator = validator();
    let bare = "{ id: a, prompt: hi, assert: [is-refusal] }";
    let case = |assertion: &str| format!("{{ id: a, prompt: hi, assert: [{assertion}] }}");
    let good = [
        with("budget: { time: 1h, money: 2 }\nprices: { input: 1, output: 2.5 }", bare),
        with("rules: { margin: 0.1, critical_failures: 1 }\ntimeout: 30s", bare),
        with("judges: [{ url: http://a/v1, model: m, headers: { a: { env: B }, c: d } }]", bare),
        with("defaults: { vars: { a: [1, x, null] }, threshold: 0.5 }", bare),
        with("", "{ id: a, turns: [{ prompt: hi }, { messages: [{ role: user, content: x }] }] }"),
        with("", &case("{ contains: 4711, weight: 2, metric: number }")),
        with("", &case("{ not-icontains-any: [a, 1.5] }, is-json, { is-json: }, not-is-refusal")),
        with("", &case("{ is-json: { type: object } }, { equals: [1] }, { json: { /a: 1 } }")),
        with("", &case("{ llm-rubric: Is kind. }, { g-eval: [A., B.] }, { webhook: http://a/b }")),
        with("", &case("{ grader: own }, { not-grader: { name: own, value: [1], threshold: 1 } }")),
        with("", &case("{ latency: 2s }, { cost: 1 }, { tool-calls: { calls: [{ name: a }] } }")),
        with("", &case("{ assert-set: { assert: [{ bleu: { to: a, at_least: 1 } }] } }")),
    ];
    for text in good {
        let text = format!("{text}\n");
        let read: Result<crate::prompt::Suite, _> =
            document::read(Source { name: "suite.yaml", text: &text }, |_, _| Vec::new());
        assert!(read.is_ok(), "{text}: {read:?}");
        let value = value("suite.yaml", &text);
        let found = validator.validate(&value);
        assert!(found.is_ok(), "{text}: {found:?}");
    }
    let bad = [
        with("concurency: 4", bare),
        with("concurrency: four", bare),
        with("timeout: 30", bare),
        with("budget: { call: 3 }", bare),
        with("prices: { input: 1 }", bare),
        with("rules: { margn: 0.1 }", bare),
        with("graders: [own]", bare),
        with("judges: [{ url: http://a/v1 }]", bare),
        with("", "{ id: a, assert: [is-refusal] }"),
        with("", "{ prompt: hi, assert: [is-refusal] }"),
        with("", "{ id: a, prompt: hi, turns: [{ prompt: ho }] }"),
        with("", "{ id: a, turns: [{}] }"),
        with("", "{ id: a, prompt: hi, asserts: [is-refusal] }"),
        with("", &case("{ contain: x }")),
        with("", &case("{ contains: x, icontains: y }")),
        with("", &case("{ weight: 2 }")),
        with("", &case("{ contains: [x] }")),
        with("", &case("{ contains-any: x }")),
        with("", &case("{ latency: 2 }")),
        with("", &case("{ unsupported: { kind: x } }")),
        with("", &case("{ not-pairwise: Is kind. }")),
        with("", &case("{ grader: { name: own, least: 1 } }")),
        with("", &case("{ grader: { value: 1 } }")),
        with("", &case("contains")),
        with("", &case("{ levenshtein: { to: x, most: 2 } }")),
        "cases: [{ id: a, prompt: hi }]\n".to_owned(),
        "agent: { http: { path: /a, openai: x } }\ncases: []\n".to_owned(),
        "agent: { grpc: {} }\ncases: []\n".to_owned(),
    ];
    for text in bad {
        assert!(PromptRegression::from_text("suite.yaml", &text).is_err(), "{text}");
        assert!(!validator.is_valid(&value("suite.yaml", &text)), "{text}");
    }
}

#[test]
fn every_check_is_there_with_and_without_not() {
    let schema = suite_schema();
    let properties = &schema["$defs"]["Assertion"]["anyOf"][0]["properties"];
    for name in ["contains", "json-present", "is-valid-openai-tools-call", "grader", "assert-set"] {
        for name in [name.to_owned(), format!("not-{name}")] {
            let description = properties[&name]["description"].as_str().unwrap_or_default();
            assert!(
                !description.is_empty() && !description.contains("]("),
                "{name}: {description}"
            );
        }
    }
    assert_eq!(properties["unsupported"], Value::Null);
    let bare = &schema["$defs"]["Assertion"]["anyOf"][1]["enum"];
    assert!(bare.as_array().unwrap().contains(&json!("not-is-json")), "{bare}");
}
