//! What releases tell, sent over real connections to servers on loopback.

#![allow(clippy::unwrap_used, reason = "clippy takes only the test functions themselves for tests")]

mod approvals;
mod receivers;
mod releases;
mod server;
mod world;
