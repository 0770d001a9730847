//! One request over a fresh connection.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower::BoxError;

/// How long one request may take.
const LIMIT: Duration = Duration::from_secs(5);

/// Sends one request over a connection of its own, and reads the whole answer.
///
/// # Errors
/// When there is no whole answer within five seconds, whatever the reason.
pub async fn ask(
    address: SocketAddr,
    method: Method,
    path: &str,
) -> Result<Response<Bytes>, BoxError> {
    ask_with(address, method, path, &[]).await
}

/// The same with headers.
///
/// # Errors
/// As [`ask`].
pub async fn ask_with(
    address: SocketAddr,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
) -> Result<Response<Bytes>, BoxError> {
    tokio::time::timeout(LIMIT, exchange(address, method, path, headers)).await?
}

async fn exchange(
    address: SocketAddr,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
) -> Result<Response<Bytes>, BoxError> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let mut request = Request::builder();
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request
        .method(method)
        .uri(path)
        .header(http::header::HOST, address.to_string())
        .header(http::header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())?;
    let answering = async {
        let (head, body) = sender.send_request(request).await?.into_parts();
        Ok(Response::from_parts(head, body.collect().await?.to_bytes()))
    };
    // The connection is what moves both; it ends no sooner than the answer.
    let (answer, _) = tokio::join!(answering, connection);
    answer
}
