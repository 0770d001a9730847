//! Whether units arrive in the planned shares.

use crate::sequential::RatioTest;

/// The logarithm of the evidence that units are not assigned with the planned share of the candidate: an
/// e-process in the numbers of units, so that it exceeds 1/α at any look ever with a probability of at most
/// α where the assignment is as planned. What is kept between looks is the largest value so far.
///
/// The mixture is a Beta distribution around the share, with the concentration of [`RatioTest`].
pub(super) fn log_e(share: f64, candidate: u64, live: u64) -> f64 {
    RatioTest::new(&[share, 1.0 - share]).map_or(0.0, |mut test| {
        test.add(&[candidate, live]);
        test.log_e()
    })
}

#[cfg(test)]
mod tests;
