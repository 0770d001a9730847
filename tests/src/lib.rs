//! What tests on a real cluster are made with: the [way](Access) to it, a [namespace](Namespace)
//! that goes away by itself, an [agent](Agent) to be released, [load](Load) on it, and a
//! [proxy](Proxy) that cuts a process off in the middle of its work.
//!
//! The cluster is the one of `tests/cluster`. Without it everything here panics: a test that
//! needs a cluster and finds none has failed.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "whatever fails here fails a test")]
#![allow(clippy::missing_panics_doc, reason = "everything here panics when it does not work")]

/// The example on the first screen of the project's README, so that it compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
#[derive(Debug)]
pub struct Readme;

/// The example of the guide to groups.
#[cfg(doctest)]
#[doc = include_str!("../../docs/groups.md")]
#[derive(Debug)]
pub struct Groups;

mod access;
mod agent;
mod ask;
mod counted;
mod front;
mod gateway;
mod keda;
mod kept;
mod load;
mod manifests;
mod metrics;
mod namespace;
mod outage;
mod program;
mod proxy;
mod queue;
mod release;
mod scaled;
mod yes;

pub use access::{Access, Carrier};
pub use agent::{ACCOUNT, Agent, INGRESS, ROUTE, SERVICE};
pub use ask::{ask, ask_with};
pub use counted::Calls;
pub use front::{NGINX, contour, define_contour, reachable, traefik};
pub use gateway::{Acceptor, define_gateway_api, gateway_api};
pub use keda::{define_keda, keda, scaled_object, scaled_objects};
pub use kept::{Begun, Kept, is_unsent};
pub use load::{Load, Tally, version_at};
pub use manifests::{CANARY, Manifests, WARM, cron_job, define_nginx, image, ingress, route};
pub use metrics::ExternalMetrics;
pub use namespace::Namespace;
pub use outage::Outage;
pub use program::{example, folder, free_ports, log, program};
pub use proxy::{Cut, Proxy, Side, Written};
pub use queue::{QUEUE, Queue};
pub use release::{Release, baking, change, plan, reaches, reason, seconds};
pub use yes::Yes;
