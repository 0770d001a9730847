//! Where judges are, and the way there.

use std::fmt;
use std::sync::Arc;

use bluegreen_core::AgentClient;
use http::Uri;

use crate::AddressClient;

type Connect = dyn Fn(&str) -> Result<Arc<dyn AgentClient>, String> + Send + Sync;

/// An address, cut into where to connect to and what to ask for there.
#[derive(Debug, PartialEq)]
pub(in crate::prompt) struct Place {
    /// `https://models.example`.
    pub(in crate::prompt) origin: String,
    /// Path and query, beginning with `/`.
    pub(in crate::prompt) path: String,
}

impl Place {
    /// The address `url` with `below` behind its path.
    pub(in crate::prompt) fn parse(url: &str, below: &str) -> Result<Self, String> {
        // The address may have a password in it, so that it is not repeated.
        let uri: Uri = url.parse().map_err(|error| format!("an address that is none: {error}"))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err("an address without `http://` or `https://`, or without a host".to_owned());
        };
        if !["http", "https"].contains(&scheme) {
            return Err(format!("an address that begins with `{scheme}://`"));
        }
        if authority.as_str().contains('@') {
            return Err("an address with a name or a password".to_owned());
        }
        if url.contains("{{") || url.contains("{%") {
            return Err("a template".to_owned());
        }
        let query = uri.query().map_or(String::new(), |query| format!("?{query}"));
        let path = format!(
            "{}{below}{query}",
            if below.is_empty() { uri.path() } else { uri.path().trim_end_matches('/') }
        );
        Ok(Self { origin: format!("{scheme}://{authority}"), path })
    }
}

/// Makes the client of an address.
#[derive(Clone, Default)]
pub(in crate::prompt) struct Connector(Option<Arc<Connect>>);

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Connector(own)" } else { "Connector(http)" })
    }
}

impl Connector {
    pub(in crate::prompt) fn new(
        connect: impl Fn(&str) -> Result<Arc<dyn AgentClient>, String> + Send + Sync + 'static,
    ) -> Self {
        Self(Some(Arc::new(connect)))
    }

    pub(in crate::prompt) fn connect(&self, origin: &str) -> Result<Arc<dyn AgentClient>, String> {
        if let Some(connect) = &self.0 {
            return connect(origin);
        }
        let Some(host) = origin.strip_prefix("http://") else {
            return Err(format!("{origin}, and no client that speaks TLS"));
        };
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let address = if has_port { host.to_owned() } else { format!("{host}:80") };
        Ok(Arc::new(AddressClient::new([address])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_cut_into_where_and_what() {
        let place = Place::parse("https://models.example/v1/", "/embeddings").unwrap();
        assert_eq!(place.origin, "https://models.example");
        assert_eq!(place.path, "/v1/embeddings");
        let place = Place::parse("http://a:8080?version=1", "/chat/completions").unwrap();
        assert_eq!(place.path, "/chat/completions?version=1");
        assert_eq!(Place::parse("http://a/hook?x=1", "").unwrap().path, "/hook?x=1");
        for url in ["", "a", "/v1", "a:80", "ftp://a", "http://u:p@a", "http://a/{{ b }}"] {
            let found = Place::parse(url, "").unwrap_err();
            assert!(!found.contains("u:p"), "{found}");
        }
    }

    #[test]
    fn without_a_client_of_ones_own_nothing_that_needs_tls_is_reached() {
        let plain = Connector::default();
        assert!(plain.connect("http://models.example").is_ok());
        assert!(plain.connect("https://models.example").is_err());
        assert!(Connector::new(|_| Err("no".to_owned())).connect("http://a").is_err());
    }
}
