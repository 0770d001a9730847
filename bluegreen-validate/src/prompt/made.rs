//! A suite made ready, and everything that is wrong with it.

use std::fmt;

use bluegreen_core::Problem;

use super::prepare::{self, Prepared};
use super::suite::Suite;
use crate::document::Step;

/// What [`prepare::prepare`] makes of a suite.
pub(super) struct Made {
    /// Nothing where a problem refuses it.
    pub(super) prepared: Option<Prepared>,
    pub(super) problems: Vec<Problem>,
}

impl Made {
    pub(super) fn of(suite: &Suite) -> Self {
        let (prepared, problems) = prepare::prepare(suite, &<[Step]>::to_vec);
        let problems = problems.into_iter().map(|(_, problem)| problem).collect();
        Self { prepared, problems }
    }
}

/// What is prepared has headers with secrets in it.
impl fmt::Debug for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Made").field("problems", &self.problems).finish_non_exhaustive()
    }
}
