//! The mixture for bounded terms.

use super::super::special::{ln_beta, ln_beta_inc};
use super::{Mixture, Sides, best_rho};

/// The beta-binomial mixture of a sum whose terms lie between −`g` and `h`: of yes and no less a rate
/// `p`, for example, where `g` is `p` and `h` is `1 − p`, and the intrinsic time of `n` of them
/// `p (1 − p) n`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BetaBinomial {
    r: f64,
    g: f64,
    h: f64,
    sides: Sides,
    normalizer: f64,
}

impl BetaBinomial {
    /// The mixture whose boundary at the level `alpha_opt` is lowest at about the intrinsic time
    /// `v_opt`.
    pub fn new(v_opt: f64, alpha_opt: f64, g: f64, h: f64, sides: Sides) -> Self {
        // With less than nothing left there would be no mixture.
        let r = (best_rho(v_opt, alpha_opt, sides) - g * h).max(1e-3 * g * h);
        let normalizer = ln_part(r / (g * (g + h)), r / (h * (g + h)), g, h, sides);
        Self { r, g, h, sides, normalizer }
    }
}

impl Mixture for BetaBinomial {
    fn log_e(&self, s: f64, v: f64) -> f64 {
        let Self { r, g, h, sides, normalizer } = *self;
        let width = g + h;
        v / (g * h) * width.ln()
            - (v + h * s) / (h * width) * g.ln()
            - (v - g * s) / (g * width) * h.ln()
            + ln_part((r + v - g * s) / (g * width), (r + v + h * s) / (h * width), g, h, sides)
            - normalizer
    }

    fn largest(&self, v: f64) -> Option<f64> {
        Some(v / self.g)
    }
}

/// The logarithm of the beta function, or of the part of it that one side takes in.
fn ln_part(a: f64, b: f64, g: f64, h: f64, sides: Sides) -> f64 {
    match sides {
        Sides::Two => ln_beta(a, b),
        Sides::One => ln_beta(a, b) + ln_beta_inc(a, b, h / (g + h)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::assert_close;
    use super::*;

    #[test]
    fn it_agrees_with_confseq() {
        let one = BetaBinomial::new(100.0, 0.05, 0.2, 0.8, Sides::One);
        let two = BetaBinomial::new(100.0, 0.05, 0.2, 0.8, Sides::Two);
        assert_close(one.bound(100.0, 0.05), 28.412_380_052_046, 1e-12);
        assert_close(two.bound(100.0, 0.05), 31.430_797_596_073, 1e-12);
        assert_close(one.log_e(10.0, 20.0), 1.524_137_296_012, 1e-12);
    }

    #[test]
    fn it_holds_for_many_units() {
        let mixture = BetaBinomial::new(1000.0, 0.05, 0.02, 0.98, Sides::One);
        for v in [1e2, 1e4, 1e6] {
            let bound = mixture.bound(v, 0.05);
            assert!(bound > 1.6 * v.sqrt() && bound < 12.0 * v.sqrt(), "{v}: {bound}");
        }
    }
}
