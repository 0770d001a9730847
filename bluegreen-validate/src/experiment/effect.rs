//! How much better the candidate is, and between what bounds at all looks at once.

use serde::{Deserialize, Serialize};

use super::{Kind, OutcomeConfig};
use crate::guard::Better;
use crate::sequential::{Mixture, Moments, Normal, Sides, effective};

/// How many units of each arm have an outcome, their means, and by how much the candidate's is higher.
///
/// `lower` and `upper` are a confidence sequence: the true difference lies between them at all looks at
/// once, but for a probability of α.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Effect {
    /// Units of the candidate with an outcome.
    pub candidate_units: u64,
    /// Units of live with an outcome.
    pub live_units: u64,
    /// The mean of the candidate's outcomes; of a rate, the rate.
    pub candidate: f64,
    /// The mean of live's.
    pub live: f64,
    /// The candidate's less live's.
    pub difference: f64,
    /// At least so much.
    pub lower: f64,
    /// At most so much.
    pub upper: f64,
}

/// What is known of a difference, turned so that more is better for the candidate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Gain {
    pub(super) lower: f64,
    pub(super) upper: f64,
}

impl Effect {
    /// The difference of an outcome between arms with these moments, at the level `alpha`; narrowest at
    /// about `best` effective units. `None` with fewer than two units of an arm, where anything is no finite
    /// number, and for a mean of values of an arm that are all the same: how others would vary is not known.
    ///
    /// The asymptotic confidence sequence of Waudby-Smith and others (see
    /// [`asymptotic_half_width`](crate::sequential::asymptotic_half_width)). Of rates, two hits and two
    /// misses more are assumed for the variance (Agresti and Coull): without them no event among a hundred
    /// units would be certainty.
    pub(super) fn of(
        outcome: &OutcomeConfig,
        [candidate, live]: [&Moments; 2],
        alpha: f64,
        best: f64,
    ) -> Option<Self> {
        let deviation = (spread(outcome.kind, candidate) / candidate.count
            + spread(outcome.kind, live) / live.count)
            .sqrt();
        let pairs = effective(candidate.count, live.count);
        let miss =
            Normal::new(best, alpha, Sides::Two).bound(pairs, alpha) / pairs.sqrt() * deviation;
        let difference = candidate.mean() - live.mean();
        let is_known =
            |arm: &Moments| arm.count >= 2.0 && (outcome.kind == Kind::Rate || arm.varies());
        let are_known = is_known(candidate) && is_known(live);
        (are_known && miss.is_finite() && difference.is_finite()).then(|| Self {
            candidate_units: whole(candidate.count),
            live_units: whole(live.count),
            candidate: candidate.mean(),
            live: live.mean(),
            difference,
            lower: difference - miss,
            upper: difference + miss,
        })
    }

    pub(super) fn gain(&self, better: Better) -> Gain {
        match better {
            Better::Higher => Gain { lower: self.lower, upper: self.upper },
            Better::Lower => Gain { lower: -self.upper, upper: -self.lower },
        }
    }

    /// Whether each arm has so many units.
    pub(super) fn has(&self, units: u64) -> bool {
        self.candidate_units.min(self.live_units) >= units
    }
}

/// The variance of one unit.
fn spread(kind: Kind, moments: &Moments) -> f64 {
    match kind {
        Kind::Rate => {
            let rate = (moments.sum + 2.0) / (moments.count + 4.0);
            rate * (1.0 - rate)
        }
        Kind::Mean => moments.variance(),
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts are whole, and beyond 2^53 there is no last digit"
)]
fn whole(count: f64) -> u64 {
    count as u64
}

#[cfg(test)]
mod tests;
