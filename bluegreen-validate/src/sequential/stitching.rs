//! Boundaries made of pieces, one for each stretch of time: for sums, and for whole distributions.

use super::bisect;
use super::special::zeta;

/// How the stretches grow, and how fast the probabilities fall that they get: the values that both
/// papers use.
const ETA: f64 = 2.0;
const S: f64 = 1.4;
/// How fine the grid of quantiles of a double stitching is.
const DELTA: f64 = 0.5;

/// The polynomial stitching boundary of a sub-gamma sum with the scale `c` at the intrinsic time `v`,
/// from `v_min` on; with `c` zero, of a sub-Gaussian one. It grows as slowly as the law of the iterated
/// logarithm allows.
///
/// Howard, Ramdas, McAuliffe and Sekhon, Annals of Statistics 49(2), 2021, theorem 1.
pub fn poly_stitching_bound(v: f64, alpha: f64, v_min: f64, c: f64) -> f64 {
    let time = v.max(v_min);
    let (k1, k2) = constants();
    let log = S * (ETA * time / v_min).ln().ln() + (zeta(S) / (alpha * ETA.ln().powf(S))).ln();
    let linear = k2 * c * log;
    (k1 * k1 * time * log + linear * linear).sqrt() + linear
}

fn constants() -> (f64, f64) {
    ((ETA.powf(0.25) + ETA.powf(-0.25)) / 2.0_f64.sqrt(), f64::midpoint(ETA.sqrt(), 1.0))
}

/// The radius of a band around the empirical distribution of `t` units that holds the true one at all
/// values and all times from `t_min` on with a probability of at least 1 − `alpha`:
/// `A √((ln(1 + ln(t / t_min)) + C) / t)`, with the usual `a` of 0.85. Infinite before `t_min`.
///
/// Howard and Ramdas, *Sequential estimation of quantiles with applications to A/B testing and best-arm
/// identification*, Bernoulli 28(3), 2022, theorem 2.
pub fn lil_radius(t: f64, alpha: f64, t_min: f64, a: f64) -> f64 {
    let valid = t_min >= 1.0 && 0.0 < alpha && alpha < 1.0 && a > 0.5_f64.sqrt();
    if !valid || t.is_nan() {
        return f64::NAN;
    }
    if t < t_min {
        return f64::INFINITY;
    }
    a * (((1.0 + (t / t_min).ln()).ln() + lil_constant(alpha, a)) / t).sqrt()
}

/// The smallest `C` for which the error that the theorem allows is `alpha`.
fn lil_constant(alpha: f64, a: f64) -> f64 {
    let excess = |c: f64| least_error(c, a) - alpha;
    let (mut low, mut high) = (1e-3, 5.0);
    while excess(high) > 0.0 && high < 1e6 {
        low = high;
        high *= 2.0;
    }
    bisect(low, high, excess)
}

/// The error for the best spacing of the stretches, by golden section.
fn least_error(c: f64, a: f64) -> f64 {
    let error = |eta: f64| {
        let gamma = 2.0 / eta * (a - (2.0 * (eta - 1.0) / c).sqrt()).powi(2);
        if gamma > 1.0 {
            4.0 * (-gamma * c).exp() * (1.0 + 1.0 / ((gamma - 1.0) * eta.ln()))
        } else {
            f64::INFINITY
        }
    };
    // Beyond this there is no error that could be told.
    let most =
        bisect(1.0, 2.0 * a * a, |eta| (eta / 2.0).sqrt() + (2.0 * (eta - 1.0) / c).sqrt() - a);
    let ratio = (5.0_f64.sqrt() - 1.0) / 2.0;
    let (mut low, mut high) = (1.0, most);
    for _ in 0..100 {
        let width = ratio * (high - low);
        let (left, right) = (high - width, low + width);
        // Where both are infinite the minimum is towards one, where they are not.
        if error(left) <= error(right) {
            high = right;
        } else {
            low = left;
        }
    }
    error(low.midpoint(high))
}

/// The radius, in units, of a confidence sequence for the quantile `p` of `t` units that holds at all
/// quantiles and all times at once: narrower than [`lil_radius`] far out. `t_opt` is the number of units
/// from which on it is meant.
///
/// The same paper, theorem 3.
pub fn double_stitching_radius(p: f64, t: f64, alpha: f64, t_opt: f64) -> f64 {
    if !(0.0 < p && p < 1.0 && t_opt >= 1.0 && 0.0 < alpha && alpha < 1.0) {
        return f64::NAN;
    }
    let time = t.max(t_opt);
    let logit = (p / (1.0 - p)).ln();
    let r = if p >= 0.5 {
        p
    } else {
        let moved = logit + 2.0 * DELTA * (t_opt * ETA / time).sqrt();
        (1.0 / (1.0 + (-moved).exp())).min(0.5)
    };
    let variance = r * (1.0 - r);
    let cell = (time / t_opt).sqrt() * logit.abs() / (2.0 * DELTA) + 1.0;
    let zeta = zeta(S);
    let log = S * (ETA * time / t_opt).ln().ln()
        + S * cell.ln()
        + (2.0 * zeta * (2.0 * zeta + 1.0) / (alpha * ETA.ln().powf(S))).ln();
    let (k1, k2) = constants();
    let linear = k2 * (1.0 - 2.0 * p) / 3.0 * log;
    DELTA * (ETA * time * variance / t_opt).sqrt()
        + (k1 * k1 * variance * time * log + linear * linear).sqrt()
        + linear
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "these values are exact")]
mod tests {
    use super::super::assert_close;
    use super::*;

    #[test]
    fn they_agree_with_confseq() {
        assert_close(poly_stitching_bound(100.0, 0.05, 10.0, 0.0), 35.680_490_298_886, 1e-12);
        assert_close(poly_stitching_bound(100.0, 0.05, 10.0, 1.0), 43.909_156_641_068, 1e-12);
        assert_close(lil_radius(1000.0, 0.05, 100.0, 0.85), 0.082_047_787_709, 1e-12);
        assert_close(double_stitching_radius(0.5, 1000.0, 0.05, 100.0), 68.628_028_921_216, 1e-12);
        assert_close(double_stitching_radius(0.99, 1000.0, 0.05, 100.0), 12.067_503_302_114, 1e-12);
    }

    #[test]
    fn nothing_is_known_before_its_time() {
        assert_eq!(lil_radius(99.0, 0.05, 100.0, 0.85), f64::INFINITY);
        assert!(lil_radius(f64::NAN, 0.05, 100.0, 0.85).is_nan());
        assert!(lil_radius(1000.0, 0.0, 100.0, 0.85).is_nan());
        assert!(double_stitching_radius(1.0, 10.0, 0.05, 10.0).is_nan());
    }
}
