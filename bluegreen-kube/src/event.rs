//! What a release tells, as Events of its live Service.

use std::fmt;
use std::time::Duration;

use bluegreen_core::{Progress, Reporter};
use kube::Client;
use tokio::sync::{mpsc, oneshot};

use crate::Settings;
use crate::wire::AbortOnDrop;

mod object;
#[cfg(test)]
mod tests;
mod writer;

pub(crate) use writer::Subject;

/// How many reports wait for the API server at most.
const WAITING: usize = 256;

/// Writes what a release tells as Kubernetes Events (`events.k8s.io`) of the agent's Service, so
/// that `kubectl describe service` shows it. Those of [`Cluster::events`](crate::Cluster::events)
/// are of the first route where routes move the traffic.
///
/// [`report`](Reporter::report) never waits: a task of this reporter writes, and when the API
/// server is so slow that 256 reports wait, further ones are dropped and their number is logged.
/// Dropping the reporter ends the task; [`flush`](Self::flush) first if the last reports matter.
/// The cluster keeps Events for an hour by default: the record is the history, not this.
///
/// Needs the verb `create` on `events` in `events.k8s.io`, and `get` on `services` (on the kind of
/// the route, on `ingresses`).
pub struct EventReporter {
    sender: mpsc::Sender<Message>,
    _task: AbortOnDrop,
}

enum Message {
    Report(Box<Progress>),
    Flush(oneshot::Sender<()>),
}

impl EventReporter {
    /// A reporter for the agent that `settings` name. `instance` is who reports: the holder, say.
    ///
    /// Must be called within a tokio runtime, on which its task runs.
    pub fn new(client: Client, settings: Settings, instance: impl Into<String>) -> Self {
        Self::about(client, settings, Subject::Service, instance.into())
    }

    /// The same where Events are about something else.
    pub(crate) fn about(
        client: Client,
        settings: Settings,
        subject: Subject,
        instance: String,
    ) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        let writer = writer::Writer::new(client, settings, subject, instance);
        let task = tokio::spawn(writer.run(receiver));
        Self { sender, _task: AbortOnDrop(task.abort_handle()) }
    }

    /// Returns once everything reported so far is written or was given up, or after `limit`.
    /// Whether it was in time.
    ///
    /// # Cancel safety
    /// Only waits.
    pub async fn flush(&self, limit: Duration) -> bool {
        let (done, flushed) = oneshot::channel();
        let all =
            async { self.sender.send(Message::Flush(done)).await.is_ok() && flushed.await.is_ok() };
        tokio::time::timeout(limit, all).await.unwrap_or(false)
    }
}

impl Reporter for EventReporter {
    fn report(&self, progress: &Progress) {
        if self.sender.try_send(Message::Report(Box::new(progress.clone()))).is_err() {
            tracing::warn!(%progress, "too many events wait for the API server: one is dropped");
        }
    }
}

impl fmt::Debug for EventReporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventReporter").finish_non_exhaustive()
    }
}
