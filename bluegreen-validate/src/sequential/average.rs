//! Evidence of several tests together.

/// The average of e-values, which is an e-value again, however they depend on each other: errors,
/// latency and cost of the same requests. The largest of them would not be one. `None` for none.
///
/// Vovk and Wang, *E-values: calibration, combination and applications*, Annals of Statistics 49(3),
/// 2021.
///
/// ```
/// use bluegreen_validate::sequential::average;
///
/// // One metric that says a lot is enough, in spite of two that say nothing.
/// assert_eq!(average(&[90.0, 0.5, 0.25]), Some(30.25));
/// ```
pub fn average(e_values: &[f64]) -> Option<f64> {
    let logs: Vec<f64> = e_values.iter().map(|e| e.ln()).collect();
    (!logs.is_empty()).then(|| {
        // Small numbers add up exactly where they can.
        let direct = e_values.iter().sum::<f64>() / count(e_values);
        if direct.is_finite() { direct } else { log_average(&logs).exp() }
    })
}

/// The logarithm of the average of e-values whose logarithms are given, which may be far beyond what a
/// double holds. Minus infinity for none.
pub fn log_average(logs: &[f64]) -> f64 {
    if logs.iter().any(|log| log.is_nan()) {
        return f64::NAN;
    }
    let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if largest.is_infinite() {
        return largest;
    }
    let sum: f64 = logs.iter().map(|log| (log - largest).exp()).sum();
    largest + (sum / count(logs)).ln()
}

#[allow(clippy::cast_precision_loss, reason = "nobody has 2^53 metrics")]
fn count(values: &[f64]) -> f64 {
    values.len() as f64
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "these values are exact")]
mod tests {
    use super::*;

    #[test]
    fn logarithms_average_what_doubles_cannot_hold() {
        assert!((log_average(&[0.0, 3.0_f64.ln()]) - 2.0_f64.ln()).abs() < 1e-15);
        assert!((log_average(&[5000.0, -5000.0]) - (5000.0 - 2.0_f64.ln())).abs() < 1e-12);
        assert_eq!(log_average(&[]), f64::NEG_INFINITY);
        assert_eq!(log_average(&[f64::NEG_INFINITY]), f64::NEG_INFINITY);
        assert!(log_average(&[0.0, f64::NAN]).is_nan());
        assert_eq!(average(&[]), None);
        assert!(average(&[1.0, f64::NAN]).unwrap().is_nan());
    }
}
