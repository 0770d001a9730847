//! Answers that must arrive piece by piece.

use std::sync::Arc;
use std::time::Duration;

use bluegreen_core::Verdict;
use bluegreen_validate::Smoke;
use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use tokio::sync::Notify;

use crate::loopback::Loopback;
use crate::scripted::{Script, Scripted};
use crate::server::{Answer, Server, answer};
use crate::world::{judge, only};

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn streams(min_pieces: u32, max_gap: u64) -> Smoke {
    Smoke::get("/stream").streams(min_pieces, millis(max_gap))
}

#[tokio::test]
async fn a_real_stream_passes() {
    let arrived = Arc::new(Notify::new());
    let told = arrived.clone();
    let server = Server::http(move |_| {
        let told = told.clone();
        // Each piece is sent a while after the one before has arrived, however slow the machine.
        let pieces = stream::unfold((0, told), |(number, told)| async move {
            if number > 0 {
                told.notified().await;
                tokio::time::sleep(millis(2)).await;
            }
            let piece = Bytes::from(format!("token {number}\n"));
            (number < 5).then(|| (Ok(Frame::data(piece)), (number + 1, told)))
        });
        async { Answer::new(BodyExt::boxed(StreamBody::new(pieces))) }
    })
    .await;
    let client = || Loopback::to([&server]).telling(arrived.clone());
    let smoke = streams(5, 5000).expect_body_containing("token 4");
    let judgement = judge(smoke, client()).await;
    assert_eq!(judgement.verdict, Verdict::Pass, "{judgement:#?}");
    assert!(only(&judgement).found.contains("in 5 pieces"), "{judgement:?}");
    assert_eq!(judge(streams(6, 5000), client()).await.verdict, Verdict::Fail);
}

#[tokio::test]
async fn a_real_answer_that_comes_at_once_is_told() {
    let server = Server::http(|_| async { answer(200, "token\n".repeat(100)) }).await;
    let judgement = judge(streams(4, 5000), Loopback::to([&server])).await;
    assert_eq!(judgement.verdict, Verdict::Fail);
    let finding = only(&judgement);
    assert_eq!(finding.wanted, "a body that arrives in at least 4 pieces");
    assert_eq!(finding.found, "1, with 600 bytes in all");
}

#[tokio::test(start_paused = true)]
async fn pieces_sent_at_once_are_one() {
    let judged = |gaps: &'static [u64]| async move {
        let client = Scripted::new(1, move |_, _, _| Script::pieces(gaps));
        judge(streams(3, 100), client).await
    };
    assert_eq!(judged(&[1, 1, 1]).await.verdict, Verdict::Pass);
    assert_eq!(judged(&[1, 0, 1, 0, 0, 1]).await.verdict, Verdict::Pass);
    let judgement = judged(&[1, 0, 0, 0, 1]).await;
    assert_eq!(judgement.verdict, Verdict::Fail);
    assert_eq!(only(&judgement).found, "2, with 30 bytes in all");
}

#[tokio::test(start_paused = true)]
async fn a_silence_that_is_too_long_is_told() {
    let judged = |gaps: &'static [u64]| async move {
        let client = Scripted::new(1, move |_, _, _| Script::pieces(gaps));
        judge(streams(3, 100), client).await
    };
    // The first piece may take its time: that is what first_byte is for.
    assert_eq!(judged(&[500, 100, 100]).await.verdict, Verdict::Pass);
    let judgement = judged(&[1, 100, 101]).await;
    assert_eq!(judgement.verdict, Verdict::Fail);
    let finding = only(&judgement);
    assert_eq!(finding.wanted, "no silence longer than 100ms within the body");
    assert_eq!(finding.found, "101ms");
    // Nor may the end take longer, after the last piece.
    let client = Scripted::new(1, |_, _, _| {
        let mut script = Script::pieces(&[1, 1, 1]);
        script.pieces.push((millis(102), Bytes::new()));
        script
    });
    let judgement = judge(streams(3, 100), client).await;
    assert_eq!(only(&judgement).found, "102ms");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_breaks_off_or_never_ends_is_told() {
    let client = Scripted::new(1, |_, _, _| Script { breaks: true, ..Script::pieces(&[1, 1, 1]) });
    let judgement = judge(streams(2, 100), client).await;
    assert_eq!(only(&judgement).wanted, "a whole answer");
    let client = Scripted::new(1, |_, _, _| Script::pieces(&[50; 1000]));
    let judgement = judge(streams(2, 100), client).await;
    assert_eq!(judgement.verdict, Verdict::Fail);
    assert_eq!(only(&judgement).wanted, "a whole answer within 10s");
}
