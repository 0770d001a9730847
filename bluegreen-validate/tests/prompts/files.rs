//! Suites in files, and everything that is wrong with them.

use bluegreen_validate::PromptRegression;

fn problems(text: &str) -> Vec<String> {
    let error = PromptRegression::from_text("suite.yaml", text).unwrap_err();
    error.problems().iter().map(ToString::to_string).collect()
}

#[test]
fn all_problems_come_at_once_with_line_and_path() {
    let found = problems(
        r#"agent: { http: { path: chat, answer: reply, headers: { host-: x } } }
concurrency: 0
budget: { tokens: 5, money: 1 }
rules: { margin: 5, min_cases: 2 }
defaults:
  threshold: 2
cases:
  - id: a
    prompt: "Where is {{parcel}}?"
    assert: [{ contains: "" }, { regex: "(?i)x" }, { contain: x }]
  - id: a
    prompt: hi
    turns: [{ prompt: ho }]
    assert: [{ first-token: 1s }, { cost: 1 }, { tool-count: { min: 3, max: 2 } }]
  - id: c
    prompt: hi
  - id: d
    asserts: [{ contains: x }]
    prompt: hi
    assert: [{ is-json: { type: nothing } }, { json: { a/b: 1 } }, { levenshtein: { to: x, most: 2 } }]
"#,
    );
    let wanted = [
        ("suite.yaml:1:", "answer"),
        ("suite.yaml:2:14", "concurrency"),
        ("suite.yaml:3:", "budget"),
        ("suite.yaml:3:", "budget.money"),
        ("suite.yaml:4:", "rules.margin"),
        ("suite.yaml:6:", "defaults.threshold"),
        ("suite.yaml:9:", "prompt"),
        ("suite.yaml:10:", "assert[0].contains"),
        ("suite.yaml:10:", "assert[1]"),
        ("suite.yaml:10:", "cases[0].assert[2]"),
        ("suite.yaml:11:", "id"),
        ("suite.yaml:14:", "assert[0].first-token"),
        ("suite.yaml:14:", "assert[1].cost"),
        ("suite.yaml:14:", "assert[2].tool-count"),
        ("suite.yaml:15:", "nothing that could fail"),
        ("suite.yaml:18:", "cases[3].asserts"),
        ("suite.yaml:20:", "assert[0]"),
        ("suite.yaml:20:", "assert[1].json"),
        ("suite.yaml:20:", "cases[3].assert[2].levenshtein.most"),
    ];
    for (place, path) in wanted {
        let there = found.iter().any(|it| it.starts_with(place) && it.contains(path));
        assert!(there, "{place} {path} in:\n{}", found.join("\n"));
    }
}

#[test]
fn a_suite_reads_back_what_it_wrote_and_its_digest_stays() {
    let text = r"
agent: { openai: { model: m, parameters: { temperature: 0 } } }
rules: { min_cases: 2 }
budget: { time: 1h, money: 2.5 }
prices: { input: 1, output: 2 }
cases:
  - { id: a, prompt: hi, critical: true, assert: [{ not-contains: x, weight: 2 }, is-refusal] }
  - { id: b, turns: [{ prompt: hi, assert: [{ latency: 2s }] }], threshold: 0.5 }
";
    let gate = PromptRegression::from_text("suite.yaml", text).unwrap();
    let written = serde_json::to_string(gate.suite()).unwrap();
    let read = PromptRegression::from_text("suite.json", &written).unwrap();
    assert_eq!(read, gate);
    assert_eq!(read.suite().digest(), gate.suite().digest());
    let other = gate.clone().with(|suite| suite.cases[0].critical = false);
    assert_ne!(other.suite().digest(), gate.suite().digest());
}

#[test]
fn words_that_some_yaml_takes_for_booleans_are_words() {
    let text = "
agent: { openai: { model: m } }
rules: { min_cases: 2 }
cases:
  - { id: a, prompt: Is it?, assert: [{ equals: Yes }, { contains: off }] }
  - { id: b, prompt: Is it?, assert: [{ contains: 4711 }] }
";
    let gate = PromptRegression::from_text("suite.yaml", text).unwrap();
    let text = serde_json::to_string(&gate.suite().cases[0].assert).unwrap();
    assert_eq!(text, r#"[{"equals":"Yes"},{"contains":"off"}]"#);
}

#[test]
fn a_request_that_cannot_be_made_is_refused_in_whatever_case() {
    let text = "
agent: { http: { path: '/chat/{{room}}', answer: /reply } }
rules: { min_cases: 2 }
defaults: { assert: [{ contains: x }] }
cases:
  - { id: a, prompt: hi, vars: { room: one } }
  - { id: b, prompt: hi, vars: { room: the other } }
  - { id: c, prompt: hi, vars: { room: the other } }
  - { id: d, prompt: hi, vars: { room: three } }
";
    let found = problems(text);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("suite.yaml:7:5") && found[0].contains("(b)"), "{found:?}");
    assert!(found[0].contains("/chat/the other"), "{found:?}");
    // What is wrong in all cases is wrong with the agent.
    let found = problems(&text.replace("/chat/{{room}}", "/the chat/{{room}}"));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("suite.yaml:2:8") && found[0].contains(", agent: "), "{found:?}");
}
