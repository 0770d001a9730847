//! Intervals for a pass rate, and Newcombe's for the difference of two paired ones.

use super::Table;
use super::distribution::{beta_quantile, normal_quantile};

/// Wilson's score interval for a rate of `passed` in `n` (J. Am. Stat. Assoc. 22:209, 1927).
///
/// ```
/// let (low, high) = bluegreen_validate::paired::stats::wilson(17, 20, 0.95);
/// assert!((low - 0.63958).abs() < 1e-5 && (high - 0.94763).abs() < 1e-5);
/// ```
pub fn wilson(passed: u64, n: u64, level: f64) -> (f64, f64) {
    let z = normal_quantile(f64::midpoint(1.0, level));
    if n == 0 || passed > n || z.is_nan() {
        return (0.0, 1.0);
    }
    let (passed, n) = (passed as f64, n as f64);
    let (p, z2) = (passed / n, z * z);
    let centre = p + z2 / (2.0 * n);
    let reach = z * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z2 / n;
    // Exact at the ends, where the difference of equal numbers leaves a rest.
    let low = if passed == 0.0 { 0.0 } else { (centre - reach) / scale };
    let high = if passed >= n { 1.0 } else { (centre + reach) / scale };
    (low.max(0.0), high.min(1.0))
}

/// Clopper and Pearson's exact interval for a rate (Biometrika 26:404, 1934).
pub fn clopper_pearson(passed: u64, n: u64, level: f64) -> (f64, f64) {
    if n == 0 || passed > n || !(0.0 < level && level < 1.0) {
        return (0.0, 1.0);
    }
    let half = (1.0 - level) / 2.0;
    let (x, rest) = (passed as f64, (n - passed) as f64);
    let low = if passed == 0 { 0.0 } else { beta_quantile(half, x, rest + 1.0) };
    let high = if passed == n { 1.0 } else { beta_quantile(1.0 - half, x + 1.0, rest) };
    (low, high)
}

/// Newcombe's interval for the difference of paired rates: method 10, square and add, with his
/// correction of the correlation (Stat. Med. 17:2635, 1998).
pub fn newcombe(table: Table, level: f64) -> (f64, f64) {
    let n = table.cases();
    if n == 0 {
        return (-1.0, 1.0);
    }
    let (idle, live) = (table.both + table.idle_only, table.both + table.live_only);
    let total = n as f64;
    let (p1, p2) = (idle as f64 / total, live as f64 / total);
    let (l1, u1) = wilson(idle, n, level);
    let (l2, u2) = wilson(live, n, level);
    let phi = correlation(table);
    let reach = |x: f64, y: f64| (x * x - 2.0 * phi * x * y + y * y).max(0.0).sqrt();
    let difference = table.difference();
    (difference - reach(p1 - l1, u2 - p2), difference + reach(p2 - l2, u1 - p1))
}

/// The correlation of the slots, with Newcombe's continuity correction.
fn correlation(table: Table) -> f64 {
    let Table { both, live_only, idle_only, neither } = table;
    let [a, b, c, d] = [both, live_only, idle_only, neither].map(|count| count as f64);
    let margins = (a + b) * (c + d) * (a + c) * (b + d);
    if margins <= 0.0 {
        return 0.0;
    }
    let (raw, half) = (a * d - b * c, (a + b + c + d) / 2.0);
    let corrected = if raw > half { raw - half } else { raw.min(0.0) };
    corrected / margins.sqrt()
}
