//! A client whose every request is written down.

use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Instant;

use futures_util::future::BoxFuture;
use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use tower::Service;

/// One request to the API server.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) at: Instant,
    pub(crate) method: String,
    pub(crate) path: String,
    /// When the head of the answer was there, if it is.
    pub(crate) answered: Option<Instant>,
}

impl Call {
    /// Whether it renews the lease of the process.
    pub(crate) fn is_heartbeat(&self) -> bool {
        self.path.contains("/leases")
    }

    /// Whether it moves traffic: a write to the live Service with a selector in it is the only
    /// patch of it but the stamp of the epoch, which comes first.
    pub(crate) fn patches(&self, service: &str) -> bool {
        self.method == "PATCH" && self.path.ends_with(&format!("/services/{service}"))
    }
}

/// The requests of a client so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Calls(Arc<Mutex<Vec<Call>>>);

impl Calls {
    pub(crate) fn since(&self, since: Instant) -> Vec<Call> {
        self.0.lock().unwrap().iter().filter(|call| call.at >= since).cloned().collect()
    }

    /// When the last write to the Service since then was answered.
    pub(crate) fn written(&self, service: &str, since: Instant) -> Option<Instant> {
        let calls = self.since(since);
        calls.iter().rev().find(|call| call.patches(service)).and_then(|call| call.answered)
    }

    /// The requests one by one, for whoever asks for them by `BENCH_CALLS=1`.
    pub(crate) fn print(&self, since: Instant) {
        if std::env::var_os("BENCH_CALLS").is_none() {
            return;
        }
        for call in self.since(since) {
            let after = |at: Instant| at.saturating_duration_since(since).as_secs_f64() * 1_000.0;
            let answered =
                call.answered.map_or_else(|| "–".to_owned(), |at| format!("{:.1}", after(at)));
            eprintln!("{:>9.1} to {answered:>7} ms {} {}", after(call.at), call.method, call.path);
        }
    }

    fn begin(&self, request: &Request<Body>) -> usize {
        let mut calls = self.0.lock().unwrap();
        calls.push(Call {
            at: Instant::now(),
            method: request.method().to_string(),
            path: request.uri().path().to_owned(),
            answered: None,
        });
        calls.len() - 1
    }

    fn end(&self, which: usize) {
        self.0.lock().unwrap()[which].answered = Some(Instant::now());
    }
}

/// A client that writes its requests down.
pub(crate) fn traced(client: Client, namespace: &str) -> (Client, Calls) {
    let calls = Calls::default();
    let service = Traced { client, calls: calls.clone() };
    (Client::new(service, namespace), calls)
}

#[derive(Clone)]
struct Traced {
    client: Client,
    calls: Calls,
}

impl Service<Request<Body>> for Traced {
    type Response = Response<Body>;
    type Error = kube::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (client, calls) = (self.client.clone(), self.calls.clone());
        let which = calls.begin(&request);
        Box::pin(async move {
            let answer = client.send(request).await;
            calls.end(which);
            answer
        })
    }
}
