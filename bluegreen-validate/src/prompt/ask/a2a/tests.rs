use serde_json::json;

use super::*;

fn read(results: &[Value], streams: bool) -> Result<Answer, Reply> {
    let mut answer = Answer::default();
    let mut course = Course::new(&mut answer);
    for (number, result) in (1_u64..).zip(results) {
        let text = json!({"jsonrpc": "2.0", "id": 1, "result": result}).to_string();
        course.add(text.as_bytes(), streams.then(|| Duration::from_millis(number)))?;
    }
    course.end()?;
    Ok(answer)
}

fn text(text: &str) -> Value {
    json!([{"kind": "text", "text": text}])
}

#[test]
fn a_message_is_an_answer_in_both_versions() {
    let new = json!({"message": {"messageId": "m", "role": "ROLE_AGENT", "contextId": "c",
        "parts": [{"text": "It is"}, {"text": "here"}]}});
    let old = json!({"kind": "message", "messageId": "m", "role": "agent", "contextId": "c",
        "parts": [{"kind": "text", "text": "It is"}, {"kind": "text", "text": "here"}]});
    for result in [new, old] {
        let answer = read(&[result], false).unwrap();
        assert_eq!(
            (answer.text.as_str(), answer.finish_reason.as_deref()),
            ("It is\nhere", Some("message"))
        );
        assert_eq!(answer.thread, Some(Thread { context: Some("c".to_owned()), task: None }));
        assert_eq!(answer.first_token, None);
    }
}

#[test]
fn a_task_is_its_artifacts_and_then_what_it_says() {
    let artifacts = json!([{"artifactId": "a", "parts": [{"text": "It is "}, {"text": "here"}]},
        {"artifactId": "b", "parts": [{"text": "and there"}, {"data": {"a": 1}}]}]);
    let status =
        json!({"state": "TASK_STATE_COMPLETED", "message": {"parts": [{"text": "and there"}]}});
    let task =
        json!({"task": {"id": "t", "contextId": "c", "status": status, "artifacts": artifacts}});
    let answer = read(&[task], false).unwrap();
    assert_eq!(answer.text, "It is here\nand there");
    assert_eq!(answer.thread.unwrap().task, None);
    let asks = json!({"kind": "task", "id": "t", "contextId": "c", "status":
        {"state": "input-required", "message": {"parts": text("Which one?")}}});
    let answer = read(&[asks], false).unwrap();
    assert_eq!(answer.text, "Which one?");
    assert_eq!(answer.thread.unwrap().task.as_deref(), Some("t"));
    let history =
        json!([{"role": "user", "parts": text("a")}, {"role": "agent", "parts": text("b")}]);
    let old = json!({"id": "t", "status": {"state": "completed"}, "history": history});
    assert_eq!(read(&[old], false).unwrap().text, "b");
    let data = json!({"id": "t", "status": {"state": "completed"}, "artifacts":
        [{"parts": [{"data": {"a": 1}}]}]});
    assert_eq!(read(&[data], false).unwrap().json, Some(json!({"a": 1})));
}

/// A stream in the words of 1.0, or of 0.3.
fn stream(is_new: bool) -> Vec<Value> {
    let state = |state: &str| {
        if is_new { format!("TASK_STATE_{}", state.to_uppercase()) } else { state.to_owned() }
    };
    let wrap = |name: &str, kind: &str, mut it: Value| {
        if is_new {
            json!({name: it})
        } else {
            it["kind"] = kind.into();
            it
        }
    };
    let status = |name: &str, message: Value| {
        let status = json!({"state": state(name), "message": message});
        wrap(
            "statusUpdate",
            "status-update",
            json!({"taskId": "t", "contextId": "c", "status": status}),
        )
    };
    let piece = |text: &str, append: bool| {
        let artifact = json!({"artifactId": "a", "parts": [{"text": text}]});
        wrap(
            "artifactUpdate",
            "artifact-update",
            json!({"taskId": "t", "artifact": artifact, "append": append}),
        )
    };
    vec![
        wrap(
            "task",
            "task",
            json!({"id": "t", "contextId": "c", "status": {"state": state("submitted")}}),
        ),
        status("working", json!({"parts": [{"text": "I look."}]})),
        piece("", false),
        piece("It is ", false),
        piece("here", true),
        status("completed", Value::Null),
    ]
}

#[test]
fn a_stream_comes_to_its_artifacts_and_is_over_only_when_the_task_is() {
    for is_new in [false, true] {
        let all = stream(is_new);
        let answer = read(&all, true).unwrap();
        assert_eq!(
            (answer.text.as_str(), answer.finish_reason.as_deref()),
            ("It is here", Some("completed"))
        );
        assert_eq!(answer.first_token, Some(Duration::from_millis(4)));
        for length in 0..all.len() {
            let found = read(&all[..length], true);
            assert!(matches!(found, Err(Reply::Lost(_))), "{length}: {found:?}");
        }
    }
}

#[test]
fn what_failed_is_lost_and_what_is_no_answer_malformed() {
    let task = |state: &str| {
        json!({"task": {"id": "t", "status": {"state": state,
        "message": {"parts": [{"text": "so it is"}]}}}})
    };
    for state in ["TASK_STATE_FAILED", "failed", "TASK_STATE_CANCELED", "TASK_STATE_AUTH_REQUIRED"]
    {
        let found = read(&[task(state)], false);
        assert!(matches!(&found, Err(Reply::Lost(why)) if why.contains("so it is")), "{found:?}");
    }
    for malformed in [
        task("TASK_STATE_REJECTED"),
        task("TASK_STATE_UNSPECIFIED"),
        task("done"),
        json!({}),
        json!({"task": {"id": "t"}}),
        json!({"task": {"id": "t", "status": {"state": 7}}}),
        json!({"task": {"id": "t", "status": {"state": "completed"}}}),
        json!({"task": {"id": "t", "status": {"state": "completed"}, "artifacts": "here"}}),
        json!({"task": {"id": "t", "status": {"state": "completed"}, "artifacts": [{"parts": 7}]}}),
        json!({"message": {"parts": []}}),
        json!({"message": {"role": "ROLE_AGENT"}}),
        json!({"artifactUpdate": {"artifact": null}}),
    ] {
        let found = read(std::slice::from_ref(&malformed), false);
        assert!(matches!(found, Err(Reply::Malformed(_))), "{malformed}: {found:?}");
    }
    let mut answer = Answer::default();
    let mut course = Course::new(&mut answer);
    let error = course.add(br#"{"error":{"code":-32603,"message":"away"}}"#, None);
    assert!(matches!(&error, Err(Reply::Lost(why)) if why.contains("away")), "{error:?}");
    for text in ["hello", "[]", r#"{"result":"here"}"#] {
        let found = course.add(text.as_bytes(), None);
        assert!(matches!(found, Err(Reply::Malformed(_))), "{text}: {found:?}");
    }
}

#[test]
fn parts_that_can_not_be_read_are_no_answer() {
    let message = |parts: Value| json!({"message": {"role": "ROLE_AGENT", "parts": parts}});
    let files = message(json!([{"file": {"uri": "https://example.com/a"}}]));
    let many: Vec<Value> = (0..1001).map(|number| json!({"data": {"a": number}})).collect();
    let artifacts: Vec<Value> = (0..1001)
        .map(|number| {
            let artifact = json!({"artifactId": number.to_string(), "parts": [{"text": "a"}]});
            json!({"artifactUpdate": {"taskId": "t", "artifact": artifact}})
        })
        .collect();
    for results in [vec![files], vec![message(many.into())], artifacts] {
        let found = read(&results, true);
        assert!(matches!(found, Err(Reply::Malformed(_))), "{found:?}");
    }
}
