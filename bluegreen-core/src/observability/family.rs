//! Every metric there is: names and units as Prometheus wants them, and labels whose values are few:
//! neither pods nor digests, and nothing that a person wrote.

/// What is done with the values of a family.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Kind {
    /// They are added up. Never goes down while the process lives.
    Counter,
    /// The last one counts.
    Gauge,
    /// They are counted by size.
    Histogram {
        /// The upper bounds of the buckets, rising, without the infinite one.
        buckets: &'static [f64],
    },
}

/// Metrics of one name.
#[derive(Debug, PartialEq)]
#[non_exhaustive]
pub struct Family {
    /// The name, with its unit.
    pub name: &'static str,
    /// What it says, in one line.
    pub help: &'static str,
    /// What is done with its values.
    pub kind: Kind,
    /// Labels that it has besides `cluster`, `namespace` and `service`, which all have.
    pub labels: &'static [&'static str],
}

/// Labels of every family. The service is the agent, named after its live Service.
pub(super) const COMMON: [&str; 3] = ["cluster", "namespace", "service"];

/// Some phases take milliseconds and others days.
const PHASE: Kind = Kind::Histogram {
    buckets: &[0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 1_800.0, 3_600.0, 14_400.0, 86_400.0],
};
const SWITCH: Kind = Kind::Histogram {
    buckets: &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0],
};
const DRAIN: Kind = Kind::Histogram {
    buckets: &[1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0, 14_400.0],
};

pub(super) static PHASE_DURATION: Family = Family {
    name: "bluegreen_phase_duration_seconds",
    help: "How long phases of releases took, from when the phase began, whoever drove it then.",
    kind: PHASE,
    labels: &["phase", "outcome"],
};
pub(super) static SWITCH_DURATION: Family = Family {
    name: "bluegreen_switch_duration_seconds",
    help: "From the answer to the write that moves traffic until there is evidence that it follows.",
    kind: SWITCH,
    labels: &["direction"],
};
pub(super) static DRAIN_DURATION: Family = Family {
    name: "bluegreen_drain_duration_seconds",
    help: "How long slots that lost their traffic were waited for.",
    kind: DRAIN,
    labels: &["outcome"],
};
pub(super) static DRAIN_IN_FLIGHT: Family = Family {
    name: "bluegreen_drain_in_flight",
    help: "What a draining slot has in hand; NaN while that is not known.",
    kind: Kind::Gauge,
    labels: &[],
};
pub(super) static VERDICTS: Family = Family {
    name: "bluegreen_verdicts_total",
    help: "What gates, guards and warm-ups came to, look by look.",
    kind: Kind::Counter,
    labels: &["role", "validator", "verdict"],
};
pub(super) static RELEASES: Family = Family {
    name: "bluegreen_releases_total",
    help: "Releases that ended, or were refused; those rolled back with the kind of reason.",
    kind: Kind::Counter,
    labels: &["outcome", "reason"],
};
pub(super) static RETRIES: Family = Family {
    name: "bluegreen_retries_total",
    help: "Calls that did not work and were tried again.",
    kind: Kind::Counter,
    labels: &[],
};
pub(super) static PHASE_NOW: Family = Family {
    name: "bluegreen_release_phase",
    help: "1 for the phase in which a release is now, 0 for others that it was in.",
    kind: Kind::Gauge,
    labels: &["phase"],
};
pub(super) static ENTERED: Family = Family {
    name: "bluegreen_release_phase_entered_timestamp_seconds",
    help: "When the phase began in which a release is now; 0 without one.",
    kind: Kind::Gauge,
    labels: &[],
};
pub(super) static DEADLINE: Family = Family {
    name: "bluegreen_release_phase_deadline_timestamp_seconds",
    help: "Until when that phase should last, later after a pause; 0 where it does not say.",
    kind: Kind::Gauge,
    labels: &[],
};
pub(super) static PAUSED: Family = Family {
    name: "bluegreen_release_paused",
    help: "1 while somebody has stopped the release where it is.",
    kind: Kind::Gauge,
    labels: &[],
};
pub(super) static STUCK: Family = Family {
    name: "bluegreen_release_stuck",
    help: "1 while the release cannot go on by itself.",
    kind: Kind::Gauge,
    labels: &[],
};

/// Every family.
pub static FAMILIES: [&Family; 12] = [
    &PHASE_DURATION,
    &SWITCH_DURATION,
    &DRAIN_DURATION,
    &DRAIN_IN_FLIGHT,
    &VERDICTS,
    &RELEASES,
    &RETRIES,
    &PHASE_NOW,
    &ENTERED,
    &DEADLINE,
    &PAUSED,
    &STUCK,
];
