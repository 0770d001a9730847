//! What was read or written, by name, and when.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// For how long what was read is good to build a write on that tests it.
pub(crate) const FRESH: Duration = Duration::from_secs(1);

/// The last state of each of some objects.
#[derive(Debug)]
pub(crate) struct Remembered<K, V>(Mutex<BTreeMap<K, (V, Instant)>>);

impl<K, V> Default for Remembered<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Ord, V: Clone> Remembered<K, V> {
    /// What was last read or written, however long ago.
    pub(crate) fn last<Q: Ord + ?Sized>(&self, name: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.lock().get(name).map(|(value, _)| value.clone())
    }

    /// What was read or written a moment ago.
    pub(crate) fn recent<Q: Ord + ?Sized>(&self, name: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let all = self.lock();
        all.get(name).filter(|(_, at)| at.elapsed() < FRESH).map(|(value, _)| value.clone())
    }

    /// Keeps what was read or written just now.
    pub(crate) fn keep(&self, name: K, value: V) {
        self.lock().insert(name, (value, Instant::now()));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<K, (V, Instant)>> {
        // Every write to the map is one insertion: a panic elsewhere leaves nothing half-done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
