//! Servers on loopback whose answers depend on what they are asked.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

#[path = "../support/server.rs"]
mod raw;

pub(crate) use raw::Server;

/// What somebody asked.
pub(crate) struct Asked {
    /// The request line and the headers, in lower case.
    pub(crate) head: String,
    pub(crate) body: String,
}

/// Status, further headers, and body.
pub(crate) type Answer = (u16, &'static str, String);

impl Server {
    pub(crate) async fn answering(
        answer: impl Fn(Asked) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let answer = Arc::new(answer);
        Self::raw(move |stream| {
            let answer = Arc::clone(&answer);
            // What goes wrong here is that the client hung up.
            async move { drop(serve(stream, &*answer).await) }
        })
        .await
    }

    pub(crate) fn name(&self) -> String {
        self.address.to_string()
    }
}

async fn serve(
    stream: TcpStream,
    answer: &(impl Fn(Asked) -> Answer + Sync),
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let head = head.to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1).and_then(|it| it.split("\r\n").next());
    let mut body = vec![0; length.and_then(|it| it.parse().ok()).unwrap_or(0)];
    stream.read_exact(&mut body).await?;
    let body = String::from_utf8(body).unwrap();
    let (status, headers, body) = answer(Asked { head, body });
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status} x\r\nconnection: close\r\n{headers}content-length: {length}");
    stream.get_mut().write_all(format!("{head}\r\n\r\n{body}").as_bytes()).await?;
    stream.get_mut().shutdown().await
}

/// Waits until something is so.
pub(crate) async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let ended = tokio::time::timeout(Duration::from_mins(1), waiting).await;
    assert!(ended.is_ok(), "{what} should come");
}
