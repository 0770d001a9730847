//! How many requests a client makes, by what they are for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use tower::Service;

/// The requests of a client so far, by verb and kind: `GET services`, `WATCH pods`.
#[derive(Clone, Debug, Default)]
pub struct Calls(Arc<Mutex<BTreeMap<String, u64>>>);

impl Calls {
    /// A client that counts its requests.
    pub fn of(client: Client) -> (Client, Self) {
        let calls = Self::default();
        let service = Counted { client, calls: calls.clone() };
        (Client::new(service, "default"), calls)
    }

    /// All so far.
    pub fn all(&self) -> BTreeMap<String, u64> {
        self.0.lock().unwrap().clone()
    }

    /// Those since `before`, which is what [`all`](Self::all) said then.
    pub fn since(&self, before: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
        let mut made = self.all();
        for (what, number) in &mut made {
            *number -= before.get(what).copied().unwrap_or_default();
        }
        made.retain(|_, number| *number > 0);
        made
    }

    fn count(&self, request: &Request<Body>) {
        let query = request.uri().query().unwrap_or_default();
        let verb = if query.contains("watch=") { "WATCH" } else { request.method().as_str() };
        // /api/v1/namespaces/NAMESPACE/KIND, or /apis/GROUP/VERSION/namespaces/NAMESPACE/KIND
        let mut steps = request.uri().path().split('/').skip_while(|step| *step != "namespaces");
        let kind = steps.nth(2).unwrap_or("other");
        *self.0.lock().unwrap().entry(format!("{verb} {kind}")).or_default() += 1;
    }
}

#[derive(Clone)]
struct Counted {
    client: Client,
    calls: Calls,
}

impl Service<Request<Body>> for Counted {
    type Response = Response<Body>;
    type Error = kube::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.calls.count(&request);
        let client = self.client.clone();
        Box::pin(async move { client.send(request).await })
    }
}
