//! One HTTP/1.1 connection over any stream, with its task bound to its life.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::AbortHandle;

/// A connection to an agent. Dropping it closes it.
#[derive(Debug)]
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    _task: AbortOnDrop,
}

impl Connection {
    /// Speaks HTTP over `stream`. Nothing is sent yet.
    pub(crate) async fn over<S>(stream: S) -> hyper::Result<Self>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // What goes wrong here is told to whoever waits for the answer or its body.
        let task = tokio::spawn(async move { drop(connection.await) });
        Ok(Self { sender, _task: AbortOnDrop(task.abort_handle()) })
    }

    /// Sends a request and returns the head of its answer. The body ends early when the
    /// connection is dropped.
    pub(crate) async fn send(
        &mut self,
        request: Request<Bytes>,
    ) -> Result<Response<Incoming>, Lost> {
        self.sender.try_send_request(request.map(Full::new)).await.map_err(|mut error| Lost {
            was_sent: error.take_message().is_none(),
            error: error.into_error(),
        })
    }

    /// Whether another request can be sent. Waits for the end of the last one, whose answer must
    /// have been read.
    pub(crate) async fn await_ready(&mut self) -> bool {
        !self.sender.is_closed() && self.sender.ready().await.is_ok()
    }
}

/// A request without an answer.
#[derive(Debug)]
pub(crate) struct Lost {
    /// Whether any of it may have left.
    pub(crate) was_sent: bool,
    pub(crate) error: hyper::Error,
}

/// Ends a task with its owner.
#[derive(Debug)]
pub(crate) struct AbortOnDrop(pub(crate) AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
