//! Sources of metrics: what the program observes itself, the pods, and a Prometheus, over real
//! connections to servers on loopback.

#![allow(clippy::unwrap_used, reason = "clippy takes only the test functions themselves for tests")]

mod exposing;
mod observations;
mod pods;
mod prometheus;
mod real;
mod server;
mod store;
