//! The body of an answer: a text at once, or lines one by one.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use crate::state::InFlight;

/// An answer's body, which keeps its request in flight until it is sent.
#[derive(Debug)]
pub(crate) struct Answer {
    content: Content,
    _request: Option<InFlight>,
}

#[derive(Debug)]
enum Content {
    Text(Option<Bytes>),
    Lines { version: String, sent: u64, all: u64, interval: Interval },
}

impl Answer {
    pub(crate) fn text(text: impl Into<Bytes>, request: Option<InFlight>) -> Self {
        Self { content: Content::Text(Some(text.into())), _request: request }
    }

    /// `all` numbered lines with `pause` between them; the first comes at once.
    pub(crate) fn lines(version: &str, all: u64, pause: Duration, request: InFlight) -> Self {
        // An interval of nothing is a panic.
        let mut interval = interval_at(Instant::now(), pause.max(Duration::from_millis(1)));
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let content = Content::Lines { version: version.to_owned(), sent: 0, all, interval };
        Self { content, _request: Some(request) }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(match &mut self.content {
            Content::Text(text) => text.take().map(|text| Ok(Frame::data(text))),
            Content::Lines { sent, all, .. } if sent == all => None,
            Content::Lines { version, sent, all, interval } => {
                ready!(interval.poll_tick(context));
                *sent += 1;
                Some(Ok(Frame::data(format!("{version} {sent}/{all}\n").into())))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Text(text) => text.is_none(),
            Content::Lines { sent, all, .. } => sent == all,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Text(text) => {
                SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64))
            }
            Content::Lines { .. } => SizeHint::default(),
        }
    }
}
