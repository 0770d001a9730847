//! Statistics that may be looked at while data arrives.
//!
//! A p-value of a textbook holds for one look at a sample whose size was fixed before. Whoever looks
//! again after every request, and stops at the first that is small enough, is wrong far more often than
//! it says. What is here holds at **all** looks together, however many there are and whenever one stops:
//!
//! * An **e-process** is evidence against "there is no difference": under it, it exceeds 1/α at any
//!   look ever with a probability of at most α. Its value may be kept and gone on from.
//! * A **confidence sequence** covers what it estimates at all looks at once with a probability of at
//!   least 1 − α.
//!
//! All of it is pure and needs memory that does not grow with the data. All functions take logarithms
//! to the base e. Numbers that make no sense (a share outside of 0 to 1, a negative variance) give NaN,
//! and nothing here takes NaN for evidence.
//!
//! | question | answer |
//! |---|---|
//! | do errors fall on the candidate more often than its share of the traffic? | [`CountTest`] |
//! | the same, where the number of requests is known and the shares change | [`RateTest`] |
//! | between what is the rate of errors? | [`proportion`] |
//! | is a mean (latency, cost, tokens) worse? | [`MeanTest`], [`asymptotic_half_width`], [`log_msprt`] |
//! | the same for scores between two bounds, exactly | [`BoundedMean`] |
//! | is a quantile worse? | [`Sketch`], [`quantile_ranks`], [`lil_radius`], [`double_stitching_radius`] |
//! | do units arrive in the shares that were planned? | [`RatioTest`] |
//! | several of these at once | [`average`] |
//! | a few looks at times that are known before | [`spending_bounds`] |
//!
//! ```
//! use bluegreen_validate::sequential::CountTest;
//!
//! // A tenth of the traffic goes to the candidate, and so should a tenth of the errors.
//! let mut test = CountTest::worse(0.1).unwrap();
//! test.add(30, 70);
//! assert!(test.e_value() > 20.0, "at α = 0.05 the candidate is worse");
//! ```

mod average;
mod bounded;
mod count;
mod group;
mod mean;
mod mixture;
mod msprt;
mod proportion;
mod quantile;
mod rate;
mod ratio;
mod sketch;
mod special;
mod stitching;

pub use average::{average, log_average};
pub use bounded::BoundedMean;
pub use count::CountTest;
pub use group::spending_bounds;
pub use mean::{MeanTest, Moments, asymptotic_half_width, asymptotic_rho};
pub(crate) use mean::{effective, margin_of_error};
pub use mixture::{BetaBinomial, GammaExponential, GammaPoisson, Mixture, Normal, Sides};
pub use msprt::{log_msprt, log_msprt_proportions};
pub use proportion::{ProportionBounds, proportion};
pub use quantile::{QuantileBounds, quantile_bounds, quantile_ranks};
pub use rate::RateTest;
pub use ratio::RatioTest;
pub use sketch::{Sketch, SketchError};
pub(crate) use special::binomial_tail;
pub use stitching::{double_stitching_radius, lil_radius, poly_stitching_bound};

/// Finds where `f` crosses zero between `low` and `high`, at which it has different signs, to the last
/// digit.
fn bisect(mut low: f64, mut high: f64, f: impl Fn(f64) -> f64) -> f64 {
    let rises = f(high) > 0.0;
    // A double has 53 digits and an exponent: halving gets to neighbours before this ends.
    for _ in 0..200 {
        let middle = low.midpoint(high);
        if middle <= low || middle >= high {
            break;
        }
        if (f(middle) > 0.0) == rises {
            high = middle;
        } else {
            low = middle;
        }
    }
    low.midpoint(high)
}

/// Compares with a golden value to 1e-9 of it, or half a unit of its last printed digit.
#[cfg(test)]
#[track_caller]
fn assert_close(found: f64, wanted: f64, unit: f64) {
    let allowed = (wanted.abs() * 1e-9).max(unit / 2.0 * 1.000_001);
    assert!((found - wanted).abs() <= allowed, "found {found:.15}, wanted {wanted}");
}
