//! Requests without end, each over a fresh connection, and what became of them.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bluegreen_kube::Settings;
use http::Method;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::agent::soon;
use crate::ask;

/// How many requests are under way at the same time.
const WORKERS: usize = 4;
/// How often each worker begins one.
const PACE: Duration = Duration::from_millis(10);
/// How often the only worker does where many agents have load at the same time.
const GENTLE: Duration = Duration::from_millis(40);

/// Requests to one address without a pause, until it is stopped or dropped.
#[derive(Debug)]
pub struct Load {
    tally: watch::Receiver<Tally>,
    stop: watch::Sender<bool>,
    workers: JoinSet<()>,
}

/// What became of requests.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// How many were answered with 200, by the version that answered.
    pub answers: BTreeMap<String, u64>,
    /// What happened to the others.
    pub failures: Vec<String>,
}

impl Load {
    /// Begins, with some 400 requests a second.
    pub fn start(address: SocketAddr) -> Self {
        Self::of(address, WORKERS, PACE)
    }

    /// Begins, with some 25 requests a second.
    pub fn gentle(address: SocketAddr) -> Self {
        Self::of(address, 1, GENTLE)
    }

    fn of(address: SocketAddr, count: usize, pace: Duration) -> Self {
        let (counted, tally) = watch::channel(Tally::default());
        let (stop, stopped) = watch::channel(false);
        let counted = Arc::new(counted);
        let mut workers = JoinSet::new();
        for _ in 0..count {
            workers.spawn(work(address, pace, counted.clone(), stopped.clone()));
        }
        Self { tally, stop, workers }
    }

    /// Returns once an answer of this version has come.
    pub async fn answered_by(&mut self, version: &str) {
        let waiting = self.tally.wait_for(|tally| tally.answers.contains_key(version));
        soon("an answer of that version", waiting).await.unwrap();
    }

    /// Ends, once what is under way is answered.
    pub async fn stop(mut self) -> Tally {
        self.stop.send_replace(true);
        while let Some(ended) = self.workers.join_next().await {
            ended.unwrap();
        }
        self.tally.borrow().clone()
    }
}

async fn work(
    address: SocketAddr,
    pace: Duration,
    counted: Arc<watch::Sender<Tally>>,
    stopped: watch::Receiver<bool>,
) {
    let began = Instant::now();
    let mut turns = interval(pace);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !*stopped.borrow() {
        turns.tick().await;
        let answer = version_at(address).await;
        let after = began.elapsed();
        counted.send_modify(|tally| match answer {
            Ok(version) => *tally.answers.entry(version).or_default() += 1,
            Err(failure) => tally.failures.push(format!("{failure}, after {after:.1?}")),
        });
    }
}

/// The version that answers one request over a fresh connection.
///
/// # Errors
/// What came instead, in words.
pub async fn version_at(address: SocketAddr) -> Result<String, String> {
    let answer = ask(address, Method::GET, "/").await.map_err(|error| chain(error.as_ref()))?;
    if !answer.status().is_success() {
        return Err(format!("status {}", answer.status()));
    }
    let header = Settings::new("", "").version_header;
    let version = answer.headers().get(header).and_then(|value| value.to_str().ok());
    version.map(str::to_owned).ok_or_else(|| "no version in the answer".to_owned())
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    bluegreen_core::chain(error)
}

impl Tally {
    /// How many requests there were.
    pub fn total(&self) -> u64 {
        let failed = u64::try_from(self.failures.len()).unwrap_or(u64::MAX);
        self.answers.values().sum::<u64>() + failed
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, {} failed", self.answers, self.failures.len())?;
        self.failures.first().map_or(Ok(()), |first| write!(f, ", first: {first}"))
    }
}
