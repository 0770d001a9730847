//! Limits for percentiles, with answers that take exactly as long as they are told.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bluegreen_core::{Target, Validator, Verdict};
use bluegreen_validate::{Percentile, Request, Smoke};
use bytes::Bytes;
use futures_util::future::join_all;
use tokio::time::Instant;

use crate::loopback::Loopback;
use crate::scripted::{Script, Scripted};
use crate::server::{Server, answer};
use crate::world::{judge, only, trial};

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// A pod whose answers take 1 ms for the first request and then 1, 2, … 100 ms.
fn hundred() -> Scripted {
    Scripted::new(1, |_, _, number| Script::after(number.max(1) as u64))
}

#[tokio::test(start_paused = true)]
async fn everything_goes_on_at_once() {
    let client = Scripted::new(3, |pod, request, _| {
        let slow = pod.name == "agent-green-1" && request.uri() == "/two";
        Script::after(if slow { 50 } else { 30 })
    });
    let begin = Instant::now();
    let smoke = Smoke::get("/one").and(Request::get("/two")).and(Request::get("/three"));
    assert_eq!(judge(smoke, client).await.verdict, Verdict::Pass);
    // The slowest of nine answers, and nothing on top of it.
    assert_eq!(begin.elapsed(), millis(50));
}

#[tokio::test]
async fn a_look_costs_little_more_than_its_answers() {
    let server = Server::http(|_| async { answer(200, "ok") }).await;
    let trial = trial(Loopback::at([server.address; 3]));
    let client = &trial.candidate.client;
    let smoke = Smoke::get("/");
    let (mut look, mut bare) = (Duration::MAX, Duration::MAX);
    // The best of many in turns, so that whatever else the machine does is left out.
    for _ in 0..50 {
        let begin = Instant::now();
        assert_eq!(smoke.judge(&trial).await.unwrap().verdict, Verdict::Pass);
        look = look.min(begin.elapsed());
        let begin = Instant::now();
        join_all(client.pods().await.unwrap().into_iter().map(|pod| async {
            let request = http::Request::get("/").body(Bytes::new()).unwrap();
            let answer = client.send(&Target::Pod(pod), request).await.unwrap();
            answer.into_body().collect(1024).await.unwrap()
        }))
        .await;
        bare = bare.min(begin.elapsed());
    }
    assert!(look < bare + millis(1), "a look takes {look:?}, its answers alone {bare:?}");
    println!("a look takes {look:?}, its answers alone {bare:?}");
}

#[tokio::test(start_paused = true)]
async fn a_percentile_is_that_of_the_exact_samples() {
    // 1, 2, … 100 ms: the 99th of them is 99 ms, and the limit itself is within it.
    let smoke = |limit| Smoke::get("/").latency(Percentile(99), limit, 100, 1);
    let judgement = judge(smoke(millis(99)), hundred()).await;
    assert_eq!(judgement.verdict, Verdict::Pass, "{judgement:#?}");
    let limit = &judgement.evidence[1];
    assert_eq!(limit.wanted, "whole answer p99 <= 99ms (100 requests, 1 at a time)");
    assert_eq!(limit.found, "p99 99ms (median 50ms, slowest 100ms)");

    let judgement = judge(smoke(millis(98)), hundred()).await;
    assert_eq!(judgement.verdict, Verdict::Fail);
    assert_eq!(
        only(&judgement).to_string(),
        "pod agent-green-0, GET /: wanted whole answer p99 <= 98ms (100 requests, 1 at a time), \
         found p99 99ms (median 50ms, slowest 100ms)"
    );
}

#[tokio::test(start_paused = true)]
async fn limits_of_one_size_share_a_burst_and_others_do_not() {
    let client = Scripted::new(2, |_, _, _| Script::after(10));
    let seen = client.seen.clone();
    let smoke = Smoke::get("/")
        .latency(Percentile(50), millis(10), 40, 4)
        .latency(Percentile(95), millis(10), 40, 4)
        .first_byte(Percentile(100), millis(10), 40, 4)
        .latency(Percentile(50), millis(10), 8, 8)
        .latency(Percentile(50), millis(10), 20, 4);
    let begin = Instant::now();
    let judgement = judge(smoke, client).await;
    assert_eq!(judgement.verdict, Verdict::Pass, "{judgement:#?}");
    // One request by itself, ten and five times four, eight at once; in both pods together.
    assert_eq!(begin.elapsed(), millis(10 + 100 + 10 + 50));
    assert_eq!(seen.sent.load(Ordering::SeqCst), 2 * (1 + 40 + 8 + 20));
    assert_eq!(seen.most_open.load(Ordering::SeqCst), 2 * 8);
    assert_eq!(judgement.evidence.len(), 2 * (1 + 5));
}

#[tokio::test(start_paused = true)]
async fn the_first_byte_is_timed_by_itself() {
    // Head after 1 ms, the first piece 20 ms later, the second another 30 ms later.
    let client = || Scripted::new(1, |_, _, _| Script::pieces(&[20, 30]));
    let first = |limit| Smoke::get("/").first_byte(Percentile(100), limit, 5, 5);
    assert_eq!(judge(first(millis(21)), client()).await.verdict, Verdict::Pass);
    let judgement = judge(first(millis(20)), client()).await;
    assert_eq!(judgement.verdict, Verdict::Fail);
    assert_eq!(only(&judgement).found, "p100 21ms (median 21ms, slowest 21ms)");
    let whole = |limit| Smoke::get("/").latency(Percentile(100), limit, 5, 5);
    assert_eq!(judge(whole(millis(51)), client()).await.verdict, Verdict::Pass);
    assert_eq!(judge(whole(millis(50)), client()).await.verdict, Verdict::Fail);
}

#[tokio::test(start_paused = true)]
async fn an_empty_piece_is_no_first_byte() {
    let client = |pieces: Vec<(Duration, Bytes)>| {
        Scripted::new(1, move |_, _, _| Script { pieces: pieces.clone(), ..Script::after(1) })
    };
    let smoke = || Smoke::get("/").first_byte(Percentile(100), millis(10), 2, 2);
    let late = vec![(millis(1), Bytes::new()), (millis(20), Bytes::from_static(b"x"))];
    assert_eq!(judge(smoke(), client(late)).await.verdict, Verdict::Fail);
    // Of a body without a byte it is the end that counts.
    assert_eq!(judge(smoke(), client(vec![])).await.verdict, Verdict::Pass);
}

#[tokio::test(start_paused = true)]
async fn quick_errors_are_no_pass() {
    let client = Scripted::new(1, |_, _, number| Script {
        status: if number % 10 == 9 { 503 } else { 200 },
        ..Script::after(1)
    });
    let smoke = Smoke::get("/").latency(Percentile(50), millis(100), 99, 3);
    let judgement = judge(smoke, client).await;
    assert_eq!(judgement.verdict, Verdict::Fail);
    let found = "status 503, body `ok` (and the like: 10 of 99 answers)";
    assert_eq!(only(&judgement).found, found);
}

#[tokio::test(start_paused = true)]
async fn answers_that_do_not_come_are_no_pass() {
    let client = Scripted::new(1, |_, _, number| Script {
        breaks: number == 3,
        refused: number == 4,
        ..Script::after(if number == 5 { 60_000 } else { 1 })
    });
    let smoke = Smoke::get("/").latency(Percentile(50), millis(100), 10, 1);
    let judgement = judge(smoke, client).await;
    assert_eq!(judgement.verdict, Verdict::Fail);
    assert_eq!(judgement.summary, "3 differences in 1 of 1 pod");
}

#[tokio::test(start_paused = true)]
async fn no_burst_follows_an_answer_that_is_wrong_by_itself() {
    let client = Scripted::new(1, |_, request, _| Script {
        status: if request.uri() == "/bad" { 500 } else { 200 },
        ..Script::after(1)
    });
    let seen = client.seen.clone();
    let smoke = Smoke::get("/bad")
        .latency(Percentile(50), millis(100), 1000, 10)
        .and(Request::get("/good").latency(Percentile(50), millis(100), 20, 10));
    assert_eq!(judge(smoke, client).await.verdict, Verdict::Fail);
    assert_eq!(seen.sent.load(Ordering::SeqCst), 2 + 20);
}
