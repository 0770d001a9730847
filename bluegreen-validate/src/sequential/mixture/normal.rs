//! The mixture for sums that are normal, or at least not heavier in their tails.

use super::super::special::ln_normal;
use super::{Mixture, Sides, best_rho};

/// The normal mixture of a sub-Gaussian sum.
///
/// ```
/// use bluegreen_validate::sequential::{Mixture, Normal, Sides};
///
/// let mixture = Normal::new(100.0, 0.05, Sides::Two);
/// assert!((mixture.bound(100.0, 0.05) - 30.352_089_903_763).abs() < 1e-9);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normal {
    rho: f64,
    sides: Sides,
}

impl Normal {
    /// The mixture whose boundary at the level `alpha_opt` is lowest at the intrinsic time `v_opt`.
    pub fn new(v_opt: f64, alpha_opt: f64, sides: Sides) -> Self {
        Self { rho: best_rho(v_opt, alpha_opt, sides), sides }
    }
}

impl Mixture for Normal {
    fn log_e(&self, s: f64, v: f64) -> f64 {
        let whole = v + self.rho;
        let two_sided = 0.5 * (self.rho / whole).ln() + s * s / (2.0 * whole);
        match self.sides {
            Sides::Two => two_sided,
            // Half of the mixture, so it weighs twice as much.
            Sides::One => two_sided + 2.0_f64.ln() + ln_normal(s / whole.sqrt()),
        }
    }

    fn largest(&self, _: f64) -> Option<f64> {
        None
    }

    fn bound(&self, v: f64, alpha: f64) -> f64 {
        let log = (1.0 / alpha).ln();
        let two_sided = |log: f64| ((v + self.rho) * ((v / self.rho).ln_1p() + 2.0 * log)).sqrt();
        match self.sides {
            Sides::Two => two_sided(log),
            // Between nothing and the two-sided one, as half of the mixture weighs at most twice.
            Sides::One => super::bisect(0.0, two_sided(log), |s| self.log_e(s, v) - log),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::assert_close;
    use super::*;

    /// From the C++ header of confseq, as all golden values of mixtures.
    #[test]
    fn it_agrees_with_confseq() {
        let two = Normal::new(100.0, 0.05, Sides::Two);
        assert_close(two.bound(100.0, 0.05), 30.352_089_903_763, 1e-12);
        assert_close(two.bound(500.0, 0.05), 70.503_903_959_986, 1e-12);
        let one = Normal::new(100.0, 0.05, Sides::One);
        assert_close(one.bound(100.0, 0.05), 27.660_708_830_695, 1e-12);
        assert_close(two.log_e(30.0, 100.0), 2.901_375_010_405, 1e-12);
        assert_close(one.log_e(30.0, 100.0), 3.580_569_603_559, 1e-12);
    }

    #[test]
    fn one_side_has_no_evidence_on_the_other() {
        let one = Normal::new(100.0, 0.05, Sides::One);
        assert!(one.log_e(-1e6, 100.0) < -5.0);
        assert!(one.log_e(1e6, 100.0) > 1e6);
    }

    #[test]
    fn senseless_numbers_give_nothing() {
        assert!(Normal::new(100.0, 0.05, Sides::Two).bound(f64::NAN, 0.05).is_nan());
        assert!(Normal::new(-1.0, 0.05, Sides::Two).log_e(1.0, 1.0).is_nan());
    }
}
