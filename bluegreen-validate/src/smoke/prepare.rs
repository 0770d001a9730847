//! Requests made ready to be sent, once for all pods.

use std::time::Duration;

use bluegreen_core::{Error, ErrorKind, Result, chain};
use bytes::Bytes;
use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, PROXY_AUTHORIZATION,
    TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

use super::{HeaderRule, HeaderText, Request, SmokeConfig};
use crate::ConfigError;
use crate::excerpt::{LOOKED_AT, Mask};

/// The longest path and query in bytes.
const LONGEST_PATH: usize = 8 * 1024;
/// Headers that say how a message is carried, which is the client's business.
const CARRIAGE: [HeaderName; 4] = [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE];

/// A request ready to be sent.
pub(super) struct Prepared<'a> {
    pub(super) request: &'a Request,
    /// What findings call it.
    pub(super) label: String,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
    pub(super) timeout: Duration,
    pub(super) max_body: usize,
    pub(super) max_head: usize,
    /// How many bytes of an answer's body are kept to be looked at.
    pub(super) kept: usize,
    pub(super) header_rules: Vec<(HeaderName, &'a [HeaderRule])>,
    /// Hides what is secret in it, should an answer repeat it.
    pub(super) mask: Mask,
}

impl Prepared<'_> {
    /// The message.
    pub(super) fn message(&self) -> http::Request<Bytes> {
        let mut message = http::Request::new(self.body.clone());
        *message.method_mut() = self.method.clone();
        *message.uri_mut() = self.uri.clone();
        *message.headers_mut() = self.headers.clone();
        message
    }
}

/// Makes all requests ready.
///
/// # Errors
/// [`Rejected`](ErrorKind::Rejected) when the settings have problems.
pub(super) fn prepare(config: &SmokeConfig) -> Result<Vec<Prepared<'_>>> {
    let problems: Vec<_> =
        config.problems().into_iter().filter(bluegreen_core::Problem::is_refusal).collect();
    if !problems.is_empty() {
        return Err(rejected(config, chain(&ConfigError::new(&config.name, problems))));
    }
    config
        .requests
        .iter()
        .map(|request| one(config, request).map_err(|why| rejected(config, why)))
        .collect()
}

fn rejected(config: &SmokeConfig, why: String) -> Error {
    Error::new(ErrorKind::Rejected, format!("prepare {}", config.name)).with_source(why)
}

fn one<'a>(config: &SmokeConfig, request: &'a Request) -> Result<Prepared<'a>, String> {
    let mut headers = HeaderMap::new();
    let mut mask = Mask::default();
    for (name, text) in &request.headers {
        let name = header_name(name)?;
        let secret = matches!(text, HeaderText::Env { .. }) || is_secret(&name);
        let text = resolve(text)?;
        let mut value = header_value(&text)?;
        if secret {
            value.set_sensitive(true);
            mask.hide(&text);
        }
        headers.insert(name, value);
    }
    mask.hide_query(&request.path);
    let (body, content_type) = match &request.body {
        Some(body) => body.render(),
        None => (Bytes::new(), None),
    };
    if let Some(content_type) = content_type
        && !headers.contains_key(CONTENT_TYPE)
    {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    let mut header_rules = Vec::new();
    for (name, rules) in &request.expect.headers {
        header_rules.push((header_name(name)?, rules.as_slice()));
    }
    Ok(Prepared {
        request,
        label: request.label(),
        method: method(&request.method)?,
        uri: uri(&request.path)?,
        headers,
        body,
        timeout: request.timeout.unwrap_or(config.timeout),
        max_body: config.max_body,
        max_head: config.max_head,
        kept: if request.expect.reads_body() { config.max_body } else { 2 * LOOKED_AT },
        header_rules,
        mask,
    })
}

/// Whether the value of this header is nobody's business, wherever it comes from.
fn is_secret(name: &HeaderName) -> bool {
    [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE].contains(name)
        || matches!(name.as_str(), "x-api-key" | "api-key" | "x-auth-token")
}

pub(super) fn method(text: &str) -> Result<Method, String> {
    match Method::from_bytes(text.as_bytes()) {
        Ok(Method::CONNECT) | Err(_) => Err(format!("the method `{text}`")),
        // `get` is a method of its own, and never the one that is meant.
        Ok(method) if method.as_str().chars().any(|c| c.is_ascii_lowercase()) => {
            Err(format!("the method `{text}`"))
        }
        Ok(method) => Ok(method),
    }
}

pub(super) fn uri(path: &str) -> Result<Uri, String> {
    if path.len() > LONGEST_PATH {
        return Err(format!("a path of {} bytes", path.len()));
    }
    let shown = crate::excerpt::without_query(path);
    // `//host/path` would name another host, and a fragment is never sent.
    if !path.starts_with('/') || path.starts_with("//") || path.contains('#') {
        return Err(format!("the path `{shown}`"));
    }
    path.parse().map_err(|error| format!("the path `{shown}`, {error}"))
}

pub(crate) fn header_name(name: &str) -> Result<HeaderName, String> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("the name `{name}`"))
}

/// Whether a header says how the message is carried.
pub(crate) fn is_carriage(name: &HeaderName) -> bool {
    CARRIAGE.contains(name) || matches!(name.as_str(), "keep-alive" | "proxy-connection")
}

/// The value itself is not repeated in the error, because it may be secret.
pub(crate) fn header_value(text: &str) -> Result<HeaderValue, String> {
    HeaderValue::from_str(text)
        .map_err(|_| "a value with characters that a header cannot hold".to_owned())
}

/// The value of a header to send.
pub(crate) fn resolve(text: &HeaderText) -> Result<String, String> {
    match text {
        HeaderText::Literal(text) => Ok(text.clone()),
        HeaderText::Env { env } if env.is_empty() || env.contains(['=', '\0']) => {
            Err(format!("the environment variable `{env}`"))
        }
        HeaderText::Env { env } => match std::env::var(env) {
            // The line break at the end of a file that was put into a variable.
            Ok(value) => Ok(value.trim_end_matches(['\n', '\r']).to_owned()),
            Err(std::env::VarError::NotPresent) => {
                Err(format!("the environment variable {env}, which is not set"))
            }
            Err(std::env::VarError::NotUnicode(_)) => {
                Err(format!("the environment variable {env}, which is not UTF-8"))
            }
        },
    }
}
