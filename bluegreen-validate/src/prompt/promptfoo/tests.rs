use serde_json::{Value, json};

use super::*;
use crate::prompt::suite::{Assertion, Check, HttpAgent};

fn agent() -> Agent {
    HttpAgent::post("/chat", json!({"message": "{{prompt}}"}), "/reply").into()
}

fn read(text: &str) -> Result<Suite, ConfigError> {
    from_text("config.yaml", text, Path::new("/nonexistent"), Some(agent()))
}

fn problems(text: &str) -> Vec<String> {
    let error = read(text).unwrap_err();
    error.problems().iter().map(ToString::to_string).collect()
}

/// The assertions of the only test.
fn asserts(yaml: &str) -> Vec<Assertion> {
    let text = format!("tests:\n  - vars: {{prompt: hi}}\n    assert: {yaml}\n");
    let mut suite = read(&text).unwrap();
    assert_eq!(suite.cases.len(), 1);
    suite.cases.remove(0).assert
}

#[test]
fn what_promptfoo_passes_over_is_refused_with_its_place() {
    // No such file.
    let found = problems("tests: file://does-not-exist.yaml\n");
    assert!(found[0].starts_with("config.yaml:1:8, tests"), "{found:?}");
    assert!(found[0].contains("does-not-exist.yaml"), "{found:?}");
    // A typing error.
    let text = "tests:\n  - vars: {a: 1}\n    asserts:\n      - {type: equals, value: x}\n";
    let found = problems(text);
    assert!(
        found[0].starts_with("config.yaml:3:5, tests[0].asserts: found unknown field"),
        "{found:?}"
    );
    // Types that are none; all at once.
    let text = "tests:\n  - assert:\n      - {type: not-empty}\n      - {type: max-length, value: 3}\n      - {value: x}\n";
    let found = problems(text);
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(
        found[0].starts_with("config.yaml:3:9, tests[0].assert[0]: found the type `empty`"),
        "{found:?}"
    );
    // No tests.
    assert!(problems("prompts: [a]\n")[0].contains("at least one test"));
    // A value that every answer has.
    assert!(
        problems("tests:\n  - assert: [{type: contains, value: ''}]\n")[0].contains("not empty")
    );
    // A limit that nobody wrote.
    assert!(problems("tests:\n  - assert: [{type: latency}]\n")[0].contains("without `threshold`"));
}

#[test]
fn what_cannot_be_looked_at_makes_its_case_unsupported_also_under_not() {
    for kind in
        ["javascript", "not-moderation", "not-pi", "max-score", "similar:dot", "agent-rubric"]
    {
        let found = asserts(&format!("[{{type: contains, value: a}}, {{type: {kind}, value: x}}]"));
        assert!(matches!(found[1].check, Check::Unsupported(_)), "{kind}: {found:?}");
    }
    // The best of the answers to one prompt is one thing, that of several prompts another.
    let best = "tests:\n  - assert: [{type: select-best, value: Is polite.}]\n";
    for (prompts, is_there) in [("prompts: [a]\n", true), ("prompts: [a, b]\n", false)] {
        let suite = read(&format!("{prompts}{best}")).unwrap();
        let check = &suite.cases[0].assert[0].check;
        assert_eq!(matches!(check, Check::Pairwise(_)), is_there, "{check:?}");
        assert_eq!(matches!(check, Check::Unsupported(_)), !is_there, "{check:?}");
    }
    let found = asserts("[{type: equals, value: a, transform: output.b}]");
    assert!(matches!(found[0].check, Check::Unsupported(_)), "{found:?}");
    let suite =
        read("tests:\n  - {providerOutput: x, assert: [{type: equals, value: x}]}\n").unwrap();
    assert!(suite.unsupported(&suite.cases[0]).is_some());
}

#[test]
fn what_is_graded_keeps_its_meaning_and_who_grades_it() {
    let found = asserts(
        "[{type: llm-rubric, value: Is polite, threshold: 0.8}, {type: not-factuality, value: a}, \
         {type: model-graded-closedqa, value: b, provider: 'openai:chat:m'}, \
         {type: g-eval, value: [a, b]}, {type: similar, value: a}, \
         {type: webhook, value: 'http://a/b'}]",
    );
    let texts: Vec<String> =
        found.iter().map(|it| serde_json::to_value(it).unwrap().to_string()).collect();
    assert_eq!(texts[0], r#"{"llm-rubric":{"rubric":"Is polite","threshold":0.8}}"#);
    assert!(texts[1].starts_with(r#"{"not-factuality":{"expected":"a","scores""#), "{}", texts[1]);
    let named = r#"{"model-graded-closedqa":{"judges":["openai:chat:m"],"rubric":"b"}}"#;
    assert_eq!(texts[2], named);
    assert_eq!(texts[3], r#"{"g-eval":{"criteria":["a","b"],"threshold":0.7}}"#);
    assert_eq!(texts[4], r#"{"similar":{"at_least":0.75,"to":["a"]}}"#);
    assert_eq!(texts[5], r#"{"webhook":{"url":"http://a/b"}}"#);
    // Without anybody who grades, its case can never pass.
    let text = "tests:\n  - assert: [{type: llm-rubric, value: x}]\n";
    let mut suite = read(text).unwrap();
    assert_eq!(suite.unsupported(&suite.cases[0]).as_deref(), Some("llm-rubric"));
    suite.judges.push(crate::prompt::suite::JudgeModel::new("http://a/v1", "m"));
    assert_eq!(suite.unsupported(&suite.cases[0]), None);
}

#[test]
fn what_is_held_against_a_context_has_a_threshold_and_keeps_its_meaning() {
    let given = "{vars: {context: c, query: q}, assert: [
        {type: answer-relevance}, {type: not-context-faithfulness, threshold: 0.9},
        {type: context-relevance, threshold: 0.5, provider: 'openai:chat:m'},
        {type: context-recall, threshold: 0.8, value: Four months.}]}";
    let suite = read(&format!("tests:\n  - {given}\n")).unwrap();
    let found = suite.cases[0].assert.iter();
    let texts: Vec<_> = found.map(|it| serde_json::to_value(it).unwrap().to_string()).collect();
    let wanted = [
        r#"{"answer-relevance":{"threshold":0.7}}"#,
        r#"{"not-context-faithfulness":{"threshold":0.9}}"#,
        r#"{"context-relevance":{"judges":["openai:chat:m"],"threshold":0.5}}"#,
        r#"{"context-recall":{"expected":"Four months.","threshold":0.8}}"#,
    ];
    assert_eq!(texts, wanted);
    // By a threshold of nothing, which some versions of promptfoo take, nothing could fail.
    for kind in ["context-faithfulness", "context-relevance", "not-context-recall"] {
        let found = problems(&format!("tests:\n  - assert:\n      - {{type: {kind}, value: v}}\n"));
        let name = kind.trim_start_matches("not-");
        let wanted = format!(
            "config.yaml:3:9, tests[0].assert[0]: found {name} without `threshold`, wanted \
             `threshold`, more than 0 and at most 1"
        );
        assert!(found[0].starts_with(&wanted), "{found:?}");
    }
    let found = problems("tests:\n  - assert:\n      - {type: context-recall, threshold: 1}\n");
    assert!(found[0].contains("wanted a text that is not empty"), "{found:?}");
    // What is made of the answer by a program can't be looked at.
    let found = asserts(
        "[{type: context-recall, value: v, threshold: 1, contextTransform: output.context}, \
         {type: answer-relevance, rubricPrompt: Ask!}]",
    );
    assert!(found.iter().all(|it| matches!(it.check, Check::Unsupported(_))), "{found:?}");
}

#[test]
fn what_is_said_about_the_grading_is_followed_or_makes_its_case_unsupported() {
    let graded = |test: &str, judge: &str| {
        let text = format!("tests:\n  - {{{test}}}\n");
        let mut suite = read(&text).unwrap();
        suite.judges.push(crate::prompt::suite::JudgeModel::new("http://a/v1", judge));
        suite.unsupported(&suite.cases[0])
    };
    let assert = "assert: [{type: llm-rubric, value: x}]";
    let with = format!("options: {{provider: 'openai:chat:m'}}, {assert}");
    assert_eq!(graded(&with, "m"), None);
    assert_eq!(graded(&with, "other").as_deref(), Some("llm-rubric"));
    for test in [
        &format!("options: {{rubricPrompt: 'Is it?'}}, {assert}"),
        &format!("options: {{provider: {{id: m, config: {{a: 1}}}}}}, {assert}"),
        "assert: [{type: llm-rubric, value: x, rubricPrompt: y}]",
        "assert: [{type: llm-rubric, value: x, config: {a: 1}}]",
        "assert: [{type: llm-rubric, value: x, provider: {id: m, config: {a: 1}}}]",
    ] {
        assert!(graded(test, "m").is_some_and(|it| it.starts_with("llm-rubric with")), "{test}");
    }
    let facts = "tests: [{options: {factuality: {subset: 0, differButFactual: 0.5}}, \
                 assert: [{type: factuality, value: x}]}]\n";
    let suite = read(facts).unwrap();
    let Check::Factuality(it) = &suite.cases[0].assert[0].check else { panic!("{suite:?}") };
    assert_eq!(format!("{:?}", it.scores.all()), "[0.0, 1.0, 1.0, 0.0, 0.5]");
    assert!(problems(&facts.replace("subset", "subst"))[0].contains("superset"));
    let bounded = "tests: [{assert: [{type: factuality, value: x, threshold: 1}]}]\n";
    assert!(problems(bounded)[0].contains("yes or no"));
}

#[test]
fn deterministic_types_keep_their_meaning_and_defaults() {
    let found = asserts(
        "[{type: levenshtein, value: a}, {type: rouge-n, value: a, weight: 2}, \
         {type: icontains-any, value: 'a, \"b, c\"'}, {type: latency, threshold: 1500}, \
         {type: word-count, value: 5}, {type: not-is-json, value: {type: object}}, \
         {type: 'trajectory:tool-sequence', value: [a, b]}, {type: 'trajectory:tool-used', value: a}]",
    );
    let texts: Vec<String> =
        found.iter().map(|it| serde_json::to_value(it).unwrap().to_string()).collect();
    assert_eq!(texts[0], r#"{"levenshtein":{"at_most":5,"to":"a"}}"#);
    assert_eq!(texts[1], r#"{"rouge-n":{"at_least":0.75,"to":["a"]},"weight":2.0}"#);
    assert_eq!(texts[2], r#"{"icontains-any":["a","b, c"]}"#);
    assert_eq!(texts[3], r#"{"latency":"1s 500ms"}"#);
    assert_eq!(texts[4], r#"{"word-count":{"max":5,"min":5}}"#);
    assert_eq!(texts[5], r#"{"not-is-json":{"type":"object"}}"#);
    assert!(texts[6].contains("in_order"), "{}", texts[6]);
    assert_eq!(texts[7], r#"{"tool-count":{"min":1,"name":"a"}}"#);
}

#[test]
fn tests_are_expanded_over_variables_prompts_and_scenarios() {
    let text = "
prompts: ['Say {{word}}', {raw: 'Shout {{word}}', label: shout}]
defaultTest:
  vars: {word: x}
  assert: [{$ref: '#/assertionTemplates/polite'}]
  threshold: 0.5
assertionTemplates:
  polite: {type: icontains, value: please}
tests:
  - description: both
    vars: {word: [a, b], other: [c, d], list: [1, 2]}
    assert: [{type: contains, value: '{{word}}'}]
  - description: one
    prompts: [shout]
    options: {disableDefaultAsserts: true, prefix: '> '}
    metadata: {category: loud}
    assert: [{type: equals, value: A}]
scenarios:
  - config: [{vars: {word: s1}}, {vars: {word: s2}}]
    tests: [{vars: {more: 1}, assert: [{type: equals, value: B}]}]
";
    let suite = read(text).unwrap();
    // 2 words, 2 others, 2 prompts; 1; 2 configurations, 2 prompts.
    assert_eq!(suite.cases.len(), 8 + 1 + 4);
    let both = &suite.cases[0];
    assert_eq!((both.id.as_str(), both.assert.len(), both.threshold), ("both", 2, Some(0.5)));
    assert_eq!(both.vars["list"], json!([1, 2]));
    assert_eq!(suite.cases[1].id, "both (2)");
    let one = &suite.cases[8];
    assert_eq!(one.prompt.as_deref(), Some("> Shout {{word}}"));
    assert_eq!((one.assert.len(), one.category.as_deref()), (1, Some("loud")));
    assert_eq!((&one.vars["word"], &suite.cases[12].vars["word"]), (&json!("x"), &json!("s2")));
}

#[test]
fn tables_have_expectations_in_their_cells() {
    let text = "\u{feff}question, __expected ,__expected2,__threshold,__metadata:category,__config:__expected2:threshold\n\
        Where?,contains: here,\"icontains-all: a, b\",,places,\n\
        When?,\"It arrives, soon\",rouge-n: now,0.5,,0.9\n\
        Why?,not-regex(0.5): ^\\d+$,,,,\n";
    let tests = table::tests("t.csv", text).unwrap();
    let kinds = |row: usize| -> Vec<(String, Option<f64>)> {
        let all = tests[row].assert.as_ref().unwrap().iter();
        all.map(|it| (it.kind.clone().unwrap(), it.threshold)).collect()
    };
    assert_eq!(kinds(0), [("contains".to_owned(), None), ("icontains-all".to_owned(), None)]);
    assert_eq!(kinds(1), [("equals".to_owned(), None), ("rouge-n".to_owned(), Some(0.9))]);
    assert_eq!(kinds(2), [("not-regex".to_owned(), Some(0.5))]);
    assert_eq!(tests[0].metadata["category"], "places");
    assert_eq!(tests[1].threshold, Some(0.5));
    assert_eq!(tests[0].vars.as_ref().unwrap().values["question"], "Where?");
    let refused = table::tests("t.csv", "a,__expectd\nx,y\n").unwrap_err();
    assert!(refused[0].to_string().starts_with("t.csv, row 1, column __expectd"), "{refused:?}");
}

#[test]
fn a_provider_that_is_an_agent_is_taken() {
    let own = |providers: &str| {
        let text =
            format!("providers: {providers}\ntests: [{{assert: [{{type: equals, value: a}}]}}]\n");
        from_text("config.yaml", &text, Path::new("/nonexistent"), None)
    };
    let suite = own("[{id: 'openai:chat:m1', config: {temperature: 0, apiKey: x}}]").unwrap();
    let Agent::Openai(agent) = &suite.agent else { panic!("{:?}", suite.agent) };
    assert_eq!((agent.model.as_str(), agent.parameters.len()), ("m1", 1));
    let suite =
        own("[{id: 'openai:responses:m2', config: {temperature: 0, apiKey: x, max_tokens: 9, \
          instructions: Be brief, tools: [{type: web_search}], reasoning_effort: low, \
          reasoning: {summary: auto}, \
          response_format: {type: json_schema, json_schema: {name: a, schema: {}}}}}]")
        .unwrap();
    let Agent::Responses(agent) = &suite.agent else { panic!("{:?}", suite.agent) };
    let wanted = json!({"temperature": 0, "max_output_tokens": 9,
        "reasoning": {"effort": "low", "summary": "auto"},
        "text": {"format": {"type": "json_schema", "name": "a", "schema": {}}}});
    assert_eq!(Value::Object(agent.parameters.clone()), wanted);
    assert_eq!((agent.model.as_str(), agent.tools.len()), ("m2", 1));
    assert_eq!(agent.instructions.as_deref(), Some("Be brief"));
    assert!(own("['openai:responses:']").is_err());
    assert!(own("[{id: 'openai:responses:m', config: {tools: 'file://t.json'}}]").is_err());
    let suite = own("[{id: https, config: {url: 'https://a.example/chat?x=1', method: POST, \
          headers: {authorization: '{{env.TOKEN}}'}, body: {m: '{{prompt}}'}, \
          transformResponse: 'json.reply[0]'}}]")
    .unwrap();
    let Agent::Http(agent) = &suite.agent else { panic!("{:?}", suite.agent) };
    assert_eq!((agent.path.as_str(), agent.answer.as_str()), ("/chat?x=1", "/reply/0"));
    assert!(own("[anthropic:messages:x]").unwrap_err().to_string().contains("anthropic"));
    assert!(
        own("['openai:chat:a', 'openai:chat:b']").unwrap_err().to_string().contains("2 providers")
    );
}

#[test]
fn chats_are_prompts_of_several_messages() {
    let text = "
prompts:
  - '[{\"role\": \"system\", \"content\": \"Be {{mood}}\"}, {\"role\": \"user\", \"content\": \"{{q}}\"}]'
  - '[{\"role\": \"user\", \"content\": {{q | dump}}}]'
tests: [{vars: {q: hi}, assert: [{type: equals, value: a}]}]
";
    let found = problems(text);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("chat"), "{found:?}");
    let good: Vec<&str> = text.lines().filter(|line| !line.contains("dump")).collect();
    let good = good.join("\n");
    let suite = read(&good).unwrap();
    assert_eq!(suite.cases[0].turns[0].messages.len(), 2);
}

#[test]
fn a_template_that_leads_to_itself_is_refused() {
    let text = "
assertionTemplates:
  one: {type: assert-set, assert: [{type: equals, value: a}, {$ref: '#/assertionTemplates/two'}]}
  two: {type: assert-set, assert: [{$ref: '#/assertionTemplates/one'}]}
tests: [{assert: [{$ref: '#/assertionTemplates/one'}]}]
";
    let found = problems(text);
    assert!(found[0].contains("assertionTemplates/one`, which leads to itself"), "{found:?}");
}

#[test]
fn templates_that_double_each_other_are_refused() {
    let level = |level: usize| {
        let next = format!("{{$ref: '#/assertionTemplates/t{}'}}", level + 1);
        format!("  t{level}: {{type: assert-set, assert: [{next}, {next}]}}\n")
    };
    let levels: Vec<String> = (0..14).map(level).collect();
    let text = format!(
        "tests: [{{assert: [{{$ref: '#/assertionTemplates/t0'}}]}}]\nassertionTemplates:\n  t14: \
         {{type: equals, value: a}}\n{}",
        levels.concat()
    );
    let found = problems(&text);
    assert!(found[0].contains("more than 1000"), "{}", found[0]);
}

#[test]
fn what_stands_beside_the_name_of_a_template_counts() {
    let text = "
assertionTemplates:
  like: {type: rouge-n, value: a, threshold: 0.9, weight: 2}
tests: [{assert: [{$ref: '#/assertionTemplates/like', threshold: 0.4, metric: m},
  {$ref: '#/assertionTemplates/like', weight: 3, value: b}]}]
";
    let suite = read(text).unwrap();
    let texts: Vec<String> = suite.cases[0]
        .assert
        .iter()
        .map(|it| serde_json::to_value(it).unwrap().to_string())
        .collect();
    assert_eq!(texts[0], r#"{"metric":"m","rouge-n":{"at_least":0.4,"to":["a"]},"weight":2.0}"#);
    assert_eq!(texts[1], r#"{"rouge-n":{"at_least":0.9,"to":["b"]},"weight":3.0}"#);
}

#[test]
fn more_combinations_than_may_be_are_counted_and_not_made() {
    let list = |count: usize| {
        let items: Vec<String> = (0..count).map(|it| format!("'{it}'")).collect();
        format!("[{}]", items.join(", "))
    };
    let (long, longer) = (list(9_000), list(9_001));
    let text = format!(
        "tests:\n  - vars: {{a: {long}, b: {longer}}}\n    assert: [{{type: equals, value: x}}]\n"
    );
    let found = problems(&text);
    assert!(found[0].contains("81009000 combinations of variables"), "{}", found[0]);
}

#[test]
fn options_that_nobody_knows_are_refused_by_name() {
    let found =
        problems("tests:\n  - options: {prefx: '> '}\n    assert: [{type: equals, value: x}]\n");
    assert!(found[0].contains("`prefx`") && found[0].contains("prefix"), "{found:?}");
    let suite = read(
        "tests:\n  - options: {postprocess: output.a}\n    assert: [{type: equals, value: x}]\n",
    )
    .unwrap();
    assert_eq!(suite.unsupported(&suite.cases[0]).as_deref(), Some("postprocess"));
}
