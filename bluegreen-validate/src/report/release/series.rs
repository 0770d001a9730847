//! Points of a time that nobody knows the length of, in bounded room.

use serde::{Deserialize, Serialize};

/// The most points that are kept: when there are more, every second one goes.
const MOST: usize = 400;

/// Points in their order: at regular distances, and the last one. At most 400 are kept, of however many.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Series<T> {
    /// The points.
    points: Vec<T>,
    /// Of how many points one is kept.
    every: u64,
    /// How many there were.
    count: u64,
}

impl<T> Default for Series<T> {
    fn default() -> Self {
        Self { points: Vec::new(), every: 1, count: 0 }
    }
}

impl<T> Series<T> {
    /// The points that are kept.
    pub fn points(&self) -> &[T] {
        &self.points
    }

    /// The last one of all.
    pub fn last(&self) -> Option<&T> {
        self.points.last()
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn push(&mut self, point: T) {
        // The last one stands beyond those that are kept at regular distances, or is one of them.
        if self.count.checked_sub(1).is_some_and(|last| !last.is_multiple_of(self.every)) {
            self.points.pop();
        }
        self.points.push(point);
        self.count = self.count.saturating_add(1);
        // A file that somebody has changed may have more than one too many.
        while self.points.len() > MOST {
            let mut place = 0_u64;
            self.points.retain(|_| {
                place += 1;
                place % 2 == 1
            });
            self.every = self.every.saturating_mul(2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_comes_there_is_room_and_the_last_is_there() {
        let mut series = Series::default();
        for number in 0..100_000_u64 {
            series.push(number);
            assert!(series.points.len() <= MOST);
            assert_eq!((series.points[0], series.last()), (0, Some(&number)));
        }
        let (_, regular) = series.points.split_last().unwrap();
        let apart: Vec<u64> = regular.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(apart.iter().all(|it| *it == series.every), "{apart:?}");
        assert_eq!(series.count(), 100_000);
    }
}
