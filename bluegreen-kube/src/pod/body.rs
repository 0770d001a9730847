//! The body of an answer as a stream that owns its connection.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bluegreen_core::{Error, ErrorKind, Result};
use bytes::Bytes;
use futures_util::Stream;
use hyper::body::{Body as _, Incoming};

use super::pool::{Idle, Pool};

/// Pieces as they arrive. Dropping it closes the connection, unless the body was read to its end
/// and connections are kept.
pub(super) struct Body {
    incoming: Incoming,
    connection: Option<Idle>,
    /// Where the connection goes at the end.
    pool: Option<(Arc<Pool>, String)>,
    action: String,
}

impl Body {
    pub(super) fn new(
        incoming: Incoming,
        connection: Idle,
        pool: Option<(Arc<Pool>, String)>,
        action: String,
    ) -> Self {
        Self { incoming, connection: Some(connection), pool, action }
    }

    fn end(&mut self) {
        if let (Some(idle), Some((pool, uid))) = (self.connection.take(), self.pool.take()) {
            pool.put(uid, idle);
        }
    }

    fn fail(&mut self, error: hyper::Error) -> Error {
        let told = self.connection.take().and_then(|mut idle| idle.trouble.so_far());
        let made = Error::new(ErrorKind::Unavailable, self.action.clone());
        match told {
            Some(text) => made.with_source(text),
            None => made.with_source(error),
        }
    }
}

impl Stream for Body {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if self.connection.is_none() {
                return Poll::Ready(None);
            }
            match ready!(Pin::new(&mut self.incoming).poll_frame(cx)) {
                None => {
                    self.end();
                    return Poll::Ready(None);
                }
                Some(Err(error)) => {
                    let error = self.fail(error);
                    return Poll::Ready(Some(Err(error)));
                }
                // What is no data is trailers, which nobody asks for.
                Some(Ok(frame)) => {
                    if let Ok(piece) = frame.into_data() {
                        return Poll::Ready(Some(Ok(piece)));
                    }
                }
            }
        }
    }
}
