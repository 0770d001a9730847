//! The state machine of one release: pure, stored, and the same after a crash.
//!
//! ```text
//! Preflight ─> Deploying ─> RollingOut ─> WarmingUp ─> Validating ─> AwaitingApproval
//!     |            |            |             |            |               |
//!     v            |            |             |            |    .----------'
//! Done(Refused)    |            |             |            |    v
//!                  |            |             |            |  Shifting <─> Holding  (per step)
//!                  |            |             |            |    |  |          |
//!                  |            |             |            |    |  `─> Baking ─> Draining ─> Retiring
//!                  |            |             |            |    |         |         |           |
//!                  |            |             |            |    `────┬────┴─────────'           v
//!                  |            |             |            |         v                   Done(Released,
//!                  `────────────┴─────────────┴────────────┤     Returning               Concluded)
//!                                                          v         |
//!                                                    KeepingFailed <─'
//!                                                          |
//!                                                          v
//!                                                      Restoring ─> Done(RolledBack, Concluded)
//! ```
//!
//! [`Record::next`] says what to do, from the record alone; [`Record::apply`] says what the record
//! is after something has happened. Neither waits, reads a clock or performs anything: time comes
//! in with the events. Phases that the plan lacks are skipped inside `apply`. What comes to a step
//! during a freeze waits in `Frozen` before it is `Shifting`, and goes back from there as from where
//! it came. A hook of the plan is a `RunningHook` right before what it is to be done before. A member
//! of a group is `AwaitingGroup` before its first `Shifting`, and again when its bake is over.

mod drift;
mod effect;
mod event;
mod freeze;
mod group;
mod holding;
mod hooks;
mod outcome;
mod phase;
mod record;
mod transition;

pub use drift::{Drift, Drifted};
pub use effect::{Effect, Next, Wait};
pub use event::{Event, EventKind, IllegalEvent, Look};
pub(crate) use group::no_word;
pub use group::{GroupWord, Membership};
pub use hooks::HookResult;
pub use outcome::{Outcome, Reason, Stuck};
pub use phase::{Phase, PhaseName};
pub use record::{Document, Entry, Envelope, FORMAT, Foundation, Paused, Record, Started, Undo};
