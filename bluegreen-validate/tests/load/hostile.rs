//! Whatever an agent answers, it ends in time and is never taken for nothing in hand.

use std::time::Duration;

use bluegreen_core::{Color, Load};
use bluegreen_validate::PodLoad;
use futures_util::FutureExt as _;

use crate::GAUGE;
use crate::pods::ports;
use crate::server::{Does, Server};

async fn why(does: Does) -> String {
    let good = Server::start(Does::gauge("0")).await;
    let bad = Server::start(does).await;
    let load = PodLoad::metrics(&ports([good.name(), bad.name()]), "/metrics", [GAUGE])
        .timeout(Duration::from_millis(300))
        .max_body(100_000);
    let begun = std::time::Instant::now();
    let error = load.in_flight(Color::Blue).await.unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(20), "it has to end");
    let why = error.chain();
    assert!(why.contains("count what slot blue has in hand at 1 of 2 pods"), "{why}");
    why
}

#[tokio::test]
async fn an_answer_without_end_is_read_no_further() {
    assert!(why(Does::GoesOn).await.contains("it is longer than 100000 bytes"));
    let long = "# a comment\n".repeat(10_000) + "agent_inflight_requests 0\n";
    let long = Does::Says(200, "text/plain", long.into());
    assert!(why(long).await.contains("it is longer than 100000 bytes"));
}

#[tokio::test]
async fn an_answer_that_never_comes_is_not_waited_for() {
    assert!(why(Does::Hangs).await.contains("no whole answer in 300ms"));
}

#[tokio::test]
async fn an_answer_that_drips_is_not_waited_for() {
    for begun in [
        "",
        "HTTP/1.1 200 x\r\nx-slow: ",
        "HTTP/1.1 200 x\r\ncontent-length: 90000\r\n\r\nagent_inflight_requests 0\n# ",
    ] {
        // What is no HTTP at its first byte is given up sooner.
        let why = why(Does::Drips(begun)).await;
        assert!(begun.is_empty() || why.contains("no whole answer in 300ms"), "{why}");
    }
}

#[tokio::test]
async fn what_stands_around_an_answer_is_bounded_too() {
    let chunked = "HTTP/1.1 200 x\r\ntransfer-encoding: chunked\r\n\r\n";
    why(Does::Repeats("HTTP/1.1 200 x\r\n", "x-more: xxxxxxxxxxxxxxxxxxxxx\r\n")).await;
    why(Does::Repeats("HTTP/1.1 200 x\r\nx-long: ", "xxxxxxxxxxxxxxxxxxxxxxxxxxx")).await;
    why(Does::Repeats("", "HTTP/1.1 100 Continue\r\n\r\n")).await;
    why(Does::Repeats(chunked, "0")).await;
    let last = "HTTP/1.1 200 x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n";
    why(Does::Repeats(last, "x-trailer: xxxxxxxxxxxxxxxxxxxx\r\n")).await;
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = elsewhere.local_addr().unwrap();
    let head = format!("text/plain\r\nlocation: http://{address}/metrics");
    let body = b"agent_inflight_requests 0\n".to_vec();
    let why = why(Does::Says(302, head.leak(), body)).await;
    assert!(why.contains("found status 302, wanted 200"), "{why}");
    assert!(elsewhere.accept().now_or_never().is_none(), "nobody went there");
}

#[tokio::test]
async fn half_an_answer_is_none() {
    why(Does::BreaksOff).await;
    let cut =
        Does::Says(200, "application/openmetrics-text", b"agent_inflight_requests 0\n".into());
    assert!(why(cut).await.contains("some may be missing"));
}

#[tokio::test]
async fn what_is_no_number_of_things_is_not_known() {
    for value in ["NaN", "-1", "-0.5", "+Inf", "1e40", "99999999999999999999", "zero", ""] {
        why(Does::gauge(value)).await;
    }
    for (status, body) in
        [(404, "agent_inflight_requests 0\n"), (302, ""), (200, ""), (200, "\u{0}")]
    {
        why(Does::Says(status, "text/plain", body.into())).await;
    }
    why(Does::Says(200, "text/plain", b"agent_inflight_requests 0 \xff\xfe".into())).await;
}
