//! Pods that cannot be reached, or are not there: no data is never a pass.

use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use bluegreen_core::{
    AgentClient, AnswerBody, Error, ErrorKind, MockAgentClient, PodRef, Result, Target, Validator,
    Verdict,
};
use bluegreen_validate::{Request, Smoke, SmokeConfig};
use bytes::Bytes;
use futures_util::FutureExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::loopback::Loopback;
use crate::scripted::{Script, Scripted};
use crate::server::{Server, answer};
use crate::world::{judge, only, pod, trial};

async fn good() -> Server {
    Server::http(|_| async { answer(200, "ok") }).await
}

#[tokio::test]
async fn no_ready_pods_are_inconclusive() {
    let judgement = judge(Smoke::get("/"), Loopback::at([])).await;
    assert_eq!(judgement.verdict, Verdict::Inconclusive);
    assert_eq!(only(&judgement).to_string(), "smoke: wanted at least one ready pod, found none");
}

#[tokio::test]
async fn no_requests_are_an_error() {
    let server = good().await;
    let smoke = Smoke::new(SmokeConfig::default());
    let error = smoke.judge(&trial(Loopback::to([&server]))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert!(error.chain().contains("smoke, requests: found 0, wanted 1 to 100"), "{error:?}");
}

#[tokio::test]
async fn a_ready_pod_that_refuses_connections_is_a_fail() {
    let server = good().await;
    let client = Loopback::at([server.address, Server::nowhere().await, server.address]);
    let judgement = judge(Smoke::get("/"), client).await;
    assert_eq!(judgement.verdict, Verdict::Fail);
    assert_eq!(judgement.summary, "1 difference in 1 of 3 pods");
    let finding = only(&judgement);
    assert_eq!((finding.subject.as_str(), &*finding.wanted), ("pod agent-green-1", "an answer"));
    assert!(finding.found.contains("connect to the pod: unavailable"), "{}", finding.found);
}

#[tokio::test]
async fn a_pod_that_has_ended_meanwhile_is_inconclusive() {
    let server = good().await;
    let addresses = [server.address, Server::nowhere().await];
    let client = Loopback::at(addresses).then_ready(vec![pod(0)]);
    let judgement = judge(Smoke::get("/"), client).await;
    assert_eq!(judgement.verdict, Verdict::Inconclusive);
    assert_eq!(only(&judgement).subject, "pod agent-green-1");
    // What another pod did wrong still counts, and comes first.
    let bad = Server::http(|_| async { answer(500, "") }).await;
    let addresses = [Server::nowhere().await, bad.address];
    let client = Loopback::at(addresses).then_ready(vec![pod(1)]);
    let judgement = judge(Smoke::get("/"), client).await;
    assert_eq!(judgement.verdict, Verdict::Fail);
    assert_eq!(judgement.summary, "1 difference in 1 of 2 pods");
    assert_eq!(judgement.evidence[0].subject, "pod agent-green-1");
}

#[tokio::test]
async fn what_a_pod_did_wrong_before_it_ended_counts() {
    let server = Server::raw(|mut stream| async move {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.unwrap();
        if head.ends_with(b"/bad ") {
            let answer = b"HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(answer).await.unwrap();
        }
    })
    .await;
    let client = Loopback::to([&server]).then_ready(Vec::new());
    let judgement = judge(Smoke::get("/bad").and(Request::get("/end")), client).await;
    assert_eq!(judgement.verdict, Verdict::Fail);
    assert_eq!(judgement.summary, "1 difference in 1 of 1 pod");
    assert_eq!(judgement.evidence.len(), 2);
    assert_eq!(judgement.evidence[0].asked, "GET /bad");
}

#[tokio::test]
async fn when_no_pod_can_be_reached_it_cannot_be_told() {
    let client = Loopback::at([Server::nowhere().await, Server::nowhere().await]);
    let error = Smoke::get("/").judge(&trial(client)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.action(), "smoke: reach any of 2 ready pods of the candidate");
    assert!(error.chain().contains("pod agent-green-0, GET /: wanted an answer"), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn when_no_pod_answers_in_time_it_cannot_be_told() {
    let begin = tokio::time::Instant::now();
    let client = Scripted::new(3, |_, _, _| Script::after(60_000));
    let error = Smoke::get("/").judge(&trial(client)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.chain().contains("wanted a whole answer within 10s, found no answer"));
    assert_eq!(begin.elapsed(), Duration::from_secs(10));
}

#[tokio::test]
async fn an_error_of_the_list_is_the_error() {
    let mut client = MockAgentClient::new();
    client.expect_pods().returning(|| Err(Error::new(ErrorKind::Rejected, "list pods")));
    let error = Smoke::get("/").judge(&trial(client)).await.unwrap_err();
    assert_eq!((error.kind(), error.action()), (ErrorKind::Rejected, "list pods"));
}

struct Hanging;

#[async_trait]
impl AgentClient for Hanging {
    async fn pods(&self) -> Result<Vec<PodRef>> {
        std::future::pending().await
    }

    async fn send(
        &self,
        _: &Target,
        _: http::Request<Bytes>,
    ) -> Result<http::Response<AnswerBody>> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_that_hangs_is_given_up() {
    let smoke = Smoke::get("/").timeout(Duration::from_secs(3));
    let error = smoke.judge(&trial(Hanging)).await.unwrap_err();
    let chain = "list the candidate's ready pods: unavailable: no answer within 3s";
    assert_eq!(error.chain(), chain);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_twice() {
    let client = Scripted::new(2, |_, request, _| Script {
        refused: request.uri() == "/refused",
        status: 500,
        ..Script::after(1)
    });
    let seen = client.seen.clone();
    let judgement = judge(Smoke::get("/refused").and(Request::get("/bad")), client).await;
    assert_eq!(judgement.verdict, Verdict::Fail);
    assert_eq!(seen.sent.load(Ordering::SeqCst), 4);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_look_leaves_nothing_open() {
    let client = Scripted::new(3, |_, _, _| Script::after(1000));
    let seen = client.seen.clone();
    let trial = trial(client);
    let smoke = Smoke::get("/").and(Request::get("/two"));
    let mut look = smoke.judge(&trial);
    // The list of pods is there at once, so one poll sends everything.
    assert!((&mut look).now_or_never().is_none());
    assert_eq!(seen.open.load(Ordering::SeqCst), 6);
    drop(look);
    assert_eq!(seen.open.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn evidence_of_many_pods_is_bounded() {
    let bad = |_: &PodRef, _: &http::Request<Bytes>, _| Script { status: 500, ..Script::after(1) };
    let judgement = judge(Smoke::get("/"), Scripted::new(200, bad)).await;
    assert_eq!(judgement.summary, "200 differences in 200 of 200 pods");
    assert_eq!(judgement.evidence.len(), 51);
    assert_eq!(judgement.evidence[50].found, "150 more findings like these, left out here");
}
