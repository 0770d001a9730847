//! The long wait of a slot, on the watches of a fleet.

use bluegreen_core::{Result, SlotState};
use futures_util::try_join;
use k8s_openapi::api::core::v1::{Pod, PodStatus};
use kube::core::DynamicObject;

use super::Watches;
use crate::deployment::pods::{self, Sets};
use crate::deployment::recent::{Newest, latest};
use crate::deployment::{DeploymentSlot, state};
use crate::remembered::FRESH;
use crate::watching::{Filter, Following, Scope};

/// Everything that a slot consists of, as others watch it too. Nothing of it is kept here while
/// nothing changes: that is what there may be a thousand of.
pub(super) struct Followed<'a> {
    slot: &'a DeploymentSlot,
    deployments: Following<DynamicObject>,
    sets: Following<DynamicObject>,
    pods: Following<Pod>,
}

impl<'a> Followed<'a> {
    /// Nothing where watches are not shared. They may be behind what this process has seen itself,
    /// and say nothing before they have come to that.
    pub(super) async fn of(slot: &'a DeploymentSlot) -> Result<Option<Self>> {
        if !slot.watches.are_shared() {
            return Ok(None);
        }
        if let Ok(Some(left)) = Watches::left(slot) {
            left.end();
        }
        let last = match slot.recent.last(&slot.name) {
            Some(last) => last,
            None => Box::pin(slot.get()).await?,
        };
        let selector = slot.seen(&last).selector()?;
        let newest = slot.recent.newest(&slot.name);
        // Whatever belongs to a slot carries its label, as do the sets of others, and nothing else.
        let label = &slot.settings.slot_label;
        let selected = || Filter::Selected(selector.clone());
        let named = Filter::named(&slot.name);
        let watches = &slot.watches;
        let deployments = {
            let scope = Scope::all().only("spec", only_spec);
            watches.follow(&slot.api, scope, named, newest.deployment)
        };
        let sets = {
            let scope = Scope::labelled(label).only("spec", only_spec);
            watches.follow(&slot.sets, scope, selected(), newest.sets)
        };
        let pods = {
            let scope = Scope::labelled(label).only("health", only_health);
            watches.follow(&slot.pods, scope, selected(), newest.pods)
        };
        let (Some(deployments), Some(sets), Some(pods)) = (deployments, sets, pods) else {
            return Ok(None);
        };
        Ok(Some(Self { slot, deployments, sets, pods }))
    }

    /// Waits until the state differs from `known`.
    pub(super) async fn change(mut self, known: &SlotState) -> Result<SlotState> {
        let in_core = |broken: crate::watching::Broken| broken.during(self.slot.action("watch"));
        try_join!(self.deployments.changed(), self.sets.changed(), self.pods.changed())
            .map_err(in_core)?;
        let mut is_slim = false;
        loop {
            let state = self.state()?;
            if state != *known {
                return Ok(state);
            }
            loop {
                let changed = tokio::select! {
                    changed = self.deployments.changed() => changed,
                    changed = self.sets.changed() => changed,
                    changed = self.pods.changed() => changed,
                    () = tokio::time::sleep(FRESH), if !is_slim => {
                        self.slot.recent.slim();
                        is_slim = true;
                        continue;
                    }
                };
                changed.map_err(in_core)?;
                break;
            }
        }
    }

    fn state(&self) -> Result<SlotState> {
        let deployments = self.deployments.objects();
        let seen = match deployments.get(&self.slot.name).map(|object| self.slot.seen(object)) {
            Some(seen) if !seen.is_ending() => seen,
            _ => return Err(self.slot.gone("watch")),
        };
        let (found, pods) = (self.sets.objects(), self.pods.objects());
        let sets = Sets::of(seen, found.values());
        let slot = self.slot;
        state::assemble(slot.color, &slot.settings, seen, &sets, pods.values())
    }
}

/// How long an annotation may be that is kept whole. Of longer ones, as of the one with what a deploy
/// has found, a slot's state shows only that they are there.
const ANNOTATION: usize = 256;

/// Takes away what the state of a slot does not show of its Deployment, and of a `ReplicaSet`.
fn only_spec(object: &mut DynamicObject) {
    if let Some(data) = object.data.as_object_mut() {
        data.remove("status");
    }
    let annotations = object.metadata.annotations.iter_mut().flat_map(|all| all.values_mut());
    annotations.filter(|text| text.len() > ANNOTATION).for_each(|text| *text = String::new());
}

/// Takes away what the state of a slot does not show of a pod: all but how it fares and whose it is.
fn only_health(pod: &mut Pod) {
    pod.spec = None;
    pod.metadata.annotations = None;
    let Some(status) = pod.status.take() else { return };
    let conditions = status.conditions.map(|mut all| {
        all.retain(|condition| pods::CONDITIONS.contains(&condition.type_.as_str()));
        all
    });
    pod.status = Some(PodStatus {
        phase: status.phase,
        conditions,
        container_statuses: status.container_statuses,
        init_container_statuses: status.init_container_statuses,
        ..PodStatus::default()
    });
}

impl Watches<'_> {
    /// Ends them, and keeps in mind how far they have come.
    fn end(mut self) {
        let Some(streams) = self.streams.take() else { return };
        let newest = Newest {
            deployment: latest(streams.deployments.objects().values()),
            sets: latest(streams.sets.objects().values()),
            pods: latest(streams.pods.objects().values()),
        };
        self.slot.recent.note(&self.slot.name, newest);
    }
}
