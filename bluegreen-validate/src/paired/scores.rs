//! Mean scores compared.

use bluegreen_core::Verdict;

use super::compare::{clustered, three_way};
use super::sample::Sample;
use super::stats::{self, Sums};
use super::{Interval, Rules, ScoreComparison};

/// How often the bootstrap draws.
const RESAMPLES: u32 = 9_999;
/// An interval of which nothing is known, in numbers that can be stored.
pub(super) const UNBOUNDED: (f64, f64) = (f64::MIN, f64::MAX);

/// Compares the mean scores of the cases that have some on both slots; `None` if none has.
pub(super) fn compare(rules: &Rules, samples: &[&Sample<'_>]) -> Option<ScoreComparison> {
    let mut found: Vec<(&Sample<'_>, f64, f64)> = samples
        .iter()
        .filter_map(|sample| sample.scores().map(|(live, idle)| (*sample, live, idle)))
        .collect();
    found.sort_by(|a, b| a.0.case.case.cmp(&b.0.case.case));
    let cases = found.len() as f64;
    let mean =
        |value: fn(&(&Sample<'_>, f64, f64)) -> f64| found.iter().map(value).sum::<f64>() / cases;
    if found.is_empty() {
        return None;
    }
    let (live, idle) = (mean(|scored| scored.1), mean(|scored| scored.2));
    let clusters: Vec<(f64, u64)> =
        clustered(found.iter().map(|(sample, live, idle)| (*sample, idle - live)))
            .iter()
            .map(|cluster| (cluster.iter().sum(), cluster.len() as u64))
            .collect();
    let level = 1.0 - 2.0 * rules.alpha;
    let (low, high) = interval(&clusters, &found, rules.seed, level);
    // What is beyond all numbers can't be stored, and an interval about it is none.
    let known = [live, idle, idle - live, low, high].iter().all(|number| number.is_finite());
    let (low, high) = if known { (low, high) } else { UNBOUNDED };
    let stored = |it: f64| if it.is_nan() { 0.0 } else { it.clamp(f64::MIN, f64::MAX) };
    let (live, idle, estimate) = (stored(live), stored(idle), stored(idle - live));
    let interval = Interval { estimate, low, high, level };
    let verdict = match rules.score_margin {
        None => Verdict::Inconclusive,
        // An interval that is not known, or no interval for want of cases, shows nothing.
        Some(margin) => {
            let (above, below) = (low > -margin, high < -margin);
            three_way(if above { 0.0 } else { 1.0 }, if below { 0.0 } else { 1.0 }, rules.alpha)
        }
    };
    let margin = rules.score_margin;
    Some(ScoreComparison { verdict, cases: found.len() as u64, live, idle, interval, margin })
}

/// By the bootstrap; but where every cluster changed alike there is nothing to draw from, and the
/// score interval tells what so many cases can show, for scores from 0 to 1.
fn interval(
    clusters: &[(f64, u64)],
    found: &[(&Sample<'_>, f64, f64)],
    seed: u64,
    level: f64,
) -> (f64, f64) {
    let in_scale = |score: f64| (0.0..=1.0).contains(&score);
    match stats::bca(clusters, level, RESAMPLES, seed) {
        Some(interval) => interval,
        None if found.iter().all(|(_, live, idle)| in_scale(*live) && in_scale(*idle)) => {
            Sums::of(clusters.iter().copied()).interval(level)
        }
        None => UNBOUNDED,
    }
}
