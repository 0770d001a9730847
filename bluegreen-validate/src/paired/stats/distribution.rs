//! Distribution functions, and the search for a root.

use statrs::distribution::{Binomial, ContinuousCDF, Discrete, DiscreteCDF, Normal, StudentsT};
use statrs::function::beta::checked_beta_reg;

/// The chance that a normal variable is above `x`.
pub(crate) fn normal_above(x: f64) -> f64 {
    Normal::standard().sf(x)
}

/// The point below which a normal variable lies with the chance `p`; NaN unless 0 < p < 1.
pub(crate) fn normal_quantile(p: f64) -> f64 {
    if 0.0 < p && p < 1.0 { Normal::standard().inverse_cdf(p) } else { f64::NAN }
}

/// The chance that Student's t is above `x`.
pub(crate) fn t_above(x: f64, freedom: f64) -> f64 {
    if x.is_nan() {
        // Which the library would panic at.
        return x;
    }
    StudentsT::new(0.0, 1.0, freedom).map_or(f64::NAN, |t| t.sf(x))
}

/// The point below which Student's t lies with the chance `p`; NaN unless 0 < p < 1.
pub(crate) fn t_quantile(p: f64, freedom: f64) -> f64 {
    let Ok(t) = StudentsT::new(0.0, 1.0, freedom) else { return f64::NAN };
    if !(0.0 < p && p < 1.0) {
        return f64::NAN;
    }
    if p < 0.5 {
        return -t_quantile(1.0 - p, freedom);
    }
    // Of the upper tail, which keeps its digits where the distribution function is nearly 1.
    let above = |x: f64| t.sf(x) - (1.0 - p);
    let mut high = 1.0;
    while above(high) > 0.0 && high < 1e300 {
        high *= 2.0;
    }
    bisect(0.0, high, above)
}

/// The chance of `k` successes or fewer in `n`.
pub(crate) fn binomial_at_most(k: u64, n: u64, p: f64) -> f64 {
    Binomial::new(p, n).map_or(f64::NAN, |binomial| binomial.cdf(k))
}

/// The chance of exactly `k` successes in `n`.
pub(crate) fn binomial_exactly(k: u64, n: u64, p: f64) -> f64 {
    Binomial::new(p, n).map_or(f64::NAN, |binomial| binomial.pmf(k))
}

/// The point below which a beta variable lies with the chance `p`.
pub(crate) fn beta_quantile(p: f64, a: f64, b: f64) -> f64 {
    bisect(0.0, 1.0, |x| p - checked_beta_reg(a, b, x).unwrap_or(f64::NAN))
}

/// Where `f`, which is positive at `low` and falls, becomes zero; an end where it does not.
pub(crate) fn bisect(low: f64, high: f64, f: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (low, high);
    // As many halvings as it takes for no number to be left between the two.
    for _ in 0..1100 {
        let middle = low + (high - low) / 2.0;
        if middle <= low || middle >= high {
            break;
        }
        if f(middle) > 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    low + (high - low) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, wanted: f64, what: &str) {
        assert!((found - wanted).abs() <= 1e-9, "{what}: wanted {wanted}, found {found}");
    }

    /// From the printed tables of the normal distribution and of Student's t, and closed forms:
    /// with one degree of freedom t is Cauchy, with two it is p = 1/2 + t / (2 √(2 + t²)).
    #[test]
    fn agrees_with_closed_forms_and_tables() {
        near(normal_quantile(0.975), 1.959_963_984_540_054, "z of 0.975");
        near(normal_quantile(0.95), 1.644_853_626_951_472_7, "z of 0.95");
        near(normal_quantile(0.8), 0.841_621_233_572_914_3, "z of 0.8");
        near(normal_above(1.959_963_984_540_054), 0.025, "above z");
        near(t_quantile(0.975, 3.0), 3.182_446_305_283_707_8, "t with 3");
        near(t_quantile(0.75, 1.0), 1.0, "Cauchy");
        let wanted = 2.0 * 0.45 * (2.0 / (1.0 - 4.0 * 0.45_f64.powi(2))).sqrt();
        near(t_quantile(0.95, 2.0), wanted, "t with 2");
        near(t_quantile(0.05, 2.0), -wanted, "t with 2, below");
        near(t_above(wanted, 2.0), 0.05, "above t with 2");
        assert!((t_quantile(0.95, 1e7) - normal_quantile(0.95)).abs() < 1e-6);
        near(binomial_at_most(1, 3, 0.5), 0.5, "binomial");
        near(binomial_at_most(0, 59, 0.05), 0.95_f64.powi(59), "none of 59");
        near(binomial_exactly(2, 4, 0.25), 54.0 / 256.0, "two of four");
        near(beta_quantile(0.5, 1.0, 1.0), 0.5, "uniform");
        near(beta_quantile(0.05, 1.0, 10.0), 1.0 - 0.95_f64.powf(0.1), "minimum of ten");
    }

    #[test]
    fn what_does_not_exist_is_not_a_number() {
        assert!(normal_quantile(1.0).is_nan() && normal_quantile(f64::NAN).is_nan());
        assert!(t_quantile(0.9, 0.0).is_nan() && t_quantile(0.0, 3.0).is_nan());
        assert!(binomial_at_most(1, 3, 1.5).is_nan() && t_above(f64::NAN, 3.0).is_nan());
    }
}
