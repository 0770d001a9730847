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
        self.calls.0.lock().unwrap().push(Call {
            at: Instant::now(),
            method: request.method().to_string(),
            path: request.uri().path().to_owned(),
        });
        let client = self.client.clone();
        Box::pin(async move { client.send(request).await })
    }
}
