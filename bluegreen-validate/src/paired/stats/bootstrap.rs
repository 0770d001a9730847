//! Resampling: intervals for mean scores, and an exact test.

use super::distribution::{normal_above, normal_quantile};
use crate::paired::dice::Dice;

/// The most values whose signs are flipped in every way there is.
const MOST_FLIPS: usize = 20;

/// Efron's `BCa` bootstrap interval for the mean difference (J. Am. Stat. Assoc. 82:171, 1987).
///
/// `clusters` are the sum of the differences of each cluster and the number of its cases; whole
/// clusters are drawn. The same seed gives the same interval, whatever the order of the clusters.
/// `None` with fewer than two clusters, or where all have the same mean: then no spread was seen,
/// which is not to say that there is none.
pub fn bca(clusters: &[(f64, u64)], level: f64, resamples: u32, seed: u64) -> Option<(f64, f64)> {
    let (sorted, means) = resampled(clusters, resamples, seed)?;
    let found = mean(&sorted);
    let (below, equal) = means.iter().fold((0.0, 0.0), |(below, equal), value| {
        (below + f64::from(*value < found), equal + f64::from((value - found).abs() < 1e-15))
    });
    let bias = normal_quantile((below + equal / 2.0) / means.len() as f64);
    let skew = acceleration(&sorted);
    let at = |p: f64| {
        let z = bias + normal_quantile(p);
        1.0 - normal_above(bias + z / (1.0 - skew * z))
    };
    let half = (1.0 - level) / 2.0;
    let (low, high) = (at(half), at(1.0 - half));
    (low.is_finite() && high.is_finite()).then(|| (quantile(&means, low), quantile(&means, high)))
}

/// The plain percentile bootstrap interval, as [`bca`] but for its corrections.
pub fn percentile(
    clusters: &[(f64, u64)],
    level: f64,
    resamples: u32,
    seed: u64,
) -> Option<(f64, f64)> {
    let (_, means) = resampled(clusters, resamples, seed)?;
    let half = (1.0 - level) / 2.0;
    Some((quantile(&means, half), quantile(&means, 1.0 - half)))
}

/// The two-sided exact p value that differences are not symmetric about zero: the share of all
/// ways to choose their signs that give a sum at least as far from zero. `None` without values, or
/// with more than 20, which have more than a million ways.
pub fn sign_flip(differences: &[f64]) -> Option<f64> {
    let n = differences.len();
    if n == 0 || n > MOST_FLIPS {
        return None;
    }
    let found = differences.iter().sum::<f64>().abs();
    // Sums that are equal on paper differ in the last digits.
    let found = found - 1e-12 * (1.0 + found);
    let ways = 1u32 << n;
    let far = (0..ways).filter(|way| {
        let sum: f64 = differences
            .iter()
            .enumerate()
            .map(|(bit, value)| if way >> bit & 1 == 1 { -value } else { *value })
            .sum();
        sum.abs() >= found
    });
    Some(far.count() as f64 / f64::from(ways))
}

/// The sum of each cluster's differences, and its cases.
type Clusters = Vec<(f64, u64)>;

/// The clusters in order, and the sorted means of so many samples of them.
fn resampled(clusters: &[(f64, u64)], resamples: u32, seed: u64) -> Option<(Clusters, Vec<f64>)> {
    let mut sorted: Clusters = clusters.iter().copied().filter(|(_, n)| *n > 0).collect();
    sorted.sort_by(|a, b| a.1.cmp(&b.1).then(a.0.total_cmp(&b.0)));
    let first = sorted.first().map(|(sum, n)| sum / *n as f64)?;
    let flat = sorted.iter().all(|(sum, n)| (sum / *n as f64 - first).abs() < 1e-12);
    if flat || resamples == 0 {
        return None;
    }
    let mut dice = Dice::new(seed);
    let mut means: Vec<f64> = (0..resamples)
        .map(|_| {
            let (mut sum, mut cases) = (0.0, 0);
            for _ in 0..sorted.len() {
                let (value, n) = sorted[dice.below(sorted.len())];
                sum += value;
                cases += n;
            }
            sum / cases as f64
        })
        .collect();
    means.sort_by(f64::total_cmp);
    Some((sorted, means))
}

fn mean(clusters: &[(f64, u64)]) -> f64 {
    let (sum, cases) = clusters.iter().fold((0.0, 0), |(sum, cases), (s, n)| (sum + s, cases + n));
    sum / cases as f64
}

/// The acceleration, from the means without one cluster each.
fn acceleration(clusters: &[(f64, u64)]) -> f64 {
    let (sum, cases) = clusters.iter().fold((0.0, 0), |(sum, cases), (s, n)| (sum + s, cases + n));
    let without: Vec<f64> = clusters.iter().map(|(s, n)| (sum - s) / (cases - n) as f64).collect();
    let centre = without.iter().sum::<f64>() / without.len() as f64;
    let power = |exponent: i32| -> f64 {
        without.iter().map(|value| (centre - value).powi(exponent)).sum()
    };
    power(3) / (6.0 * power(2).powf(1.5))
}

/// The quantile of sorted values, between neighbours in proportion.
fn quantile(sorted: &[f64], p: f64) -> f64 {
    let place = p.clamp(0.0, 1.0) * (sorted.len() - 1) as f64;
    let low = place.floor();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to the length")]
    let index = low as usize;
    let next = sorted[(index + 1).min(sorted.len() - 1)];
    sorted[index] + (next - sorted[index]) * (place - low)
}
