//! Mixture supermartingales and the boundaries that they make.

use super::bisect;

mod beta_binomial;
mod gamma;
mod normal;

pub use beta_binomial::BetaBinomial;
pub use gamma::{GammaExponential, GammaPoisson};
pub use normal::Normal;

/// Whether a deviation counts in one direction or in both.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[allow(clippy::exhaustive_enums, reason = "there are no more directions")]
pub enum Sides {
    /// Only a sum above zero counts.
    One,
    /// Both count.
    Two,
}

/// A nonnegative supermartingale of a centred sum: evidence that its terms do not have mean zero.
///
/// `s` is the sum so far, in the unit of the data, and `v` its intrinsic time: the variance that it
/// has accumulated by now, in the square of that unit.
///
/// Howard, Ramdas, McAuliffe and Sekhon, *Time-uniform, nonparametric, nonasymptotic confidence
/// sequences*, Annals of Statistics 49(2), 2021.
pub trait Mixture {
    /// The logarithm of the e-value.
    fn log_e(&self, s: f64, v: f64) -> f64;

    /// The largest sum that there can be at the time `v`, if there is one.
    fn largest(&self, v: f64) -> Option<f64>;

    /// What the sum exceeds at any time ever with a probability of at most `alpha`, at the time `v`.
    fn bound(&self, v: f64, alpha: f64) -> f64 {
        if !(v > 0.0 && 0.0 < alpha && alpha < 1.0) {
            return f64::NAN;
        }
        let threshold = (1.0 / alpha).ln();
        let mut high = self.largest(v).unwrap_or(v);
        if self.largest(v).is_none() {
            // It grows without end, so that this comes to an end.
            while self.log_e(high, v) <= threshold && high.is_finite() {
                high *= 2.0;
            }
        }
        if self.log_e(high, v) < threshold {
            return high;
        }
        bisect(0.0, high, |s| self.log_e(s, v) - threshold)
    }
}

/// The ρ of a normal mixture whose boundary is lowest at the time `v_opt`.
fn best_rho(v_opt: f64, alpha_opt: f64, sides: Sides) -> f64 {
    let alpha = match sides {
        Sides::One => 2.0 * alpha_opt,
        Sides::Two => alpha_opt,
    };
    let log = 2.0 * (1.0 / alpha).ln();
    v_opt / (log + (1.0 + log).ln())
}
