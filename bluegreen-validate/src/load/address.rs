//! HTTP to fixed addresses.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bluegreen_core::{AgentClient, AnswerBody, Error, ErrorKind, PodRef, Result, Target};
use bytes::Bytes;
use futures_util::stream;
use http::header::HOST;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;

/// Reaches agents, or what else speaks HTTP/1.1, at fixed addresses: each is a pod that is always
/// ready. Without TLS. Each request has a connection of its own.
#[derive(Debug)]
pub struct AddressClient {
    pods: Vec<PodRef>,
    turn: AtomicUsize,
}

impl AddressClient {
    /// A client of these addresses, each `host:port`.
    pub fn new<A: Into<String>>(addresses: impl IntoIterator<Item = A>) -> Self {
        let pods = addresses.into_iter().map(Into::into).map(|it| PodRef::new(it.clone(), it));
        Self { pods: pods.collect(), turn: AtomicUsize::new(0) }
    }

    fn find(&self, to: &Target) -> Result<&PodRef> {
        let found = if let Target::Pod(pod) = to {
            self.pods.iter().find(|known| *known == pod)
        } else {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed);
            self.pods.get(turn.checked_rem(self.pods.len()).unwrap_or_default())
        };
        found.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, "send a request").with_source(match to {
                Target::Pod(pod) => format!("{} is no address of this client", pod.name),
                _ => "this client has no address".to_owned(),
            })
        })
    }
}

#[async_trait]
impl AgentClient for AddressClient {
    async fn pods(&self) -> Result<Vec<PodRef>> {
        Ok(self.pods.clone())
    }

    async fn send(&self, to: &Target, mut request: Request<Bytes>) -> Result<Response<AnswerBody>> {
        let address = self.find(to)?.name.clone();
        let failed = |kind, what: &str| Error::new(kind, format!("{what} {address}"));
        let connect = || failed(ErrorKind::Unavailable, "connect to");
        let host = HeaderValue::from_str(&address).map_err(|error| connect().with_source(error))?;
        request.headers_mut().entry(HOST).or_insert(host);
        let stream =
            TcpStream::connect(&*address).await.map_err(|error| connect().with_source(error))?;
        // Where that can't be set, a small request goes out a little later.
        let _ = stream.set_nodelay(true);
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| connect().with_source(error))?;
        let task = tokio::spawn(async move { drop(connection.await) });
        let task = AbortOnDrop(task.abort_handle());
        let answer = sender.send_request(request.map(Full::new)).await;
        let answer = answer
            .map_err(|error| failed(ErrorKind::Unknown, "send a request to").with_source(error))?;
        Ok(answer.map(|body| {
            let open = (body, sender, task, address);
            AnswerBody::new(stream::unfold(open, |(mut body, sender, task, address)| async {
                let piece = body.frame().await?;
                let piece = piece.map(|frame| frame.into_data().unwrap_or_default());
                let piece = piece.map_err(|error| {
                    let action = format!("read the answer of {address}");
                    Error::new(ErrorKind::Unavailable, action).with_source(error)
                });
                Some((piece, (body, sender, task, address)))
            }))
        }))
    }
}

/// Ends a task with its owner.
struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
