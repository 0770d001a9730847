//! How a program that embeds the crates is tested without a cluster: its own switch against the
//! conformance suite, its policy on the cluster in memory, with faults, and with mocks.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails panics")]

mod arguments;
mod faults;
mod mocks;
mod release;
mod switch;
mod world;
