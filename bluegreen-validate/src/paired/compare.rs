//! The pass rates of some cases compared.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use bluegreen_core::Verdict;

use super::sample::Sample;
use super::stats::{self, McNemar, Sums, Table, exact, tango_statistic};
use super::{Comparison, Interval, Method, Rules};

/// The differences of some cases, ready to be tested.
pub(super) struct Differences {
    /// The differences of each conversation.
    clusters: Vec<Vec<f64>>,
    sums: Sums,
    /// The table, where each case is one pair and no conversation has two cases.
    single: Option<Table>,
    /// The same where each case came out alike in all of its repeats.
    alike: Option<Table>,
}

impl Differences {
    /// Of these cases; those without a pair are left out.
    pub(super) fn of(samples: &[&Sample<'_>], suspicious: bool) -> Self {
        let found: Vec<(&Sample<'_>, f64)> = samples
            .iter()
            .filter_map(|sample| Some((*sample, sample.difference(suspicious)?)))
            .collect();
        let clusters = clustered(found.iter().map(|(sample, difference)| (*sample, *difference)));
        let sums = Sums::of(clusters.iter().map(|all| (all.iter().sum(), all.len() as u64)));
        let apart = clusters.iter().all(|cluster| cluster.len() == 1);
        let single = apart
            && found.iter().all(|(sample, _)| {
                let lost = if suspicious { sample.lost_on_idle.all } else { 0 };
                sample.pairs.all + lost == 1
            });
        let alike = apart && found.iter().all(|(_, d)| *d == 0.0 || d.abs() >= 1.0);
        let count = |wanted: f64| {
            found.iter().filter(|(_, difference)| difference.total_cmp(&wanted).is_eq()).count()
        };
        // What both passed and what both failed weigh the same in every test.
        let table = Table {
            both: (found.len() - count(-1.0) - count(1.0)) as u64,
            live_only: count(-1.0) as u64,
            idle_only: count(1.0) as u64,
            neither: 0,
        };
        Self { clusters, sums, single: single.then_some(table), alike: alike.then_some(table) }
    }

    pub(super) fn cases(&self) -> u64 {
        self.clusters.iter().map(Vec::len).sum::<usize>() as u64
    }

    /// How likely so good a result is if idle is worse by the margin.
    pub(super) fn p_noninferior(&self, margin: f64, alpha: f64) -> f64 {
        let p = match self.single {
            Some(table) => stats::distribution::normal_above(tango_statistic(table, -margin)),
            None => self.sums.p_above(-margin),
        };
        guarded(p, alpha, || exact::p_above(self.alike?, -margin))
    }

    /// How likely so bad a result is if idle is worse by no more than the margin.
    pub(super) fn p_inferior(&self, margin: f64, alpha: f64) -> f64 {
        let p = match self.single {
            Some(table) => stats::distribution::normal_above(-tango_statistic(table, -margin)),
            None => self.sums.p_below(-margin),
        };
        guarded(p, alpha, || exact::p_above(self.alike?.swapped(), margin))
    }

    /// Everything about them; `None` without cases.
    pub(super) fn comparison(&self, rules: &Rules, margin: f64) -> Option<Comparison> {
        if self.clusters.is_empty() {
            return None;
        }
        let level = 1.0 - 2.0 * rules.alpha;
        let p_noninferior = self.p_noninferior(margin, rules.alpha);
        let p_inferior = self.p_inferior(margin, rules.alpha);
        let method = match self.single {
            Some(_) => Method::Tango,
            None if self.clusters.iter().all(|cluster| cluster.len() == 1) => Method::Means,
            None => Method::Clusters,
        };
        let (low, high) = match self.single {
            Some(table) => stats::tango(table, level),
            None => self.sums.interval(level),
        };
        let estimate = self.sums.difference();
        let student = stats::means(&self.clusters).map(|means| {
            let (low, high) = means.interval(level);
            Interval { estimate: means.mean, low, high, level }
        });
        let count = |matches: fn(&f64) -> bool| {
            self.clusters.iter().flatten().filter(|difference| matches(difference)).count() as u64
        };
        Some(Comparison {
            verdict: three_way(p_noninferior, p_inferior, rules.alpha),
            method,
            cases: self.cases(),
            clusters: self.clusters.len() as u64,
            worse: count(|difference| *difference < 0.0),
            better: count(|difference| *difference > 0.0),
            interval: Interval { estimate, low, high, level },
            margin,
            p_noninferior,
            p_inferior,
            student,
            mcnemar: self.single.map(|table| McNemar::of(table).exact),
        })
    }
}

/// What two p values come to. One that is not a number shows nothing.
pub(super) fn three_way(p_noninferior: f64, p_inferior: f64, alpha: f64) -> Verdict {
    if p_noninferior <= alpha {
        Verdict::Pass
    } else if p_inferior <= alpha {
        Verdict::Fail
    } else {
        Verdict::Inconclusive
    }
}

/// Values of cases by conversation, in an order that is not that of the cases.
pub(super) fn clustered<'a>(values: impl Iterator<Item = (&'a Sample<'a>, f64)>) -> Vec<Vec<f64>> {
    let mut conversations: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    let mut clusters = Vec::new();
    for (sample, value) in values {
        match &sample.case.conversation {
            Some(name) => conversations.entry(name).or_default().push(value),
            None => clusters.push(vec![value]),
        }
    }
    clusters.extend(conversations.into_values());
    // A sum of fractions hangs on their order in its last digit.
    for cluster in &mut clusters {
        cluster.sort_by(f64::total_cmp);
    }
    clusters.sort_by(|a, b| {
        let values = a.iter().zip(b).map(|(a, b)| a.total_cmp(b)).find(|order| order.is_ne());
        a.len().cmp(&b.len()).then(values.unwrap_or(Ordering::Equal))
    });
    clusters
}

/// Where a p value is close enough to alpha for the approximation to matter, not less than the
/// exact one.
fn guarded(p: f64, alpha: f64, exact: impl Fn() -> Option<f64>) -> f64 {
    if p.is_nan() {
        return 1.0;
    }
    if p > alpha || p < alpha / 20.0 {
        return p;
    }
    exact().map_or(p, |exact| p.max(exact))
}
