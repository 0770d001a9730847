#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod answers;
mod approver;
mod autoscaler;
mod canary;
mod cluster;
mod config_map;
mod deployment;
mod error;
mod event;
#[cfg(test)]
mod fixtures;
mod fleet;
mod hooks;
mod ingress;
mod json_patch;
mod lease;
mod listing;
mod names;
mod owners;
mod pod;
mod ports;
mod printable;
mod queue;
mod reach;
mod remembered;
mod rights;
mod route;
mod selector;
mod service;
mod shared;
mod slices;
mod slot_service;
mod slotless;
mod stamp;
#[cfg(any(test, feature = "stand-in"))]
pub mod stand_in;
mod trial;
mod version;
mod watching;
mod wire;

pub use approver::AnnotationApprover;
pub use canary::IngressCanary;
pub use cluster::{Adopt, AdoptError, Cluster, ClusterBuilder, ConnectError, Done};
pub use config_map::ConfigMapStore;
pub use deployment::DeploymentSlot;
pub use event::EventReporter;
pub use fleet::Fleet;
pub use hooks::JobHooks;
pub use ingress::IngressSwitch;
pub use lease::LeaseLiveness;
pub use names::{FIELD_MANAGER, PREFIX, Purpose, Settings, lease_name};
pub use pod::{PodClient, Route};
pub use queue::QueueSwitch;
pub use route::RouteWeights;
pub use service::ServiceSwitch;
pub use version::VersionSource;
