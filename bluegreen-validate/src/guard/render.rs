//! Numbers as people read them.

/// A share in per cent: `4.12 %`.
pub(crate) fn percent(share: f64) -> String {
    format!("{} %", rounded(100.0 * share))
}

/// About three digits of a number.
pub(crate) fn rounded(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() {
        if value.is_nan() { "unknown".to_owned() } else { "no bound".to_owned() }
    } else if size >= 100.0 {
        format!("{value:.0}")
    } else if size >= 10.0 {
        format!("{value:.1}")
    } else if size >= 1.0 || value == 0.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.4}")
    }
}

/// Evidence, and how much of it is enough.
pub(crate) fn evidence(log_e: f64, threshold: f64) -> String {
    let number = |log: f64| {
        if log > 14.0 {
            format!("10^{:.0}", log / std::f64::consts::LN_10)
        } else {
            rounded(log.exp())
        }
    };
    format!("e-value {}, worse from {} on", number(log_e), number(threshold))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!(percent(0.041_23), "4.12 %");
        assert_eq!(percent(0.0), "0.00 %");
        assert_eq!(rounded(1234.5), "1234");
        assert_eq!(rounded(-0.012_34), "-0.0123");
        assert_eq!(rounded(f64::INFINITY), "no bound");
        assert_eq!(evidence(2.0, 20.0_f64.ln()), "e-value 7.39, worse from 20.0 on");
        assert_eq!(evidence(1000.0, 20.0_f64.ln()), "e-value 10^434, worse from 20.0 on");
    }
}
