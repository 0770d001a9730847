//! Conversations that are exactly as they are said to be.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bluegreen_core::memory::MemoryCluster;
use bluegreen_core::{
    Assignment, Clock, Color, Configuration, Container, Judgement, ReleaseId, Routing, Share, Side,
    SlotState, Timestamp, Trial, Validator, Verdict,
};
use bluegreen_validate::experiment::{ExperimentConfig, Exposures, OutcomeConfig};

pub(crate) const CANDIDATE: Color = Color::Green;
pub(crate) const LIVE: Color = Color::Blue;
/// When experiments begin.
pub(crate) const START: Timestamp = Timestamp::from_unix_millis(1_767_225_600_000);
/// The time between two looks.
pub(crate) const LOOK: Duration = Duration::from_mins(1);

/// A clock that is set, and one that moves on by a look whenever it is asked.
pub(crate) struct Stepping {
    at: AtomicU64,
    step: u64,
}

impl Stepping {
    pub(crate) fn new(start: Timestamp, step: Duration) -> Arc<Self> {
        let step = u64::try_from(step.as_millis()).unwrap();
        Arc::new(Self { at: AtomicU64::new(start.unix_millis()), step })
    }

    pub(crate) fn set(&self, at: Timestamp) {
        self.at.store(at.unix_millis(), Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for Stepping {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_millis(self.at.fetch_add(self.step, Ordering::SeqCst))
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// So many seconds after the start.
pub(crate) fn at(seconds: u64) -> Timestamp {
    START.plus(Duration::from_secs(seconds))
}

/// Whether the unit with this number completes, where `percent` of a hundred do: as if by chance, and
/// independent of its arm.
pub(crate) fn completes(number: u64, percent: u64) -> bool {
    let mixed = (number ^ (number >> 7)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
    mixed % 100 < percent
}

/// Conversations from `from` on: so many each second for so many seconds, assigned at half. What they come
/// to is known ten seconds later; of each arm so many percent complete.
pub(crate) fn converse(
    exposures: &Exposures,
    from: Timestamp,
    (seconds, each): (u64, u64),
    [candidate, live]: [u64; 2],
) {
    let assignment = Assignment::new("refund-prompt");
    for number in 0..seconds * each {
        let unit = format!("{from}-{number}");
        let began = from.plus(Duration::from_millis(1000 * number / each + 1));
        let is_candidate = assignment.is_candidate(&unit, Share::percent(50));
        let (color, version, percent) =
            if is_candidate { (CANDIDATE, "2", candidate) } else { (LIVE, "1", live) };
        exposures.expose(&unit, color, version, began);
        let value = if completes(number, percent) { 1.0 } else { 0.0 };
        exposures.outcome(&unit, "completed", value, began.plus(Duration::from_secs(10)));
    }
}

/// What a slot runs.
pub(crate) fn state(color: Color, version: &str) -> SlotState {
    let container = Container::new(format!("agent:{version}"));
    let containers = BTreeMap::from([("agent".to_owned(), container)]);
    SlotState::new(color, color.as_str(), Configuration::new(containers).with_version(version))
}

/// A first look at `start` with half of the traffic on the candidate.
pub(crate) fn trial_at(start: Timestamp) -> Trial {
    let cluster = MemoryCluster::new("agent", state(LIVE, "1").running);
    let side = |state: SlotState| {
        let client = Arc::new(cluster.client(state.color));
        Side::new(state, client)
    };
    let deadline = start.plus(Duration::from_hours(100_000));
    let (candidate, live) = (side(state(CANDIDATE, "2")), side(state(LIVE, "1")));
    let mut trial = Trial::new(ReleaseId::new("r1"), candidate, live, deadline);
    trial.routing = Routing::all(LIVE).with_candidate(Share::percent(50));
    trial.clock = Stepping::new(start, LOOK);
    trial
}

pub(crate) fn config() -> ExperimentConfig {
    ExperimentConfig::new(OutcomeConfig::rate("completed").margin(0.02))
}

/// Takes one look, from what the last left.
pub(crate) async fn look(experiment: &dyn Validator, trial: &mut Trial) -> Judgement {
    let judgement = experiment.judge(trial).await.unwrap();
    trial.look += 1;
    trial.state = judgement.state.clone().or(trial.state.take());
    judgement
}

/// Looks until it is decided, at most so many times.
pub(crate) async fn decide(experiment: &dyn Validator, trial: &mut Trial, most: u32) -> Judgement {
    for _ in 1..most {
        let judgement = look(experiment, trial).await;
        if judgement.verdict != Verdict::Inconclusive {
            return judgement;
        }
    }
    look(experiment, trial).await
}
