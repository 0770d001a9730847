//! Servers that mean no good: what they send never passes, and never takes more than its limits.

use std::time::Duration;

use bluegreen_core::Verdict;
use bluegreen_validate::Smoke;
use bytes::Bytes;
use futures_util::FutureExt as _;
use http_body_util::{BodyExt, StreamBody};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::loopback::Loopback;
use crate::server::{Answer, Server, answer, with};
use crate::world::{judge, only};

async fn good() -> Server {
    Server::http(|_| async { answer(200, "ok") }).await
}

/// Reads a request up to the blank line.
async fn request(stream: &mut TcpStream) {
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n") {
        read.push(stream.read_u8().await.unwrap());
    }
}

#[tokio::test]
async fn an_endless_body_is_read_no_further_than_the_limit() {
    let endless = Server::http(|_| async {
        let piece = || Ok(hyper::body::Frame::data(Bytes::from_static(&[b'x'; 16 * 1024])));
        let body = StreamBody::new(futures_util::stream::repeat_with(piece));
        Answer::new(BodyExt::boxed(body))
    })
    .await;
    let smoke = Smoke::get("/").expect_body_lacking("y");
    let judgement = judge(smoke, Loopback::to([&endless])).await;
    assert_eq!(judgement.verdict, Verdict::Fail);
    let finding = only(&judgement);
    assert_eq!(finding.wanted, "a body of at most 1048576 bytes");
    let size: usize =
        finding.found.trim_start_matches("at least ").trim_end_matches(" bytes").parse().unwrap();
    assert!((1_048_577..1_048_576 + (1 << 20)).contains(&size), "{size}");
}

#[tokio::test]
async fn a_body_as_long_as_the_limit_is_good() {
    let server = Server::http(|_| async { answer(200, vec![b'x'; 1000]) }).await;
    let client = || Loopback::to([&server]);
    let verdict = |smoke: Smoke, client| async { judge(smoke, client).await.verdict };
    assert_eq!(verdict(Smoke::get("/").max_body(1000), client()).await, Verdict::Pass);
    assert_eq!(verdict(Smoke::get("/").max_body(999), client()).await, Verdict::Fail);
}

#[tokio::test]
async fn a_body_that_drips_for_ever_ends_with_the_timeout() {
    let dripping = Server::raw(|mut stream| async move {
        request(&mut stream).await;
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n";
        stream.write_all(head).await.unwrap();
        let mut pause = tokio::time::interval(Duration::from_millis(10));
        while stream.write_all(b"x").await.is_ok() {
            pause.tick().await;
        }
    })
    .await;
    let smoke = Smoke::get("/").timeout(Duration::from_millis(150));
    let judgement = judge(smoke, Loopback::to([&dripping])).await;
    assert_eq!(judgement.verdict, Verdict::Fail);
    let finding = only(&judgement);
    assert_eq!(finding.wanted, "a whole answer within 150ms");
    assert!(finding.found.starts_with("status 200 and "), "{}", finding.found);
    assert!(finding.found.ends_with(" bytes, but no end of the body"), "{}", finding.found);
}

#[tokio::test]
async fn headers_that_drip_for_ever_end_with_the_timeout() {
    let dripping = Server::raw(|mut stream| async move {
        request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nx-slow: ").await.unwrap();
        let mut pause = tokio::time::interval(Duration::from_millis(10));
        while stream.write_all(b"x").await.is_ok() {
            pause.tick().await;
        }
    })
    .await;
    let servers = [good().await, dripping];
    let smoke = Smoke::get("/").timeout(Duration::from_millis(150));
    let judgement = judge(smoke, Loopback::to(&servers)).await;
    assert_eq!(judgement.verdict, Verdict::Fail);
    let finding = only(&judgement);
    assert_eq!(
        (finding.subject.as_str(), &*finding.wanted, &*finding.found),
        ("pod agent-green-1", "a whole answer within 150ms", "no answer")
    );
}

#[tokio::test]
async fn gigantic_headers_are_refused() {
    let big =
        Server::http(|_| async { with(answer(200, "ok"), "x-big", &"x".repeat(70_000)) }).await;
    let judgement = judge(Smoke::get("/"), Loopback::to([&big])).await;
    assert_eq!(judgement.verdict, Verdict::Fail);
    let finding = only(&judgement);
    assert_eq!(finding.wanted, "headers of at most 65536 bytes");
    let judgement = judge(Smoke::get("/").max_head(100_000), Loopback::to([&big])).await;
    assert_eq!(judgement.verdict, Verdict::Pass);

    // Too large for the client itself.
    let endless = Server::raw(|mut stream| async move {
        request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\n").await.unwrap();
        while stream.write_all(b"x-more: xxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n").await.is_ok() {}
    })
    .await;
    let servers = [good().await, endless];
    let judgement = judge(Smoke::get("/"), Loopback::to(&servers)).await;
    assert_eq!(judgement.verdict, Verdict::Fail);
    assert_eq!(only(&judgement).subject, "pod agent-green-1");
}

#[tokio::test]
async fn bytes_that_are_no_text_are_told() {
    let server = Server::http(|_| async {
        let mut answer = answer(200, b"ok \xff\xfe".as_slice());
        let value = http::HeaderValue::from_bytes(b"a\xffb").unwrap();
        answer.headers_mut().insert("x-bytes", value);
        answer
    })
    .await;
    // Nobody asked for text.
    let judgement = judge(Smoke::get("/"), Loopback::to([&server])).await;
    assert_eq!(judgement.verdict, Verdict::Pass);
    let smoke = Smoke::get("/").expect_body_containing("ok").expect_header("x-bytes", "ab");
    let judgement = judge(smoke, Loopback::to([&server])).await;
    assert_eq!(judgement.verdict, Verdict::Fail);
    let found: Vec<_> = judgement.evidence.iter().map(|it| it.found.as_str()).collect();
    let body = "bytes that are no text at byte 3, in `ok \u{fffd}\u{fffd}`";
    assert_eq!(found, ["`a\u{fffd}b`", body]);
    let judgement = judge(Smoke::get("/").expect_json_present(""), Loopback::to([&server])).await;
    assert_eq!(judgement.verdict, Verdict::Fail);
}

#[tokio::test]
async fn what_is_no_http_is_no_answer() {
    let banner = Server::raw(|mut stream| async move {
        request(&mut stream).await;
        stream.write_all(b"SSH-2.0-OpenSSH_9.9\r\n\r\n").await.unwrap();
    })
    .await;
    let silent = Server::raw(|mut stream| async move { request(&mut stream).await }).await;
    let servers = [good().await, banner, silent];
    let judgement = judge(Smoke::get("/"), Loopback::to(&servers)).await;
    assert_eq!(judgement.verdict, Verdict::Fail);
    assert_eq!(judgement.summary, "2 differences in 2 of 3 pods");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_told() {
    let broken = Server::raw(|mut stream| async move {
        request(&mut stream).await;
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf";
        stream.write_all(answer).await.unwrap();
    })
    .await;
    let judgement = judge(Smoke::get("/"), Loopback::to([&broken])).await;
    assert_eq!(judgement.verdict, Verdict::Fail);
    let finding = only(&judgement);
    assert_eq!(finding.wanted, "a whole answer");
    let begins = "status 200 and 4 bytes, but no end of the body: `read the answer: unavailable";
    assert!(finding.found.starts_with(begins), "{}", finding.found);
}

#[tokio::test]
async fn what_stands_around_an_answer_is_bounded_too() {
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    for (begun, piece) in [
        ("", "HTTP/1.1 100 Continue\r\n\r\n"),
        ("HTTP/1.1 200 OK\r\nx-long: ", "xxxxxxxxxxxxxxxxxxxxxxx"),
        (chunked, "2;extension"),
        (chunked, "0"),
    ] {
        let endless = Server::raw(move |mut stream| async move {
            request(&mut stream).await;
            let mut sent = stream.write_all(begun.as_bytes()).await;
            while sent.is_ok() {
                sent = stream.write_all(piece.repeat(100).as_bytes()).await;
            }
        })
        .await;
        let servers = [good().await, endless];
        let smoke = Smoke::get("/").timeout(Duration::from_millis(500));
        let judgement = judge(smoke, Loopback::to(&servers)).await;
        assert_eq!(judgement.verdict, Verdict::Fail, "{begun:?}");
        assert_eq!(only(&judgement).subject, "pod agent-green-1");
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let elsewhere = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = elsewhere.local_addr().unwrap();
    let redirects = Server::http(move |_| async move {
        with(answer(307, ""), "location", &format!("http://{address}/readyz"))
    })
    .await;
    let judgement = judge(Smoke::get("/"), Loopback::to([&redirects])).await;
    assert_eq!(judgement.verdict, Verdict::Fail);
    let finding = only(&judgement);
    assert_eq!((&*finding.wanted, &*finding.found), ("status 200-299", "status 307"));
    let wanted = Smoke::get("/").expect_status(307).expect_header_containing("location", "http");
    let judgement = judge(wanted, Loopback::to([&redirects])).await;
    assert_eq!(judgement.verdict, Verdict::Pass);
    assert!(elsewhere.accept().now_or_never().is_none(), "nobody went there");
}
