//! Special functions, in logarithms where their values leave the range of a double.

use std::f64::consts::{PI, SQRT_2};

use statrs::function::erf::{erfc, erfc_inv};
use statrs::function::gamma::{gamma_lr, gamma_ur};

pub(super) use statrs::function::gamma::ln_gamma;

/// The logarithm of the beta function.
pub(super) fn ln_beta(a: f64, b: f64) -> f64 {
    ln_gamma(a) + ln_gamma(b) - ln_gamma(a + b)
}

/// The logarithm of the regularized incomplete beta function `I_x(a, b)`.
///
/// Written here because the one of `statrs` stops after 140 terms, which is too few from some ten
/// thousand events on, and because it has no logarithm.
pub(super) fn ln_beta_inc(a: f64, b: f64, x: f64) -> f64 {
    if !(a > 0.0 && b > 0.0 && (0.0..=1.0).contains(&x)) {
        return f64::NAN;
    }
    if x <= 0.0 {
        return f64::NEG_INFINITY;
    }
    if x >= 1.0 {
        return 0.0;
    }
    let front = a * x.ln() + b * (-x).ln_1p() - ln_beta(a, b);
    if x <= (a + 1.0) / (a + b + 2.0) {
        front - a.ln() + beta_fraction(a, b, x).ln()
    } else {
        let rest = front - b.ln() + beta_fraction(b, a, 1.0 - x).ln();
        (-rest.exp().min(1.0)).ln_1p()
    }
}

/// The probability that at least `hits` of `units` hit, when each does with the probability `p`.
pub(crate) fn binomial_tail(hits: f64, units: f64, p: f64) -> f64 {
    if hits <= 0.0 { 1.0 } else { ln_beta_inc(hits, (units - hits).max(0.0) + 1.0, p).exp() }
}

/// The continued fraction of the incomplete beta function (DLMF 8.17.22) by Lentz's method. It needs
/// about as many steps as the square root of the larger parameter.
#[allow(clippy::many_single_char_names, reason = "the names of the formula")]
fn beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let kept = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / kept(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = d;
    for step in 1..=100_000_u32 {
        let m = f64::from(step);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / kept(1.0 + even * d);
        c = kept(1.0 + even / c);
        fraction *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / kept(1.0 + odd * d);
        c = kept(1.0 + odd / c);
        let change = d * c;
        fraction *= change;
        if (change - 1.0).abs() < 1e-15 {
            break;
        }
    }
    fraction
}

/// The logarithm of the lower regularized incomplete gamma function `P(a, x)`.
pub(super) fn ln_gamma_p(a: f64, x: f64) -> f64 {
    if a > 0.0 && x > 0.0 { gamma_lr(a, x).ln() } else { f64::NAN }
}

/// The logarithm of the upper one, `Q(a, x)`.
pub(super) fn ln_gamma_q(a: f64, x: f64) -> f64 {
    if a > 0.0 && x > 0.0 { gamma_ur(a, x).ln() } else { f64::NAN }
}

/// The logarithm of the normal distribution function.
pub(super) fn ln_normal(z: f64) -> f64 {
    if z > -30.0 {
        return (0.5 * erfc(-z / SQRT_2)).ln();
    }
    // The asymptotic series, which is exact to a double out here (Abramowitz and Stegun 26.2.12).
    let square = z * z;
    let series = 1.0 - 1.0 / square + 3.0 / (square * square) - 15.0 / square.powi(3);
    -0.5 * square - (-z * (2.0 * PI).sqrt()).ln() + series.ln()
}

/// The normal distribution function.
pub(super) fn normal(z: f64) -> f64 {
    0.5 * erfc(-z / SQRT_2)
}

/// The value that a standard normal exceeds with this probability.
pub(super) fn normal_upper(probability: f64) -> f64 {
    SQRT_2 * erfc_inv(2.0 * probability)
}

/// Riemann's zeta function for `s > 1`: the sum of the first terms, and the rest by the formula of
/// Euler and Maclaurin.
pub(super) fn zeta(s: f64) -> f64 {
    const TERMS: u32 = 20;
    let sum: f64 = (1..TERMS).map(|n| f64::from(n).powf(-s)).sum();
    let n = f64::from(TERMS);
    let mut rest = n.powf(1.0 - s) / (s - 1.0) + 0.5 * n.powf(-s);
    // The Bernoulli numbers B2 to B10 over their factorials.
    let coefficients =
        [1.0 / 12.0, -1.0 / 720.0, 1.0 / 30240.0, -1.0 / 1_209_600.0, 1.0 / 47_900_160.0];
    let mut product = s;
    let mut power = n.powf(-s - 1.0);
    for (index, coefficient) in (0_u32..).zip(coefficients) {
        rest += coefficient * product * power;
        let step = s + 2.0 * f64::from(index) + 1.0;
        product *= step * (step + 1.0);
        power /= n * n;
    }
    sum + rest
}

#[cfg(test)]
mod tests {
    use super::super::assert_close;
    use super::*;

    #[test]
    fn zeta_has_its_known_values() {
        assert_close(zeta(2.0), PI * PI / 6.0, 1e-15);
        assert_close(zeta(4.0), PI.powi(4) / 90.0, 1e-15);
        // Apéry's constant, and a value of the DLMF's kind: zeta(1.5) = 2.612375348685488…
        assert_close(zeta(3.0), 1.202_056_903_159_594, 1e-15);
        assert_close(zeta(1.5), 2.612_375_348_685_488, 1e-15);
    }

    /// For whole numbers it is a binomial tail, which can be added up.
    #[test]
    fn the_incomplete_beta_function_is_a_binomial_tail() {
        let (n, x) = (40_u32, 0.3_f64);
        for a in [1_u32, 5, 12, 20, 39] {
            let tail: f64 = (a..=n)
                .map(|k| {
                    let choose = ln_gamma(f64::from(n) + 1.0)
                        - ln_gamma(f64::from(k) + 1.0)
                        - ln_gamma(f64::from(n - k) + 1.0);
                    (choose + f64::from(k) * x.ln() + f64::from(n - k) * (1.0 - x).ln()).exp()
                })
                .sum();
            let found = ln_beta_inc(f64::from(a), f64::from(n - a) + 1.0, x).exp();
            assert!((found / tail - 1.0).abs() < 1e-11, "a = {a}: {found} against {tail}");
        }
    }

    #[test]
    fn the_incomplete_beta_function_holds_far_out_and_for_many_events() {
        assert_close(ln_beta_inc(1.0, 1.0, 0.25).exp(), 0.25, 0.0);
        assert_close(ln_beta_inc(2.0, 3.0, 0.5).exp(), 0.6875, 0.0);
        // x^a where b is one, far below what a double can hold.
        assert_close(ln_beta_inc(1e5, 1.0, 0.5), -1e5 * std::f64::consts::LN_2, 0.0);
        // In the middle of a symmetric one it is a half, however many.
        for half in [1e2, 1e4, 1e6, 1e8] {
            assert!((ln_beta_inc(half, half, 0.5).exp() - 0.5).abs() < 1e-6, "{half}");
        }
        assert!(ln_beta_inc(0.0, 1.0, 0.5).is_nan() && ln_beta_inc(1.0, 1.0, 1.5).is_nan());
    }

    #[test]
    fn the_normal_distribution_goes_on_where_a_double_ends() {
        assert_close(normal_upper(0.025), 1.959_963_984_540_054, 1e-15);
        assert_close(normal_upper(1e-9), 5.997_807_015_008_182, 1e-12);
        assert_close(ln_normal(-1.0), 0.158_655_253_931_457_05_f64.ln(), 0.0);
        let (near, far) = (ln_normal(-30.0 + 1e-9), ln_normal(-30.0));
        assert!((near - far).abs() < 1e-6, "{near} and {far}");
        assert!(ln_normal(-1e3).is_finite());
    }
}
