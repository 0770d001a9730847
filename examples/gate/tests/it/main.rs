//! The program itself, against two small agents: one that is good, and one that got worse.

#![allow(clippy::unwrap_used, reason = "clippy takes only the test functions themselves for tests")]

mod agents;
mod cassette;
#[path = "../../examples/support-agent/desk.rs"]
mod desk;
mod ends;
mod interrupted;
mod judges;
mod migrations;
mod program;
mod secrets;
