//! MCP over streamable HTTP, as far as it takes to list tools.

use std::collections::{BTreeMap, BTreeSet};

use bluegreen_core::{AgentClient, AnswerBody, PodRef, Target};
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use serde_json::{Value, json};

use super::ToolContractConfig;
use crate::HeaderText;
use crate::excerpt::Mask;
use crate::prompt::ask::{PURPOSE, Reply, each_event};
use crate::smoke::prepare as requests;

/// More pages than any list has.
const MOST_PAGES: u64 = 100;
/// More tools than any list has.
const MOST_TOOLS: usize = 10_000;

/// The first version of MCP in which a request says by itself what a session said before.
const STATELESS: &str = "2026-07-28";

/// What JSON-RPC calls a method that there is none of.
const NO_SUCH_METHOD: i64 = -32_601;

/// Tools by name, each as the server tells it.
pub(super) type Tools = BTreeMap<String, Value>;

/// Why there is no list of tools.
#[derive(Debug)]
pub(super) enum Trouble {
    /// No answer, for a reason that need not be the server's.
    Away(String),
    /// An answer that is none.
    Wrong(String),
    /// A status by which a server says that it does not know such a request.
    Unknown(String),
    /// The error of the protocol that says so.
    NoMethod(String),
    /// Another error of the protocol.
    Error(String),
}

impl Trouble {
    /// The same with more words.
    fn besides(self, more: &str) -> Self {
        match self {
            Self::Away(why) => Self::Away(format!("{why}; {more}")),
            Self::Wrong(why) => Self::Wrong(format!("{why}; {more}")),
            Self::Unknown(why) => Self::Unknown(format!("{why}; {more}")),
            Self::NoMethod(why) => Self::NoMethod(format!("{why}; {more}")),
            Self::Error(why) => Self::Error(format!("{why}; {more}")),
        }
    }
}

/// How those who call tools come to them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Way {
    /// In a session, or without one where the server knows none.
    Either,
    /// In a session, which `initialize` begins.
    Session,
    /// By requests that stand by themselves.
    Stateless,
}

impl Way {
    /// The way that the version leaves open.
    pub(super) fn of(config: &ToolContractConfig) -> Self {
        // Versions are dates, the year first.
        if config.protocol.as_str() >= STATELESS { Self::Stateless } else { Self::Either }
    }
}

/// What hides the secrets of the settings.
pub(super) fn mask(config: &ToolContractConfig) -> Result<Mask, String> {
    let mut mask = Mask::default();
    for (name, text) in &config.headers {
        let is_env = matches!(text, HeaderText::Env { .. });
        if is_env || requests::is_secret(&requests::header_name(name)?) {
            mask.hide(&requests::resolve(text)?);
        }
    }
    mask.hide_query(&config.path);
    Ok(mask)
}

/// What is said to one pod.
pub(super) struct Session<'a> {
    config: &'a ToolContractConfig,
    client: &'a dyn AgentClient,
    to: Target,
    uri: Uri,
    headers: HeaderMap,
    /// What requests say of themselves that are in no session.
    meta: Option<Value>,
    mask: Mask,
}

impl<'a> Session<'a> {
    pub(super) fn new(
        config: &'a ToolContractConfig,
        client: &'a dyn AgentClient,
        pod: PodRef,
    ) -> Result<Self, String> {
        let (mut headers, mask) = (HeaderMap::new(), mask(config)?);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        if let Ok(name) = HeaderValue::from_str(&config.name) {
            headers.insert(HeaderName::from_static(PURPOSE), name);
        }
        for (name, text) in &config.headers {
            let name = requests::header_name(name)?;
            let is_secret = matches!(text, HeaderText::Env { .. }) || requests::is_secret(&name);
            let text = requests::resolve(text)?;
            let mut value = requests::header_value(&text)?;
            if is_secret {
                value.set_sensitive(true);
            }
            headers.insert(name, value);
        }
        let uri = requests::uri(&config.path)?;
        Ok(Self { config, client, to: Target::Pod(pod), uri, headers, meta: None, mask })
    }

    /// All tools, and the way to them. The caller bounds how long it takes.
    pub(super) async fn tools(mut self, way: Way) -> Result<(Tools, Way), Trouble> {
        let refused = match way {
            Way::Stateless => None,
            Way::Either | Way::Session => match self.initialize().await {
                Ok(()) => {
                    let tools = self.in_session().await?;
                    return Ok((tools, Way::Session));
                }
                Err(Trouble::Unknown(why) | Trouble::NoMethod(why)) if way == Way::Either => {
                    Some(why)
                }
                Err(other) => return Err(other),
            },
        };
        let tools = self.stateless().await.map_err(|trouble| match refused {
            Some(why) => trouble.besides(&format!("and no session: {why}")),
            None => trouble,
        })?;
        Ok((tools, Way::Stateless))
    }

    async fn in_session(&self) -> Result<Tools, Trouble> {
        let tools = self.list().await;
        if self.headers.contains_key("mcp-session-id") {
            // Servers may refuse it, and forget the session by themselves.
            let _ = self.client.send(&self.to, self.request(Method::DELETE, Bytes::new())).await;
        }
        tools
    }

    async fn stateless(&mut self) -> Result<Tools, Trouble> {
        let asked = self.config.protocol.as_str();
        let version = if asked >= STATELESS { asked } else { STATELESS };
        self.meta = Some(json!({
            "io.modelcontextprotocol/protocolVersion": version,
            "io.modelcontextprotocol/clientInfo": client(),
            "io.modelcontextprotocol/clientCapabilities": {},
        }));
        let version = HeaderValue::from_str(version)
            .map_err(|_| Trouble::Wrong("a version that no header can hold".to_owned()))?;
        self.headers.insert("mcp-protocol-version", version);
        self.headers.insert("mcp-method", HeaderValue::from_static("tools/list"));
        self.list().await
    }

    async fn initialize(&mut self) -> Result<(), Trouble> {
        let params = json!({"protocolVersion": self.config.protocol, "capabilities": {},
            "clientInfo": client()});
        let (result, headers) = self.call(0, "initialize", params).await?;
        let Some(version) = result.get("protocolVersion").and_then(Value::as_str) else {
            return Err(Trouble::Wrong(
                "no protocolVersion in the answer to initialize".to_owned(),
            ));
        };
        if let Some(session) = headers.get("mcp-session-id") {
            let mut session = session.clone();
            session.set_sensitive(true);
            self.headers.insert("mcp-session-id", session);
        }
        let version = HeaderValue::from_str(version)
            .map_err(|_| Trouble::Wrong("a protocolVersion that no header can hold".to_owned()))?;
        self.headers.insert("mcp-protocol-version", version);
        let body = json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string();
        // What it is answered has nothing in it.
        self.send(body).await.map(drop).map_err(|trouble| match trouble {
            // A session has begun, so it is not that there is none.
            Trouble::Unknown(why) => Trouble::Away(why),
            other => other,
        })
    }

    async fn list(&self) -> Result<Tools, Trouble> {
        let (mut tools, mut cursor, mut known) = (Tools::new(), None, BTreeSet::new());
        for page in 1..=MOST_PAGES {
            let mut params = cursor.as_ref().map_or_else(|| json!({}), |it| json!({"cursor": it}));
            if let Some(meta) = &self.meta {
                params["_meta"] = meta.clone();
            }
            let (result, _) = self.call(page, "tools/list", params).await?;
            let Some(list) = result.get("tools").and_then(Value::as_array) else {
                return Err(Trouble::Wrong("no list at /result/tools".to_owned()));
            };
            for tool in list {
                let name = tool.get("name").and_then(Value::as_str).filter(|it| !it.is_empty());
                let Some(name) = name else {
                    return Err(Trouble::Wrong("a tool without a name".to_owned()));
                };
                if !tool.get("inputSchema").is_some_and(Value::is_object) {
                    return Err(Trouble::Wrong(format!("the tool {name} without an inputSchema")));
                }
                if tools.insert(name.to_owned(), tool.clone()).is_some() {
                    return Err(Trouble::Wrong(format!("the tool {name} twice")));
                }
            }
            if tools.len() > MOST_TOOLS {
                return Err(Trouble::Wrong(format!("more than {MOST_TOOLS} tools")));
            }
            match result.get("nextCursor") {
                None | Some(Value::Null) => return Ok(tools),
                Some(Value::String(next)) if known.insert(next.clone()) => {
                    cursor = Some(next.clone());
                }
                Some(next) => {
                    let why = format!("the cursor {next}, which leads nowhere");
                    return Err(Trouble::Wrong(why));
                }
            }
        }
        Err(Trouble::Wrong(format!("more than {MOST_PAGES} pages of tools")))
    }

    /// Calls a method; its result, and the headers that came with it.
    async fn call(
        &self,
        id: u64,
        method: &str,
        params: Value,
    ) -> Result<(Value, HeaderMap), Trouble> {
        let body = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        let (headers, body) = self.send(body.to_string()).await?;
        let kind = headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default();
        let is_events = kind.trim_start().to_ascii_lowercase().starts_with("text/event-stream");
        let limit = self.config.max_body;
        let answer = if is_events {
            self.event(body, id).await?
        } else {
            let body = body.collect(limit).await;
            let body = body.map_err(|error| Trouble::Away(error.chain()))?;
            let value = serde_json::from_slice(&body).map_err(|error| {
                let excerpt = self.mask.excerpt(&body);
                Trouble::Wrong(format!("no JSON in answer to {method}: {error}, body {excerpt}"))
            })?;
            of_id(&value, id)
        };
        let Some(answer) = answer else {
            return Err(Trouble::Wrong(format!("no answer to {method}")));
        };
        if let Some(error) = answer.get("error").filter(|it| !it.is_null()) {
            let told = self.mask.excerpt(error.to_string().as_bytes());
            let why = format!("an error in answer to {method}: {told}");
            // Any other error may be over the next time.
            let is_unknown = error["code"] == NO_SUCH_METHOD;
            return Err(if is_unknown { Trouble::NoMethod(why) } else { Trouble::Error(why) });
        }
        match answer.get("result").filter(|it| it.is_object()) {
            Some(result) => Ok((result.clone(), headers)),
            None => Err(Trouble::Wrong(format!("no result in answer to {method}"))),
        }
    }

    /// The answer among events; the rest of them is not waited for.
    async fn event(&self, body: AnswerBody, id: u64) -> Result<Option<Value>, Trouble> {
        let mut found = None;
        let read = each_event(body, self.config.max_body, |data| {
            let value = serde_json::from_str(data)
                .map_err(|error| Reply::Malformed(format!("an event that is no JSON: {error}")))?;
            found = of_id(&value, id);
            if found.is_some() { Err(Reply::Lost("read enough".to_owned())) } else { Ok(()) }
        })
        .await;
        match read {
            _ if found.is_some() => Ok(found),
            Ok(()) => Err(Trouble::Away("a stream that broke off before the answer".to_owned())),
            Err(Reply::Malformed(why)) => Err(Trouble::Wrong(why)),
            Err(Reply::Lost(why)) => Err(Trouble::Away(why)),
            Err(_) => Ok(None),
        }
    }

    async fn send(&self, body: String) -> Result<(HeaderMap, AnswerBody), Trouble> {
        let request = self.request(Method::POST, body.into());
        let sent = self.client.send(&self.to, request).await;
        let (head, body) = sent.map_err(|error| Trouble::Away(error.chain()))?.into_parts();
        if head.status.is_success() {
            return Ok((head.headers, body));
        }
        let body = body.collect(self.config.max_body).await.unwrap_or_default();
        let excerpt = self.mask.excerpt(&body);
        let why = format!("status {}, body {excerpt}", head.status);
        Err(match head.status.as_u16() {
            400 | 404 | 405 | 501 => Trouble::Unknown(why),
            _ => Trouble::Away(why),
        })
    }

    fn request(&self, method: Method, body: Bytes) -> Request<Bytes> {
        let mut request = Request::new(body);
        *request.method_mut() = method;
        request.uri_mut().clone_from(&self.uri);
        request.headers_mut().clone_from(&self.headers);
        request
    }
}

/// Who asks.
fn client() -> Value {
    json!({"name": "bluegreen", "version": env!("CARGO_PKG_VERSION")})
}

/// The answer of this id, alone or in a list.
fn of_id(value: &Value, id: u64) -> Option<Value> {
    let all = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    let is_it = |it: &&Value| it.get("method").is_none() && it.get("id") == Some(&json!(id));
    all.iter().find(is_it).cloned()
}
