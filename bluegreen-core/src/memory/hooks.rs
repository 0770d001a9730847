//! What the rest of the world does to an in-memory cluster, for tests.

use std::sync::Arc;

use http::Response;

use super::world::{Pod, SOMEBODY, Template};
use super::{Asked, Autoscaler, MemoryCluster, lock};
use crate::{
    AnswerBody, Color, Configuration, Epoch, ObservedState, PodState, Problem, Result, Routing,
};

impl MemoryCluster {
    /// Kills up to `count` pods of a slot. New ones start in their place, unless
    /// [`stop_replacing`](Self::stop_replacing) came first. Says how many were killed.
    pub fn kill(&self, color: Color, count: usize) -> usize {
        self.write(|world| {
            let slot = world.slot_mut(color);
            let killed = count.min(slot.pods.len());
            // Pods of no template any more are what a controller ends.
            slot.pods.iter_mut().take(killed).for_each(|pod| pod.template_hash.clear());
            killed
        })
    }

    /// Kills every pod of a slot, like [`kill`](Self::kill).
    pub fn kill_all(&self, color: Color) -> usize {
        self.kill(color, usize::MAX)
    }

    /// From now on no pod of a slot is started any more, as when nodes are full.
    pub fn stop_replacing(&self, color: Color) {
        self.write(|world| world.slot_mut(color).replacing = false);
    }

    /// Starts the pods of a slot that are missing, now and from now on.
    pub fn resume_replacing(&self, color: Color) {
        self.write(|world| world.slot_mut(color).replacing = true);
    }

    /// Makes up to `count` ready pods of a slot not ready, for a reason that they give
    /// themselves. They stay so until [`mark_ready`](Self::mark_ready) or until they are replaced.
    pub fn mark_unready(&self, color: Color, count: usize, trouble: &str) {
        self.each_pod(color, |pods| {
            for pod in pods.iter_mut().filter(|pod| pod.ready).take(count) {
                pod.ready = false;
                pod.trouble = Some(trouble.to_owned());
            }
        });
    }

    /// Makes every pod of a slot ready that is not starting.
    pub fn mark_ready(&self, color: Color) {
        self.each_pod(color, |pods| {
            for pod in pods.iter_mut().filter(|pod| pod.starting.is_none()) {
                pod.ready = true;
                pod.hopeless = false;
                pod.trouble = None;
            }
        });
    }

    /// Counts `by` more restarts for every pod of a slot.
    pub fn bump_restarts(&self, color: Color, by: u32) {
        self.each_pod(color, |pods| pods.iter_mut().for_each(|pod| pod.restarts += by));
    }

    /// Somebody else moves traffic, without asking for epochs.
    pub fn move_routing(&self, to: Routing) {
        self.set_routing(ObservedState::Routed(to));
    }

    /// Somebody else makes the routing anything: half-way between two, or foreign.
    pub fn set_routing(&self, state: ObservedState) {
        self.write(|world| {
            world.traffic.state = state;
            world.traffic.author = Some(SOMEBODY.to_owned());
        });
    }

    /// The routing layer stops to keep up: routings are written, and no evidence comes.
    pub fn stop_following(&self) {
        self.write(|world| world.traffic.follows = false);
    }

    /// The routing layer keeps up again.
    pub fn resume_following(&self) {
        self.write(|world| world.traffic.follows = true);
    }

    /// The slot that the switch was last prepared for.
    pub fn prepared(&self) -> Option<Color> {
        self.read(|world| world.traffic.prepared)
    }

    /// Somebody else changes what a slot's pods are to run; they are replaced.
    pub fn edit_configuration(&self, color: Color, configuration: Configuration) {
        self.write(|world| {
            let slot = world.slot_mut(color);
            slot.template = slot.template.with(configuration);
            slot.author = Some(SOMEBODY.to_owned());
        });
    }

    /// Somebody else changes the template in a way that is not part of the configuration, as a
    /// restart by hand does; the pods are replaced.
    pub fn edit_template(&self, color: Color) {
        self.write(|world| {
            let number = world.number();
            let slot = world.slot_mut(color);
            slot.template = Template::new(slot.template.configuration.clone(), number);
            slot.author = Some(SOMEBODY.to_owned());
        });
    }

    /// Somebody else sets the number of replicas.
    pub fn edit_replicas(&self, color: Color, replicas: u32) {
        self.write(|world| {
            let slot = world.slot_mut(color);
            slot.wanted = replicas;
            slot.author = Some(SOMEBODY.to_owned());
        });
    }

    /// Somebody deletes the object behind a slot, and its pods go with it.
    pub fn vanish(&self, color: Color) {
        self.write(|world| world.slot_mut(color).exists = false);
    }

    /// Somebody makes the object behind a slot anew: another identity, nothing stamped on it,
    /// no open deploy.
    pub fn recreate(&self, color: Color, configuration: Configuration, replicas: u32) {
        self.write(|world| {
            let number = world.number();
            let slot = world.slot_mut(color);
            slot.exists = true;
            slot.uid = format!("slot-{color}-{number}");
            slot.template = slot.template.with(configuration);
            slot.wanted = replicas;
            slot.epoch = Epoch::default();
            slot.found = None;
            slot.pods.iter_mut().for_each(|pod| pod.template_hash.clear());
        });
    }

    /// The autoscaler of a slot wants so many replicas, and sets as many as it may.
    pub fn autoscale(&self, color: Color, replicas: u32) {
        self.write(|world| {
            let slot = world.slot_mut(color);
            if let Some(Autoscaler { min, max, frozen }) = slot.autoscaler {
                let least = if frozen { slot.wanted.max(min) } else { min };
                slot.wanted = replicas.min(max).max(least);
            }
        });
    }

    /// The autoscaler of a slot as it is now.
    pub fn autoscaler(&self, color: Color) -> Option<Autoscaler> {
        self.read(|world| world.slot(color).autoscaler)
    }

    /// Makes the slot's [`check`](crate::Slot::check) report a problem.
    pub fn add_problem(&self, color: Color, problem: Problem) {
        self.write(|world| world.slot_mut(color).problems.push(problem));
    }

    /// Makes the slot's [`caveats`](crate::Slot::caveats) name one.
    pub fn add_caveat(&self, color: Color, caveat: impl Into<String>) {
        self.write(|world| world.slot_mut(color).caveats.push(caveat.into()));
    }

    /// Makes the switch's [`check`](crate::SwitchStrategy::check) report a problem.
    pub fn add_switch_problem(&self, problem: Problem) {
        self.write(|world| world.traffic.problems.push(problem));
    }

    /// Pods answer in another way from now on.
    pub fn answer_with(
        &self,
        answer: impl Fn(&Asked<'_>) -> Result<Response<AnswerBody>> + Send + Sync + 'static,
    ) {
        *lock(&self.inner.answer) = Arc::new(answer);
        self.inner.changed();
    }

    /// The pods of a slot as they are now, whether or not the slot can be read.
    pub fn pods(&self, color: Color) -> Vec<PodState> {
        self.read(|world| world.slot(color).pods.iter().map(Pod::state).collect())
    }

    fn each_pod(&self, color: Color, change: impl FnOnce(&mut Vec<Pod>)) {
        self.write(|world| change(&mut world.slot_mut(color).pods));
    }
}
