//! The way to the pods of an in-memory slot.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::Stream;
use http::{HeaderValue, Request, Response};

use super::{MemoryCluster, lock};
use crate::{
    AgentClient, AnswerBody, Color, Configuration, Error, ErrorKind, PodRef, Result, Target,
};

pub(super) type Answer = Arc<dyn Fn(&Asked<'_>) -> Result<Response<AnswerBody>> + Send + Sync>;

/// What a pod is asked, for the closure that answers in its stead.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Asked<'a> {
    /// The pod's slot.
    pub color: Color,
    /// The pod.
    pub pod: &'a PodRef,
    /// What it runs.
    pub configuration: &'a Configuration,
    /// The request.
    pub request: &'a Request<Bytes>,
}

/// Talks to the pods of one slot of a [`MemoryCluster`]. [`Target::Any`] takes them in turns.
#[derive(Clone, Debug)]
pub struct MemoryClient {
    cluster: MemoryCluster,
    color: Color,
    turn: Arc<AtomicUsize>,
}

impl MemoryClient {
    pub(super) fn new(cluster: MemoryCluster, color: Color) -> Self {
        Self { cluster, color, turn: Arc::default() }
    }

    fn ready(&self) -> Vec<PodRef> {
        self.cluster.read(|world| {
            let pods = world.slot(self.color).pods.iter().filter(|pod| pod.ready);
            pods.map(|pod| PodRef::new(&pod.name, &pod.uid)).collect()
        })
    }

    fn choose(&self, to: &Target) -> Result<PodRef> {
        let ready = self.ready();
        match to {
            Target::Any if ready.is_empty() => {
                Err(Error::new(ErrorKind::Unavailable, format!("send to slot {}", self.color))
                    .with_source("no pod of it is ready"))
            }
            Target::Any => {
                let turn = self.turn.fetch_add(1, Ordering::Relaxed);
                Ok(ready[turn % ready.len()].clone())
            }
            Target::Pod(pod) if ready.contains(pod) => Ok(pod.clone()),
            Target::Pod(pod) => {
                let is_there = self.cluster.read(|world| {
                    let mut pods = world.slot(self.color).pods.iter();
                    pods.any(|it| it.name == pod.name && it.uid == pod.uid)
                });
                let kind = if is_there { ErrorKind::Unavailable } else { ErrorKind::NotFound };
                let reason = if is_there { "it is not ready" } else { "it is not there" };
                let action = format!("send to pod {} of slot {}", pod.name, self.color);
                Err(Error::new(kind, action).with_source(reason))
            }
        }
    }
}

#[async_trait]
impl AgentClient for MemoryClient {
    async fn pods(&self) -> Result<Vec<PodRef>> {
        Ok(self.ready())
    }

    async fn send(&self, to: &Target, request: Request<Bytes>) -> Result<Response<AnswerBody>> {
        let pod = self.choose(to)?;
        let configuration =
            self.cluster.read(|world| world.slot(self.color).template.configuration.clone());
        let answer = Arc::clone(&*lock(&self.cluster.inner.answer));
        answer(&Asked {
            color: self.color,
            pod: &pod,
            configuration: &configuration,
            request: &request,
        })
    }
}

/// How pods answer unless told otherwise.
#[allow(clippy::unnecessary_wraps, reason = "it stands where answers may fail")]
pub(super) fn tell_version(asked: &Asked<'_>) -> Result<Response<AnswerBody>> {
    let version = asked.configuration.version.as_deref();
    let body =
        pieces([asked.pod.name.clone(), " runs ".to_owned(), asked.configuration.to_string()]);
    let mut answer = Response::new(body);
    if let Some(version) = version.and_then(|version| HeaderValue::from_str(version).ok()) {
        answer.headers_mut().insert("x-agent-version", version);
    }
    Ok(answer)
}

/// A body that arrives in these pieces.
pub fn pieces<P: Into<Bytes>>(pieces: impl IntoIterator<Item = P>) -> AnswerBody {
    AnswerBody::new(Pieces { left: pieces.into_iter().map(Into::into).collect(), ends: true })
}

/// A body that arrives in these pieces and then neither goes on nor ends, like an agent that
/// hangs in mid-sentence.
pub fn endless<P: Into<Bytes>>(pieces: impl IntoIterator<Item = P>) -> AnswerBody {
    AnswerBody::new(Pieces { left: pieces.into_iter().map(Into::into).collect(), ends: false })
}

struct Pieces {
    left: VecDeque<Bytes>,
    ends: bool,
}

impl Stream for Pieces {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.left.pop_front() {
            Some(piece) => Poll::Ready(Some(Ok(piece))),
            None if self.ends => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}
