//! A client that keeps its connection.

use std::error::Error as _;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tower::BoxError;

/// How long one answer may take.
const LIMIT: Duration = Duration::from_mins(1);

/// One connection, kept from request to request for as long as the other end does.
#[derive(Debug)]
pub struct Kept {
    sender: Sender,
    address: SocketAddr,
    connection: JoinHandle<()>,
}

#[derive(Debug)]
enum Sender {
    First(http1::SendRequest<Empty<Bytes>>),
    Second(http2::SendRequest<Empty<Bytes>>),
}

/// An answer whose body is read piece by piece.
#[derive(Debug)]
pub struct Begun(Response<Incoming>);

impl Kept {
    /// A connection of HTTP/1.1.
    ///
    /// # Errors
    /// When nobody accepts it.
    pub async fn open(address: SocketAddr) -> Result<Self, BoxError> {
        let stream = connect(address).await?;
        let (sender, connection) = http1::handshake(stream).await?;
        let connection = tokio::spawn(async move { drop(connection.await) });
        Ok(Self { sender: Sender::First(sender), address, connection })
    }

    /// A connection of HTTP/2, without TLS and known to be wanted.
    ///
    /// # Errors
    /// When nobody accepts it.
    pub async fn open_second(address: SocketAddr) -> Result<Self, BoxError> {
        let stream = connect(address).await?;
        let (sender, connection) = http2::handshake(TokioExecutor::new(), stream).await?;
        let connection = tokio::spawn(async move { drop(connection.await) });
        Ok(Self { sender: Sender::Second(sender), address, connection })
    }

    /// Whether another request can be sent over it.
    pub async fn is_kept(&mut self) -> bool {
        match &mut self.sender {
            Sender::First(sender) => sender.ready().await.is_ok(),
            Sender::Second(sender) => sender.ready().await.is_ok(),
        }
    }

    /// Sends one request and returns once the head of its answer has come.
    ///
    /// # Errors
    /// When it does not come.
    pub async fn begin(&mut self, path: &str) -> Result<Begun, BoxError> {
        let Self { sender, address, .. } = self;
        let sending = async {
            match sender {
                Sender::First(sender) => {
                    sender.ready().await?;
                    let request = Request::get(path).header(header::HOST, address.to_string());
                    Ok::<_, BoxError>(sender.send_request(request.body(Empty::new())?).await?)
                }
                Sender::Second(sender) => {
                    sender.ready().await?;
                    let request = Request::get(format!("http://{address}{path}"));
                    Ok(sender.send_request(request.body(Empty::new())?).await?)
                }
            }
        };
        Ok(Begun(tokio::time::timeout(LIMIT, sending).await??))
    }

    /// The whole answer to one request.
    ///
    /// # Errors
    /// When it does not come, or not to its end.
    pub async fn get(&mut self, path: &str) -> Result<Response<Bytes>, BoxError> {
        let (head, body) = self.begin(path).await?.0.into_parts();
        let body = tokio::time::timeout(LIMIT, body.collect()).await??;
        Ok(Response::from_parts(head, body.to_bytes()))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Begun {
    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.0.status()
    }

    /// The version that answers.
    pub fn version(&self) -> &str {
        self.0.headers()["x-agent-version"].to_str().unwrap()
    }

    /// The next piece of the body; `None` where it ends or breaks off.
    pub async fn piece(&mut self) -> Option<Bytes> {
        let frame = tokio::time::timeout(LIMIT, self.0.body_mut().frame()).await;
        frame.ok()??.ok()?.into_data().ok()
    }
}

/// Whether it is certain that no agent has begun to answer, so that the request can be sent again:
/// the connection was closed before any of it went out, or a `GOAWAY` of HTTP/2 came that says that
/// it was not looked at (RFC 9113, 6.8).
pub fn is_unsent(error: &BoxError) -> bool {
    let Some(error) = error.downcast_ref::<hyper::Error>() else { return false };
    let cause = error.source().and_then(|cause| cause.downcast_ref::<h2::Error>());
    error.is_canceled()
        || cause.is_some_and(|cause| {
            cause.is_go_away() && cause.is_remote() && cause.reason() == Some(h2::Reason::NO_ERROR)
        })
}

async fn connect(address: SocketAddr) -> Result<TokioIo<TcpStream>, BoxError> {
    let stream = tokio::time::timeout(LIMIT, TcpStream::connect(address)).await??;
    stream.set_nodelay(true)?;
    Ok(TokioIo::new(stream))
}
