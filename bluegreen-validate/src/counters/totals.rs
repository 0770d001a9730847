//! Sums over all series, and the measurement that they make.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use bluegreen_core::{Histogram, Measurement};

/// As much as a float counts without gaps.
const MOST: f64 = 9_007_199_254_740_992.0;

/// What of a metric a number is.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum Part {
    /// Units: requests, conversations.
    Count,
    /// How many units there are up to each bound.
    Buckets,
    /// Units that have what is looked for: those that failed.
    Hits,
    /// The sum of the values.
    Sum,
    /// The sum of the squares of the values.
    Squares,
    /// Nothing that counts: when targets were scraped.
    Targets,
}

impl Part {
    /// What settings call it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Buckets => "buckets",
            Self::Hits => "hits",
            Self::Sum => "sum",
            Self::Squares => "sum_of_squares",
            Self::Targets => "targets",
        }
    }
}

/// The upper bound of a bucket; ordered, so it is a number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound(f64);

impl Bound {
    pub(crate) const INFINITE: Self = Self(f64::INFINITY);

    /// Reads the label `le`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bound: f64 = text.parse().ok()?;
        // Both zeros are one bound.
        (!bound.is_nan()).then_some(Self(bound + 0.0))
    }
}

impl Ord for Bound {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Bound {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Bound {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Bound {}

/// Sums of one metric. `None` where there is no series, which is not zero.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Totals {
    pub(crate) count: Option<f64>,
    pub(crate) hits: Option<f64>,
    pub(crate) sum: Option<f64>,
    pub(crate) squares: Option<f64>,
    /// How many units there are up to each bound, as far as all have the same bounds.
    pub(crate) buckets: Option<BTreeMap<Bound, f64>>,
}

impl Totals {
    /// Adds a number.
    pub(crate) fn add(&mut self, part: Part, amount: f64) {
        let sum = match part {
            Part::Count => &mut self.count,
            Part::Hits => &mut self.hits,
            Part::Sum => &mut self.sum,
            Part::Squares => &mut self.squares,
            // A bucket without a bound is none.
            Part::Buckets | Part::Targets => return,
        };
        *sum = Some(sum.unwrap_or_default() + amount);
    }

    /// Adds the buckets of one histogram. Bounds that not all have are lost, since what lies
    /// between them is not known.
    pub(crate) fn add_buckets(&mut self, more: &BTreeMap<Bound, f64>) {
        match &mut self.buckets {
            Some(buckets) => {
                buckets.retain(|bound, _| more.contains_key(bound));
                for (bound, count) in buckets {
                    *count += more.get(bound).copied().unwrap_or_default();
                }
            }
            none => *none = Some(more.clone()),
        }
    }

    /// Whether nothing but the bucket of all units would be left of both buckets.
    pub(crate) fn has_other_buckets(&self, more: &Self) -> bool {
        let (Some(one), Some(other)) = (&self.buckets, &more.buckets) else { return false };
        let common = one.keys().filter(|bound| other.contains_key(bound)).count();
        common <= 1 && one.len() > 1 && other.len() > 1
    }

    /// Adds other sums of the same metric.
    pub(crate) fn add_all(&mut self, more: &Self) {
        for (part, amount) in [
            (Part::Count, more.count),
            (Part::Hits, more.hits),
            (Part::Sum, more.sum),
            (Part::Squares, more.squares),
        ] {
            if let Some(amount) = amount {
                self.add(part, amount);
            }
        }
        if let Some(buckets) = &more.buckets {
            self.add_buckets(buckets);
        }
    }

    /// What came since these sums were as in `earlier`.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let less =
            |now: Option<f64>, then: Option<f64>| now.map(|it| it - then.unwrap_or_default());
        let buckets = self.buckets.as_ref().map(|now| {
            let then = |bound| earlier.buckets.as_ref().and_then(|it| it.get(bound)).copied();
            now.iter().map(|(it, count)| (*it, count - then(it).unwrap_or_default())).collect()
        });
        Self {
            count: less(self.count, earlier.count),
            hits: less(self.hits, earlier.hits),
            sum: less(self.sum, earlier.sum),
            squares: less(self.squares, earlier.squares),
            buckets,
        }
    }

    /// The measurement, with `wanted` parts in it and every value times `scale`; `None` where no
    /// unit was seen.
    ///
    /// # Errors
    /// Numbers that do not go together, and why not.
    pub(crate) fn measurement(
        &self,
        wanted: &[Part],
        scale: f64,
    ) -> Result<Option<Measurement>, String> {
        let of_buckets = self.buckets.as_ref().and_then(|it| it.get(&Bound::INFINITE)).copied();
        let counted = if wanted.contains(&Part::Count) { self.count } else { of_buckets };
        let count = whole("units", counted.unwrap_or_default())?;
        let hits = self.hits.unwrap_or_default();
        if hits > counted.unwrap_or_default() {
            let found = counted.unwrap_or_default();
            return Err(format!("found {hits} hits of {found} units, wanted at most as many"));
        }
        if count == 0 {
            return Ok(None);
        }
        let found = |part: Part, sum: Option<f64>| {
            let sum = sum.ok_or_else(|| format!("{} of {count} units: found none", part.name()))?;
            let fits = sum.is_finite() && sum >= 0.0;
            let why = || format!("{}: found {sum}, wanted a number from 0 on", part.name());
            fits.then_some(sum).ok_or_else(why)
        };
        let is_wanted = |part: Part| wanted.contains(&part);
        let mut measurement = Measurement::new(count, 0.0);
        if is_wanted(Part::Hits) {
            // No failure yet is no series yet. Each is a one, and so is its square.
            measurement.sum = found(Part::Hits, Some(hits))?;
            measurement.sum_of_squares = Some(measurement.sum);
        } else {
            measurement.sum = found(Part::Sum, self.sum)? * scale;
        }
        if is_wanted(Part::Squares) {
            measurement.sum_of_squares = Some(found(Part::Squares, self.squares)? * scale * scale);
        }
        if is_wanted(Part::Buckets) {
            let buckets = self.buckets.as_ref().ok_or("buckets: found none")?;
            measurement.histogram = Some(histogram(buckets, count, scale)?);
        }
        Ok(Some(measurement))
    }
}

/// A number of things.
fn whole(what: &str, number: f64) -> Result<u64, String> {
    if !(0.0..=MOST).contains(&number) || number.fract() != 0.0 {
        return Err(format!("found {number} {what}, wanted a whole number from 0 on"));
    }
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is whole, not negative and small enough"
    )]
    Ok(number as u64)
}

/// How many are in each bucket, from how many there are up to each bound.
fn histogram(buckets: &BTreeMap<Bound, f64>, count: u64, scale: f64) -> Result<Histogram, String> {
    let (mut bounds, mut counts) = (Vec::new(), Vec::new());
    let mut below = 0;
    for (Bound(bound), up_to) in buckets {
        let up_to = whole("units in buckets", *up_to)?;
        let Some(within) = up_to.checked_sub(below) else {
            return Err(format!(
                "found {up_to} units up to {bound}, wanted at least the {below} that are up to the \
                 bound before it"
            ));
        };
        counts.push(within);
        bounds.push(bound * scale);
        below = up_to;
    }
    if bounds.pop() != Some(f64::INFINITY) {
        return Err("found no bucket of all units (le=\"+Inf\")".to_owned());
    }
    if below != count {
        return Err(format!(
            "found {below} units in all buckets, wanted the {count} units counted"
        ));
    }
    Ok(Histogram::new(bounds, counts))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(count: f64, sum: f64, buckets: &[(&str, f64)]) -> Totals {
        let mut totals = Totals { count: Some(count), sum: Some(sum), ..Totals::default() };
        let buckets = buckets.iter().map(|(bound, count)| (Bound::parse(bound).unwrap(), *count));
        totals.add_buckets(&buckets.collect());
        totals
    }

    const ALL: [Part; 3] = [Part::Count, Part::Sum, Part::Buckets];

    #[test]
    fn a_measurement_has_counts_of_each_bucket_and_units_of_the_report() {
        let totals = totals(10.0, 5000.0, &[("+Inf", 10.0), ("1000", 9.0), ("250", 4.0)]);
        let measured = totals.measurement(&ALL, 0.001).unwrap().unwrap();
        assert_eq!((measured.count, measured.sum), (10, 5.0));
        let histogram = measured.histogram.unwrap();
        assert_eq!((histogram.bounds, histogram.counts), (vec![0.25, 1.0], vec![4, 5, 1]));
        assert_eq!(measured.sum_of_squares, None);
    }

    #[test]
    fn hits_are_ones_and_none_is_zero() {
        let mut totals = Totals { count: Some(10.0), ..Totals::default() };
        let of =
            |totals: &Totals| totals.measurement(&[Part::Count, Part::Hits], 1.0).unwrap().unwrap();
        assert_eq!(of(&totals).sum.to_bits(), 0.0_f64.to_bits());
        totals.add(Part::Hits, 3.0);
        let measured = of(&totals);
        assert_eq!((measured.sum, measured.sum_of_squares), (3.0, Some(3.0)));
        totals.add(Part::Hits, 8.0);
        let why = totals.measurement(&[Part::Count, Part::Hits], 1.0).unwrap_err();
        assert_eq!(why, "found 11 hits of 10 units, wanted at most as many");
    }

    #[test]
    fn no_unit_is_nothing() {
        assert_eq!(Totals::default().measurement(&ALL, 1.0), Ok(None));
        assert_eq!(totals(0.0, 0.0, &[("+Inf", 0.0)]).measurement(&ALL, 1.0), Ok(None));
    }

    #[test]
    fn numbers_that_do_not_go_together_are_no_measurement() {
        for (totals, wanted) in [
            (totals(1.5, 1.0, &[("+Inf", 1.5)]), "found 1.5 units, wanted a whole number"),
            (totals(-1.0, 1.0, &[("+Inf", 1.0)]), "found -1 units"),
            (totals(1e16, 1.0, &[("+Inf", 1e16)]), "found 10000000000000000 units"),
            (totals(2.0, f64::INFINITY, &[("+Inf", 2.0)]), "sum: found inf, wanted"),
            (totals(2.0, 1.0, &[("1", 2.0)]), "found no bucket of all units"),
            (totals(2.0, 1.0, &[("+Inf", 3.0)]), "found 3 units in all buckets, wanted the 2"),
            (totals(2.0, 1.0, &[("1", 3.0), ("+Inf", 2.0)]), "found 2 units up to inf, wanted"),
            (Totals { sum: None, ..totals(2.0, 1.0, &[("+Inf", 2.0)]) }, "sum of 2 units: found"),
        ] {
            let why = totals.measurement(&ALL, 1.0).unwrap_err();
            assert!(why.starts_with(wanted), "{why}");
        }
    }

    #[test]
    fn only_bounds_that_all_have_are_kept() {
        let mut all = totals(4.0, 1.0, &[("1", 1.0), ("2", 3.0), ("+Inf", 4.0)]);
        all.add_all(&totals(2.0, 1.0, &[("2", 1.0), ("5", 1.0), ("+Inf", 2.0)]));
        let measured = all.measurement(&ALL, 1.0).unwrap().unwrap();
        let histogram = measured.histogram.unwrap();
        assert_eq!((histogram.bounds, histogram.counts), (vec![2.0], vec![4, 2]));
        let later = all.since(&totals(4.0, 1.0, &[("1", 1.0), ("2", 3.0), ("+Inf", 4.0)]));
        assert_eq!(later.count, Some(2.0));
        assert_eq!(later.buckets.unwrap().into_values().collect::<Vec<_>>(), [1.0, 2.0]);
    }
}
