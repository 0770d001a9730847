//! An agent that repeats what it hears, and a way to the API server on which others do.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use async_trait::async_trait;
use bluegreen_core::{AgentClient, AnswerBody, PodRef, Result, Target};
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use kube::Client;
use kube::client::Body;
use serde_json::json;

use super::planted::TOKEN;

/// An agent whose answers have everything in them that it was asked with.
#[derive(Clone)]
pub(crate) struct Echo {
    status: StatusCode,
}

impl Echo {
    pub(crate) fn of(status: u16) -> Self {
        Self { status: StatusCode::from_u16(status).unwrap() }
    }
}

#[async_trait]
impl AgentClient for Echo {
    async fn pods(&self) -> Result<Vec<PodRef>> {
        Ok(Vec::new())
    }

    async fn send(&self, _: &Target, request: Request<Bytes>) -> Result<Response<AnswerBody>> {
        let said = told(request.uri().to_string(), request.headers());
        let said = format!("{said}{}", String::from_utf8_lossy(request.body()));
        let mut answer = Response::new(AnswerBody::full(said));
        *answer.status_mut() = self.status;
        for value in request.headers().values() {
            answer.headers_mut().append("x-echo", value.clone());
        }
        Ok(answer)
    }
}

fn told(mut text: String, headers: &HeaderMap) -> String {
    for (name, value) in headers {
        let _ = write!(text, "\n{name}: {}", String::from_utf8_lossy(value.as_bytes()));
    }
    text.push('\n');
    text
}

/// What is on the way to the API server.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(crate) enum Api {
    /// Nothing.
    Honest,
    /// A webhook that refuses each patch of a Deployment, and quotes it.
    Quotes,
    /// The same, but not for those that are only tried.
    QuotesLater,
    /// A proxy that cannot reach the API server, and says what it was asked.
    Proxy,
}

/// The way on which it is.
pub(crate) fn client(of: &Client, namespace: &str, api: Arc<AtomicU8>) -> Client {
    let inner = of.clone();
    let service = tower::service_fn(move |mut request: Request<Body>| {
        let (inner, api) = (inner.clone(), api.load(Ordering::Relaxed));
        async move {
            let token = HeaderValue::from_str(&format!("Bearer {TOKEN}")).unwrap();
            request.headers_mut().insert(AUTHORIZATION, token);
            let (head, body) = request.into_parts();
            let body = body.collect_bytes().await.unwrap();
            // Of a deploy, not of a stamp.
            let is_patch = head.method == Method::PATCH
                && String::from_utf8_lossy(&body).contains("\"/spec/template\"");
            let is_tried = head.uri.query().is_some_and(|query| query.contains("dryRun"));
            let said = told(head.uri.to_string(), &head.headers);
            let said = format!("{said}{}", String::from_utf8_lossy(&body));
            let answer = if api == Api::Proxy as u8 {
                say(502, said)
            } else if is_patch
                && (api == Api::Quotes as u8 || (api == Api::QuotesLater as u8 && !is_tried))
            {
                // It gets the object, and no headers.
                let said = String::from_utf8_lossy(&body).into_owned();
                let cause =
                    json!({"reason": "FieldValueInvalid", "message": said, "field": "spec"});
                let status = json!({
                    "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                    "message": format!("admission webhook denied the request: {said}"),
                    "reason": "Invalid", "code": 422, "details": {"causes": [cause]},
                });
                say(422, status.to_string())
            } else {
                inner.send(Request::from_parts(head, Body::from(body))).await.unwrap()
            };
            Ok::<_, Infallible>(answer)
        }
    });
    Client::new(service, namespace)
}

fn say(status: u16, body: String) -> Response<Body> {
    let mut answer = Response::new(Body::from(body.into_bytes()));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap();
    answer
}
