//! Means of whatever has a variance: latencies, costs, tokens, scores.

use serde::{Deserialize, Serialize};

use super::{Mixture, Normal, Sides};

/// The effective number of units at which the tests of means are sharpest.
const BEST: f64 = 500.0;

/// The ρ of an asymptotic confidence sequence that is narrowest at `best` units.
///
/// Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, *Time-uniform central limit theory and asymptotic
/// confidence sequences*, Annals of Statistics 52(6), 2024.
pub fn asymptotic_rho(best: f64, alpha: f64) -> f64 {
    let log = -2.0 * alpha.ln();
    ((log + (log + 1.0).ln()) / best).sqrt()
}

/// Half of the width, after `n` units with the standard deviation `deviation`, of a confidence sequence
/// that covers their mean at all times from some number of units on; the same paper.
///
/// ```
/// use bluegreen_validate::sequential::{asymptotic_half_width, asymptotic_rho};
///
/// let rho = asymptotic_rho(5000.0, 0.05);
/// assert!((asymptotic_half_width(5000.0, 1.0, 0.05, rho) - 0.042_924_337_19).abs() < 1e-11);
/// ```
pub fn asymptotic_half_width(n: f64, deviation: f64, alpha: f64, rho: f64) -> f64 {
    let grown = n * rho * rho + 1.0;
    deviation * (2.0 * grown / (n * n * rho * rho) * (grown.sqrt() / alpha).ln()).sqrt()
}

/// How many units there were, the sum of their values and the sum of the squares of these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Moments {
    /// How many.
    pub count: f64,
    /// Their sum.
    pub sum: f64,
    /// The sum of their squares.
    pub squares: f64,
}

impl Moments {
    /// From sums.
    pub const fn new(count: f64, sum: f64, squares: f64) -> Self {
        Self { count, sum, squares }
    }

    /// Adds one unit.
    pub fn record(&mut self, value: f64) {
        self.add(Self::new(1.0, value, value * value));
    }

    /// Adds other units.
    pub fn add(&mut self, other: Self) {
        self.count += other.count;
        self.sum += other.sum;
        self.squares += other.squares;
    }

    /// Their mean; NaN for none.
    pub fn mean(&self) -> f64 {
        self.sum / self.count
    }

    /// The variance of one unit; NaN for fewer than two, and where sums are not finite. Values that are all
    /// the same have next to none, but not nothing: whoever divides by it gets a large number and no
    /// infinite one.
    pub fn variance(&self) -> f64 {
        // Above all numbers there is no difference, and the larger of NaN and a floor would be the floor.
        let is_known = self.count >= 2.0 && self.sum.is_finite() && self.squares.is_finite();
        if !is_known {
            return f64::NAN;
        }
        let mean = self.mean();
        let floor = (mean.abs() * 1e-9).max(f64::MIN_POSITIVE.sqrt()).powi(2);
        ((self.squares - self.sum * mean) / (self.count - 1.0)).max(floor)
    }

    /// Whether their values differ by more than what the rounding of so many sums may explain. Where they do
    /// not, nothing is known of how they vary.
    pub(crate) fn varies(&self) -> bool {
        let rounding = 4.0 * self.count * f64::EPSILON * self.squares;
        self.squares - self.sum * self.mean() > rounding
    }

    /// The variance of their mean.
    pub fn variance_of_mean(&self) -> f64 {
        self.variance() / self.count
    }
}

/// A one-sided e-process against "the candidate's mean is no higher than live's", for large numbers of
/// units. Stretches with other shares multiply.
///
/// It is asymptotic: it rests on means that are nearly normal, which a hundred units of most metrics
/// have, and a hundred of a metric with one huge value in a thousand do not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeanTest {
    before: f64,
    candidate: Moments,
    live: Moments,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    against: Option<f64>,
}

impl MeanTest {
    /// Without data.
    pub fn new() -> Self {
        Self::default()
    }

    /// Folds in units of the candidate and of live.
    pub fn fold(&mut self, candidate: Moments, live: Moments) {
        self.candidate.add(candidate);
        self.live.add(live);
    }

    /// What the current stretch has: the candidate's units and live's.
    pub fn stretch(&self) -> (Moments, Moments) {
        (self.candidate, self.live)
    }

    /// Begins another stretch: what follows is not mixed with what came before.
    pub fn next_stretch(&mut self) {
        *self = Self { before: self.log_e(), ..Self::default() };
    }

    /// Begins a stretch in which only the candidate has traffic, against a mean that live certainly does
    /// not exceed: the upper end of a confidence sequence, whose error adds to that of the test.
    pub fn next_stretch_against(&mut self, live: f64) {
        self.next_stretch();
        self.against = Some(live);
    }

    /// The mean that the stretch is compared with, if that is not live's in the same stretch.
    pub fn against(&self) -> Option<f64> {
        self.against
    }

    /// The logarithm of the e-value.
    pub fn log_e(&self) -> f64 {
        let (candidate, live) = (&self.candidate, &self.live);
        let log = if let Some(known) = self.against {
            let deviation = candidate.variance_of_mean().sqrt();
            log_e(candidate.mean() - known, deviation, candidate.count)
        } else {
            let variance = candidate.variance_of_mean() + live.variance_of_mean();
            let effective = effective(candidate.count, live.count);
            log_e(candidate.mean() - live.mean(), variance.sqrt(), effective)
        };
        self.before + log
    }
}

/// As many pairs of units as there would have to be for the same precision.
pub(crate) fn effective(candidate: f64, live: f64) -> f64 {
    candidate * live / (candidate + live)
}

/// Evidence that a difference is above zero; none where it can't be told.
fn log_e(difference: f64, deviation: f64, effective: f64) -> f64 {
    let s = difference / deviation * effective.sqrt();
    let log = Normal::new(BEST, 0.05, Sides::One).log_e(s, effective);
    if log.is_nan() { 0.0 } else { log.max(-700.0) }
}

/// What an estimate with this deviation misses upwards, or downwards, at any look with a probability of
/// at most `alpha`.
pub(crate) fn margin_of_error(deviation: f64, effective: f64, alpha: f64) -> f64 {
    Normal::new(BEST, alpha, Sides::One).bound(effective, alpha) / effective.sqrt() * deviation
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "these values are exact")]
mod tests {
    use super::super::assert_close;
    use super::*;

    #[test]
    fn it_has_the_reference_values() {
        let rho = asymptotic_rho(5000.0, 0.05);
        assert_close(rho, 0.039_840_066_77, 1e-11);
        assert_close(asymptotic_half_width(5000.0, 1.0, 0.05, rho), 0.042_924_337_19, 1e-11);
        assert_close(asymptotic_half_width(1000.0, 1.0, 0.05, rho), 0.106_375_470_07, 1e-11);
    }

    /// The confidence sequence of the paper is the two-sided normal mixture with ρ turned over.
    #[test]
    fn the_paper_and_the_mixture_are_the_same() {
        let rho = asymptotic_rho(5000.0, 0.05);
        let mixture = Normal::new(5000.0, 0.05, Sides::Two);
        let half = asymptotic_half_width(1234.0, 1.0, 0.05, rho);
        assert_close(mixture.bound(1234.0, 0.05) / 1234.0, half, 1e-12);
    }

    fn spread(count: f64, mean: f64) -> Moments {
        Moments::new(count, count * mean, count * (mean * mean + 1.0))
    }

    #[test]
    fn a_higher_mean_is_evidence_and_a_lower_one_is_not() {
        let mut test = MeanTest::new();
        assert_eq!(test.log_e(), 0.0);
        test.fold(spread(1000.0, 10.3), spread(1000.0, 10.0));
        assert!(test.log_e() > 10.0, "{}", test.log_e());
        let mut test = MeanTest::new();
        test.fold(spread(1000.0, 9.7), spread(1000.0, 10.0));
        assert!(test.log_e() < -1.0, "{}", test.log_e());
    }

    #[test]
    fn stretches_multiply_and_do_not_mix() {
        let mut test = MeanTest::new();
        // Both get slower in the second stretch, where the candidate has most of the traffic.
        test.fold(spread(100.0, 10.0), spread(1900.0, 10.0));
        test.next_stretch();
        test.fold(spread(1900.0, 20.0), spread(100.0, 20.0));
        assert!(test.log_e() < 0.5, "{}", test.log_e());
    }

    #[test]
    fn a_known_mean_takes_the_place_of_live() {
        let mut test = MeanTest::new();
        test.next_stretch_against(10.0);
        test.fold(spread(1000.0, 10.3), Moments::default());
        assert!(test.log_e() > 20.0, "{}", test.log_e());
        assert_eq!(test.against(), Some(10.0));
        let stored = serde_json::to_string(&test).unwrap();
        assert_eq!(serde_json::from_str::<MeanTest>(&stored).unwrap(), test);
    }

    #[test]
    fn the_rounding_of_sums_is_no_variance() {
        for value in [0.0, 0.1, -1e-9, 3.7, 1e9, 1e140] {
            let mut same = Moments::default();
            for _ in 0..10_000 {
                same.record(value);
                assert!(!same.varies(), "{value}: {same:?}");
            }
            same.record(0.9 * value + 0.1);
            assert!(same.varies() || value == 1e140, "{value}: {same:?}");
        }
        assert!(!Moments::default().varies());
        assert!(!Moments::new(2.0, f64::NAN, 1.0).varies());
    }

    #[test]
    fn values_that_are_all_the_same_can_be_told_apart() {
        let same = |value: f64| Moments::new(100.0, 100.0 * value, 100.0 * value * value);
        let mut test = MeanTest::new();
        test.fold(same(6.0), same(5.0));
        assert!(test.log_e() > 100.0 && test.log_e().is_finite());
        let mut test = MeanTest::new();
        test.fold(same(5.0), same(5.0));
        assert!(test.log_e() < 3.0);
    }
}
