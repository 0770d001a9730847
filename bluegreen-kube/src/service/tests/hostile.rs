//! Evidence by answers, asked of something that means no good: it is no evidence, and costs no more
//! than one answer may.

use std::collections::BTreeSet;
use std::future::Future;

use futures_util::FutureExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::*;
use crate::answers::{self, Address};

/// Longer than an answer is waited for, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(20);

/// What one fresh connection comes to that is answered by `answer`, and by nobody else.
async fn refusal<A>(
    version: VersionSource,
    answer: impl Fn(TcpStream) -> A + Send + 'static,
) -> String
where
    A: Future<Output = std::io::Result<()>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut server = JoinSet::new();
    server.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            connections.spawn(answer(stream));
        }
    });
    let (authority, path) = (address.to_string().parse().unwrap(), "/readyz".parse().unwrap());
    let wanted = BTreeSet::from(["1-green".to_owned()]);
    let address = Address::new(authority, path);
    let asked =
        tokio::time::timeout(PATIENCE, answers::ask(&address, &version, Some(&wanted))).await;
    let reason = asked.expect("it has to end").expect_err("it is no evidence");
    assert!(reason.len() < 500 && !reason.contains(char::is_control), "{reason:?}");
    reason
}

fn header() -> VersionSource {
    VersionSource::Header("x-agent-version".to_owned())
}

fn body() -> VersionSource {
    VersionSource::JsonPointer("/version".to_owned())
}

/// Says `head`, and then `piece` for as long as somebody listens.
async fn endless(mut stream: TcpStream, head: &str, piece: &str) -> std::io::Result<()> {
    stream.write_all(head.as_bytes()).await?;
    loop {
        stream.write_all(piece.as_bytes()).await?;
    }
}

const HEAD: &str = "HTTP/1.1 200 OK\r\n";

#[tokio::test]
async fn what_has_no_end_is_no_evidence() {
    refusal(header(), |stream| endless(stream, HEAD, "x-more: xxxxxxxxxxxxxxxxxx\r\n")).await;
    refusal(header(), |stream| endless(stream, "HTTP/1.1 200 OK\r\nx-agent-version: ", "1-green"))
        .await;
    let begun = "HTTP/1.1 200 OK\r\nx-agent-version: 1-green\r\n\r\n{\"version\":\"1-green\"}";
    let reason = refusal(body(), |stream| endless(stream, begun, "          ")).await;
    assert!(reason.contains("length limit"), "{reason}");
}

#[tokio::test]
async fn what_drips_is_given_up() {
    let slow = |head: &'static str| {
        move |mut stream: TcpStream| async move {
            stream.write_all(head.as_bytes()).await?;
            let mut pause = tokio::time::interval(Duration::from_millis(20));
            loop {
                pause.tick().await;
                stream.write_all(b"1").await?;
            }
        }
    };
    let begun = "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n";
    let (head, body) = tokio::join!(
        refusal(header(), slow("HTTP/1.1 200 OK\r\nx-agent-version: ")),
        refusal(body(), slow(begun)),
    );
    assert_eq!((head.as_str(), body.as_str()), ("no answer within 2s", "no answer within 2s"));
}

fn once(
    answer: Vec<u8>,
) -> impl Fn(TcpStream) -> futures_util::future::BoxFuture<'static, std::io::Result<()>> {
    move |mut stream| {
        let answer = answer.clone();
        async move { stream.write_all(&answer).await }.boxed()
    }
}

#[tokio::test]
async fn a_version_that_is_none_is_shown_short_and_printable() {
    let long = format!("{HEAD}x-agent-version: {}\r\n\r\n", "9".repeat(300_000));
    assert!(refusal(header(), once(long.into())).await.starts_with("found version 9999"));
    let bytes = [HEAD.as_bytes(), b"x-agent-version: 1-green\xff\xfe\r\n\r\n"].concat();
    assert!(refusal(header(), once(bytes)).await.contains("1-green\u{fffd}\u{fffd}"));
    let escapes = r#"{"version":"\u001b[2J\u0000"}"#;
    let escapes = format!("{HEAD}content-length: {}\r\n\r\n{escapes}", escapes.len());
    assert!(refusal(body(), once(escapes.into())).await.contains("\\u{1b}[2J"));
    let deep = format!("{HEAD}\r\n{}", "[".repeat(60_000));
    assert!(refusal(body(), once(deep.into())).await.contains("no JSON"));
    let bytes = [HEAD.as_bytes(), b"\r\n{\"version\":\"\xff\"}"].concat();
    assert!(refusal(body(), once(bytes)).await.contains("no JSON"));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = elsewhere.local_addr().unwrap();
    let answer =
        format!("HTTP/1.1 302 Found\r\nlocation: http://{address}/\r\ncontent-length: 0\r\n\r\n");
    let reason = refusal(header(), once(answer.into())).await;
    assert_eq!(reason, "the answer has no header x-agent-version");
    assert!(elsewhere.accept().now_or_never().is_none(), "nobody went there");
}
