//! The door: HTTP requests of a `kube::Client` come in, answers go out.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::Frame;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tower::Service;

use super::call::Call;
use super::faults::Failure;
use super::state::{Answer, State};
use super::status::Refusal;
use super::{Shared, watch};

type AnswerBody = UnsyncBoxBody<Bytes, io::Error>;

/// Where one user's requests come in.
pub(super) struct Door {
    shared: Arc<Shared>,
    user: Arc<str>,
}

impl Door {
    pub(super) fn new(shared: Arc<Shared>, user: &str) -> Self {
        Self { shared, user: user.into() }
    }
}

impl Service<Request<Body>> for Door {
    type Response = Response<AnswerBody>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(serve(Arc::clone(&self.shared), Arc::clone(&self.user), request))
    }
}

async fn serve(
    shared: Arc<Shared>,
    user: Arc<str>,
    request: Request<Body>,
) -> io::Result<Response<AnswerBody>> {
    if shared.look(|state| state.stopped) {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    let (parts, body) = request.into_parts();
    let body = body.collect_bytes().await.map_err(io::Error::other)?.to_vec();
    if let Some(answer) =
        shared.look(|state| about_the_server(state, &user, parts.uri.path(), &body))
    {
        return answer_with(answer, &shared);
    }
    let find = |group: &str, version: &str, plural: &str| {
        shared.look(|state| state.kind(group, version, plural))
    };
    let call = match Call::read(&parts, body, user, find) {
        Ok(call) => call,
        Err(refusal) => return answer_with(Err(refusal), &shared),
    };
    let met = shared.look(|state| state.count(&call));
    let Some((failure, has_effect)) = met else {
        let answer = admit(&shared, &call);
        return answer_with(answer, &shared);
    };
    if has_effect {
        // Its sender hears of the failure only.
        let _ = admit(&shared, &call);
    }
    match failure {
        Failure::Status(code) => answer_with(Err(Refusal::of_code(code)), &shared),
        Failure::Hang => std::future::pending().await,
        Failure::Disconnect => Err(io::ErrorKind::ConnectionReset.into()),
        Failure::Late => {
            let (sender, receiver) = oneshot::channel();
            shared.look(|state| state.late.push((call, sender)));
            match receiver.await {
                Ok(answer) => answer_with(answer, &shared),
                Err(_) => Err(io::ErrorKind::ConnectionReset.into()),
            }
        }
    }
}

fn admit(shared: &Arc<Shared>, call: &Call) -> Result<Answer, Refusal> {
    if call.is_write() {
        shared.change(|state| state.admit(call))
    } else {
        shared.look(|state| state.admit(call))
    }
}

impl State {
    /// Checks rights, then does what is asked for.
    pub(super) fn admit(&mut self, call: &Call) -> Result<Answer, Refusal> {
        self.rights.check(call)?;
        self.perform(call)
    }

    /// Counts a request, and finds the fault that meets it.
    fn count(&mut self, call: &Call) -> Option<(Failure, bool)> {
        *self.counts.entry((call.verb.to_owned(), call.what())).or_default() += 1;
        self.faults.meet(call)
    }
}

/// Questions that are not about objects.
fn about_the_server(
    state: &mut State,
    user: &str,
    path: &str,
    body: &[u8],
) -> Option<Result<Answer, Refusal>> {
    match path {
        "/version" => {
            let version = json!({
                "major": "1", "minor": "37", "gitVersion": "v1.37.0", "gitCommit": "",
                "gitTreeState": "clean", "buildDate": "2026-01-01T00:00:00Z", "goVersion": "go",
                "compiler": "gc", "platform": "stand-in",
            });
            Some(Ok(Answer::Object(200, version)))
        }
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews" => {
            let what = ("create".to_owned(), "selfsubjectaccessreviews".to_owned());
            *state.counts.entry(what).or_default() += 1;
            let review = serde_json::from_slice::<Value>(body);
            Some(match review {
                Ok(review) if review.is_object() => {
                    Ok(Answer::Object(201, state.rights.review(user, review)))
                }
                _ => Err(Refusal::bad_request("the review is unreadable")),
            })
        }
        _ => None,
    }
}

fn answer_with(
    answer: Result<Answer, Refusal>,
    shared: &Arc<Shared>,
) -> io::Result<Response<AnswerBody>> {
    let (code, body) = match answer {
        Ok(Answer::Object(code, object)) => (code, full(&object)),
        Ok(Answer::Watch(watch)) => {
            let lines = watch::body(watch, Arc::clone(shared));
            (200, StreamBody::new(lines.map(|line| line.map(Frame::data))).boxed_unsync())
        }
        Ok(Answer::Text(text)) => {
            let mut response = Response::new(plain(text));
            let media = HeaderValue::from_static("text/plain");
            response.headers_mut().insert(header::CONTENT_TYPE, media);
            return Ok(response);
        }
        Err(refusal) => (refusal.code, full(&refusal.body)),
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(code).map_err(io::Error::other)?;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    Ok(response)
}

fn full(object: &Value) -> AnswerBody {
    plain(object.to_string())
}

fn plain(text: String) -> AnswerBody {
    Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed_unsync()
}
