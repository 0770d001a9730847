//! Everything that the stand-in knows, behind one lock.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::call::Call;
use super::faults::Faults;
use super::jobs::{self, Jobs};
use super::json::{list, text};
use super::managed::{self, Manager};
use super::pods::{Kubelet, Timer};
use super::resource::{Has, Resource, built_in};
use super::rights::Rights;
use super::status::Refusal;
use super::store::{Key, Store, now};
use super::{Controller, endpoints, gateway, pods, replica_sets, rollout, watch::Watch};

/// Rounds in which controllers may answer to each other before something must be wrong.
const MOST_ROUNDS: usize = 1000;

pub(super) struct State {
    pub(super) store: Store,
    pub(super) rights: Rights,
    pub(super) faults: Faults,
    pub(super) counts: BTreeMap<(String, String), u64>,
    pub(super) kubelet: Kubelet,
    pub(super) jobs: Jobs,
    pub(super) paused: BTreeSet<Controller>,
    pub(super) stopped: bool,
    /// Timers to be set once the lock is given back.
    pub(super) due: Vec<(Duration, Timer)>,
    /// Requests that lie on the way.
    pub(super) late: Vec<(Call, oneshot::Sender<Result<Answer, Refusal>>)>,
    kinds: Vec<Arc<Resource>>,
    settled: u64,
}

/// What a request is answered with.
#[derive(Debug)]
pub(super) enum Answer {
    Object(u16, Value),
    Watch(Watch),
    /// Plain text: a log.
    Text(String),
}

impl State {
    pub(super) fn new() -> Self {
        let mut state = Self {
            store: Store::default(),
            rights: Rights::default(),
            faults: Faults::default(),
            counts: BTreeMap::new(),
            kubelet: Kubelet::default(),
            jobs: Jobs::default(),
            paused: BTreeSet::new(),
            stopped: false,
            due: Vec::new(),
            late: Vec::new(),
            kinds: built_in().into_iter().map(Arc::new).collect(),
            settled: 0,
        };
        let node = json!({ "status": { "conditions": [{ "type": "Ready", "status": "True" }] } });
        state.found("nodes", "", pods::NODE, node);
        state
    }

    /// Adds a kind, as a `CustomResourceDefinition` does.
    pub(super) fn add_kind(&mut self, resource: Resource) {
        self.kinds.push(Arc::new(resource));
    }

    pub(super) fn kind(&self, group: &str, version: &str, plural: &str) -> Option<Arc<Resource>> {
        self.kinds
            .iter()
            .find(|kind| kind.group == group && kind.version == version && kind.plural == plural)
            .cloned()
    }

    pub(super) fn kind_of(&self, id: &str) -> Option<Arc<Resource>> {
        self.kinds.iter().find(|kind| kind.id == id).cloned()
    }

    /// Does what a request asks for.
    pub(super) fn perform(&mut self, call: &Call) -> Result<Answer, Refusal> {
        match call.verb {
            "get" if call.what() == "pods/log" => self.log(call).map(Answer::Text),
            "get" => self.get(call).map(|object| Answer::Object(200, object)),
            "list" => self.list(call).map(|list| Answer::Object(200, list)),
            "watch" => Watch::begin(call, &self.store).map(Answer::Watch),
            "create" => self.create(call).map(|object| Answer::Object(201, object)),
            "update" => self.update(call).map(|(code, object)| Answer::Object(code, object)),
            "patch" => self.patch(call).map(|object| Answer::Object(200, object)),
            "delete" => self.delete(call).map(|object| Answer::Object(200, object)),
            "deletecollection" => self.delete_all(call).map(|list| Answer::Object(200, list)),
            _ => Err(Refusal::method_not_allowed()),
        }
    }

    /// Lets the controllers work until they have nothing more to do.
    pub(super) fn settle(&mut self) {
        for _ in 0..MOST_ROUNDS {
            if self.settled == self.store.version() {
                return;
            }
            let (namespaces, deleted) = self.store.touched_after(self.settled);
            self.settled = self.store.version();
            if deleted {
                self.collect_garbage();
            }
            for namespace in namespaces.iter().filter(|namespace| !namespace.is_empty()) {
                self.reconcile(namespace);
            }
        }
    }

    /// Lets the controllers look at everything, whether it changed or not.
    pub(super) fn reconcile_all(&mut self) {
        let namespaces: BTreeSet<String> =
            self.store.all().map(|(key, _)| key.namespace.clone()).collect();
        for namespace in namespaces.iter().filter(|namespace| !namespace.is_empty()) {
            self.reconcile(namespace);
        }
    }

    fn reconcile(&mut self, namespace: &str) {
        if !self.paused.contains(&Controller::Workloads) {
            rollout::reconcile(self, namespace);
            replica_sets::reconcile(self, namespace);
            jobs::reconcile(self, namespace);
            pods::reconcile(self, namespace);
        }
        if !self.paused.contains(&Controller::Endpoints) {
            endpoints::reconcile(self, namespace);
        }
        if !self.paused.contains(&Controller::Gateways) {
            gateway::reconcile(self, namespace);
        }
    }

    /// What has owners, none of which is there any more, goes too.
    fn collect_garbage(&mut self) {
        let there: BTreeSet<&str> =
            self.store.all().map(|(_, object)| text(object, "/metadata/uid")).collect();
        let orphans: Vec<Key> = self
            .store
            .all()
            .filter(|(_, object)| {
                let owners = list(object, "/metadata/ownerReferences");
                !owners.is_empty()
                    && owners.iter().all(|owner| !there.contains(text(owner, "/uid")))
            })
            .map(|(key, _)| key.clone())
            .collect();
        for key in orphans {
            self.remove(&key);
        }
    }

    /// Begins the end of an object: pods end in their own time, the rest at once.
    pub(super) fn remove(&mut self, key: &Key) {
        if key.resource == "pods" {
            pods::terminate(self, key);
        } else {
            self.store.remove(key);
        }
    }

    /// Changes an object for a controller; nothing happens when nothing changes.
    pub(super) fn revise(&mut self, key: &Key, by: Manager<'_>, change: impl FnOnce(&mut Value)) {
        let Some(old) = self.store.get(key) else { return };
        let mut new = (*old).clone();
        change(&mut new);
        if new != *old {
            managed::track(Some(&old), &mut new, by, &now());
            self.store.put(key.clone(), new);
        }
    }

    /// Keeps an object that a controller makes, or that is simply found there.
    pub(super) fn found(&mut self, id: &str, namespace: &str, name: &str, mut object: Value) {
        let Some(resource) = self.kind_of(id) else { return };
        object["kind"] = resource.kind.as_str().into();
        object["apiVersion"] = resource.api_version().into();
        let uid = self.store.next_uid();
        let metadata = super::json::at(&mut object, &["metadata"]);
        metadata.insert("name".into(), name.into());
        metadata.insert("uid".into(), uid.into());
        metadata.insert("creationTimestamp".into(), now().into());
        if !namespace.is_empty() {
            metadata.insert("namespace".into(), namespace.into());
        }
        if resource.has(Has::Generation) {
            metadata.insert("generation".into(), 1.into());
        }
        managed::track(None, &mut object, CONTROLLERS, &now());
        self.store.put(Key::new(id, namespace, name), object);
    }
}

/// As whom the controllers write what is asked for.
pub(super) const CONTROLLERS: Manager<'_> =
    Manager { name: "kube-controller-manager", subresource: "" };
/// As whom the controllers write what is there.
pub(super) const CONTROLLERS_STATUS: Manager<'_> =
    Manager { name: "kube-controller-manager", subresource: "status" };
