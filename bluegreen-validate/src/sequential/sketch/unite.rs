//! Sketches of different bounds as one, without a guess of where values are.

use super::{MOST, Sketch, SketchError};

/// Into how many parts a power of two is divided where bounds have to be fewer: as powers of two, finest
/// first. Even the coarsest ones are narrower than a quarter of their values.
const COARSE: [u32; 3] = [4, 3, 2];

impl Sketch {
    /// This one and another with bounds that both have. Those that are within an empty bucket of the other
    /// divide it, and those within a cell give way to it.
    pub(crate) fn united(&self, other: &Self) -> Result<(Self, Self), SketchError> {
        if self.bounds == other.bounds {
            return Ok((self.clone(), other.clone()));
        }
        let mut all = [&*self.bounds, &other.bounds].concat();
        all.sort_by(f64::total_cmp);
        // Both zeros are one bound.
        all.dedup_by(|a, b| *a <= *b);
        let misfit = || {
            let (found, wanted) = (other.bounds.len(), self.bounds.len());
            SketchError(format!("other bounds ({found} of them), wanted the same ones ({wanted})"))
        };
        let mut bounds = all.clone();
        for sketch in [self, other] {
            for ((lower, upper), _) in sketch.filled() {
                let is_within = |bound: &f64| lower < *bound && *bound < upper;
                if !all.iter().any(is_within) {
                    continue;
                }
                if !is_cell(lower, upper) {
                    return Err(misfit());
                }
                bounds.retain(|bound| !is_within(bound));
            }
        }
        if bounds.len() > MOST {
            return Err(misfit());
        }
        Ok((self.regrouped(&bounds), other.regrouped(&bounds)))
    }

    /// The same with at most so many bounds, as fine as that can be: what is in a bucket is in the cell
    /// around it too. `None` if there are too many even so, or a bucket lies across the edge of a cell.
    pub(crate) fn coarsened(&self, most: usize) -> Option<Self> {
        if self.bounds.len() <= most {
            return Some(self.clone());
        }
        let coarse = COARSE.iter().filter_map(|bits| self.in_cells(*bits));
        coarse.into_iter().find(|coarse| (1..=most).contains(&coarse.bounds.len()))
    }

    /// With the cells around its buckets instead of these. What no cell is around stays as it is.
    fn in_cells(&self, bits: u32) -> Option<Self> {
        let mut cells: Vec<((f64, f64), u64)> = Vec::new();
        for ((lower, upper), count) in self.filled() {
            let (lower, upper) = cell(lower, upper, bits).unwrap_or((lower, upper));
            match cells.last_mut() {
                Some((last, sum)) if *last == (lower, upper) => *sum = sum.saturating_add(count),
                Some(((_, end), _)) if lower < *end => return None,
                _ => cells.push(((lower, upper), count)),
            }
        }
        let (mut bounds, mut counts) = (Vec::<f64>::new(), Vec::new());
        let mut above = 0;
        for ((lower, upper), count) in cells {
            if lower.is_finite() && bounds.last().is_none_or(|last| *last < lower) {
                bounds.push(lower);
                counts.push(0);
            }
            if upper.is_finite() {
                bounds.push(upper);
                counts.push(count);
            } else {
                above = count;
            }
        }
        counts.push(above);
        Some(Self { bounds, counts })
    }

    /// The ends of each bucket that has values, and how many. The first one has no lower end, and the last
    /// no upper one.
    fn filled(&self) -> impl Iterator<Item = ((f64, f64), u64)> {
        let lower = [f64::NEG_INFINITY].into_iter().chain(self.bounds.iter().copied());
        let upper = self.bounds.iter().copied().chain([f64::INFINITY]);
        lower.zip(upper).zip(self.counts.iter().copied()).filter(|(_, count)| *count > 0)
    }

    /// The same counts between these bounds, of which none is within a bucket that has values, but for those
    /// that it is within itself.
    fn regrouped(&self, bounds: &[f64]) -> Self {
        let mut counts = vec![0_u64; bounds.len() + 1];
        for ((_, upper), count) in self.filled() {
            if let Some(sum) = counts.get_mut(bounds.partition_point(|bound| *bound < upper)) {
                *sum = sum.saturating_add(count);
            }
        }
        Self { bounds: bounds.to_vec(), counts }
    }
}

/// The ends of the part of a power of two that all between two bounds is in. Cells of any size are within
/// one another or have nothing in common, so that from look to look they can become coarser.
fn cell(lower: f64, upper: f64, bits: u32) -> Option<(f64, f64)> {
    if !(lower > 0.0 && lower < upper && upper.is_finite()) {
        return None;
    }
    // The bits of positive floats rise as the floats do. The upper end is in the bucket, the lower is not.
    let rest = (1_u64 << (f64::MANTISSA_DIGITS - 1 - bits)) - 1;
    let (first, last) = (lower.to_bits() & !rest, (upper.to_bits() - 1) & !rest);
    let (lower, upper) = (f64::from_bits(first), f64::from_bits(first + rest + 1));
    (first == last && lower > 0.0 && upper.is_finite()).then_some((lower, upper))
}

fn is_cell(lower: f64, upper: f64) -> bool {
    COARSE.iter().any(|bits| cell(lower, upper, *bits) == Some((lower, upper)))
}

#[cfg(test)]
mod tests {
    use bluegreen_core::Histogram;
    use proptest::prelude::*;

    use super::*;

    fn sketch(bounds: &[f64], counts: &[u64]) -> Sketch {
        Sketch::of(&Histogram::new(bounds.to_vec(), counts.to_vec())).unwrap()
    }

    #[test]
    fn bounds_that_differ_where_nothing_is_are_united() {
        // Of an empty bucket each part is known to be empty.
        let mut one = sketch(&[1.0, 2.0], &[0, 5, 0]);
        let two = sketch(&[2.0, 3.0, 4.0, 5.0], &[0, 1, 0, 2, 0]);
        one.merge(&two).unwrap();
        assert_eq!(one, sketch(&[1.0, 2.0, 3.0, 4.0, 5.0], &[0, 5, 1, 0, 2, 0]));
        assert_eq!(one.since(&two).unwrap().counts(), [0, 5, 0, 0, 0, 0]);
        // Of one with values nobody knows in which part they are.
        for other in [sketch(&[1.5], &[0, 0]), sketch(&[1.0, 2.0, 3.5], &[0, 0, 1, 0])] {
            let before = one.clone();
            assert!(one.merge(&other).unwrap_err().to_string().starts_with("other bounds"));
            assert!(one.since(&other).is_err());
            assert_eq!(one, before);
        }
        let above = sketch(&[1.0], &[0, 1]);
        assert!(one.merge(&above).is_err(), "what is above all bounds may be anywhere there");
    }

    /// Values over 17 powers of two, in buckets of a 32nd of one.
    fn fine() -> Sketch {
        let bounds = (0..545_u32).map(|number| {
            (1.0 + f64::from(number % 32) / 32.0) * f64::from(1_u32 << (number / 32)) / 1024.0
        });
        let mut sketch = Sketch::new([0.0].into_iter().chain(bounds).collect()).unwrap();
        sketch.counts = vec![2; sketch.counts.len()];
        sketch
    }

    #[test]
    fn too_many_bounds_become_coarser_and_stay_comparable() {
        let fine = fine();
        let coarse = fine.coarsened(512).unwrap();
        assert_eq!((fine.bounds.len(), coarse.bounds.len()), (546, 274));
        assert_eq!((coarse.count(), coarse.counts[0], coarse.counts[2]), (fine.count(), 2, 4));
        // What is seen the finer way later on is added to the coarser cells, and the other way round.
        let twice = coarse.counts.iter().map(|count| 2 * count).collect::<Vec<_>>();
        for (mut one, other) in [(coarse.clone(), fine.clone()), (fine.clone(), coarse.clone())] {
            one.merge(&other).unwrap();
            assert_eq!((&one.bounds, &one.counts), (&coarse.bounds, &twice));
            assert_eq!(one.since(&other).unwrap(), coarse);
        }
        assert_eq!(fine.coarsened(100).unwrap().bounds.len(), 70);
        assert_eq!(fine.coarsened(60), None);
    }

    #[test]
    fn buckets_across_the_edges_of_cells_do_not_become_coarser() {
        let bounds: Vec<f64> = (0..600_u32).map(|number| 1.0 + f64::from(number) / 100.0).collect();
        let mut sketch = Sketch::new(bounds).unwrap();
        sketch.counts = vec![1; 601];
        assert_eq!(sketch.coarsened(512), None);
        assert!(sketch.coarsened(600).is_some());
    }

    proptest! {
        #[test]
        fn a_cell_is_around_what_it_is_for(
            lower in 1e-300..1e300_f64, more in 1.0..1.1_f64, bits in 2..=4_u32,
        ) {
            if let Some((first, last)) = cell(lower, lower * more, bits) {
                prop_assert!(first <= lower && lower * more <= last);
                prop_assert!(last / first <= 1.0 + (-f64::from(bits)).exp2(), "{first} to {last}");
                prop_assert!(is_cell(first, last));
                prop_assert!(!is_cell(lower * (1.0 - 1e-9), last));
            }
        }
    }
}
