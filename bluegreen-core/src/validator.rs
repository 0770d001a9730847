//! What judges a slot: as a gate before traffic, as a guard while traffic is on it.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    AgentClient, Clock, Digest, Plan, Problem, ReleaseId, Reporter, Result, Routing, Silent,
    SlotState, SystemClock, Timestamp,
};

mod judgement;

pub use judgement::{Finding, Judgement, Verdict, Winner};

/// Judges a candidate.
///
/// # Contract
/// * `has_a_name_and_a_digest`: both are the same at every call, and the digest differs between
///   two validators that would judge differently.
/// * `passes_a_good_candidate`.
/// * `fails_a_bad_one_with_evidence`: at least one [`Finding`] says what was wanted and found.
/// * `an_unreachable_candidate_never_passes`: it is an error, `Fail` or `Inconclusive`.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait Validator: Send + Sync {
    /// What progress, records and errors call it: `"smoke"`.
    fn name(&self) -> &str;

    /// The digest of its settings. A release that resumes must find the same ones.
    fn config_digest(&self) -> Digest;

    /// What is wrong with its own settings or with what it needs under this plan. Reads only.
    async fn check(&self, plan: &Plan) -> Result<Vec<Problem>>;

    /// Takes one look at the candidate. The caller bounds it by the trial's deadline.
    ///
    /// # Errors
    /// That it could not be judged, which is neither a pass nor a fail.
    ///
    /// # Cancel safety
    /// May be dropped at any await: it owns no detached task. The next look begins from the
    /// state of the last one that was saved.
    async fn judge(&self, trial: &Trial) -> Result<Judgement>;
}

/// Everything that a validator may use for one look. Owned, so that it can be mocked.
#[derive(Clone)]
#[non_exhaustive]
pub struct Trial {
    /// The release.
    pub release: ReleaseId,
    /// The digest of what is judged.
    pub digest: Digest,
    /// The candidate.
    pub candidate: Side,
    /// The live slot, to compare with.
    pub live: Side,
    /// How traffic is routed during this look.
    pub routing: Routing,
    /// Which look this is, from 1.
    pub look: u32,
    /// Until when the look must be over.
    pub deadline: Timestamp,
    /// The state that the last look left.
    pub state: Option<Bytes>,
    /// Keeps a state in the middle of a long look, so that a crash does not begin it anew.
    pub checkpoint: Arc<dyn Checkpoint>,
    /// Where to say how far the look has come.
    pub progress: Arc<dyn Reporter>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Trial {
    /// The first look at `candidate` while `live` has all traffic, on the machine's clock, with
    /// nothing kept and nothing told. The fields are public: fill in the rest.
    pub fn new(release: ReleaseId, candidate: Side, live: Side, deadline: Timestamp) -> Self {
        Self {
            release,
            digest: candidate.state.digest(),
            routing: Routing::all(live.state.color),
            candidate,
            live,
            look: 1,
            deadline,
            state: None,
            checkpoint: Arc::new(NoCheckpoint),
            progress: Arc::new(Silent),
            clock: Arc::new(SystemClock),
        }
    }
}

impl fmt::Debug for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trial")
            .field("release", &self.release)
            .field("digest", &self.digest)
            .field("routing", &self.routing)
            .field("look", &self.look)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

/// One slot in a [`Trial`].
#[derive(Clone)]
#[non_exhaustive]
pub struct Side {
    /// What it runs.
    pub state: SlotState,
    /// How to talk to it.
    pub client: Arc<dyn AgentClient>,
}

impl Side {
    /// A slot and the way to it.
    pub fn new(state: SlotState, client: Arc<dyn AgentClient>) -> Self {
        Self { state, client }
    }
}

impl fmt::Debug for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Side").field("state", &self.state).finish_non_exhaustive()
    }
}

/// Keeps the state of a look that takes long.
#[async_trait]
pub trait Checkpoint: Send + Sync {
    /// Saves `state`; a later look, also of another process, begins with it.
    async fn save(&self, state: Bytes) -> Result<()>;
}

/// A checkpoint that keeps nothing, for validators that are used by themselves.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoCheckpoint;

#[async_trait]
impl Checkpoint for NoCheckpoint {
    async fn save(&self, _: Bytes) -> Result<()> {
        Ok(())
    }
}

/// A validator as a record names it.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ValidatorRef {
    /// Its name.
    pub name: String,
    /// The digest of its settings.
    pub config_digest: Digest,
}

impl ValidatorRef {
    /// The name and settings of `validator`.
    pub fn of(validator: &dyn Validator) -> Self {
        Self { name: validator.name().to_owned(), config_digest: validator.config_digest() }
    }
}
