//! Agents of their own kind that stream, as text or as events.

use std::convert::Infallible;

use bluegreen_core::Verdict;
use bluegreen_validate::json;
use bluegreen_validate::prompt::{Assertion, CallMode, Check, Reading, Suite, ToolCallRule};
use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;

use crate::agents::{client, message, number};
use crate::server::{Answer, Server};
use crate::world::{agent, assert_verdict, judge, suite, told, trial};

fn streamed(pieces: Vec<String>) -> Answer {
    let frames = pieces.into_iter().map(|it| Ok::<_, Infallible>(Frame::data(Bytes::from(it))));
    let body = StreamBody::new(futures_util::stream::iter(frames));
    Response::new(BodyExt::boxed(body.map_err(|never| match never {})))
}

fn words(number: usize) -> Vec<String> {
    let text = format!("Your parcel {number} is on its way.");
    text.split_inclusive(' ').map(str::to_owned).collect()
}

/// The suite with a limit for the first token, and answers read in another way.
fn reading(reading: Reading, answer: &str) -> Suite {
    let mut suite = suite(80);
    let mut agent = agent();
    (agent.reading, agent.answer, agent.usage) = (reading, answer.to_owned(), None);
    suite.agent = agent.into();
    let first_token = Check::FirstToken(std::time::Duration::from_secs(30));
    suite.defaults.assert.push(first_token.into());
    suite
}

#[tokio::test]
async fn a_text_that_streams_has_a_first_token() {
    let live = Server::http(|got| async move { streamed(words(number(&message(&got)))) }).await;
    let judgement =
        judge(reading(Reading::Stream, "text"), &trial(client(&live), client(&live))).await;
    assert_verdict(&judgement, Verdict::Pass);
}

/// Events with a word each; the last one has the tools that were called.
async fn telling(calls: bool) -> Server {
    Server::http(move |got| async move {
        let number = number(&message(&got));
        let mut events: Vec<_> =
            words(number).iter().map(|word| json!({"delta": {"text": word}})).collect();
        if calls {
            events.push(json!({"tools": [{"name": "find", "args": {"id": number}}]}));
        }
        streamed(events.iter().map(|event| format!("event: x\r\ndata: {event}\r\n\r\n")).collect())
    })
    .await
}

#[tokio::test]
async fn events_have_words_and_tools_in_them() {
    let mut suite = reading(Reading::Events, "$.delta.text");
    if let bluegreen_validate::prompt::Agent::Http(agent) = &mut suite.agent {
        agent.tool_calls = Some("/tools".to_owned());
    }
    let mut wanted = ToolCallRule::new("find");
    wanted.args = Some(serde_json::from_str(r#"{"values": {}}"#).unwrap());
    let text = json!({"tool-calls": {"mode": CallMode::Exact, "calls": [wanted]}}).to_string();
    suite.defaults.assert.push(serde_json::from_str::<Assertion>(&text).unwrap());
    let (live, mute) = (telling(true).await, telling(false).await);
    let judgement = judge(suite.clone(), &trial(client(&live), client(&live))).await;
    assert_verdict(&judgement, Verdict::Pass);
    let judgement = judge(suite, &trial(client(&live), client(&mute))).await;
    assert_verdict(&judgement, Verdict::Fail);
    assert!(judgement.evidence[0].found.contains("no tool calls"), "{}", told(&judgement));
}
