//! Draws of random numbers.

use fastrand::Rng;

/// A binomial number by its distribution function, for few units.
#[derive(Clone, Debug)]
pub struct Binomial {
    cumulated: Vec<f64>,
}

impl Binomial {
    /// Of `units`, each with the probability `p`.
    pub fn new(units: u32, p: f64) -> Self {
        let mut probability = (1.0 - p).powf(f64::from(units));
        let mut sum = 0.0;
        let cumulated = (0..=units)
            .map(|hits| {
                sum += probability;
                probability *= f64::from(units - hits) / f64::from(hits + 1) * p / (1.0 - p);
                sum
            })
            .collect();
        Self { cumulated }
    }

    /// One draw.
    pub fn draw(&self, rng: &mut Rng) -> u32 {
        let place = rng.f64();
        let last = self.cumulated.len() - 1;
        let hits = self.cumulated.iter().position(|sum| place < *sum).unwrap_or(last);
        u32::try_from(hits).unwrap_or(u32::MAX)
    }
}

/// A value with a long tail, as latencies and costs have: log-normal with a mean of exp(1/2 · 0.64).
pub fn skewed(rng: &mut Rng) -> f64 {
    (0.8 * normal(rng)).exp()
}

/// A normal value, by the method of Box and Muller.
pub fn normal(rng: &mut Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.f64()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.f64()).cos()
}
