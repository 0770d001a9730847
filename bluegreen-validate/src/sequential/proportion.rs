//! Between what a proportion lies.

use super::{BetaBinomial, Mixture, Sides, bisect};

/// Between what a proportion lies, at all looks at once.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct ProportionBounds {
    /// At least.
    pub lower: f64,
    /// At most.
    pub upper: f64,
}

/// The confidence sequence for a proportion of which `hits` of `units` are known, exact at any number
/// of them; narrowest at about `best` units. With [`Sides::Two`] both bounds together are wrong with a
/// probability of at most `alpha`; with [`Sides::One`] each by itself.
///
/// Howard, Ramdas, McAuliffe and Sekhon, Annals of Statistics 49(2), 2021. Hits may be fractions, as
/// sources that extrapolate have them. Without units, or with numbers that make no sense, everything is
/// possible: 0 to 1.
///
/// ```
/// use bluegreen_validate::sequential::{Sides, proportion};
///
/// let errors = proportion(50.0, 1000.0, 0.05, 100.0, Sides::Two);
/// assert!((errors.lower - 0.030_018_848).abs() < 1e-9);
/// assert!((errors.upper - 0.075_380_707).abs() < 1e-9);
/// ```
pub fn proportion(hits: f64, units: f64, alpha: f64, best: f64, sides: Sides) -> ProportionBounds {
    let known = units > 0.0 && units.is_finite() && 0.0 <= hits && hits <= units;
    let sensible = 0.0 < alpha && alpha < 1.0 && best > 0.0;
    if !(known && sensible) {
        return ProportionBounds { lower: 0.0, upper: 1.0 };
    }
    let found = hits / units;
    let threshold = (1.0 / alpha).ln();
    // How much speaks against the proportion `p`, because of more hits or because of fewer.
    let excess = |p: f64, more: bool| {
        if p <= 0.0 || p >= 1.0 {
            // Nothing speaks against what was seen, and everything against the other end.
            let is_found = (p <= 0.0) == (found <= 0.0) && (p >= 1.0) == (found >= 1.0);
            return if is_found { -1.0 } else { f64::INFINITY };
        }
        let variance = p * (1.0 - p);
        let (g, h, s) = if more {
            (p, 1.0 - p, (found - p) * units)
        } else {
            (1.0 - p, p, (p - found) * units)
        };
        let mixture = BetaBinomial::new(variance * best, alpha, g, h, sides);
        mixture.log_e(s, variance * units) - threshold
    };
    let lower = if found > 0.0 { bisect(0.0, found, |p| excess(p, true)) } else { 0.0 };
    let upper = if found < 1.0 { bisect(found, 1.0, |p| excess(p, false)) } else { 1.0 };
    ProportionBounds { lower, upper }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "these values are exact")]
mod tests {
    use super::super::assert_close;
    use super::*;

    #[test]
    fn it_agrees_with_confseq() {
        let found = proportion(50.0, 1000.0, 0.05, 100.0, Sides::Two);
        assert_close(found.lower, 0.030_018_848, 1e-9);
        assert_close(found.upper, 0.075_380_707, 1e-9);
        let none = proportion(0.0, 100.0, 0.05, 100.0, Sides::Two);
        assert_close(none.lower, 0.0, 1e-9);
        assert_close(none.upper, 0.039_884_216, 1e-9);
    }

    #[test]
    fn all_is_none_turned_round() {
        for sides in [Sides::One, Sides::Two] {
            let none = proportion(0.0, 100.0, 0.05, 100.0, sides);
            let all = proportion(100.0, 100.0, 0.05, 100.0, sides);
            assert_close(all.lower, 1.0 - none.upper, 1e-12);
            assert_eq!(all.upper, 1.0);
        }
    }

    #[test]
    fn one_side_is_about_half_of_the_error() {
        let one = proportion(50.0, 1000.0, 0.025, 1000.0, Sides::One);
        let two = proportion(50.0, 1000.0, 0.05, 1000.0, Sides::Two);
        assert!((one.lower - two.lower).abs() < 0.001 && (one.upper - two.upper).abs() < 0.001);
    }

    #[test]
    fn it_holds_for_many_units_and_says_nothing_without() {
        let many = proportion(2e4, 1e6, 0.05, 1000.0, Sides::One);
        assert!(0.019 < many.lower && many.lower < 0.02 && 0.02 < many.upper && many.upper < 0.021);
        for (hits, units) in [(0.0, 0.0), (2.0, 1.0), (f64::NAN, 10.0), (-1.0, 10.0)] {
            let found = proportion(hits, units, 0.05, 100.0, Sides::One);
            assert_eq!(found, ProportionBounds { lower: 0.0, upper: 1.0 });
        }
    }
}
