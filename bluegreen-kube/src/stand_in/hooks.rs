//! What a test can do to the server behind its clients' backs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::gateway;
use super::json::{at, number};
use super::managed::Manager;
use super::patch::apply_merge;
use super::pods::{self, PODS};
use super::resource::Resource;
use super::store::Key;
use super::{Controller, Denial, Fault, StandIn, Startup};

impl StandIn {
    /// Makes a namespace when it is missing.
    pub fn add_namespace(&self, name: &str) {
        self.shared.change(|state| {
            let key = Key::new("namespaces", "", name);
            if !name.is_empty() && state.store.get(&key).is_none() {
                let labels = json!({ "kubernetes.io/metadata.name": name });
                let namespace =
                    json!({ "metadata": { "labels": labels }, "status": { "phase": "Active" } });
                state.found("namespaces", "", name, namespace);
            }
        });
    }

    /// Adds a namespaced kind, as a `CustomResourceDefinition` does: before, its requests get 404.
    pub fn add_kind(&self, group: &str, version: &str, plural: &str, kind: &str) {
        let kind = Resource::custom(group, version, plural, kind);
        self.shared.look(|state| state.add_kind(kind));
    }

    /// Adds `HTTPRoute` and `GRPCRoute` of the Gateway API, with a gateway that accepts all that there
    /// are and says in their status which Services it does not find.
    pub fn add_gateway_api(&self) {
        for (plural, kind) in gateway::KINDS {
            self.add_kind(gateway::GROUP, "v1", plural, kind);
        }
    }

    /// An object as it is stored. `resource` is its plural with its group: `"services"`,
    /// `"deployments.apps"`.
    pub fn object(&self, resource: &str, namespace: &str, name: &str) -> Option<Value> {
        let key = Key::new(resource, namespace, name);
        self.shared.look(|state| state.store.get(&key)).map(Arc::unwrap_or_clone)
    }

    /// Changes an object with a merge patch in the name of another manager, unasked. Says
    /// whether there is such an object.
    pub fn edit(
        &self,
        manager: &str,
        resource: &str,
        namespace: &str,
        name: &str,
        patch: &Value,
    ) -> bool {
        let key = Key::new(resource, namespace, name);
        self.shared.change(|state| {
            let manager = Manager { name: manager, subresource: "" };
            state.revise(&key, manager, |object| {
                if let Ok(merged) = apply_merge(object, patch)
                    && merged.get("metadata").is_some_and(Value::is_object)
                {
                    let is_other = merged.get("spec") != object.get("spec");
                    *object = merged;
                    let generation = number(object, "/metadata/generation");
                    if let Some(generation) = generation.filter(|_| is_other) {
                        object["metadata"]["generation"] = (generation + 1).into();
                    }
                }
            });
            state.store.get(&key).is_some()
        })
    }

    /// From now on, pods with an image that contains `image` fare so; the newest rule that fits
    /// counts. At first only `does-not-exist` has one: [`Startup::PullFails`].
    pub fn pods_start(&self, image: &str, startup: Startup) {
        self.shared.look(|state| state.kubelet.add_rule(image.to_owned(), startup));
    }

    /// Pods take so long to end, but no longer than their grace period. At first they end at
    /// once.
    pub fn pods_take_to_end(&self, time: Duration) {
        self.shared.look(|state| state.kubelet.takes_to_end = time);
    }

    /// The names of the pods whose labels contain all of these.
    pub fn pods(&self, namespace: &str, labels: &[(&str, &str)]) -> Vec<String> {
        self.shared.look(|state| {
            state
                .store
                .list(PODS, Some(namespace))
                .filter(|(_, pod)| {
                    labels.iter().all(|(key, value)| pod["metadata"]["labels"][key] == **value)
                })
                .map(|(key, _)| key.name.clone())
                .collect()
        })
    }

    /// A pod is gone at once, as when its node is lost. Says whether there was one.
    pub fn kill_pod(&self, namespace: &str, name: &str) -> bool {
        self.with_life(namespace, name, pods::end)
    }

    /// A pod's readiness probe begins to fail, or to pass. Says whether there is such a pod.
    pub fn set_ready(&self, namespace: &str, name: &str, is_ready: bool) -> bool {
        self.with_life(namespace, name, |state, key, _| {
            if let Some(pod) = state.store.get(key)
                && let Some(life) = state.kubelet.life(&pod)
            {
                life.is_ready = is_ready;
            }
            pods::reconcile(state, &key.namespace);
        })
    }

    /// A pod's containers were started once more. Says whether there is such a pod.
    pub fn restart(&self, namespace: &str, name: &str) -> bool {
        self.with_life(namespace, name, |state, key, _| {
            if let Some(pod) = state.store.get(key)
                && let Some(life) = state.kubelet.life(&pod)
            {
                life.restarts += 1;
            }
            pods::reconcile(state, &key.namespace);
        })
    }

    fn with_life(
        &self,
        namespace: &str,
        name: &str,
        act: impl FnOnce(&mut super::State, &Key, &str),
    ) -> bool {
        let key = Key::new(PODS, namespace, name);
        self.shared.change(|state| {
            let Some(mut pod) = state.store.get(&key).map(Arc::unwrap_or_clone) else {
                return false;
            };
            let uid = at(&mut pod, &["metadata"])["uid"].as_str().unwrap_or_default().to_owned();
            act(state, &key, &uid);
            true
        })
    }

    /// A controller stops working, until it is [resumed](Self::resume).
    pub fn pause(&self, controller: Controller) {
        self.shared.look(|state| state.paused.insert(controller));
    }

    /// A controller works again, and first catches up.
    pub fn resume(&self, controller: Controller) {
        self.shared.change(|state| {
            state.paused.remove(&controller);
            state.reconcile_all();
        });
    }

    /// Takes a right away.
    pub fn deny(&self, denial: Denial) {
        self.shared.look(|state| state.rights.denials.push(denial));
    }

    /// Gives all rights back.
    pub fn allow_all(&self) {
        self.shared.look(|state| state.rights.denials.clear());
    }

    /// Adds a fault. Of several that fit a request, the first one meets it.
    pub fn fail(&self, fault: Fault) {
        self.shared.look(|state| state.faults.add(fault));
    }

    /// Forgets all faults.
    pub fn heal(&self) {
        self.shared.look(|state| state.faults.clear());
    }

    /// Delivers the requests that [`Failure::Late`](super::Failure::Late) holds, in their order,
    /// and says how many there were. Those whose senders gave up are delivered too.
    pub fn deliver_late(&self) -> usize {
        let late = self.shared.look(|state| std::mem::take(&mut state.late));
        let count = late.len();
        for (call, sender) in late {
            let answer = self.shared.change(|state| state.admit(&call));
            // Nobody may be waiting for it any more.
            let _ = sender.send(answer);
        }
        count
    }

    /// How many requests there were with this verb (those of rights, or `"*"`) on this resource
    /// (`"services"`, `"deployments/scale"`, or `"*"`), failed ones included.
    pub fn count(&self, verb: &str, resource: &str) -> u64 {
        self.counts()
            .iter()
            .filter(|((one, _), _)| verb == "*" || verb == one)
            .filter(|((_, one), _)| resource == "*" || resource == one)
            .map(|(_, count)| count)
            .sum()
    }

    /// How many requests there were, by verb and resource.
    pub fn counts(&self) -> BTreeMap<(String, String), u64> {
        self.shared.look(|state| state.counts.clone())
    }

    /// Counts from zero again.
    pub fn forget_counts(&self) {
        self.shared.look(|state| state.counts.clear());
    }

    /// Forgets all changes so far: watches that are behind are told 410.
    pub fn compact(&self) {
        self.shared.change(|state| state.store.compact());
    }

    /// The server stops: connections are refused, and watches break. Its controllers work on.
    pub fn stop(&self) {
        self.shared.change(|state| state.stopped = true);
    }

    /// The server is back.
    pub fn start(&self) {
        self.shared.change(|state| state.stopped = false);
    }
}
