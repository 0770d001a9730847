//! What a release tells, for those who are not there: as `CloudEvents` or to a chat, over HTTP.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bluegreen_core::{AgentClient, Clock, Ports, Problem, Progress, Reporter};
use tokio::task::AbortHandle;

use crate::{AddressClient, ConfigError};

mod approval;
mod config;
mod deliver;
mod event;
mod queue;
mod render;
mod signature;

pub use approval::WebhookApprover;
pub use config::{Detail, Format, NotifyConfig};
pub use queue::Delivery;
pub use signature::{SignatureError, SigningKey, verify};

use deliver::Deliverer;
use event::Event;
use queue::Queue;
use render::Sender;

/// Sends what a release tells to a receiver over HTTP: `CloudEvents` 1.0, or a message for Slack and
/// what takes the same (Mattermost, Rocket.Chat, Discord under `/slack`).
///
/// ```no_run
/// use std::time::Duration;
///
/// use bluegreen_core::{Change, OperationError, Plan, Ports, Releaser};
/// use bluegreen_validate::notify::{Notifier, NotifyConfig, SigningKey};
///
/// # async fn example(ports: Ports, change: Change) -> Result<(), Box<dyn std::error::Error>> {
/// let key = SigningKey::parse(&std::env::var("NOTIFY_KEY")?)?;
/// let config = NotifyConfig::cloud_events("http://hooks.tools:8080/releases").sign(key);
/// let notifier = Notifier::new(config, &ports)?;
/// let releaser = Releaser::new(ports).report(notifier.clone());
/// let outcome = releaser.run(change, &Plan::all_at_once()).await;
/// eprintln!("{}", notifier.flush(Duration::from_secs(10)).await);
/// # outcome?; Ok(()) }
/// ```
///
/// # A release never waits for it
/// [`report`](Reporter::report) puts the event into a queue of bounded length and returns; a task of
/// this notifier sends one after the other, in order. Where the receiver is so slow that the queue is
/// full, the oldest event goes that is no outcome. Each event tells how many were lost before
/// it, [`flush`](Self::flush) how many were lost at all, and a log line (`tracing`, level `warn`)
/// tells of each. The task ends with the last clone of the notifier: flush before.
///
/// # Delivery
/// At least once, each time with the same id, by which a receiver can drop doubles. A process that
/// resumes a release tells what it does itself, under ids of its own. Tried again is what may go
/// well another time: no connection, no answer in time, 429, 5xx. Pauses grow exponentially, with a
/// jitter, and are at least as long as `Retry-After` says. Any other status is final, redirects
/// too: neither event nor signature goes to a place that was not named. After 410 nothing is sent
/// any more.
///
/// # `CloudEvents`
/// In structured mode, so that the signature is over all of it. `type` is
/// `dev.bluegreen.release.` and one of `entered`, `warned`, `retrying`, `judged`, `shifted`, `draining`,
/// `taken-over`, `drained`, `paused`, `note`, or an outcome: `released`, `concluded`, `rolled-back`, `refused`, `stuck`.
/// `source` is `/bluegreen/CLUSTER/AGENT`, `subject` the release. `data` has `agent`, `cluster`, `release`,
/// `text` (a line for people), `lost`, and what the event is made of, as it stands in records. The handshake
/// by `OPTIONS` that receivers of unknown senders may want is not made.
///
/// # Signatures
/// As [Standard Webhooks](https://www.standardwebhooks.com) has them: `webhook-id`, `webhook-timestamp` (of this
/// try, in seconds) and `webhook-signature`, one `v1,` and base64 of HMAC-SHA256 over id, timestamp and
/// body for each key. [`verify`] is the other side of it.
#[derive(Clone)]
pub struct Notifier {
    queue: Arc<Queue>,
    clock: Arc<dyn Clock>,
    detail: Detail,
    _owner: Arc<Owner>,
}

impl Notifier {
    /// A notifier of what happens through `ports`, without TLS.
    ///
    /// Must be called within a tokio runtime, on which its task runs.
    ///
    /// # Errors
    /// All problems of the settings at once. `https` is one of them: see
    /// [`through`](Self::through).
    pub fn new(config: NotifyConfig, ports: &Ports) -> Result<Self, ConfigError> {
        let (problems, client) = plain(&config, "Notifier::through");
        Self::build(config, problems, ports, client)
    }

    /// A notifier by way of `client`: with TLS, or whatever way there is. It is handed requests to
    /// [`Target::Any`](bluegreen_core::Target::Any) whose URI is path and query alone, and must not
    /// follow redirects.
    ///
    /// Must be called within a tokio runtime, on which its task runs.
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
        problems: Vec<Problem>,
        ports: &Ports,
        client: Arc<dyn AgentClient>,
    ) -> Result<Self, ConfigError> {
        let refuse = |problems| ConfigError::new("notify", problems);
        if !problems.is_empty() {
            return Err(refuse(problems));
        }
        let sender = Sender::new(config.format, ports);
        let (most, detail) = (config.queue, config.detail);
        let deliverer =
            Deliverer::new(config, sender, client, ports.clock.clone()).map_err(refuse)?;
        let queue = Arc::new(Queue::new(most));
        let task = tokio::spawn(deliverer.run(queue.clone()));
        let owner = Owner { task: task.abort_handle(), queue: queue.clone() };
        Ok(Self { queue, clock: ports.clock.clone(), detail, _owner: Arc::new(owner) })
    }

    /// Returns once everything reported so far is delivered or given up, or after `limit`, with what
    /// became of it. What is still waiting then goes on being sent until the last clone is dropped.
    ///
    /// # Cancel safety
    /// Only waits.
    pub async fn flush(&self, limit: Duration) -> Delivery {
        tokio::select! {
            biased;
            () = self.queue.idle() => {}
            () = self.clock.sleep(limit) => {}
        }
        self.queue.delivery()
    }

    /// What became of everything reported so far.
    pub fn delivery(&self) -> Delivery {
        self.queue.delivery()
    }
}

/// A client of the URL without TLS, and all problems of the settings: TLS is one of them, with the `way` to it.
fn plain(config: &NotifyConfig, way: &str) -> (Vec<Problem>, Arc<dyn AgentClient>) {
    let (mut problems, address) = (config.problems(), config.address());
    if address.as_ref().is_ok_and(|address| address.is_tls) {
        let problem = Problem::new("notify-url", "notify, url")
            .found(format!("`{}`", config.shown()))
            .wanted("http://: TLS is the business of the program that this is built into")
            .mend(format!("hand a client of yours that speaks TLS to {way}"));
        problems.push(problem);
    }
    // Without an address there is a problem that says so.
    let host = address.map(|address| address.host).unwrap_or_default();
    (problems, Arc::new(AddressClient::new([host])))
}

impl Reporter for Notifier {
    fn report(&self, progress: &Progress) {
        let event = Event::of(progress, self.clock.now());
        self.queue.push(event, self.detail);
    }
}

impl fmt::Debug for Notifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifier").field("delivery", &self.delivery()).finish_non_exhaustive()
    }
}

/// Ends the task with the last clone, and does not pass over what it leaves.
struct Owner {
    task: AbortHandle,
    queue: Arc<Queue>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.task.abort();
        let waiting = self.queue.delivery().waiting;
        if waiting > 0 {
            tracing::warn!(waiting, "notifications are lost: nobody waited for them");
        }
    }
}
