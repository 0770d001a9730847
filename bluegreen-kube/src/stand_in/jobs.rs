//! The Job controller: one pod for each Job, which ends as a test has said.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::StandIn;
use super::call::Call;
use super::defaults::images;
use super::json::{at, list, text};
use super::pods::PODS;
use super::rollout::owner;
use super::state::{CONTROLLERS_STATUS, State};
use super::status::Refusal;
use super::store::{Key, now};

const JOBS: &str = "jobs.batch";

/// How a Job ends.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum JobEnd {
    /// It completes.
    Completes,
    /// Its pod ends with this exit code, having written this.
    Fails {
        /// The exit code.
        code: i32,
        /// What it has written.
        log: String,
    },
}

/// What is known of Jobs.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    /// By part of an image. The last fitting one counts.
    ends: Vec<(String, JobEnd)>,
    /// By the uid of the pod.
    logs: BTreeMap<String, String>,
}

impl StandIn {
    /// From now on, Jobs with an image that contains `image` end so, also those that run already.
    /// Without it a Job runs on.
    pub fn jobs_end(&self, image: &str, end: JobEnd) {
        self.shared.change(|state| {
            state.jobs.ends.push((image.to_owned(), end));
            state.reconcile_all();
        });
    }
}

/// Whether a Job has made the pod.
pub(super) fn is_of_job(pod: &Value) -> bool {
    list(pod, "/metadata/ownerReferences").iter().any(|owner| owner["kind"] == "Job")
}

pub(super) fn reconcile(state: &mut State, namespace: &str) {
    for key in state.store.keys(JOBS, namespace) {
        let Some(job) = state.store.get(&key) else { continue };
        if list(&job, "/status/conditions").is_empty() {
            begin(state, &key, &job);
            finish(state, &key, &job);
        }
    }
}

/// The key of the Job's pod.
fn pod_of(key: &Key) -> Key {
    Key::new(PODS, &key.namespace, &format!("{}-0", key.name))
}

fn begin(state: &mut State, key: &Key, job: &Value) {
    let pod_key = pod_of(key);
    if state.store.get(&pod_key).is_some() {
        return;
    }
    let template = &job["spec"]["template"];
    let mut pod = json!({
        "metadata": template["metadata"],
        "spec": template["spec"],
        "status": { "phase": "Running" },
    });
    at(&mut pod, &["metadata"]).insert("ownerReferences".into(), json!([owner(job)]));
    state.found(PODS, &key.namespace, &pod_key.name, pod);
    state.revise(key, CONTROLLERS_STATUS, |job| {
        job["status"] = json!({ "active": 1, "startTime": now() });
    });
}

fn finish(state: &mut State, key: &Key, job: &Value) {
    let fits = |rule: &&(String, JobEnd)| {
        images(job, "/spec/template/spec/containers").any(|image| image.contains(&rule.0))
    };
    let Some((_, end)) = state.jobs.ends.iter().rev().find(fits).cloned() else { return };
    let (phase, code, log) = match &end {
        JobEnd::Completes => ("Succeeded", 0, ""),
        JobEnd::Fails { code, log } => ("Failed", *code, log.as_str()),
    };
    let pod_key = pod_of(key);
    if let Some(pod) = state.store.get(&pod_key) {
        state.jobs.logs.insert(text(&pod, "/metadata/uid").to_owned(), log.to_owned());
    }
    state.revise(&pod_key, CONTROLLERS_STATUS, |pod| {
        let reason = if code == 0 { "Completed" } else { "Error" };
        let ended = json!({ "exitCode": code, "reason": reason, "finishedAt": now() });
        let statuses: Vec<Value> = list(pod, "/spec/containers")
            .iter()
            .map(|one| {
                json!({
                    "name": one["name"], "image": one["image"], "imageID": "", "ready": false,
                    "restartCount": 0, "state": { "terminated": ended },
                })
            })
            .collect();
        pod["status"] = json!({ "phase": phase, "containerStatuses": statuses });
    });
    state.revise(key, CONTROLLERS_STATUS, |job| {
        let (kind, count, reason, message) = match end {
            JobEnd::Completes => (
                "Complete",
                "succeeded",
                "CompletionsReached",
                "Reached expected number of succeeded pods",
            ),
            JobEnd::Fails { .. } => (
                "Failed",
                "failed",
                "BackoffLimitExceeded",
                "Job has reached the specified backoff limit",
            ),
        };
        let condition =
            json!({ "type": kind, "status": "True", "reason": reason, "message": message });
        let mut status = json!({ "startTime": job["status"]["startTime"] });
        status[count] = 1.into();
        status["conditions"] = json!([condition]);
        job["status"] = status;
    });
}

impl State {
    /// The log of a pod. Which of its containers wrote it is not told apart.
    pub(super) fn log(&self, call: &Call) -> Result<String, Refusal> {
        let pod = self.store.get(&call.key());
        let pod = pod.ok_or_else(|| Refusal::not_found(&call.resource, &call.name))?;
        let log = self.jobs.logs.get(text(&pod, "/metadata/uid")).cloned().unwrap_or_default();
        let lines = call.parameter("tailLines").parse().unwrap_or(usize::MAX);
        let count = log.lines().count();
        let mut tail = String::new();
        for line in log.lines().skip(count.saturating_sub(lines)) {
            tail.push_str(line);
            tail.push('\n');
        }
        Ok(tail)
    }
}
