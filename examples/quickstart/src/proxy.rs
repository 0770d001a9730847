//! What stands before the pods: sends every request to a ready pod of a slot that has traffic, each as
//! often as its share says. Those of one conversation stay on the slot that has answered the first.

use std::error::Error;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bluegreen_core::memory::MemoryCluster;
use bluegreen_core::{
    Assignment, Clock, Color, Load, Pair, Routing, Share, SwitchStrategy, SystemClock,
};
use bluegreen_validate::{Exposures, Observations};
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{Either, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::agent::{Agents, CONVERSATION, VERSION};

/// How many pods are tried for one request. Another one is tried only when the connection was
/// refused: then nothing of the request was sent.
const TRIES: usize = 3;

/// What the guard calls the rate of answers that are errors of the agent.
const ERRORS: &str = "errors";

/// What the experiment is called, and the key by which conversations are assigned to versions.
pub(crate) const EXPERIMENT: &str = "neighbours-prompt";

#[derive(Clone)]
pub(crate) struct Proxy {
    cluster: MemoryCluster,
    agents: Agents,
    turn: Arc<AtomicUsize>,
    pod_turns: Pair<Arc<AtomicUsize>>,
    in_flight: Pair<Arc<AtomicU64>>,
    seen: Observations,
    exposures: Exposures,
}

impl Proxy {
    pub(crate) fn new(cluster: MemoryCluster, agents: Agents) -> Self {
        let in_flight = Pair::from_fn(|_| Arc::default());
        let seen = Observations::keeping(Duration::from_mins(5), Duration::from_millis(100));
        let pod_turns = Pair::from_fn(|_| Arc::default());
        let exposures = Exposures::new();
        Self { cluster, agents, turn: Arc::default(), pod_turns, in_flight, seen, exposures }
    }

    /// Which conversation saw which version: what an experiment compares.
    pub(crate) fn exposures(&self) -> Exposures {
        self.exposures.clone()
    }

    /// Which answers were errors, slot by slot: what a guard compares.
    pub(crate) fn errors(&self) -> Observations {
        self.seen.clone()
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
        let (stream, color, flight) = self.connect(request.headers()).await?;
        let conversation = request.headers().get(CONVERSATION).cloned();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { connection.await.is_ok() });
        let answer = sender.send_request(request).await;
        let is_good = answer.as_ref().is_ok_and(|answer| !answer.status().is_server_error());
        self.seen.record(ERRORS, color, SystemClock.now(), if is_good { 0.0 } else { 1.0 });
        let answer = answer?;
        let text = |header: Option<&http::HeaderValue>| Some(header?.to_str().ok()?.to_owned());
        let version = text(answer.headers().get(VERSION));
        if let (Some(unit), Some(version)) = (text(conversation.as_ref()), version) {
            self.exposures.expose(&unit, color, &version, SystemClock.now());
        }
        Ok(answer.map(|body| Through { body, _flight: flight, _connection: tasks }))
    }

    async fn connect(
        &self,
        headers: &HeaderMap,
    ) -> Result<(TcpStream, Color, Flight), Box<dyn Error + Send + Sync>> {
        let mut last: Box<dyn Error + Send + Sync> = "no pod is ready".into();
        for _ in 0..TRIES {
            let Some((color, address)) = self.choose(headers).await? else { continue };
            let flight = Flight::new(self.in_flight.of(color));
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok((stream, color, flight)),
                Err(error) => last = error.into(),
            }
        }
        Err(last)
    }

    /// A ready pod of the slot that gets the request. Pods take turns.
    async fn choose(
        &self,
        headers: &HeaderMap,
    ) -> Result<Option<(Color, SocketAddr)>, bluegreen_core::Error> {
        let observed = self.cluster.switch().observe().await?;
        let Some(routing) = observed.routing() else { return Ok(None) };
        let color = self.slot(headers, routing);
        let ready = self.cluster.pods(color).into_iter().filter(|pod| pod.ready);
        let addresses: Vec<_> = ready.filter_map(|pod| self.agents.address(&pod.name)).collect();
        let pod = self.pod_turns.of(color).fetch_add(1, Ordering::Relaxed);
        let address = addresses.get(pod % addresses.len().max(1));
        Ok(address.map(|address| (color, *address)))
    }

    /// Conversations are assigned to slots; for anything else slots take turns by their shares.
    fn slot(&self, headers: &HeaderMap, routing: &Routing) -> Color {
        if let Some(conversation) = headers.get(CONVERSATION) {
            return Assignment::new(EXPERIMENT).slot_of_request(conversation, headers, routing);
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let candidate = routing.live.other();
        if is_turn(turn, routing.share_of(candidate)) { candidate } else { routing.live }
    }
}

/// Whether the candidate gets the request of this number. Of any so many requests in a row it gets its
/// share, to within one.
fn is_turn(number: usize, share: Share) -> bool {
    let (number, share) = (number as u128, u128::from(share.as_parts_per_million()));
    let all = u128::from(Share::ALL.as_parts_per_million());
    (number + 1) * share / all > number * share / all
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_slot_gets_its_share() {
        for percent in [0, 1, 25, 50, 99, 100] {
            let turns = (7..1_007).filter(|turn| is_turn(*turn, Share::percent(percent))).count();
            assert_eq!(turns, percent as usize * 10, "{percent} %");
        }
    }
}
