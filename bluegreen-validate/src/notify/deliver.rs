//! The task that sends one event after the other.

use std::sync::Arc;
use std::time::Duration;

use bluegreen_core::{AgentClient, AnswerBody, Clock, Digest, Problem, Sensitive, Target};
use fastrand::Rng;
use http::header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, Uri};

use super::config::NotifyConfig;
use super::event::Event;
use super::queue::{End, Queue};
use super::render::{Message, Sender};
use super::signature::{ID, SIGNATURE, SigningKey, TIMESTAMP};
use crate::excerpt::{LOOKED_AT, Mask};
use crate::retry_after::retry_after;

/// How long it is read what a receiver says that does not take an event.
const COMPLAINT: Duration = Duration::from_secs(1);

/// Sends events.
pub(super) struct Deliverer {
    pub(super) sender: Sender,
    pub(super) client: Arc<dyn AgentClient>,
    pub(super) clock: Arc<dyn Clock>,
    path: Uri,
    headers: HeaderMap,
    pub(super) keys: Vec<SigningKey>,
    tries: u32,
    pub(super) timeout: Duration,
    pub(super) first_pause: Duration,
    pub(super) longest_pause: Duration,
    pub(super) patience: Duration,
    pub(super) random: Rng,
    /// Hides what is secret, should an answer repeat it.
    pub(super) mask: Mask,
}

/// What came of one try.
enum Attempt {
    Taken,
    /// It may be taken another time; how long the receiver wants to be left alone.
    Again(String, Option<Duration>),
    Refused(String),
    Gone(String),
}

impl Deliverer {
    /// Sends as `config` says, by way of `client`.
    ///
    /// # Errors
    /// What is wrong with the settings, all of which their problems name too.
    pub(super) fn new(
        config: NotifyConfig,
        sender: Sender,
        client: Arc<dyn AgentClient>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Vec<Problem>> {
        let problem = |field: &str| {
            let problem = Problem::new("notify-settings", format!("notify, {field}"));
            vec![problem.wanted("one that can be sent")]
        };
        let address = config.address().map_err(|_| problem("url"))?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(sender.content_type()));
        let agent = concat!("bluegreen/", env!("CARGO_PKG_VERSION"));
        headers.insert(USER_AGENT, HeaderValue::from_static(agent));
        if let Some(value) = config.authorization().map_err(|_| problem("bearer"))? {
            headers.insert(AUTHORIZATION, value);
        }
        let seed = config.seed.unwrap_or_else(|| seed_of(&sender.instance));
        Ok(Self {
            sender,
            client,
            clock,
            mask: mask(&address.path, config.bearer.as_ref()),
            path: address.path,
            headers,
            keys: config.keys,
            tries: config.tries,
            timeout: config.timeout,
            first_pause: config.first_pause,
            longest_pause: config.longest_pause,
            patience: config.patience,
            random: Rng::with_seed(seed),
        })
    }

    /// Sends one event after the other, until it is aborted.
    pub(super) async fn run(mut self, queue: Arc<Queue>) {
        loop {
            let (event, lost) = queue.next().await;
            let end = self.deliver(&event, lost).await;
            queue.end(&event, end);
        }
    }

    async fn deliver(&mut self, event: &Event, lost: u64) -> End {
        let message = self.sender.message(event, lost);
        let mut number = 1;
        loop {
            let (why, asked) = match self.attempt(&message).await {
                Attempt::Taken => return End::Delivered,
                Attempt::Refused(why) => return End::GivenUp(why),
                Attempt::Gone(why) => return End::Gone(why),
                Attempt::Again(why, asked) => (why, asked),
            };
            if number >= self.tries {
                return End::GivenUp(format!("{why}, after {number} tries"));
            }
            let asked = asked.unwrap_or_default();
            if asked > self.patience {
                let [asked, most] = [asked, self.patience].map(humantime::format_duration);
                return End::GivenUp(format!(
                    "{why}, to be tried in {asked}, wanted {most} at most"
                ));
            }
            let mut random = self.random.clone();
            let pause = self.pause(number, &mut random).max(asked);
            self.random = random;
            tracing::debug!(what = event.what, why, ?pause, "a notification is tried again");
            self.clock.sleep(pause).await;
            number += 1;
        }
    }

    /// The pause after so many tries: between half and all of one that doubles each time, so that
    /// those who were turned away together do not come back together.
    pub(super) fn pause(&self, number: u32, random: &mut Rng) -> Duration {
        let factor = 2_u32.saturating_pow(number.saturating_sub(1));
        let whole = self.first_pause.saturating_mul(factor).min(self.longest_pause);
        whole.mul_f64(f64::midpoint(1.0, random.f64()))
    }

    async fn attempt(&self, message: &Message) -> Attempt {
        let request = match self.request(message) {
            Ok(request) => request,
            Err(error) => return Attempt::Refused(error.to_string()),
        };
        let sending = self.client.send(&Target::Any, request);
        let answer = tokio::select! {
            biased;
            answer = sending => answer,
            () = self.clock.sleep(self.timeout) => {
                let limit = humantime::format_duration(self.timeout);
                return Attempt::Again(format!("no answer within {limit}"), None);
            }
        };
        let (head, body) = match answer {
            Ok(answer) => answer.into_parts(),
            Err(error) => {
                return Attempt::Again(self.mask.beginning_of(error.chain().as_bytes()), None);
            }
        };
        let status = head.status;
        if status.is_success() {
            // Whatever it says is not read: the connection ends here.
            return Attempt::Taken;
        }
        let why = format!("status {status}, body {}", self.complaint(body).await);
        if status == StatusCode::GONE {
            Attempt::Gone(why)
        } else if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
            Attempt::Again(why, retry_after(&head.headers))
        } else if status.is_redirection() {
            Attempt::Refused(format!("status {status}, which is not followed"))
        } else {
            Attempt::Refused(why)
        }
    }

    /// The request of a try, signed anew: what comes late must not look as if it had been kept.
    pub(super) fn request(&self, message: &Message) -> http::Result<Request<bytes::Bytes>> {
        let at = self.clock.now();
        let mut request = Request::post(self.path.clone()).body(message.body.clone())?;
        let headers = request.headers_mut();
        headers.clone_from(&self.headers);
        headers.insert(HeaderName::from_static(ID), HeaderValue::try_from(message.id.as_str())?);
        headers.insert(HeaderName::from_static(TIMESTAMP), (at.unix_millis() / 1000).into());
        let signed = self.keys.iter().map(|key| key.sign(&message.id, at, &message.body));
        let signed = signed.collect::<Vec<_>>().join(" ");
        if !signed.is_empty() {
            headers.insert(HeaderName::from_static(SIGNATURE), HeaderValue::try_from(signed)?);
        }
        Ok(request)
    }

    /// The beginning of what a receiver says that does not take an event.
    pub(super) async fn complaint(&self, mut body: AnswerBody) -> String {
        let mut said = Vec::new();
        let reading = async {
            while said.len() <= 2 * LOOKED_AT
                && let Some(Ok(piece)) = body.next().await
            {
                said.extend_from_slice(&piece);
            }
        };
        tokio::select! {
            biased;
            () = reading => {}
            () = self.clock.sleep(COMPLAINT) => {}
        }
        self.mask.excerpt(&said)
    }
}

/// Hides the token, and of the URL everything but the host: each part may be what lets one in.
fn mask(path: &Uri, bearer: Option<&Sensitive>) -> Mask {
    let mut mask = Mask::default();
    let whole = path.to_string();
    for part in whole.split(['/', '?', '&', '=']).chain([whole.as_str(), path.path()]) {
        mask.hide(part);
    }
    if let Some(token) = bearer.and_then(Sensitive::reveal) {
        mask.hide(token);
    }
    mask
}

/// A seed that each process has for itself.
fn seed_of(instance: &str) -> u64 {
    let digest = Digest::of([instance]);
    u64::from_str_radix(digest.short(), 16).unwrap_or_default()
}

#[cfg(test)]
mod tests;
