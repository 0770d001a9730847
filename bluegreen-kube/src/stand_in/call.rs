//! What a request asks for.

use std::sync::Arc;

use http::{HeaderMap, Method, header, request::Parts};
use serde_json::Value;

use super::resource::Resource;
use super::status::Refusal;
use super::store::Key;

/// One request, read.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) verb: &'static str,
    pub(super) resource: Arc<Resource>,
    /// Empty: in all namespaces, or in none.
    pub(super) namespace: String,
    /// Empty for a list and a create.
    pub(super) name: String,
    pub(super) subresource: String,
    query: Vec<(String, String)>,
    content_type: String,
    agent: String,
    pub(super) user: Arc<str>,
    pub(super) body: Vec<u8>,
}

impl Call {
    /// Reads a request; `find` knows the resources by group, version and plural.
    pub(super) fn read(
        parts: &Parts,
        body: Vec<u8>,
        user: Arc<str>,
        find: impl Fn(&str, &str, &str) -> Option<Arc<Resource>>,
    ) -> Result<Self, Refusal> {
        let path: Vec<String> =
            parts.uri.path().split('/').filter(|part| !part.is_empty()).map(decode).collect();
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let (group, version, rest) = match path[..] {
            ["api", version, ref rest @ ..] => ("", version, rest),
            ["apis", group, version, ref rest @ ..] => (group, version, rest),
            _ => return Err(Refusal::no_such_resource()),
        };
        let (namespace, rest) = match *rest {
            ["namespaces", namespace, ref rest @ ..]
                if !rest.is_empty() && !matches!(rest[0], "status" | "finalize") =>
            {
                (namespace, rest)
            }
            _ => ("", rest),
        };
        let (plural, name, subresource) = match *rest {
            [plural] => (plural, "", ""),
            [plural, name] => (plural, name, ""),
            [plural, name, subresource] => (plural, name, subresource),
            _ => return Err(Refusal::no_such_resource()),
        };
        let resource = find(group, version, plural).ok_or_else(Refusal::no_such_resource)?;
        let query = read_query(parts.uri.query().unwrap_or_default());
        let is_watch = matches!(get(&query, "watch"), "true" | "1");
        let verb = match (&parts.method, name.is_empty()) {
            (&Method::GET, true) if is_watch => "watch",
            (&Method::GET, true) => "list",
            (&Method::GET, false) => "get",
            (&Method::POST, true) => "create",
            (&Method::PUT, false) => "update",
            (&Method::PATCH, false) => "patch",
            (&Method::DELETE, false) => "delete",
            (&Method::DELETE, true) => "deletecollection",
            _ => return Err(Refusal::method_not_allowed()),
        };
        Ok(Self {
            verb,
            resource,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            subresource: subresource.to_owned(),
            query,
            content_type: header_text(&parts.headers, header::CONTENT_TYPE.as_str()),
            agent: header_text(&parts.headers, header::USER_AGENT.as_str()),
            user,
            body,
        })
    }

    /// The resource as rights and counts name it: `deployments`, `deployments/scale`.
    pub(super) fn what(&self) -> String {
        if self.subresource.is_empty() {
            self.resource.plural.clone()
        } else {
            format!("{}/{}", self.resource.plural, self.subresource)
        }
    }

    pub(super) fn key(&self) -> Key {
        Key::new(&self.resource.id, &self.namespace, &self.name)
    }

    /// A query parameter; empty if it is not there.
    pub(super) fn parameter(&self, name: &str) -> &str {
        get(&self.query, name)
    }

    pub(super) fn is_write(&self) -> bool {
        !matches!(self.verb, "get" | "list" | "watch")
    }

    /// Whether nothing is to be stored.
    pub(super) fn is_dry_run(&self) -> bool {
        self.parameter("dryRun") == "All"
    }

    /// Who writes: what the request says, or the program that sent it.
    pub(super) fn manager(&self) -> &str {
        match self.parameter("fieldManager") {
            "" => match self.agent.split('/').next().unwrap_or_default() {
                "" => "unknown",
                program => program,
            },
            manager => manager,
        }
    }

    /// The media type of the body, without its parameters.
    pub(super) fn media_type(&self) -> &str {
        self.content_type.split(';').next().unwrap_or_default().trim()
    }

    /// The body as an object.
    pub(super) fn object(&self) -> Result<Value, Refusal> {
        let kind = &self.resource.kind;
        let object: Value = self.json()?;
        let found = object["kind"].as_str().unwrap_or(kind);
        if found != kind && self.subresource != "scale" {
            return Err(Refusal::bad_request(format!(
                "{found} in version \"{}\" cannot be handled as a {kind}: unknown conversion",
                self.resource.version
            )));
        }
        if object.is_object() {
            return Ok(object);
        }
        Err(self.unreadable("it is no object"))
    }

    /// The body as JSON.
    pub(super) fn json(&self) -> Result<Value, Refusal> {
        serde_json::from_slice(&self.body).map_err(|error| self.unreadable(&error.to_string()))
    }

    fn unreadable(&self, why: &str) -> Refusal {
        Refusal::bad_request(format!(
            "the object provided is unrecognized (must be of type {}): couldn't get version/kind; \
             json parse error: {why}",
            self.resource.kind
        ))
    }
}

fn header_text(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

fn get<'a>(query: &'a [(String, String)], name: &str) -> &'a str {
    query.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
}

fn read_query(query: &str) -> Vec<(String, String)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(&key.replace('+', " ")), decode(&value.replace('+', " ")))
        })
        .collect()
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = match tail {
            [high, low, ..] if *first == b'%' => std::str::from_utf8(&[*high, *low])
                .ok()
                .and_then(|hex| u8::from_str_radix(hex, 16).ok()),
            _ => None,
        };
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
