//! Values of cases by conversation.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::iter::repeat_n;
use std::slice;

/// A number with a place among all others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value(pub(super) f64);

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Value {}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// Numbers, each with how often it came: of many cases there are few that differ.
#[derive(Clone, Debug, Default)]
pub(super) struct Counted(BTreeMap<Value, usize>);

impl Counted {
    pub(super) fn add(&mut self, value: f64, times: usize) {
        *self.0.entry(Value(value)).or_default() += times;
    }

    pub(super) fn count(&self) -> usize {
        self.0.values().sum()
    }

    /// All of them, the least first.
    pub(super) fn each(&self) -> impl Iterator<Item = f64> + '_ {
        self.0.iter().flat_map(|(value, times)| repeat_n(value.0, *times))
    }

    /// The mean, in an order of adding that is not that of the cases: a sum of fractions hangs on it
    /// in its last digit. NaN of nothing.
    pub(super) fn mean(&self) -> f64 {
        self.each().sum::<f64>() / self.count() as f64
    }
}

/// Values as they come, by conversation.
#[derive(Default)]
pub(super) struct Gathered<'a> {
    alone: Counted,
    conversations: BTreeMap<&'a str, Vec<f64>>,
}

impl<'a> Gathered<'a> {
    /// Takes the value of a case of this conversation, or of one that is its own.
    pub(super) fn add(&mut self, conversation: Option<&'a str>, value: f64) {
        match conversation {
            Some(name) => self.conversations.entry(name).or_default().push(value),
            None => self.alone.add(value, 1),
        }
    }

    pub(super) fn done(self) -> Clusters {
        let mut alone = self.alone;
        let mut several = Vec::new();
        for mut cluster in self.conversations.into_values() {
            if let [value] = cluster[..] {
                alone.add(value, 1);
            } else {
                // A sum of fractions hangs on their order in its last digit.
                cluster.sort_by(f64::total_cmp);
                several.push(cluster);
            }
        }
        several.sort_by(|a, b| {
            let values = a.iter().zip(b).map(|(a, b)| a.total_cmp(b)).find(|order| order.is_ne());
            a.len().cmp(&b.len()).then(values.unwrap_or(Ordering::Equal))
        });
        let alone = alone.0.into_iter().map(|(value, times)| (value.0, times)).collect();
        Clusters { alone, several }
    }
}

/// Values by conversation, in an order that is not that of the cases: the smaller conversations first,
/// of equal ones that with the lesser values.
#[derive(Debug, Default)]
pub(super) struct Clusters {
    /// The values of conversations of one case, and how many have it.
    alone: Vec<(f64, usize)>,
    several: Vec<Vec<f64>>,
}

impl Clusters {
    /// The values of each conversation.
    pub(super) fn each(&self) -> impl Iterator<Item = &[f64]> + Clone {
        let alone = self.alone.iter();
        let alone = alone.flat_map(|(value, times)| repeat_n(slice::from_ref(value), *times));
        alone.chain(self.several.iter().map(Vec::as_slice))
    }

    /// The sum and the number of values of each conversation, and how many are so.
    pub(super) fn sums(&self) -> impl Iterator<Item = (f64, u64, usize)> + '_ {
        let alone = self.alone.iter().map(|(value, times)| (*value, 1, *times));
        alone.chain(self.several.iter().map(|all| (all.iter().sum(), all.len() as u64, 1)))
    }

    /// How many conversations there are.
    pub(super) fn len(&self) -> usize {
        self.alone.iter().map(|(_, times)| times).sum::<usize>() + self.several.len()
    }

    /// How many values there are that are so.
    pub(super) fn count(&self, is_so: impl Fn(f64) -> bool) -> usize {
        let alone = self.alone.iter().filter(|(value, _)| is_so(*value));
        let several = self.several.iter().flatten().filter(|value| is_so(**value));
        alone.map(|(_, times)| times).sum::<usize>() + several.count()
    }

    /// Whether each conversation has one case.
    pub(super) fn are_apart(&self) -> bool {
        self.several.is_empty()
    }

    /// The most cases of one.
    pub(super) fn largest(&self) -> usize {
        self.several.last().map_or(1, Vec::len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_conversations_come_first_whatever_the_order_of_cases() {
        let cases = [
            (Some("a"), 0.5),
            (None, 0.0),
            (Some("b"), -1.0),
            (Some("a"), -0.5),
            (None, 0.0),
            (Some("c"), -0.5),
            (Some("c"), 0.25),
        ];
        let gathered = |cases: &mut dyn Iterator<Item = &(Option<&'static str>, f64)>| {
            let mut gathered = Gathered::default();
            cases.for_each(|(name, value)| gathered.add(*name, *value));
            gathered.done()
        };
        for clusters in [gathered(&mut cases.iter()), gathered(&mut cases.iter().rev())] {
            let all: Vec<&[f64]> = clusters.each().collect();
            assert_eq!(all, [&[-1.0][..], &[0.0], &[0.0], &[-0.5, 0.25], &[-0.5, 0.5]]);
            assert_eq!((clusters.len(), clusters.largest()), (5, 2));
            assert_eq!(clusters.count(|value| value < 0.0), 3);
            assert!(!clusters.are_apart());
            let sums: Vec<_> = clusters.sums().collect();
            assert_eq!(sums, [(-1.0, 1, 1), (0.0, 1, 2), (-0.25, 2, 1), (0.0, 2, 1)]);
        }
    }
}
