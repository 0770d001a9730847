//! Who answers how many of many requests.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use bluegreen_tests::{ask_with, version_at};
use http::Method;
use tokio::task::JoinSet;

/// How many requests are under way at the same time.
const WORKERS: u64 = 8;

/// What became of requests, each over a fresh connection.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    versions: BTreeMap<String, u64>,
    pub(crate) failures: Vec<String>,
}

impl Answers {
    /// Sends so many requests.
    pub(crate) async fn of(address: SocketAddr, count: u64) -> Self {
        let mut workers = JoinSet::new();
        for worker in 0..WORKERS {
            let share = count / WORKERS + u64::from(worker < count % WORKERS);
            workers.spawn(async move {
                let mut answers = Self::default();
                for _ in 0..share {
                    match version_at(address).await {
                        Ok(version) => *answers.versions.entry(version).or_default() += 1,
                        Err(failure) => answers.failures.push(failure),
                    }
                }
                answers
            });
        }
        let mut all = Self::default();
        for some in workers.join_all().await {
            all.failures.extend(some.failures);
            for (version, count) in some.versions {
                *all.versions.entry(version).or_default() += count;
            }
        }
        all
    }

    /// How many a version answered.
    pub(crate) fn by(&self, version: &str) -> u64 {
        self.versions.get(version).copied().unwrap_or_default()
    }
}

/// Returns once a version answers about as many of some requests as it should. A gateway has no
/// other way to show that it has heard of new weights.
pub(crate) async fn arrives(address: SocketAddr, version: &str, share: f64) {
    const SOME: u64 = 400;
    let (low, _) = likely(share, SOME);
    let waiting = async { while Answers::of(address, SOME).await.by(version) < low {} };
    let ended = tokio::time::timeout(bluegreen_tests::seconds(60), waiting).await;
    assert!(ended.is_ok(), "{version} should answer {share} of the requests");
}

/// Between which numbers a count lies in 999 of 1000 cases, by the normal distribution that the
/// binomial one comes close to with so many requests.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub(crate) fn likely(share: f64, count: u64) -> (u64, u64) {
    // The quantile of the standard normal distribution at 0.9995.
    const QUANTILE: f64 = 3.2905;
    let count = count as f64;
    let mean = share * count;
    let margin = QUANTILE * (count * share * (1.0 - share)).sqrt();
    ((mean - margin).ceil() as u64, (mean + margin).floor() as u64)
}

/// The version that answers a request with this header.
pub(crate) async fn pinned(
    address: SocketAddr,
    name: &'static str,
    value: &str,
) -> Result<String, String> {
    let answer = ask_with(address, Method::GET, "/", &[(name, value)]).await;
    let answer = answer.map_err(|error| bluegreen_core::chain(error.as_ref()))?;
    let version = answer.headers().get("x-agent-version").and_then(|it| it.to_str().ok());
    version.map(str::to_owned).ok_or_else(|| format!("no version with {}", answer.status()))
}
