use serde_json::json;

use super::*;

fn streamed(events: &[Value]) -> Result<Answer, Reply> {
    let mut answer = Answer::default();
    let mut response = Response::new(&mut answer);
    for (number, event) in (1_u64..).zip(events) {
        response.add(&event.to_string(), Duration::from_millis(number))?;
    }
    response.end()?;
    Ok(answer)
}

fn whole(body: &Value) -> Result<Answer, Reply> {
    let mut answer = Answer::default();
    Response::whole(body.to_string().as_bytes(), &mut answer)?;
    Ok(answer)
}

fn usage() -> Value {
    json!({"input_tokens": 30, "input_tokens_details": {"cached_tokens": 20}, "output_tokens": 4,
        "output_tokens_details": {"reasoning_tokens": 1}, "total_tokens": 34})
}

fn output() -> Value {
    json!([
        {"type": "reasoning", "summary": []},
        {"type": "message", "role": "assistant", "content": [
            {"type": "output_text", "text": "It is ", "annotations": []},
            {"type": "output_text", "text": "here"}]},
        {"type": "function_call", "id": "fc1", "call_id": "c1", "name": "find",
            "arguments": "{\"id\":1}", "status": "completed"},
    ])
}

/// The events of that output; the last one tells the response with this `output`.
fn events(output: &Value) -> Vec<Value> {
    let response = json!({"status": "completed", "output": output, "usage": usage()});
    vec![
        json!({"type": "response.created", "response": {"status": "in_progress", "output": []}}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": {"type": "reasoning"}}),
        json!({"type": "response.output_text.delta", "output_index": 1, "content_index": 0, "delta": ""}),
        json!({"type": "response.output_text.delta", "output_index": 1, "content_index": 0, "delta": "It is "}),
        json!({"type": "response.output_text.delta", "output_index": 1, "content_index": 1, "delta": "here"}),
        json!({"type": "response.output_item.added", "output_index": 2, "item":
            {"type": "function_call", "call_id": "c1", "name": "find", "arguments": ""}}),
        json!({"type": "response.function_call_arguments.delta", "output_index": 2, "delta": "{\"i"}),
        json!({"type": "response.function_call_arguments.delta", "output_index": 2, "delta": "d\":1}"}),
        json!({"type": "response.something_new"}),
        json!({"type": "response.completed", "response": response}),
    ]
}

#[test]
fn a_stream_comes_to_what_the_whole_would_be() {
    let whole = whole(&json!({"status": "completed", "error": null, "output": output(),
        "usage": usage()}))
    .unwrap();
    assert_eq!(whole.text, "It is here");
    assert_eq!(whole.usage, Some(Usage { input: 30, output: 4, cached: 20 }));
    assert_eq!(whole.finish_reason.as_deref(), Some("tool_calls"));
    let call = &whole.tool_calls[0];
    assert_eq!((call.id.as_deref(), call.shown().as_str()), (Some("c1"), "find({\"id\":1})"));
    // With the output told once more at the end, and without.
    for output in [output(), json!([]), Value::Null] {
        let streamed = streamed(&events(&output)).unwrap();
        assert_eq!(streamed.first_token, Some(Duration::from_millis(4)), "{output}");
        let streamed = Answer { first_token: None, ..streamed };
        assert_eq!(format!("{streamed:?}"), format!("{whole:?}"), "{output}");
    }
}

#[test]
fn a_refusal_is_one_in_both_ways() {
    let whole = whole(&json!({"output": [{"type": "message", "content": [
        {"type": "refusal", "refusal": "I will not."}]}]}));
    let streamed = streamed(&[
        json!({"type": "response.refusal.delta", "delta": "I will "}),
        json!({"type": "response.refusal.delta", "delta": "not."}),
        json!({"type": "response.completed", "response": {"status": "completed"}}),
    ]);
    for answer in [whole, streamed] {
        let answer = answer.unwrap();
        assert_eq!((answer.refusal.as_deref(), answer.text.as_str()), (Some("I will not."), ""));
    }
}

#[test]
fn what_servers_leave_out_is_done_without() {
    for body in [
        json!({"output": [{"type": "message", "content": "here"}]}),
        json!({"status": null, "output_text": "here"}),
        json!({"status": "completed", "output": [
            {"type": "message", "phase": "commentary", "content": "I look."},
            {"type": "message", "phase": "final_answer", "content": "here"}]}),
    ] {
        let answer = whole(&body).unwrap();
        assert_eq!((answer.text.as_str(), answer.usage), ("here", None), "{body}");
    }
    let object = json!({"output": [{"type": "function_call", "name": "f", "arguments": {"a": 1}}]});
    assert_eq!(whole(&object).unwrap().tool_calls[0].arguments, Ok(json!({"a": 1})));
}

#[test]
fn what_failed_is_lost_and_what_is_no_answer_malformed() {
    let message = json!([{"type": "message", "content": "here"}]);
    for lost in [
        json!({"error": {"code": "server_error", "message": "overloaded"}}),
        json!({"status": "failed", "error": {"message": "overloaded"}, "output": message}),
        json!({"status": "failed", "output": message}),
        json!({"status": "cancelled", "output": message}),
    ] {
        let found = whole(&lost);
        assert!(matches!(found, Err(Reply::Lost(_))), "{lost}: {found:?}");
    }
    let cut = json!({"reason": "max_output_tokens"});
    for malformed in [
        json!("hello"),
        json!([]),
        json!({"choices": [{"message": {"content": "here"}}]}),
        json!({"status": "completed", "output": []}),
        json!({"status": "completed", "output": "here"}),
        json!({"status": "completed", "output": [{"type": "reasoning"}, 7, null]}),
        json!({"status": "completed", "output": [{"type": "message", "content": 7}]}),
        json!({"status": "completed", "output": [{"type": "function_call", "arguments": "{}"}]}),
        json!({"status": "completed", "output": [{"type": "function_call", "name": ""}]}),
        json!({"status": "in_progress", "output": message}),
        json!({"status": 7, "output": message}),
        json!({"status": "incomplete", "incomplete_details": cut, "output": message}),
    ] {
        let found = whole(&malformed);
        assert!(matches!(found, Err(Reply::Malformed(_))), "{malformed}: {found:?}");
    }
}

#[test]
fn a_stream_is_over_only_when_it_says_so() {
    let all = events(&output());
    for length in 0..all.len() {
        let found = streamed(&all[..length]);
        assert!(matches!(found, Err(Reply::Lost(_))), "{length}: {found:?}");
    }
    let ending = |kind: &str, response: Value| {
        let mut all = all[..all.len() - 1].to_vec();
        all.push(json!({"type": format!("response.{kind}"), "response": response}));
        streamed(&all)
    };
    let cut = json!({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}});
    let found = ending("incomplete", cut);
    assert!(
        matches!(&found, Err(Reply::Malformed(it)) if it.contains("content_filter")),
        "{found:?}"
    );
    let failed = json!({"status": "failed", "error": {"message": "overloaded"}});
    let found = ending("failed", failed);
    assert!(matches!(&found, Err(Reply::Lost(it)) if it.contains("overloaded")), "{found:?}");
    assert!(matches!(ending("completed", Value::Null), Err(Reply::Malformed(_))));
}

#[test]
fn an_error_within_a_stream_is_told_in_its_words() {
    for event in [
        json!({"type": "error", "code": "x", "message": "overloaded"}),
        json!({"type": "error", "error": {"message": "overloaded"}}),
        json!({"error": {"message": "overloaded"}}),
    ] {
        let found = streamed(std::slice::from_ref(&event));
        assert!(
            matches!(&found, Err(Reply::Lost(it)) if it.contains("overloaded")),
            "{event}: {found:?}"
        );
    }
    let chunk = json!({"choices": [{"delta": {"content": "here"}}]});
    assert!(matches!(streamed(&[chunk]), Err(Reply::Malformed(_))));
}

#[test]
fn what_it_took_is_told_also_where_it_is_no_answer() {
    let mut answer = Answer::default();
    let body = json!({"status": "incomplete", "usage": usage()}).to_string();
    assert!(Response::whole(body.as_bytes(), &mut answer).is_err());
    assert_eq!(answer.usage, Some(Usage { input: 30, output: 4, cached: 20 }));
    let mut answer = Answer::default();
    let mut response = Response::new(&mut answer);
    let end =
        json!({"type": "response.failed", "response": {"status": "failed", "usage": usage()}});
    response.add(&end.to_string(), Duration::ZERO).unwrap();
    assert!(response.end().is_err());
    assert_eq!(answer.usage, Some(Usage { input: 30, output: 4, cached: 20 }));
}

#[test]
fn an_event_says_how_a_response_ended_that_does_not_say_it_itself() {
    let end = |kind: &str| {
        let mut events = events(&output());
        let last = events.last_mut().unwrap();
        last["type"] = format!("response.{kind}").into();
        last["response"]["status"] = Value::Null;
        streamed(&events)
    };
    assert_eq!(end("completed").unwrap().text, "It is here");
    assert!(matches!(end("incomplete"), Err(Reply::Malformed(_))));
    assert!(matches!(end("failed"), Err(Reply::Lost(_))));
    assert!(matches!(end("cancelled"), Err(Reply::Lost(_))));
}
