//! Between what a quantile lies.

use super::{BetaBinomial, Mixture, Sides, Sketch};

/// Between what a quantile lies, at all looks at once, and what is the best guess.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct QuantileBounds {
    /// At least.
    pub lower: f64,
    /// The quantile of what was seen.
    pub estimate: f64,
    /// At most; infinite if it may be above the largest bound of the buckets.
    pub upper: f64,
    /// The ends of the bucket that `lower` is in: it is at least its lower end even if values do not lie
    /// evenly within buckets.
    pub lower_bucket: (f64, f64),
    /// The ends of the bucket that `upper` is in: it is at most its upper end then. Infinite as `upper` is.
    pub upper_bucket: (f64, f64),
}

/// The ranks, as shares of `units`, between whose values the quantile `p` lies at all looks at once but
/// for a probability of `alpha`; narrowest at about `best` units. Exact at any number of units and for any
/// distribution.
///
/// Howard and Ramdas, *Sequential estimation of quantiles with applications to A/B testing and best-arm
/// identification*, Bernoulli 28(3), 2022, theorem 1.
pub fn quantile_ranks(p: f64, units: f64, alpha: f64, best: f64) -> (f64, f64) {
    if !(0.0 < p && p < 1.0 && units > 0.0 && best > 0.0 && 0.0 < alpha && alpha < 1.0) {
        return (0.0, 1.0);
    }
    let variance = p * (1.0 - p);
    let radius = |g: f64, h: f64| {
        let mixture = BetaBinomial::new(variance * best, alpha, g, h, Sides::Two);
        mixture.bound(variance * units, alpha) / units
    };
    let (below, above) = (radius(1.0 - p, p), radius(p, 1.0 - p));
    ((p - below).max(0.0), (p + above).min(1.0))
}

/// Between what the quantile `p` of a distribution lies; see [`quantile_ranks`]. `None` without values.
///
/// ```
/// use bluegreen_validate::sequential::{Sketch, quantile_bounds};
///
/// let mut latency = Sketch::logarithmic(1.0, 10_000.0, 0.02).unwrap();
/// (1..=5000).for_each(|millis| latency.record(f64::from(millis)));
/// let p95 = quantile_bounds(&latency, 0.95, 0.05, 1000.0).unwrap();
/// assert!(p95.lower > 4600.0 && p95.upper < 4900.0);
/// ```
pub fn quantile_bounds(sketch: &Sketch, p: f64, alpha: f64, best: f64) -> Option<QuantileBounds> {
    #[allow(clippy::cast_precision_loss, reason = "beyond 2^53 there is no last digit")]
    let units = sketch.count() as f64;
    let (low, high) = quantile_ranks(p, units, alpha, best);
    // Nothing is known of the largest value but that there may be a larger one.
    let (upper, upper_bucket) = if high >= 1.0 {
        (f64::INFINITY, (f64::INFINITY, f64::INFINITY))
    } else {
        (sketch.quantile(high)?, sketch.quantile_bucket(high)?)
    };
    Some(QuantileBounds {
        // Below the first value there may be anything that the first bucket holds.
        lower: sketch.quantile(low)?,
        estimate: sketch.quantile(p)?,
        upper,
        lower_bucket: sketch.quantile_bucket(low)?,
        upper_bucket,
    })
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "these values are exact")]
mod tests {
    use super::*;

    #[test]
    fn ranks_close_in_on_the_quantile() {
        let mut last = (0.0, 1.0);
        for units in [200.0, 2e3, 2e4, 2e5] {
            let (low, high) = quantile_ranks(0.95, units, 0.05, 1000.0);
            assert!(last.0 <= low && low < 0.95 && 0.95 < high && high <= last.1, "{units}");
            last = (low, high);
        }
        assert!(last.0 > 0.947 && last.1 < 0.953, "{last:?}");
        assert_eq!(quantile_ranks(0.95, 20.0, 0.05, 1000.0).1, 1.0);
        assert_eq!(quantile_ranks(f64::NAN, 20.0, 0.05, 1000.0), (0.0, 1.0));
    }

    #[test]
    fn few_units_bound_nothing_above() {
        let mut sketch = Sketch::new(vec![1.0, 2.0, 3.0]).unwrap();
        (0..20).for_each(|_| sketch.record(1.5));
        let found = quantile_bounds(&sketch, 0.95, 0.05, 1000.0).unwrap();
        assert_eq!(found.upper, f64::INFINITY);
        assert!(found.lower <= found.estimate);
        assert_eq!((found.lower_bucket.0, found.upper_bucket.1), (1.0, f64::INFINITY));
    }

    #[test]
    fn ends_hold_wherever_values_are_in_a_bucket() {
        let mut sketch = Sketch::new(vec![1.0, 2.0, 3.0]).unwrap();
        (0..5000).for_each(|_| sketch.record(1.9));
        let found = quantile_bounds(&sketch, 0.5, 0.05, 1000.0).unwrap();
        assert!(found.upper < 1.9, "taken to lie evenly");
        assert_eq!((found.lower_bucket, found.upper_bucket), ((1.0, 2.0), (1.0, 2.0)));
        let mut below = Sketch::new(vec![-1.0, 0.0]).unwrap();
        below.record(-7.0);
        assert_eq!(below.quantile_bucket(0.5), Some((f64::NEG_INFINITY, -1.0)));
    }
}
