//! Work in hand as agents and proxies count it, over real connections to servers on loopback, and
//! in memory.

#![allow(clippy::unwrap_used, reason = "clippy takes only the test functions themselves for tests")]

mod client;
mod envoy;
mod hostile;
mod pods;
mod server;

/// Where the gauge of the agents here is.
const GAUGE: &str = "agent_inflight_requests";
