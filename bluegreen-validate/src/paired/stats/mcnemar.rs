//! `McNemar`'s test.

use super::Table;
use super::distribution::{binomial_at_most, binomial_exactly};

/// `McNemar`'s exact test that the slots differ, from the pairs in which they came out differently
/// (Psychometrika 12:153, 1947; the mid-p value as Fagerland, Lydersen and Laake, BMC Med. Res.
/// Methodol. 13:91, 2013).
///
/// That there is no significant difference does not make a candidate as good as live: with few
/// cases there never is one. So no verdict rests on it.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct McNemar {
    /// Two-sided exact p value; 1 when no pair differs.
    pub exact: f64,
    /// Two-sided mid-p value, which is less cautious.
    pub mid: f64,
    /// One-sided exact p value that idle is worse.
    pub worse: f64,
}

impl McNemar {
    /// The test of these pairs.
    pub fn of(table: Table) -> Self {
        let Table { live_only: b, idle_only: c, .. } = table;
        let (n, few) = (b + c, b.min(c));
        if n == 0 {
            return Self { exact: 1.0, mid: 1.0, worse: 1.0 };
        }
        let exact = (2.0 * binomial_at_most(few, n, 0.5)).min(1.0);
        let at = binomial_exactly(few, n, 0.5);
        let mid = if b == c { 1.0 - at / 2.0 } else { exact - at };
        // As many of n come out for live as n - c; by symmetry at most c come out for idle.
        Self { exact, mid, worse: binomial_at_most(c, n, 0.5) }
    }
}

/// The chance that `McNemar`'s exact one-sided test finds idle worse at `alpha`, where a pair comes
/// out for live alone with the chance `live_only` and for idle alone with `idle_only`.
pub fn mcnemar_power(cases: u64, live_only: f64, idle_only: f64, alpha: f64) -> f64 {
    let discordant = live_only + idle_only;
    if discordant <= 0.0 {
        return 0.0;
    }
    let mut power = 0.0;
    for n in 1..=cases {
        // The most that may come out for idle for the test to find idle worse.
        let most = (0..=n).take_while(|c| binomial_at_most(*c, n, 0.5) <= alpha).last();
        if let Some(most) = most {
            power += binomial_exactly(n, cases, discordant)
                * binomial_at_most(most, n, idle_only / discordant);
        }
    }
    power
}
