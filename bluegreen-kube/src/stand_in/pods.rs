//! The scheduler and the kubelet: pods get a node and an address, start or don't, and end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use super::defaults::images;
use super::json::{at, default, list, number, text};
use super::managed::Manager;
use super::pod_status;
use super::state::State;
use super::store::{Key, now};

pub(super) const PODS: &str = "pods";
pub(super) const NODE: &str = "node1";
const KUBELET: Manager<'_> = Manager { name: "kubelet", subresource: "status" };

/// What becomes of a pod that is made.
///
/// Which one is decided by the pod's images, see [`pods_start`](super::StandIn::pods_start).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Startup {
    /// It runs and is ready at once.
    Ready,
    /// It runs at once, and is ready after this time (of tokio's clock, which tests may pause).
    ReadyAfter(Duration),
    /// It runs and never becomes ready.
    NeverReady,
    /// Its image is not there: `ErrImagePull`, then `ImagePullBackOff`.
    PullFails,
    /// It exits as soon as it runs: `CrashLoopBackOff`.
    CrashLoops,
    /// No node takes it.
    Unschedulable,
}

/// What a timer was set for. The identity tells a pod from its namesake.
#[derive(Clone, Debug)]
pub(super) enum Timer {
    Ready(Key, String),
    Gone(Key, String),
    Deadline(String, i64),
}

/// How a pod fares.
#[derive(Clone, Debug)]
pub(super) struct Life {
    pub(super) startup: Startup,
    pub(super) is_ready: bool,
    pub(super) restarts: u32,
    /// The image could not be pulled, and it is known by now.
    pub(super) backs_off: bool,
    /// What keeps the containers from being made.
    pub(super) lacks: Option<String>,
    pub(super) address: String,
    is_ending: bool,
}

/// What the node knows of its pods.
#[derive(Debug, Default)]
pub(super) struct Kubelet {
    lives: BTreeMap<String, Life>,
    /// The last fitting one counts.
    rules: Vec<(String, Startup)>,
    pub(super) takes_to_end: Duration,
    awaited: BTreeSet<(String, i64)>,
    late: BTreeSet<(String, i64)>,
}

impl Kubelet {
    pub(super) fn add_rule(&mut self, image: String, startup: Startup) {
        self.rules.push((image, startup));
    }

    pub(super) fn life(&mut self, pod: &Value) -> Option<&mut Life> {
        self.lives.get_mut(text(pod, "/metadata/uid"))
    }

    /// Whether the rollout of this generation has taken longer than it may.
    pub(super) fn is_late(&self, uid: &str, generation: i64) -> bool {
        self.late.contains(&(uid.to_owned(), generation))
    }

    /// Whether a timer has to be set for this generation.
    pub(super) fn awaits_progress(&mut self, uid: &str, generation: i64) -> bool {
        self.awaited.insert((uid.to_owned(), generation))
    }

    fn startup(&self, pod: &Value) -> Startup {
        let absent = ("does-not-exist".to_owned(), Startup::PullFails);
        let fits = |rule: &&(String, Startup)| {
            images(pod, "/spec/containers").any(|image| image.contains(&rule.0))
        };
        let rule = self.rules.iter().rev().find(fits);
        rule.or_else(|| Some(&absent).filter(fits)).map_or(Startup::Ready, |(_, startup)| *startup)
    }
}

pub(super) fn reconcile(state: &mut State, namespace: &str) {
    for key in state.store.keys(PODS, namespace) {
        let Some(pod) = state.store.get(&key) else { continue };
        if super::jobs::is_of_job(&pod) {
            continue;
        }
        let uid = text(&pod, "/metadata/uid").to_owned();
        if !state.kubelet.lives.contains_key(&uid) {
            begin(state, &key, &pod, uid.clone());
        }
        let lacks = lacks(state, &pod);
        let Some(life) = state.kubelet.lives.get_mut(&uid) else { continue };
        if is_ending(&pod) && !life.is_ending {
            life.is_ending = true;
            let grace = number(&pod, "/metadata/deletionGracePeriodSeconds").unwrap_or_default();
            let after = state.kubelet.takes_to_end.min(Duration::from_secs(grace.unsigned_abs()));
            if after.is_zero() {
                end(state, &key, &uid);
                continue;
            }
            state.due.push((after, Timer::Gone(key.clone(), uid.clone())));
        }
        let Some(life) = state.kubelet.lives.get_mut(&uid) else { continue };
        let is_stuck = life.lacks.is_some();
        life.lacks = lacks.filter(|_| is_stuck || text(&pod, "/status/phase") == "Pending");
        if is_stuck && life.lacks.is_none() {
            life.is_ready = life.startup == Startup::Ready;
            set_timer(state, &key, uid.clone());
        }
        show(state, &key, &uid);
        if let Some(life) = state.kubelet.lives.get_mut(&uid)
            && life.startup == Startup::PullFails
            && !life.backs_off
        {
            life.backs_off = true;
            show(state, &key, &uid);
        }
    }
}

/// A pod is seen for the first time.
fn begin(state: &mut State, key: &Key, pod: &Value, uid: String) {
    let startup = state.kubelet.startup(pod);
    let serial = state.store.next_serial();
    let lacks = lacks(state, pod);
    let life = Life {
        startup,
        is_ready: startup == Startup::Ready && lacks.is_none(),
        restarts: 0,
        backs_off: false,
        lacks,
        address: format!("10.244.{}.{}", serial / 250 % 256, serial % 250 + 1),
        is_ending: false,
    };
    state.kubelet.lives.insert(uid.clone(), life);
    if startup != Startup::Unschedulable {
        state.revise(key, Manager { name: "kube-scheduler", subresource: "" }, |pod| {
            default(at(pod, &["spec"]), "nodeName", NODE);
        });
    }
    set_timer(state, key, uid);
}

fn set_timer(state: &mut State, key: &Key, uid: String) {
    if let Some(life) = state.kubelet.lives.get(&uid)
        && life.lacks.is_none()
        && let Startup::ReadyAfter(after) = life.startup
    {
        state.due.push((after, Timer::Ready(key.clone(), uid)));
    }
}

fn show(state: &mut State, key: &Key, uid: &str) {
    let Some(life) = state.kubelet.lives.get(uid).cloned() else { return };
    state.revise(key, KUBELET, |pod| {
        pod["status"] = pod_status::of(pod, &life);
    });
}

/// A `ConfigMap` or Secret that the pod needs and that is not there, in the kubelet's words.
fn lacks(state: &State, pod: &Value) -> Option<String> {
    let namespace = text(pod, "/metadata/namespace");
    let mut needs: Vec<(&str, &Value)> = Vec::new();
    for container in list(pod, "/spec/containers") {
        for variable in list(container, "/env") {
            needs.push(("configmaps", &variable["valueFrom"]["configMapKeyRef"]));
            needs.push(("secrets", &variable["valueFrom"]["secretKeyRef"]));
        }
        for source in list(container, "/envFrom") {
            needs.push(("configmaps", &source["configMapRef"]));
            needs.push(("secrets", &source["secretRef"]));
        }
    }
    for volume in list(pod, "/spec/volumes") {
        needs.push(("configmaps", &volume["configMap"]));
    }
    needs.into_iter().find_map(|(resource, reference)| {
        let name = text(reference, "/name");
        let is_needed = !name.is_empty() && reference["optional"] != true;
        let is_there = state.store.get(&Key::new(resource, namespace, name)).is_some();
        let kind = resource.trim_end_matches('s');
        (is_needed && !is_there).then(|| format!("{kind} \"{name}\" not found"))
    })
}

/// Asks a pod to end; it does so when its time is over.
pub(super) fn terminate(state: &mut State, key: &Key) {
    state.revise(key, KUBELET, |pod| {
        let grace = number(pod, "/spec/terminationGracePeriodSeconds").unwrap_or(30);
        let metadata = at(pod, &["metadata"]);
        default(metadata, "deletionTimestamp", now());
        default(metadata, "deletionGracePeriodSeconds", grace);
    });
}

/// A pod is no more.
pub(super) fn end(state: &mut State, key: &Key, uid: &str) {
    state.kubelet.lives.remove(uid);
    if state.store.get(key).is_some_and(|pod| text(&pod, "/metadata/uid") == uid) {
        state.store.remove(key);
    }
}

/// A timer has run out.
pub(super) fn fire(state: &mut State, timer: &Timer) {
    match timer {
        Timer::Ready(key, uid) => {
            if let Some(life) = state.kubelet.lives.get_mut(uid) {
                life.is_ready = true;
                show(state, key, uid);
            }
        }
        Timer::Gone(key, uid) => end(state, key, uid),
        Timer::Deadline(uid, generation) => {
            state.kubelet.late.insert((uid.clone(), *generation));
            state.reconcile_all();
        }
    }
}

pub(super) fn is_ending(pod: &Value) -> bool {
    !text(pod, "/metadata/deletionTimestamp").is_empty()
}

pub(super) fn is_ready(pod: &Value) -> bool {
    list(pod, "/status/conditions")
        .iter()
        .any(|one| one["type"] == "Ready" && one["status"] == "True")
}
