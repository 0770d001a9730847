//! The two slots of an agent, and what one of them runs.

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{ConfigFiles, Configuration, Digest, Epoch, Plan, Problem, ResolvedChange, Result};

/// The value of the slot label.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Color {
    /// The one that comes first.
    Blue,
    /// The other one.
    Green,
}

impl Color {
    /// Both, in order.
    pub const BOTH: [Self; 2] = [Self::Blue, Self::Green];

    /// The other color.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Blue => Self::Green,
            Self::Green => Self::Blue,
        }
    }

    /// `"blue"` or `"green"`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Blue => "blue",
            Self::Green => "green",
        }
    }

    /// Reads `"blue"` or `"green"`.
    pub fn parse(text: &str) -> Option<Self> {
        Self::BOTH.into_iter().find(|color| color.as_str() == text)
    }
}

impl fmt::Display for Color {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One of the two copies of the agent: what a release deploys to, watches, and retires.
///
/// # Contract
/// Every method is idempotent, because a release that resumes after a crash calls it again.
///
/// * `reads_back_what_was_deployed`: after [`deploy`](Self::deploy) and
///   [`await_ready`](Self::await_ready), [`state`](Self::state) shows the configuration and digest
///   of the change, and at least as many ready pods as asked for.
/// * `deploying_twice_is_deploying_once`: the second call changes neither template nor pods.
/// * `a_deploy_leaves_the_other_slot_alone`.
/// * `scales_to_zero_and_is_ready_there`.
/// * `a_wait_can_be_dropped_and_asked_again`.
/// * `a_change_that_cannot_start_is_rejected`: [`await_ready`](Self::await_ready) ends with
///   [`Rejected`](crate::ErrorKind::Rejected) and the reason that the slot itself gives.
/// * `refuses_a_stale_epoch`: after [`fence`](Self::fence) of a higher epoch every write with a
///   lower one is a [`Conflict`](crate::ErrorKind::Conflict), also when the fence found nothing
///   else to write.
/// * `reverting_puts_back_what_was_found`: after [`revert`](Self::revert) configuration and wanted
///   replicas are those before the deploy.
/// * `committing_keeps_what_was_deployed`: after [`commit`](Self::commit) a
///   [`revert`](Self::revert) has nothing to put back.
/// * `files_are_found_again_by_their_digest`: [`deploy`](Self::deploy) of files that either slot, a
///   record or an open deploy has needs their digest only; of files that nobody knows it is
///   [`Rejected`](crate::ErrorKind::Rejected).
/// * `shows_the_files_that_it_runs`: [`files`](Self::files) has the content of what was deployed, and
///   nothing for a name that nobody has given files.
/// * `watching_sees_a_change`: [`watch`](Self::watch) returns once the state differs from the one
///   that it was given.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait Slot: Send + Sync {
    /// Which of the two this is.
    fn color(&self) -> Color;

    /// What the slot runs now, read from where it runs and not from a cache.
    async fn state(&self) -> Result<SlotState>;

    /// Everything about this slot that stands in the way of `intent`. Reads only; writes that
    /// the release will make are tried without effect where the slot can do that.
    ///
    /// # Errors
    /// Only when it cannot be found out; whatever can be named is a [`Problem`].
    async fn check(&self, intent: &Intent) -> Result<Vec<Problem>>;

    /// Stamps `epoch` on everything of this slot that a release writes. Never skipped as a
    /// no-op: it is what makes the late write of an older driver fail.
    ///
    /// # Errors
    /// [`Conflict`](crate::ErrorKind::Conflict) when a higher epoch is already there.
    async fn fence(&self, epoch: Epoch) -> Result<()>;

    /// Starts rolling out `change` with `replicas` pods, all of them together. What was found
    /// is kept beside the slot until [`commit`](Self::commit) or [`revert`](Self::revert).
    /// Returns once it is accepted, not once it is ready.
    async fn deploy(&self, change: &ResolvedChange, replicas: u32, epoch: Epoch) -> Result<()>;

    /// Returns once every pod runs what was deployed and is ready, with the state then read.
    ///
    /// # Errors
    /// [`Rejected`](crate::ErrorKind::Rejected) as soon as it is clear that this will not happen.
    /// [`Conflict`](crate::ErrorKind::Conflict) may be said as soon as somebody else changes what
    /// the pods are made from: the caller reads what there is.
    ///
    /// # Cancel safety
    /// Only waits. The caller bounds it with a timeout.
    async fn await_ready(&self) -> Result<SlotState>;

    /// Sets the number of replicas.
    async fn scale(&self, replicas: u32, epoch: Epoch) -> Result<()>;

    /// Keeps autoscalers from making the slot smaller. What was found is kept beside them.
    async fn freeze(&self, epoch: Epoch) -> Result<()>;

    /// Puts autoscalers back as [`freeze`](Self::freeze) found them. Without a freeze it does
    /// nothing.
    async fn thaw(&self, epoch: Epoch) -> Result<()>;

    /// Ends a deploy that succeeded: temporary settings go back, what was deployed stays.
    async fn commit(&self, epoch: Epoch) -> Result<()>;

    /// Ends a deploy that failed: configuration, settings and replicas go back to what
    /// [`deploy`](Self::deploy) found. Without an open deploy it does nothing.
    async fn revert(&self, epoch: Epoch) -> Result<()>;

    /// Returns once the state differs from `known`, with the new one.
    ///
    /// # Cancel safety
    /// Only waits; a change between two calls is seen by the second, because it compares states
    /// and not events.
    async fn watch(&self, known: &SlotState) -> Result<SlotState>;

    /// Who else last wrote to what a release writes of this slot, by a name that people know (of a
    /// field manager, say); `None` where nobody has, or nobody can tell.
    async fn author(&self) -> Result<Option<String>>;

    /// What somebody should know who goes back to this slot: that its pods run with a key which has
    /// been changed since, say. Reads only; what cannot be found out is left out.
    async fn caveats(&self) -> Result<Vec<String>>;

    /// The files that its pods read in place of, or in, the ConfigMap `config_map`, with their content:
    /// what a release would replace. `None` where there are none, or somebody has taken them away.
    async fn files(&self, config_map: &str) -> Result<Option<ConfigFiles>>;
}

/// What a release means to do with a slot, for [`Slot::check`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Intent {
    /// What the slot is now.
    pub role: Role,
    /// What the candidate is to run.
    pub change: ResolvedChange,
    /// How many pods it is to have.
    pub replicas: u32,
    /// The plan, which may allow what is otherwise a problem.
    pub plan: Plan,
}

impl Intent {
    /// To deploy `change` to the idle slot, or to leave the live one as it is.
    pub fn new(role: Role, change: ResolvedChange, replicas: u32, plan: Plan) -> Self {
        Self { role, change, replicas, plan }
    }
}

/// What a slot is outside a release.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Role {
    /// The one without traffic; it will hold the candidate.
    Idle,
    /// The one with all traffic.
    Live,
}

/// What a slot runs and how it fares.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct SlotState {
    /// Which slot.
    pub color: Color,
    /// The identity of the object behind the slot: another one is another slot.
    pub uid: String,
    /// A hash of everything that pods are made from.
    pub template_hash: String,
    /// What its pods are told to run.
    pub running: Configuration,
    /// How many pods it should have, and has.
    pub replicas: Replicas,
    /// Its pods, by name.
    pub pods: Vec<PodState>,
    /// The fencing number stamped on it.
    pub epoch: Epoch,
    /// Whether a deploy is open: neither committed nor reverted.
    pub open: bool,
}

/// Numbers of pods of a slot.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Replicas {
    /// How many there should be.
    pub wanted: u32,
    /// How many of the wanted ones run the current template and are ready.
    pub ready: u32,
    /// How many pods, of whatever template, are ready and not ending.
    pub serving: u32,
}

impl Replicas {
    /// Numbers of pods.
    pub fn new(wanted: u32, ready: u32, serving: u32) -> Self {
        Self { wanted, ready, serving }
    }
}

/// One pod of a slot.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub struct PodState {
    /// Its name.
    pub name: String,
    /// Its identity.
    pub uid: String,
    /// Ready and not ending.
    pub ready: bool,
    /// Whether something of it runs. What does not run has no work in hand.
    pub running: bool,
    /// How often its containers were started again, in all.
    pub restarts: u32,
    /// The identities of the images that it really runs, sorted.
    pub image_ids: Vec<String>,
    /// Why it is not ready, in its own words.
    pub trouble: Option<String>,
}

impl PodState {
    /// A pod that runs.
    pub fn new(name: impl Into<String>, uid: impl Into<String>, ready: bool) -> Self {
        Self {
            name: name.into(),
            uid: uid.into(),
            ready,
            running: true,
            restarts: 0,
            image_ids: Vec::new(),
            trouble: None,
        }
    }
}

impl SlotState {
    /// The state of a slot without pods. The fields are public: fill in the rest.
    pub fn new(color: Color, uid: impl Into<String>, running: Configuration) -> Self {
        Self {
            color,
            uid: uid.into(),
            template_hash: String::new(),
            running,
            replicas: Replicas::default(),
            pods: Vec::new(),
            epoch: Epoch::default(),
            open: false,
        }
    }

    /// The digest of what it runs.
    pub fn digest(&self) -> Digest {
        self.running.digest()
    }

    /// What gates judged: a candidate whose binding differs must be judged again.
    pub fn binding(&self) -> Binding {
        let mut image_ids: Vec<String> = self
            .pods
            .iter()
            .filter(|pod| pod.ready)
            .flat_map(|pod| pod.image_ids.clone())
            .collect();
        image_ids.sort();
        image_ids.dedup();
        Binding {
            uid: self.uid.clone(),
            template_hash: self.template_hash.clone(),
            image_ids,
            digest: self.digest(),
        }
    }
}

/// The identity of what gates judged.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Binding {
    /// The identity of the object behind the slot.
    pub uid: String,
    /// The hash of everything that pods are made from.
    pub template_hash: String,
    /// The images that its ready pods really run, sorted.
    pub image_ids: Vec<String>,
    /// The digest of its configuration.
    pub digest: Digest,
}

impl Binding {
    /// Whether `other` is still what was judged. Images are compared only when both name some:
    /// a slot whose pods are all gone runs no images, but nothing else either.
    pub fn is_same(&self, other: &Self) -> bool {
        self.uid == other.uid
            && self.template_hash == other.template_hash
            && self.digest == other.digest
            && (self.image_ids.is_empty()
                || other.image_ids.is_empty()
                || self.image_ids == other.image_ids)
    }
}
