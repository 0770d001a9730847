//! Whether units arrive in the shares that were planned.

use serde::{Deserialize, Serialize};

use super::special::ln_gamma;

/// How sharp the mixture is around the planned shares.
const CONCENTRATION: f64 = 100.0;

/// An e-process against "units are assigned with these shares": the check for sample-ratio mismatch.
///
/// If more units than planned are seen on one arm, something loses or adds them (a crash before the unit
/// is counted, a cache, a retry), and no comparison of the arms means anything.
///
/// Lindon and Malek, NeurIPS 2022, as [`CountTest`](super::CountTest), for any number of arms.
///
/// ```
/// use bluegreen_validate::sequential::RatioTest;
///
/// let mut test = RatioTest::new(&[0.5, 0.25, 0.25]).unwrap();
/// test.add(&[5000, 2500, 2100]);
/// assert!(test.log_e() > 1000.0_f64.ln(), "a sixth of the third arm is lost");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RatioTest {
    shares: Vec<f64>,
    counts: Vec<u64>,
    before: f64,
}

impl RatioTest {
    /// Of arms with these shares, which need not add up to one. `None` unless there are two arms or more
    /// and each share is positive and finite.
    pub fn new(shares: &[f64]) -> Option<Self> {
        let shares = normal(shares)?;
        let counts = vec![0; shares.len()];
        Some(Self { shares, counts, before: 0.0 })
    }

    /// Adds units of each arm, in the order of the shares. Arms that are missing have none.
    pub fn add(&mut self, units: &[u64]) {
        for (count, units) in self.counts.iter_mut().zip(units) {
            *count = count.saturating_add(*units);
        }
    }

    /// Goes on with other shares of the same arms. `false`, and nothing is changed, unless they make
    /// sense.
    pub fn set_shares(&mut self, shares: &[f64]) -> bool {
        let Some(shares) = normal(shares).filter(|it| it.len() == self.shares.len()) else {
            return false;
        };
        if shares != self.shares {
            self.before = self.log_e();
            self.counts.fill(0);
            self.shares = shares;
        }
        true
    }

    /// The logarithm of the e-value.
    pub fn log_e(&self) -> f64 {
        let mut log = self.before;
        let mut sum = 0.0;
        for (share, count) in self.shares.iter().zip(&self.counts) {
            #[allow(clippy::cast_precision_loss, reason = "beyond 2^53 there is no last digit")]
            let count = *count as f64;
            let prior = CONCENTRATION * share;
            log += ln_gamma(prior + count) - ln_gamma(prior) - count * share.ln();
            sum += count;
        }
        log + ln_gamma(CONCENTRATION) - ln_gamma(CONCENTRATION + sum)
    }
}

fn normal(shares: &[f64]) -> Option<Vec<f64>> {
    let sum: f64 = shares.iter().sum();
    let valid = shares.len() >= 2 && sum.is_finite() && shares.iter().all(|share| *share > 0.0);
    valid.then(|| shares.iter().map(|share| share / sum).collect())
}

#[cfg(test)]
mod tests {
    use super::super::{CountTest, assert_close};
    use super::*;

    #[test]
    fn two_arms_are_the_count_test() {
        let mut ratio = RatioTest::new(&[9.0, 1.0]).unwrap();
        ratio.add(&[900, 150]);
        assert_close(ratio.log_e().exp(), 1_736.220_431, 1e-6);
        let mut count = CountTest::different(0.5).unwrap();
        count.add(50, 90);
        let mut ratio = RatioTest::new(&[1.0, 1.0]).unwrap();
        ratio.add(&[50, 90]);
        assert_close(ratio.log_e(), count.log_e(), 1e-12);
    }

    #[test]
    fn shares_that_change_are_other_stretches() {
        let mut test = RatioTest::new(&[1.0, 1.0]).unwrap();
        test.add(&[50, 90]);
        let before = test.log_e();
        assert!(test.set_shares(&[9.0, 1.0]));
        assert_close(test.log_e(), before, 1e-12);
        assert!(!test.set_shares(&[1.0, 1.0, 1.0]) && !test.set_shares(&[1.0, 0.0]));
    }

    #[test]
    fn arms_without_a_share_are_no_test() {
        assert_eq!(RatioTest::new(&[1.0]), None);
        assert_eq!(RatioTest::new(&[1.0, 0.0]), None);
        assert_eq!(RatioTest::new(&[1.0, f64::NAN]), None);
    }
}
