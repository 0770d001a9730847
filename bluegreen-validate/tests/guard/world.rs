//! Two slots under traffic that is exactly as it is said to be.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bluegreen_core::memory::{MemoryCluster, MemoryMetrics};
use bluegreen_core::{
    Clock, Color, Configuration, Container, Judgement, Metric, ReleaseId, Routing, Share, Side,
    SlotState, Timestamp, Trial, Validator, Verdict,
};

/// The candidate's slot.
pub(crate) const CANDIDATE: Color = Color::Green;
/// The other one.
pub(crate) const LIVE: Color = Color::Blue;
/// When tests begin.
pub(crate) const START: Timestamp = Timestamp::from_unix_millis(1_767_225_600_000);
/// The time between two looks.
pub(crate) const LOOK: Duration = Duration::from_secs(15);

/// A clock that moves on by one look whenever it is asked.
pub(crate) struct Stepping(AtomicU64);

impl Stepping {
    pub(crate) fn at(start: Timestamp) -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(start.unix_millis())))
    }
}

#[async_trait]
impl Clock for Stepping {
    fn now(&self) -> Timestamp {
        let step = u64::try_from(LOOK.as_millis()).unwrap();
        Timestamp::from_unix_millis(self.0.fetch_add(step, Ordering::SeqCst))
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// So many seconds after the start.
pub(crate) fn at(seconds: u64) -> Timestamp {
    START.plus(Duration::from_secs(seconds))
}

/// A slot that has units: each second so many, of which each value is `value` of its number.
pub(crate) fn traffic(
    metrics: &MemoryMetrics,
    metric: &Metric,
    slot: Color,
    from: Timestamp,
    (seconds, each): (u64, u64),
    value: impl Fn(u64) -> f64,
) {
    for number in 0..seconds * each {
        let millis = 1000 * number / each + 1;
        metrics.record(metric, slot, from.plus(Duration::from_millis(millis)), value(number));
    }
}

/// One of so many goes wrong.
pub(crate) fn one_in(count: u64) -> impl Fn(u64) -> f64 {
    move |number| if number % count == count / 2 { 1.0 } else { 0.0 }
}

/// Numbers of both slots for 25 minutes from `start` on, and of live for ten minutes before.
pub(crate) fn world(
    metrics: &MemoryMetrics,
    metric: &Metric,
    start: Timestamp,
    live: impl Fn(u64) -> f64,
    candidate: impl Fn(u64) -> f64,
) {
    let before = Timestamp::from_unix_millis(start.unix_millis() - 600_000);
    traffic(metrics, metric, LIVE, before, (600, 10), &live);
    traffic(metrics, metric, LIVE, start, (1500, 20), &live);
    traffic(metrics, metric, CANDIDATE, start, (1500, 20), &candidate);
}

/// A first look with this share for the candidate.
pub(crate) fn trial(share: Share) -> Trial {
    trial_at(START, share)
}

/// The same at another time.
pub(crate) fn trial_at(start: Timestamp, share: Share) -> Trial {
    let containers = BTreeMap::from([("agent".to_owned(), Container::new("agent:1"))]);
    let cluster = MemoryCluster::new("agent", Configuration::new(containers.clone()));
    let side = |color: Color| {
        let running = Configuration::new(containers.clone());
        let state = SlotState::new(color, color.as_str(), running);
        Side::new(state, Arc::new(cluster.client(color)))
    };
    let deadline = start.plus(Duration::from_secs(100_000));
    let mut trial = Trial::new(ReleaseId::new("r1"), side(CANDIDATE), side(LIVE), deadline);
    trial.routing = Routing::all(LIVE).with_candidate(share);
    trial.clock = Stepping::at(start);
    trial
}

/// Looks so many times, each from what the last left. All judgements.
pub(crate) async fn looks(guard: &dyn Validator, trial: &mut Trial, count: u32) -> Vec<Judgement> {
    let mut judgements = Vec::new();
    for _ in 0..count {
        let judgement = guard.judge(trial).await.unwrap();
        trial.look += 1;
        trial.state.clone_from(&judgement.state);
        judgements.push(judgement);
    }
    judgements
}

/// Looks until it is decided, at most so many times.
pub(crate) async fn decide(guard: &dyn Validator, trial: &mut Trial, most: u32) -> Judgement {
    for _ in 1..most {
        let judgement = looks(guard, trial, 1).await.remove(0);
        if judgement.verdict != Verdict::Inconclusive {
            return judgement;
        }
    }
    looks(guard, trial, 1).await.remove(0)
}
