//! What an in-memory cluster comes to, at a glance.

use super::MemoryCluster;
use super::world::SlotWorld;
use crate::{Color, Digest, Epoch, ObservedState, Pair};

/// The whole cluster at one moment, cheap enough to be looked at after every step.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Sight {
    /// The two slots.
    pub slots: Pair<SlotSight>,
    /// How traffic is routed.
    pub routing: ObservedState,
    /// The highest fencing number stamped on the routing.
    pub epoch: Epoch,
}

/// One slot at one moment.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct SlotSight {
    /// How many pods there should be.
    pub wanted: u32,
    /// How many of them are ready.
    pub ready: u32,
    /// The digest of what they are to run.
    pub digest: Digest,
    /// A hash of everything that they are made from.
    pub template_hash: String,
    /// The fencing number stamped on the slot.
    pub epoch: Epoch,
    /// Whether a deploy is open.
    pub open: bool,
    /// Whether its autoscaler is frozen, if it has one.
    pub frozen: bool,
}

impl MemoryCluster {
    /// Looks at everything at once, without a call, so that nothing can go wrong.
    pub fn sight(&self) -> Sight {
        self.read(|world| Sight {
            slots: Pair::from_fn(|color: Color| world.slot(color).sight()),
            routing: world.traffic.state.clone(),
            epoch: world.traffic.epoch,
        })
    }
}

impl SlotWorld {
    fn sight(&self) -> SlotSight {
        SlotSight {
            wanted: self.wanted,
            ready: self.replicas().ready,
            digest: self.template.digest().clone(),
            template_hash: self.template.hash().to_owned(),
            epoch: self.epoch,
            open: self.found.is_some(),
            frozen: self.autoscaler.is_some_and(|it| it.frozen),
        }
    }
}
