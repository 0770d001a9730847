//! The promises of every validator.

use std::sync::Arc;

use bluegreen_core::conformance::validator::ValidatorFixture;
use bluegreen_validate::{Experiment, Exposures};

use crate::world::{at, config, converse, trial_at};

bluegreen_core::validator_conformance_tests!(experiment: async || {
    // A day apart: one recorder for each, as each serves one experiment.
    const DAY: u64 = 86_400;
    let exposures = Exposures::new();
    converse(&exposures, at(DAY), (3600, 3), [80, 70]);
    converse(&exposures, at(3 * DAY), (3600, 3), [60, 70]);
    let mut other = config();
    other.primary.margin = 0.03;
    ValidatorFixture {
        validator: Arc::new(Experiment::new(config(), exposures.clone())),
        other: Arc::new(Experiment::new(other, exposures)),
        good: trial_at(at(DAY)),
        bad: trial_at(at(3 * DAY)),
        unreachable: trial_at(at(5 * DAY)),
        guard: Box::new(()),
    }
});
