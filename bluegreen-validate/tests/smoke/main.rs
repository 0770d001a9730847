//! Smoke tests against real HTTP servers on loopback, some of them hostile, and against scripted
//! answers where time must be exact.

#![allow(clippy::unwrap_used, reason = "clippy takes only the test functions themselves for tests")]

mod answers;
mod conformance;
mod expectations;
mod files;
mod hostile;
mod latency;
mod loopback;
mod reach;
mod scripted;
mod server;
mod streaming;
mod world;
