//! Agents that take a body of their own, and where in their answers things are.

use std::collections::BTreeSet;

use bluegreen_core::AnswerBody;
use bytes::Bytes;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::{Place, Reply, a2a, events, responses};
use crate::prompt::answer::{Answer, ToolCall, Usage};
use crate::prompt::suite::{A2aAgent, Agent, HttpAgent, Reading};
use crate::prompt::template::{Scope, Templates};

/// What kind of body is made.
#[derive(Debug)]
enum Kind {
    /// The template itself.
    Own,
    /// That of chat completions, with a system message if there is one.
    Completions(Option<String>),
    /// That of the Responses API, with instructions if there are some, and with tools of these names
    /// whose input is any text.
    Responses(Option<String>, BTreeSet<String>),
    /// That of A2A.
    A2a(Box<A2aAgent>),
}

/// How bodies are made, and read.
#[derive(Debug)]
pub(super) struct Body {
    template: Option<Value>,
    kind: Kind,
    answer: Place,
    tool_calls: Option<Place>,
    usage: Option<Place>,
    finish_reason: Option<Place>,
}

impl Body {
    pub(super) fn new(agent: &Agent) -> Result<Self, String> {
        match agent {
            Agent::Http(agent) => {
                let place = |text: &Option<String>| text.as_deref().map(Place::parse).transpose();
                Ok(Self {
                    template: agent.body.clone(),
                    kind: Kind::Own,
                    answer: Place::parse(&agent.answer)?,
                    tool_calls: place(&agent.tool_calls)?,
                    usage: place(&agent.usage)?,
                    finish_reason: place(&agent.finish_reason)?,
                })
            }
            Agent::Openai(agent) => {
                let mut body = Map::new();
                body.insert("model".to_owned(), agent.model.clone().into());
                if agent.stream {
                    body.insert("stream".to_owned(), true.into());
                    body.insert("stream_options".to_owned(), json!({"include_usage": true}));
                }
                body.extend(agent.parameters.clone());
                Ok(Self::read_elsewhere(body, Kind::Completions(agent.system.clone())))
            }
            Agent::Responses(agent) => {
                let mut body = Map::new();
                body.insert("model".to_owned(), agent.model.clone().into());
                if agent.stream {
                    body.insert("stream".to_owned(), true.into());
                }
                if !agent.tools.is_empty() {
                    body.insert("tools".to_owned(), agent.tools.clone().into());
                }
                body.extend(agent.parameters.clone());
                let is_custom = |tool: &&Value| tool.get("type") == Some(&json!("custom"));
                let custom = agent.tools.iter().filter(is_custom);
                let custom = custom.filter_map(|tool| tool.get("name")?.as_str());
                let custom = custom.map(str::to_owned).collect();
                let kind = Kind::Responses(agent.instructions.clone(), custom);
                Ok(Self::read_elsewhere(body, kind))
            }
            Agent::A2a(agent) => {
                let kind = Kind::A2a(Box::new(agent.clone()));
                Ok(Self::read_elsewhere(Map::new(), kind))
            }
        }
    }

    /// The body of a protocol whose answers are all alike.
    fn read_elsewhere(body: Map<String, Value>, kind: Kind) -> Self {
        Self {
            template: Some(Value::Object(body)),
            kind,
            answer: Place::Text,
            tool_calls: None,
            usage: None,
            finish_reason: None,
        }
    }

    pub(super) fn content_type(&self) -> Option<&'static str> {
        match &self.template {
            None => None,
            Some(Value::String(_)) => Some("text/plain; charset=utf-8"),
            Some(_) => Some("application/json"),
        }
    }

    /// Whether no messages are such that they could not be sent.
    pub(super) fn takes_any_messages(&self) -> bool {
        matches!(self.kind, Kind::Own | Kind::Completions(_))
    }

    /// The body that asks with these messages.
    pub(super) fn of(
        &self,
        templates: &Templates,
        scope: &Scope,
        messages: &[Value],
    ) -> Result<Bytes, String> {
        let mut body = match (&self.kind, &self.template) {
            (Kind::Own, None) => return Ok(Bytes::new()),
            (Kind::Own, Some(Value::String(text))) => {
                return Ok(templates.text(text, scope)?.into());
            }
            (Kind::Own, Some(value)) => {
                return Ok(templates.value(value, scope)?.to_string().into());
            }
            (_, template) => template.clone().unwrap_or_default(),
        };
        match &self.kind {
            Kind::Own => {}
            Kind::Completions(system) => {
                let mut all = Vec::with_capacity(messages.len() + 1);
                if let Some(system) = system {
                    let content = templates.text(system, scope)?;
                    all.push(json!({"role": "system", "content": content}));
                }
                all.extend_from_slice(messages);
                body["messages"] = all.into();
            }
            Kind::Responses(instructions, custom) => {
                if let Some(instructions) = instructions {
                    body["instructions"] = templates.text(instructions, scope)?.into();
                }
                body["input"] = responses::items(messages, custom)?.into();
            }
            Kind::A2a(agent) => {
                let metadata = templates.value(&agent.metadata.clone().into(), scope)?;
                let conversation = scope.get("conversation").and_then(Value::as_str);
                let conversation = conversation.unwrap_or_default();
                body = a2a::send(agent, messages, conversation, metadata)?;
            }
        }
        Ok(body.to_string().into())
    }

    /// Reads the answer of an agent of its own kind; what it took also where it is malformed.
    pub(super) async fn read(
        &self,
        agent: &HttpAgent,
        mut body: AnswerBody,
        limit: usize,
        begin: Instant,
        answer: &mut Answer,
    ) -> Result<(), Reply> {
        match agent.reading {
            Reading::Whole => {
                let body = body.collect(limit).await;
                let body = body.map_err(|error| Reply::Lost(error.chain()))?;
                self.take_whole(&body, answer)?;
            }
            Reading::Stream => {
                let mut whole = Vec::new();
                while let Some(piece) = body.next().await {
                    let piece = piece.map_err(|error| Reply::Lost(error.chain()))?;
                    if !piece.is_empty() {
                        answer.first_token.get_or_insert_with(|| begin.elapsed());
                    }
                    whole.extend_from_slice(&piece);
                    if whole.len() > limit {
                        let why = format!("an answer of more than {limit} bytes");
                        return Err(Reply::Lost(why));
                    }
                }
                self.take_whole(&whole, answer)?;
            }
            Reading::Events => {
                let mut found = false;
                events::each(body, limit, |data| {
                    found |= self.take_event(data, answer, begin)?;
                    Ok(())
                })
                .await?;
                if !found {
                    return Err(Reply::Malformed(format!("no event with {}", agent.answer)));
                }
            }
        }
        Ok(())
    }

    fn take_whole(&self, body: &[u8], answer: &mut Answer) -> Result<(), Reply> {
        let text = std::str::from_utf8(body)
            .map_err(|error| Reply::Malformed(format!("no UTF-8 text: {error}")))?;
        let is_text = matches!(self.answer, Place::Text);
        let value: Value = match serde_json::from_str(text) {
            Ok(value) => value,
            Err(_) if is_text => Value::Null,
            Err(error) => return Err(Reply::Malformed(format!("no JSON: {error}"))),
        };
        self.take_usage(&value, answer);
        if is_text {
            text.clone_into(&mut answer.text);
        } else if let Some(found) = self.answer.find(&value) {
            take_text(found, answer);
        } else {
            return Err(Reply::Malformed(format!("nothing at {:?}", self.answer)));
        }
        self.take_rest(&value, answer)
    }

    /// Takes one event; whether there was a part of the answer in it.
    fn take_event(&self, data: &str, answer: &mut Answer, begin: Instant) -> Result<bool, Reply> {
        if data.trim() == "[DONE]" {
            return Ok(false);
        }
        let is_text = matches!(self.answer, Place::Text);
        let value: Value = match serde_json::from_str(data) {
            Ok(value) => value,
            Err(_) if is_text => Value::String(data.to_owned()),
            Err(error) => {
                return Err(Reply::Malformed(format!("an event that is no JSON: {error}")));
            }
        };
        self.take_usage(&value, answer);
        self.take_rest(&value, answer)?;
        let text =
            if is_text { Some(data) } else { self.answer.find(&value).and_then(Value::as_str) };
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            answer.first_token.get_or_insert_with(|| begin.elapsed());
            answer.text.push_str(text);
        }
        Ok(text.is_some())
    }

    fn take_usage(&self, value: &Value, answer: &mut Answer) {
        let place = self.usage.as_ref();
        if let Some(usage) = place.and_then(|it| it.find(value)).and_then(Usage::read) {
            answer.usage = Some(usage);
        }
    }

    fn take_rest(&self, value: &Value, answer: &mut Answer) -> Result<(), Reply> {
        let find = |place: &Option<Place>| {
            place.as_ref().and_then(|it| it.find(value)).filter(|it| !it.is_null()).cloned()
        };
        if let Some(calls) = find(&self.tool_calls) {
            let calls = calls.as_array().map(|it| it.iter().map(ToolCall::read).collect());
            match calls {
                Some(Some(calls)) => answer.tool_calls.extend::<Vec<_>>(calls),
                _ => return Err(Reply::Malformed("no list of tool calls with names".to_owned())),
            }
        }
        if let Some(reason) = find(&self.finish_reason) {
            answer.finish_reason = reason.as_str().map(str::to_owned);
        }
        Ok(())
    }
}

/// The answer at its place: a text, or the JSON of what is there.
fn take_text(found: &Value, answer: &mut Answer) {
    match found {
        Value::String(text) => answer.text.clone_from(text),
        // Tools are called instead, or it is empty.
        Value::Null => {}
        value => {
            answer.text = value.to_string();
            answer.json = Some(value.clone());
        }
    }
}
