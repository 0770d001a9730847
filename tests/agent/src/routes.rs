//! Which path answers what.

use std::fmt::Write as _;
use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use crate::body::Answer;
use crate::config;
use crate::state::{InFlight, State};

/// Names the version that answered, on every answer.
const VERSION: HeaderName = HeaderName::from_static("x-agent-version");
const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The longest message that `/chat` takes.
const LONGEST: usize = 64 * 1024;

/// Answers one request.
pub(crate) async fn answer(state: &State, request: Request<Incoming>) -> Response<Answer> {
    let mut response = route(state, request).await;
    if let Ok(version) = HeaderValue::from_str(&state.config().version) {
        response.headers_mut().insert(VERSION, version);
    }
    response
}

async fn route(state: &State, request: Request<Incoming>) -> Response<Answer> {
    let path = request.uri().path().to_owned();
    let query = request.uri().query().unwrap_or_default().to_owned();
    let meant = match path.as_str() {
        "/" | "/metrics" | "/prompt" | "/readyz" | "/stream" => request.method() == Method::GET,
        "/chat" => matches!(*request.method(), Method::GET | Method::POST),
        admin if admin.starts_with("/admin/") => request.method() == Method::POST,
        _ => return plain(StatusCode::NOT_FOUND, "no such path"),
    };
    if !meant {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "another method is meant");
    }
    match path.as_str() {
        "/readyz" if state.ready() => plain(StatusCode::OK, "ok"),
        "/readyz" => plain(StatusCode::SERVICE_UNAVAILABLE, "not ready"),
        "/prompt" => prompt(state).await,
        "/metrics" => reply(StatusCode::OK, OPEN_METRICS, state.metrics(), None),
        "/" | "/chat" | "/stream" => work(state, request, &query).await,
        admin_path => admin(state, admin_path.trim_start_matches("/admin/"), &query),
    }
}

/// The prompt as it is now: a mounted file may change under a pod.
async fn prompt(state: &State) -> Response<Answer> {
    let Some(file) = state.config().prompt_file.clone() else {
        return plain(StatusCode::NOT_FOUND, "AGENT_PROMPT_FILE names no file");
    };
    match tokio::fs::read_to_string(&file).await {
        Ok(text) => reply(StatusCode::OK, TEXT, text, None),
        Err(error) => {
            let text = format!("{file}: {error}");
            reply(StatusCode::INTERNAL_SERVER_ERROR, TEXT, text, None)
        }
    }
}

/// The paths that stand for an agent's real work: these are counted, fail and are slow.
///
/// The probe, the metrics and the switches are not, so that a fault never hides itself.
async fn work(state: &State, request: Request<Incoming>, query: &str) -> Response<Answer> {
    let guard = state.begin();
    let slow = state.slow();
    if !slow.is_zero() {
        tokio::time::sleep(slow).await;
    }
    if state.fails() {
        return reply(StatusCode::INTERNAL_SERVER_ERROR, TEXT, "made to fail", Some(guard));
    }
    match request.uri().path() {
        "/stream" => stream(state, query, guard),
        "/chat" => chat(state, request, guard).await,
        _ => {
            let text = format!("{{{}}}", identity(state));
            reply(StatusCode::OK, JSON, text, Some(guard))
        }
    }
}

async fn chat(state: &State, request: Request<Incoming>, guard: InFlight) -> Response<Answer> {
    let Ok(message) = Limited::new(request.into_body(), LONGEST).collect().await else {
        return reply(StatusCode::PAYLOAD_TOO_LARGE, TEXT, "too long", Some(guard));
    };
    let message = message.to_bytes();
    let reply_text = json_string(&String::from_utf8_lossy(&message));
    let text = format!("{{{},\"reply\":{reply_text}}}", identity(state));
    reply(StatusCode::OK, JSON, text, Some(guard))
}

fn stream(state: &State, query: &str, guard: InFlight) -> Response<Answer> {
    let number = |key, default| match parameter(query, key) {
        None => Some(default),
        Some(value) => value.parse().ok(),
    };
    let (Some(chunks), Some(pause)) = (number("chunks", 10), number("interval_ms", 100)) else {
        return reply(StatusCode::BAD_REQUEST, TEXT, "chunks and interval_ms are numbers", None);
    };
    let mut response = plain(StatusCode::OK, "");
    let pause = Duration::from_millis(pause);
    *response.body_mut() = Answer::lines(&state.config().version, chunks, pause, guard);
    response
}

/// The switches.
fn admin(state: &State, switch: &str, query: &str) -> Response<Answer> {
    match switch {
        "ready" => state.set_ready(true),
        "unready" => state.set_ready(false),
        "reset" => state.reset(),
        "leave" => state.let_go(),
        "fail" => match parameter(query, "rate").map_or(Some(1.0), config::rate) {
            Some(rate) => state.set_fail_rate(rate),
            None => return plain(StatusCode::BAD_REQUEST, "rate is a number from 0 to 1"),
        },
        "slow" => match parameter(query, "ms").and_then(|ms| ms.parse().ok()) {
            Some(ms) => state.set_slow(Duration::from_millis(ms)),
            None => return plain(StatusCode::BAD_REQUEST, "ms is a whole number"),
        },
        "exit" => match parameter(query, "code").map_or(Ok(1), str::parse) {
            Ok(code) => state.request_exit(code),
            Err(_) => return plain(StatusCode::BAD_REQUEST, "code is from 0 to 255"),
        },
        _ => return plain(StatusCode::NOT_FOUND, "no such switch"),
    }
    plain(StatusCode::OK, "done")
}

fn plain(status: StatusCode, text: &'static str) -> Response<Answer> {
    reply(status, TEXT, text, None)
}

fn reply(
    status: StatusCode,
    content_type: &'static str,
    text: impl Into<bytes::Bytes>,
    request: Option<InFlight>,
) -> Response<Answer> {
    let mut response = Response::new(Answer::text(text, request));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// The members of a JSON object that say who answers.
fn identity(state: &State) -> String {
    let config = state.config();
    format!("\"version\":{},\"pod\":{}", json_string(&config.version), json_string(&config.pod))
}

fn parameter<'query>(query: &'query str, key: &str) -> Option<&'query str> {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(k, _)| *k == key)
        .map(|(_, v)| v)
}

fn json_string(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    json.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => json.extend(['\\', character]),
            control if control.is_control() => {
                // Every control character is below U+10000, so four digits are enough.
                let _ = write!(json, "\\u{:04x}", u32::from(control));
            }
            other => json.push(other),
        }
    }
    json.push('"');
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_found_by_name() {
        assert_eq!(parameter("chunks=3&interval_ms=20", "interval_ms"), Some("20"));
        assert_eq!(parameter("chunks=3", "chunk"), None);
        assert_eq!(parameter("", "chunks"), None);
    }

    #[test]
    fn strings_are_quoted() {
        assert_eq!(json_string("a \"b\" \\ \n ü"), "\"a \\\"b\\\" \\\\ \\u000a ü\"");
    }
}
