//! The statistics by themselves, for those who want to compute a verdict again or judge by rules
//! of their own.
//!
//! Differences are idle minus live, intervals are two-sided with a level such as 0.95, and p
//! values are one-sided unless they say otherwise. Nothing here panics; what cannot be computed
//! (no cases, a level of 2) is the widest interval or NaN, which compares as false with every
//! alpha and so passes nothing.

mod adjust;
mod bootstrap;
pub(super) mod distribution;
pub(super) mod exact;
mod mcnemar;
mod means;
mod passes;
mod proportion;
mod restricted;
mod sample_size;
mod table;
mod tango;
#[cfg(test)]
mod vectors;

pub use adjust::{benjamini_hochberg, holm};
pub use bootstrap::{bca, percentile, sign_flip};
pub use mcnemar::{McNemar, mcnemar_power};
pub(super) use means::means_of;
pub use means::{Means, means};
pub use passes::{pass_all, pass_any};
pub use proportion::{clopper_pearson, newcombe, wilson};
pub use restricted::Sums;
pub use sample_size::{cases_for, cases_for_gate};
pub use table::Table;
pub use tango::{tango, tango_statistic};
