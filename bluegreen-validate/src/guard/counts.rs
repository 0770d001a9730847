//! What a source has measured, seen with a critical eye.

use bluegreen_core::Measurement;
use serde::{Deserialize, Serialize};

use crate::sequential::{Moments, Sketch, SketchError};

/// The most buckets of a distribution: what is kept between looks has to stay small.
const BUCKETS: usize = 512;

/// How much less than before a source may tell of the same time without being doubted: those that
/// extrapolate from samples never say exactly the same.
const NOISE: f64 = 0.05;

/// What a guard needs to know of a metric, beyond count and sum.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Needs {
    /// That the sum counts some of the units.
    Hits,
    /// Nothing.
    Sum,
    /// How much values vary.
    Spread,
    /// How values are distributed.
    Distribution,
}

/// Units of one slot.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Counts {
    pub(crate) units: f64,
    pub(crate) sum: f64,
    pub(crate) squares: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sketch: Option<Sketch>,
}

impl Counts {
    /// Checks a measurement, which may be of nothing.
    ///
    /// # Errors
    /// What can't be true of it, or what it lacks: found and wanted.
    pub(crate) fn of(it: Option<&Measurement>, needs: Needs) -> Result<Self, [String; 2]> {
        let Some(it) = it.filter(|it| it.count > 0) else { return Ok(Self::default()) };
        #[allow(clippy::cast_precision_loss, reason = "beyond 2^53 there is no last digit")]
        let units = it.count as f64;
        let refuse = |found: String, wanted: &str| Err([found, wanted.to_owned()]);
        if !it.sum.is_finite() {
            return refuse(format!("a sum of {}", it.sum), "a finite sum");
        }
        // A hair more may come of adding up.
        if needs == Needs::Hits && !(-1e-9..=units * (1.0 + 1e-9)).contains(&it.sum) {
            let found = format!("{} of {units} units", it.sum);
            return refuse(found, "from none to all of the units");
        }
        let mut counts = Self { units, sum: it.sum, ..Self::default() };
        // Of how much values vary, squares say more than any distribution.
        let is_spare = |bounds: usize| {
            needs == Needs::Spread && it.sum_of_squares.is_some() && bounds > BUCKETS
        };
        if let Some(histogram) = &it.histogram
            && matches!(needs, Needs::Spread | Needs::Distribution)
            && !is_spare(histogram.bounds.len())
        {
            let sketch = match Sketch::of(histogram) {
                Ok(sketch) => sketch,
                Err(error) => return refuse(format!("a distribution with {error}"), "one"),
            };
            let Some(sketch) = sketch.coarsened(BUCKETS) else {
                let found = format!("a distribution with {} bounds", histogram.bounds.len());
                return refuse(found, &format!("at most {BUCKETS}"));
            };
            #[allow(clippy::cast_precision_loss, reason = "as above")]
            let total = sketch.count() as f64;
            if (total - units).abs() > units * NOISE + 1.0 {
                let found = format!("a distribution of {total} units");
                return refuse(found, &format!("one of the {units} that are counted"));
            }
            if needs == Needs::Spread && it.sum_of_squares.is_none() {
                counts.squares = squares(&sketch);
                if !counts.squares.is_finite() {
                    let squares = counts.squares;
                    let found = format!("a distribution of which the sum of squares is {squares}");
                    return refuse(found, "a finite one");
                }
            }
            counts.sketch = (needs == Needs::Distribution).then_some(sketch);
        } else if needs == Needs::Distribution {
            return refuse("no distribution".to_owned(), "a source that knows it");
        }
        if let Some(squares) = it.sum_of_squares {
            // Nothing has a sum of squares below the square of its sum by its count.
            let least = it.sum * it.sum / units;
            if !(squares.is_finite() && squares >= least * (1.0 - 1e-6)) {
                let found = format!("a sum of squares of {squares}");
                return refuse(found, &format!("a finite one of at least {least}"));
            }
            counts.squares = squares;
        } else if needs == Needs::Spread && it.histogram.is_none() {
            return refuse(
                "neither a sum of squares nor a distribution".to_owned(),
                "a source that knows one of them",
            );
        }
        Ok(counts)
    }

    /// What has come since `seen`, of the same stretch of time.
    ///
    /// # Errors
    /// There is less than there was of something that only grows: found and wanted.
    pub(crate) fn since(&self, seen: &Self, needs: Needs) -> Result<Self, [String; 2]> {
        let wanted = || "counts of the same time that do not shrink".to_owned();
        if let Some(found) = self.shrunk(seen, needs) {
            return Err([found, wanted()]);
        }
        let sketch = match (&self.sketch, &seen.sketch) {
            (Some(sketch), Some(seen)) => {
                let fits = |error: SketchError| [error.to_string(), "one".to_owned()];
                if let Some(found) = shrunk_bucket(sketch, seen).map_err(fits)? {
                    return Err([found, wanted()]);
                }
                Some(sketch.since(seen).map_err(fits)?)
            }
            (sketch, _) => sketch.clone(),
        };
        if self.units <= seen.units {
            return Ok(Self::default());
        }
        Ok(Self {
            units: self.units - seen.units,
            sum: self.sum - seen.sum,
            squares: (self.squares - seen.squares).max(0.0),
            sketch,
        })
    }

    /// What of units and sums is less than it was, by more than noise.
    fn shrunk(&self, seen: &Self, needs: Needs) -> Option<String> {
        let told = |what: String, before: f64| format!("{what} where {before} were seen before");
        if is_less(self.units, seen.units, 1.0) {
            return Some(told(format!("{} units", self.units), seen.units));
        }
        if needs == Needs::Hits {
            return is_less(self.sum, seen.sum, 1.0)
                .then(|| told(format!("{} of the units", self.sum), seen.sum));
        }
        let unit = 1.0 / seen.units.max(1.0);
        // Where they are not needed they may not be known.
        let has_squares = needs == Needs::Spread || self.squares > 0.0;
        if has_squares && is_less(self.squares, seen.squares, seen.squares * unit) {
            let (now, before) = (self.squares, seen.squares);
            return Some(format!("a sum of squares of {now} where {before} was seen before"));
        }
        // A sum falls if values below zero have come, whose squares then tell of them: of so many units no
        // other ones have such a sum.
        let (fell, units) = (seen.sum - self.sum, (self.units - seen.units).max(0.0));
        let explained =
            (self.squares - seen.squares).max(0.0) * units >= fell * fell * (1.0 - 1e-6);
        let falls = seen.sum > 0.0 && is_less(self.sum, seen.sum, seen.sum * unit);
        (falls && !explained)
            .then(|| format!("a sum of {} where {} was seen before", self.sum, seen.sum))
    }

    /// Hits among the units: what a source that extrapolates says beyond these is noise.
    pub(crate) fn hits(&self) -> f64 {
        self.sum.clamp(0.0, self.units)
    }

    pub(crate) fn moments(&self) -> Moments {
        Moments::new(self.units, self.sum, self.squares)
    }

    /// Adds other units.
    ///
    /// # Errors
    /// Their distribution has bounds that do not fit, or both have too many together, or sums are beyond
    /// all numbers: found and wanted. Nothing was added.
    pub(crate) fn add(&mut self, other: &Self) -> Result<(), [String; 2]> {
        let (sum, squares) = (self.sum + other.sum, self.squares + other.squares);
        for (what, value) in [("a sum", sum), ("a sum of squares", squares)] {
            // What is not finite can't be stored, and nothing can be made of it.
            if !value.is_finite() {
                return Err([format!("{what} of {value}"), "a finite one".to_owned()]);
            }
        }
        let sketch = match (&self.sketch, &other.sketch) {
            (Some(sketch), Some(other)) => {
                let keeps = "a source that keeps its bounds";
                let refuse = |error: SketchError| [error.to_string(), keeps.to_owned()];
                let mut all = sketch.clone();
                all.merge(other).map_err(refuse)?;
                Some(all)
            }
            (sketch, other) => sketch.as_ref().or(other.as_ref()).cloned(),
        };
        let few = |sketch: Sketch| {
            sketch.coarsened(BUCKETS).ok_or_else(|| {
                let bounds = sketch.bounds().len();
                let found = format!("distributions with {bounds} bounds together");
                [found, format!("at most {BUCKETS}")]
            })
        };
        let sketch = sketch.map(few).transpose()?;
        *self = Self { units: self.units + other.units, sum, squares, sketch };
        Ok(())
    }
}

/// Whether a count is less than `before` by more than noise, or than some that come and go.
fn is_less(now: f64, before: f64, some: f64) -> bool {
    now < before * (1.0 - NOISE) - some
}

/// A bucket that has fewer values than it had.
///
/// # Errors
/// The bounds do not fit.
#[allow(clippy::cast_precision_loss, reason = "beyond 2^53 there is no last digit")]
fn shrunk_bucket(now: &Sketch, before: &Sketch) -> Result<Option<String>, SketchError> {
    let (now, before) = now.united(before)?;
    let mut both = now.counts().iter().zip(before.counts()).enumerate();
    let found = both.find(|(_, (now, before))| is_less(**now as f64, **before as f64, 1.0));
    Ok(found.map(|(bucket, (now, was))| {
        let upper = match before.bounds().get(bucket) {
            Some(bound) => format!("up to {bound}"),
            None => "above all bounds".to_owned(),
        };
        format!("{now} units {upper} where {was} were seen before")
    }))
}

/// An upper bound of the sum of squares: as if every value were at the end of its bucket, and at twice the
/// last bound where there is no end. So values seem to vary more than they do, and not less.
#[allow(clippy::cast_precision_loss, reason = "beyond 2^53 there is no last digit")]
fn squares(sketch: &Sketch) -> f64 {
    let bounds = sketch.bounds();
    let beyond = 2.0 * bounds.last().copied().unwrap_or_default();
    let first = bounds.first().copied().unwrap_or_default().min(0.0);
    let edges = bounds.iter().copied().chain([beyond]);
    let mut lower = first;
    let mut sum = 0.0;
    for (upper, count) in edges.zip(sketch.counts()) {
        // An infinite end times no units would be no number.
        if *count > 0 {
            sum += upper.abs().max(lower.abs()).powi(2) * *count as f64;
        }
        lower = upper;
    }
    sum
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "these values are exact")]
mod tests {
    use bluegreen_core::Histogram;

    use super::*;

    fn refused(it: &Measurement, needs: Needs) -> String {
        Counts::of(Some(it), needs).unwrap_err().join(" / ")
    }

    #[test]
    fn what_cannot_be_true_is_refused_by_name() {
        let measured = Measurement::new;
        assert_eq!(refused(&measured(10, f64::NAN), Needs::Sum), "a sum of NaN / a finite sum");
        let range = "from none to all of the units";
        assert_eq!(refused(&measured(10, -1.0), Needs::Hits), format!("-1 of 10 units / {range}"));
        assert_eq!(refused(&measured(10, 11.0), Needs::Hits), format!("11 of 10 units / {range}"));
        let mut squares = measured(10, 100.0);
        squares.sum_of_squares = Some(999.0);
        let wanted = "a sum of squares of 999 / a finite one of at least 1000";
        assert_eq!(refused(&squares, Needs::Spread), wanted);
        squares.sum_of_squares = Some(f64::INFINITY);
        assert!(refused(&squares, Needs::Spread).starts_with("a sum of squares of inf"));
    }

    #[test]
    fn what_is_lacking_is_named() {
        let bare = Measurement::new(10, 1.0);
        assert!(refused(&bare, Needs::Spread).starts_with("neither a sum of squares"));
        assert!(refused(&bare, Needs::Distribution).starts_with("no distribution"));
        assert_eq!(Counts::of(None, Needs::Distribution), Ok(Counts::default()));
        let nothing = Measurement::new(0, f64::NAN);
        assert_eq!(Counts::of(Some(&nothing), Needs::Hits), Ok(Counts::default()));
    }

    #[test]
    fn a_distribution_is_of_what_is_counted() {
        let mut it = Measurement::new(10, 15.0);
        it.histogram = Some(Histogram::new(vec![1.0, 2.0], vec![5, 5, 0]));
        let counts = Counts::of(Some(&it), Needs::Spread).unwrap();
        assert_eq!(counts.squares, 25.0);
        it.histogram = Some(Histogram::new(vec![1.0, 2.0], vec![50, 5, 0]));
        let found = refused(&it, Needs::Distribution);
        assert_eq!(found, "a distribution of 55 units / one of the 10 that are counted");
        it.histogram = Some(Histogram::new(vec![2.0, 1.0], vec![5, 5, 0]));
        assert!(refused(&it, Needs::Distribution).contains("wanted rising ones"));
    }

    #[test]
    fn counts_that_shrink_are_refused_and_noise_is_not() {
        let counts = |units: f64, sum: f64| Counts { units, sum, ..Counts::default() };
        let more = counts(120.0, 7.0).since(&counts(100.0, 5.0), Needs::Hits).unwrap();
        assert_eq!((more.units, more.sum), (20.0, 2.0));
        let none = counts(98.0, 5.0).since(&counts(100.0, 5.0), Needs::Hits);
        assert_eq!(none, Ok(Counts::default()));
        let [found, _] = counts(50.0, 5.0).since(&counts(100.0, 5.0), Needs::Hits).unwrap_err();
        assert_eq!(found, "50 units where 100 were seen before");
    }

    #[test]
    fn squares_beyond_all_numbers_are_no_small_spread() {
        let mut it = Measurement::new(10, 5.0);
        it.histogram = Some(Histogram::new(vec![1.0, f64::MAX], vec![10, 0, 0]));
        assert_eq!(Counts::of(Some(&it), Needs::Spread).unwrap().squares, 10.0);
        it.histogram = Some(Histogram::new(vec![1.0, f64::MAX], vec![5, 5, 0]));
        let wanted = "a distribution of which the sum of squares is inf / a finite one";
        assert_eq!(refused(&it, Needs::Spread), wanted);
        // Where squares are known nothing has to be made of bounds, be they too many.
        it.sum_of_squares = Some(7.0);
        assert_eq!(Counts::of(Some(&it), Needs::Spread).unwrap().squares, 7.0);
        let bounds: Vec<f64> = (0..600_u32).map(|number| 1.0 + f64::from(number) / 99.0).collect();
        it.histogram = Some(Histogram::new(bounds, [vec![0; 591], vec![1; 10]].concat()));
        assert_eq!(Counts::of(Some(&it), Needs::Spread).unwrap().squares, 7.0);
        let wanted = "a distribution with 600 bounds / at most 512";
        assert_eq!(refused(&it, Needs::Distribution), wanted);
    }

    #[test]
    fn distributions_that_have_too_many_bounds_together_become_coarser() {
        // Every other 32nd of 20 powers of two, and the ones between.
        let of = |first: u32| {
            let bound = |it: u32| (1.0 + f64::from(it % 32) / 32.0) * f64::from(1_u32 << (it / 32));
            let bounds: Vec<f64> = (0..=510_u32).map(|it| bound(first * 130 + it)).collect();
            let counts = (0..=511_u64).map(|it| u64::from(it % 2 == 1)).collect();
            let mut it = Measurement::new(256, 256.0);
            it.histogram = Some(Histogram::new(bounds, counts));
            it
        };
        // What is above all bounds could be anywhere.
        let known = |first| {
            let mut it = of(first);
            let histogram = it.histogram.as_mut().unwrap();
            *histogram.counts.last_mut().unwrap() = 0;
            Counts::of(Some(&it), Needs::Distribution).unwrap()
        };
        let mut all = known(0);
        all.add(&known(1)).unwrap();
        let sketch = all.sketch.as_ref().unwrap();
        assert!(sketch.bounds().len() <= BUCKETS, "{}", sketch.bounds().len());
        assert_eq!(sketch.count(), 510);
        all.add(&known(1)).unwrap();
        assert_eq!(all.sketch.unwrap().count(), 765);
    }

    #[test]
    fn what_adds_up_to_no_number_is_refused() {
        let mut all = Counts { units: 5.0, sum: 3.0, squares: f64::MAX, sketch: None };
        let before = all.clone();
        let [found, wanted] = all.add(&before).unwrap_err();
        assert_eq!((&*found, &*wanted), ("a sum of squares of inf", "a finite one"));
        assert_eq!(all, before);
    }

    #[test]
    fn a_sum_may_fall_by_values_below_zero_and_by_no_others() {
        let counts = |units, sum, squares| Counts { units, sum, squares, ..Counts::default() };
        let seen = counts(100.0, 50.0, 60.0);
        // Twenty units of -1 each.
        assert!(counts(120.0, 30.0, 80.0).since(&seen, Needs::Spread).is_ok());
        let [found, _] = counts(120.0, 0.0, 80.0).since(&seen, Needs::Spread).unwrap_err();
        assert_eq!(found, "a sum of 0 where 50 was seen before");
        assert!(counts(120.0, 49.0, 60.0).since(&seen, Needs::Sum).is_ok(), "that is noise");
        let [found, _] = counts(120.0, 49.0, 50.0).since(&seen, Needs::Spread).unwrap_err();
        assert_eq!(found, "a sum of squares of 50 where 60 was seen before");
    }
}
