//! The pass rates of some cases compared.

use bluegreen_core::Verdict;

use super::clusters::{Clusters, Gathered};
use super::sample::Sample;
use super::stats::{self, McNemar, Sums, Table, exact, tango_statistic};
use super::{Comparison, Interval, Method, Rules};

/// The differences of some cases, as they come.
pub(super) struct Differing<'a> {
    gathered: Gathered<'a>,
    /// Whether each case so far is one pair.
    is_single: bool,
    /// Whether each case so far came out alike in all of its repeats.
    is_alike: bool,
    /// What only idle lost counts as if idle had failed it.
    suspicious: bool,
}

impl<'a> Differing<'a> {
    pub(super) fn new(suspicious: bool) -> Self {
        let gathered = Gathered::default();
        Self { gathered, is_single: true, is_alike: true, suspicious }
    }

    /// Takes a case of this conversation; one without a pair is left out.
    pub(super) fn add(&mut self, sample: &Sample, conversation: Option<&'a str>) {
        let Some(difference) = sample.difference(self.suspicious) else { return };
        let lost = if self.suspicious { sample.lost_on_idle.all } else { 0 };
        self.is_single &= sample.pairs.all + lost == 1;
        self.is_alike &= difference == 0.0 || difference.abs() >= 1.0;
        self.gathered.add(conversation, difference);
    }

    pub(super) fn done(self) -> Differences {
        let clusters = self.gathered.done();
        let sums = Sums::counted(clusters.sums());
        let apart = clusters.are_apart();
        let count = |wanted: f64| clusters.count(|it| it.total_cmp(&wanted).is_eq());
        let all = clusters.count(|_| true);
        // What both passed and what both failed weigh the same in every test.
        let table = Table {
            both: (all - count(-1.0) - count(1.0)) as u64,
            live_only: count(-1.0) as u64,
            idle_only: count(1.0) as u64,
            neither: 0,
        };
        let (single, alike) = (apart && self.is_single, apart && self.is_alike);
        Differences {
            clusters,
            sums,
            single: single.then_some(table),
            alike: alike.then_some(table),
        }
    }
}

/// The differences of some cases, ready to be tested.
pub(super) struct Differences {
    /// The differences of each conversation.
    clusters: Clusters,
    sums: Sums,
    /// The table, where each case is one pair and no conversation has two cases.
    single: Option<Table>,
    /// The same where each case came out alike in all of its repeats.
    alike: Option<Table>,
}

impl Differences {
    pub(super) fn cases(&self) -> u64 {
        self.clusters.count(|_| true) as u64
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
        if self.clusters.len() == 0 {
            return None;
        }
        let level = 1.0 - 2.0 * rules.alpha;
        let p_noninferior = self.p_noninferior(margin, rules.alpha);
        let p_inferior = self.p_inferior(margin, rules.alpha);
        let method = match self.single {
            Some(_) => Method::Tango,
            None if self.clusters.are_apart() => Method::Means,
            None => Method::Clusters,
        };
        let (low, high) = match self.single {
            Some(table) => stats::tango(table, level),
            None => self.sums.interval(level),
        };
        let estimate = self.sums.difference();
        let student = stats::means_of(self.clusters.each()).map(|means| {
            let (low, high) = means.interval(level);
            Interval { estimate: means.mean, low, high, level }
        });
        let count = |matches: fn(f64) -> bool| self.clusters.count(matches) as u64;
        Some(Comparison {
            verdict: three_way(p_noninferior, p_inferior, rules.alpha),
            method,
            cases: self.cases(),
            clusters: self.clusters.len() as u64,
            worse: count(|difference| difference < 0.0),
            better: count(|difference| difference > 0.0),
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
