use serde_json::{Value, json};

use super::*;
use crate::prompt::answer::{ToolCall, Usage};

fn answer(text: &str) -> Answer {
    Answer { text: text.to_owned(), ..Answer::default() }
}

fn calling(calls: &Value) -> Answer {
    let calls = calls.as_array().unwrap().iter();
    Answer { tool_calls: calls.map(|it| ToolCall::read(it).unwrap()).collect(), ..answer("") }
}

fn read(assertion: &Value) -> Assertion {
    serde_json::from_value(assertion.clone()).unwrap()
}

fn of(assertion: &Value, answer: &Answer) -> Outcome {
    let templates = Templates::new(true);
    let ready = Workshop::new(&templates).ready(&read(assertion), &Scope::new()).unwrap();
    let (prices, grades) = (Some(&Prices::new(1.0, 10.0)), &Grades::default());
    ready.assess(answer, &Context { prices, tools: &[], grades, place: 0 })
}

/// Whether it holds; and that its opposite is the opposite.
fn holds(assertion: &Value, answer: &Answer) -> bool {
    let held = match of(assertion, answer) {
        Outcome::Held(_) => true,
        Outcome::Broken(broken) => {
            assert!(!broken.wanted.is_empty() && !broken.found.is_empty(), "{broken:?}");
            false
        }
        Outcome::Unknown(why) => panic!("{assertion}: {why}"),
    };
    let mut entries = assertion.as_object().unwrap().clone();
    let (name, value) = entries.iter().next().map(|(k, v)| (k.clone(), v.clone())).unwrap();
    entries.remove(&name);
    entries.insert(format!("not-{name}"), value);
    let opposite = of(&Value::Object(entries), answer);
    assert_eq!(matches!(opposite, Outcome::Held(_)), !held, "not-{name}: {opposite:?}");
    held
}

#[test]
fn texts_are_looked_at_and_every_check_has_its_opposite() {
    let cases = [
        (json!({"equals": "Paris"}), "Paris", "paris"),
        (json!({"equals": {"a": [1]}}), "{\"a\": [1.0]}", "{\"a\": [1, 2]}"),
        (json!({"equals": 42}), "42", "42.0"),
        (json!({"contains": "Par"}), "in Paris", "in paris"),
        (json!({"contains": 4711}), "no 4711", "no 471"),
        (json!({"icontains": "PAR"}), "in Paris", "in Rome"),
        (json!({"contains-any": ["a", "b"]}), "xb", "xc"),
        (json!({"contains-all": ["a", "b"]}), "ba", "bb"),
        (json!({"icontains-any": ["A", "B"]}), "xb", "xc"),
        (json!({"icontains-all": ["A", "B"]}), "ba", "bb"),
        (json!({"starts-with": "It"}), "It is", "So it is. It"),
        (json!({"ends-with": "."}), "It is.", "It is. It"),
        (json!({"regex": "\\bparcel \\d{4}\\b"}), "a parcel 4711", "a parcel 47111"),
        (json!({"length": {"min": 2, "max": 3}}), "äö", "x"),
        (json!({"word-count": {"max": 2}}), " two  words ", "one two three"),
        (json!({"levenshtein": {"to": "kitten", "at_most": 3}}), "sitting", "flitting"),
        (
            json!({"similar-words": {"to": ["x", "on Tuesday"], "at_least": 1.0}}),
            "On Tuesday",
            "Tue",
        ),
        (json!({"is-refusal": null}), "I\u{2019}m sorry, but no.", "It is on its way."),
        (json!({"is-refusal": null}), " ", "Yes"),
    ];
    for (assertion, good, bad) in cases {
        assert!(holds(&assertion, &answer(good)), "{assertion}: {good}");
        assert!(!holds(&assertion, &answer(bad)), "{assertion}: {bad}");
    }
}

#[test]
fn json_is_looked_at() {
    let schema = json!({"type": "object", "required": ["id"]});
    let cases = [
        (json!({"is-json": null}), " {\"a\": 1} ", "{a: 1}"),
        (json!({"is-json": schema}), "{\"id\": 1}", "{\"name\": 1}"),
        (json!({"is-json": schema}), "{\"id\": 1}", "no JSON"),
        (json!({"contains-json": null}), "so: {\"a\": {\"b\": 1}}!", "so: {a}"),
        (json!({"contains-json": schema}), "{\"x\": 1} and {\"id\": 2}", "{\"x\": {\"id\": 1}}"),
        (json!({"json": {"/a/0": 1, "/b": "x"}}), "{\"a\": [1.0], \"b\": \"x\"}", "{\"a\": [1]}"),
        (json!({"json-present": ["/a"]}), "{\"a\": null}", "[]"),
    ];
    for (assertion, good, bad) in cases {
        assert!(holds(&assertion, &answer(good)), "{assertion}: {good}");
        assert!(!holds(&assertion, &answer(bad)), "{assertion}: {bad}");
    }
}

#[test]
fn tool_calls_are_looked_at() {
    let calls = calling(&json!([
        {"id": "1", "type": "function", "function": {"name": "find", "arguments": "{\"id\": 7}"}},
        {"name": "refund", "args": {"id": 7, "deep": {"a": 1, "b": 2}, "list": [1]}},
    ]));
    let rule = |mode: &str, calls: Value| json!({"tool-calls": {"mode": mode, "calls": calls}});
    let (find, refund) = (json!({"name": "find"}), json!({"name": "ref*"}));
    assert!(holds(&rule("exact", json!([find, refund])), &calls));
    assert!(!holds(&rule("exact", json!([refund, find])), &calls));
    assert!(!holds(&rule("exact", json!([find])), &calls));
    assert!(holds(&rule("unordered", json!([refund, find])), &calls));
    assert!(!holds(&rule("unordered", json!([find, find])), &calls));
    assert!(holds(&rule("superset", json!([refund])), &calls));
    assert!(!holds(&rule("superset", json!([refund, refund])), &calls));
    assert!(holds(&rule("subset", json!([refund, find, find])), &calls));
    assert!(!holds(&rule("subset", json!([find])), &calls));
    assert!(holds(&rule("in_order", json!([find, refund])), &calls));
    assert!(!holds(&rule("in_order", json!([refund, find])), &calls));
    let with = |args: Value| rule("superset", json!([{"name": "refund", "args": args}]));
    assert!(holds(&with(json!({"values": {"id": 7.0, "deep": {"a": 1}}})), &calls));
    assert!(!holds(&with(json!({"values": {"id": 8}})), &calls));
    assert!(!holds(&with(json!({"values": {"list": []}})), &calls));
    assert!(!holds(&with(json!({"values": {"id": 7}, "mode": "exact"})), &calls));
    let exact = json!({"values": {"id": 7}, "mode": "exact", "ignore": ["deep", "list"]});
    assert!(holds(&with(exact), &calls));
    let defaults = json!({"values": {"id": 7, "why": "none"}, "defaults": {"why": "none"}});
    assert!(holds(&with(defaults), &calls));
    assert!(holds(&json!({"tool-count": {"max": 2}}), &calls));
    assert!(!holds(&json!({"tool-count": {"name": "find", "min": 2}}), &calls));
    assert!(holds(&json!({"tool-call-f1": {"names": ["find", "refund"]}}), &calls));
    let two_thirds = json!({"tool-call-f1": {"names": ["find"], "at_least": 0.6}});
    assert!(holds(&two_thirds, &calls));
    assert!(!holds(&json!({"tool-call-f1": {"names": ["find"]}}), &calls));
}

#[test]
fn an_argument_that_is_one_variable_is_what_the_variable_holds() {
    let vars = json!({"id": 7, "who": {"name": "Ada"}, "text": "7"});
    let vars: Scope = serde_json::from_value(vars).unwrap();
    let values = json!({"id": "{{id}}", "who": "{{ who }}", "text": "{{text}}", "said": "#{{id}}"});
    let args = json!({"values": values, "defaults": {"tries": "{{id}}"}, "mode": "exact"});
    let check = json!({"tool-calls": {"calls": [{"name": "find", "args": args}]}});
    let templates = Templates::new(true);
    let ready = Workshop::new(&templates).ready(&read(&check), &vars).unwrap();
    let found = |id: Value| {
        let args = json!({"id": id, "who": {"name": "Ada"}, "text": "7", "said": "#7", "tries": 7});
        let answer = calling(&json!([{"name": "find", "args": args}]));
        let grades = &Grades::default();
        ready.assess(&answer, &Context { prices: None, tools: &[], grades, place: 0 })
    };
    assert!(matches!(found(json!(7)), Outcome::Held(_)), "{:?}", found(json!(7)));
    assert!(matches!(found(json!("7")), Outcome::Broken(_)), "{:?}", found(json!("7")));
}

#[test]
fn offered_tools_are_called_as_they_want() {
    let tools = vec![(
        "find".to_owned(),
        Arc::new(Schema::new(&json!({"type": "object", "required": ["id"]})).unwrap()),
    )];
    let ready = Ready {
        assertion: Arc::new(Check::IsValidOpenaiToolsCall.into()),
        pattern: None,
        schema: None,
        set: Vec::new(),
        is_constant: false,
    };
    let grades = &Grades::default();
    let context = Context { prices: None, tools: &tools, grades, place: 0 };
    let held = |calls: Value| matches!(ready.assess(&calling(&calls), &context), Outcome::Held(_));
    assert!(held(json!([{"function": {"name": "find", "arguments": "{\"id\": 1}"}}])));
    assert!(!held(json!([{"function": {"name": "find", "arguments": "{\"no\": 1}"}}])));
    assert!(!held(json!([{"function": {"name": "find", "arguments": "{\"id\": "}}])));
    assert!(!held(json!([{"function": {"name": "other", "arguments": "{}"}}])));
    assert!(!held(json!([])));
}

#[test]
fn what_an_answer_took_is_looked_at() {
    let mut it = answer("x");
    it.total = std::time::Duration::from_millis(900);
    it.first_token = Some(std::time::Duration::from_millis(100));
    it.usage = Some(Usage { input: 1000, output: 100, cached: 0 });
    it.finish_reason = Some("STOP".to_owned());
    assert!(holds(&json!({"latency": "900ms"}), &it));
    assert!(!holds(&json!({"latency": "899ms"}), &it));
    assert!(holds(&json!({"first-token": "1s"}), &it));
    assert!(!holds(&json!({"tokens": {"total": 1099}}), &it));
    assert!(holds(&json!({"tokens": {"input": 1000, "output": 100}}), &it));
    assert!(holds(&json!({"cost": 0.002}), &it));
    assert!(!holds(&json!({"cost": 0.0019}), &it));
    assert!(holds(&json!({"finish-reason": "stop"}), &it));
}

#[test]
fn what_the_model_had_read_before_has_a_price_of_its_own() {
    let usage = |value| Usage::read(&value).unwrap();
    let openai = json!({"prompt_tokens": 1000, "completion_tokens": 100,
        "prompt_tokens_details": {"cached_tokens": 800}});
    let responses = json!({"input_tokens": 1000, "output_tokens": 100,
        "input_tokens_details": {"cached_tokens": 800}});
    let beside = json!({"input_tokens": 150, "output_tokens": 100,
        "cache_read_input_tokens": 800, "cache_creation_input_tokens": 50});
    for told in [openai, responses, beside] {
        let usage = usage(told);
        assert_eq!(usage, Usage { input: 1000, output: 100, cached: 800 });
        let prices = Prices::new(1.0, 10.0);
        assert!((usage.cost(&prices) - 0.002).abs() < 1e-12, "at one price");
        assert!((usage.cost(&prices.cached(0.5)) - 0.0016).abs() < 1e-12, "at its own");
    }
    let more = json!({"prompt_tokens": 10, "completion_tokens": 1,
        "prompt_tokens_details": {"cached_tokens": 99}});
    assert_eq!(usage(more).cached, 10, "no more than were read");
}

#[test]
fn what_cannot_be_told_is_unknown_also_under_not() {
    let unsupported = Check::Unsupported(crate::prompt::suite::Unsupported {
        kind: "javascript".to_owned(),
        settings: std::collections::BTreeMap::new(),
    });
    let checks = [
        Check::FirstToken(std::time::Duration::from_secs(1)),
        Check::Cost(1.0),
        Check::Tokens(crate::prompt::suite::TokenLimits::default()),
        unsupported,
    ];
    let templates = Templates::new(true);
    for check in checks {
        for assertion in [Assertion::from(check.clone()), Assertion::from(check).negated()] {
            let ready = Workshop::new(&templates).ready(&assertion, &Scope::new()).unwrap();
            let grades = &Grades::default();
            let context = Context { prices: None, tools: &[], grades, place: 0 };
            let outcome = ready.assess(&answer("x"), &context);
            assert!(matches!(outcome, Outcome::Unknown(_)), "{assertion:?}: {outcome:?}");
        }
    }
}

#[test]
fn scores_are_weighed() {
    let held = || Outcome::Held(1.0);
    let broken =
        |score| Outcome::Broken(Broken { score, wanted: "w".to_owned(), found: "f".to_owned() });
    let unknown = || Outcome::Unknown("?".to_owned());
    let passes =
        |all: &[(f64, Outcome)], threshold| matches!(together(all, threshold), Outcome::Held(_));
    assert!(passes(&[(1.0, held()), (2.0, held())], None));
    assert!(!passes(&[(1.0, held()), (0.1, broken(0.9))], None));
    assert!(passes(&[(1.0, held()), (0.0, broken(0.0))], None));
    assert!(passes(&[(3.0, held()), (1.0, broken(0.0))], Some(0.75)));
    assert!(!passes(&[(3.0, held()), (1.01, broken(0.0))], Some(0.75)));
    // Nothing that weighs is nothing that could fail.
    assert!(matches!(together(&[(0.0, held())], None), Outcome::Unknown(_)));
    assert!(matches!(together(&[], None), Outcome::Unknown(_)));
    // One that is broken is broken whatever else is not known; otherwise it is not known.
    assert!(matches!(together(&[(1.0, unknown()), (1.0, broken(0.0))], None), Outcome::Broken(_)));
    assert!(matches!(together(&[(1.0, unknown()), (1.0, held())], None), Outcome::Unknown(_)));
    assert!(matches!(together(&[(1.0, unknown()), (9.0, held())], Some(0.1)), Outcome::Unknown(_)));
}

#[test]
fn sets_count_as_one_and_can_be_negated() {
    let set = |threshold: f64| json!({"assert-set": {"threshold": threshold, "assert": [{"contains": "a"}, {"contains": "b"}]}});
    assert!(holds(&set(0.5), &answer("a")));
    assert!(!holds(&set(0.6), &answer("a")));
}

#[test]
fn an_assertion_reads_back_what_it_wrote() {
    for text in [
        json!({"not-contains": "a", "weight": 2.0}),
        json!({"is-refusal": null}),
        json!({"is-json": {"type": "object"}, "metric": "m"}),
        json!({"assert-set": {"assert": [{"latency": "1s"}], "threshold": 0.5}}),
        json!({"tool-calls": {"mode": "exact", "calls": [{"name": "a"}]}}),
    ] {
        let assertion = read(&text);
        assert_eq!(serde_json::to_value(&assertion).unwrap(), text);
        assert_eq!(read(&serde_json::to_value(&assertion).unwrap()), assertion);
    }
    assert_eq!(read(&json!("not-is-json")), Assertion::from(Check::IsJson(None)).negated());
}

#[test]
fn what_is_no_assertion_is_refused_by_name() {
    let refused = |text: &Value| serde_json::from_value::<Assertion>(text.clone()).unwrap_err();
    let unknown = refused(&json!({"contain": "a"})).to_string();
    assert!(unknown.contains("`contain`") && unknown.contains("`contains`"), "{unknown}");
    assert!(refused(&json!({"contains": "a", "equals": "b"})).to_string().contains("equals"));
    assert!(refused(&json!({"weight": 1})).to_string().contains("no check"));
    assert!(
        refused(&json!({"unsupported": {"kind": "javascript"}}))
            .to_string()
            .contains("unsupported")
    );
    assert!(
        refused(&json!({"levenshtein": {"to": "a", "atmost": 1}})).to_string().contains("atmost")
    );
}

#[test]
fn what_is_too_long_to_be_told_is_unknown_also_under_not() {
    let long = "a".repeat(30_000);
    let empty = "{\"id\": 1} ".repeat(101);
    let braces = "{".repeat(1001);
    // It takes the engine too many steps.
    let slow = json!({"type": "object", "properties": {"a": {"pattern": "^(a|aa)+(?!x)b$"}}});
    let steps = json!({"a": "a".repeat(60) + "c"}).to_string();
    // It would take the engine long in a few steps.
    let look = json!({"properties": {"a": {"type": "string", "pattern": "(?=.*one)(?=.*two)"}}});
    let looked = json!({"a": "a".repeat(20_000), "b": "b".repeat(20_000)}).to_string();
    let named = json!({"patternProperties": {"(?=.*one)(?=.*two)": false}});
    let long_name = json!({"a".repeat(40_000): 1}).to_string();
    let cases = [
        (json!({"levenshtein": {"to": "b".repeat(30_000), "at_most": 30_000}}), long.as_str()),
        (json!({"contains-json": {"required": ["x"]}}), empty.as_str()),
        (json!({"contains-json": null}), braces.as_str()),
        (json!({"is-json": slow}), steps.as_str()),
        (json!({"is-json": {"anyOf": [slow]}}), steps.as_str()),
        (json!({"is-json": {"not": slow}}), steps.as_str()),
        (json!({"is-json": {"if": slow, "then": false}}), steps.as_str()),
        (json!({"contains-json": slow}), steps.as_str()),
        (json!({"is-json": look}), looked.as_str()),
        (json!({"contains-json": {"anyOf": [look]}}), looked.as_str()),
        (json!({"is-json": named}), long_name.as_str()),
    ];
    for (assertion, text) in cases {
        let (name, value) = assertion.as_object().unwrap().iter().next().unwrap();
        for assertion in [json!({name: value}), json!({format!("not-{name}"): value})] {
            let outcome = of(&assertion, &answer(text));
            assert!(matches!(outcome, Outcome::Unknown(_)), "{assertion}: {outcome:?}");
        }
    }
    // What is known all the same: lengths alone may tell, and one object that fits is enough.
    assert!(!holds(&json!({"levenshtein": {"to": "a", "at_most": 5}}), &answer(&long)));
    assert!(holds(&json!({"contains-json": {"required": ["id"]}}), &answer(&empty)));
    assert!(!holds(&json!({"is-json": look}), &answer(r#"{"a": "one"}"#)));
    let plain = json!({"properties": {"a": {"pattern": r"^[\w-]*$"}}});
    assert!(holds(&json!({"is-json": plain}), &answer(&looked)));
}
