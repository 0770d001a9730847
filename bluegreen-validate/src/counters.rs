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

/// By how much later a process began that began again: some work that time out anew each time.
const JITTER: f64 = 1.0;

/// What all `readings` came to within `span`. The first of them was read first.
///
/// An increase counts where it was read: between two readings nobody knows. So it needs what was
/// read before the span, and spans one after another count each increase once.
///
/// * A counter that falls began again from zero, and so did the others of its child. All of a target
///   did that is known to have begun again.
/// * A series that was not there before, of a target that was, began at zero.
/// * Of a target that was not there before nobody knows; its first reading is where counting
///   begins.
/// * What was read of a target after the last of the first reading is left out, so that there are
///   no more hits than units.
pub(crate) fn totals(readings: &[(Part, Vec<Series>)], span: Span) -> Totals {
    let known = Known::from(readings);
    let mut totals = Totals::default();
    for (part, series) in readings.iter().filter(|(part, _)| *part != Part::Targets) {
        let mut children: BTreeMap<&str, BTreeMap<Bound, f64>> = BTreeMap::new();
        for series in series {
            let rose = known.increase(series, span);
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

/// What is known of targets and children from all of their series.
#[derive(Default)]
struct Known<'a> {
    /// Since when a target is read.
    since: HashMap<&'a str, u64>,
    /// When the first reading was made last.
    until: HashMap<&'a str, u64>,
    /// When counters of a child were found to have fallen.
    fell: HashMap<&'a str, BTreeSet<u64>>,
    /// When a target was found to have begun again.
    began: HashMap<&'a str, BTreeSet<u64>>,
}

impl<'a> Known<'a> {
    fn from(readings: &'a [(Part, Vec<Series>)]) -> Self {
        let mut known = Self::default();
        for (number, (part, all)) in readings.iter().enumerate() {
            for series in all {
                known.take(*part, series);
                if let (0, Some((last, _))) = (number, series.samples.last()) {
                    let until = known.until.entry(&series.target).or_insert(*last);
                    *until = (*until).max(*last);
                }
            }
        }
        known
    }

    fn take(&mut self, part: Part, series: &'a Series) {
        let tells_of_targets = part == Part::Targets;
        // A target that was not up was not read.
        let is_read = |sample: &&(u64, f64)| !tells_of_targets || sample.1 > 0.0;
        if let Some((first, _)) = series.samples.iter().find(is_read) {
            let since = self.since.entry(&series.target).or_insert(*first);
            *since = (*since).min(*first);
        }
        for two in series.samples.windows(2) {
            let [(_, before), (at, after)] = two else { continue };
            if tells_of_targets {
                // The time when the process began; 1 is `up`.
                if *before > 1.0 && *after > before + JITTER {
                    self.began.entry(&series.target).or_default().insert(*at);
                }
            } else if after < before {
                self.fell.entry(&series.child).or_default().insert(*at);
            }
        }
    }

    /// By how much one counter rose.
    fn increase(&self, series: &Series, span: Span) -> f64 {
        let target = &*series.target;
        let until = self.until.get(target).map_or(span.until, |it| span.until.min(*it));
        let since = self.since.get(target).copied().unwrap_or(u64::MAX);
        let (fell, began) = (self.fell.get(&*series.child), self.began.get(target));
        let begins_again = |then: u64, at: u64| {
            // A range that ends before it begins has nothing in it, and would be a panic.
            let within =
                |it: &&BTreeSet<u64>| then < at && it.range(then + 1..=at).next().is_some();
            fell.filter(within).or(began.filter(within)).is_some()
        };
        let mut before: Option<(u64, f64)> = None;
        let mut rose = 0.0;
        for &(at, value) in series.samples.iter().take_while(|(at, _)| *at <= until) {
            rose += match before {
                _ if at <= span.from => 0.0,
                Some((then, _)) if begins_again(then, at) => value,
                Some((_, before)) => value - before,
                None if since < at => value,
                None => 0.0,
            };
            before = Some((at, value));
        }
        rose
    }
}

#[cfg(test)]
mod tests;
