//! From all cases to one verdict.

use std::collections::{BTreeMap, BTreeSet};

use bluegreen_core::{Finding, Verdict};

use super::cases::Cases;
use super::clusters::{Counted, Value};
use super::compare::{Differences, Differing};
use super::sample::{Missing, Sample};
use super::{
    CaseChange, CategoryVerdict, CriticalCase, Errors, FlakyCase, Power, Rate, Rules, SuiteVerdict,
    critical, reasons, scores, stats,
};

/// How to look at the outcomes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// What missing attempts are.
    pub(super) missing: Missing,
    /// Whether live itself must have passed enough.
    pub(super) baseline: bool,
    /// Whether scores are compared.
    pub(super) scores: bool,
    /// Whether the cases are listed that changed or are flaky: no verdict rests on these lists, and where
    /// what is missing is filled in, all cases to come would be in one of them.
    pub(super) lists: bool,
}

impl Look {
    /// At a run that is over.
    pub(super) const COMPLETE: Self =
        Self { missing: Missing::Lost, baseline: true, scores: true, lists: true };
}

/// What speaks against a pass: first what makes it a fail, then what leaves it open.
#[derive(Default)]
pub(super) struct Against {
    pub(super) fails: Vec<Finding>,
    pub(super) holds: Vec<Finding>,
}

/// What is counted of all cases in one go.
#[derive(Default)]
struct Counts<'a> {
    errors: Errors,
    pairs: u64,
    differ: u64,
    /// Pairs in which live's answer was only beaten by idle's.
    beaten: u64,
    live: Passes,
    idle: Passes,
    critical: Vec<CriticalCase>,
    regressed: Vec<(Value, CaseChange)>,
    improved: Vec<(Value, CaseChange)>,
    flaky: Vec<FlakyCase>,
    quarantined: BTreeSet<String>,
    kept_out: usize,
    /// The cases of each category that count.
    members: BTreeMap<&'a str, u64>,
}

/// The passes on one slot.
#[derive(Default)]
struct Passes {
    all: u64,
    /// Cases by passes and attempts.
    cases: BTreeMap<(u64, u64), usize>,
}

pub(super) fn assess<C: Cases + ?Sized>(rules: &Rules, cases: &C, look: Look) -> SuiteVerdict {
    let counts = Counts::of(rules, cases, look);
    let (overall, by_category) = differences(rules, cases, look, false);
    let Counts { pairs, errors, beaten, kept_out, .. } = counts;
    let discordance =
        if pairs == 0 { Power::USUAL_DISCORDANCE } else { counts.differ as f64 / pairs as f64 };
    let mut result = SuiteVerdict {
        verdict: Verdict::Inconclusive,
        reasons: Vec::new(),
        rules: rules.clone(),
        live: counts.live.rate(rules, pairs),
        idle: counts.idle.rate(rules, pairs),
        overall: overall.comparison(rules, rules.margin),
        categories: categories(rules, &by_category, &counts.members),
        scores: if look.scores { scores::compare(rules, cases) } else { None },
        critical: in_order(counts.critical),
        regressed: most_first(counts.regressed),
        improved: most_first(counts.improved),
        flaky: by_name(counts.flaky),
        quarantined: counts.quarantined.into_iter().collect(),
        errors,
        power: Power::new(rules, overall.cases(), discordance),
        curtailed: None,
    };
    let suspicious = errors.idle_only > 0
        && is_suspicious(rules, &result, differences(rules, cases, look, true));
    let against = reasons::against(&result, cases, look, suspicious, (beaten, kept_out));
    // Rules that make no sense prove nothing, not even a fail.
    let sensible = rules.problems().is_empty();
    result.verdict = match (against.fails.is_empty(), against.holds.is_empty()) {
        (false, _) if sensible => Verdict::Fail,
        (true, true) => Verdict::Pass,
        _ => Verdict::Inconclusive,
    };
    result.reasons = match result.verdict {
        Verdict::Pass => reasons::for_a_pass(&result),
        _ => against.fails.into_iter().chain(against.holds).collect(),
    };
    result
}

impl<'a> Counts<'a> {
    fn of<C: Cases + ?Sized>(rules: &Rules, cases: &'a C, look: Look) -> Self {
        let mut counts = Self::default();
        for index in 0..cases.count() {
            let traits = cases.traits(index);
            let sample = Sample::of(cases, index, rules, look.missing);
            let name = || cases.name(index).into_owned();
            if look.lists && (sample.live.is_mixed() || sample.idle.is_mixed()) {
                counts.flaky.push(FlakyCase {
                    case: name(),
                    live_passed: sample.live.passed,
                    live_attempts: sample.live.attempts(),
                    idle_passed: sample.idle.passed,
                    idle_attempts: sample.idle.attempts(),
                    new: sample.live.failed == 0 && sample.live.passed > 0,
                });
            }
            if !traits.counts() {
                counts.kept_out += 1;
                if look.lists {
                    counts.quarantined.insert(name());
                }
                continue;
            }
            if let Some(category) = traits.category {
                *counts.members.entry(category).or_default() += 1;
            }
            counts.errors.add(sample.errors);
            counts.pairs += sample.pairs.all;
            counts.differ += sample.pairs.differ;
            counts.beaten += sample.beaten;
            counts.live.add(sample.pairs.live_passed, sample.pairs.all);
            counts.idle.add(sample.pairs.idle_passed, sample.pairs.all);
            if traits.critical {
                counts.critical.extend(critical::of(rules, &cases.name(index), &sample));
            }
            let change = sample.difference(false).filter(|change| look.lists && *change != 0.0);
            if let Some(change) = change {
                let share = |passed: u64| passed as f64 / sample.pairs.all as f64;
                let (live, idle) =
                    (share(sample.pairs.live_passed), share(sample.pairs.idle_passed));
                let changed = (Value(change.abs()), CaseChange { case: name(), live, idle });
                if change < 0.0 { &mut counts.regressed } else { &mut counts.improved }
                    .push(changed);
            }
        }
        counts
    }
}

impl Passes {
    fn add(&mut self, passed: u64, attempts: u64) {
        self.all += passed;
        *self.cases.entry((passed, attempts)).or_default() += 1;
    }

    fn rate(&self, rules: &Rules, attempts: u64) -> Rate {
        let (low, high) = stats::wilson(self.all, attempts, 0.95);
        let mut chances = Counted::default();
        for ((passed, attempts), times) in &self.cases {
            if let Some(all) = stats::pass_all(*passed, *attempts, u64::from(rules.repeats)) {
                chances.add(all, *times);
            }
        }
        let share = if attempts == 0 { 0.0 } else { self.all as f64 / attempts as f64 };
        let all_repeats = (chances.count() > 0).then(|| chances.mean());
        Rate { passed: self.all, attempts, share, low, high, all_repeats }
    }
}

type ByCategory<'a> = BTreeMap<&'a str, Differences>;

/// The differences over all cases that count, and within each category. With `suspicious`, what only
/// idle lost counts as if idle had failed it.
fn differences<'a, C: Cases + ?Sized>(
    rules: &Rules,
    cases: &'a C,
    look: Look,
    suspicious: bool,
) -> (Differences, ByCategory<'a>) {
    let mut all = Differing::new(suspicious);
    let mut members: BTreeMap<&str, Differing<'_>> = BTreeMap::new();
    for index in 0..cases.count() {
        let traits = cases.traits(index);
        if !traits.counts() {
            continue;
        }
        let sample = Sample::of(cases, index, rules, look.missing);
        all.add(&sample, traits.conversation);
        if let Some(category) = traits.category {
            let of_it = members.entry(category).or_insert_with(|| Differing::new(suspicious));
            of_it.add(&sample, traits.conversation);
        }
    }
    (all.done(), members.into_iter().map(|(name, of_it)| (name, of_it.done())).collect())
}

fn categories(
    rules: &Rules,
    by_category: &ByCategory<'_>,
    members: &BTreeMap<&str, u64>,
) -> Vec<CategoryVerdict> {
    let verdicts = by_category.iter().map(|(category, differences)| CategoryVerdict {
        category: (*category).to_owned(),
        verdict: Verdict::Inconclusive,
        judged: members.get(category).copied().unwrap_or_default()
            >= u64::from(rules.min_category_cases),
        p_inferior_holm: 1.0,
        comparison: differences.comparison(rules, rules.category_margin),
    });
    let mut verdicts: Vec<CategoryVerdict> = verdicts.collect();
    let p_values: Vec<f64> = verdicts
        .iter()
        .map(|verdict| verdict.comparison.as_ref().map_or(1.0, |found| found.p_inferior))
        .collect();
    for (verdict, adjusted) in verdicts.iter_mut().zip(stats::holm(&p_values)) {
        verdict.p_inferior_holm = adjusted;
        let Some(comparison) = &verdict.comparison else { continue };
        // That a category got worse is found somewhere by chance the more often, the more there
        // are; hence the correction. A pass needs every one of them, and no correction.
        verdict.verdict = if adjusted <= rules.alpha {
            Verdict::Fail
        } else if comparison.verdict == Verdict::Pass && verdict.judged {
            Verdict::Pass
        } else {
            Verdict::Inconclusive
        };
    }
    verdicts
}

fn in_order(mut found: Vec<CriticalCase>) -> Vec<CriticalCase> {
    found.sort_by(|a, b| {
        let open = |case: &CriticalCase| case.verdict != Verdict::Fail;
        open(a).cmp(&open(b)).then_with(|| a.case.cmp(&b.case))
    });
    found
}

/// The cases that changed most first.
fn most_first(mut changed: Vec<(Value, CaseChange)>) -> Vec<CaseChange> {
    changed.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.case.cmp(&b.1.case)));
    changed.into_iter().map(|(_, change)| change).collect()
}

fn by_name(mut found: Vec<FlakyCase>) -> Vec<FlakyCase> {
    found.sort_by(|a, b| a.case.cmp(&b.case));
    found
}

/// Whether something that passes would not, had idle failed every attempt that only it lost. A
/// candidate must not pass by not answering.
fn is_suspicious(
    rules: &Rules,
    result: &SuiteVerdict,
    (all, by_category): (Differences, ByCategory<'_>),
) -> bool {
    let passes = |differences: &Differences, margin: f64| {
        differences.p_noninferior(margin, rules.alpha) <= rules.alpha
    };
    let category_turns = result.categories.iter().any(|category| {
        let of_it = by_category.get(category.category.as_str());
        category.verdict == Verdict::Pass
            && !of_it.is_some_and(|it| passes(it, rules.category_margin))
    });
    let overall = result.overall.as_ref().is_some_and(|found| found.verdict == Verdict::Pass);
    category_turns || (overall && !passes(&all, rules.margin))
}
