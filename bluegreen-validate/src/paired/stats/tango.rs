//! Tango's score interval for the difference of paired rates.

use super::Table;
use super::distribution::{bisect, normal_quantile};

/// Tango's score interval for the difference of paired rates (Stat. Med. 17:891, 1998).
///
/// It is meant for what regression tests are like: few or no pairs that differ. There the usual
/// intervals shrink to a point, and would pass ten cases that agree.
///
/// ```
/// use bluegreen_validate::paired::stats::{Table, tango};
///
/// let (low, _) = tango(Table { both: 59, ..Table::default() }, 0.90);
/// assert!(low > -0.05, "59 cases that agree show that idle is worse by less than 5 points");
/// let (low, _) = tango(Table { both: 30, ..Table::default() }, 0.90);
/// assert!(low < -0.05, "30 do not");
/// ```
pub fn tango(table: Table, level: f64) -> (f64, f64) {
    let z = normal_quantile(f64::midpoint(1.0, level));
    if table.cases() == 0 || z.is_nan() {
        return (-1.0, 1.0);
    }
    let low = bisect(-1.0, table.difference(), |d| tango_statistic(table, d) - z);
    let high = bisect(table.difference(), 1.0, |d| tango_statistic(table, d) + z);
    (low, high)
}

/// How many standard errors the difference found is above `difference`, if that is the true one;
/// NaN without pairs. Under it, it is about normal.
///
/// The standard error is that of the likeliest rates whose difference is `difference`.
pub fn tango_statistic(table: Table, difference: f64) -> f64 {
    let Table { live_only, idle_only, .. } = table;
    statistic(live_only as f64, idle_only as f64, table.cases() as f64, difference)
}

pub(super) fn statistic(losses: f64, gains: f64, cases: f64, difference: f64) -> f64 {
    let square = 2.0 * cases;
    let linear = (2.0 * cases - gains + losses) * difference - gains - losses;
    let constant = -losses * difference * (1.0 - difference);
    // The likeliest chance of a pair in which live alone passes, given the difference.
    let root = (linear * linear - 4.0 * square * constant).max(0.0).sqrt();
    let loss = (root - linear) / (2.0 * square);
    let variance = cases * (2.0 * loss + difference * (1.0 - difference));
    let over = gains - losses - cases * difference;
    if over.abs() < 1e-12 { 0.0 } else { over / variance.max(0.0).sqrt() }
}
