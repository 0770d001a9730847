//! A client that opens a connection of its own for each request.

use std::collections::VecDeque;
use std::error::Error as StdError;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bluegreen_core::{AgentClient, AnswerBody, Error, ErrorKind, PodRef, Result, Target};
use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::server::Server;
use crate::world::pod;

pub(crate) struct Loopback {
    pods: Vec<(PodRef, SocketAddr)>,
    /// What is listed as ready, one list after another; the last one stays.
    ready: Mutex<VecDeque<Vec<PodRef>>>,
    /// Told of each piece of a body that has arrived.
    arrived: Arc<Notify>,
}

impl Loopback {
    /// A pod for each server.
    pub(crate) fn to<'a>(servers: impl IntoIterator<Item = &'a Server>) -> Self {
        Self::at(servers.into_iter().map(|server| server.address))
    }

    /// A pod at each address.
    pub(crate) fn at(addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        let pods: Vec<_> =
            addresses.into_iter().enumerate().map(|(number, it)| (pod(number), it)).collect();
        let ready = Mutex::new([pods.iter().map(|(pod, _)| pod.clone()).collect()].into());
        Self { pods, ready, arrived: Arc::default() }
    }

    /// After the first list these pods are ready.
    pub(crate) fn then_ready(self, pods: Vec<PodRef>) -> Self {
        self.ready.lock().unwrap().push_back(pods);
        self
    }
}

impl Loopback {
    /// Tells `arrived` of each piece of a body that has arrived.
    pub(crate) fn telling(mut self, arrived: Arc<Notify>) -> Self {
        self.arrived = arrived;
        self
    }
}

fn failed(action: &str, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
    Error::new(ErrorKind::Unavailable, action).with_source(source)
}

struct AbortOnDrop(JoinHandle<hyper::Result<()>>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[async_trait]
impl AgentClient for Loopback {
    async fn pods(&self) -> Result<Vec<PodRef>> {
        let mut ready = self.ready.lock().unwrap();
        let now = if ready.len() > 1 { ready.pop_front() } else { ready.front().cloned() };
        Ok(now.unwrap_or_default())
    }

    async fn send(&self, to: &Target, mut request: Request<Bytes>) -> Result<Response<AnswerBody>> {
        let found = match to {
            Target::Pod(pod) => self.pods.iter().find(|(known, _)| known == pod),
            _ => self.pods.first(),
        };
        let Some((pod, address)) = found else {
            return Err(Error::new(ErrorKind::NotFound, format!("find {to:?}")));
        };
        let name = pod.name.parse().unwrap();
        request.headers_mut().entry(header::HOST).or_insert(name);
        let stream = TcpStream::connect(address)
            .await
            .map_err(|error| failed("connect to the pod", error))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| failed("speak HTTP to the pod", error))?;
        let connection = AbortOnDrop(tokio::spawn(connection));
        let answer = sender
            .send_request(request.map(Full::new))
            .await
            .map_err(|error| failed("send the request", error))?;
        Ok(answer.map(|body| {
            let open = (body, sender, connection, self.arrived.clone());
            AnswerBody::new(stream::unfold(open, |(mut body, sender, connection, told)| async {
                let frame = body.frame().await?;
                told.notify_one();
                let piece = frame
                    .map(|frame| frame.into_data().unwrap_or_default())
                    .map_err(|error| failed("read the answer", error));
                Some((piece, (body, sender, connection, told)))
            }))
        }))
    }
}
