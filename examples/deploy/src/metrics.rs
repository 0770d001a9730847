//! Metrics of what this process drives, where Prometheus can fetch them.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bluegreen_core::observability::{Exposition, ReleaseMetrics};
use bluegreen_core::{Ports, Progress, Reporter};
use bytes::Bytes;
use clap::Args;
use http::header::CONTENT_TYPE;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};

use crate::cli::Command;
use crate::{Failure, show};

/// How long one connection may last: it brings one answer.
const CONNECTION: Duration = Duration::from_secs(10);

/// How many connections there are at once. Others wait for theirs.
const CONNECTIONS: usize = 16;

/// Whether metrics are served, and where.
#[derive(Args, Clone, Debug)]
pub(crate) struct Metrics {
    /// Serve metrics for Prometheus at this address, as `http://ADDRESS/metrics`, for as long as this
    /// process drives a release: `127.0.0.1:9464`, `0.0.0.0:9464`.
    #[arg(long, global = true, env = "BLUEGREEN_METRICS", value_name = "ADDRESS")]
    pub(crate) metrics: Option<SocketAddr>,
    /// At the end wait so long for somebody who fetches the last ones, unless interrupted.
    #[arg(long, global = true, value_parser = humantime::parse_duration, default_value = "0s")]
    pub(crate) metrics_linger: Duration,
}

impl Metrics {
    /// Begins to serve metrics of what goes through `ports`, if somebody wants them of this command.
    pub(crate) async fn serve(
        &self,
        command: &Command,
        ports: &Ports,
    ) -> Result<Option<Served>, Failure> {
        let Some(listener) = self.listen(command).await? else { return Ok(None) };
        let exposition = Arc::new(Exposition::new());
        let metrics = ReleaseMetrics::new(ports, exposition.clone());
        let (counter, fetches) = watch::channel(0);
        let task = tokio::spawn(serve(listener, exposition, counter)).abort_handle();
        let linger = self.metrics_linger;
        Ok(Some(Served { metrics, fetches, linger, task: Arc::new(Task(task)) }))
    }

    /// Where metrics can be fetched, if the command has any.
    async fn listen(&self, command: &Command) -> Result<Option<TcpListener>, Failure> {
        let Some(address) = self.metrics else { return Ok(None) };
        let begins = match command {
            Command::Deploy(_) => true,
            Command::Resume(_) | Command::Rollback(_) | Command::Abort(_) => false,
            // The others drive no release, so there is nothing to be fetched.
            _ => return Ok(None),
        };
        match TcpListener::bind(address).await {
            Ok(listener) => Ok(Some(listener)),
            // Nothing was touched yet, and a release that should be seen would not be.
            Err(error) if begins => Err(Failure::Error(format!("--metrics {address}: {error}"))),
            // What is under way has to go on, and above all back, whether it is seen or not.
            Err(error) => {
                show::warning(&format!("--metrics {address}: {error}; goes on without metrics"));
                Ok(None)
            }
        }
    }
}

/// Metrics that are served until the last clone is dropped.
#[derive(Clone)]
pub(crate) struct Served {
    metrics: ReleaseMetrics,
    fetches: watch::Receiver<u64>,
    linger: Duration,
    #[allow(dead_code, reason = "it serves for as long as this lives")]
    task: Arc<Task>,
}

struct Task(AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Reporter for Served {
    fn report(&self, progress: &Progress) {
        self.metrics.report(progress);
    }
}

/// Waits for the next fetch, so that somebody has seen how it ended, but not for long.
pub(crate) async fn linger(served: Option<&Served>) {
    let Some(served) = served else { return };
    let mut fetches = served.fetches.clone();
    fetches.mark_unchanged();
    let _ = timeout(served.linger, fetches.changed()).await;
}

async fn serve(listener: TcpListener, exposition: Arc<Exposition>, fetched: watch::Sender<u64>) {
    let fetched = Arc::new(fetched);
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        if connections.len() >= CONNECTIONS {
            connections.join_next().await;
        }
        match listener.accept().await {
            Ok((stream, _)) => {
                let answering = answer_all(stream, exposition.clone(), fetched.clone());
                connections.spawn(timeout(CONNECTION, answering));
            }
            // There may be too many open files: that passes.
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn answer_all(
    stream: TcpStream,
    exposition: Arc<Exposition>,
    fetched: Arc<watch::Sender<u64>>,
) {
    let is_fetch = AtomicBool::new(false);
    let service = service_fn(|request: Request<Incoming>| {
        is_fetch.store(request.uri().path() == "/metrics", Ordering::Relaxed);
        let response = answer(request.method(), request.uri().path(), &exposition);
        async { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(CONNECTION)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    // Whoever goes away before the end asks again.
    if connection.await.is_ok() && is_fetch.load(Ordering::Relaxed) {
        fetched.send_modify(|count| *count += 1);
    }
}

fn answer(method: &Method, path: &str, exposition: &Exposition) -> Response<Full<Bytes>> {
    let (status, text) = match (method, path) {
        (&Method::GET | &Method::HEAD, "/metrics") => (StatusCode::OK, exposition.text()),
        (_, "/metrics") => (StatusCode::METHOD_NOT_ALLOWED, "GET only\n".to_owned()),
        _ => (StatusCode::NOT_FOUND, "metrics are at /metrics\n".to_owned()),
    };
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    let kind = http::HeaderValue::from_static(Exposition::CONTENT_TYPE);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests {
    use bluegreen_core::observability::MetricSink;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use clap::Parser as _;

    use super::*;
    use crate::cli::Cli;

    async fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("{request} HTTP/1.1\r\nHost: deploy\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    /// Whether a command listens at an address, or why it ends.
    async fn listens(address: SocketAddr, words: &[&str]) -> Result<bool, String> {
        let address = address.to_string();
        let words = [&["deploy", "--metrics", &address], words].concat();
        let cli = Cli::try_parse_from(words).unwrap();
        match cli.metrics.listen(&cli.command).await {
            Ok(listener) => Ok(listener.is_some()),
            Err(Failure::Error(text)) => Err(text),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn an_address_that_is_taken_stops_nothing_but_a_release_that_has_not_begun() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = taken.local_addr().unwrap();
        let deploy = ["deploy", "--image", "example.com/agent:2"];
        let why = ["--reason", "wrong refunds"];
        let error = listens(address, &deploy).await.unwrap_err();
        assert!(error.starts_with(&format!("--metrics {address}: ")), "{error}");
        for command in ["rollback", "abort"] {
            assert_eq!(listens(address, &[&[command], &why[..]].concat()).await, Ok(false));
        }
        for command in ["resume", "status", "pause", "history"] {
            assert_eq!(listens(address, &[command]).await, Ok(false), "{command}");
        }
        // Where it is free they are served by whoever drives, and by nobody else.
        let free = "127.0.0.1:0".parse().unwrap();
        for words in [&deploy[..], &["resume"], &["rollback", "--reason", "wrong refunds"]] {
            assert_eq!(listens(free, words).await, Ok(true), "{words:?}");
        }
        assert_eq!(listens(free, &["status"]).await, Ok(false));
    }

    #[tokio::test]
    async fn prometheus_gets_the_metrics_and_everybody_else_an_error() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let exposition = Arc::new(Exposition::new());
        let [retries] = bluegreen_core::observability::FAMILIES
            .into_iter()
            .filter(|family| family.name == "bluegreen_retries_total")
            .collect::<Vec<_>>()[..]
        else {
            panic!("there should be one")
        };
        exposition.record(retries, &[("service", "agent")], 3.0);
        let (counter, mut fetches) = watch::channel(0);
        let task = tokio::spawn(serve(listener, exposition, counter));
        let answer = ask(address, "GET /metrics").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains("content-type: text/plain; version=0.0.4"), "{answer}");
        assert!(answer.ends_with("bluegreen_retries_total{service=\"agent\"} 3\n"), "{answer}");
        // Told once all of it was written.
        timeout(CONNECTION, fetches.wait_for(|count| *count == 1)).await.unwrap().unwrap();
        assert!(ask(address, "GET /").await.starts_with("HTTP/1.1 404"));
        assert!(ask(address, "POST /metrics").await.starts_with("HTTP/1.1 405"));
        task.abort();
    }
}
