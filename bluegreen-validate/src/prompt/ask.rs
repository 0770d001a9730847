//! One question to an agent, and what came back, within limits of time and size.

use std::time::Duration;

use bluegreen_core::{AgentClient, AnswerBody, Clock, Target};
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use serde_json::Value;
use tokio::time::Instant;

use super::answer::{Answer, Usage};
use super::suite::{A2aVersion, Agent, Suite};
use super::template::{Scope, Templates, is_template};
use crate::HeaderText;
use crate::excerpt::Mask;
use crate::retry_after::retry_after;
use crate::smoke::prepare;

mod a2a;
mod completions;
mod events;
mod http_agent;
mod place;
mod responses;

use a2a::Course;
use completions::Completion;
pub(super) use events::each as each_event;
use http_agent::Body;
pub(super) use place::{Place, is_pointer};
use responses::INCOMPLETE;
use responses::Response;

/// The first pause before a task that is at work is asked after again; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// In which every request says what it is for, so that agents can tell it from a customer's.
pub(super) const PURPOSE: &str = "x-bluegreen-validation";

/// Asks the agent of a suite, in either slot alike.
#[derive(Debug)]
pub(super) struct Asker {
    agent: Agent,
    method: Method,
    headers: HeaderMap,
    body: Body,
    timeout: Duration,
    max_body: usize,
    mask: Hidden,
    /// Whether requests are made of what is asked and in which conversation, by templates or, with A2A,
    /// by themselves.
    has_scope: bool,
}

/// The way to the agent, for what takes more than one exchange.
#[derive(Clone, Copy)]
struct Way<'a> {
    client: &'a dyn AgentClient,
    clock: &'a dyn Clock,
    to: &'a Uri,
}

/// A mask that is not printed.
#[derive(Clone, Default)]
struct Hidden(Mask);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hidden")
    }
}

/// What came of a question.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    /// An answer.
    Answer(Box<Answer>),
    /// An answer that is none: without what it should have, where it should have it.
    Malformed(String),
    /// Too many requests: again after this time, if it says so.
    Busy(Option<Duration>),
    /// No answer, for a reason that need not be the agent's.
    Lost(String),
}

impl Asker {
    /// Makes ready what all requests have in common.
    pub(super) fn new(suite: &Suite) -> Result<Self, String> {
        let (mut headers, mut mask) = (HeaderMap::new(), Mask::default());
        if let Ok(name) = HeaderValue::from_str(&suite.name) {
            headers.insert(HeaderName::from_static(PURPOSE), name);
        }
        for (name, text) in suite.agent.headers() {
            let name = prepare::header_name(name)?;
            let secret = matches!(text, HeaderText::Env { .. }) || prepare::is_secret(&name);
            let text = prepare::resolve(text)?;
            let mut value = prepare::header_value(&text)?;
            if secret {
                value.set_sensitive(true);
                mask.hide(&text);
            }
            headers.insert(name, value);
        }
        mask.hide_query(suite.agent.path());
        hide_graders(suite, &mut mask)?;
        let method = match &suite.agent {
            Agent::Http(agent) => prepare::method(&agent.method)?,
            Agent::Openai(_) | Agent::Responses(_) | Agent::A2a(_) => Method::POST,
        };
        let body = Body::new(&suite.agent)?;
        let has_scope = matches!(suite.agent, Agent::A2a(_))
            || serde_json::to_string(&suite.agent).map_or(true, |it| is_template(&it));
        if let Some(kind) = body.content_type()
            && !headers.contains_key(CONTENT_TYPE)
        {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        if let Agent::A2a(agent) = &suite.agent {
            let accepted = if agent.stream {
                "text/event-stream, application/json"
            } else {
                "application/json"
            };
            headers.entry(ACCEPT).or_insert(HeaderValue::from_static(accepted));
            // Without it the version is 0.3.
            if agent.version == A2aVersion::V1 {
                let version = HeaderName::from_static("a2a-version");
                headers.entry(version).or_insert(HeaderValue::from_static("1.0"));
            }
        }
        Ok(Self {
            agent: suite.agent.clone(),
            method,
            headers,
            body,
            timeout: suite.timeout,
            max_body: suite.max_body,
            mask: Hidden(mask),
            has_scope,
        })
    }

    /// Hides what is secret.
    pub(super) fn mask(&self) -> &Mask {
        &self.mask.0
    }

    /// Whether a request may say in which conversation it is.
    pub(super) fn tells_conversations(&self) -> bool {
        self.has_scope
    }

    /// Whether a request can be made of any messages if it can be of some.
    pub(super) fn asks_all_alike(&self) -> bool {
        !self.has_scope && self.body.takes_any_messages()
    }

    /// The request that asks with these messages, the last of which is the question.
    pub(super) fn request(
        &self,
        templates: &Templates,
        vars: &Scope,
        messages: &[Value],
        conversation: &str,
    ) -> Result<Request<Bytes>, String> {
        let scope = if self.has_scope { scope(vars, messages, conversation) } else { Scope::new() };
        let path = templates.text(self.agent.path(), &scope)?;
        let body = self.body.of(templates, &scope, messages)?;
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = prepare::uri(&path)?;
        *request.headers_mut() = self.headers.clone();
        Ok(request)
    }

    /// Sends a request and reads the answer; with what it took, as far as that was told, be there an
    /// answer or not.
    ///
    /// # Cancel safety
    /// Dropping it closes the connection, as the client promises.
    pub(super) async fn ask(
        &self,
        client: &dyn AgentClient,
        clock: &dyn Clock,
        request: Request<Bytes>,
    ) -> (Reply, Option<Usage>) {
        let (came, answer) = self.heard(client, clock, request).await;
        let usage = answer.usage;
        (came.map_or_else(|reply| reply, |()| Reply::Answer(Box::new(answer))), usage)
    }

    /// Sends a request, reads the answer to its end, and says after which time its first token came. One
    /// that stopped before it was over, because so many tokens and no more were asked for, has that, too.
    ///
    /// # Errors
    /// There is no answer; or there is one, and no token in it.
    ///
    /// # Cancel safety
    /// As [`ask`](Self::ask).
    pub(super) async fn time(
        &self,
        client: &dyn AgentClient,
        clock: &dyn Clock,
        request: Request<Bytes>,
    ) -> Result<Duration, Reply> {
        let (came, answer) = self.heard(client, clock, request).await;
        match (came, answer.first_token) {
            (Ok(()), Some(after)) => Ok(after),
            // It was to be short. Whatever else is no answer may have been no model's either.
            (Err(Reply::Malformed(_)), Some(after))
                if answer.finish_reason.as_deref() == Some(INCOMPLETE) =>
            {
                Ok(after)
            }
            (Ok(()), None) => Err(Reply::Answer(Box::new(answer))),
            (Err(reply), _) => Err(reply),
        }
    }

    /// What came of a request, and as much of the answer as there is.
    async fn heard(
        &self,
        client: &dyn AgentClient,
        clock: &dyn Clock,
        request: Request<Bytes>,
    ) -> (Result<(), Reply>, Answer) {
        // What has come of it stays here also when no more comes.
        let mut answer = Answer::default();
        let came = tokio::select! {
            biased;
            came = self.exchange(client, clock, request, &mut answer) => came,
            () = clock.sleep(self.timeout) => {
                let limit = humantime::format_duration(self.timeout);
                Err(Reply::Lost(format!("no whole answer within {limit}")))
            }
        };
        (came, answer)
    }

    async fn exchange(
        &self,
        client: &dyn AgentClient,
        clock: &dyn Clock,
        request: Request<Bytes>,
        answer: &mut Answer,
    ) -> Result<(), Reply> {
        let begin = Instant::now();
        let to = request.uri().clone();
        let sent = client.send(&Target::Any, request).await;
        let (head, body) = sent.map_err(|error| Reply::Lost(error.chain()))?.into_parts();
        match head.status {
            StatusCode::TOO_MANY_REQUESTS => Err(Reply::Busy(retry_after(&head.headers))),
            status if !status.is_success() => {
                let body = body.collect(self.max_body).await.unwrap_or_default();
                let excerpt = self.mask().excerpt(&body);
                Err(Reply::Lost(format!("status {status}, body {excerpt}")))
            }
            _ => {
                let is_whole = is_json(&head.headers);
                let way = Way { client, clock, to: &to };
                self.read(body, is_whole, way, begin, answer).await?;
                answer.total = begin.elapsed();
                Ok(())
            }
        }
    }

    /// Asks after a task until it is at work no more. The caller bounds it.
    async fn wait_for(
        &self,
        version: A2aVersion,
        way: Way<'_>,
        course: &mut Course<'_>,
    ) -> Result<(), Reply> {
        let (mut number, mut pause) = (0, FIRST_PAUSE);
        while let Some(task) = course.at_work() {
            let body = a2a::get(version, task, number);
            way.clock.sleep(pause).await;
            let mut request = Request::new(Bytes::from(body.to_string()));
            *request.method_mut() = Method::POST;
            request.uri_mut().clone_from(way.to);
            request.headers_mut().clone_from(&self.headers);
            let sent = way.client.send(&Target::Any, request).await;
            let (head, body) = sent.map_err(|error| Reply::Lost(error.chain()))?.into_parts();
            let longer = pause.saturating_mul(2).min(LONGEST_PAUSE);
            pause = longer.max(retry_after(&head.headers).unwrap_or_default());
            number += 1;
            if head.status == StatusCode::TOO_MANY_REQUESTS {
                continue;
            }
            let body = self.collected(body).await?;
            if !head.status.is_success() {
                let (status, excerpt) = (head.status, self.mask().excerpt(&body));
                return Err(Reply::Lost(format!("status {status} of the task, body {excerpt}")));
            }
            course.add(&body, None)?;
        }
        Ok(())
    }

    async fn read(
        &self,
        body: AnswerBody,
        is_whole: bool,
        way: Way<'_>,
        begin: Instant,
        answer: &mut Answer,
    ) -> Result<(), Reply> {
        match &self.agent {
            Agent::Openai(agent) if agent.stream => {
                let mut completion = Completion::new(answer);
                events::each(body, self.max_body, |data| completion.add(data, begin.elapsed()))
                    .await?;
                completion.end()
            }
            Agent::Openai(_) => {
                let body = self.collected(body).await?;
                Completion::whole(&body, answer)
            }
            // An error comes as a whole also where the answer would have streamed.
            Agent::Responses(agent) if agent.stream && !is_whole => {
                let mut response = Response::new(answer);
                events::each(body, self.max_body, |data| response.add(data, begin.elapsed()))
                    .await?;
                response.end()
            }
            Agent::Responses(_) => {
                let body = self.collected(body).await?;
                Response::whole(&body, answer)
            }
            Agent::Http(agent) => self.body.read(agent, body, self.max_body, begin, answer).await,
            Agent::A2a(agent) => {
                let mut course = Course::new(answer);
                if agent.stream && !is_whole {
                    events::each(body, self.max_body, |data| {
                        course.add(data.as_bytes(), Some(begin.elapsed()))
                    })
                    .await?;
                } else {
                    course.add(&self.collected(body).await?, None)?;
                    self.wait_for(agent.version, way, &mut course).await?;
                }
                course.end()
            }
        }
    }

    async fn collected(&self, body: AnswerBody) -> Result<Bytes, Reply> {
        body.collect(self.max_body).await.map_err(|error| Reply::Lost(error.chain()))
    }
}

/// Hides what is told those who grade.
fn hide_graders(suite: &Suite, mask: &mut Mask) -> Result<(), String> {
    let judges = suite.judges.iter().map(|it| (&it.url, &it.headers));
    let embeddings = suite.embeddings.iter().map(|it| (&it.url, &it.headers));
    let mut hooks = Vec::new();
    suite.assertions().for_each(|it| it.webhooks(&mut hooks));
    let hooks = hooks.into_iter().map(|it| (&it.url, &it.headers));
    for (url, headers) in judges.chain(embeddings).chain(hooks) {
        mask.hide_query(url);
        for (name, text) in headers {
            let is_env = matches!(text, HeaderText::Env { .. });
            if is_env || prepare::is_secret(&prepare::header_name(name)?) {
                mask.hide(&prepare::resolve(text)?);
            }
        }
    }
    Ok(())
}

/// What templates of requests know.
fn scope(vars: &Scope, messages: &[Value], conversation: &str) -> Scope {
    let mut scope = vars.clone();
    let prompt = messages.last().and_then(|it| it.get("content")).cloned().unwrap_or_default();
    let history = messages.split_last().map_or_else(Vec::new, |(_, before)| before.to_vec());
    scope.insert("prompt".to_owned(), prompt);
    scope.insert("messages".to_owned(), Value::Array(messages.to_vec()));
    scope.insert("history".to_owned(), Value::Array(history));
    scope.insert("conversation".to_owned(), conversation.into());
    scope
}

/// Whether a body is JSON, and so no events.
fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.trim_start().to_ascii_lowercase().starts_with("application/json")
}
