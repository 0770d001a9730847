//! What counters came to over a window, from what was read of them.
//!
//! Differences of what was really read, and no rate: Prometheus' own `increase()` extrapolates to
//! the edges of the window, so that five requests become 5.4, and leaves the first value of a new
//! series out, so that the first error is none. A test that counts needs whole numbers.

use std::collections::{BTreeMap, BTreeSet, HashMap};

mod totals;

pub(crate) use totals::{Bound, Part, Totals};

/// What was read of one series.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Series {
    /// The metric that it is of, where it still has that name.
    pub(crate) name: Option<String>,
    /// Whose counter it is: all that have this in common are read at the same time.
    pub(crate) target: String,
    /// What it has in common with the other numbers of the same histogram: they begin again from
    /// zero together.
    pub(crate) child: String,
    /// The upper bound, of a bucket.
    pub(crate) bound: Option<Bound>,
    /// Times in Unix milliseconds, rising, and what was read then.
    pub(crate) samples: Vec<(u64, f64)>,
}

/// From when, exclusively, until when, in Unix milliseconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Span {
    pub(crate) from: u64,
    pub(crate) until: u64,
}

/// What all `readings` came to within `span`. The first of them was read first.
///
/// An increase counts where it was read: between two readings nobody knows. So it needs what was
/// read before the span, and spans one after another count each increase once.
///
/// * A counter that falls began again from zero, and so did the others of its child.
/// * A series that was not there before, of a target that was, began at zero.
/// * Of a target that was not there before nobody knows; its first reading is where counting
///   begins.
/// * What was read of a target after the last of the first reading is left out, so that there are
///   no more hits than units.
pub(crate) fn totals(readings: &[(Part, Vec<Series>)], span: Span) -> Totals {
    let mut known_since: HashMap<&str, u64> = HashMap::new();
    let mut fell: HashMap<&str, BTreeSet<u64>> = HashMap::new();
    for (part, series) in
        readings.iter().flat_map(|(part, all)| all.iter().map(move |it| (part, it)))
    {
        // A target that was not up was not scraped.
        let is_scraped = |sample: &&(u64, f64)| *part != Part::Targets || sample.1 > 0.0;
        if let Some((first, _)) = series.samples.iter().find(is_scraped) {
            let since = known_since.entry(&series.target).or_insert(*first);
            *since = (*since).min(*first);
        }
        if *part == Part::Targets {
            continue;
        }
        for two in series.samples.windows(2) {
            if let [(_, before), (at, after)] = two
                && after < before
            {
                fell.entry(&series.child).or_default().insert(*at);
            }
        }
    }
    let mut read_until: HashMap<&str, u64> = HashMap::new();
    for series in readings.first().iter().flat_map(|(_, series)| series) {
        if let Some((last, _)) = series.samples.last() {
            let until = read_until.entry(&series.target).or_insert(*last);
            *until = (*until).max(*last);
        }
    }
    let nothing = BTreeSet::new();
    let mut totals = Totals::default();
    for (part, series) in readings.iter().filter(|(part, _)| *part != Part::Targets) {
        let mut children: BTreeMap<&str, BTreeMap<Bound, f64>> = BTreeMap::new();
        for series in series {
            let until =
                read_until.get(&*series.target).map_or(span.until, |it| span.until.min(*it));
            let fell = fell.get(&*series.child).unwrap_or(&nothing);
            let since = known_since.get(&*series.target).copied().unwrap_or(u64::MAX);
            let rose = increase(series, Span { until, ..span }, fell, since);
            match series.bound {
                Some(bound) if *part == Part::Buckets => {
                    *children.entry(&series.child).or_default().entry(bound).or_default() += rose;
                }
                _ => totals.add(*part, rose),
            }
        }
        for buckets in children.into_values() {
            totals.add_buckets(&buckets);
        }
    }
    totals
}

/// By how much one counter rose.
fn increase(series: &Series, span: Span, fell: &BTreeSet<u64>, known_since: u64) -> f64 {
    let mut before: Option<(u64, f64)> = None;
    let mut rose = 0.0;
    for &(at, value) in series.samples.iter().take_while(|(at, _)| *at <= span.until) {
        rose += match before {
            _ if at <= span.from => 0.0,
            Some((then, _)) if fell.range(then + 1..=at).next().is_some() => value,
            Some((_, before)) => value - before,
            None if known_since < at => value,
            None => 0.0,
        };
        before = Some((at, value));
    }
    rose
}

#[cfg(test)]
mod tests;
