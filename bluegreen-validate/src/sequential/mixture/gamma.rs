//! The mixtures for sums with heavier tails on one side.

use super::super::special::{ln_gamma, ln_gamma_p, ln_gamma_q};
use super::{Mixture, Sides, best_rho};

/// The gamma-exponential mixture of a sub-exponential sum with the scale `c`. With the variance that
/// was seen it is what [`BoundedMean`](super::super::BoundedMean) is made of. One-sided.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GammaExponential {
    rho: f64,
    c: f64,
    leading: f64,
}

impl GammaExponential {
    /// The mixture whose boundary at the level `alpha_opt` is lowest at about the intrinsic time `v_opt`,
    /// with the scale `c` in the unit of the data.
    pub fn new(v_opt: f64, alpha_opt: f64, c: f64) -> Self {
        let rho = best_rho(v_opt, alpha_opt, Sides::One);
        let scaled = rho / (c * c);
        let leading = scaled * scaled.ln() - ln_gamma(scaled) - ln_gamma_p(scaled, scaled);
        Self { rho, c, leading }
    }
}

impl Mixture for GammaExponential {
    fn log_e(&self, s: f64, v: f64) -> f64 {
        let square = self.c * self.c;
        let moved = (self.c * s + v) / square;
        let shape = (v + self.rho) / square;
        let upper = moved + self.rho / square;
        self.leading + ln_gamma(shape) + ln_gamma_p(shape, upper) - shape * upper.ln() + moved
    }

    fn largest(&self, _: f64) -> Option<f64> {
        None
    }
}

/// The gamma-Poisson mixture of a sub-Poisson sum with the scale `c`: counts per unit of time against a
/// known rate. One-sided.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GammaPoisson {
    rho: f64,
    c: f64,
    leading: f64,
}

impl GammaPoisson {
    /// The mixture whose boundary at the level `alpha_opt` is lowest at about the intrinsic time `v_opt`,
    /// with the scale `c` in the unit of the data.
    pub fn new(v_opt: f64, alpha_opt: f64, c: f64) -> Self {
        let rho = best_rho(v_opt, alpha_opt, Sides::One);
        let scaled = rho / (c * c);
        let leading = scaled * scaled.ln() - ln_gamma(scaled) - ln_gamma_q(scaled, scaled);
        Self { rho, c, leading }
    }
}

impl Mixture for GammaPoisson {
    fn log_e(&self, s: f64, v: f64) -> f64 {
        let square = self.c * self.c;
        let lower = (v + self.rho) / square;
        let shape = s / self.c + lower;
        self.leading + ln_gamma(shape) + ln_gamma_q(shape, lower) - shape * lower.ln() + v / square
    }

    fn largest(&self, _: f64) -> Option<f64> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::assert_close;
    use super::*;

    #[test]
    fn they_agree_with_confseq() {
        let exponential = GammaExponential::new(100.0, 0.05, 1.0);
        assert_close(exponential.bound(100.0, 0.05), 30.238_129_620_079, 1e-12);
        assert_close(exponential.log_e(30.0, 100.0), 2.946_332_993_655, 1e-12);
        let poisson = GammaPoisson::new(100.0, 0.05, 1.0);
        assert_close(poisson.bound(100.0, 0.05), 28.953_267_032_534, 1e-12);
    }

    #[test]
    fn a_bound_is_where_the_evidence_is_enough() {
        for v in [1.0, 30.0, 1e4] {
            let exponential = GammaExponential::new(100.0, 0.05, 0.5);
            let bound = exponential.bound(v, 0.01);
            assert_close(exponential.log_e(bound, v), 100.0_f64.ln(), 1e-8);
            let poisson = GammaPoisson::new(100.0, 0.05, 0.5);
            let bound = poisson.bound(v, 0.01);
            assert_close(poisson.log_e(bound, v), 100.0_f64.ln(), 1e-8);
        }
    }
}
