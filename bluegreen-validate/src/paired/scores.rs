//! Mean scores compared.

use std::iter::repeat_n;

use bluegreen_core::Verdict;

use super::cases::Cases;
use super::clusters::{Clusters, Counted, Gathered};
use super::compare::three_way;
use super::sample;
use super::stats::{self, Sums};
use super::{Interval, Rules, ScoreComparison};

/// How often the bootstrap draws.
const RESAMPLES: usize = 9_999;
/// How often at least, and how many conversations it draws altogether: so many more conversations than
/// any one suite needs say the same with fewer draws.
const FEWEST: usize = 999;
const DRAWN: usize = 200_000_000;
/// An interval of which nothing is known, in numbers that can be stored.
pub(super) const UNBOUNDED: (f64, f64) = (f64::MIN, f64::MAX);

/// Compares the mean scores of the cases that have some on both slots; `None` if none has.
pub(super) fn compare<C: Cases + ?Sized>(rules: &Rules, all: &C) -> Option<ScoreComparison> {
    let (mut of_live, mut of_idle) = (Counted::default(), Counted::default());
    let mut gathered = Gathered::default();
    for index in 0..all.count() {
        let traits = all.traits(index);
        if !traits.counts() {
            continue;
        }
        let Some((live, idle)) = sample::scores(all, index) else { continue };
        of_live.add(live, 1);
        of_idle.add(idle, 1);
        gathered.add(traits.conversation, idle - live);
    }
    let cases = of_live.count();
    if cases == 0 {
        return None;
    }
    let (live, idle) = (of_live.mean(), of_idle.mean());
    let clusters = gathered.done();
    let level = 1.0 - 2.0 * rules.alpha;
    let (low, high) = interval(&clusters, [&of_live, &of_idle], rules.seed, level);
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
    Some(ScoreComparison { verdict, cases: cases as u64, live, idle, interval, margin })
}

/// By the bootstrap; but where every cluster changed alike there is nothing to draw from, and the
/// score interval tells what so many cases can show, for scores from 0 to 1.
fn interval(clusters: &Clusters, scores: [&Counted; 2], seed: u64, level: f64) -> (f64, f64) {
    let in_scale = |score: f64| (0.0..=1.0).contains(&score);
    let resamples = (DRAWN / clusters.len().max(1)).clamp(FEWEST, RESAMPLES);
    let drawn = (clusters.sums().count() > 1).then(|| {
        let sums = clusters.sums();
        let all: Vec<(f64, u64)> =
            sums.flat_map(|(sum, cases, times)| repeat_n((sum, cases), times)).collect();
        stats::bca(&all, level, u32::try_from(resamples).unwrap_or(u32::MAX), seed)
    });
    match drawn.flatten() {
        Some(interval) => interval,
        None if scores.iter().all(|it| it.each().all(in_scale)) => {
            Sums::counted(clusters.sums()).interval(level)
        }
        None => UNBOUNDED,
    }
}
