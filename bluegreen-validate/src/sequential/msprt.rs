//! The mixture sequential probability ratio test.

/// The logarithm of the e-value of a difference between two means, after `n` units of each arm with the
/// known `variance` of one unit; `tau_squared` is the variance of the differences that are expected.
///
/// Johari, Koomen, Pekelis and Walsh, *Always valid inference: continuous monitoring of A/B tests*,
/// Operations Research 70(3), 2022.
///
/// ```
/// use bluegreen_validate::sequential::log_msprt;
///
/// assert!((log_msprt(1000.0, 0.1, 1.0, 0.01).exp() - 3.278_721_628).abs() < 1e-9);
/// ```
pub fn log_msprt(n: f64, difference: f64, variance: f64, tau_squared: f64) -> f64 {
    mixed(n, difference, 2.0 * variance, tau_squared)
}

/// The same for two proportions, with the variance that they have. Where both are zero or one there is
/// none, and no evidence: zero.
pub fn log_msprt_proportions(n: f64, first: f64, second: f64, tau_squared: f64) -> f64 {
    let variance = first * (1.0 - first) + second * (1.0 - second);
    if variance == 0.0 {
        return 0.0;
    }
    mixed(n, second - first, variance, tau_squared)
}

/// With the variance of the difference of one pair.
fn mixed(n: f64, difference: f64, variance: f64, tau_squared: f64) -> f64 {
    if !(variance > 0.0 && tau_squared > 0.0 && n >= 0.0) {
        return f64::NAN;
    }
    let whole = variance + n * tau_squared;
    0.5 * (variance / whole).ln()
        + n * n * tau_squared * difference * difference / (2.0 * variance * whole)
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "these values are exact")]
mod tests {
    use super::super::assert_close;
    use super::*;

    #[test]
    fn it_has_the_reference_values() {
        assert_close(log_msprt(1000.0, 0.1, 1.0, 0.01).exp(), 3.278_721_628, 1e-9);
        assert_close(log_msprt(2000.0, 0.1, 1.0, 0.01).exp(), 28.403_344_691, 1e-9);
    }

    #[test]
    fn proportions_bring_their_variance() {
        // 0.25 for each arm, as for a normal with the variance 0.25.
        let normal = log_msprt(1000.0, 0.1, 0.2475, 0.01);
        assert_close(log_msprt_proportions(1000.0, 0.45, 0.55, 0.01), normal, 1e-12);
        assert_eq!(log_msprt_proportions(1000.0, 0.0, 0.0, 0.01), 0.0);
        assert!(log_msprt(1000.0, 0.1, -1.0, 0.01).is_nan());
    }
}
