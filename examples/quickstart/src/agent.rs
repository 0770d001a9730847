//! The pods: each is an HTTP server on a port of its own, and answers as its configuration says.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use bluegreen_core::memory::{MemoryCluster, PodRunner, PodSpec};
use bluegreen_core::{
    AgentClient, AnswerBody, Color, Configuration, EnvValue, Error, ErrorKind, PodRef, Result,
    Target,
};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

/// What a whole answer ends with, so that half of one is noticed.
pub(crate) const END: &str = "[end]";

/// The header in which an answer says what gave it.
pub(crate) const VERSION: &str = "x-agent-version";

/// The header in which an answer says which slot gave it. Who sends it back stays there.
pub(crate) const SLOT: &str = "x-slot";

/// The header in which a question says of which conversation it is.
pub(crate) const CONVERSATION: &str = "x-conversation";

/// All pods that run. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Agents {
    pods: Arc<Mutex<BTreeMap<String, Pod>>>,
    servers: Arc<Mutex<JoinSet<()>>>,
}

struct Pod {
    color: Color,
    address: SocketAddr,
    server: AbortHandle,
    end: watch::Sender<bool>,
}

impl Agents {
    pub(crate) fn address(&self, pod: &str) -> Option<SocketAddr> {
        lock(&self.pods).get(pod).map(|pod| pod.address)
    }

    /// Ends the processes of a slot in mid-sentence. Nobody is told.
    pub(crate) fn crash(&self, color: Color) -> usize {
        let pods = lock(&self.pods);
        let of_slot = pods.values().filter(|pod| pod.color == color);
        of_slot.inspect(|pod| pod.server.abort()).count()
    }
}

#[async_trait]
impl PodRunner for Agents {
    async fn start(&self, pod: &PodSpec) -> Result<()> {
        let failed = |error: std::io::Error| {
            let action = format!("start pod {}", pod.name);
            Error::new(ErrorKind::Unavailable, action).with_source(error)
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (end, ending) = watch::channel(false);
        let agent = Arc::new(Agent::new(pod.color, &pod.configuration));
        let server = lock(&self.servers).spawn(serve(listener, agent, ending));
        let running = Pod { color: pod.color, address, server, end };
        lock(&self.pods).insert(pod.name.clone(), running);
        Ok(())
    }

    async fn stop(&self, name: &str) {
        if let Some(pod) = lock(&self.pods).remove(name) {
            pod.end.send_replace(true);
        }
    }
}

/// Serves until it is to end, and then lets those who were served first have their answers.
async fn serve(listener: TcpListener, agent: Arc<Agent>, mut ending: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = ending.wait_for(|it| *it) => break,
        };
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = stream else { continue };
        let agent = Arc::clone(&agent);
        let answer = service_fn(move |request| {
            let agent = Arc::clone(&agent);
            async move { agent.answer(request).await }
        });
        let serving = hyper::server::conn::http1::Builder::new()
            .keep_alive(false)
            .serve_connection(TokioIo::new(stream), answer);
        connections.spawn(async move { serving.await.is_ok() });
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// No language model: it does what the sentences of its prompt say, as far as it knows them.
struct Agent {
    color: Color,
    version: String,
    prompt: String,
    /// It never gives a connection to its database back.
    leaks: bool,
    asked: AtomicU64,
}

/// So many questions are answered before a leak shows.
const CONNECTIONS: u64 = 30;

impl Agent {
    fn new(color: Color, configuration: &Configuration) -> Self {
        let value = |name| {
            configuration.containers.values().find_map(|it| match it.value(name) {
                Some(EnvValue::Literal(text)) => text.reveal().map(str::to_owned),
                _ => None,
            })
        };
        let (prompt, leaks) = (value("PROMPT").unwrap_or_default(), value("LEAK").is_some());
        let version = configuration.version.clone().unwrap_or_default();
        Self { color, version, prompt, leaks, asked: AtomicU64::new(0) }
    }

    async fn answer(&self, request: Request<hyper::body::Incoming>) -> AnswerResult {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        let question = request.into_body().collect().await?.to_bytes();
        let question = String::from_utf8_lossy(&question).into_owned();
        let number: String = question.chars().filter(char::is_ascii_digit).collect();
        let mut pieces = Vec::new();
        for sentence in self.prompt.split('.').map(str::trim) {
            pieces.push(match sentence {
                "Name the parcel" => format!("Parcel {number}: "),
                "Say that it is on its way" => "it is on its way. ".to_owned(),
                "Say when it comes" => "It comes on Tuesday. ".to_owned(),
                "Offer the neighbours" => "Or shall the neighbours have it? ".to_owned(),
                _ => continue,
            });
        }
        pieces.push(END.to_owned());
        pieces.reverse();
        let body = Pieces { left: pieces, pause: Box::pin(sleep(PAUSE)) };
        let mut answer = Response::new(body);
        if self.leaks && asked > CONNECTIONS && asked.is_multiple_of(4) {
            *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        }
        if let Ok(version) = self.version.parse() {
            answer.headers_mut().insert(VERSION, version);
        }
        let slot = http::HeaderValue::from_static(self.color.as_str());
        answer.headers_mut().insert(SLOT, slot);
        Ok(answer)
    }
}

type AnswerResult = std::result::Result<Response<Pieces>, hyper::Error>;

/// How long the agent thinks before each piece of an answer.
const PAUSE: Duration = Duration::from_millis(8);

/// An answer that comes piece by piece; the last one first in the list.
struct Pieces {
    left: Vec<String>,
    pause: Pin<Box<Sleep>>,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, Infallible>>> {
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        ready!(self.pause.as_mut().poll(cx));
        self.pause = Box::pin(sleep_until(Instant::now() + PAUSE));
        Poll::Ready(self.left.pop().map(|piece| Ok(Frame::data(piece.into()))))
    }
}

/// How gates reach the pods of one slot: past the proxy.
pub(crate) struct Client {
    pub(crate) agents: Agents,
    pub(crate) cluster: MemoryCluster,
    pub(crate) color: Color,
}

#[async_trait]
impl AgentClient for Client {
    async fn pods(&self) -> Result<Vec<PodRef>> {
        let pods = self.cluster.pods(self.color).into_iter().filter(|pod| pod.ready);
        Ok(pods.map(|pod| PodRef::new(pod.name, pod.uid)).collect())
    }

    async fn send(&self, to: &Target, request: Request<Bytes>) -> Result<Response<AnswerBody>> {
        let action = || format!("ask slot {}", self.color);
        let pod = match to {
            Target::Pod(pod) => Some(pod.clone()),
            _ => self.pods().await?.into_iter().next(),
        };
        let address = pod.and_then(|pod| self.agents.address(&pod.name));
        let Some(address) = address else {
            return Err(Error::new(ErrorKind::Unavailable, action()).with_source("no such pod"));
        };
        let (parts, body) = ask(address, request)
            .await
            .map_err(|error| Error::new(ErrorKind::Unavailable, action()).with_source(error))?
            .into_parts();
        Ok(Response::from_parts(parts, AnswerBody::full(body)))
    }
}

/// Asks over a connection of its own, and reads the whole answer.
pub(crate) async fn ask(
    address: SocketAddr,
    request: Request<Bytes>,
) -> std::result::Result<Response<Bytes>, Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let asking = async {
        let (parts, body) = sender.send_request(request.map(Full::new)).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok::<_, hyper::Error>(Response::from_parts(parts, body))
    };
    tokio::pin!(asking);
    let answer = tokio::select! {
        answer = &mut asking => answer,
        _ = connection => asking.await,
    };
    Ok(answer?)
}

/// A question in words.
pub(crate) fn question(text: &str) -> Request<Bytes> {
    let mut request = Request::new(Bytes::from(text.to_owned()));
    *request.method_mut() = http::Method::POST;
    let host = http::HeaderValue::from_static("agent-service");
    request.headers_mut().insert(http::header::HOST, host);
    request
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
