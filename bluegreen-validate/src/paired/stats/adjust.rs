//! Corrections for looking at several p values.

/// Holm's correction: with adjusted values at most alpha, the chance that *any* of them is wrong
/// is at most alpha (Scand. J. Stat. 6:65, 1979). In the order given.
///
/// ```
/// let adjusted = bluegreen_validate::paired::stats::holm(&[0.04, 0.01]);
/// assert_eq!(adjusted, [0.04, 0.02]);
/// ```
pub fn holm(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut adjusted = vec![f64::NAN; values.len()];
    let mut largest = 0.0_f64;
    for (rank, index) in order.into_iter().enumerate() {
        let times = (values.len() - rank) as f64;
        // NaN stays NaN: f64::max would drop it.
        let value = (values[index] * times).min(1.0);
        if values[index].is_nan() {
            continue;
        }
        largest = largest.max(value);
        adjusted[index] = largest;
    }
    adjusted
}

/// Benjamini and Hochberg's correction: of the adjusted values at most alpha, a share of at most
/// alpha is wrong on average (J. R. Stat. Soc. B 57:289, 1995). In the order given.
pub fn benjamini_hochberg(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut adjusted = vec![f64::NAN; values.len()];
    let mut smallest = 1.0_f64;
    for (rank, index) in order.into_iter().enumerate().rev() {
        if values[index].is_nan() {
            continue;
        }
        smallest = smallest.min(values[index] * values.len() as f64 / (rank + 1) as f64);
        adjusted[index] = smallest;
    }
    adjusted
}
