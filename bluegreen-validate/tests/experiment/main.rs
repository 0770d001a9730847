//! Experiments on outcomes in memory: what they come to, what they refuse to believe, and whole releases.

#![allow(clippy::unwrap_used, reason = "clippy takes only the test functions themselves for tests")]

mod conformance;
mod doubt;
mod releases;
mod restart;
mod world;
