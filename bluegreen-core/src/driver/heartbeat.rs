//! The task that renews the lease of this process while a release is driven.

use tokio::task::JoinHandle;

use crate::Ports;

/// Renews the lease until it is dropped.
pub(crate) struct Heartbeat(JoinHandle<()>);

impl Heartbeat {
    /// Not in the span of the release: the task ends a moment after it is aborted, and the span has
    /// to be closed when the release ends, because many a process ends with it.
    pub(crate) fn start(ports: Ports) -> Self {
        Self(tokio::spawn(async move {
            let period = ports.liveness.time_to_live() / 3;
            loop {
                tokio::select! {
                    biased;
                    result = ports.liveness.renew() => if let Err(error) = result {
                        tracing::warn!(error = error.chain(), "failed to renew the lease");
                    },
                    () = ports.clock.sleep(period) => {
                        tracing::warn!("renewing the lease took longer than its period");
                        continue;
                    }
                }
                ports.clock.sleep(period).await;
            }
        }))
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.0.abort();
    }
}
