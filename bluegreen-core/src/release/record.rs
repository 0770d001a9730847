//! What is stored of a release.

use serde::{Deserialize, Serialize};

use super::{Event, EventKind, HookResult, IllegalEvent, Membership, Phase, PhaseName, Stuck};
use crate::{
    Actor, AgentName, Binding, Color, Digest, Epoch, HolderId, Plan, Problem, ReleaseId,
    ResolvedChange, Routing, Timestamp, ValidatorRef, Winner,
};

/// The format that this version writes. It drives this one only; a newer one it can still roll
/// back, by the [`Envelope`].
pub const FORMAT: u32 = 1;

/// How many entries the trail has at most, and how long their text may be: a record has to stay
/// far below [`MAX_RECORD`](crate::MAX_RECORD).
const TRAIL: usize = 60;
const ENTRY: usize = 400;

/// The stored state of a release.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Record {
    /// The format's number.
    pub format: u32,
    /// What every version of this library can read.
    pub envelope: Envelope,
    /// When it began, and who began it.
    pub started: Started,
    /// The policy.
    pub plan: Plan,
    /// What it brings.
    pub change: ResolvedChange,
    /// What live ran when it began.
    pub baseline: ResolvedChange,
    /// How far it has come.
    pub phase: Phase,
    /// Since when it is in this phase.
    pub since: Timestamp,
    /// The gates, in order.
    pub gates: Vec<ValidatorRef>,
    /// The guards, in order.
    pub guards: Vec<ValidatorRef>,
    /// What warms the candidate up.
    #[serde(default)]
    pub warm_up: Option<ValidatorRef>,
    /// What the gates judged.
    #[serde(default)]
    pub candidate: Option<Binding>,
    /// With how many pods it was deployed.
    #[serde(default)]
    pub replicas: Option<u32>,
    /// The digest for which all gates passed.
    #[serde(default)]
    pub passed: Option<Digest>,
    /// Who won the experiment.
    #[serde(default)]
    pub winner: Option<Winner>,
    /// The old slot stays as large as it is: its work had not ended in time.
    #[serde(default)]
    pub kept: bool,
    /// What came of its hooks, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<HookResult>,
    /// The release that this one undoes.
    #[serde(default)]
    pub undoes: Option<Undo>,
    /// The group that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Box<Membership>>,
    /// Somebody stopped it where it is.
    #[serde(default)]
    pub paused: Option<Paused>,
    /// It cannot go on by itself.
    #[serde(default)]
    pub stuck: Option<Stuck>,
    /// What has happened, oldest first. The oldest but the first go when it gets long.
    pub trail: Vec<Entry>,
}

/// What every version of this library can read: enough to roll any release back.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Envelope {
    /// The agent.
    pub agent: AgentName,
    /// The cluster, by the name that its users gave it.
    pub cluster: String,
    /// The release.
    pub release: ReleaseId,
    /// The slot that had the traffic when the release began.
    pub live: Color,
    /// The routing that was last seen to be true.
    pub routing: Routing,
    /// The fencing number.
    pub epoch: Epoch,
    /// The process that drives it, if one does.
    pub holder: Option<HolderId>,
}

/// Who began a release, and when.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Started {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: Actor,
}

/// The release that another one undoes.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Undo {
    /// Which.
    pub release: ReleaseId,
    /// Who wanted that.
    pub actor: Actor,
    /// Why.
    pub reason: String,
}

/// Somebody stopped a release where it is.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Paused {
    /// Since when.
    pub at: Timestamp,
    /// Who.
    pub by: Actor,
}

/// One thing that has happened.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// In which phase.
    pub phase: PhaseName,
    /// What.
    pub what: String,
}

/// Everything that a record begins with.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "each is documented on the field of Record of the same name")]
#[allow(clippy::exhaustive_structs, reason = "an initialiser is built as a literal")]
pub struct Foundation {
    pub agent: AgentName,
    pub cluster: String,
    pub live: Color,
    pub epoch: Epoch,
    pub holder: HolderId,
    pub started: Started,
    pub plan: Plan,
    pub change: ResolvedChange,
    pub baseline: ResolvedChange,
    pub gates: Vec<ValidatorRef>,
    pub guards: Vec<ValidatorRef>,
    pub warm_up: Option<ValidatorRef>,
    pub undoes: Option<Undo>,
}

impl Record {
    /// A release that is about to begin. It is named after its first epoch, which no other
    /// release of the agent has.
    pub fn new(foundation: Foundation) -> Self {
        let it = foundation;
        let at = it.started.at;
        let mut record = Self {
            format: FORMAT,
            envelope: Envelope {
                agent: it.agent,
                cluster: it.cluster,
                release: ReleaseId::new(format!("r{}", it.epoch)),
                live: it.live,
                routing: Routing::all(it.live),
                epoch: it.epoch,
                holder: Some(it.holder),
            },
            started: it.started,
            plan: it.plan,
            change: it.change,
            baseline: it.baseline,
            phase: Phase::Preflight,
            since: at,
            gates: it.gates,
            guards: it.guards,
            warm_up: it.warm_up,
            candidate: None,
            replicas: None,
            passed: None,
            winner: None,
            kept: false,
            hooks: Vec::new(),
            undoes: it.undoes,
            group: None,
            paused: None,
            stuck: None,
            trail: Vec::new(),
        };
        let (by, change) = (record.started.by.clone(), record.change.version().to_owned());
        record.note(at, format!("{by} begins the release of {change}"));
        record
    }

    /// The same release as one that preflight refused. It never was the current one and its epoch
    /// was never stamped, so the next release has that epoch: this one is named after its time.
    pub(crate) fn refused(
        mut self,
        at: Timestamp,
        problems: Vec<Problem>,
    ) -> Result<Self, IllegalEvent> {
        self.envelope.release = ReleaseId::new(format!("refused-{}", at.unix_millis()));
        self.envelope.holder = None;
        self.apply(Event::new(at, EventKind::Refused { problems }))
    }

    /// The slot that the release deploys to.
    pub fn candidate_color(&self) -> Color {
        self.envelope.live.other()
    }

    /// Adds to the trail.
    pub fn note(&mut self, at: Timestamp, what: impl Into<String>) {
        let mut what: String = what.into();
        if let Some((cut, _)) = what.char_indices().nth(ENTRY) {
            what.truncate(cut);
            what.push('…');
        }
        if self.trail.len() >= TRAIL {
            self.trail.remove(1);
        }
        self.trail.push(Entry { at, phase: self.phase.name(), what });
    }

    /// The instant at which the whole release must be over.
    pub fn last_instant(&self) -> Timestamp {
        self.started.at.plus(self.plan.whole)
    }
}

/// What a store holds: a record that this version drives, or one that it can only roll back.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
#[allow(
    clippy::large_enum_variant,
    reason = "the large one is the one that is nearly always there"
)]
pub enum Document {
    /// A record of this format.
    Current(Record),
    /// A record of a newer format.
    Newer {
        /// Its number.
        format: u32,
        /// What this version can read.
        envelope: Envelope,
        /// The whole text as it was stored, which a save keeps but for the envelope.
        text: String,
    },
}

impl Document {
    /// The part that every version can read.
    pub fn envelope(&self) -> &Envelope {
        match self {
            Self::Current(record) => &record.envelope,
            Self::Newer { envelope, .. } => envelope,
        }
    }

    /// The number of its format.
    pub fn format(&self) -> u32 {
        match self {
            Self::Current(record) => record.format,
            Self::Newer { format, .. } => *format,
        }
    }

    /// The record, if this version can drive it.
    pub fn current(&self) -> Option<&Record> {
        match self {
            Self::Current(record) => Some(record),
            Self::Newer { .. } => None,
        }
    }
}
