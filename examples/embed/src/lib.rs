//! What `src/main.rs` is made of, in a library so that `tests/` can reach it without a cluster:
//! this project's policy, a switch of its own, and the way to the API server.

pub mod client;
mod policy;
mod switch;

pub use policy::{Command, carry_out, exit_code, plan, releaser};
pub use switch::FileSwitch;
