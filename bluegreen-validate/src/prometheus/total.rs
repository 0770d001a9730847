//! What the answers to all queries of a metric come to.

use std::collections::{BTreeMap, BTreeSet};

use crate::counters::{self, Part, Series, Span, Totals};
use crate::excerpt::Mask;

/// What all readings come to within `span`: of counters, or of values that stand for themselves.
///
/// # Errors
/// A series that two queries found would count twice.
pub(super) fn total(
    readings: &[(Part, Vec<Series>)],
    span: Span,
    are_values: bool,
) -> Result<Totals, String> {
    if are_values {
        return Ok(of_values(readings));
    }
    let mut seen = BTreeSet::new();
    for (part, series) in readings {
        for it in series.iter().filter(|it| it.name.is_some()) {
            if !seen.insert((*part, &it.name, &it.child, it.bound)) {
                let name = it.name.as_deref().unwrap_or_default();
                let labels = Mask::default().excerpt(it.child.as_bytes());
                return Err(format!(
                    "{}: found {name} with the labels {labels} twice, wanted it once",
                    part.name()
                ));
            }
        }
    }
    Ok(counters::totals(readings, span))
}

fn of_values(readings: &[(Part, Vec<Series>)]) -> Totals {
    let mut totals = Totals::default();
    let value = |it: &Series| it.samples.first().map_or(0.0, |(_, value)| *value);
    let mut buckets: BTreeMap<counters::Bound, f64> = BTreeMap::new();
    // Queries for one number are added up before anything is rounded.
    let mut sums: BTreeMap<Part, f64> = BTreeMap::new();
    for (part, series) in readings {
        for it in series {
            match it.bound {
                Some(bound) => *buckets.entry(bound).or_default() += value(it),
                None => *sums.entry(*part).or_default() += value(it),
            }
        }
    }
    for (part, sum) in sums {
        // `increase` extrapolates; what it says of units is nearest to the truth as a whole number.
        let is_number_of_units = matches!(part, Part::Count | Part::Hits);
        totals.add(part, if is_number_of_units { sum.round() } else { sum });
    }
    if !buckets.is_empty() {
        for count in buckets.values_mut() {
            *count = count.round();
        }
        totals.add_buckets(&buckets);
    }
    totals
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(name: &str, child: &str, samples: &[(u64, f64)]) -> Series {
        let (name, child) = (Some(name.to_owned()), child.to_owned());
        Series { name, child, samples: samples.to_vec(), ..Series::default() }
    }

    #[test]
    fn a_series_counts_once() {
        let span = Span { from: 0, until: 10 };
        let one = series("a", "x", &[(1, 1.0), (2, 3.0)]);
        let other = series("b", "x", &[(1, 1.0), (2, 2.0)]);
        let two = |one: &Series, other: &Series| {
            total(
                &[(Part::Count, vec![one.clone()]), (Part::Count, vec![other.clone()])],
                span,
                false,
            )
        };
        assert_eq!(two(&one, &other).unwrap().count, Some(3.0));
        let why = two(&one, &one).unwrap_err();
        assert_eq!(why, "count: found a with the labels `x` twice, wanted it once");
    }

    #[test]
    fn units_of_values_are_rounded_once() {
        let value = |value| series("", "", &[(1, value)]);
        let readings = [
            (Part::Count, vec![value(5.4), value(2.4)]),
            (Part::Count, vec![value(2.4)]),
            (Part::Sum, vec![value(0.25)]),
            (Part::Hits, Vec::new()),
        ];
        let found = total(&readings, Span { from: 0, until: 1 }, true).unwrap();
        assert_eq!((found.count, found.sum, found.hits), (Some(10.0), Some(0.25), None));
    }
}
