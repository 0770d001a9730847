//! Guards on numbers in memory: what they come to, what they refuse to believe, and whole releases.

#![allow(clippy::unwrap_used, reason = "clippy takes only the test functions themselves for tests")]

mod combined;
mod conformance;
mod doubt;
mod observed;
mod releases;
mod time;
mod verdicts;
mod world;
