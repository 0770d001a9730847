//! Agents that speak the Responses API, whole and streaming, with tools and several turns.

use std::convert::Infallible;
use std::fmt::Write as _;

use bluegreen_core::Verdict;
use bluegreen_validate::prompt::{Agent, Suite};
use bluegreen_validate::{PromptRegression, Value, json};
use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;

use crate::agents::{client, number};
use crate::server::{Answer, Got, Server, answer, with};
use crate::world::{assert_verdict, judge, told, trial};

/// Two turns: a function is called, then its result is told.
const SUITE: &str = r"
agent:
  responses:
    model: agent
    stream: STREAM
    instructions: Be brief, {{ tone }}.
    tools:
      - { type: web_search }
      - type: function
        name: find
        parameters: { type: object, required: [id], properties: { id: { type: integer } } }
    parameters: { temperature: 0 }
rules: { repeats: 1, margin: 0.2, min_cases: 20 }
prices: { input: 1, output: 2 }
defaults: { vars: { tone: please } }
cases:
";

fn suite(stream: bool) -> Suite {
    let mut text = SUITE.replace("STREAM", if stream { "true" } else { "false" });
    for number in 0..40 {
        write!(
            text,
            r#"
  - id: order {number}
    turns:
      - prompt: Where is order {number}?
        assert:
          - tool-calls: {{ mode: exact, calls: [{{ name: find, args: {{ values: {{ id: {number} }} }} }}] }}
          - is-valid-openai-tools-call
          - finish-reason: tool_calls
      - messages: [{{ role: tool, name: find, content: '{{"state": "sent"}}' }}]
        assert: [{{ finish-reason: stop }}]
    assert:
      - equals: Order {number} is sent.
      - tool-count: {{ min: 1, max: 1 }}
      - tokens: {{ total: 30 }}
      - cost: 0.00004
"#
        )
        .unwrap();
    }
    let gate = PromptRegression::from_text("suite.yaml", &text);
    let mut suite = gate.unwrap_or_else(|error| panic!("{error}")).suite().clone();
    if stream {
        let limit = bluegreen_validate::prompt::Check::FirstToken(suite.timeout);
        suite.defaults.assert.push(limit.into());
    }
    suite
}

/// What a request must be like, whatever comes of it.
fn body(got: &Got) -> Value {
    let body: Value = serde_json::from_slice(&got.body).unwrap();
    assert_eq!((&body["model"], &body["temperature"]), (&json!("agent"), &json!(0)));
    assert_eq!(body["instructions"], "Be brief, please.");
    assert_eq!(body["tools"][1]["name"], "find");
    assert_eq!(got.uri.path(), "/v1/responses");
    assert_eq!(got.headers["x-bluegreen-validation"], "prompts");
    body
}

/// The response to this input.
fn response(body: &Value, wrong: bool) -> Value {
    let input = body["input"].as_array().unwrap();
    let number = number(input[0]["content"].as_str().unwrap());
    let item = match input.as_slice() {
        [question] => {
            assert_eq!((&question["type"], &question["role"]), (&json!("message"), &json!("user")));
            let id = if wrong && number.is_multiple_of(2) { number + 1 } else { number };
            json!({"type": "function_call", "id": "fc", "call_id": format!("call-{number}"),
                "name": "find", "arguments": json!({"id": id}).to_string()})
        }
        [_, call, result] => {
            let id = format!("call-{number}");
            assert_eq!(call["type"], "function_call");
            assert_eq!((&call["call_id"], &result["call_id"]), (&json!(id), &json!(id)));
            assert_eq!(result["type"], "function_call_output");
            assert_eq!(result["output"], r#"{"state": "sent"}"#);
            json!({"type": "message", "role": "assistant", "content": [
                {"type": "output_text", "text": format!("Order {number} is sent.")}]})
        }
        other => panic!("{other:?}"),
    };
    let usage = json!({"input_tokens": 10, "input_tokens_details": {"cached_tokens": 8},
        "output_tokens": 5, "total_tokens": 15});
    json!({"id": "r", "status": "completed", "error": null, "usage": usage,
        "output": [{"type": "reasoning", "summary": []}, item]})
}

fn events(response: &Value) -> Vec<String> {
    let item = &response["output"][1];
    let mut events = vec![json!({"type": "response.created", "response": {"status": "queued"}})];
    if let Some(text) = item["content"][0]["text"].as_str() {
        for word in text.split_inclusive(' ') {
            events.push(json!({"type": "response.output_text.delta", "output_index": 1,
                "content_index": 0, "delta": word}));
        }
    } else {
        events.push(json!({"type": "response.function_call_arguments.delta", "output_index": 1,
            "delta": item["arguments"]}));
    }
    events.push(json!({"type": "response.output_item.done", "output_index": 1, "item": item}));
    events.push(json!({"type": "response.completed", "response": response}));
    let named = |event: &Value| format!("event: {}\ndata: {event}\n\n", event["type"]);
    events.iter().map(named).collect()
}

fn streamed(pieces: Vec<String>) -> Answer {
    let frames =
        pieces.into_iter().map(|piece| Ok::<_, Infallible>(Frame::data(Bytes::from(piece))));
    let body = StreamBody::new(futures_util::stream::iter(frames));
    Response::new(BodyExt::boxed(body.map_err(|never| match never {})))
}

async fn agent(stream: bool, wrong: bool) -> Server {
    Server::http(move |got| async move {
        let body = body(&got);
        assert_eq!(body.get("stream"), stream.then_some(&json!(true)));
        let response = response(&body, wrong);
        if stream { streamed(events(&response)) } else { answer(200, response.to_string()) }
    })
    .await
}

/// What comes of a candidate that answers so, beside one that is good.
async fn judged(
    stream: bool,
    bad: impl Fn(Value) -> Answer + Send + Sync + 'static,
) -> bluegreen_core::Judgement {
    let live = agent(stream, false).await;
    let bad = std::sync::Arc::new(bad);
    let idle = Server::http(move |got| {
        let bad = bad.clone();
        async move { bad(response(&body(&got), false)) }
    })
    .await;
    judge(suite(stream), &trial(client(&live), client(&idle))).await
}

#[tokio::test]
async fn conversations_with_functions_are_had_in_both_ways() {
    for stream in [false, true] {
        let (live, idle) = (agent(stream, false).await, agent(stream, false).await);
        let judgement = judge(suite(stream), &trial(client(&live), client(&idle))).await;
        assert_verdict(&judgement, Verdict::Pass);
    }
}

#[tokio::test]
async fn wrong_arguments_of_a_function_fail_the_candidate() {
    for stream in [false, true] {
        let (live, idle) = (agent(stream, false).await, agent(stream, true).await);
        let judgement = judge(suite(stream), &trial(client(&live), client(&idle))).await;
        assert_verdict(&judgement, Verdict::Fail);
        assert!(judgement.evidence[0].found.contains("find({"), "{}", told(&judgement));
    }
}

#[tokio::test]
async fn half_a_stream_is_lost_and_never_a_pass() {
    let judgement = judged(true, |response| {
        let mut events = events(&response);
        events.pop();
        streamed(events)
    })
    .await;
    assert_verdict(&judgement, Verdict::Inconclusive);
    assert!(told(&judgement).contains("broke off"), "{}", told(&judgement));
}

#[tokio::test]
async fn an_incomplete_response_is_a_wrong_answer_and_a_failed_one_none() {
    for stream in [false, true] {
        let ended = move |mut response: Value, status: &'static str, more: Value| {
            response["status"] = status.into();
            for (name, value) in more.as_object().unwrap() {
                response[name] = value.clone();
            }
            let event = json!({"type": format!("response.{status}"), "response": response});
            if stream {
                streamed(vec![format!("data: {event}\n\n")])
            } else {
                answer(200, response.to_string())
            }
        };
        let judgement = judged(stream, move |response| {
            let why = json!({"incomplete_details": {"reason": "max_output_tokens"}});
            ended(response, "incomplete", why)
        })
        .await;
        assert_verdict(&judgement, Verdict::Fail);
        assert!(told(&judgement).contains("max_output_tokens"), "{}", told(&judgement));
        let judgement = judged(stream, move |response| {
            ended(response, "failed", json!({"error": {"message": "the model is away"}}))
        })
        .await;
        assert_verdict(&judgement, Verdict::Inconclusive);
        assert!(told(&judgement).contains("the model is away"), "{}", told(&judgement));
    }
}

#[tokio::test]
async fn an_error_that_comes_as_a_whole_is_no_stream_that_broke_off() {
    let judgement = judged(true, |_| {
        let error = json!({"error": {"message": "no such model"}}).to_string();
        with(answer(200, error), "content-type", "Application/JSON; charset=utf-8")
    })
    .await;
    assert_verdict(&judgement, Verdict::Inconclusive);
    assert!(told(&judgement).contains("no such model"), "{}", told(&judgement));
}

#[tokio::test]
async fn a_stream_without_an_end_is_read_no_further_than_the_limit() {
    let live = agent(true, false).await;
    let idle = Server::http(|_| async {
        let delta = json!({"type": "response.output_text.delta", "delta": "again and "});
        let piece = Bytes::from(format!("data: {delta}\n\n"));
        let frames = futures_util::stream::repeat_with(move || {
            Ok::<_, std::io::Error>(Frame::data(piece.clone()))
        });
        Response::new(BodyExt::boxed(StreamBody::new(frames)))
    })
    .await;
    let mut suite = suite(true);
    suite.max_body = 4096;
    let judgement = judge(suite, &trial(client(&live), client(&idle))).await;
    assert_verdict(&judgement, Verdict::Inconclusive);
    assert!(told(&judgement).contains("more than 4096 bytes"), "{}", told(&judgement));
}

#[test]
fn what_is_wrong_with_the_agent_is_said_at_once() {
    let mut suite = suite(false);
    let Agent::Responses(agent) = &mut suite.agent else { panic!("{:?}", suite.agent) };
    " ".clone_into(&mut agent.model);
    agent.tools.extend([json!({"name": "a"}), json!({"type": "function"})]);
    agent.parameters.insert("background".to_owned(), true.into());
    agent.parameters.insert("previous_response_id".to_owned(), "r".into());
    let problems = PromptRegression::new(suite).problems();
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let all = problems.join("\n");
    for wanted in [
        "agent.responses.model: found an empty name",
        "agent.responses.parameters.background",
        "agent.responses.parameters.previous_response_id",
        "agent.responses.tools[2]",
        "a tool with a name",
    ] {
        assert!(all.contains(wanted), "{wanted}: {all}");
    }
    let typo = SUITE.replace("instructions", "instruction").replace("STREAM", "true");
    let refused = PromptRegression::from_text("suite.yaml", &typo).unwrap_err().to_string();
    assert!(refused.contains("instruction"), "{refused}");
}
