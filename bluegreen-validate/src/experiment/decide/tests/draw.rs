//! Numbers by chance, the same at every run.

/// `SplitMix64`.
pub(in crate::experiment) struct Draws(u64);

impl Draws {
    pub(in crate::experiment) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let it = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        it ^ (it >> 31)
    }

    /// Between 0 and 1.
    pub(in crate::experiment) fn unit(&mut self) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "52 bits are exact")]
        let unit = (self.bits() >> 12) as f64 * f64::EPSILON;
        unit
    }

    /// How many of 64 units, each with a probability of one half to the power of `halvings`.
    pub(in crate::experiment) fn of_64(&mut self, halvings: u32) -> u64 {
        (0..halvings).fold(u64::MAX, |bits, _| bits & self.bits()).count_ones().into()
    }

    /// How many of so many units.
    pub(in crate::experiment) fn of(&mut self, units: u64, probability: f64) -> u64 {
        (0..units).filter(|_| self.unit() < probability).count() as u64
    }

    /// A normal value, by the method of Box and Muller.
    pub(in crate::experiment) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }
}

/// The share of runs of which that is so.
pub(in crate::experiment) fn runs(count: u32, seed: u64, run: impl Fn(&mut Draws) -> bool) -> f64 {
    let one = |number: u32| {
        run(&mut Draws::new(seed ^ u64::from(number).wrapping_mul(0xd134_2543_de82_ef95)))
    };
    let found = (1..=count).filter(|number| one(*number)).count();
    #[allow(clippy::cast_precision_loss, reason = "counts of runs are small")]
    let share = found as f64 / f64::from(count);
    share
}
