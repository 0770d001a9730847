//! A few looks at times that are known before.

use super::bisect;
use super::special::{normal, normal_upper};

/// Into how many parts the range of what goes on is cut for Simpson's rule.
const PARTS: usize = 1000;

/// The values that |z| must exceed at looks at these shares of the final sample, so that all together err
/// with a probability of at most `alpha`, of which `alpha · tᵖ` is spent until the share `t`; `power` is
/// `p`. With two it is what
/// Spotify's platform uses.
///
/// Where data comes in batches and the final number is known (a nightly comparison), this finds smaller
/// differences than what may be looked at any time. It errs if more looks are taken than were planned.
///
/// Lan and DeMets, *Discrete sequential boundaries for clinical trials*, Biometrika 70(3), 1983; computed
/// by the recursion of Armitage, McPherson and Rowe. `None` unless the shares rise, the last of at most
/// one, and `alpha` lies between 0 and 1.
///
/// ```
/// use bluegreen_validate::sequential::spending_bounds;
///
/// let bounds = spending_bounds(&[0.5, 1.0], 0.05, 2.0).unwrap();
/// assert!(bounds[0] > bounds[1] && bounds[1] > 1.96);
/// ```
pub fn spending_bounds(times: &[f64], alpha: f64, power: f64) -> Option<Vec<f64>> {
    let rises = times.windows(2).all(|pair| pair[0] < pair[1]);
    let within = !times.is_empty() && rises && times[0] > 0.0 && times[times.len() - 1] <= 1.0;
    let sensible = 0.0 < alpha && alpha < 1.0 && power > 0.0 && power.is_finite();
    if !(within && sensible) {
        return None;
    }
    let spent = |time: f64| alpha * time.powf(power);
    let mut bounds = vec![normal_upper(spent(times[0]) / 2.0)];
    let mut going = Going::first(times[0], bounds[0] * times[0].sqrt());
    for pair in times.windows(2) {
        let (last, time) = (pair[0], pair[1]);
        let (part, step) = (spent(time) - spent(last), (time - last).sqrt());
        let most = 12.0 * time.sqrt();
        let bound = bisect(0.0, most, |bound| 2.0 * going.exceeds(bound, step) - part);
        bounds.push(bound / time.sqrt());
        going = going.next(bound, step);
    }
    Some(bounds)
}

/// The density of the sum where no look has ended the test yet, from minus the bound to the bound.
struct Going {
    bound: f64,
    density: Vec<f64>,
}

impl Going {
    /// At the first look the sum is normal.
    fn first(time: f64, bound: f64) -> Self {
        let deviation = time.sqrt();
        let density = points(bound).map(|s| gauss(s / deviation) / deviation).collect();
        Self { bound, density }
    }

    /// The probability that the sum exceeds `bound` after another step of this deviation.
    fn exceeds(&self, bound: f64, step: f64) -> f64 {
        self.integral(|s| normal((s - bound) / step))
    }

    /// After another step that did not exceed `bound`.
    fn next(&self, bound: f64, step: f64) -> Self {
        let density =
            points(bound).map(|to| self.integral(|s| gauss((to - s) / step) / step)).collect();
        Self { bound, density }
    }

    /// By Simpson's rule.
    fn integral(&self, weight: impl Fn(f64) -> f64) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "a thousand is exact")]
        let width = 2.0 * self.bound / PARTS as f64;
        let last = self.density.len() - 1;
        let terms =
            points(self.bound).zip(&self.density).enumerate().map(|(index, (s, density))| {
                let factor = match index {
                    0 => 1.0,
                    index if index == last => 1.0,
                    index if index % 2 == 1 => 4.0,
                    _ => 2.0,
                };
                factor * density * weight(s)
            });
        terms.sum::<f64>() * width / 3.0
    }
}

#[allow(clippy::cast_precision_loss, reason = "a thousand is exact")]
fn points(bound: f64) -> impl Iterator<Item = f64> {
    (0..=PARTS).map(move |index| bound * (2.0 * index as f64 / PARTS as f64 - 1.0))
}

fn gauss(z: f64) -> f64 {
    (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt()
}

#[cfg(test)]
mod tests {
    use super::super::assert_close;
    use super::*;

    /// Spotify's integrals are by the trapezoid rule on a grid of a twentieth of a standard deviation,
    /// which is where their fifth digit comes from: the same rule gives 2.71408 for the second look, and
    /// finer ones come to what is found here.
    #[test]
    fn it_agrees_with_spotify_as_far_as_their_grid_is_exact() {
        let bounds = spending_bounds(&[0.2, 0.4, 0.6, 0.8, 1.0], 0.05, 2.0).unwrap();
        assert_close(bounds[0], 3.090_232, 1e-6);
        for (found, wanted) in
            bounds.iter().zip([3.090_232, 2.714_078, 2.472_737, 2.279_811, 2.113_968])
        {
            assert!((found - wanted).abs() < 7e-5, "found {found}, wanted {wanted}");
        }
    }

    /// The probability that two looks spend, as an integral over the first of them.
    #[test]
    fn the_second_look_spends_what_it_may() {
        let bounds = spending_bounds(&[0.2, 0.4], 0.05, 2.0).unwrap();
        let (first, second) = (bounds[0] * 0.2_f64.sqrt(), bounds[1] * 0.4_f64.sqrt());
        let parts = 100_000_u32;
        let width = 2.0 * first / f64::from(parts);
        let spent: f64 = (0..parts)
            .map(|part| {
                let s = (f64::from(part) + 0.5) * width - first;
                let density = gauss(s / 0.2_f64.sqrt()) / 0.2_f64.sqrt();
                2.0 * density * normal((s - second) / 0.2_f64.sqrt()) * width
            })
            .sum();
        assert_close(spent, 0.05 * (0.4_f64.powi(2) - 0.2_f64.powi(2)), 1e-12);
    }

    #[test]
    fn one_look_is_the_textbook() {
        let bounds = spending_bounds(&[1.0], 0.05, 2.0).unwrap();
        assert_close(bounds[0], 1.959_963_984_540_054, 1e-12);
    }

    #[test]
    fn times_that_are_none_are_refused() {
        for times in [&[][..], &[0.5, 0.5], &[0.0, 1.0], &[0.5, 1.1], &[f64::NAN, 1.0]] {
            assert_eq!(spending_bounds(times, 0.05, 2.0), None, "{times:?}");
        }
        assert_eq!(spending_bounds(&[1.0], 1.0, 2.0), None);
        assert_eq!(spending_bounds(&[1.0], 0.05, 0.0), None);
    }
}
