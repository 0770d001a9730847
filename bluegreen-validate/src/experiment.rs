//! Experiments: which of two versions is better for those who use it, by outcomes that come hours later?
//!
//! * [`Exposures`] is told which conversation or user saw which version, and later what came of it. Where
//!   several processes serve, [`Outcomes`] is implemented on the store that they write to.
//! * [`Experiment`] is a guard that asks for the outcomes at each look. It decides a plan's step that is held
//!   `until: decided`, as [`ExperimentConfig`] says.
//! * A [`Conclusion`] is how it ended, and the effect and its bounds hold at all looks at once.
//!
//! Who gets which version is [`bluegreen_core::Assignment`]'s to say, or the router's.

mod check;
mod config;
mod decide;
mod effect;
mod exposures;
mod judge;
mod memory;
mod ratio;
mod render;
mod tally;
mod validator;

pub use config::{ExperimentConfig, Horizon, Kind, Missing, OutcomeConfig, Unit};
pub use decide::{Conclusion, Void};
pub use effect::Effect;
pub use exposures::{Exposed, ExposureCounts, Exposures, Noted};
#[cfg(feature = "report")]
pub(crate) use memory::{Memory, Side};
#[cfg(feature = "report")]
pub(crate) use render::{amount, level};
pub use tally::{Arm, ArmTally, Asked, Cohort, Outcomes, Tally};
pub use validator::Experiment;
