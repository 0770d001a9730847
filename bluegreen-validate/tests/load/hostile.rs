//! Whatever an agent answers, it ends in time and is never taken for nothing in hand.

use std::time::Duration;

use bluegreen_core::{Color, Load};
use bluegreen_validate::PodLoad;

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
