//! A client without sockets, whose answers take exactly as long as they are told. For paused time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bluegreen_core::{AgentClient, AnswerBody, PodRef, Result, Target};
use bluegreen_validate::{Value, json};
use bytes::Bytes;
use http::{Request, Response};

use crate::agents::number;

/// How much a client had to do.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) sent: AtomicUsize,
    pub(crate) open: AtomicUsize,
    pub(crate) most_open: AtomicUsize,
}

/// What one request is answered, after how long.
pub(crate) struct Script {
    pub(crate) after: Duration,
    pub(crate) status: u16,
    pub(crate) retry_after: Option<&'static str>,
    pub(crate) text: String,
    /// Whether the text is where the suite says that it is.
    pub(crate) found: bool,
}

impl Script {
    pub(crate) fn good(number: usize) -> Self {
        Self {
            after: Duration::from_millis(100),
            status: 200,
            retry_after: None,
            text: format!("Your parcel {number} is on its way."),
            found: true,
        }
    }

    pub(crate) fn busy(retry_after: Option<&'static str>) -> Self {
        Self { status: 429, retry_after, ..Self::good(0) }
    }
}

type Play = dyn Fn(usize, usize) -> Script + Send + Sync;

pub(crate) struct Fake {
    play: Box<Play>,
    pub(crate) seen: Arc<Seen>,
}

impl Fake {
    /// `play` gets the number of the request from 0, and that of the parcel.
    pub(crate) fn new(play: impl Fn(usize, usize) -> Script + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { play: Box::new(play), seen: Arc::default() })
    }

    pub(crate) fn good() -> Arc<Self> {
        Self::new(|_, number| Script::good(number))
    }

    pub(crate) fn sent(&self) -> usize {
        self.seen.sent.load(Ordering::SeqCst)
    }
}

struct Open(Arc<Seen>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl AgentClient for Fake {
    async fn pods(&self) -> Result<Vec<PodRef>> {
        Ok(vec![PodRef::new("a", "1")])
    }

    async fn send(&self, _: &Target, request: Request<Bytes>) -> Result<Response<AnswerBody>> {
        let open = self.seen.open.fetch_add(1, Ordering::SeqCst) + 1;
        self.seen.most_open.fetch_max(open, Ordering::SeqCst);
        let _open = Open(self.seen.clone());
        let count = self.seen.sent.fetch_add(1, Ordering::SeqCst);
        let body: Value = serde_json::from_slice(request.body()).unwrap();
        let script = (self.play)(count, number(body["message"].as_str().unwrap()));
        tokio::time::sleep(script.after).await;
        let usage = json!({"prompt_tokens": 10, "completion_tokens": 5});
        let name = if script.found { "reply" } else { "other" };
        let body = json!({name: script.text, "usage": usage}).to_string();
        let mut answer = Response::builder().status(script.status);
        if let Some(pause) = script.retry_after {
            answer = answer.header("retry-after", pause);
        }
        Ok(answer.body(AnswerBody::full(body)).unwrap())
    }
}
