//! How reliable a case is over its repeats.

/// The chance that `k` attempts at a case *all* pass, estimated from `passed` of `n`:
/// C(passed, k) / C(n, k), known as pass^k. `None` when there are fewer than `k` attempts.
///
/// ```
/// use bluegreen_validate::paired::stats::pass_all;
///
/// // A case that passes three times in four passes twice in a row only every other time.
/// assert_eq!(pass_all(3, 4, 2), Some(0.5));
/// ```
pub fn pass_all(passed: u64, n: u64, k: u64) -> Option<f64> {
    if passed > n || k > n {
        return None;
    }
    Some((0..k).map(|i| passed.saturating_sub(i) as f64 / (n - i) as f64).product())
}

/// The chance that *any* of `k` attempts passes: 1 − C(n − passed, k) / C(n, k), known as pass@k.
pub fn pass_any(passed: u64, n: u64, k: u64) -> Option<f64> {
    pass_all(n.checked_sub(passed)?, n, k).map(|none| 1.0 - none)
}
