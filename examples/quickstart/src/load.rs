//! The same number of questions every second, answered or not.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http::StatusCode;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::agent::{END, ask, lock, question};

/// One question in this time: 100 a second.
const EVERY: Duration = Duration::from_millis(10);

/// After this time an answer is of no use.
const PATIENCE: Duration = Duration::from_secs(5);

/// What became of the questions that were asked in one scene.
#[derive(Default)]
pub(crate) struct Tally {
    latencies: Mutex<Vec<Duration>>,
    failures: Mutex<Vec<String>>,
}

impl Tally {
    pub(crate) fn served(&self) -> usize {
        lock(&self.latencies).len()
    }

    pub(crate) fn failed(&self) -> usize {
        lock(&self.failures).len()
    }

    pub(crate) fn first_failure(&self) -> Option<String> {
        lock(&self.failures).first().cloned()
    }

    /// The latency that so many in a hundred of those served did not exceed.
    pub(crate) fn percentile(&self, percent: usize) -> Option<Duration> {
        let mut latencies = lock(&self.latencies).clone();
        latencies.sort_unstable();
        let rank = (latencies.len() * percent).div_ceil(100).max(1);
        latencies.get(rank - 1).copied()
    }
}

/// Asks without a pause. Every question counts for the scene in which it was asked.
#[derive(Clone, Default)]
pub(crate) struct Questions {
    scene: Arc<Mutex<Arc<Tally>>>,
}

impl Questions {
    /// Counts for a new scene from now on.
    pub(crate) fn scene(&self) -> Arc<Tally> {
        let tally = Arc::new(Tally::default());
        *lock(&self.scene) = Arc::clone(&tally);
        tally
    }

    /// Asks until `end` is done, then waits for the answers that are still to come.
    pub(crate) async fn ask<T>(&self, proxy: SocketAddr, end: impl Future<Output = T>) -> T {
        let mut asked = JoinSet::new();
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        tokio::pin!(end);
        let result = loop {
            tokio::select! {
                result = &mut end => break result,
                _ = ticks.tick() => {}
            }
            while asked.try_join_next().is_some() {}
            asked.spawn(one(proxy, Arc::clone(&lock(&self.scene))));
        };
        while asked.join_next().await.is_some() {}
        result
    }
}

async fn one(proxy: SocketAddr, tally: Arc<Tally>) {
    let begun = Instant::now();
    let failure = match timeout(PATIENCE, ask(proxy, question("Where is parcel 4711?"))).await {
        Err(_) => format!("no answer in {PATIENCE:?}"),
        Ok(Err(error)) => error.to_string(),
        Ok(Ok(answer)) if answer.status() != StatusCode::OK => {
            format!("{}: {}", answer.status(), String::from_utf8_lossy(answer.body()))
        }
        Ok(Ok(answer)) if !answer.body().ends_with(END.as_bytes()) => "half an answer".to_owned(),
        Ok(Ok(_)) => {
            lock(&tally.latencies).push(begun.elapsed());
            return;
        }
    };
    lock(&tally.failures).push(failure);
}
