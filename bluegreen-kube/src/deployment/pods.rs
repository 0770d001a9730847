//! The pods of a Deployment: whose they are, how they fare and why they are not ready.

use std::fmt::Write as _;

use bluegreen_core::PodState;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::ResourceExt as _;
use kube::core::DynamicObject;

use super::json::is_same_template;
use super::object::Seen;
use crate::printable::printable;

/// The `ReplicaSets` of a Deployment. Its pods are theirs.
#[derive(Debug)]
pub(super) struct Sets {
    /// Their identities.
    all: Vec<String>,
    /// The one whose pods run the current template, once there is one.
    current: Option<String>,
}

impl Sets {
    /// Those of `sets` that the Deployment controls.
    pub(super) fn of<'a>(seen: Seen<'_>, sets: impl Iterator<Item = &'a DynamicObject>) -> Self {
        let own: Vec<_> =
            sets.filter(|set| controller(&set.metadata) == Some(seen.uid())).collect();
        // Where several have the same template the controller takes the oldest.
        let current = own
            .iter()
            .filter(|set| is_same_template(&set.data["spec"]["template"], seen.template()))
            .min_by_key(|set| set.metadata.creation_timestamp.clone());
        let uid = |set: &&DynamicObject| set.metadata.uid.clone().unwrap_or_default();
        Self { current: current.map(uid), all: own.iter().map(uid).collect() }
    }

    /// The set that there must be, where the Deployment's own numbers and the pods leave no doubt:
    /// the controller has seen the current template, all pods run it, as many are ready as it
    /// says, and all belong to one set that is named after the Deployment and their common hash.
    pub(super) fn evident(seen: Seen<'_>, pods: &[Pod]) -> Option<Self> {
        let count = |field| seen.number(&format!("/status/{field}")).unwrap_or_default();
        let is = |number: usize, field| i64::try_from(number) == Ok(count(field));
        let is_settled = seen.metadata().generation == Some(count("observedGeneration"))
            && count("replicas") == i64::from(seen.replicas())
            && is(pods.len(), "replicas")
            && is(pods.len(), "updatedReplicas")
            && is(pods.iter().filter(|pod| is_ready(pod)).count(), "readyReplicas");
        if !is_settled {
            return None;
        }
        let Some(first) = pods.first() else {
            return Some(Self { all: Vec::new(), current: None });
        };
        let set = owner(&first.metadata)?;
        let hash = first.labels().get("pod-template-hash")?;
        let is_one = set.kind == "ReplicaSet"
            && set.name == format!("{}-{hash}", seen.name())
            && pods.iter().all(|pod| {
                controller(&pod.metadata) == Some(&set.uid)
                    && pod.labels().get("pod-template-hash") == Some(hash)
            });
        is_one.then(|| Self { all: vec![set.uid.clone()], current: Some(set.uid.clone()) })
    }

    /// Whether the set is one of the Deployment's.
    pub(super) fn owns(&self, set: &DynamicObject) -> bool {
        set.metadata.uid.as_ref().is_some_and(|uid| self.all.contains(uid))
    }

    /// Whether the set is the one whose pods run the current template.
    pub(super) fn is_newest(&self, set: &DynamicObject) -> bool {
        self.current.is_some() && set.metadata.uid == self.current
    }

    /// Whether the pod is one of the Deployment's and has not ended for good.
    pub(super) fn has(&self, pod: &Pod) -> bool {
        let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
        !matches!(phase, Some("Succeeded" | "Failed"))
            && controller(&pod.metadata).is_some_and(|uid| self.all.iter().any(|set| set == uid))
    }

    /// Whether the pod runs the current template.
    pub(super) fn is_current(&self, pod: &Pod) -> bool {
        self.current.is_some() && controller(&pod.metadata) == self.current.as_deref()
    }
}

/// What controls an object.
pub(super) fn owner(metadata: &ObjectMeta) -> Option<&OwnerReference> {
    let owners = metadata.owner_references.as_deref().unwrap_or_default();
    owners.iter().find(|owner| owner.controller == Some(true))
}

/// The identity of what controls an object.
fn controller(metadata: &ObjectMeta) -> Option<&str> {
    owner(metadata).map(|owner| owner.uid.as_str())
}

/// The conditions that are read here.
pub(super) const CONDITIONS: [&str; 2] = [READY, SCHEDULED];
const READY: &str = "Ready";
const SCHEDULED: &str = "PodScheduled";

/// Whether the pod is ready and not ending.
pub(super) fn is_ready(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_none()
        && condition(pod, READY).is_some_and(|(status, _, _)| status == "True")
}

/// How a pod fares.
pub(super) fn state(pod: &Pod) -> PodState {
    let ready = is_ready(pod);
    let mut state =
        PodState::new(pod.name_any(), pod.metadata.uid.clone().unwrap_or_default(), ready);
    let restarts = statuses(pod).map(|status| u32::try_from(status.restart_count).unwrap_or(0));
    state.restarts = restarts.fold(0, u32::saturating_add);
    let running = pod.status.as_ref().and_then(|status| status.container_statuses.as_deref());
    state.image_ids = running
        .unwrap_or_default()
        .iter()
        .map(|status| status.image_id.clone())
        .filter(|image_id| !image_id.is_empty())
        .collect();
    state.image_ids.sort();
    let runs = |status: &ContainerStatus| {
        status.state.as_ref().is_some_and(|state| state.running.is_some())
    };
    state.running = ready || statuses(pod).any(runs);
    state.trouble = (!ready).then(|| trouble(pod)).flatten();
    state
}

/// Why a pod is not ready, in the words of whoever says so.
pub(super) fn trouble(pod: &Pod) -> Option<String> {
    if pod.metadata.deletion_timestamp.is_some() {
        return Some("it is ending".to_owned());
    }
    if let Some(message) = unschedulable(pod) {
        return Some(format!("Unschedulable: {message}"));
    }
    let waiting = statuses(pod).find_map(|status| {
        let (reason, message) = waiting(status)?;
        (!is_ordinary(reason)).then(|| describe(status, reason, message))
    });
    waiting.or_else(|| {
        let (_, _, message) = condition(pod, READY).filter(|(status, _, _)| *status != "True")?;
        (!message.is_empty()).then(|| message.to_owned())
    })
}

/// Why no node takes the pod, if none does.
pub(super) fn unschedulable(pod: &Pod) -> Option<&str> {
    let (status, reason, message) = condition(pod, SCHEDULED)?;
    (status == "False" && reason == "Unschedulable").then_some(message)
}

/// The statuses of all its containers.
pub(crate) fn statuses(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    let of = |list: fn(&PodStatus) -> Option<&Vec<ContainerStatus>>| {
        pod.status.as_ref().and_then(list).into_iter().flatten()
    };
    of(|status| status.init_container_statuses.as_ref())
        .chain(of(|status| status.container_statuses.as_ref()))
}

/// Why a container waits: reason and message.
pub(super) fn waiting(status: &ContainerStatus) -> Option<(&str, &str)> {
    let waiting = status.state.as_ref()?.waiting.as_ref()?;
    Some((waiting.reason.as_deref()?, waiting.message.as_deref().unwrap_or_default()))
}

/// What a container says while nothing is wrong.
fn is_ordinary(reason: &str) -> bool {
    matches!(reason, "ContainerCreating" | "PodInitializing")
}

/// The most characters of what a container or its runtime says.
const SAID: usize = 1024;

/// A container, why it waits, and how it ended the last time. Its last words are its own, so they are
/// made fit to be shown.
pub(super) fn describe(status: &ContainerStatus, reason: &str, message: &str) -> String {
    let mut text = format!("container {}: {reason}", status.name);
    if !message.is_empty() {
        text.push_str(": ");
        text.push_str(&printable(message, SAID));
    }
    let ended = status.last_state.as_ref().and_then(|state| state.terminated.as_ref());
    if let Some(ended) = ended {
        let why = ended.reason.as_deref().unwrap_or("unknown reason");
        // Writing to a String cannot fail.
        let _ = write!(text, "; it ended with exit code {} ({why})", ended.exit_code);
        if let Some(last_words) = ended.message.as_deref().map(str::trim)
            && !last_words.is_empty()
        {
            text.push_str(": ");
            text.push_str(&printable(last_words, SAID));
        }
    }
    text
}

fn condition<'a>(pod: &'a Pod, kind: &str) -> Option<(&'a str, &'a str, &'a str)> {
    let conditions = pod.status.as_ref()?.conditions.as_deref()?;
    let condition = conditions.iter().find(|condition| condition.type_ == kind)?;
    Some((
        condition.status.as_str(),
        condition.reason.as_deref().unwrap_or_default(),
        condition.message.as_deref().unwrap_or_default(),
    ))
}

#[cfg(test)]
mod tests;
