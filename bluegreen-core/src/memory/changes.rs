//! Tells whoever waits that something has changed.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

/// A number that grows with every change, and those who wait for the next one.
///
/// They are woken in the order in which they began to wait. `tokio::sync::watch` wakes in an order
/// of its own, by chance, and what runs after the same changes should be the same every time.
#[derive(Debug, Default)]
pub(super) struct Changes {
    count: AtomicU64,
    waiting: Notify,
}

impl Changes {
    /// Something has changed.
    pub(super) fn tell(&self) {
        self.count.fetch_add(1, Ordering::AcqRel);
        self.waiting.notify_waiters();
    }

    /// How many changes there were.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    /// Returns once there were more changes than `seen`.
    ///
    /// # Cancel safety
    /// Only waits.
    pub(super) async fn after(&self, seen: u64) {
        loop {
            let mut told = std::pin::pin!(self.waiting.notified());
            // From here on no change is missed, so it is only now that the count is read.
            told.as_mut().enable();
            if self.count() != seen {
                return;
            }
            told.await;
        }
    }
}
