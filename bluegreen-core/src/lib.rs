#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod agent;
mod approver;
mod assignment;
mod change;
pub mod clock;
mod config_files;
mod configuration;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod diff;
mod digest;
mod driver;
mod error;
mod group;
mod hook_runner;
mod liveness;
mod load;
#[cfg(any(test, feature = "memory"))]
pub mod memory;
mod metrics;
mod names;
pub mod observability;
mod operations;
pub mod plan;
mod pod_health;
mod ports;
mod problem;
mod progress;
pub mod release;
mod releaser;
mod slot;
mod store;
mod switch;
mod throttle;
mod validator;

pub use agent::{AgentClient, AnswerBody, PodRef, Target};
pub use approver::{ApprovalRequest, Approver, Decision};
pub use assignment::Assignment;
pub use change::{Change, EnvChange, External, ExternalChange, ModelChange, ResolvedChange};
pub use clock::{Clock, SystemClock, Timestamp};
pub use config_files::{ConfigFiles, MAX_CONFIG};
pub use configuration::{Configuration, Container, EnvValue, EnvVar};
pub use diff::{
    ChangeDiff, ConfigDiff, DiffLine, DiffLineKind, FileDiff, FileSize, Hunk, HunkLine, LineTag,
    Replaced, ShownValue,
};
pub use digest::{Digest, Sensitive};
pub use error::{Error, ErrorKind, Result, chain};
pub use group::{Group, GroupError, GroupOutcome, Member};
pub use hook_runner::{HookOutcome, HookRun, HookRunner, MAX_HOOK_LOG};
pub use liveness::{Liveness, Vitality};
pub use load::Load;
pub use metrics::{Histogram, Measurement, Metric, MetricSource, Window};
pub use names::{Actor, AgentName, Epoch, HolderId, ReleaseId, Revision};
pub use operations::{OperationError, Operations, Status};
pub use plan::Plan;
pub use pod_health::{POD_HEALTH, PodHealth};
pub use ports::{Pair, Ports};
pub use problem::{Problem, Severity};
pub use progress::{DrainOutcome, Progress, Reporter, Silent};
pub use release::{Document, Envelope, Outcome, Phase, PhaseName, Reason, Record, Stuck};
pub use releaser::Releaser;
pub use slot::{Binding, Color, Intent, PodState, Replicas, Role, Slot, SlotState};
pub use store::{MAX_BLOB, MAX_RECORD, ReleaseStore, Stored, Written};
pub use switch::{
    Capabilities, Evidence, EvidenceKind, Mirror, Observed, ObservedState, Pin, Routing, Share,
    SwitchStrategy, Vantage,
};
pub use throttle::Throttle;
pub use validator::{
    Checkpoint, Finding, Judgement, NoCheckpoint, Side, Trial, Validator, ValidatorRef, Verdict,
    Winner,
};

#[cfg(any(test, feature = "mocks"))]
pub use {
    agent::MockAgentClient, approver::MockApprover, clock::MockClock, hook_runner::MockHookRunner,
    liveness::MockLiveness, load::MockLoad, metrics::MockMetricSource, progress::MockReporter,
    slot::MockSlot, store::MockReleaseStore, switch::MockSwitchStrategy, validator::MockValidator,
};

// Each trait must stay usable as a trait object: this is where that is noticed.
const _: fn(&dyn Slot) = |_| ();
const _: fn(&dyn SwitchStrategy) = |_| ();
const _: fn(&dyn Validator) = |_| ();
const _: fn(&dyn AgentClient) = |_| ();
const _: fn(&dyn MetricSource) = |_| ();
const _: fn(&dyn ReleaseStore) = |_| ();
const _: fn(&dyn Liveness) = |_| ();
const _: fn(&dyn Clock) = |_| ();
const _: fn(&dyn Reporter) = |_| ();
const _: fn(&dyn Approver) = |_| ();
const _: fn(&dyn Load) = |_| ();
const _: fn(&dyn HookRunner) = |_| ();
