//! A client without sockets, whose answers take exactly as long as they are told. For paused time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bluegreen_core::{AgentClient, AnswerBody, Error, ErrorKind, PodRef, Result, Target};
use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response};

use crate::world::pod;

/// An answer: after a while the head, then the body's pieces, each after a while.
#[derive(Clone)]
pub(crate) struct Script {
    pub(crate) status: u16,
    pub(crate) head_after: Duration,
    pub(crate) pieces: Vec<(Duration, Bytes)>,
    /// Whether it breaks off instead of ending.
    pub(crate) breaks: bool,
    /// Whether nothing comes back at all.
    pub(crate) refused: bool,
}

impl Script {
    /// `200 ok` after a while.
    pub(crate) fn after(millis: u64) -> Self {
        let head_after = Duration::from_millis(millis);
        let pieces = vec![(Duration::ZERO, Bytes::from_static(b"ok"))];
        Self { status: 200, head_after, pieces, breaks: false, refused: false }
    }

    /// An answer whose pieces come so many milliseconds after one another.
    pub(crate) fn pieces(gaps: &[u64]) -> Self {
        let piece = |gap: &u64| (Duration::from_millis(*gap), Bytes::from_static(b"token "));
        Self { pieces: gaps.iter().map(piece).collect(), ..Self::after(1) }
    }
}

/// How much a client had to do.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) sent: AtomicUsize,
    pub(crate) open: AtomicUsize,
    pub(crate) most_open: AtomicUsize,
}

/// Counts an exchange as open as long as it lives.
struct Open(Arc<Seen>);

impl Open {
    fn new(seen: &Arc<Seen>) -> Self {
        let open = seen.open.fetch_add(1, Ordering::SeqCst) + 1;
        seen.most_open.fetch_max(open, Ordering::SeqCst);
        Self(seen.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

type Play = dyn Fn(&PodRef, &Request<Bytes>, usize) -> Script + Send + Sync;

pub(crate) struct Scripted {
    pods: usize,
    play: Box<Play>,
    pub(crate) seen: Arc<Seen>,
}

impl Scripted {
    /// `pods` pods; `play` makes the answer to a request, of which it gets the number from 0.
    pub(crate) fn new(
        pods: usize,
        play: impl Fn(&PodRef, &Request<Bytes>, usize) -> Script + Send + Sync + 'static,
    ) -> Self {
        Self { pods, play: Box::new(play), seen: Arc::default() }
    }
}

#[async_trait]
impl AgentClient for Scripted {
    async fn pods(&self) -> Result<Vec<PodRef>> {
        Ok((0..self.pods).map(pod).collect())
    }

    async fn send(&self, to: &Target, request: Request<Bytes>) -> Result<Response<AnswerBody>> {
        let Target::Pod(pod) = to else { panic!("a pod must be named: {to:?}") };
        let open = Open::new(&self.seen);
        let number = self.seen.sent.fetch_add(1, Ordering::SeqCst);
        let script = (self.play)(pod, &request, number);
        tokio::time::sleep(script.head_after).await;
        if script.refused {
            return Err(Error::new(ErrorKind::Unavailable, "connect to the pod")
                .with_source("connection refused"));
        }
        let state = (open, script.pieces.into_iter(), script.breaks);
        let body = stream::unfold(state, |(open, mut pieces, breaks)| async move {
            if let Some((gap, piece)) = pieces.next() {
                // A sleep of nothing would still wait for the next millisecond.
                if !gap.is_zero() {
                    tokio::time::sleep(gap).await;
                }
                return Some((Ok(piece), (open, pieces, breaks)));
            }
            let broken = Error::new(ErrorKind::Unavailable, "read the answer");
            breaks.then(|| (Err(broken.with_source("connection reset")), (open, pieces, false)))
        });
        Ok(Response::builder().status(script.status).body(AnswerBody::new(body)).unwrap())
    }
}
