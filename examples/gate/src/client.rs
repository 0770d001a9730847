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

/// The bytes that are read of an answer at a time.
const READ: usize = 4 * 1024;

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
        let mut builder = Client::builder(TokioExecutor::new());
        // Each connection has room of that size all the time; most answers are shorter.
        builder.http1_read_buf_exact_size(READ);
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
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

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

    /// What a client got, and what the server read of the request's head.
    async fn exchange(tls: bool) -> (Result<Response<AnswerBody>>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let scheme = if tls { "https" } else { "http" };
        let address = format!("{scheme}://{}/v2/", listener.local_addr().unwrap());
        let client = UrlClient::new(Address::parse(&address).unwrap()).unwrap();
        let request = Request::post("/chat?a=b").body(Bytes::from_static(b"hello")).unwrap();
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 4096];
            let length = stream.read(&mut head).await.unwrap();
            let answer = b"HTTP/1.1 500 Broken\r\ncontent-length: 100\r\n\r\nfirst";
            stream.write_all(answer).await.unwrap();
            (String::from_utf8_lossy(&head[..length]).into_owned(), stream)
        };
        let (answer, (head, _open)) = tokio::join!(client.send(&Target::Any, request), serve);
        if let Ok(answer) = answer {
            let (parts, mut body) = answer.into_parts();
            // It is read before the rest is there.
            assert_eq!(body.next().await.unwrap().unwrap(), "first");
            return (Ok(Response::from_parts(parts, body)), head);
        }
        (answer, head)
    }

    #[tokio::test]
    async fn the_path_of_the_address_comes_first_and_any_status_is_an_answer() {
        let (answer, head) = exchange(false).await;
        assert_eq!(answer.unwrap().status(), 500);
        assert!(head.starts_with("POST /v2/chat?a=b HTTP/1.1\r\n"), "{head}");
    }

    /// Who asks for TLS gets TLS or nothing.
    #[tokio::test]
    async fn what_does_not_speak_tls_is_an_error_and_hears_nothing() {
        let (answer, head) = exchange(true).await;
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::Unavailable);
        assert!(!head.contains("chat") && !head.contains("hello"), "{head}");
    }

    #[tokio::test]
    async fn another_pod_is_not_found() {
        let client = UrlClient::new(Address::parse("http://agent").unwrap()).unwrap();
        let to = Target::Pod(PodRef::new("other", "other"));
        let sent = client.send(&to, Request::new(Bytes::new())).await;
        assert_eq!(sent.unwrap_err().kind(), ErrorKind::NotFound);
    }
}
