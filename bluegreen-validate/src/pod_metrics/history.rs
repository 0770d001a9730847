//! What the pods of a slot counted, scrape after scrape.

use std::collections::{HashMap, HashSet, VecDeque};

use super::reading::Reading;
use crate::counters::{Span, Totals};

/// How many scrapes are kept.
const MOST: usize = 1024;

/// What was counted since the first scrape, as it was at each of the scrapes that are kept. Whatever
/// becomes of pods, these sums only grow: so a scrape between two others can be left out and all
/// windows that do not begin or end there stay what they are.
#[derive(Debug, Default)]
pub(super) struct History {
    /// The last reading of each pod, by its identity.
    pods: HashMap<String, Reading>,
    /// Times in Unix milliseconds, rising, and the sums of each metric.
    scrapes: VecDeque<(u64, Vec<Totals>)>,
}

impl History {
    /// When the last scrape was.
    pub(super) fn last(&self) -> Option<u64> {
        self.scrapes.back().map(|(at, _)| *at)
    }

    /// Takes in what was read at one time, which is later than all before. Pods that are not
    /// `there` any more are forgotten.
    pub(super) fn add(
        &mut self,
        at: u64,
        readings: Vec<(String, Reading)>,
        there: &HashSet<String>,
        metrics: usize,
    ) {
        let nothing = || vec![Totals::default(); metrics];
        let mut totals = self.scrapes.back().map_or_else(nothing, |(_, totals)| totals.clone());
        for (pod, reading) in readings {
            let more = reading.since(self.pods.get(&pod), metrics);
            for (totals, more) in totals.iter_mut().zip(more) {
                if totals.has_other_buckets(&more) {
                    // Another version counts in other buckets, and the two can't be added up.
                    self.scrapes.clear();
                    *totals = Totals::default();
                }
                totals.add_all(&more);
            }
            self.pods.insert(pod, reading);
        }
        self.pods.retain(|pod, _| there.contains(pod));
        self.scrapes.push_back((at, totals));
        if self.scrapes.len() > MOST {
            self.thin();
        }
    }

    /// Leaves out every other one of the older half. The first one stays: counting begins there.
    fn thin(&mut self) {
        let (half, mut number) = (self.scrapes.len() / 2, 0);
        self.scrapes.retain(|_| {
            number += 1;
            number > half || number % 2 == 1
        });
    }

    /// What one metric came to within `span`: from the last scrape before it, or the first one in it.
    pub(super) fn between(&self, metric: usize, span: Span) -> Totals {
        let until = |time: u64| self.scrapes.partition_point(|(at, _)| *at <= time);
        let first = until(span.from).saturating_sub(1);
        let found = |at: usize| self.scrapes.get(at).and_then(|(_, totals)| totals.get(metric));
        let last = until(span.until).checked_sub(1).filter(|last| *last > first);
        match (found(first), last.and_then(found)) {
            (Some(first), Some(last)) => last.since(first),
            _ => Totals::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::PodMetric;
    use super::super::reading::read;
    use super::*;
    use crate::fetch::Fetched;

    fn reading(text: &str) -> Reading {
        let metrics = [
            ("errors".to_owned(), PodMetric::rate("all", "failed")),
            ("latency".to_owned(), PodMetric::histogram("latency")),
        ];
        let body = text.replace(' ', "\n").replace('=', " ").replace("le:", "le=").into();
        read(&metrics, &Fetched { content_type: String::new(), body }).unwrap()
    }

    fn add(history: &mut History, at: u64, pods: &[(&str, &str)]) {
        let readings = pods.iter().map(|(pod, text)| ((*pod).to_owned(), reading(text)));
        let there = pods.iter().map(|(pod, _)| (*pod).to_owned()).collect();
        history.add(at, readings.collect(), &there, 2);
    }

    fn count(history: &History, from: u64, until: u64) -> Option<f64> {
        history.between(0, Span { from, until }).count
    }

    #[test]
    fn pods_come_and_go_and_sums_only_grow() {
        let mut history = History::default();
        add(&mut history, 10, &[("a", "all=100"), ("b", "all=50")]);
        add(&mut history, 20, &[("a", "all=103"), ("b", "all=52")]);
        add(&mut history, 30, &[("a", "all=104"), ("c", "all=1000")]);
        add(&mut history, 40, &[("a", "all=2"), ("c", "all=1007")]);
        // Back from the dead: nobody knows what it did.
        add(&mut history, 50, &[("b", "all=60"), ("c", "all=1008")]);
        assert_eq!(count(&history, 10, 20), Some(5.0));
        assert_eq!(count(&history, 20, 30), Some(1.0), "the first scrape of c is a baseline");
        assert_eq!(count(&history, 30, 40), Some(9.0), "a began again");
        assert_eq!(count(&history, 40, 50), Some(1.0));
        assert_eq!(count(&history, 10, 50), Some(16.0));
        assert_eq!(count(&history, 0, 99), Some(16.0), "counting begins with the first scrape");
        assert_eq!(count(&history, 19, 29), Some(5.0), "what was seen at 20");
        for (from, until) in [(0, 9), (0, 10), (20, 29), (50, 99)] {
            assert_eq!(count(&history, from, until), None, "no scrape from {from} to {until}");
        }
    }

    #[test]
    fn older_scrapes_are_thinned_and_no_count_is_lost() {
        let mut history = History::default();
        for at in 0..10_000_u64 {
            add(&mut history, at, &[("a", &format!("all={}", 2 * at))]);
        }
        assert!(history.scrapes.len() <= MOST, "{}", history.scrapes.len());
        assert_eq!(count(&history, 0, 9_999), Some(19_998.0));
        assert_eq!(count(&history, 9_900, 9_999), Some(198.0));
    }

    #[test]
    fn a_version_with_other_buckets_begins_anew() {
        let text = |bound: &str, count: u32| {
            format!(
                "latency_bucket{{le:\"{bound}\"}}={count} latency_bucket{{le:\"+Inf\"}}={count} \
                 latency_sum=1"
            )
        };
        let mut history = History::default();
        add(&mut history, 10, &[("a", &text("1", 5))]);
        add(&mut history, 20, &[("a", &text("1", 7))]);
        add(&mut history, 30, &[("b", &text("2", 1))]);
        add(&mut history, 40, &[("b", &text("2", 4))]);
        let found = history.between(1, Span { from: 0, until: 99 }).buckets.unwrap();
        assert_eq!(found.values().copied().collect::<Vec<_>>(), [3.0, 3.0]);
    }
}
