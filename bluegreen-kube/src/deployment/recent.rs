//! What was read of the Deployments a moment ago.
//!
//! For writes that test everything they build on, and for preflight, which reads the same objects
//! from several sides: a write that was decided on what has changed meanwhile is refused.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::core::DynamicObject;
use kube::{Resource, ResourceExt as _};
use serde_json::json;
use tokio::time::Instant;

use super::pods::Sets;
use super::wait::Streams;
use crate::remembered::FRESH;
use crate::shared::Shared;
use crate::watching::number;

/// For how long watches are kept that nobody reads.
const PARKED: Duration = Duration::from_secs(10);

/// A Deployment's sets, its pods, and others that its selector finds.
pub(super) type Belongings = Arc<(Sets, Vec<Pod>)>;

/// Shared by both slots of a cluster: each compares itself with the other.
#[derive(Clone, Default)]
pub(crate) struct Recent {
    seen: Arc<Mutex<BTreeMap<String, Seen>>>,
    /// The newest resource versions that were seen of a Deployment, its sets and its pods.
    newest: Arc<Mutex<BTreeMap<String, Newest>>>,
    /// Watches that a rollout has left, for the hold that comes after it.
    parked: Arc<Mutex<BTreeMap<String, Parked>>>,
    /// All autoscalers of the namespace.
    pub(super) autoscalers: Shared<Vec<DynamicObject>>,
    /// Whether nobody let us look at them.
    is_blind: Arc<AtomicBool>,
}

/// Resource versions, which a watch must have come to before it is believed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Newest {
    pub(super) deployment: u64,
    pub(super) sets: u64,
    pub(super) pods: u64,
}

/// Watches, and when they were left.
type Parked = (Instant, Box<Streams>);

struct Seen {
    at: Instant,
    object: Kept,
    belongings: Option<Belongings>,
}

/// A Deployment as it is kept.
enum Kept {
    Whole(Arc<DynamicObject>),
    /// What never changes of it, as JSON: its name, its identity, and its selector.
    Outline(Box<[u8]>),
}

impl Kept {
    fn object(&self) -> Option<Arc<DynamicObject>> {
        match self {
            Self::Whole(object) => Some(object.clone()),
            Self::Outline(json) => serde_json::from_slice(json).ok().map(Arc::new),
        }
    }

    /// What never changes of it.
    fn outline(&self) -> Option<Self> {
        let Self::Whole(object) = self else { return None };
        let metadata = &object.metadata;
        let outline = json!({
            "metadata": {"name": metadata.name, "uid": metadata.uid},
            "spec": {"selector": object.data["spec"]["selector"]},
        });
        Some(Self::Outline(serde_json::to_vec(&outline).ok()?.as_slice().into()))
    }
}

impl Recent {
    /// Whether nobody let us look at autoscalers when they were to be frozen.
    pub(super) fn is_blind(&self) -> bool {
        self.is_blind.load(Ordering::Relaxed)
    }

    pub(super) fn set_blind(&self, is_blind: bool) {
        self.is_blind.store(is_blind, Ordering::Relaxed);
    }

    /// The Deployment of this name, if it was seen a moment ago.
    pub(super) fn get(&self, name: &str) -> Option<Arc<DynamicObject>> {
        let all = self.lock();
        let seen = all.get(name).filter(|seen| seen.at.elapsed() < FRESH)?;
        seen.object.object()
    }

    /// The Deployment of this name as it was last seen, however long ago that was.
    pub(super) fn last(&self, name: &str) -> Option<Arc<DynamicObject>> {
        self.lock().get(name)?.object.object()
    }

    /// What belonged to this very version of the Deployment a moment ago.
    pub(super) fn belongings(&self, object: &DynamicObject) -> Option<Belongings> {
        let all = self.lock();
        let seen = all.get(&object.name_any()).filter(|seen| seen.at.elapsed() < FRESH)?;
        let Kept::Whole(whole) = &seen.object else { return None };
        let is_same = whole.metadata.uid == object.metadata.uid
            && whole.metadata.resource_version == object.metadata.resource_version;
        seen.belongings.clone().filter(|_| is_same)
    }

    /// This was just read, or written.
    pub(super) fn put(&self, object: Arc<DynamicObject>) {
        let name = object.name_any();
        let version = object.metadata.resource_version.as_deref();
        self.note(&name, Newest { deployment: number(version), ..Newest::default() });
        let seen = Seen { at: Instant::now(), object: Kept::Whole(object), belongings: None };
        self.lock().insert(name, seen);
    }

    /// This belongs to a Deployment that was just read.
    pub(super) fn put_belongings(&self, name: &str, belongings: Belongings) {
        self.note(name, Newest { pods: latest(&belongings.1), ..Newest::default() });
        if let Some(seen) = self.lock().get_mut(name) {
            seen.belongings = Some(belongings);
        }
    }

    /// These versions were seen.
    pub(super) fn note(&self, name: &str, seen: Newest) {
        let mut all = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.entry(name.to_owned()).or_default();
        known.deployment = known.deployment.max(seen.deployment);
        known.sets = known.sets.max(seen.sets);
        known.pods = known.pods.max(seen.pods);
    }

    /// The newest versions that were seen.
    pub(super) fn newest(&self, name: &str) -> Newest {
        let all = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(name).copied().unwrap_or_default()
    }

    /// Gives up what nobody will build on any more, which is much where many releases wait: all that
    /// is not from a moment ago, but the selector of a Deployment and its identity.
    pub(super) fn slim(&self) {
        self.autoscalers.slim(FRESH);
        for seen in self.lock().values_mut().filter(|seen| seen.at.elapsed() >= FRESH) {
            seen.belongings = None;
            if let Some(outline) = seen.object.outline() {
                seen.object = outline;
            }
        }
    }

    /// Keeps the watches of a Deployment for whoever watches it next.
    pub(super) fn park(&self, name: &str, streams: Streams) {
        let mut parked = self.parked.lock().unwrap_or_else(PoisonError::into_inner);
        parked.insert(name.to_owned(), (Instant::now(), Box::new(streams)));
    }

    /// The watches that were kept, once and unless that is long ago: on a connection that nobody
    /// reads from nothing is noticed.
    pub(super) fn unpark(&self, name: &str) -> Option<Streams> {
        let mut parked = self.parked.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, streams) = parked.remove(name)?;
        (at.elapsed() < PARKED).then_some(*streams)
    }

    /// It is known to have changed.
    pub(super) fn forget(&self, name: &str) {
        self.lock().remove(name);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Seen>> {
        // Every change of the map is one insertion or removal.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The newest resource version of some objects.
pub(super) fn latest<'a, K: Resource + 'a>(objects: impl IntoIterator<Item = &'a K>) -> u64 {
    let versions = objects.into_iter().map(|it| number(it.meta().resource_version.as_deref()));
    versions.max().unwrap_or_default()
}

impl fmt::Debug for Recent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recent").finish_non_exhaustive()
    }
}
