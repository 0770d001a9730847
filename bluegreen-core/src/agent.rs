//! How validators reach the agent in one slot, whatever share of traffic it has.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use http::{Request, Response};

use crate::{Error, ErrorKind, Result};

/// Talks to the agent in one slot.
///
/// # Contract
/// * `lists_the_ready_pods`: [`pods`](Self::pods) names exactly the pods that are ready.
/// * `reaches_the_pod_that_was_named`.
/// * `any_status_is_an_answer`: a 500 is an `Ok`, an unreachable pod an `Err`.
/// * `streams_the_body`: the first piece can be read before the last one is sent.
/// * `an_unknown_pod_is_not_found`.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait AgentClient: Send + Sync {
    /// The ready pods of the slot.
    async fn pods(&self) -> Result<Vec<PodRef>>;

    /// Sends one request and returns the answer's head as soon as it is there; the body streams.
    /// The request's URI is a path with query; the client adds the rest.
    ///
    /// # Cancel safety
    /// Dropping it closes the connection.
    async fn send(&self, to: &Target, request: Request<Bytes>) -> Result<Response<AnswerBody>>;
}

/// A pod by name and identity.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub struct PodRef {
    /// Its name.
    pub name: String,
    /// Its identity.
    pub uid: String,
}

impl PodRef {
    /// A pod.
    pub fn new(name: impl Into<String>, uid: impl Into<String>) -> Self {
        Self { name: name.into(), uid: uid.into() }
    }
}

/// Which pod of a slot a request goes to.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Target {
    /// Any ready one.
    Any,
    /// This one.
    Pod(PodRef),
}

/// The body of an answer, piece by piece as it arrives.
pub struct AnswerBody(Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>);

impl AnswerBody {
    /// A body that yields the pieces of `stream`.
    pub fn new(stream: impl Stream<Item = Result<Bytes>> + Send + 'static) -> Self {
        Self(Box::pin(stream))
    }

    /// A body of one piece.
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        Self::new(Once(Some(bytes.into())))
    }

    /// The next piece; `None` at the end.
    ///
    /// # Cancel safety
    /// No piece is lost.
    pub async fn next(&mut self) -> Option<Result<Bytes>> {
        std::future::poll_fn(|cx| self.0.as_mut().poll_next(cx)).await
    }

    /// The whole body, at most `limit` bytes of it.
    ///
    /// # Errors
    /// [`Rejected`](ErrorKind::Rejected) when it is longer, because an agent that never stops
    /// talking must not fill the memory of the one that judges it.
    pub async fn collect(mut self, limit: usize) -> Result<Bytes> {
        let mut whole = BytesMut::new();
        while let Some(piece) = self.next().await {
            let piece = piece?;
            if whole.len() + piece.len() > limit {
                return Err(Error::new(ErrorKind::Rejected, "read the answer's body")
                    .with_source(format!("it is longer than {limit} bytes")));
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    }
}

impl fmt::Debug for AnswerBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AnswerBody")
    }
}

impl Stream for AnswerBody {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(cx)
    }
}

struct Once(Option<Bytes>);

impl Stream for Once {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.take().map(Ok))
    }
}
