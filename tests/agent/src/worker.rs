//! An agent that pulls its work: it looks who has the right to, and takes items from a queue only
//! while its own slot has it.
//!
//! What the queue hears, one request over one connection each:
//!
//! | request | answer |
//! |---|---|
//! | `POST /take?version=…&pod=…` | an item, which is then this worker's; 204 when there is none |
//! | `POST /done?item=…&version=…` | the item is processed |

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time;

use crate::config::Source;
use crate::state::State;

/// How often it is looked who has the right, and whether there is work.
const PACE: Duration = Duration::from_millis(100);
/// How long one request may take.
const LIMIT: Duration = Duration::from_secs(5);

/// Pulls until the agent ends. What is in hand then is finished first.
///
/// `agent_pulling` is 1 while the right is this slot's, or a request is under way that may bring an
/// item: whoever sees 0 knows that nothing more is taken. What it has in hand is counted elsewhere.
pub(crate) async fn work(state: Rc<State>) {
    let Some(worker) = state.config().worker.clone() else { return };
    let looking = async {
        while !state.ends() {
            // What cannot be read does not change what was last read: a worker that has read nothing
            // yet does not pull.
            if let Some(holder) = holder(&worker.right).await {
                state.set_allowed(holder.trim() == worker.slot);
            }
            time::sleep(PACE).await;
        }
    };
    let pulling = async {
        while !state.ends() {
            let took = state.is_allowed() && take(&state, &worker.queue).await;
            if !took {
                time::sleep(PACE).await;
            }
        }
    };
    tokio::join!(looking, pulling);
}

/// The slot that has the right to pull, if that can be read.
async fn holder(source: &Source) -> Option<String> {
    match source {
        Source::File(path) => tokio::fs::read_to_string(path).await.ok(),
        Source::Url(url) => {
            let (authority, path) = split(url);
            let (status, body) = ask(Method::GET, authority, path).await?;
            (status == StatusCode::OK).then(|| String::from_utf8_lossy(&body).into_owned())
        }
    }
}

/// Takes one item and processes it. Whether there was one.
async fn take(state: &State, queue: &str) -> bool {
    let in_hand = state.begin();
    let (authority, path) = split(queue);
    let config = state.config();
    let who = format!("version={}&pod={}", config.version, config.pod);
    let path = path.trim_end_matches('/');
    // Nothing is awaited between the look at the right and this.
    state.set_taking(true);
    let taken = ask(Method::POST, authority, &format!("{path}/take?{who}")).await;
    state.set_taking(false);
    let Some((StatusCode::OK, item)) = taken else { return false };
    time::sleep(state.slow()).await;
    let item = String::from_utf8_lossy(&item).into_owned();
    // Work that is done and not told of would be lost.
    let done = format!("{path}/done?item={item}&{who}");
    while !matches!(ask(Method::POST, authority, &done).await, Some((StatusCode::OK, _))) {
        eprintln!("agent: the queue does not hear that {item} is done");
        time::sleep(PACE).await;
    }
    drop(in_hand);
    true
}

/// The authority and the path of a URL without TLS.
fn split(url: &str) -> (&str, &str) {
    let rest = url.strip_prefix("http://").unwrap_or(url);
    match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, "/"),
    }
}

/// One request over a connection of its own; nothing where there is no whole answer in time.
async fn ask(method: Method, authority: &str, path: &str) -> Option<(StatusCode, Bytes)> {
    time::timeout(LIMIT, exchange(method, authority, path)).await.ok().flatten()
}

async fn exchange(method: Method, authority: &str, path: &str) -> Option<(StatusCode, Bytes)> {
    let stream = TcpStream::connect(authority).await.ok()?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    let request = Request::builder().method(method).uri(path).header(HOST, authority);
    let request = request.body(Empty::<Bytes>::new()).ok()?;
    let answering = async {
        let answer = sender.send_request(request).await.ok()?;
        let status = answer.status();
        let body = answer.into_body().collect().await.ok()?.to_bytes();
        // The connection ends when nobody can send on it any more.
        drop(sender);
        Some((status, body))
    };
    let (answer, _) = tokio::join!(answering, connection);
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_an_authority_and_a_path() {
        assert_eq!(split("http://10.0.0.1:80/right"), ("10.0.0.1:80", "/right"));
        assert_eq!(split("http://10.0.0.1:80"), ("10.0.0.1:80", "/"));
    }
}
