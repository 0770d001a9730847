//! One pod: call after call, until it is warm.

use std::time::Duration;

use async_trait::async_trait;
use bluegreen_core::{AgentClient, AnswerBody, PodRef, Progress, Result, Target, Trial};
use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt};
use http::{Request, Response};
use serde_json::json;

use super::ModelWarmUpConfig;
use super::book::{Book, End};
use super::verdict::found;
use crate::prompt::ask::{Asker, Reply};
use crate::prompt::template::{Scope, Templates};

/// The pause after a call that came to nothing; it doubles up to the longest.
const PAUSE: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(5);

/// All that a warm-up needs.
pub(super) struct WarmingUp<'a> {
    pub(super) config: &'a ModelWarmUpConfig,
    pub(super) asker: &'a Asker,
    pub(super) templates: &'a Templates,
    pub(super) trial: &'a Trial,
    pub(super) book: &'a Book,
}

/// The way to one pod alone.
struct OnePod<'a> {
    client: &'a dyn AgentClient,
    pod: &'a PodRef,
}

#[async_trait]
impl AgentClient for OnePod<'_> {
    async fn pods(&self) -> Result<Vec<PodRef>> {
        Ok(vec![self.pod.clone()])
    }

    async fn send(&self, _: &Target, request: Request<Bytes>) -> Result<Response<AnswerBody>> {
        self.client.send(&Target::Pod(self.pod.clone()), request).await
    }
}

/// What came of a call.
enum Heard {
    /// An answer whose first token came after this time.
    Token(Duration),
    /// Too many requests: again after this time, if it says so.
    Busy(Option<Duration>),
    /// No answer that counts, of a pod that is ready.
    Nothing(String),
    /// None, and the pod is not ready any more.
    Gone,
}

impl WarmingUp<'_> {
    /// Warms a pod, and puts into the book what comes of it. Where that has no end for it, the calls of
    /// all pods together are spent.
    pub(super) async fn pod(&self, pod: &PodRef) {
        let client = OnePod { client: self.trial.candidate.client.as_ref(), pod };
        let mut asking = FuturesUnordered::new();
        let (mut wait, mut pause) = (Duration::ZERO, PAUSE);
        loop {
            while asking.len() < self.config.concurrency as usize {
                let Some(number) = self.book.begin(pod, self.config) else { break };
                asking.push(self.call(&client, number, wait));
            }
            let Some(heard) = asking.next().await else { break };
            match heard {
                Heard::Token(after) => {
                    if self.book.came(pod, after, self.config) {
                        return self.tell(pod);
                    }
                    (wait, pause) = (Duration::ZERO, PAUSE);
                    continue;
                }
                Heard::Gone => return self.book.end(pod, End::Gone),
                Heard::Busy(after) => {
                    self.book.busy(pod);
                    wait = after.unwrap_or_default().max(pause);
                }
                Heard::Nothing(why) => {
                    self.book.troubled(pod, why);
                    wait = pause;
                }
            }
            pause = pause.saturating_mul(2).min(LONGEST);
        }
        let calls = self.book.all().of(pod).map_or(0, |it| it.calls);
        if calls >= self.config.attempts {
            self.book.end(pod, End::Cold);
            self.tell(pod);
        }
    }

    /// Asks once, after a pause.
    async fn call(&self, client: &OnePod<'_>, number: u32, wait: Duration) -> Heard {
        let clock = self.trial.clock.as_ref();
        if !wait.is_zero() {
            clock.sleep(wait).await;
        }
        let prompts = &self.config.prompts;
        let next = (number as usize).saturating_sub(1) % prompts.len().max(1);
        let prompt = prompts.get(next).map_or("", String::as_str);
        let messages = [json!({"role": "user", "content": prompt})];
        let conversation = format!("{}-{}-{number}", self.config.name, client.pod.uid);
        let request = self.asker.request(self.templates, &Scope::new(), &messages, &conversation);
        let request = match request {
            Ok(request) => request,
            Err(why) => return Heard::Nothing(why),
        };
        let why = match self.asker.time(client, clock, request).await {
            Ok(after) => return Heard::Token(after),
            Err(Reply::Busy(after)) => return Heard::Busy(after),
            Err(Reply::Malformed(why) | Reply::Lost(why)) => why,
            Err(Reply::Answer(_)) => "an answer without a token".to_owned(),
        };
        // Here and not where calls are made: those under way must not wait for the list.
        match self.list().await {
            Ok(ready) if !ready.contains(client.pod) => Heard::Gone,
            _ => Heard::Nothing(why),
        }
    }

    fn tell(&self, pod: &PodRef) {
        let notes = self.book.all();
        let Some(notes) = notes.of(pod) else { return };
        let (name, found) = (&self.config.name, found(notes));
        let text = format!("{name}: pod {}: {found}", pod.name);
        self.trial.progress.report(&Progress::note(text));
    }
}
