//! How the units of a cohort fared.

use std::collections::BTreeMap;

use super::book::Book;
use crate::experiment::{Arm, ArmTally, Asked, Cohort, Kind, Missing, Tally};
use crate::sequential::Moments;

/// Whose a version is.
#[derive(Clone, Copy)]
enum Side {
    Candidate,
    Live,
    Neither,
}

/// Counts, in pairs of values that are not the same (Boyer and Moore): of each pair one value at least is not
/// the most frequent one.
#[derive(Clone, Copy, Default)]
struct Pairs {
    value: u64,
    unpaired: u64,
    unequal: u64,
}

impl Pairs {
    fn record(&mut self, value: f64) {
        // There are two zeros, and they are the same.
        let value = (value + 0.0).to_bits();
        if self.unpaired == 0 {
            (self.value, self.unpaired) = (value, 1);
        } else if self.value == value {
            self.unpaired += 1;
        } else {
            self.unpaired -= 1;
            self.unequal += 1;
        }
    }
}

/// Counts all units of the cohort.
pub(super) fn tally(book: &mut Book, cohort: &Cohort) -> Tally {
    book.begin(cohort.unit, cohort.since);
    let rates = cohort.outcomes.iter().filter(|asked| asked.kind == Kind::Rate);
    book.rates = rates.map(|asked| asked.metric.clone()).collect();
    let sides: Vec<Side> = book
        .arms
        .iter()
        .map(|(color, version)| {
            if cohort.candidate.has(*color, version) {
                Side::Candidate
            } else if cohort.live.has(*color, version) {
                Side::Live
            } else {
                Side::Neither
            }
        })
        .collect();
    let asked: Vec<(&Asked, Option<u8>)> = cohort
        .outcomes
        .iter()
        .map(|asked| {
            let place = book.metrics.iter().position(|name| *name == asked.metric);
            (asked, place.and_then(|place| u8::try_from(place).ok()))
        })
        .collect();
    let nothing = || ArmTally {
        outcomes: asked
            .iter()
            .map(|(asked, _)| (asked.metric.clone(), Moments::default()))
            .collect::<BTreeMap<_, _>>(),
        ..ArmTally::default()
    };
    let mut tally = Tally {
        candidate: nothing(),
        live: nothing(),
        refused: book.counts().refused,
        ..Tally::default()
    };
    let mut strangers: BTreeMap<u8, u64> = BTreeMap::new();
    let mut pairs = [(); 2].map(|()| vec![Pairs::default(); asked.len()]);
    for unit in &book.units {
        let Some((first, arm)) = unit.first else { continue };
        if first < cohort.since || first > cohort.until {
            continue;
        }
        let [candidate, live] = &mut pairs;
        let (of, pairs) = match sides.get(usize::from(arm)) {
            Some(Side::Candidate) => (&mut tally.candidate, candidate),
            Some(Side::Live) => (&mut tally.live, live),
            Some(Side::Neither) | None => {
                tally.foreign += 1;
                *strangers.entry(arm).or_default() += 1;
                continue;
            }
        };
        of.exposed += 1;
        if unit.mixed {
            of.contaminated += 1;
            continue;
        }
        for ((asked, metric), pairs) in asked.iter().zip(pairs) {
            if !asked.settle.is_zero() && first.plus(asked.settle) > cohort.until {
                continue;
            }
            let told = metric.and_then(|metric| unit.outcome(metric, cohort.until));
            let value = told.or((asked.missing == Missing::Zero).then_some(0.0));
            if let (Some(value), Some(moments)) = (value, of.outcomes.get_mut(&asked.metric)) {
                moments.record(value);
                pairs.record(value);
            }
        }
    }
    let mut strangers: Vec<(u8, u64)> = strangers.into_iter().collect();
    strangers.sort_by_key(|(_, units)| std::cmp::Reverse(*units));
    let named = strangers.iter().filter_map(|(arm, _)| book.arms.get(usize::from(*arm)));
    tally.strangers =
        named.map(|(color, version)| Arm::new(*color, Some(version.clone()))).collect();
    for (arm, pairs) in [&mut tally.candidate, &mut tally.live].into_iter().zip(pairs) {
        let counts = asked.iter().zip(pairs);
        arm.varied = counts.map(|((asked, _), it)| (asked.metric.clone(), it.unequal)).collect();
    }
    tally
}
