//! What `docs/security.md` says, checked without a cluster: the table of rights against the Role that we
//! ship and against preflight, and that no secret comes out anywhere.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod operator;
mod role;
mod secrets;
