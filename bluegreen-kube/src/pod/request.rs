//! One request over a kept or a fresh connection.

use std::sync::Arc;

use bluegreen_core::{AnswerBody, Error, ErrorKind, Result};
use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Request, Response, Uri, Version};
use hyper::body::Incoming;

use super::PodClient;
use super::body::Body;
use super::found::Found;
use super::pool::Idle;
use super::route::{Trouble, Way};
use crate::wire::{Connection, Lost};

impl PodClient {
    pub(super) async fn send_to(
        &self,
        pod: &Found,
        request: Request<Bytes>,
    ) -> Result<Response<AnswerBody>> {
        let action = self.action(&pod.name);
        if let Some(pool) = &self.pool {
            while let Some(mut idle) = pool.take(&pod.uid).await {
                let asked = prepare(request.clone(), &idle.authority, &action)?;
                match send(&mut idle.connection, &mut idle.trouble, asked).await {
                    Ok(answer) => return Ok(self.answer(pod, answer, idle)),
                    // The other end closed it while nobody used it.
                    Err(Failed::Lost(lost)) if !lost.was_sent => {}
                    Err(error) => return Err(error.in_core(&action, &mut idle.trouble)),
                }
            }
        }
        let Way { mut connection, mut trouble, authority } = self.connect(pod).await?;
        let asked = prepare(request, &authority, &action)?;
        match send(&mut connection, &mut trouble, asked).await {
            Ok(answer) => Ok(self.answer(pod, answer, Idle { connection, trouble, authority })),
            Err(error) => Err(error.in_core(&action, &mut trouble)),
        }
    }

    fn answer(&self, pod: &Found, answer: Response<Incoming>, by: Idle) -> Response<AnswerBody> {
        let pool = self.pool.as_ref().map(|pool| (Arc::clone(pool), pod.uid.clone()));
        let action = format!("read the answer of pod {}/{}", self.settings.namespace, pod.name);
        answer.map(|incoming| AnswerBody::new(Body::new(incoming, by, pool, action)))
    }
}

/// Makes a request of the path that it names, to this host unless it names one.
fn prepare(request: Request<Bytes>, authority: &str, action: &str) -> Result<Request<Bytes>> {
    let (mut head, body) = request.into_parts();
    let refuse = |reason: String| Error::new(ErrorKind::Rejected, action).with_source(reason);
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    head.uri = path.parse::<Uri>().map_err(|error| refuse(format!("{path:?}: {error}")))?;
    head.version = Version::HTTP_11;
    if !head.headers.contains_key(HOST) {
        let host = HeaderValue::from_str(authority);
        let host = host.map_err(|error| refuse(format!("{authority:?}: {error}")))?;
        head.headers.insert(HOST, host);
    }
    Ok(Request::from_parts(head, body))
}

enum Failed {
    Lost(Lost),
    /// The other end of a port-forward says that it could not reach the agent.
    Told(String),
}

async fn send(
    connection: &mut Connection,
    trouble: &mut Trouble,
    request: Request<Bytes>,
) -> Result<Response<Incoming>, Failed> {
    tokio::select! {
        biased;
        answer = connection.send(request) => answer.map_err(Failed::Lost),
        text = trouble.told() => Err(Failed::Told(text)),
    }
}

impl Failed {
    fn in_core(self, action: &str, trouble: &mut Trouble) -> Error {
        match self {
            Self::Told(text) => Error::new(ErrorKind::Unavailable, action).with_source(text),
            Self::Lost(lost) => match trouble.so_far() {
                Some(text) => Error::new(ErrorKind::Unavailable, action).with_source(text),
                None if lost.was_sent => {
                    Error::new(ErrorKind::Unknown, action).with_source(lost.error)
                }
                None => failed(action, lost.error),
            },
        }
    }
}

/// What it means that nothing was sent.
pub(super) fn failed(action: &str, error: hyper::Error) -> Error {
    Error::new(ErrorKind::Unavailable, action).with_source(error)
}
