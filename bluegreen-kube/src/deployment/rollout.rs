//! Whether a rollout has ended, is under way or will never end: functions of what was seen.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use tokio::time::Instant;

use super::object::Seen;
use super::pods::{self, Sets};
use super::template::items;

/// What a look at a rollout shows.
#[derive(Debug, PartialEq)]
pub(super) enum Progress {
    /// The controller says that everything runs the current template and is available.
    Complete,
    /// Not yet. There may be a time at which it has taken too long.
    Waiting(Option<Instant>),
    /// It will not get ready. The text names pod, container and reason.
    Hopeless(String),
}

/// The algorithm of `kubectl rollout status`, on the numbers alone.
pub(super) fn is_complete(seen: Seen<'_>) -> bool {
    if !is_observed(seen) {
        return false;
    }
    let status = |field: &str| seen.number(&format!("/status/{field}")).unwrap_or_default();
    let updated = status("updatedReplicas");
    updated >= i64::from(seen.replicas())
        && status("replicas") <= updated
        && status("availableReplicas") >= updated
}

/// Whether the pods themselves show what the controllers are about to count: all that there should
/// be run the current template and are ready, and there are no others but those that end.
///
/// The counts come from one controller by way of another, 15 to 85 ms later. Where a pod has to be
/// ready for some time before it is available, only they can tell.
pub(super) fn is_complete_by_pods<'a>(
    seen: Seen<'_>,
    sets: &Sets,
    pods: impl Iterator<Item = &'a Pod>,
) -> bool {
    let delay = seen.number("/spec/minReadySeconds").unwrap_or_default();
    if delay > 0 || seen.is_paused() || !is_observed(seen) {
        return false;
    }
    let mut stay = pods.filter(|pod| pod.metadata.deletion_timestamp.is_none() && sets.has(pod));
    let mut ready = 0;
    stay.all(|pod| {
        ready += 1;
        sets.is_current(pod) && pods::is_ready(pod)
    }) && ready == seen.replicas()
}

/// Whether the status is one of the current spec.
pub(super) fn is_observed(seen: Seen<'_>) -> bool {
    let observed = seen.number("/status/observedGeneration").unwrap_or_default();
    seen.metadata().generation.is_none_or(|generation| generation <= observed)
}

/// Remembers between looks what one look cannot show.
#[derive(Debug)]
pub(super) struct Patience {
    /// For how long what may pass by itself is waited for.
    grace: Duration,
    /// Since when it lasts, by its text.
    since: BTreeMap<String, Instant>,
    /// How often each container's image could not be pulled, and whether that is so now.
    pulls: BTreeMap<(String, String), (u32, bool)>,
}

impl Patience {
    pub(super) fn new(grace: Duration) -> Self {
        Self { grace, since: BTreeMap::new(), pulls: BTreeMap::new() }
    }

    /// Takes a look.
    pub(super) fn look<'a>(
        &mut self,
        now: Instant,
        seen: Seen<'_>,
        sets: &Sets,
        pods: impl Iterator<Item = &'a Pod>,
    ) -> Progress {
        if is_complete(seen) {
            return Progress::Complete;
        }
        if seen.is_paused() {
            return Progress::Hopeless("the Deployment is paused: found spec.paused".to_owned());
        }
        let mut passing = Vec::new();
        for pod in pods.filter(|pod| sets.has(pod) && sets.is_current(pod)) {
            if pod.metadata.deletion_timestamp.is_some() || pods::is_ready(pod) {
                continue;
            }
            match self.look_at(pod) {
                Some(Trouble::ForGood(text)) => return Progress::Hopeless(text),
                Some(Trouble::MayPass(kind, text)) => passing.push((kind, text)),
                None => {}
            }
        }
        if is_observed(seen) {
            for condition in items(seen.at("/status/conditions")) {
                let text = |field: &str| condition[field].as_str().unwrap_or_default();
                if text("reason") == "ProgressDeadlineExceeded" {
                    let message = text("message");
                    return Progress::Hopeless(format!("ProgressDeadlineExceeded: {message}"));
                }
                if text("type") == "ReplicaFailure" && text("status") == "True" {
                    let text = format!("{}: {}", text("reason"), text("message"));
                    passing.push(("no pods".to_owned(), text));
                }
            }
        }
        self.endure(now, passing)
    }

    /// What keeps one pod from getting ready.
    fn look_at(&mut self, pod: &Pod) -> Option<Trouble> {
        let name = pod.name_any();
        if let Some(message) = pods::unschedulable(pod) {
            let kind = format!("{name} unschedulable");
            return Some(Trouble::MayPass(kind, format!("pod {name}: Unschedulable: {message}")));
        }
        let mut passing = None;
        for status in pods::statuses(pod) {
            let waiting = pods::waiting(status);
            let (reason, message) = waiting.unwrap_or_default();
            let pulls = self.pulls.entry((name.clone(), status.name.clone())).or_default();
            let fails_now = reason == "ErrImagePull";
            if fails_now && !pulls.1 {
                pulls.0 += 1;
            }
            pulls.1 = fails_now;
            let text = || format!("pod {name}, {}", pods::describe(status, reason, message));
            match reason {
                "ImagePullBackOff"
                | "CrashLoopBackOff"
                | "CreateContainerConfigError"
                | "InvalidImageName"
                | "ErrImageNeverPull" => return Some(Trouble::ForGood(text())),
                "ErrImagePull" if pulls.0 > 1 => return Some(Trouble::ForGood(text())),
                "CreateContainerError" | "RunContainerError" | "ImageInspectError" => {
                    let kind = format!("{name} {} {reason}", status.name);
                    passing.get_or_insert(Trouble::MayPass(kind, text()));
                }
                _ => {}
            }
        }
        passing
    }

    fn endure(&mut self, now: Instant, passing: Vec<(String, String)>) -> Progress {
        let kinds: BTreeSet<&str> = passing.iter().map(|(kind, _)| kind.as_str()).collect();
        self.since.retain(|kind, _| kinds.contains(kind.as_str()));
        let mut next = None;
        for (kind, text) in passing {
            let until = *self.since.entry(kind).or_insert(now) + self.grace;
            if until <= now {
                let seconds = self.grace.as_secs();
                return Progress::Hopeless(format!("{text} (for {seconds} s)"));
            }
            next = Some(next.map_or(until, |next: Instant| next.min(until)));
        }
        Progress::Waiting(next)
    }
}

enum Trouble {
    ForGood(String),
    /// What it is, and what it says now.
    MayPass(String, String),
}

#[cfg(test)]
mod tests;
