//! Two hundred fresh connections a second, and when each was answered by which version.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bluegreen_kube::Settings;
use bluegreen_tests::ask;
use http::Method;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

/// Longer than a request may take.
const SETTLED: Duration = Duration::from_secs(6);

/// What became of one request.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
    /// Or what went wrong.
    pub(crate) version: Result<String, String>,
}

/// Nobody answers a connection to a Service without endpoints, and the client sends its packet again
/// after a second. What takes so long has met none at first.
const HUNG: Duration = Duration::from_millis(900);

impl Sample {
    fn hung(&self) -> bool {
        self.ended - self.began >= HUNG
    }
}

/// Asks until it is dropped.
pub(crate) struct Sampler {
    samples: Arc<Mutex<Vec<Sample>>>,
    _asking: JoinSet<()>,
}

impl Sampler {
    pub(crate) fn start(address: SocketAddr) -> Self {
        let samples = Arc::new(Mutex::new(Vec::new()));
        let kept = samples.clone();
        let mut asking = JoinSet::new();
        asking.spawn(async move {
            let mut turns = interval(Duration::from_millis(5));
            turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
            // Each request on its own, so that one that hangs does not stop the others.
            let mut requests = JoinSet::new();
            loop {
                turns.tick().await;
                while requests.try_join_next().is_some() {}
                let kept = kept.clone();
                requests.spawn(async move {
                    let began = Instant::now();
                    let version = one(address).await;
                    kept.lock().unwrap().push(Sample { began, ended: Instant::now(), version });
                });
            }
        });
        Self { samples, _asking: asking }
    }

    /// Returns once this version has answered.
    pub(crate) async fn answered_by(&self, version: &str) {
        let mut turns = interval(Duration::from_millis(1));
        let is_it = |it: &Sample| it.version.as_deref() == Ok(version);
        while !self.samples.lock().unwrap().iter().any(is_it) {
            turns.tick().await;
        }
    }

    /// From `since` to the last answer of `version`; zero if there was none after it.
    pub(crate) fn last_answer(&self, version: &str, since: Instant) -> Duration {
        let samples = self.samples.lock().unwrap();
        let answers = samples.iter().filter(|it| it.version.as_deref() == Ok(version));
        let Some(last) = answers.max_by_key(|it| it.ended) else { return Duration::ZERO };
        // A packet that was lost makes one request long; a rule that was late makes many.
        let after = |time: Instant| time.saturating_duration_since(since);
        eprintln!(
            "last {version}: asked {:?}, answered {:?}",
            after(last.began),
            after(last.ended)
        );
        after(last.ended)
    }

    /// From `since` to the beginning of the last request without a good answer in good time. When
    /// that one ended says nothing: it may have hung.
    pub(crate) fn last_failure(&self, since: Instant) -> Duration {
        let samples = self.samples.lock().unwrap();
        let failed = samples.iter().filter(|it| it.version.is_err() || it.hung());
        let after = |it: &Sample| it.began.saturating_duration_since(since);
        failed.map(after).max().unwrap_or_default()
    }

    /// Whether nothing but answers of `version` comes for a while, at some moment within `patience`
    /// from now. Requests from before `since` do not count.
    pub(crate) async fn only(&self, version: &str, since: Instant, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        let mut turns = interval(Duration::from_millis(50));
        while Instant::now() < until {
            turns.tick().await;
            let well = since.elapsed().checked_sub(self.last_wrong(version, since));
            // Longer than a request that hangs takes to be counted.
            if well.is_some_and(|well| well > SETTLED) {
                return true;
            }
        }
        false
    }

    /// From `since` to the last sign that not all is as it should be: the beginning of a request
    /// that failed or hung, or another version's answer.
    pub(crate) fn last_wrong(&self, version: &str, since: Instant) -> Duration {
        let samples = self.samples.lock().unwrap();
        let wrong = samples.iter().filter_map(|it| match &it.version {
            Ok(answered) if answered == version => it.hung().then_some(it.began),
            Ok(_) => Some(it.ended),
            Err(_) => Some(it.began),
        });
        wrong.map(|at| at.saturating_duration_since(since)).max().unwrap_or_default()
    }

    /// How many requests that began after `since` got no good answer.
    pub(crate) fn failed_since(&self, since: Instant) -> usize {
        let samples = self.samples.lock().unwrap();
        samples.iter().filter(|it| it.began >= since && it.version.is_err()).count()
    }

    /// How many requests got no good answer. Says why.
    pub(crate) fn failed(&self) -> usize {
        let samples = self.samples.lock().unwrap();
        let first = samples.first().map(|it| it.ended);
        let failed = samples.iter().filter_map(|it| Some((it, it.version.as_ref().err()?)));
        for (sample, why) in failed.clone() {
            let at = first.map(|first| sample.ended - first).unwrap_or_default();
            eprintln!("failed after {at:?}: {why}");
        }
        failed.count()
    }
}

async fn one(address: SocketAddr) -> Result<String, String> {
    let answer = ask(address, Method::GET, "/").await;
    let answer = answer.map_err(|error| bluegreen_core::chain(error.as_ref()))?;
    let header = Settings::new("", "").version_header;
    let version = answer.headers().get(header).and_then(|version| version.to_str().ok());
    match version {
        Some(version) if answer.status().is_success() => Ok(version.to_owned()),
        _ => Err(format!("status {}, version {version:?}", answer.status())),
    }
}
