//! Agents on loopback that answer everything with one text, and hostile ones.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

#[path = "../support/server.rs"]
mod raw;

pub(crate) use raw::Server;

/// What a server does with a connection once it has read the request.
#[derive(Clone)]
pub(crate) enum Does {
    /// Says this with status and content type, whole.
    Says(u16, &'static str, Vec<u8>),
    /// Sends a head and then one piece after another without end.
    GoesOn,
    /// Sends one byte of the head and then nothing.
    Hangs,
    /// Promises more than it sends.
    BreaksOff,
    /// Sends this, and then one byte after the other without end.
    Drips(&'static str),
    /// Sends this, and then this piece after piece without end.
    Repeats(&'static str, &'static str),
}

impl Does {
    /// Metrics with this gauge.
    pub(crate) fn gauge(value: &str) -> Self {
        Self::Says(200, "text/plain", format!("{} {value}\n", crate::GAUGE).into())
    }
}

impl Server {
    pub(crate) async fn start(does: Does) -> Self {
        Self::raw(move |stream| {
            let does = does.clone();
            // What goes wrong here is that the client hung up.
            async move { drop(serve(stream, does).await) }
        })
        .await
    }

    pub(crate) fn name(&self) -> String {
        self.address.to_string()
    }
}

async fn serve(mut stream: TcpStream, does: Does) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await?);
    }
    match does {
        Does::Says(status, kind, body) => {
            let length = body.len();
            let head =
                format!("HTTP/1.1 {status} x\r\ncontent-type: {kind}\r\nconnection: close\r\n");
            stream.write_all(format!("{head}content-length: {length}\r\n\r\n").as_bytes()).await?;
            stream.write_all(&body).await?;
            stream.shutdown().await
        }
        Does::GoesOn => {
            stream.write_all(b"HTTP/1.1 200 x\r\nconnection: close\r\n\r\n").await?;
            loop {
                stream.write_all(b"agent_inflight_requests 0\n").await?;
            }
        }
        Does::Hangs => {
            stream.write_all(b"H").await?;
            tokio::time::sleep(Duration::from_hours(1)).await;
            Ok(())
        }
        Does::Drips(begun) => {
            stream.write_all(begun.as_bytes()).await?;
            let mut pause = tokio::time::interval(Duration::from_millis(5));
            loop {
                pause.tick().await;
                stream.write_all(b"x").await?;
            }
        }
        Does::Repeats(begun, piece) => {
            stream.write_all(begun.as_bytes()).await?;
            loop {
                stream.write_all(piece.repeat(100).as_bytes()).await?;
            }
        }
        Does::BreaksOff => {
            let head = b"HTTP/1.1 200 x\r\ncontent-length: 1000\r\n\r\n";
            stream.write_all(head).await?;
            stream.write_all(b"agent_inflight_requests 0\n").await
        }
    }
}
