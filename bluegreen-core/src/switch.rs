//! The mechanism that makes a routing true, and how it is known that traffic follows.

use std::fmt;

use async_trait::async_trait;

use crate::{Color, Epoch, Problem, Result};

mod evidence;
mod pin;
mod routing;

pub use evidence::{Evidence, EvidenceKind, Vantage};
pub use pin::Pin;
pub use routing::{Mirror, Routing, Share};

/// Moves traffic between the slots.
///
/// # Contract
/// Every method is idempotent, because a release that resumes after a crash calls it again.
///
/// * `reads_back_what_was_shifted`.
/// * `shifting_twice_is_shifting_once`.
/// * `goes_both_ways`: from either color to the other and back.
/// * `refuses_a_routing_beyond_its_capabilities` with [`Rejected`](crate::ErrorKind::Rejected),
///   before anything is written; [`check`](Self::check) reports the same as problems.
/// * `refuses_a_stale_epoch`: after [`fence`](Self::fence) of a higher epoch a shift with a lower
///   one is a [`Conflict`](crate::ErrorKind::Conflict) and changes nothing.
/// * `refuses_a_shift_from_elsewhere`: when the routing is not `from` (nor already `to`), a
///   shift is a [`Conflict`](crate::ErrorKind::Conflict), not an overwrite.
/// * `fencing_changes_no_routing`.
/// * `converges_on_what_was_shifted`: after a shift [`converge`](Self::converge) gives evidence.
/// * `watching_sees_a_shift`: [`watch`](Self::watch) returns once the routing differs from the one
///   that it was given.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait SwitchStrategy: Send + Sync {
    /// What progress and errors call it: `"service-selector"`.
    fn name(&self) -> &str;

    /// Which routings it can make.
    fn capabilities(&self) -> Capabilities;

    /// Everything that stands in the way of `routings`, and of the way back from each of them.
    /// Reads only; the writes themselves are tried without effect where that is possible.
    async fn check(&self, routings: &[Routing], evidence: &EvidenceKind) -> Result<Vec<Problem>>;

    /// Stamps `epoch` on everything that a shift writes. Never skipped as a no-op.
    ///
    /// # Errors
    /// [`Conflict`](crate::ErrorKind::Conflict) when a higher epoch is already there.
    async fn fence(&self, epoch: Epoch) -> Result<()>;

    /// How traffic is routed now, read from where it is routed and not from a cache.
    async fn observe(&self) -> Result<Observed>;

    /// Makes ready what a later shift to `candidate` needs (a preview Service, say), without
    /// touching traffic.
    async fn prepare(&self, candidate: Color, epoch: Epoch) -> Result<()>;

    /// Returns once the routing layer knows the pods with the identities `pods` of `candidate`,
    /// so that a shift to them cannot go to an empty set.
    ///
    /// # Cancel safety
    /// Only waits. The caller bounds it with a timeout.
    async fn await_known(&self, candidate: Color, pods: &[String]) -> Result<()>;

    /// Makes the routing `to`, by writes that each test that it still is `from` and that no
    /// higher epoch was stamped. Only writes: [`converge`](Self::converge) waits.
    ///
    /// # Errors
    /// [`Conflict`](crate::ErrorKind::Conflict) when somebody else moved it;
    /// [`Unknown`](crate::ErrorKind::Unknown) when an answer was lost: [`observe`](Self::observe)
    /// before deciding.
    async fn shift(&self, from: &Routing, to: &Routing, epoch: Epoch) -> Result<()>;

    /// Returns once there is evidence of the wanted kind that traffic follows `to`.
    ///
    /// # Cancel safety
    /// Only waits. The caller bounds it with a timeout.
    async fn converge(&self, to: &Routing, evidence: &EvidenceKind) -> Result<Evidence>;

    /// Returns once the routing differs from `known`, with the new one.
    ///
    /// # Cancel safety
    /// Only waits; compares states, not events.
    async fn watch(&self, known: &Observed) -> Result<Observed>;

    /// Who else last wrote to what a shift writes, by a name that people know (of a field manager,
    /// say); `None` where nobody has, or nobody can tell.
    async fn author(&self) -> Result<Option<String>>;
}

/// Which routings a strategy can make.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Capabilities {
    /// Shares between nothing and everything.
    pub weighted: bool,
    /// Requests with a certain header or cookie go to a slot of their choice.
    pub pins: bool,
    /// A copy of the traffic goes to the candidate, whose answers are thrown away.
    pub mirror: bool,
}

impl Capabilities {
    /// All or nothing.
    pub const SWITCH_ONLY: Self = Self { weighted: false, pins: false, mirror: false };

    /// Every routing.
    pub const ALL: Self = Self { weighted: true, pins: true, mirror: true };

    /// What `routing` needs and this strategy lacks, in words.
    pub fn lacks(self, routing: &Routing) -> Vec<&'static str> {
        let mut lacks = Vec::new();
        if !self.weighted && !routing.is_whole() {
            lacks.push("shares between 0 and 100 %");
        }
        if !self.pins && !routing.pins.is_empty() {
            lacks.push("pins by header or cookie");
        }
        if !self.mirror && routing.mirror.is_some() {
            lacks.push("mirrored traffic");
        }
        lacks
    }
}

/// How traffic is routed, as read from where it is routed.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Observed {
    /// The routing, or what else was found there.
    pub state: ObservedState,
    /// The highest fencing number stamped on what a shift writes.
    pub epoch: Epoch,
}

/// A routing, or what else was found in its place.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ObservedState {
    /// Everything agrees.
    Routed(Routing),
    /// A state that the strategy itself passes through between two routings.
    Between {
        /// What is true of a part of it.
        from: Routing,
        /// What is true of the rest.
        to: Routing,
    },
    /// Nothing that the strategy knows. The text says what was found.
    Foreign(String),
}

impl fmt::Display for ObservedState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Routed(routing) => routing.fmt(f),
            Self::Between { from, to } => write!(f, "something between {from} and {to}"),
            Self::Foreign(found) => f.write_str(found),
        }
    }
}

impl Observed {
    /// A routing on which everything agrees.
    pub fn routed(routing: Routing, epoch: Epoch) -> Self {
        Self { state: ObservedState::Routed(routing), epoch }
    }

    /// Something else.
    pub fn new(state: ObservedState, epoch: Epoch) -> Self {
        Self { state, epoch }
    }

    /// The routing, if everything agrees on one.
    pub fn routing(&self) -> Option<&Routing> {
        match &self.state {
            ObservedState::Routed(routing) => Some(routing),
            ObservedState::Between { .. } | ObservedState::Foreign(_) => None,
        }
    }
}
