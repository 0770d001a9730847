//! Receivers on loopback that keep what they are sent.

use std::sync::{Arc, Mutex};

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

#[path = "../support/server.rs"]
mod raw;

use raw::Server;

/// What a receiver does with a request.
#[derive(Clone)]
pub(crate) enum Does {
    /// Answers with a status and further headers.
    Answer(u16, String),
    /// Answers with a status, further headers and a body.
    Say(u16, String, String),
    /// Answers with a status and a body that does not end.
    AnswerWithoutEnd(u16),
    /// Reads, and never answers.
    Hang,
    /// Ends the connection without an answer.
    HangUp,
}

/// What was sent.
#[derive(Clone)]
pub(crate) struct Sent {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Sent {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }
}

/// A receiver; its server ends with this value.
pub(crate) struct Receiver {
    server: Server,
    sent: Arc<Mutex<Vec<Sent>>>,
}

impl Receiver {
    /// Does with the request of this number, from 0 on, what `does` says.
    pub(crate) async fn new(does: impl Fn(usize) -> Does + Send + Sync + 'static) -> Self {
        Self::reading(move |number, _| does(number)).await
    }

    /// The same, with what is sent known.
    pub(crate) async fn reading(
        does: impl Fn(usize, &Sent) -> Does + Send + Sync + 'static,
    ) -> Self {
        let (sent, does) = (Arc::<Mutex<Vec<Sent>>>::default(), Arc::new(does));
        let kept = sent.clone();
        let server = Server::raw(move |stream| {
            let (kept, does) = (kept.clone(), does.clone());
            // What goes wrong here is that the sender hung up.
            async move { drop(serve(stream, &kept, &*does).await) }
        })
        .await;
        Self { server, sent }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/in/token-4711?key=key-0815", self.server.address)
    }

    pub(crate) fn sent(&self) -> Vec<Sent> {
        self.sent.lock().unwrap().clone()
    }
}

async fn serve(
    stream: TcpStream,
    kept: &Mutex<Vec<Sent>>,
    does: &(impl Fn(usize, &Sent) -> Does + Sync),
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let mut lines = head.lines();
    let path = lines.next().unwrap().split(' ').nth(1).unwrap().to_owned();
    let headers = lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| {
        (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap())
    });
    let headers: HeaderMap = headers.collect();
    let length = headers["content-length"].to_str().unwrap().parse().unwrap();
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    let sent = Sent { path, headers, body };
    let number = {
        let mut kept = kept.lock().unwrap();
        kept.push(sent.clone());
        kept.len() - 1
    };
    let stream = stream.get_mut();
    match does(number, &sent) {
        Does::Answer(status, headers) => {
            let head = format!("HTTP/1.1 {status} x\r\n{headers}content-length: 0\r\n\r\n");
            stream.write_all(head.as_bytes()).await?;
        }
        Does::Say(status, headers, body) => {
            let length = body.len();
            let head =
                format!("HTTP/1.1 {status} x\r\n{headers}content-length: {length}\r\n\r\n{body}");
            stream.write_all(head.as_bytes()).await?;
        }
        Does::AnswerWithoutEnd(status) => {
            let head = format!("HTTP/1.1 {status} x\r\n\r\n");
            stream.write_all(head.as_bytes()).await?;
            loop {
                stream.write_all(&[b'x'; 8 * 1024]).await?;
            }
        }
        Does::Hang => std::future::pending::<()>().await,
        Does::HangUp => {}
    }
    stream.shutdown().await
}
