//! How values are distributed, in memory that does not grow with them.

use std::fmt;

use bluegreen_core::Histogram;
use serde::{Deserialize, Serialize};

mod unite;

/// The most buckets.
const MOST: usize = 4096;

/// Counts of values between bounds. Two can be added whose bounds are the same, or differ only where a
/// bucket is empty: each part of an empty bucket is empty too, so that nothing has to be guessed. And a
/// bucket that is the 4th, 8th or 16th part of a power of two takes in those of the other that are within it.
///
/// Within a bucket values are taken to lie evenly, as Prometheus does: how fine the bounds are is how
/// exact a quantile is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct Sketch {
    bounds: Vec<f64>,
    counts: Vec<u64>,
}

/// One that was written somewhere, and may be anything.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    bounds: Vec<f64>,
    counts: Vec<u64>,
}

impl TryFrom<Stored> for Sketch {
    type Error = SketchError;

    fn try_from(Stored { bounds, counts }: Stored) -> Result<Self, SketchError> {
        let sketch = if bounds.is_empty() { Self::default() } else { Self::new(bounds)? };
        sketch.with(counts)
    }
}

/// Without bounds, so that all values are in one bucket.
impl Default for Sketch {
    fn default() -> Self {
        Self { bounds: Vec::new(), counts: vec![0] }
    }
}

/// Why something is no distribution, or can't be added to another.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SketchError(String);

impl fmt::Display for SketchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SketchError {}

impl Sketch {
    /// With these upper bounds of buckets, and one more bucket for what is above them all.
    ///
    /// # Errors
    /// They are none or more than 4096, not finite, or do not rise.
    pub fn new(bounds: Vec<f64>) -> Result<Self, SketchError> {
        if bounds.is_empty() || bounds.len() > MOST {
            return Err(SketchError(format!("{} bounds, wanted 1 to {MOST}", bounds.len())));
        }
        if let Some(bound) = bounds.iter().find(|bound| !bound.is_finite()) {
            return Err(SketchError(format!("a bound of {bound}, wanted finite ones")));
        }
        if let Some(pair) = bounds.windows(2).find(|pair| pair[0] >= pair[1]) {
            let (first, second) = (pair[0], pair[1]);
            return Err(SketchError(format!(
                "a bound of {second} after {first}, wanted rising ones"
            )));
        }
        let counts = vec![0; bounds.len() + 1];
        Ok(Self { bounds, counts })
    }

    /// With bounds from `low` to at least `high`, each larger than the one before by the share `step`: 0.02
    /// for quantiles that are exact to two per cent.
    ///
    /// # Errors
    /// These make no bounds, or more than 4096.
    pub fn logarithmic(low: f64, high: f64, step: f64) -> Result<Self, SketchError> {
        if !(low > 0.0 && low < high && high.is_finite() && step > 1e-6 && step.is_finite()) {
            let found = format!("from {low} to {high} in steps of {step}");
            return Err(SketchError(format!("{found}, wanted numbers above zero that rise")));
        }
        let bounds = (0_i32..).map(|number| low * (1.0 + step).powi(number));
        let mut bounds: Vec<f64> = bounds.take_while(|it| *it < high).take(MOST).collect();
        bounds.push(bounds.last().map_or(high, |last| last * (1.0 + step)));
        Self::new(bounds)
    }

    /// What a source has measured.
    ///
    /// # Errors
    /// As [`new`](Self::new), and that there is not one more count than bounds.
    pub fn of(histogram: &Histogram) -> Result<Self, SketchError> {
        Self::new(histogram.bounds.clone())?.with(histogram.counts.clone())
    }

    /// With the same bounds and these counts.
    fn with(self, counts: Vec<u64>) -> Result<Self, SketchError> {
        let (found, wanted) = (counts.len(), self.counts.len());
        if found != wanted {
            let error = format!("{found} counts, wanted {wanted}: one more than bounds");
            return Err(SketchError(error));
        }
        Ok(Self { counts, ..self })
    }

    /// Adds one value; NaN is none.
    pub fn record(&mut self, value: f64) {
        if !value.is_nan() {
            let bucket = self.bounds.partition_point(|bound| *bound < value);
            self.counts[bucket] = self.counts[bucket].saturating_add(1);
        }
    }

    /// Adds what another one has, and has the bounds of both from then on, but for those that the other's
    /// coarser buckets took in.
    ///
    /// # Errors
    /// A bound of one is within a bucket of the other that has values and is no such part of a power of two,
    /// or both have more than 4096 bounds together. Nothing was added.
    pub fn merge(&mut self, other: &Self) -> Result<(), SketchError> {
        let (mut all, other) = self.united(other)?;
        for (count, more) in all.counts.iter_mut().zip(&other.counts) {
            *count = count.saturating_add(*more);
        }
        *self = all;
        Ok(())
    }

    /// What has been added since it was `before`, with the bounds of both. A bucket that has fewer values
    /// than then has none.
    ///
    /// # Errors
    /// As [`merge`](Self::merge).
    pub fn since(&self, before: &Self) -> Result<Self, SketchError> {
        let (mut since, before) = self.united(before)?;
        for (count, before) in since.counts.iter_mut().zip(&before.counts) {
            *count = count.saturating_sub(*before);
        }
        Ok(since)
    }

    /// How many values there are.
    pub fn count(&self) -> u64 {
        total(&self.counts)
    }

    /// The upper bounds.
    pub fn bounds(&self) -> &[f64] {
        &self.bounds
    }

    /// The counts, one more than bounds.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// How many values are at most `value`.
    #[allow(clippy::cast_precision_loss, reason = "beyond 2^53 there is no last digit")]
    pub fn at_most(&self, value: f64) -> f64 {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        let below = total(&self.counts[..bucket]);
        let Some(upper) = self.bounds.get(bucket) else {
            return below as f64;
        };
        let lower = self.lower_edge(bucket);
        let part = if *upper > lower { ((value - lower) / (upper - lower)).max(0.0) } else { 1.0 };
        below as f64 + part * self.counts[bucket] as f64
    }

    /// The value that the share `p` of all values does not exceed. `None` without values; infinite where
    /// it is above the largest bound.
    pub fn quantile(&self, p: f64) -> Option<f64> {
        let (bucket, part) = self.place(p)?;
        let Some(upper) = self.bounds.get(bucket) else { return Some(f64::INFINITY) };
        let lower = self.lower_edge(bucket);
        // The difference of the ends may be beyond all numbers.
        Some(lower * (1.0 - part) + upper * part)
    }

    /// The ends of the bucket in which that value is, however values lie within it. `None` without values;
    /// the bucket of the largest values has no upper end, and one of values below zero may have no lower.
    pub fn quantile_bucket(&self, p: f64) -> Option<(f64, f64)> {
        let (bucket, _) = self.place(p)?;
        let upper = self.bounds.get(bucket).copied().unwrap_or(f64::INFINITY);
        let lower = match bucket {
            0 if upper > 0.0 && upper.is_finite() => 0.0,
            0 => f64::NEG_INFINITY,
            _ => self.lower_edge(bucket),
        };
        Some((lower, upper))
    }

    /// The bucket in which the share `p` of all values ends, and after which part of it.
    #[allow(clippy::cast_precision_loss, reason = "beyond 2^53 there is no last digit")]
    fn place(&self, p: f64) -> Option<(usize, f64)> {
        let total = self.count();
        if total == 0 || p.is_nan() {
            return None;
        }
        let rank = p.clamp(0.0, 1.0) * total as f64;
        let mut below = 0.0;
        for (bucket, count) in self.counts.iter().enumerate() {
            let count = *count as f64;
            if count > 0.0 && below + count >= rank {
                return Some((bucket, ((rank - below) / count).clamp(0.0, 1.0)));
            }
            below += count;
        }
        Some((self.bounds.len(), 1.0))
    }

    /// Where a bucket begins. The first one begins at nothing if its bound is above that, as latencies
    /// and costs do.
    fn lower_edge(&self, bucket: usize) -> f64 {
        match bucket.checked_sub(1) {
            Some(before) => self.bounds[before],
            None => self.bounds[0].min(0.0),
        }
    }
}

fn total(counts: &[u64]) -> u64 {
    counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thousand() -> Sketch {
        let mut sketch = Sketch::logarithmic(1.0, 1000.0, 0.01).unwrap();
        (1..=1000_u32).for_each(|value| sketch.record(value.into()));
        sketch
    }

    #[test]
    fn quantiles_are_as_exact_as_the_bounds() {
        let sketch = thousand();
        for p in [0.1, 0.5, 0.9, 0.95, 0.99] {
            let found = sketch.quantile(p).unwrap();
            assert!((found / (1000.0 * p) - 1.0).abs() < 0.011, "{p}: {found}");
            assert!((sketch.at_most(found) / (1000.0 * p) - 1.0).abs() < 1e-9);
        }
        assert_eq!(sketch.count(), 1000);
    }

    #[test]
    fn halves_add_up_and_others_do_not() {
        let (mut first, mut second) = (thousand(), thousand());
        let whole = {
            let mut whole = thousand();
            (1..=1000_u32).for_each(|value| whole.record(value.into()));
            whole
        };
        first.merge(&second).unwrap();
        assert_eq!(first, whole);
        second = Sketch::new(vec![1.0, 2.0]).unwrap();
        let error = first.merge(&second).unwrap_err().to_string();
        assert!(error.starts_with("other bounds (2 of them)"), "{error}");
        assert_eq!(first, whole);
    }

    #[test]
    fn what_is_above_all_bounds_is_somewhere_above() {
        let histogram = Histogram::new(vec![1.0, 2.0], vec![4, 4, 2]);
        let sketch = Sketch::of(&histogram).unwrap();
        assert_eq!(sketch.quantile(0.4), Some(1.0));
        assert_eq!(sketch.quantile(0.6), Some(1.5));
        assert_eq!(sketch.quantile(0.9), Some(f64::INFINITY));
        assert_eq!((sketch.at_most(0.5), sketch.at_most(5.0)), (2.0, 8.0));
        assert_eq!(Sketch::new(vec![1.0]).unwrap().quantile(0.5), None);
    }

    #[test]
    fn what_is_no_distribution_is_refused_by_name() {
        let error =
            |bounds, counts| Sketch::of(&Histogram::new(bounds, counts)).unwrap_err().to_string();
        assert_eq!(error(vec![2.0, 1.0], vec![0; 3]), "a bound of 1 after 2, wanted rising ones");
        assert_eq!(error(vec![f64::NAN], vec![0; 2]), "a bound of NaN, wanted finite ones");
        assert_eq!(error(vec![], vec![0]), "0 bounds, wanted 1 to 4096");
        assert_eq!(error(vec![1.0], vec![0]), "1 counts, wanted 2: one more than bounds");
        assert!(Sketch::logarithmic(0.0, 1.0, 0.1).is_err());
        assert!(Sketch::logarithmic(1e-9, 1e9, 0.001).is_err());
    }

    #[test]
    fn more_than_can_be_counted_is_as_many_as_can() {
        let most = vec![u64::MAX, u64::MAX, 0];
        let sketch = Sketch::of(&Histogram::new(vec![1.0, 2.0], most)).unwrap();
        assert!(sketch.at_most(3.0) >= 1.8e19);
    }

    #[test]
    fn what_was_stored_is_checked_as_if_it_were_measured() {
        let sketch = thousand();
        let text = serde_json::to_string(&sketch).unwrap();
        assert_eq!(serde_json::from_str::<Sketch>(&text).unwrap(), sketch);
        for (text, wanted) in [
            (r#"{"bounds":[1.0,2.0],"counts":[1]}"#, "1 counts, wanted 3"),
            (r#"{"bounds":[2.0,1.0],"counts":[1,1,1]}"#, "a bound of 1 after 2"),
            (r#"{"bounds":[1.0],"counts":[1,1],"more":1}"#, "unknown field `more`"),
        ] {
            let error = serde_json::from_str::<Sketch>(text).unwrap_err().to_string();
            assert!(error.starts_with(wanted), "{error}");
        }
        let mut none = Sketch::default();
        none.record(1.0);
        assert_eq!((none.count(), none.at_most(2.0)), (1, 0.0));
        let text = serde_json::to_string(&none).unwrap();
        assert_eq!(serde_json::from_str::<Sketch>(&text).unwrap(), none);
    }
}
