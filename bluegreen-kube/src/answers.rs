//! Evidence by fresh connections: so many in a row answered by the right version.

use std::collections::BTreeSet;
use std::time::Duration;

use bluegreen_core::{Error, ErrorKind, Result};
use bytes::Bytes;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, Request, Uri};
use http_body_util::{BodyExt as _, Limited};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::VersionSource;
use crate::printable::printable;
use crate::wire::Connection;

/// How long one connection may take from its first packet to the version.
const PATIENCE: Duration = Duration::from_secs(2);
/// The pause after a wrong answer, and between those beyond the number that was asked for.
const PAUSE: Duration = Duration::from_millis(10);
/// The largest body that is searched for a version.
const BODY: usize = 64 * 1024;

/// The most characters of a version that are shown; a label has no more.
const SHOWN: usize = 63;

/// Where fresh connections go, and what is asked there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Address {
    /// Host and port.
    pub(crate) authority: Authority,
    pub(crate) path: PathAndQuery,
    /// What a request says beside that.
    pub(crate) headers: HeaderMap,
}

impl Address {
    pub(crate) fn new(authority: Authority, path: PathAndQuery) -> Self {
        Self { authority, path, headers: HeaderMap::new() }
    }

    /// Reads a URL that answers are asked of. One without a path gets the path that is asked for
    /// by default.
    pub(crate) fn at(url: &str, default_path: &str) -> Result<Self> {
        parse(url, default_path).map_err(|reason| {
            Error::new(ErrorKind::Rejected, format!("ask {url}")).with_source(reason)
        })
    }
}

/// Returns once `in_a_row` fresh connections in a row, over no less time than `lasting`, were answered
/// by a version of `wanted`.
pub(crate) async fn count(
    address: &Address,
    version: &VersionSource,
    wanted: Option<&BTreeSet<String>>,
    in_a_row: u32,
    lasting: Duration,
) {
    let (mut right, mut began) = (0, Instant::now());
    while right < in_a_row || began.elapsed() < lasting {
        match ask(address, version, wanted).await {
            Ok(()) => {
                right = right.saturating_add(1);
                if right >= in_a_row && began.elapsed() < lasting {
                    tokio::time::sleep(PAUSE).await;
                }
            }
            Err(reason) => {
                tracing::debug!(at = %address.authority, right, reason, "a wrong answer");
                tokio::time::sleep(PAUSE).await;
                (right, began) = (0, Instant::now());
            }
        }
    }
}

/// Opens one connection, and says what is wrong with its answer.
pub(crate) async fn ask(
    address: &Address,
    version: &VersionSource,
    wanted: Option<&BTreeSet<String>>,
) -> Result<(), String> {
    let answer = tokio::time::timeout(PATIENCE, version_at(address, version));
    let found = answer.await.map_err(|_| format!("no answer within {PATIENCE:?}"))??;
    match (wanted, found) {
        (Some(wanted), Some(found)) if !wanted.contains(&found) => {
            // It is as long as an agent likes.
            let found = printable(&found, SHOWN);
            Err(format!("found version {found}, wanted {}", list(wanted)))
        }
        _ => Ok(()),
    }
}

async fn version_at(address: &Address, version: &VersionSource) -> Result<Option<String>, String> {
    let stream = connect(&address.authority).await?;
    let in_words = |error: hyper::Error| bluegreen_core::chain(&error);
    let mut connection = Connection::over(stream).await.map_err(in_words)?;
    let mut request = Request::get(address.path.as_str())
        .header(http::header::HOST, address.authority.as_str())
        .header(http::header::CONNECTION, "close")
        .body(Bytes::new())
        .map_err(|error| error.to_string())?;
    request.headers_mut().extend(address.headers.clone());
    let answer = connection.send(request).await.map_err(|lost| in_words(lost.error))?;
    let (head, body) = answer.into_parts();
    if *version == VersionSource::None && head.status.is_server_error() {
        return Err(format!("the answer is {}", head.status));
    }
    let body = if version.is_in_body() {
        let read = Limited::new(body, BODY).collect().await;
        read.map_err(|error| error.to_string())?.to_bytes()
    } else {
        Bytes::new()
    };
    version.read(&head.headers, &body)
}

/// Opens a TCP connection, and says why it cannot.
pub(crate) async fn connect(authority: &Authority) -> Result<TcpStream, String> {
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let port = authority.port_u16().unwrap_or(80);
    let stream = TcpStream::connect((host, port)).await.map_err(|error| error.to_string())?;
    // Small requests go out at once. Where that can't be set, they are a little later.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// Reads a URL. One without a path gets the path that is asked for by default.
pub(crate) fn parse(url: &str, default_path: &str) -> Result<Address, String> {
    let uri: Uri = url.parse().map_err(|error| format!("found {url:?}: {error}"))?;
    if uri.scheme_str() != Some("http") {
        return Err(format!("found {url:?}, wanted a URL that begins with http://"));
    }
    let authority = uri.authority().ok_or_else(|| format!("found {url:?}, which has no host"))?;
    let path = match uri.path_and_query() {
        Some(path) if path.as_str() != "/" => path.clone(),
        _ => default_path.parse().map_err(|error| format!("{default_path:?}: {error}"))?,
    };
    Ok(Address::new(authority.clone(), path))
}

/// Versions, in words.
pub(crate) fn list(versions: &BTreeSet<String>) -> String {
    versions.iter().map(String::as_str).collect::<Vec<_>>().join(" or ")
}
