//! The way to an agent at an address, with and without TLS.

use std::fmt;

use async_trait::async_trait;
use bluegreen_core::{AgentClient, AnswerBody, Error, ErrorKind, PodRef, Result, Target};
use bytes::Bytes;
use futures_util::TryStreamExt;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// Where an agent is: what stands before the path that a suite has.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Address {
    is_tls: bool,
    /// `https://agent.example.com/v2`, without a slash at the end.
    text: String,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Address {
    /// Reads an address, or says what is wrong with it. What could be a password is not repeated.
    pub(crate) fn parse(text: &str) -> std::result::Result<Self, String> {
        let wanted = "an address like http://agent:8080 or https://agent.example.com/v2";
        if text.contains('@') {
            return Err(format!(
                "found an address with a name or password in it, wanted {wanted}: credentials are \
                 headers of the suite, `authorization: {{ env: NAME }}`"
            ));
        }
        let refuse = |what: &str| Err(format!("found `{text}`, {what}, wanted {wanted}"));
        if text.contains(['?', '#']) {
            return refuse("with more than a path");
        }
        let Ok(uri) = text.parse::<Uri>() else { return refuse("which is no address") };
        let is_tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return refuse("which is neither http:// nor https://"),
        };
        if uri.host().is_none_or(str::is_empty) {
            return refuse("without a host");
        }
        Ok(Self { is_tls, text: text.trim_end_matches('/').to_owned() })
    }
}

/// Talks to an agent at an address. Connections are kept, redirects are not followed.
pub(crate) struct UrlClient {
    address: Address,
    http: Http,
}

enum Http {
    Plain(Client<HttpConnector, Full<Bytes>>),
    Tls(Client<HttpsConnector<HttpConnector>, Full<Bytes>>),
}

impl UrlClient {
    /// A client of this address. With TLS it trusts what the machine trusts.
    pub(crate) fn new(address: Address) -> std::result::Result<Self, String> {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        let builder = Client::builder(TokioExecutor::new());
        let http = if address.is_tls {
            tcp.enforce_http(false);
            let tls = HttpsConnectorBuilder::new().with_native_roots();
            let tls = tls.map_err(|error| {
                format!("found no certificates to trust for {address}: {error}")
            })?;
            Http::Tls(builder.build(tls.https_only().enable_http1().wrap_connector(tcp)))
        } else {
            Http::Plain(builder.build(tcp))
        };
        Ok(Self { address, http })
    }

    fn pod(&self) -> PodRef {
        PodRef::new(self.address.text.as_str(), self.address.text.as_str())
    }
}

#[async_trait]
impl AgentClient for UrlClient {
    async fn pods(&self) -> Result<Vec<PodRef>> {
        Ok(vec![self.pod()])
    }

    async fn send(&self, to: &Target, mut request: Request<Bytes>) -> Result<Response<AnswerBody>> {
        let address = self.address.to_string();
        if matches!(to, Target::Pod(pod) if *pod != self.pod()) {
            let why = format!("{address} is the only address here");
            return Err(Error::new(ErrorKind::NotFound, "send a request").with_source(why));
        }
        let uri = format!("{address}{}", request.uri());
        *request.uri_mut() = uri.parse().map_err(|error| {
            Error::new(ErrorKind::Rejected, format!("ask {address}")).with_source(error)
        })?;
        let request = request.map(Full::new);
        let answer = match &self.http {
            Http::Plain(client) => client.request(request),
            Http::Tls(client) => client.request(request),
        };
        let answer = answer.await.map_err(|error| {
            let is_connect = error.is_connect();
            let (kind, action) = if is_connect {
                (ErrorKind::Unavailable, format!("connect to {address}"))
            } else {
                (ErrorKind::Unknown, format!("ask {address}"))
            };
            Error::new(kind, action).with_source(error)
        })?;
        Ok(answer.map(|body| {
            AnswerBody::new(body.into_data_stream().map_err(move |error| {
                let action = format!("read the answer of {address}");
                Error::new(ErrorKind::Unavailable, action).with_source(error)
            }))
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_http_or_https_and_has_no_secrets() {
        let read = |text: &str| Address::parse(text).map(|it| it.to_string());
        assert_eq!(read("http://agent:8080/"), Ok("http://agent:8080".to_owned()));
        assert_eq!(read("https://a.example/v2"), Ok("https://a.example/v2".to_owned()));
        for text in ["", "agent:8080", "ftp://agent", "http://", "/chat", "http://a?x=1", "a b"] {
            let why = read(text).unwrap_err();
            assert!(why.contains("wanted an address like"), "{why}");
        }
        let why = read("https://me:hunter2@agent").unwrap_err();
        assert!(!why.contains("hunter2") && why.contains("headers of the suite"), "{why}");
    }
}
