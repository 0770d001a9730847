//! Agents that speak chat completions, whole and streaming, with tools and several turns.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bluegreen_core::Verdict;
use bluegreen_validate::prompt::{OpenAiAgent, Suite};
use bluegreen_validate::{PromptRegression, Value, json};
use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;

use crate::agents::client;
use crate::server::{Answer, Got, Server, answer};
use crate::world::{assert_verdict, judge, told, trial};

/// So many cases of two turns: a tool is called, then its result is told.
const SUITE: &str = r"
agent:
  openai:
    model: agent
    stream: STREAM
    system: Be brief, {{ tone }}.
    headers: { authorization: Bearer sk-of-the-suite }
    parameters:
      temperature: 0
      tools:
        - type: function
          function:
            name: find
            parameters: { type: object, required: [id], properties: { id: { type: integer } } }
rules: { repeats: 1, margin: 0.2, min_cases: 20 }
prices: { input: 1, output: 2 }
defaults: { vars: { tone: please } }
cases:
";

fn suite(stream: bool) -> Suite {
    let head = SUITE.replace("STREAM", if stream { "true" } else { "false" });
    let cases: Vec<String> = (0..40).map(|number| case(number, stream)).collect();
    let text = head + &cases.concat();
    PromptRegression::from_text("suite.yaml", &text)
        .unwrap_or_else(|error| panic!("{error}"))
        .suite()
        .clone()
}

fn case(number: u32, stream: bool) -> String {
    let first_token = if stream { "      - first-token: 30s\n" } else { "" };
    format!(
        r#"
  - id: order {number}
    vars: {{ order: {number} }}
    turns:
      - prompt: Where is order {{{{order}}}}?
        assert:
          - tool-calls: {{ mode: exact, calls: [{{ name: find, args: {{ values: {{ id: {number} }} }} }}] }}
          - is-valid-openai-tools-call
          - finish-reason: tool_calls
      - messages: [{{ role: tool, name: find, content: '{{"state": "sent"}}' }}]
        assert: [{{ tool-count: {{ max: 0 }} }}]
    assert:
      - equals: Order {{{{order}}}} is sent.
      - tool-count: {{ min: 1, max: 1 }}
      - tokens: {{ total: 30 }}
      - cost: 0.00004
      - latency: 30s
{first_token}"#
    )
}

/// What the agent says to these messages, and which tools it calls.
fn turn(body: &Value, wrong: bool) -> (Option<String>, Option<Value>) {
    let messages = body["messages"].as_array().unwrap();
    let asked = messages[1]["content"].as_str().unwrap();
    let number: u64 =
        asked.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap();
    let last = messages.last().unwrap();
    if last["role"] == "tool" {
        let before = &messages[messages.len() - 2];
        assert_eq!(last["tool_call_id"], before["tool_calls"][0]["id"], "{messages:?}");
        return (Some(format!("Order {number} is sent.")), None);
    }
    assert_eq!(messages[0], json!({"role": "system", "content": "Be brief, please."}));
    let id = if wrong && number.is_multiple_of(2) { number + 1 } else { number };
    let function = json!({"name": "find", "arguments": json!({"id": id}).to_string()});
    (
        None,
        Some(
            json!([{"index": 0, "id": format!("call-{number}"), "type": "function", "function": function}]),
        ),
    )
}

fn whole(body: &Value, wrong: bool) -> Answer {
    let (content, calls) = turn(body, wrong);
    let reason = if calls.is_some() { "tool_calls" } else { "stop" };
    let message = json!({"role": "assistant", "content": content, "tool_calls": calls});
    let usage = json!({"prompt_tokens": 10, "completion_tokens": 5});
    answer(
        200,
        json!({"choices": [{"message": message, "finish_reason": reason}], "usage": usage})
            .to_string(),
    )
}

fn streamed(body: &Value, wrong: bool, whole: bool) -> Answer {
    let (content, calls) = turn(body, wrong);
    let reason = if calls.is_some() { "tool_calls" } else { "stop" };
    let mut events = vec![json!({"choices": [{"delta": {"role": "assistant", "content": ""}}]})];
    for word in content.iter().flat_map(|text| text.split_inclusive(' ')) {
        events.push(json!({"choices": [{"delta": {"content": word}}]}));
    }
    if let Some(calls) = calls {
        events.push(json!({"choices": [{"delta": {"tool_calls": calls}}]}));
    }
    if whole {
        events.push(json!({"choices": [{"delta": {}, "finish_reason": reason}]}));
        events.push(json!({"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 5}}));
    }
    let mut pieces: Vec<String> = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    if whole {
        pieces.push("data: [DONE]\n\n".to_owned());
    }
    let frames =
        pieces.into_iter().map(|piece| Ok::<_, Infallible>(Frame::data(Bytes::from(piece))));
    let body = StreamBody::new(futures_util::stream::iter(frames));
    Response::new(BodyExt::boxed(body.map_err(|never| match never {})))
}

fn body(got: &Got) -> Value {
    let body: Value = serde_json::from_slice(&got.body).unwrap();
    assert_eq!((&body["model"], &body["temperature"]), (&json!("agent"), &json!(0)));
    assert_eq!(got.uri.path(), "/v1/chat/completions");
    assert_eq!(got.headers["x-bluegreen-validation"], "prompts");
    body
}

async fn agent(stream: bool, wrong: bool) -> Server {
    Server::http(move |got| async move {
        let body = body(&got);
        assert_eq!(
            body["stream"],
            json!(stream).as_bool().filter(|it| *it).map_or(Value::Null, Value::from)
        );
        if stream { streamed(&body, wrong, true) } else { whole(&body, wrong) }
    })
    .await
}

#[tokio::test]
async fn conversations_with_tools_are_had_in_both_ways() {
    for stream in [false, true] {
        let (live, idle) = (agent(stream, false).await, agent(stream, false).await);
        let judgement = judge(suite(stream), &trial(client(&live), client(&idle))).await;
        assert_verdict(&judgement, Verdict::Pass);
    }
}

#[tokio::test]
async fn wrong_arguments_of_a_tool_fail_the_candidate() {
    let (live, idle) = (agent(true, false).await, agent(true, true).await);
    let judgement = judge(suite(true), &trial(client(&live), client(&idle))).await;
    assert_verdict(&judgement, Verdict::Fail);
    assert!(judgement.evidence[0].found.contains("find({"), "{}", told(&judgement));
}

#[tokio::test]
async fn half_a_stream_is_lost_and_never_a_pass() {
    let live = agent(true, false).await;
    let idle = Server::http(|got| async move { streamed(&body(&got), false, false) }).await;
    let judgement = judge(suite(true), &trial(client(&live), client(&idle))).await;
    assert_verdict(&judgement, Verdict::Inconclusive);
    assert!(told(&judgement).contains("broke off"), "{}", told(&judgement));
}

#[tokio::test]
async fn a_secret_that_an_answer_repeats_is_not_told() {
    let seen = Arc::new(Mutex::new(false));
    let told_back = seen.clone();
    let live = agent(false, false).await;
    let idle = Server::http(move |got| {
        let seen = told_back.clone();
        async move {
            let key = got.headers["authorization"].to_str().unwrap().to_owned();
            *seen.lock().unwrap() = key.contains("sk-of-the-suite");
            let message = json!({"content": format!("You sent {key}")});
            answer(200, json!({"choices": [{"message": message}]}).to_string())
        }
    })
    .await;
    let judgement = judge(suite(false), &trial(client(&live), client(&idle))).await;
    assert_verdict(&judgement, Verdict::Fail);
    assert!(*seen.lock().unwrap());
    let state = String::from_utf8_lossy(judgement.state.as_ref().unwrap()).into_owned();
    for text in [told(&judgement), state, format!("{:?}", OpenAiAgent::new("m"))] {
        assert!(!text.contains("of-the-suite"), "{text}");
    }
}
