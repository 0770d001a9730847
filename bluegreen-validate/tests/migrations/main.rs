//! Migrations: what each rule names, what a review says, and what no text may do to it.

#![cfg(feature = "migrations")]
#![allow(clippy::unwrap_used, reason = "clippy takes only the test functions themselves for tests")]

mod acknowledgements;
mod conformance;
mod files;
mod golden;
mod hostile;
mod mysql;
mod postgres;
mod together;
mod world;
