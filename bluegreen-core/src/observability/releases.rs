//! Metrics of what a release tells.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::family::{
    COMMON, DEADLINE, DRAIN_DURATION, DRAIN_IN_FLIGHT, ENTERED, Family, PAUSED, PHASE_DURATION,
    PHASE_NOW, RELEASES, RETRIES, STUCK, SWITCH_DURATION, VERDICTS,
};
use super::{MetricSink, PhaseEnd};
use crate::{Clock, Outcome, PhaseName, Ports, Progress, Reporter, Timestamp};

/// Every end that a release can have, with every kind of reason, so that all of these counters are
/// there from the start: of one that begins at 1 Prometheus sees no increase.
const ENDS: [(&str, &str); 10] = [
    ("released", ""),
    ("concluded", ""),
    ("refused", ""),
    ("rolled_back", "aborted"),
    ("rolled_back", "requested"),
    ("rolled_back", "unfit"),
    ("rolled_back", "failed"),
    ("rolled_back", "undecided"),
    ("rolled_back", "external"),
    ("rolled_back", "concluded"),
];

/// A reporter that makes metrics of the releases of one agent. Clones share what they know.
#[derive(Clone)]
pub struct ReleaseMetrics {
    shared: Arc<Shared>,
}

struct Shared {
    sink: Arc<dyn MetricSink>,
    clock: Arc<dyn Clock>,
    cluster: String,
    namespace: String,
    service: String,
    now: Mutex<Now>,
}

/// What is known of the release that goes on.
#[derive(Debug, Default)]
struct Now {
    /// The phase that it is in, and since when.
    phase: Option<(PhaseName, Timestamp)>,
    /// Since when it is over, once that was told.
    over: Option<Timestamp>,
}

impl ReleaseMetrics {
    /// Metrics of releases through `ports`, by their clock, for `sink`.
    pub fn new(ports: &Ports, sink: Arc<dyn MetricSink>) -> Self {
        let shared = Shared {
            sink,
            clock: ports.clock.clone(),
            cluster: ports.cluster.clone(),
            namespace: ports.namespace.clone().unwrap_or_default(),
            service: ports.agent.as_str().to_owned(),
            now: Mutex::default(),
        };
        for (outcome, reason) in ENDS {
            shared.record(&RELEASES, &[outcome, reason], 0.0);
        }
        shared.record(&RETRIES, &[], 0.0);
        shared.clear();
        shared.record(&STUCK, &[], 0.0);
        Self { shared: Arc::new(shared) }
    }
}

impl fmt::Debug for ReleaseMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReleaseMetrics")
            .field("service", &self.shared.service)
            .finish_non_exhaustive()
    }
}

impl Reporter for ReleaseMetrics {
    fn report(&self, progress: &Progress) {
        let shared = &*self.shared;
        match progress {
            Progress::Entered { phase, since, deadline, .. } => {
                shared.entered(*phase, *since, *deadline);
            }
            Progress::Judged { validator, judgement } => {
                let role = match shared.lock().phase {
                    Some((PhaseName::Validating, _)) => "gate",
                    Some((PhaseName::WarmingUp, _)) => "warm_up",
                    _ => "guard",
                };
                let verdict = judgement.verdict.key();
                shared.record(&VERDICTS, &[role, validator, verdict], 1.0);
            }
            Progress::Shifted { took, .. } => {
                // A rollback by another process tells of no phase, and of no other move.
                let is_forward = shared.lock().phase.is_some_and(|(phase, _)| !phase.is_backward());
                let direction = if is_forward { "forward" } else { "back" };
                shared.record(&SWITCH_DURATION, &[direction], took.as_secs_f64());
            }
            Progress::Draining { in_flight, .. } => {
                let count = in_flight.map_or(f64::NAN, approximate);
                shared.record(&DRAIN_IN_FLIGHT, &[], count);
            }
            Progress::Drained { outcome, took, .. } => {
                shared.record(&DRAIN_DURATION, &[outcome.as_str()], took.as_secs_f64());
                shared.record(&DRAIN_IN_FLIGHT, &[], 0.0);
            }
            Progress::Retrying { .. } => shared.record(&RETRIES, &[], 1.0),
            Progress::Paused { by } => {
                shared.record(&PAUSED, &[], if by.is_some() { 1.0 } else { 0.0 });
            }
            Progress::TakenOver { .. } => {
                let now = shared.clock.now();
                shared.ended(now, |_| PhaseEnd::Lost);
                shared.clear();
            }
            Progress::Finished { outcome } => shared.finished(outcome),
            Progress::Warned { .. } | Progress::Note { .. } => {}
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A value of a family, with the values of its own labels.
    fn record(&self, family: &'static Family, own: &[&str], value: f64) {
        let common = [&*self.cluster, &*self.namespace, &*self.service];
        let labels: Vec<(&'static str, &str)> = COMMON
            .into_iter()
            .zip(common)
            .chain(family.labels.iter().copied().zip(own.iter().copied()))
            .collect();
        self.sink.record(family, &labels, value);
    }

    fn entered(&self, phase: PhaseName, since: Timestamp, deadline: Option<Timestamp>) {
        self.record(&STUCK, &[], 0.0);
        // It may have gone on while nobody drove it. If it has not, that is told next.
        self.record(&PAUSED, &[], 0.0);
        if phase == PhaseName::Done {
            // How the last phase has ended is told next.
            self.lock().over = Some(since);
            return;
        }
        let last = self.lock().phase;
        if last != Some((phase, since)) {
            self.ended(since, |last| PhaseEnd::of(last, phase));
        }
        self.lock().phase = Some((phase, since));
        self.record(&PHASE_NOW, &[phase.key()], 1.0);
        self.record(&ENTERED, &[], seconds(since));
        self.record(&DEADLINE, &[], deadline.map_or(0.0, seconds));
    }

    /// The phase that the release was in ended at `at`, if there was one.
    fn ended(&self, at: Timestamp, how: impl FnOnce(PhaseName) -> PhaseEnd) {
        let Some((phase, since)) = self.lock().phase.take() else { return };
        let took = at.since(since).as_secs_f64();
        self.record(&PHASE_DURATION, &[phase.key(), how(phase).as_str()], took);
        self.record(&PHASE_NOW, &[phase.key()], 0.0);
    }

    fn finished(&self, outcome: &Outcome) {
        let over = self.lock().over.take().unwrap_or_else(|| self.clock.now());
        if let Outcome::Stuck { .. } = outcome {
            let stays = self.lock().phase;
            self.ended(over, |_| PhaseEnd::Stuck);
            // It is a pause: the release stays in its phase, and somebody should see in which.
            if let Some((phase, _)) = stays {
                self.record(&PHASE_NOW, &[phase.key()], 1.0);
                self.lock().phase = stays;
            }
            self.record(&STUCK, &[], 1.0);
            return;
        }
        self.ended(over, |phase| PhaseEnd::with(phase, outcome));
        self.clear();
        let reason = match outcome {
            Outcome::RolledBack { reason } => reason.key(),
            _ => "",
        };
        self.record(&RELEASES, &[outcome.key(), reason], 1.0);
    }

    /// Nothing goes on here.
    fn clear(&self) {
        for family in [&ENTERED, &DEADLINE, &PAUSED, &DRAIN_IN_FLIGHT] {
            self.record(family, &[], 0.0);
        }
    }
}

fn seconds(at: Timestamp) -> f64 {
    Duration::from_millis(at.unix_millis()).as_secs_f64()
}

#[allow(clippy::cast_precision_loss, reason = "nobody has 2^53 streams in hand")]
fn approximate(count: u64) -> f64 {
    count as f64
}
