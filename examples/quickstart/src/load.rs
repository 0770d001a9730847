//! The same number of questions every second, answered or not.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bluegreen_validate::Exposures;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::agent::{END, ask, lock, question};
use crate::customers::Customers;

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
    scene: Arc<Mutex<Scene>>,
}

/// What becomes of questions, and who asks them: where it is nobody, each stands for itself.
#[derive(Clone, Default)]
struct Scene {
    tally: Arc<Tally>,
    customers: Option<Arc<Customers>>,
}

impl Questions {
    /// Counts for a new scene from now on.
    pub(crate) fn scene(&self) -> Arc<Tally> {
        self.begin(None)
    }

    /// The same, with as many questions, but asked by customers who hold conversations.
    pub(crate) fn customers(&self, exposures: Exposures) -> (Arc<Tally>, Arc<Customers>) {
        let customers = Arc::new(Customers::new(exposures));
        (self.begin(Some(Arc::clone(&customers))), customers)
    }

    fn begin(&self, customers: Option<Arc<Customers>>) -> Arc<Tally> {
        let tally = Arc::new(Tally::default());
        *lock(&self.scene) = Scene { tally: Arc::clone(&tally), customers };
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
            asked.spawn(one(proxy, lock(&self.scene).clone()));
        };
        while asked.join_next().await.is_some() {}
        result
    }
}

async fn one(proxy: SocketAddr, scene: Scene) {
    let Some(customers) = scene.customers else {
        let _ = scene.tally.answer(proxy, question("Where is parcel 4711?")).await;
        return;
    };
    let conversation = customers.next();
    let answer = scene.tally.answer(proxy, conversation.question()).await;
    customers.heard(conversation, answer.as_ref());
}

impl Tally {
    /// The answer to a question, if it is a whole one. Whatever comes of it is counted.
    async fn answer(&self, proxy: SocketAddr, asked: Request<Bytes>) -> Option<Response<Bytes>> {
        let begun = Instant::now();
        let failure = match timeout(PATIENCE, ask(proxy, asked)).await {
            Err(_) => format!("no answer in {PATIENCE:?}"),
            Ok(Err(error)) => error.to_string(),
            Ok(Ok(answer)) if answer.status() != StatusCode::OK => {
                format!("{}: {}", answer.status(), String::from_utf8_lossy(answer.body()))
            }
            Ok(Ok(answer)) if !answer.body().ends_with(END.as_bytes()) => {
                "half an answer".to_owned()
            }
            Ok(Ok(answer)) => {
                lock(&self.latencies).push(begun.elapsed());
                return Some(answer);
            }
        };
        lock(&self.failures).push(failure);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Tally {
        /// Questions served in so many milliseconds each, and what became of the others.
        pub(crate) fn of(served: &[u64], failed: &[&str]) -> Self {
            let latencies = served.iter().map(|millis| Duration::from_millis(*millis)).collect();
            let failures = failed.iter().map(|failure| (*failure).to_owned()).collect();
            Self { latencies: Mutex::new(latencies), failures: Mutex::new(failures) }
        }
    }

    #[test]
    fn a_percentile_is_a_latency_that_was_measured() {
        let percentile = |served: &[u64], percent| {
            Tally::of(served, &[]).percentile(percent).map(|it| it.as_millis())
        };
        // In whatever order they were answered.
        let hundred: Vec<u64> = (1..=100).rev().collect();
        for percent in [1, 50, 99, 100] {
            assert_eq!(percentile(&hundred, percent), Some(percent as u128));
        }
        assert_eq!(percentile(&hundred, 0), Some(1));
        assert_eq!(percentile(&[30, 10, 20], 50), Some(20));
        assert_eq!(percentile(&[30, 10, 20], 99), Some(30));
        assert_eq!(percentile(&[7], 50), Some(7));
        assert_eq!(percentile(&[], 50), None);
    }

    #[tokio::test]
    async fn a_question_counts_for_the_scene_in_which_it_was_asked() {
        // Nobody listens here any more.
        let gone =
            tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let questions = Questions::default();
        let first = questions.scene();
        let end = timeout(Duration::from_secs(20), async {
            let mut turns = interval(EVERY);
            while first.failed() == 0 {
                turns.tick().await;
            }
            questions.scene()
        });
        let second = questions.ask(gone, end).await.expect("a question should fail");
        assert!(first.failed() > 0 && first.served() == 0, "{:?}", first.first_failure());
        assert_eq!((second.failed(), second.served()), (0, 0));
    }
}
