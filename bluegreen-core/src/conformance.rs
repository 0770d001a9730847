//! What every implementation of a trait has to pass, whoever wrote it.
//!
//! Each bullet of a trait's contract is one function here, of the same name, that panics when the
//! promise is broken. One macro for each trait makes a test of every promise from one line:
//!
//! ```text
//! // Cargo.toml: [dev-dependencies]
//! // bluegreen-core = { version = "…", features = ["conformance"] }
//! // tokio = { version = "1", features = ["macros", "rt"] }
//!
//! bluegreen_core::store_conformance_tests!(async || MyStore::connect().await);
//! // test store::refuses_a_stale_writer ... ok
//! ```
//!
//! The async closure makes a **fresh** world for every test; what it has to provide is said on
//! the fixture of the trait. A name tells several worlds in one file apart, and attributes go to
//! every test:
//!
//! ```text
//! bluegreen_core::slot_conformance_tests! {
//!     #[ignore = "needs a cluster"]
//!     deployment_slot: async || fixture_in_a_new_namespace().await
//! }
//! ```
//!
//! What an implementation can't do is asked from the trait itself
//! ([`capabilities`](crate::SwitchStrategy::capabilities)); nothing else is left out. No check
//! sleeps unless time itself is what it checks. Every wait ends in a panic after
//! [`patience`]. Some checks let go of a call before it has ended, as callers do.

#![allow(clippy::missing_panics_doc, reason = "a check that fails panics")]

use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use crate::{ErrorKind, Result};

pub mod approver;
pub mod client;
pub mod clock;
pub mod hooks;
pub mod liveness;
pub mod load;
mod macros;
pub mod metrics;
pub mod slot;
pub mod store;
pub mod switch;
pub mod validator;

/// How long a check waits for anything, unless the variable named by [`PATIENCE_VAR`] says
/// otherwise: real clusters are slow.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// The environment variable with the number of seconds that a check waits instead.
pub const PATIENCE_VAR: &str = "BLUEGREEN_CONFORMANCE_SECONDS";

/// How long a check waits for anything.
pub fn patience() -> Duration {
    let seconds = std::env::var(PATIENCE_VAR).ok().and_then(|text| text.parse().ok());
    seconds.map_or(PATIENCE, Duration::from_secs)
}

/// Something that a check does to the world; see [`deed`].
pub type Deed = Box<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// Makes a deed for a fixture of a closure that returns a future.
pub fn deed<F, D>(deed: F) -> Deed
where
    F: Fn() -> D + Send + Sync + 'static,
    D: Future<Output = ()> + Send + 'static,
{
    Box::new(move || Box::pin(deed()))
}

/// Whatever must live as long as a fixture: a namespace that is deleted when this is dropped.
pub type Guard = Box<dyn std::any::Any + Send + Sync>;

/// The value of a call that has to succeed.
#[track_caller]
fn must<T>(what: &str, result: Result<T>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{what} has to succeed: {}", error.chain()),
    }
}

/// Sees that a call fails in a certain way.
#[track_caller]
fn must_fail<T: fmt::Debug>(what: &str, kind: ErrorKind, result: Result<T>) -> String {
    match result {
        Ok(value) => panic!("{what} has to fail with {kind:?}: it gave {value:?}"),
        Err(error) => {
            assert_eq!(error.kind(), kind, "{what} fails with another kind: {}", error.chain());
            error.chain()
        }
    }
}

/// The value of something that has to end.
async fn within<T>(what: &str, wait: impl Future<Output = T>) -> T {
    let patience = patience();
    let Ok(value) = tokio::time::timeout(patience, wait).await else {
        panic!("{what} did not end within {patience:?}");
    };
    value
}

/// Lets something run for a few turns and lets go of it. Its value, if it came to one.
async fn for_a_moment<T>(wait: impl Future<Output = T>) -> Option<T> {
    let mut wait = pin!(wait);
    for _ in 0..20 {
        let turn = std::future::poll_fn(|context| Poll::Ready(wait.as_mut().poll(context))).await;
        if let Poll::Ready(value) = turn {
            return Some(value);
        }
        tokio::task::yield_now().await;
    }
    None
}

#[cfg(test)]
mod tests;
