//! What stands before the pods: sends every request to a ready pod of the slot that has traffic.

use std::error::Error;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use async_trait::async_trait;
use bluegreen_core::memory::MemoryCluster;
use bluegreen_core::{Color, Load, Pair, Share, SwitchStrategy};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{Either, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::agent::Agents;

/// How many pods are tried for one request. Another one is tried only when the connection was
/// refused: then nothing of the request was sent.
const TRIES: usize = 3;

#[derive(Clone)]
pub(crate) struct Proxy {
    cluster: MemoryCluster,
    agents: Agents,
    turn: Arc<AtomicUsize>,
    in_flight: Pair<Arc<AtomicU64>>,
}

impl Proxy {
    pub(crate) fn new(cluster: MemoryCluster, agents: Agents) -> Self {
        let in_flight = Pair::from_fn(|_| Arc::default());
        Self { cluster, agents, turn: Arc::default(), in_flight }
    }

    pub(crate) async fn serve(self, listener: TcpListener) {
        let mut connections = JoinSet::new();
        loop {
            let accepted = listener.accept().await;
            while connections.try_join_next().is_some() {}
            let Ok((stream, _)) = accepted else { continue };
            let proxy = self.clone();
            let forward = service_fn(move |request| {
                let proxy = proxy.clone();
                async move { Ok::<_, hyper::Error>(proxy.answer(request).await) }
            });
            let serving = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), forward);
            connections.spawn(async move { serving.await.is_ok() });
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Either<Through, Full<Bytes>>> {
        match self.forward(request).await {
            Ok(answer) => answer.map(Either::Left),
            Err(error) => {
                let mut answer = Response::new(Full::new(Bytes::from(error.to_string())));
                *answer.status_mut() = StatusCode::BAD_GATEWAY;
                answer.map(Either::Right)
            }
        }
    }

    async fn forward(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<Through>, Box<dyn Error + Send + Sync>> {
        let (stream, flight) = self.connect().await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { connection.await.is_ok() });
        let answer = sender.send_request(request).await?;
        Ok(answer.map(|body| Through { body, _flight: flight, _connection: tasks }))
    }

    async fn connect(&self) -> Result<(TcpStream, Flight), Box<dyn Error + Send + Sync>> {
        let mut last: Box<dyn Error + Send + Sync> = "no pod is ready".into();
        for _ in 0..TRIES {
            let Some((color, address)) = self.choose().await? else { continue };
            let flight = Flight::new(self.in_flight.of(color));
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok((stream, flight)),
                Err(error) => last = error.into(),
            }
        }
        Err(last)
    }

    /// A ready pod of the slot that has all traffic, in turns.
    async fn choose(&self) -> Result<Option<(Color, SocketAddr)>, bluegreen_core::Error> {
        let observed = self.cluster.switch().observe().await?;
        let all = |color: &Color| {
            observed.routing().is_some_and(|routing| routing.share_of(*color) == Share::ALL)
        };
        let Some(color) = Color::BOTH.into_iter().find(all) else { return Ok(None) };
        let ready = self.cluster.pods(color).into_iter().filter(|pod| pod.ready);
        let addresses: Vec<_> = ready.filter_map(|pod| self.agents.address(&pod.name)).collect();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let address = addresses.get(turn % addresses.len().max(1));
        Ok(address.map(|address| (color, *address)))
    }
}

/// The proxy knows what a slot has in hand, which is what draining waits for.
#[async_trait]
impl Load for Proxy {
    async fn in_flight(&self, slot: Color) -> bluegreen_core::Result<Option<u64>> {
        Ok(Some(self.in_flight.of(slot).load(Ordering::Relaxed)))
    }
}

/// A request is in flight until the last piece of its answer was passed on.
struct Flight(Arc<AtomicU64>);

impl Flight {
    fn new(count: &Arc<AtomicU64>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An answer that is passed on as it comes.
struct Through {
    body: Incoming,
    _flight: Flight,
    _connection: JoinSet<bool>,
}

impl Body for Through {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
