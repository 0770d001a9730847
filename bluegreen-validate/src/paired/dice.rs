//! Random numbers from a seed.

/// `SplitMix64`, which is short, good enough, and the same for ever: a verdict that was computed
/// with one seed is computed again years later. That no library promises.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from 0 to less than `count`, which must not be 0.
    pub(super) fn below(&mut self, count: usize) -> usize {
        // The upper half of a product with a random fraction: even to one in 2^64 / count.
        let product = u128::from(self.next()) * count as u128;
        usize::try_from(product >> 64).unwrap_or_default()
    }

    /// A fraction from 0 to less than 1.
    pub(super) fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// True with the chance `p`.
    pub(super) fn falls(&mut self, p: f64) -> bool {
        self.fraction() < p
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_splitmix64() {
        // The first numbers of seed 1234567, as published with the algorithm.
        let mut dice = Dice::new(1_234_567);
        assert_eq!(dice.next(), 6_457_827_717_110_365_317);
        assert_eq!(dice.next(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn numbers_below_a_bound_come_equally_often() {
        let mut dice = Dice::new(1);
        let mut counts = [0u32; 7];
        (0..70_000).for_each(|_| counts[dice.below(7)] += 1);
        // Five standard deviations of a count are 463.
        assert!(counts.iter().all(|count| (9_537..10_463).contains(count)), "{counts:?}");
        let fell = (0..10_000).filter(|_| dice.falls(0.25)).count();
        assert!((2_283..2_717).contains(&fell), "{fell}");
    }
}
