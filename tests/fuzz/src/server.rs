//! An API server that says whatever it was given.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use kube::client::{Body, Client};
use serde_json::{Value, json};

type Answer = UnsyncBoxBody<Bytes, Infallible>;

/// What the server is asked for, and says.
#[derive(Clone, Default)]
pub(crate) struct Server {
    objects: Arc<Vec<Value>>,
    /// The bodies of all writes.
    written: Arc<Mutex<Vec<Value>>>,
}

/// A kind of object by the plural that is in its path.
const KINDS: [(&str, &str); 11] = [
    ("configmaps", "ConfigMap"),
    ("deployments", "Deployment"),
    ("endpointslices", "EndpointSlice"),
    ("events", "Event"),
    ("horizontalpodautoscalers", "HorizontalPodAutoscaler"),
    ("leases", "Lease"),
    ("pods", "Pod"),
    ("replicasets", "ReplicaSet"),
    ("resourcequotas", "ResourceQuota"),
    ("services", "Service"),
    ("scale", "Scale"),
];

impl Server {
    /// A server that has these objects, whatever they are.
    pub(crate) fn of(objects: Vec<Value>) -> Self {
        Self { objects: Arc::new(objects), written: Arc::default() }
    }

    /// The way to it.
    pub(crate) fn client(&self) -> Client {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move { Ok::<_, Infallible>(server.answer(request).await) }
        });
        Client::new(service, "ns")
    }

    /// The last body that was written to it.
    pub(crate) fn last_written(&self) -> Option<Value> {
        self.written.lock().unwrap().last().cloned()
    }

    async fn answer(&self, request: Request<Body>) -> Response<Answer> {
        let (head, body) = request.into_parts();
        let body = body.collect_bytes().await.unwrap_or_default();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let path = head.uri.path();
        if path.ends_with("selfsubjectaccessreviews") {
            let mut review = body;
            review["status"] = json!({"allowed": true});
            return say(StatusCode::CREATED, &review);
        }
        if head.method != Method::GET {
            self.written.lock().unwrap().push(body.clone());
        }
        let parts: Vec<&str> = path.split('/').collect();
        let Some((at, kind)) = parts.iter().enumerate().rev().find_map(|(at, part)| {
            KINDS.iter().find(|(plural, _)| plural == part).map(|(_, kind)| (at, *kind))
        }) else {
            return missing();
        };
        let name = if kind == "Scale" { parts.get(at - 1) } else { parts.get(at + 1) };
        let of_kind = self.objects.iter().filter(|object| object["kind"] == kind);
        let mut found = of_kind
            .clone()
            .filter(|object| name.is_some_and(|name| object["metadata"]["name"] == **name));
        let query = head.uri.query().unwrap_or_default();
        match (head.method, name) {
            (Method::GET, None) if query.contains("watch=true") => {
                let line = |object| json!({"type": "ADDED", "object": object}).to_string() + "\n";
                let lines = Bytes::from(of_kind.map(line).collect::<String>());
                // A watch goes on.
                let lines = stream::once(async { Ok::<_, Infallible>(Frame::data(lines)) });
                let body = StreamBody::new(lines.chain(stream::pending()));
                Response::new(BodyExt::boxed_unsync(body))
            }
            (Method::GET, None) => {
                let items: Vec<&Value> = of_kind.collect();
                let api = items.first().map_or(json!("v1"), |first| first["apiVersion"].clone());
                let list = json!({
                    "kind": format!("{kind}List"), "apiVersion": api, "items": items,
                    "metadata": {"resourceVersion": "7"},
                });
                say(StatusCode::OK, &list)
            }
            (Method::GET | Method::PATCH | Method::DELETE, _) => match found.next() {
                Some(object) => say(StatusCode::OK, object),
                None => missing(),
            },
            _ => {
                let mut stored = body;
                if stored.is_object() {
                    stored["metadata"]["resourceVersion"] = "8".into();
                }
                say(StatusCode::OK, &stored)
            }
        }
    }
}

fn say(status: StatusCode, body: &Value) -> Response<Answer> {
    let mut response = Response::new(Full::from(body.to_string()).boxed_unsync());
    *response.status_mut() = status;
    response
}

fn missing() -> Response<Answer> {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound",
        "code": 404, "message": "not found", "metadata": {},
    });
    say(StatusCode::NOT_FOUND, &status)
}
