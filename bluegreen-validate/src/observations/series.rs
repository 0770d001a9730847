//! What was observed of one metric in one slot, by time.

use std::collections::{BTreeMap, VecDeque};

use bluegreen_core::{Histogram, Measurement};

use super::scale;

/// The most counts of buckets that one series keeps, 8 MiB of them: an hour of seconds, each with
/// latencies over four powers of two and more.
const MOST_COUNTS: usize = 512 * 1024;

/// Cells of equal length, of which cell `n` takes in what is later than `n - 1` lengths and no
/// later than `n`.
#[derive(Debug, Default)]
pub(super) struct Series {
    /// By number, rising.
    cells: VecDeque<Cell>,
    /// How many counts of buckets there are in all cells.
    counts: usize,
    /// The last cell that had to make room. What was before its end is not known any more.
    forgotten: Option<u64>,
}

#[derive(Debug, Default)]
struct Cell {
    number: u64,
    count: u64,
    sum: f64,
    squares: f64,
    /// Values that are no numbers.
    unusable: u64,
    /// How many values are in which bucket, by bucket.
    buckets: Vec<(u16, u64)>,
}

impl Series {
    /// Puts a value into cell `number`, where at most `most` cells are kept. `false` if that is
    /// forgotten already.
    pub(super) fn record(&mut self, number: u64, value: f64, most: usize) -> bool {
        if self.forgotten.is_some_and(|forgotten| number <= forgotten) {
            return false;
        }
        let at = match self.cells.back() {
            Some(last) if last.number == number => self.cells.len() - 1,
            Some(last) if last.number > number => {
                match self.cells.binary_search_by_key(&number, |cell| cell.number) {
                    Ok(at) => at,
                    Err(at) => {
                        self.cells.insert(at, Cell { number, ..Cell::default() });
                        at
                    }
                }
            }
            _ => {
                self.cells.push_back(Cell { number, ..Cell::default() });
                self.cells.len() - 1
            }
        };
        if let Some(cell) = self.cells.get_mut(at) {
            self.counts += cell.add(value);
        }
        while self.cells.len() > most || (self.counts > MOST_COUNTS && self.cells.len() > 1) {
            let Some(oldest) = self.cells.pop_front() else { break };
            self.counts -= oldest.buckets.len();
            self.forgotten = Some(oldest.number);
        }
        true
    }

    /// Adds what is in the cells after `from` up to `until`.
    ///
    /// # Errors
    /// Some of that is forgotten; gives the last cell that is.
    pub(super) fn add_to(&self, sum: &mut Sum, from: u64, until: u64) -> Result<(), u64> {
        if let Some(forgotten) = self.forgotten.filter(|forgotten| from < *forgotten) {
            return Err(forgotten);
        }
        let first = self.cells.partition_point(|cell| cell.number <= from);
        for cell in self.cells.range(first..).take_while(|cell| cell.number <= until) {
            sum.add(cell);
        }
        Ok(())
    }
}

impl Cell {
    /// Adds a value; gives by how much the number of counts grew.
    fn add(&mut self, value: f64) -> usize {
        if !value.is_finite() {
            self.unusable += 1;
            return 0;
        }
        self.count += 1;
        self.sum += value;
        self.squares += value * value;
        let bucket = scale::bucket(value);
        match self.buckets.binary_search_by_key(&bucket, |(bucket, _)| *bucket) {
            Ok(at) => {
                if let Some((_, count)) = self.buckets.get_mut(at) {
                    *count += 1;
                }
                0
            }
            Err(at) => {
                self.buckets.insert(at, (bucket, 1));
                1
            }
        }
    }
}

/// What several cells come to.
#[derive(Debug, Default)]
pub(super) struct Sum {
    count: u64,
    values: f64,
    squares: f64,
    unusable: u64,
    buckets: BTreeMap<u16, u64>,
}

impl Sum {
    fn add(&mut self, cell: &Cell) {
        self.count += cell.count;
        self.values += cell.sum;
        self.squares += cell.squares;
        self.unusable += cell.unusable;
        for (bucket, count) in &cell.buckets {
            *self.buckets.entry(*bucket).or_default() += count;
        }
    }

    /// The measurement; `None` where nothing was observed.
    ///
    /// # Errors
    /// How many values are no numbers.
    pub(super) fn measurement(self) -> Result<Option<Measurement>, u64> {
        if self.unusable > 0 {
            return Err(self.unusable);
        }
        if self.count == 0 {
            return Ok(None);
        }
        let mut measurement = Measurement::new(self.count, self.values);
        measurement.sum_of_squares = Some(self.squares);
        measurement.histogram = Some(histogram(&self.buckets));
        Ok(Some(measurement))
    }
}

/// Only the buckets that have something in them, each with its lower bound.
fn histogram(buckets: &BTreeMap<u16, u64>) -> Histogram {
    let (mut bounds, mut counts) = (Vec::new(), Vec::new());
    let mut last = None;
    let mut push = |bucket: u16, count: u64| {
        bounds.push(scale::upper(bucket));
        counts.push(count);
    };
    for (&bucket, &count) in buckets.range(..scale::ABOVE) {
        if let Some(below) = bucket.checked_sub(1)
            && last != Some(below)
        {
            push(below, 0);
        }
        push(bucket, count);
        last = Some(bucket);
    }
    let above = buckets.get(&scale::ABOVE).copied().unwrap_or_default();
    if above > 0 && last != Some(scale::ABOVE - 1) {
        push(scale::ABOVE - 1, 0);
    }
    counts.push(above);
    Histogram::new(bounds, counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(series: &Series, from: u64, until: u64) -> Result<Option<Measurement>, u64> {
        let mut sum = Sum::default();
        series.add_to(&mut sum, from, until)?;
        sum.measurement()
    }

    #[test]
    fn cells_are_found_whatever_the_order() {
        let mut series = Series::default();
        for number in [5, 7, 6, 5, 1, 9] {
            assert!(series.record(number, 2.0, 10));
        }
        let count = |from, until| sum(&series, from, until).unwrap().map(|it| it.count);
        assert_eq!(
            (count(0, 9), count(4, 6), count(5, 6), count(9, 99)),
            (Some(6), Some(3), Some(1), None)
        );
        assert_eq!(count(1, 4), None);
    }

    #[test]
    fn what_had_to_make_room_is_known_to_be_gone() {
        let mut series = Series::default();
        for number in 1..=5 {
            series.record(number, 1.0, 3);
        }
        assert!(!series.record(2, 1.0, 3), "it would count in a cell that is gone");
        assert_eq!(sum(&series, 1, 5), Err(2));
        assert_eq!(sum(&series, 2, 5).unwrap().unwrap().count, 3);
        // Values of all sizes, so that the counts of buckets are what there is too much of.
        let mut wide = Series::default();
        for number in 0..2000 {
            for step in 0..290 {
                wide.record(number, 1.1_f64.powi(step) * 1e-3, 1_000_000);
            }
        }
        assert!(wide.counts <= MOST_COUNTS && wide.forgotten.is_some());
        assert_eq!(wide.counts, wide.cells.iter().map(|cell| cell.buckets.len()).sum::<usize>());
    }

    #[test]
    fn a_histogram_names_both_bounds_of_what_is_in_it() {
        let mut series = Series::default();
        for value in [-1.0, 0.0, 1.0, 1.01, 1e15] {
            series.record(1, value, 3);
        }
        let found = sum(&series, 0, 1).unwrap().unwrap();
        assert_eq!(found.sum_of_squares, Some(1.0 + 1.0 + 1.01 * 1.01 + 1e30));
        let histogram = found.histogram.unwrap();
        let bounds = [0.0, 1.0 - 1.0 / 64.0, 1.0, 1.0 + 1.0 / 32.0, 1_099_511_627_776.0];
        assert_eq!(histogram.bounds, bounds);
        assert_eq!(histogram.counts, [2, 0, 1, 1, 0, 1]);
    }

    #[test]
    fn what_is_no_number_is_no_measurement() {
        let mut series = Series::default();
        series.record(1, f64::NAN, 3);
        series.record(1, f64::INFINITY, 3);
        series.record(2, 1.0, 3);
        assert_eq!(sum(&series, 0, 2), Err(2));
        assert_eq!(sum(&series, 1, 2).unwrap().unwrap().count, 1);
    }
}
