//! Blue-green releases on Kubernetes.

mod cluster;
mod config_map;
mod deployment;
mod error;
mod event;
mod lease;
mod names;
mod pod;
mod rights;
mod service;
#[cfg(any(test, feature = "stand-in"))]
pub mod stand_in;
mod watching;

pub use names::{FIELD_MANAGER, PREFIX, Purpose, Settings, lease_name};
