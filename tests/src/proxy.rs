//! A proxy in front of the API server that knows the writes of one process, and cuts at one.

use std::convert::Infallible;
use std::fmt;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade;
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tower::{BoxError, ServiceExt as _};

use crate::{Access, Carrier};

mod write;

/// Where a process is cut off: at the first write of this name that comes after so many of the
/// same name have been made.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Cut {
    /// What it writes, in words.
    pub write: String,
    /// How many of that name there have been then, this one included.
    pub number: usize,
    /// What becomes of it.
    pub side: Side,
}

/// What becomes of the write at which a process is cut off.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Side {
    /// It never reaches the API server.
    Before,
    /// It is made, and the answer never comes back.
    After,
    /// It is held back, and reaches the API server when somebody [says so](Proxy::deliver).
    Late,
}

/// A write that the API server has accepted.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Written {
    /// What it is, in words.
    pub write: String,
    /// How many of that name there have been, this one included.
    pub number: usize,
}

/// Passes on everything that comes to an address of this machine, with the credentials of
/// somebody: requests, watches and forwarded ports. After the cut nothing is passed on any more.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    listening: JoinHandle<()>,
}

struct Shared {
    upstream: Carrier,
    cut: Option<Cut>,
    /// Whether what tells that the process lives is kept from the API server.
    is_mute: bool,
    written: Mutex<Vec<Written>>,
    stage: watch::Sender<Stage>,
    /// What the API server said to the write that came late.
    late: watch::Sender<Option<StatusCode>>,
    forwarded: Mutex<JoinSet<()>>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    Open,
    Cut,
    /// What was held back is passed on.
    Reopened,
}

impl Proxy {
    /// A proxy with the credentials of `access`.
    pub async fn start(access: &Access, cut: Option<Cut>) -> Self {
        Self::listen(access, cut, false).await
    }

    /// The same, where the process cannot renew its lease.
    pub async fn mute(access: &Access) -> Self {
        Self::listen(access, None, true).await
    }

    async fn listen(access: &Access, cut: Option<Cut>, is_mute: bool) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            upstream: access.carrier(),
            cut,
            is_mute,
            written: Mutex::default(),
            stage: watch::channel(Stage::Open).0,
            late: watch::channel(None).0,
            forwarded: Mutex::default(),
        });
        let listening = tokio::spawn(accept(listener, shared.clone()));
        Self { address, shared, listening }
    }

    /// The way to the API server through it.
    pub fn access(&self) -> Access {
        Access::through(self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The writes that the API server has accepted so far.
    pub fn written(&self) -> Vec<Written> {
        lock(&self.shared.written).clone()
    }

    /// Returns once it has cut.
    pub async fn cuts(&self) {
        let mut stage = self.shared.stage.subscribe();
        // The sender is this proxy's own.
        let _ = stage.wait_for(|stage| *stage != Stage::Open).await;
    }

    /// Passes on what was held back, and all that comes from now on.
    pub fn reopen(&self) {
        self.shared.stage.send_replace(Stage::Reopened);
    }

    /// Passes on the write that was held back, and all that has come since; what the API server
    /// says to it. Nothing if whoever sent it had given up before it was stopped.
    pub async fn deliver(&self) -> Option<StatusCode> {
        self.reopen();
        let mut late = self.shared.late.subscribe();
        let answered = late.wait_for(Option::is_some);
        let answered = tokio::time::timeout(Duration::from_secs(30), answered).await;
        answered.ok().and_then(|answer| *answer.unwrap())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("address", &self.address).finish_non_exhaustive()
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        connections.spawn(serve(stream, shared.clone()));
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    stream.set_nodelay(true).unwrap();
    let service = service_fn(move |request| {
        let shared = shared.clone();
        async move { Ok::<_, Infallible>(shared.answer(request).await) }
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // A process that is killed ends its connections as it does.
    let _ = connection.with_upgrades().await;
}

type Answer = Response<BoxBody<Bytes, BoxError>>;

impl Shared {
    async fn answer(&self, request: Request<Incoming>) -> Answer {
        self.pass(request).await.unwrap_or_else(|error| {
            let text = bluegreen_core::chain(error.as_ref());
            let body = Full::new(text.into()).map_err(|never| match never {});
            let mut answer = Response::new(BoxBody::new(body));
            *answer.status_mut() = StatusCode::BAD_GATEWAY;
            answer
        })
    }

    async fn pass(&self, mut request: Request<Incoming>) -> Result<Answer, BoxError> {
        self.opened().await;
        let downstream =
            request.headers().contains_key(header::UPGRADE).then(|| upgrade::on(&mut request));
        let (parts, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        if self.is_mute
            && parts.method == http::Method::PUT
            && parts.uri.path().contains("/leases/")
        {
            return Err("it cannot tell that it lives".into());
        }
        let write = write::name(&parts.method, &parts.uri, &body);
        let cut = write.as_deref().and_then(|write| self.cut_at(write));
        if matches!(cut, Some(Side::Before | Side::Late)) {
            self.stage.send_replace(Stage::Cut);
        }
        self.opened().await;
        let mut request = Request::from_parts(parts, body.into());
        request.headers_mut().remove(header::HOST);
        let mut answer = self.upstream.clone().oneshot(request).await?;
        if let Some(write) = write {
            self.note(write, answer.status(), cut);
            self.opened().await;
        }
        if let Some(downstream) = downstream
            && answer.status() == StatusCode::SWITCHING_PROTOCOLS
        {
            let upstream = upgrade::on(&mut answer);
            lock(&self.forwarded).spawn(async move {
                if let (Ok(one), Ok(two)) = tokio::join!(downstream, upstream) {
                    // Either end may break off.
                    let _ =
                        copy_bidirectional(&mut TokioIo::new(one), &mut TokioIo::new(two)).await;
                }
            });
        }
        Ok(answer.map(|body| BoxBody::new(body.map_err(BoxError::from))))
    }

    /// Waits for ever once it has cut, unless what was held back is passed on.
    async fn opened(&self) {
        let mut stage = self.stage.subscribe();
        if stage.wait_for(|stage| *stage != Stage::Cut).await.is_err() {
            pending::<()>().await;
        }
    }

    /// What becomes of a write that comes now, if this is where the process is cut off.
    fn cut_at(&self, write: &str) -> Option<Side> {
        let cut = self.cut.as_ref().filter(|cut| cut.write == write)?;
        let is_open = *self.stage.borrow() == Stage::Open;
        (is_open && self.count(write) + 1 == cut.number).then_some(cut.side)
    }

    fn count(&self, write: &str) -> usize {
        lock(&self.written).iter().filter(|it| it.write == write).count()
    }

    /// Keeps what was written. What was refused is tried again under the same number.
    fn note(&self, write: String, status: StatusCode, cut: Option<Side>) {
        if cut == Some(Side::Late) {
            self.late.send_replace(Some(status));
        }
        if !status.is_success() {
            return;
        }
        let number = self.count(&write) + 1;
        lock(&self.written).push(Written { write, number });
        if cut == Some(Side::After) {
            self.stage.send_replace(Stage::Cut);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap()
}
