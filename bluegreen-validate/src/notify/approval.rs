//! Somebody far away says yes or no, asked over HTTP.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bluegreen_core::{
    AgentClient, ApprovalRequest, Approver, Decision, Error, ErrorKind, Ports, Problem, Result,
    Target,
};
use http::{HeaderMap, StatusCode};

use super::config::{Format, NotifyConfig};
use super::deliver::Deliverer;
use super::plain;
use super::render::{Message, Sender};
use crate::ConfigError;
use crate::retry_after::retry_after;

mod answer;

/// The longest answer in bytes.
const LONGEST: usize = 16 * 1024;

/// Asks at a URL whether a candidate may have traffic: a bot in a chat, a ticket system, a rule of one's own.
///
/// ```no_run
/// use std::sync::Arc;
///
/// use bluegreen_core::{Ports, Releaser};
/// use bluegreen_validate::notify::{NotifyConfig, SigningKey, WebhookApprover};
///
/// # fn example(ports: Ports) -> Result<Releaser, Box<dyn std::error::Error>> {
/// let key = SigningKey::parse(&std::env::var("APPROVAL_KEY")?)?;
/// let config = NotifyConfig::cloud_events("http://approvals.tools:8080/releases").sign(key);
/// let approver = WebhookApprover::new(config, &ports)?;
/// Ok(Releaser::new(ports.with_approver(Arc::new(approver))))
/// # }
/// ```
///
/// # The question
/// A signed `CloudEvent` as [`Notifier`](super::Notifier) sends them, of the type
/// `dev.bluegreen.release.approval-requested`, whose `data` has `agent`, `cluster`, `release`, `text`,
/// `digest`, `version` and `deadline`. Its id is the same whenever the same request is asked again.
///
/// # The answer
/// * 200 with `{"decision": "approve" or "deny", "digest": …, "actor": …, "reason": …}`, at most 16 KiB of
///   it. A reason is wanted of those who deny. It is signed with one of the keys, as
///   [`verify`](super::verify) has it, with the `webhook-id` of the question and a time at most five minutes
///   from now.
/// * 202: it is not decided yet. It is asked again after `Retry-After`, which counts for at least
///   `first_pause` and at most [`patience`](NotifyConfig::patience), or after `longest_pause` where there is none.
/// * 429, 5xx, no answer in time and no connection: asked again after pauses that grow, with a jitter,
///   and are at least as long as `Retry-After` says, up to `patience`.
///
/// Anything else is an error and never an approval: a wrong signature or none, another digest, another
/// question's id, an unknown field, another status, a redirect. A release that nobody answers until its deadline
/// goes back. Of the settings `detail`, `queue` and `tries` have no part in it.
pub struct WebhookApprover {
    post: Deliverer,
    shown: String,
}

/// What came of asking once.
enum Asked {
    Decided(Decision),
    /// Nothing yet: when it is to be asked again, if that was said.
    Later(Option<Duration>),
    /// Nobody was there; why, and when to ask again.
    Missed(String, Option<Duration>),
    Wrong(String),
}

impl WebhookApprover {
    /// An approver for what is released through `ports`, without TLS.
    ///
    /// # Errors
    /// All problems of the settings at once. `https` is one of them, see [`through`](Self::through), and so
    /// is no key: an answer is believed by its signature.
    pub fn new(config: NotifyConfig, ports: &Ports) -> Result<Self, ConfigError> {
        let (problems, client) = plain(&config, "WebhookApprover::through");
        Self::build(config, problems, ports, client)
    }

    /// An approver by way of `client`, as [`Notifier::through`](super::Notifier::through) takes it.
    ///
    /// # Errors
    /// All problems of the settings at once.
    pub fn through(
        client: Arc<dyn AgentClient>,
        config: NotifyConfig,
        ports: &Ports,
    ) -> Result<Self, ConfigError> {
        let problems = config.problems();
        Self::build(config, problems, ports, client)
    }

    fn build(
        config: NotifyConfig,
        mut problems: Vec<Problem>,
        ports: &Ports,
        client: Arc<dyn AgentClient>,
    ) -> Result<Self, ConfigError> {
        if config.keys.is_empty() {
            let problem = Problem::new("notify-keys", "notify, keys").found("none");
            problems.push(problem.wanted("a key: an answer is believed by its signature"));
        }
        if config.format != Format::CloudEvents {
            let problem = Problem::new("notify-format", "notify, format");
            let problem = problem.found(format!("{:?}", config.format));
            problems.push(problem.wanted("CloudEvents: a chat has no answer"));
        }
        let refuse = |problems| ConfigError::new("approval", problems);
        if !problems.is_empty() {
            return Err(refuse(problems));
        }
        let (shown, sender) = (config.shown(), Sender::new(config.format, ports));
        let post = Deliverer::new(config, sender, client, ports.clock.clone()).map_err(refuse)?;
        Ok(Self { post, shown })
    }

    fn failed(&self, kind: ErrorKind, request: &ApprovalRequest, why: String) -> Error {
        let action = format!("ask {} whether {} may have traffic", self.shown, request.release);
        Error::new(kind, action).with_source(why)
    }

    async fn ask(&self, message: &Message, request: &ApprovalRequest) -> Asked {
        let asking = self.exchange(message, request);
        let left = request.deadline.since(self.post.clock.now());
        let limit = self.post.timeout.min(left);
        tokio::select! {
            biased;
            asked = asking => asked,
            () = self.post.clock.sleep(limit) => {
                Asked::Missed(format!("no answer within {}", humantime::format_duration(limit)), None)
            }
        }
    }

    async fn exchange(&self, message: &Message, request: &ApprovalRequest) -> Asked {
        let mask = &self.post.mask;
        let masked = |error: &Error| mask.beginning_of(error.chain().as_bytes());
        let question = match self.post.request(message) {
            Ok(question) => question,
            Err(error) => return Asked::Wrong(error.to_string()),
        };
        let (head, body) = match self.post.client.send(&Target::Any, question).await {
            Ok(answer) => answer.into_parts(),
            Err(error) => return Asked::Missed(masked(&error), None),
        };
        let (status, asked) = (head.status, retry_after(&head.headers));
        match status {
            StatusCode::OK => match body.collect(LONGEST).await {
                Ok(body) => self.read(&head.headers, &body, message, request),
                Err(error) if error.kind() == ErrorKind::Unavailable => {
                    Asked::Missed(masked(&error), None)
                }
                Err(error) => Asked::Wrong(masked(&error)),
            },
            StatusCode::ACCEPTED => Asked::Later(asked),
            _ if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() => {
                let said = self.post.complaint(body).await;
                Asked::Missed(format!("status {status}, body {said}"), asked)
            }
            _ => {
                let said = self.post.complaint(body).await;
                Asked::Wrong(format!("found status {status}, body {said}, wanted 200 or 202"))
            }
        }
    }

    fn read(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        message: &Message,
        request: &ApprovalRequest,
    ) -> Asked {
        let now = self.post.clock.now();
        match answer::read(&self.post.keys, headers, body, &message.id, request, now) {
            Ok(decision) => Asked::Decided(decision),
            Err(why) => Asked::Wrong(self.post.mask.beginning_of(why.as_bytes())),
        }
    }
}

impl fmt::Debug for WebhookApprover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookApprover").field("url", &self.shown).finish_non_exhaustive()
    }
}

#[async_trait]
impl Approver for WebhookApprover {
    async fn decide(&self, request: &ApprovalRequest) -> Result<Decision> {
        let clock = &self.post.clock;
        let message = self.post.sender.question(request, clock.now());
        let mut random = self.post.random.clone();
        let (mut missed, mut last) = (0_u32, "nobody has decided".to_owned());
        loop {
            if clock.now() >= request.deadline {
                let why = format!("found nothing by {}: {last}", request.deadline);
                return Err(self.failed(ErrorKind::Unavailable, request, why));
            }
            let pause = match self.ask(&message, request).await {
                Asked::Decided(decision) => return Ok(decision),
                Asked::Wrong(why) => return Err(self.failed(ErrorKind::Rejected, request, why)),
                Asked::Later(asked) => {
                    (missed, last) = (0, "nobody has decided".to_owned());
                    asked.unwrap_or(self.post.longest_pause).max(self.post.first_pause)
                }
                Asked::Missed(why, asked) => {
                    missed = missed.saturating_add(1);
                    tracing::debug!(why, missed, "an approval is asked for again");
                    last = why;
                    self.post.pause(missed, &mut random).max(asked.unwrap_or_default())
                }
            };
            let left = request.deadline.since(clock.now());
            clock.sleep(pause.min(self.post.patience).min(left)).await;
        }
    }
}
