//! The mean of scores between two bounds, without any assumption about how they are distributed.

use serde::{Deserialize, Serialize};

use super::{GammaExponential, Mixture};

/// A confidence sequence for the mean of values that lie between two bounds, score by score: exact at any
/// number of them, and narrow where they vary little (the *empirical Bernstein* one).
///
/// Howard, Ramdas, McAuliffe and Sekhon, Annals of Statistics 49(2), 2021, theorem 4.
///
/// ```
/// use bluegreen_validate::sequential::BoundedMean;
///
/// let mut score = BoundedMean::between(1.0, 5.0).unwrap();
/// for step in 0..1000 {
///     score.add(if step % 2 == 0 { 4.0 } else { 5.0 });
/// }
/// let (lower, upper) = score.bounds(0.05).unwrap();
/// assert!(4.3 < lower && lower < 4.5 && 4.5 < upper && upper < 4.7);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoundedMean {
    low: f64,
    high: f64,
    count: u64,
    /// Of values that are scaled to lie between 0 and 1.
    sum: f64,
    /// The sum of the squares of what each differed from the mean before it.
    variance: f64,
}

impl BoundedMean {
    /// Of values between `low` and `high`; `None` unless these are finite and in this order.
    pub fn between(low: f64, high: f64) -> Option<Self> {
        let valid = low.is_finite() && high.is_finite() && low < high;
        valid.then_some(Self { low, high, count: 0, sum: 0.0, variance: 0.0 })
    }

    /// Adds a value. `false`, and nothing is changed, if it does not lie between the bounds.
    pub fn add(&mut self, value: f64) -> bool {
        if !(self.low <= value && value <= self.high) {
            return false;
        }
        let scaled = (value - self.low) / (self.high - self.low);
        self.variance += (scaled - self.scaled_mean()).powi(2);
        self.sum += scaled;
        self.count += 1;
        true
    }

    /// How many values there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their mean; `None` for none.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.unscaled(self.scaled_mean()))
    }

    /// Between what the true mean lies, at all times at once, but for a probability of `alpha`. `None`
    /// without values, or if that is no probability.
    pub fn bounds(&self, alpha: f64) -> Option<(f64, f64)> {
        if self.count == 0 || !(0.0 < alpha && alpha < 1.0) {
            return None;
        }
        // Sharpest where a thousand scores have varied by a twentieth of the scale each.
        let mixture = GammaExponential::new(2.5, alpha / 2.0, 1.0);
        let radius = mixture.bound(self.variance.max(1e-9), alpha / 2.0) / self.number();
        let mean = self.scaled_mean();
        let bound = |scaled: f64| self.unscaled(scaled.clamp(0.0, 1.0));
        Some((bound(mean - radius), bound(mean + radius)))
    }

    /// Half before there is one: any guess would do that does not look ahead.
    fn scaled_mean(&self) -> f64 {
        if self.count == 0 { 0.5 } else { self.sum / self.number() }
    }

    fn unscaled(&self, scaled: f64) -> f64 {
        self.low + scaled * (self.high - self.low)
    }

    #[allow(clippy::cast_precision_loss, reason = "nobody adds 2^53 scores one by one")]
    fn number(&self) -> f64 {
        self.count as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_formula() {
        let mut mean = BoundedMean::between(0.0, 1.0).unwrap();
        for value in [0.2, 0.6, 0.4] {
            assert!(mean.add(value));
        }
        // (0.2 − 0.5)² + (0.6 − 0.2)² + (0.4 − 0.4)²
        let radius = GammaExponential::new(2.5, 0.025, 1.0).bound(0.25, 0.025) / 3.0;
        let (lower, upper) = mean.bounds(0.05).unwrap();
        assert!((mean.mean().unwrap() - 0.4).abs() < 1e-12);
        assert_eq!((lower, upper), ((0.4_f64 - radius).max(0.0), (0.4 + radius).min(1.0)));
    }

    #[test]
    fn values_outside_and_no_values_are_refused() {
        let mut mean = BoundedMean::between(0.0, 1.0).unwrap();
        assert_eq!(mean.bounds(0.05), None);
        assert_eq!(mean.mean(), None);
        assert!(!mean.add(1.1) && !mean.add(-0.1) && !mean.add(f64::NAN));
        assert_eq!(mean.count(), 0);
        assert_eq!(BoundedMean::between(1.0, 1.0), None);
        assert_eq!(BoundedMean::between(0.0, f64::INFINITY), None);
    }

    #[test]
    fn what_varies_little_is_known_soon() {
        let width = |low: f64, high: f64| {
            let mut mean = BoundedMean::between(0.0, 1.0).unwrap();
            for step in 0..1000 {
                mean.add(if step % 2 == 0 { low } else { high });
            }
            let (lower, upper) = mean.bounds(0.05).unwrap();
            upper - lower
        };
        assert!(width(0.49, 0.51) < width(0.0, 1.0) / 5.0);
    }
}
