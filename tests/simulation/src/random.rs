//! The one source of chance: `SplitMix64`, the same numbers for the same seed everywhere.

/// Numbers by chance, from a seed.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        // Neighbouring seeds are told apart by more than a shift of the same numbers.
        let mut random = Self(seed.wrapping_mul(0xD134_2543_DE82_EF95));
        random.next();
        random
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// One of the numbers from 0 to below `limit`; 0 when there is none.
    pub(crate) fn below(&mut self, limit: u32) -> u32 {
        let product = u64::from(limit) * (self.next() >> 32);
        // The upper half of a product of two numbers of 32 bits has 32 bits.
        u32::try_from(product >> 32).unwrap_or_default()
    }

    /// One of the numbers from `least` to `most`.
    pub(crate) fn between(&mut self, least: u32, most: u32) -> u32 {
        least + self.below(most.saturating_sub(least) + 1)
    }

    /// True in so many of a hundred cases.
    pub(crate) fn chance(&mut self, percent: u32) -> bool {
        self.below(100) < percent
    }

    /// One of these; each as likely as its weight says.
    pub(crate) fn weighted<T: Clone>(&mut self, choices: &[(u32, T)]) -> T {
        let mut left = self.below(choices.iter().map(|(weight, _)| weight).sum());
        for (weight, choice) in choices {
            if left < *weight {
                return choice.clone();
            }
            left -= weight;
        }
        choices[0].1.clone()
    }

    pub(crate) fn one_of<T: Clone>(&mut self, choices: &[T]) -> T {
        let number = u32::try_from(choices.len()).unwrap_or(u32::MAX);
        choices[self.below(number) as usize].clone()
    }
}
