//! Evidence by fresh connections: so many in a row answered by the right version.

use std::collections::BTreeSet;
use std::time::Duration;

use bluegreen_core::{Color, Error, ErrorKind, Result, Vantage};
use bytes::Bytes;
use futures_util::future::try_join_all;
use http::uri::{Authority, PathAndQuery};
use http::{Request, Uri};
use http_body_util::{BodyExt as _, Limited};
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt as _;
use kube::api::ListParams;
use tokio::net::TcpStream;

use super::{ServiceSwitch, VersionSource};
use crate::printable::printable;
use crate::wire::Connection;

/// How long one connection may take from its first packet to the version.
const PATIENCE: Duration = Duration::from_secs(2);
/// The pause after a wrong answer.
const PAUSE: Duration = Duration::from_millis(10);
/// The largest body that is searched for a version.
const BODY: usize = 64 * 1024;

/// The most characters of a version that are shown; a label has no more.
const SHOWN: usize = 63;

/// Where fresh connections go.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Address {
    /// Host and port.
    pub(super) authority: Authority,
    pub(super) path: PathAndQuery,
}

impl ServiceSwitch {
    /// Returns once `in_a_row` fresh connections to each address were answered by the slot.
    pub(super) async fn await_answers(
        &self,
        color: Color,
        vantage: &Vantage,
        in_a_row: u32,
    ) -> Result<String> {
        let wanted = self.versions(color).await?;
        let addresses = self.addresses(vantage).await?;
        let counted =
            addresses.iter().map(|address| self.count(address, wanted.as_ref(), in_a_row));
        try_join_all(counted).await?;
        let places: Vec<_> = addresses.iter().map(|at| at.authority.as_str()).collect();
        let by = match &wanted {
            Some(wanted) => format!(" by {}", list(wanted)),
            None => " by some version, which was not asked".to_owned(),
        };
        Ok(format!("{in_a_row} fresh connections in a row to {} answered{by}", places.join(", ")))
    }

    async fn count(
        &self,
        address: &Address,
        wanted: Option<&BTreeSet<String>>,
        in_a_row: u32,
    ) -> Result<()> {
        let mut right = 0;
        while right < in_a_row {
            match self.ask(address, wanted).await {
                Ok(()) => right += 1,
                Err(reason) => {
                    tracing::debug!(at = %address.authority, right, reason, "a wrong answer");
                    right = 0;
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        Ok(())
    }

    /// Opens one connection, and says what is wrong with its answer.
    pub(super) async fn ask(
        &self,
        address: &Address,
        wanted: Option<&BTreeSet<String>>,
    ) -> Result<(), String> {
        let answer = tokio::time::timeout(PATIENCE, self.version_at(address));
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

    async fn version_at(&self, address: &Address) -> Result<Option<String>, String> {
        let stream = connect(&address.authority).await?;
        let in_words = |error: hyper::Error| bluegreen_core::chain(&error);
        let mut connection = Connection::over(stream).await.map_err(in_words)?;
        let request = Request::get(address.path.as_str())
            .header(http::header::HOST, address.authority.as_str())
            .header(http::header::CONNECTION, "close")
            .body(Bytes::new())
            .map_err(|error| error.to_string())?;
        let answer = connection.send(request).await.map_err(|lost| in_words(lost.error))?;
        let (head, body) = answer.into_parts();
        if self.version == VersionSource::None && head.status.is_server_error() {
            return Err(format!("the answer is {}", head.status));
        }
        let body = if self.version.is_in_body() {
            let read = Limited::new(body, BODY).collect().await;
            read.map_err(|error| error.to_string())?.to_bytes()
        } else {
            Bytes::new()
        };
        self.version.read(&head.headers, &body)
    }

    /// The versions that the pods of a slot are labelled with; `None` if answers don't tell.
    async fn versions(&self, color: Color) -> Result<Option<BTreeSet<String>>> {
        if self.version == VersionSource::None {
            return Ok(None);
        }
        let mut versions = BTreeSet::new();
        for name in &self.services {
            let any = ListParams::default().match_any();
            let pods = self.slot_pods(&self.base(name).await?, any).await?;
            let label = &self.settings.version_label;
            versions
                .extend(pods.of(color).iter().filter_map(|pod| pod.labels().get(label).cloned()));
        }
        if versions.is_empty() {
            let label = &self.settings.version_label;
            return Err(Error::new(
                ErrorKind::Rejected,
                format!("ask which version of {color} answers"),
            )
            .with_source(format!("no pod of {color} has the label {label}")));
        }
        Ok(Some(versions))
    }

    /// Where connections from this vantage go.
    pub(super) async fn addresses(&self, vantage: &Vantage) -> Result<Vec<Address>> {
        match vantage {
            Vantage::Cluster => {
                let services =
                    try_join_all(self.services.iter().map(|name| self.get(name))).await?;
                services.iter().map(|service| self.cluster_address(service)).collect()
            }
            Vantage::Url { url } => {
                let action = format!("ask {url}");
                let address = parse(url, &self.probe_path).map_err(|reason| {
                    Error::new(ErrorKind::Rejected, action).with_source(reason)
                })?;
                Ok(vec![address])
            }
            _ => Err(Error::new(ErrorKind::Rejected, "ask from a vantage")
                .with_source("this switch does not know it")),
        }
    }

    fn cluster_address(&self, service: &Service) -> Result<Address> {
        let name = service.name_any();
        let refuse = |reason: String| {
            Error::new(ErrorKind::Rejected, self.action("ask", &name)).with_source(reason)
        };
        let spec = service.spec.clone().unwrap_or_default();
        let ip = spec.cluster_ip.filter(|ip| !ip.is_empty() && ip != "None");
        let ip = ip.ok_or_else(|| refuse("it has no cluster IP to connect to".to_owned()))?;
        let ports = spec.ports.unwrap_or_default();
        let is_tcp = |protocol: &Option<String>| {
            protocol.as_deref().is_none_or(|protocol| protocol == "TCP")
        };
        let first = || ports.iter().find(|port| is_tcp(&port.protocol)).map(|port| port.port);
        let port = self.probe_port.map(i32::from).or_else(first);
        let port = port.ok_or_else(|| refuse("it has no TCP port".to_owned()))?;
        let host = if ip.contains(':') { format!("[{ip}]") } else { ip };
        let authority = format!("{host}:{port}");
        let path = self.probe_path.parse();
        Ok(Address {
            authority: authority
                .parse()
                .map_err(|error| refuse(format!("{authority}: {error}")))?,
            path: path.map_err(|error| refuse(format!("{}: {error}", self.probe_path)))?,
        })
    }
}

/// Opens a TCP connection, and says why it cannot.
pub(super) async fn connect(authority: &Authority) -> Result<TcpStream, String> {
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let port = authority.port_u16().unwrap_or(80);
    let stream = TcpStream::connect((host, port)).await.map_err(|error| error.to_string())?;
    // Small requests go out at once. Where that can't be set, they are a little later.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// Reads a URL. One without a path gets the path that is asked for by default.
pub(super) fn parse(url: &str, default_path: &str) -> Result<Address, String> {
    let uri: Uri = url.parse().map_err(|error| format!("found {url:?}: {error}"))?;
    if uri.scheme_str() != Some("http") {
        return Err(format!("found {url:?}, wanted a URL that begins with http://"));
    }
    let authority = uri.authority().ok_or_else(|| format!("found {url:?}, which has no host"))?;
    let path = match uri.path_and_query() {
        Some(path) if path.as_str() != "/" => path.clone(),
        _ => default_path.parse().map_err(|error| format!("{default_path:?}: {error}"))?,
    };
    Ok(Address { authority: authority.clone(), path })
}

fn list(versions: &BTreeSet<String>) -> String {
    versions.iter().map(String::as_str).collect::<Vec<_>>().join(" or ")
}
