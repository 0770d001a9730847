//! Stopping when the verdict is decided.

use bluegreen_core::Verdict;
use serde::{Deserialize, Serialize};

use super::{CaseOutcomes, Rules};

/// What is decided before all cases have been run.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Curtailed {
    /// The verdict is this one, whatever the attempts come to that are missing.
    Verdict(Verdict),
    /// It cannot become a pass any more. Whether it would be a fail or inconclusive is open.
    NeverPass,
}

/// What is decided already, given what has been run; `None` while a pass is possible and not sure.
pub fn curtail(_rules: &Rules, _planned: usize, _outcomes: &[CaseOutcomes]) -> Option<Curtailed> {
    None
}
