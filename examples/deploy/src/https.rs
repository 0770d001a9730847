//! The way to a receiver of notifications by TLS. It trusts what the machine trusts.

use async_trait::async_trait;
use bluegreen_core::{AgentClient, AnswerBody, Error, ErrorKind, PodRef, Result, Target};
use bytes::Bytes;
use futures_util::TryStreamExt as _;
use http::uri::{Authority, Scheme};
use http::{Request, Response, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::Failure;

/// Speaks HTTP by TLS to one host. Redirects are not followed.
pub(crate) struct HttpsClient {
    authority: Authority,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl HttpsClient {
    /// A client of the host in `url`, the rest of which is never shown.
    pub(crate) fn new(url: &str) -> std::result::Result<Self, Failure> {
        let uri = url.parse::<Uri>().ok();
        let authority = uri.and_then(|uri| uri.authority().cloned());
        let authority = authority.filter(|it| !it.as_str().contains('@')).ok_or_else(|| {
            Failure::Error("--notify: wanted a URL like https://hooks.example.com/…".to_owned())
        })?;
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let tls = HttpsConnectorBuilder::new().with_native_roots().map_err(|error| {
            Failure::Error(format!("--notify: found no certificates to trust: {error}"))
        })?;
        let connector = tls.https_only().enable_http1().wrap_connector(tcp);
        Ok(Self { authority, client: Client::builder(TokioExecutor::new()).build(connector) })
    }
}

#[async_trait]
impl AgentClient for HttpsClient {
    async fn pods(&self) -> Result<Vec<PodRef>> {
        Ok(vec![PodRef::new(self.authority.as_str(), self.authority.as_str())])
    }

    async fn send(&self, _: &Target, mut request: Request<Bytes>) -> Result<Response<AnswerBody>> {
        let host = self.authority.clone();
        let mut parts = request.uri().clone().into_parts();
        (parts.scheme, parts.authority) = (Some(Scheme::HTTPS), Some(host.clone()));
        *request.uri_mut() = Uri::from_parts(parts).map_err(|error| {
            Error::new(ErrorKind::Rejected, format!("ask {host}")).with_source(error)
        })?;
        let answer = self.client.request(request.map(Full::new)).await.map_err(|error| {
            let (kind, what) = if error.is_connect() {
                (ErrorKind::Unavailable, "connect to")
            } else {
                (ErrorKind::Unknown, "ask")
            };
            Error::new(kind, format!("{what} {host}")).with_source(error)
        })?;
        Ok(answer.map(|body| {
            AnswerBody::new(body.into_data_stream().map_err(move |error| {
                let action = format!("read the answer of {host}");
                Error::new(ErrorKind::Unavailable, action).with_source(error)
            }))
        }))
    }
}
