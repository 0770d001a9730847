//! How the units of a cohort fared.

use std::collections::BTreeMap;

use super::book::Book;
use crate::experiment::{ArmTally, Asked, Cohort, Missing, Tally};
use crate::sequential::Moments;

/// Whose a version is.
#[derive(Clone, Copy)]
enum Side {
    Candidate,
    Live,
    Neither,
}

/// Counts all units of the cohort.
pub(super) fn tally(book: &mut Book, cohort: &Cohort) -> Tally {
    book.begin(cohort.unit, cohort.since);
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
    let mut tally =
        Tally { candidate: nothing(), live: nothing(), foreign: 0, refused: book.counts().refused };
    for unit in &book.units {
        let Some((first, arm)) = unit.first else { continue };
        if first < cohort.since || first > cohort.until {
            continue;
        }
        let of = match sides.get(usize::from(arm)) {
            Some(Side::Candidate) => &mut tally.candidate,
            Some(Side::Live) => &mut tally.live,
            Some(Side::Neither) | None => {
                tally.foreign += 1;
                continue;
            }
        };
        of.exposed += 1;
        if unit.mixed {
            of.contaminated += 1;
            continue;
        }
        for (asked, metric) in &asked {
            if !asked.settle.is_zero() && first.plus(asked.settle) > cohort.until {
                continue;
            }
            let told = metric.and_then(|metric| unit.outcome(metric, cohort.until));
            let value = told.or((asked.missing == Missing::Zero).then_some(0.0));
            if let (Some(value), Some(moments)) = (value, of.outcomes.get_mut(&asked.metric)) {
                moments.record(value);
            }
        }
    }
    tally
}
