//! A model behind chat completions that thinks for 20 ms, and tells how often it was asked, how many
//! questions it had at a time, and how long it had each of them.
//!
//! `tests/bench/gate/run` starts it.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

const THINKS: Duration = Duration::from_millis(20);
const MOST_BYTES: usize = 1 << 20;

/// What it was asked since somebody last wanted to know.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    first: Option<SystemTime>,
    calls: u64,
    now: u64,
    most: u64,
    held: Duration,
}

static SEEN: Mutex<Seen> =
    Mutex::new(Seen { first: None, calls: 0, now: 0, most: 0, held: Duration::ZERO });

fn seen<T>(change: impl FnOnce(&mut Seen) -> T) -> T {
    change(&mut SEEN.lock().unwrap_or_else(PoisonError::into_inner))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let service = service_fn(answer);
        connections.spawn(async move {
            // That a client hung up is no failure.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, value) = match (request.method(), request.uri().path()) {
        (&Method::POST, path) if path.ends_with("/chat/completions") => think(request).await,
        (&Method::GET, "/seen") => (StatusCode::OK, told()),
        _ => (StatusCode::NOT_FOUND, json!({"error": {"message": "POST /chat/completions"}})),
    };
    let mut response = Response::new(Full::from(value.to_string()));
    *response.status_mut() = status;
    let kind = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(http::header::CONTENT_TYPE, kind);
    Ok(response)
}

/// What was seen, and a new beginning.
fn told() -> Value {
    let was = seen(std::mem::take);
    let first = was.first.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
    json!({
        "first": first.map(|since| since.as_secs_f64()),
        "calls": was.calls,
        "most": was.most,
        "held_ms": was.held.as_secs_f64() * 1_000.0,
    })
}

async fn think(request: Request<Incoming>) -> (StatusCode, Value) {
    let began = Instant::now();
    seen(|it| {
        it.first.get_or_insert_with(SystemTime::now);
        it.calls += 1;
        it.now += 1;
        it.most = it.most.max(it.now);
    });
    let body = Limited::new(request.into_body(), MOST_BYTES).collect().await;
    let body = body.map_err(io::Error::other).and_then(|body| {
        serde_json::from_slice::<Value>(&body.to_bytes()).map_err(io::Error::other)
    });
    tokio::time::sleep(THINKS).await;
    seen(|it| {
        it.now = it.now.saturating_sub(1);
        it.held += began.elapsed();
    });
    match body {
        Ok(body) => (StatusCode::OK, completion(&body)),
        Err(error) => (StatusCode::BAD_REQUEST, json!({"error": {"message": error.to_string()}})),
    }
}

/// An answer that names the number of the question, as a check wants to see it.
fn completion(body: &Value) -> Value {
    let content =
        &body["messages"].as_array().and_then(|all| all.last()).unwrap_or(body)["content"];
    // Some clients send a text, and some its parts.
    let question = content.as_str().or_else(|| content[0]["text"].as_str()).unwrap_or_default();
    let number: String = question.chars().filter(char::is_ascii_digit).collect();
    let text = format!("Parcel number {number} is on its way and will be there on Friday.");
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "agent",
        "choices": [{
            "index": 0, "finish_reason": "stop",
            "message": {"role": "assistant", "content": text}
        }],
        "usage": {"prompt_tokens": 12, "completion_tokens": 16, "total_tokens": 28}
    })
}
