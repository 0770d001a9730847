//! The state of the in-memory cluster: plain data, changed under one lock.

use std::collections::BTreeMap;

use tokio::task::AbortHandle;

use super::PodSpec;
use crate::{
    AgentName, Color, ConfigFiles, Configuration, Digest, Epoch, Error, ErrorKind, ObservedState,
    Pair, PodState, Problem, Replicas, Result, SlotState,
};

pub(super) struct World {
    pub(super) agent: AgentName,
    pub(super) slots: Pair<SlotWorld>,
    pub(super) traffic: Traffic,
    /// All files that were ever deployed, by their digest.
    pub(super) files: BTreeMap<Digest, ConfigFiles>,
    /// The last number given to a pod or an object, so that no name comes twice.
    pub(super) numbers: u64,
}

/// How traffic is routed, and how fast that becomes true.
pub(super) struct Traffic {
    pub(super) state: ObservedState,
    pub(super) epoch: Epoch,
    pub(super) prepared: Option<Color>,
    /// Whether the routing layer keeps up: evidence and knowledge of pods wait while it does not.
    pub(super) follows: bool,
    pub(super) problems: Vec<Problem>,
    /// Who else last moved it.
    pub(super) author: Option<String>,
}

pub(super) struct SlotWorld {
    pub(super) color: Color,
    pub(super) exists: bool,
    pub(super) uid: String,
    pub(super) template: Template,
    pub(super) wanted: u32,
    pub(super) pods: Vec<Pod>,
    pub(super) epoch: Epoch,
    /// What the open deploy found.
    pub(super) found: Option<Found>,
    pub(super) autoscaler: Option<Autoscaler>,
    /// Whether pods that are missing are started.
    pub(super) replacing: bool,
    pub(super) problems: Vec<Problem>,
    pub(super) caveats: Vec<String>,
    /// Who else last wrote to it.
    pub(super) author: Option<String>,
}

/// Who the rest of the world is, to those who ask.
pub(super) const SOMEBODY: &str = "somebody";

/// Everything that pods are made from.
#[derive(Clone, Eq, PartialEq)]
pub(super) struct Template {
    pub(super) configuration: Configuration,
    /// Whatever else is in it: a number that changes when somebody edits it by hand.
    rest: u64,
    /// Of all of it, made once because everybody asks for it all the time.
    hash: String,
    digest: Digest,
}

pub(super) struct Found {
    pub(super) template: Template,
    pub(super) wanted: u32,
}

pub(super) struct Pod {
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) template_hash: String,
    pub(super) image_ids: Vec<String>,
    pub(super) ready: bool,
    pub(super) restarts: u32,
    pub(super) trouble: Option<String>,
    /// Whether it can never get ready.
    pub(super) hopeless: bool,
    pub(super) starting: Option<AbortHandle>,
}

/// What keeps a slot between two sizes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Autoscaler {
    /// The least number of replicas.
    pub min: u32,
    /// The largest number of replicas.
    pub max: u32,
    /// Whether it may only make the slot larger.
    pub frozen: bool,
}

impl Autoscaler {
    /// Keeps a slot between `min` and `max` replicas.
    pub fn new(min: u32, max: u32) -> Self {
        Self { min, max, frozen: false }
    }
}

/// What is to be done for pods once the lock is released.
#[derive(Default)]
pub(super) struct Orders {
    pub(super) start: Vec<PodSpec>,
    pub(super) stop: Vec<Pod>,
}

impl World {
    pub(super) fn slot(&self, color: Color) -> &SlotWorld {
        self.slots.of(color)
    }

    pub(super) fn slot_mut(&mut self, color: Color) -> &mut SlotWorld {
        match color {
            Color::Blue => &mut self.slots.blue,
            Color::Green => &mut self.slots.green,
        }
    }

    /// Keeps the files of `configuration`, and puts in those of which it has the digest only.
    ///
    /// # Errors
    /// The names of those that nobody knows.
    pub(super) fn fill(
        &mut self,
        configuration: &mut Configuration,
    ) -> std::result::Result<(), String> {
        let mut unknown = Vec::new();
        for (name, files) in &mut configuration.config {
            if files.content().is_some() {
                self.files.insert(files.digest().clone(), files.clone());
            } else if let Some(known) = self.files.get(files.digest()) {
                *files = known.clone();
            } else {
                unknown.push(format!("{name} ({})", files.digest().short()));
            }
        }
        if unknown.is_empty() { Ok(()) } else { Err(unknown.join(", ")) }
    }

    pub(super) fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// What a deployment controller does: ends pods that are not wanted, makes those missing.
    pub(super) fn reconcile(&mut self) -> Orders {
        let mut orders = Orders::default();
        for color in Color::BOTH {
            let slot = self.slot_mut(color);
            let hash = slot.template.hash();
            let wanted = if slot.exists { slot.wanted as usize } else { 0 };
            let (mut kept, old): (Vec<Pod>, Vec<Pod>) =
                slot.pods.drain(..).partition(|pod| pod.template_hash == hash);
            orders.stop.extend(old);
            if kept.len() > wanted {
                // Those that serve stay, as far as they are wanted.
                kept.sort_by_key(|pod| !pod.ready);
                orders.stop.extend(kept.drain(wanted..));
            }
            kept.sort_by(|a, b| a.name.cmp(&b.name));
            let missing = if slot.replacing { wanted - kept.len() } else { 0 };
            slot.pods = kept;
            for _ in 0..missing {
                orders.start.push(self.add_pod(color));
            }
        }
        orders
    }

    fn add_pod(&mut self, color: Color) -> PodSpec {
        let number = self.number();
        let (name, uid) = (format!("{}-{color}-{number:05}", self.agent), format!("pod-{number}"));
        let slot = self.slot_mut(color);
        let configuration = slot.template.configuration.clone();
        let mut image_ids: Vec<String> = configuration
            .containers
            .values()
            .map(|container| Digest::of([&container.image]).as_str().to_owned())
            .collect();
        image_ids.sort();
        slot.pods.push(Pod {
            name: name.clone(),
            uid: uid.clone(),
            template_hash: slot.template.hash().to_owned(),
            image_ids,
            ready: false,
            restarts: 0,
            trouble: None,
            hopeless: false,
            starting: None,
        });
        PodSpec { color, name, uid, configuration }
    }

    pub(super) fn pod_mut(&mut self, uid: &str) -> Option<&mut Pod> {
        let pods = self.slots.blue.pods.iter_mut().chain(&mut self.slots.green.pods);
        pods.into_iter().find(|pod| pod.uid == uid)
    }
}

impl SlotWorld {
    pub(super) fn state(&self) -> Result<SlotState> {
        self.must_exist("read")?;
        let mut state = SlotState::new(self.color, &self.uid, self.template.configuration.clone());
        self.template.hash().clone_into(&mut state.template_hash);
        state.replicas = self.replicas();
        state.pods = self.pods.iter().map(Pod::state).collect();
        state.pods.sort();
        state.epoch = self.epoch;
        state.open = self.found.is_some();
        Ok(state)
    }

    pub(super) fn replicas(&self) -> Replicas {
        let hash = self.template.hash();
        let ready = self.pods.iter().filter(|pod| pod.ready);
        let current = ready.clone().filter(|pod| pod.template_hash == hash).count();
        let number = |count| u32::try_from(count).unwrap_or(u32::MAX);
        Replicas::new(self.wanted, number(current), number(ready.count()))
    }

    /// The gate of every write: the object must be there, and no higher epoch on it.
    pub(super) fn stamp(&mut self, action: &str, epoch: Epoch) -> Result<()> {
        self.must_exist(action)?;
        refuse_stale(&format!("{action} slot {}", self.color), self.epoch, epoch)?;
        self.epoch = epoch;
        Ok(())
    }

    pub(super) fn must_exist(&self, action: &str) -> Result<()> {
        if self.exists {
            return Ok(());
        }
        Err(Error::new(ErrorKind::NotFound, format!("{action} slot {}", self.color)))
    }
}

impl Template {
    pub(super) fn new(configuration: Configuration, rest: u64) -> Self {
        let digest = configuration.digest();
        let hash = Digest::of([digest.as_str(), &rest.to_string()]).short().to_owned();
        Self { configuration, rest, hash, digest }
    }

    /// The same with another configuration.
    pub(super) fn with(&self, configuration: Configuration) -> Self {
        if configuration == self.configuration {
            return self.clone();
        }
        Self::new(configuration, self.rest)
    }

    pub(super) fn hash(&self) -> &str {
        &self.hash
    }

    pub(super) fn digest(&self) -> &Digest {
        &self.digest
    }
}

impl Pod {
    pub(super) fn state(&self) -> PodState {
        let mut state = PodState::new(&self.name, &self.uid, self.ready);
        state.restarts = self.restarts;
        state.image_ids.clone_from(&self.image_ids);
        state.trouble.clone_from(&self.trouble);
        state
    }
}

pub(super) fn refuse_stale(action: &str, stamped: Epoch, epoch: Epoch) -> Result<()> {
    if epoch >= stamped {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Conflict, action)
        .with_source(format!("epoch {stamped} is stamped on it, and the write has epoch {epoch}")))
}
