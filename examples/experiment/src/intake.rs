//! Where events come from: HTTP, a file that grows, the standard input.

use std::convert::Infallible;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bluegreen_core::{Clock as _, SystemClock};
use bluegreen_validate::Exposures;
use bluegreen_validate::report::ReleaseLog;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::events::{Book, Taken};
use crate::report::Report;
use crate::say;

/// The largest body, and the longest line of a file.
const LARGEST: usize = 4 << 20;
const LONGEST: u64 = 64 << 10;
/// The most connections at the same time, and how long each may last.
const CONNECTIONS: usize = 256;
const LASTS: Duration = Duration::from_mins(1);
/// How long one that is to end has for the answer that is under way.
const LEAVES: Duration = Duration::from_secs(5);
/// How often a file is looked at that has ended.
const AGAIN: Duration = Duration::from_secs(1);

/// What events are recorded in, and what is shown of it.
#[derive(Clone)]
pub(crate) struct Intake {
    pub(crate) exposures: Exposures,
    /// The metrics of which outcomes may be told.
    pub(crate) metrics: Arc<[String]>,
    pub(crate) log: ReleaseLog,
}

impl Intake {
    /// What a report is made from.
    pub(crate) fn of(report: &Report) -> Self {
        let (exposures, metrics) = (report.exposures.clone(), report.metrics.clone());
        Self { exposures, metrics, log: report.log.clone() }
    }

    /// Serves HTTP for as long as it is waited for.
    pub(crate) async fn serve(&self, listener: TcpListener) -> Infallible {
        let mut connections = JoinSet::new();
        loop {
            while connections.len() >= CONNECTIONS {
                connections.join_next().await;
            }
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(self.clone().connection(stream));
                    }
                    // Out of files, say: others may end meanwhile.
                    Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                },
                Some(_) = connections.join_next() => {}
            }
        }
    }

    fn book(&self) -> Book<'_> {
        Book { exposures: &self.exposures, metrics: &self.metrics }
    }

    async fn connection(self, stream: TcpStream) {
        let service = service_fn(|request| self.answer(request));
        let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        let mut serving = pin!(serving);
        // An error here is a client that went away, or took too long. One that keeps its connection gets
        // the answer that is under way, and is told to leave.
        if tokio::time::timeout(LASTS, &mut serving).await.is_err() {
            serving.as_mut().graceful_shutdown();
            let _ = tokio::time::timeout(LEAVES, serving).await;
        }
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let (json, html) = ("application/json", "text/html; charset=utf-8");
        Ok(match (request.method(), request.uri().path()) {
            (&Method::POST, "/events") => {
                match Limited::new(request.into_body(), LARGEST).collect().await {
                    Ok(body) => {
                        let now = SystemClock.now();
                        let taken = Taken::all(self.book(), &body.to_bytes(), now);
                        let is_wrong = taken.wrong > 0;
                        let status =
                            if is_wrong { StatusCode::BAD_REQUEST } else { StatusCode::OK };
                        let text = serde_json::to_string(&taken).unwrap_or_default();
                        reply(status, json, text)
                    }
                    Err(error) => {
                        let why = format!("{error}; wanted lines of at most 4 MiB together");
                        reply(StatusCode::BAD_REQUEST, "text/plain", why)
                    }
                }
            }
            (&Method::GET, "/") => reply(StatusCode::OK, html, self.log.snapshot().to_html()),
            (&Method::GET, "/report.json") => {
                let text = self.log.snapshot().to_json().unwrap_or_default();
                reply(StatusCode::OK, json, text)
            }
            (&Method::GET, "/healthz") => reply(StatusCode::OK, "text/plain", "ok".to_owned()),
            (_, "/" | "/events" | "/report.json" | "/healthz") => {
                reply(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "another method".to_owned())
            }
            _ => {
                let known = "wanted /events, /, /report.json or /healthz".to_owned();
                reply(StatusCode::NOT_FOUND, "text/plain", known)
            }
        })
    }

    /// Reads a file as it grows, or the standard input until it ends, for as long as it is waited for.
    pub(crate) async fn follow(&self, path: &Path) -> Infallible {
        if path.as_os_str() == "-" {
            self.read(tokio::io::stdin(), false).await;
        } else {
            loop {
                match tokio::fs::File::open(path).await {
                    Ok(file) => self.read(file, true).await,
                    Err(error) => say(&format!("{}: {error}", path.display())),
                }
                tokio::time::sleep(AGAIN).await;
            }
        }
        std::future::pending().await
    }

    /// Takes whole lines, also those that are still to come where it grows.
    async fn read(&self, source: impl AsyncRead + Unpin, grows: bool) {
        let mut source = BufReader::new(source);
        let (mut line, mut number, mut is_too_long) = (Vec::new(), 1_u64, false);
        loop {
            let room = LONGEST.saturating_sub(line.len() as u64);
            let read = (&mut source).take(room).read_until(b'\n', &mut line).await;
            let is_whole = line.ends_with(b"\n");
            match read {
                Ok(0) if room > 0 && grows => tokio::time::sleep(AGAIN).await,
                Ok(0) if room > 0 => {
                    // The last line of what has ended needs no end of its own.
                    if !is_too_long {
                        self.take(number, &line);
                    }
                    return;
                }
                Ok(_) if is_whole => {
                    if !is_too_long {
                        self.take(number, &line);
                    }
                    line.clear();
                    (number, is_too_long) = (number + 1, false);
                }
                Ok(_) if line.len() as u64 >= LONGEST => {
                    if !is_too_long {
                        say(&format!("line {number}: found more than {LONGEST} bytes, left out"));
                    }
                    line.clear();
                    is_too_long = true;
                }
                Ok(_) => {}
                Err(error) => return say(&format!("events can't be read: {error}")),
            }
        }
    }

    fn take(&self, number: u64, line: &[u8]) {
        let mut taken = Taken::default();
        taken.line(self.book(), number, line, SystemClock.now());
        taken.problems.iter().for_each(|problem| say(&format!("events: {problem}")));
    }
}

fn reply(status: StatusCode, kind: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(kind));
    response
}
