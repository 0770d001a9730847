//! Percentiles of measured samples.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A percentile in whole per cent, 1 to 100. `Percentile(100)` is the maximum.
///
/// It is taken by *nearest rank* from all samples, without buckets and without interpolation:
/// of `n` samples in rising order the `p`th percentile is sample number `⌈p · n / 100⌉`, counted
/// from 1. So it is always a time that was really measured, and with fewer than 100 samples the
/// 99th percentile is the slowest of them.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Percentile(pub u8);

impl Percentile {
    /// Whether it lies between 1 and 100.
    pub const fn is_valid(self) -> bool {
        1 <= self.0 && self.0 <= 100
    }

    /// The percentile of `samples`, which must be sorted; `None` when there are none, or when
    /// the percentile itself is not valid.
    pub fn of(self, samples: &[Duration]) -> Option<Duration> {
        if !self.is_valid() {
            return None;
        }
        // Wide enough for any slice: 100 times a usize fits into u128.
        let rank = (samples.len() as u128 * u128::from(self.0)).div_ceil(100);
        let index = usize::try_from(rank).ok()?.checked_sub(1)?;
        samples.get(index).copied()
    }
}

impl fmt::Display for Percentile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(percentile: u8, samples: &[u64]) -> Option<u64> {
        let mut samples: Vec<Duration> =
            samples.iter().map(|millis| Duration::from_millis(*millis)).collect();
        samples.sort();
        let found = Percentile(percentile).of(&samples)?;
        u64::try_from(found.as_millis()).ok()
    }

    /// The worked examples of the nearest-rank method, done by hand: rank = ⌈p · n / 100⌉.
    #[test]
    fn agrees_with_values_worked_out_by_hand() {
        let five = [15, 20, 35, 40, 50];
        // Ranks 0.25 -> 1, 1.5 -> 2, 2 -> 2, 2.5 -> 3, 5 -> 5.
        for (percentile, wanted) in [(5, 15), (30, 20), (40, 20), (50, 35), (100, 50)] {
            assert_eq!(of(percentile, &five), Some(wanted), "p{percentile} of five");
        }
        let ten = [3, 6, 7, 8, 8, 10, 13, 15, 16, 20];
        for (percentile, wanted) in [(25, 7), (50, 8), (75, 15), (90, 16), (91, 20), (100, 20)] {
            assert_eq!(of(percentile, &ten), Some(wanted), "p{percentile} of ten");
        }
        let eleven = [3, 6, 7, 8, 8, 9, 10, 13, 15, 16, 20];
        for (percentile, wanted) in [(25, 7), (50, 9), (75, 15), (100, 20)] {
            assert_eq!(of(percentile, &eleven), Some(wanted), "p{percentile} of eleven");
        }
        let hundred: Vec<u64> = (1..=100).rev().collect();
        let two_hundred: Vec<u64> = (1..=200).collect();
        let hundred_and_one: Vec<u64> = (1..=101).collect();
        assert_eq!(of(99, &hundred), Some(99));
        assert_eq!(of(99, &two_hundred), Some(198));
        // 99.99 -> 100: just one more sample moves the rank.
        assert_eq!(of(99, &hundred_and_one), Some(100));
        assert_eq!(of(1, &hundred_and_one), Some(2));
        assert_eq!(of(1, &[7]), Some(7));
    }

    #[test]
    fn no_samples_and_no_percentile_give_nothing() {
        assert_eq!(of(50, &[]), None);
        assert_eq!(of(0, &[1, 2]), None);
        assert_eq!(of(101, &[1, 2]), None);
    }

    proptest::proptest! {
        #[test]
        fn at_least_that_share_of_samples_is_at_most_the_percentile(
            percentile in 1u8..=100,
            mut samples in proptest::collection::vec(0u64..1000, 1..300),
        ) {
            let found = of(percentile, &samples).unwrap();
            samples.sort_unstable();
            let within = samples.iter().filter(|sample| **sample <= found).count();
            let below = samples.iter().filter(|sample| **sample < found).count();
            proptest::prop_assert!(within * 100 >= samples.len() * usize::from(percentile));
            proptest::prop_assert!(below * 100 < samples.len() * usize::from(percentile));
        }
    }
}
