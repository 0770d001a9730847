//! Releases on the real cluster of `tests/cluster`, each in a namespace of its own and under the
//! Role that we ship:
//!
//! ```console
//! $ tests/cluster/with -- cargo test -p bluegreen-tests --test cluster
//! ```

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod adopt;
mod after;
mod approvals;
mod autoscaling;
mod back;
mod bake;
mod conformance;
mod deadlock;
mod drain;
mod drift;
mod external;
mod fleet;
mod forward;
mod freeze;
mod groups;
mod hooks;
mod midway;
mod objects;
mod operator;
mod preflight;
mod prompts;
mod queue;
mod rights;
mod secrets;
mod takeover;
mod versions;
mod warm_up;
