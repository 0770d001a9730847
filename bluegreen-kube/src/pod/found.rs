//! Pods as they were found, kept for a moment so that a request needs no look of its own.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use tokio::time::Instant;

/// For how long a pod is taken to be where it was. The address of one that is gone may soon be
/// another one's.
const GOOD_FOR: Duration = Duration::from_secs(5);
/// For how long the set of ready pods is taken to be what it was.
const ALL_GOOD_FOR: Duration = Duration::from_secs(1);

/// What a request needs to know of a pod.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Found {
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) ip: Option<String>,
    /// The first TCP port that it declares.
    pub(super) port: Option<u16>,
    pub(super) is_ready: bool,
}

impl Found {
    pub(super) fn read(pod: &Pod) -> Option<Self> {
        let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
        let mut ports = containers.flat_map(|container| container.ports.iter().flatten());
        let tcp = ports.find(|port| port.protocol.as_deref().is_none_or(|it| it == "TCP"));
        Some(Self {
            name: pod.name_any(),
            uid: pod.uid()?,
            ip: pod.status.as_ref().and_then(|status| status.pod_ip.clone()),
            port: tcp.and_then(|port| u16::try_from(port.container_port).ok()),
            is_ready: is_ready(pod),
        })
    }
}

/// Whether a pod is ready and not being deleted.
pub(crate) fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let mut ready = conditions.filter(|condition| condition.type_ == "Ready");
    pod.metadata.deletion_timestamp.is_none() && ready.any(|condition| condition.status == "True")
}

/// The pods of a slot as they were last seen.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    pods: BTreeMap<String, (Found, Instant)>,
    /// When all of them were listed.
    listed: Option<Instant>,
}

impl Known {
    /// The pod of this identity, if it was seen a moment ago.
    pub(super) fn get(&self, uid: &str) -> Option<Found> {
        let seen = self.lock();
        let (found, at) = seen.pods.get(uid)?;
        (at.elapsed() < GOOD_FOR).then(|| found.clone())
    }

    /// All pods, if they were listed a moment ago.
    pub(super) fn all(&self) -> Option<Vec<Found>> {
        let seen = self.lock();
        let is_good = seen.listed.is_some_and(|at| at.elapsed() < ALL_GOOD_FOR);
        is_good.then(|| seen.pods.values().map(|(found, _)| found.clone()).collect())
    }

    /// These are all pods.
    pub(super) fn replace(&self, found: &[Found]) {
        let now = Instant::now();
        let pods = found.iter().map(|pod| (pod.uid.clone(), (pod.clone(), now))).collect();
        *self.lock() = Seen { pods, listed: Some(now) };
    }

    /// These are some of them.
    pub(super) fn add(&self, found: &[Found]) {
        let now = Instant::now();
        let pods = found.iter().map(|pod| (pod.uid.clone(), (pod.clone(), now)));
        self.lock().pods.extend(pods);
    }

    /// This one did not answer.
    pub(super) fn forget(&self, uid: &str) {
        let mut seen = self.lock();
        seen.pods.remove(uid);
        seen.listed = None;
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
