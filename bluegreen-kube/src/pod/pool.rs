//! Connections that wait for the next request to the same pod.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::route::Trouble;
use crate::wire::Connection;

/// How many connections to one pod wait at most.
const PER_POD: usize = 16;
/// For how long one waits at most. Agents close them after a time, too.
const LONGEST: Duration = Duration::from_secs(30);

/// A connection between two requests.
#[derive(Debug)]
pub(super) struct Idle {
    pub(super) connection: Connection,
    pub(super) trouble: Trouble,
    pub(super) authority: String,
}

#[derive(Debug, Default)]
pub(super) struct Pool(Mutex<BTreeMap<String, Vec<(Idle, Instant)>>>);

impl Pool {
    /// A connection to a pod that can take a request now.
    pub(super) async fn take(&self, uid: &str) -> Option<Idle> {
        loop {
            let (mut idle, since) = self.lock().get_mut(uid)?.pop()?;
            if since.elapsed() < LONGEST && idle.connection.await_ready().await {
                return Some(idle);
            }
        }
    }

    /// Keeps a connection to a pod, whose last answer was read to its end.
    pub(super) fn put(&self, uid: String, idle: Idle) {
        let mut pods = self.lock();
        let now = Instant::now();
        // Those of pods that are gone would wait for ever.
        pods.retain(|_, all| {
            all.retain(|(_, since)| now.duration_since(*since) < LONGEST);
            !all.is_empty()
        });
        let all = pods.entry(uid).or_default();
        if all.len() < PER_POD {
            all.push((idle, now));
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Vec<(Idle, Instant)>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
