//! What is known of each pod, kept from look to look.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bluegreen_core::{PodRef, Timestamp};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::ModelWarmUpConfig;

/// What is known of one pod.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct PodNotes {
    pub(super) name: String,
    pub(super) calls: u32,
    /// How many answers in a row were fast.
    #[serde(skip)]
    pub(super) row: u32,
    /// After how many microseconds its first token came at first, and at last.
    pub(super) first: Option<u64>,
    pub(super) last: Option<u64>,
    /// Why the last call that gave no answer gave none.
    pub(super) trouble: Option<String>,
    pub(super) end: Option<End>,
}

/// What became of a pod.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum End {
    Warm,
    /// All attempts are over.
    Cold,
    /// It is not ready any more.
    Gone,
}

/// What is known of all.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Notes {
    /// When the first look began.
    pub(super) began: Option<Timestamp>,
    pub(super) calls: u64,
    /// By identity.
    pub(super) pods: BTreeMap<String, PodNotes>,
}

impl Notes {
    pub(super) fn of(&self, pod: &PodRef) -> Option<&PodNotes> {
        self.pods.get(&pod.uid)
    }

    pub(super) fn end_of(&self, pod: &PodRef) -> Option<End> {
        self.of(pod).and_then(|it| it.end)
    }
}

/// The notes while pods are warmed. It is never locked across an await.
#[derive(Debug)]
pub(super) struct Book(Mutex<Notes>);

impl Book {
    /// What the last look left. What can't be read is begun anew: pods are then warmed that may be warm.
    pub(super) fn read(state: Option<&Bytes>, now: Timestamp) -> Self {
        let known = state.and_then(|bytes| serde_json::from_slice(bytes).ok());
        let mut notes: Notes = known.unwrap_or_default();
        notes.began.get_or_insert(now);
        Self(Mutex::new(notes))
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A copy of all that is known.
    pub(super) fn all(&self) -> Notes {
        self.notes().clone()
    }

    pub(super) fn began(&self) -> Option<Timestamp> {
        self.notes().began
    }

    /// The notes as they are kept.
    pub(super) fn write(&self) -> Bytes {
        // It has text keys and no floats, so this does not fail; nothing kept is begun anew.
        serde_json::to_vec(&*self.notes()).unwrap_or_default().into()
    }

    /// These are ready now: of others that are no more ready nothing is needed.
    pub(super) fn keep(&self, ready: &[PodRef]) {
        self.notes().pods.retain(|uid, _| ready.iter().any(|pod| pod.uid == *uid));
    }

    /// Pays for a call to a pod, and gives it its number from 1; nothing where it has had all its
    /// attempts, or all pods together have had all calls.
    pub(super) fn begin(&self, pod: &PodRef, config: &ModelWarmUpConfig) -> Option<u32> {
        let mut notes = self.notes();
        let Notes { calls, pods, .. } = &mut *notes;
        let it = pods.entry(pod.uid.clone()).or_default();
        it.name.clone_from(&pod.name);
        it.end = None;
        if *calls >= config.calls || it.calls >= config.attempts {
            return None;
        }
        (*calls, it.calls) = (*calls + 1, it.calls + 1);
        Some(it.calls)
    }

    pub(super) fn is_spent(&self, config: &ModelWarmUpConfig) -> bool {
        self.notes().calls >= config.calls
    }

    /// The first token of an answer came after this time. Whether that makes the pod warm.
    pub(super) fn came(&self, pod: &PodRef, after: Duration, config: &ModelWarmUpConfig) -> bool {
        let mut notes = self.notes();
        let it = notes.pods.entry(pod.uid.clone()).or_default();
        let micros = u64::try_from(after.as_micros()).unwrap_or(u64::MAX);
        it.first.get_or_insert(micros);
        (it.last, it.trouble) = (Some(micros), None);
        it.row = if after <= config.first_token { it.row + 1 } else { 0 };
        let warm = it.row >= config.consecutive;
        if warm {
            it.end = Some(End::Warm);
        }
        warm
    }

    /// A call came to nothing.
    pub(super) fn troubled(&self, pod: &PodRef, why: String) {
        let mut notes = self.notes();
        let it = notes.pods.entry(pod.uid.clone()).or_default();
        (it.row, it.trouble) = (0, Some(why));
    }

    /// Why a call was not answered, which ends no row.
    pub(super) fn busy(&self, pod: &PodRef) {
        let mut notes = self.notes();
        let it = notes.pods.entry(pod.uid.clone()).or_default();
        it.trouble = Some("status 429".to_owned());
    }

    pub(super) fn end(&self, pod: &PodRef, end: End) {
        self.notes().pods.entry(pod.uid.clone()).or_default().end = Some(end);
    }
}
