//! Every trait in memory, for tests and for trying things out without a cluster.
//!
//! One [`MemoryCluster`] is the world: two slots with pods, one routing, one store, one table of
//! leases. [`MemoryCluster::ports`] gives one driver process its way into it, so that two drivers
//! of one cluster meet the same pods, records and epochs. Everything behaves as the traits
//! promise (the suites in `conformance` run against it), and the world can be made to misbehave:
//! pods die ([`MemoryCluster::kill`]), images can't be pulled ([`ScriptedRunner`]), somebody moves
//! traffic by hand ([`MemoryCluster::move_routing`]). [`Faults::around`] makes the calls themselves
//! fail, hang, or lose their answers.
//!
//! With [`TokioClock`], paused time of tokio moves the wall clock too, so that a bake of half an
//! hour is tested in no time:
//!
//! ```
//! # use bluegreen_core::{Clock, Configuration, Container, Color, Slot};
//! # use bluegreen_core::memory::MemoryCluster;
//! # use std::collections::BTreeMap;
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> bluegreen_core::Result<()> {
//! let agent = Container::new("registry.example.com/agent-service:1.2.0");
//! let live = Configuration::new(BTreeMap::from([("agent".to_owned(), agent)]));
//! let cluster = MemoryCluster::new("agent-service", live);
//! let state = cluster.slot(Color::Blue).state().await?;
//! assert_eq!(state.replicas.ready, 2);
//! # Ok(()) }
//! ```

use std::sync::{Mutex, MutexGuard, PoisonError};

mod approver;
mod builder;
mod changes;
mod client;
mod clock;
mod cluster;
mod faulty;
mod hook_runner;
mod hooks;
mod liveness;
mod load;
mod metrics;
mod pods;
mod sight;
mod slot;
mod store;
mod switch;
mod world;

pub use approver::MemoryApprover;
pub use builder::MemoryClusterBuilder;
pub use client::{Asked, MemoryClient, endless, pieces};
pub use clock::TokioClock;
pub use cluster::MemoryCluster;
pub use faulty::{Call, Director, Fault, Faults, Faulty, Odds};
pub use hook_runner::{HookScript, MemoryHooks};
pub use liveness::{MemoryLeases, MemoryLiveness};
pub use load::MemoryLoad;
pub use metrics::MemoryMetrics;
pub use pods::{InstantRunner, PodRunner, PodSpec, Script, ScriptedRunner};
pub use sight::{Sight, SlotSight};
pub use slot::MemorySlot;
pub use store::MemoryStore;
pub use switch::MemorySwitch;
pub use world::Autoscaler;

/// A value that a panicking test left behind is still a value.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
