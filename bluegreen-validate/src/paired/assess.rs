//! From all cases to one verdict.

use std::collections::{BTreeMap, BTreeSet};

use bluegreen_core::{Finding, Verdict};

use super::compare::Differences;
use super::sample::{Missing, Sample};
use super::{
    CaseChange, CaseOutcomes, CategoryVerdict, CriticalCase, Errors, FlakyCase, Power, Rate, Rules,
    SuiteVerdict, critical, reasons, scores, stats,
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
}

impl Look {
    /// At a run that is over.
    pub(super) const COMPLETE: Self = Self { missing: Missing::Lost, baseline: true, scores: true };
}

/// What speaks against a pass: first what makes it a fail, then what leaves it open.
#[derive(Default)]
pub(super) struct Against {
    pub(super) fails: Vec<Finding>,
    pub(super) holds: Vec<Finding>,
}

pub(super) fn assess(rules: &Rules, outcomes: &[CaseOutcomes], look: Look) -> SuiteVerdict {
    let samples: Vec<Sample<'_>> =
        outcomes.iter().map(|case| Sample::of(case, rules, look.missing)).collect();
    let counted: Vec<&Sample<'_>> = samples.iter().filter(|sample| sample.case.counts()).collect();
    let mut errors = Errors::default();
    for sample in &counted {
        errors.add(sample.errors);
    }

    let differences = Differences::of(&counted, false);
    let mut result = SuiteVerdict {
        verdict: Verdict::Inconclusive,
        reasons: Vec::new(),
        rules: rules.clone(),
        live: rate(rules, &counted, |sample| sample.pairs.live_passed),
        idle: rate(rules, &counted, |sample| sample.pairs.idle_passed),
        overall: differences.comparison(rules, rules.margin),
        categories: categories(rules, &counted),
        scores: if look.scores { scores::compare(rules, &counted) } else { None },
        critical: critical_cases(rules, &counted),
        regressed: changes(&counted, -1.0),
        improved: changes(&counted, 1.0),
        flaky: flaky(&samples),
        quarantined: names(samples.iter().filter(|sample| !sample.case.counts())),
        errors,
        power: Power::new(rules, differences.cases(), discordance(&counted)),
        curtailed: None,
    };
    let suspicion = suspicious(rules, &counted, &result);
    let against = reasons::against(&result, outcomes, look, suspicion);
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

fn rate(rules: &Rules, samples: &[&Sample<'_>], passed: fn(&Sample<'_>) -> u64) -> Rate {
    let attempts: u64 = samples.iter().map(|sample| sample.pairs.all).sum();
    let total: u64 = samples.iter().map(|sample| passed(sample)).sum();
    let (low, high) = stats::wilson(total, attempts, 0.95);
    let all: Vec<f64> = samples
        .iter()
        .filter_map(|sample| {
            stats::pass_all(passed(sample), sample.pairs.all, u64::from(rules.repeats))
        })
        .collect();
    let mut all = all;
    all.sort_by(f64::total_cmp);
    let share = if attempts == 0 { 0.0 } else { total as f64 / attempts as f64 };
    let all_repeats = (!all.is_empty()).then(|| all.iter().sum::<f64>() / all.len() as f64);
    Rate { passed: total, attempts, share, low, high, all_repeats }
}

/// The share of pairs that came out differently; as the usual tenth where there are no pairs.
fn discordance(samples: &[&Sample<'_>]) -> f64 {
    let pairs: u64 = samples.iter().map(|sample| sample.pairs.all).sum();
    let differ: u64 = samples.iter().map(|sample| sample.pairs.differ).sum();
    if pairs == 0 { Power::USUAL_DISCORDANCE } else { differ as f64 / pairs as f64 }
}

fn categories(rules: &Rules, samples: &[&Sample<'_>]) -> Vec<CategoryVerdict> {
    let mut members: BTreeMap<&str, Vec<&Sample<'_>>> = BTreeMap::new();
    for sample in samples {
        if let Some(category) = &sample.case.category {
            members.entry(category).or_default().push(sample);
        }
    }
    let mut verdicts: Vec<CategoryVerdict> = members
        .into_iter()
        .map(|(category, samples)| {
            let comparison =
                Differences::of(&samples, false).comparison(rules, rules.category_margin);
            CategoryVerdict {
                category: category.to_owned(),
                verdict: Verdict::Inconclusive,
                judged: samples.len() as u64 >= u64::from(rules.min_category_cases),
                p_inferior_holm: 1.0,
                comparison,
            }
        })
        .collect();
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

fn critical_cases(rules: &Rules, samples: &[&Sample<'_>]) -> Vec<CriticalCase> {
    let mut found: Vec<CriticalCase> =
        samples.iter().filter_map(|sample| critical::of(rules, sample)).collect();
    found.sort_by(|a, b| {
        let open = |case: &CriticalCase| case.verdict != Verdict::Fail;
        open(a).cmp(&open(b)).then_with(|| a.case.cmp(&b.case))
    });
    found
}

/// The cases that changed in the direction of this sign.
fn changes(samples: &[&Sample<'_>], sign: f64) -> Vec<CaseChange> {
    let mut changed: Vec<(f64, CaseChange)> = samples
        .iter()
        .filter_map(|sample| {
            let change = sign * sample.difference(false)?;
            let share = |passed: u64| passed as f64 / sample.pairs.all as f64;
            let (live, idle) = (share(sample.pairs.live_passed), share(sample.pairs.idle_passed));
            let case = sample.case.case.clone();
            (change > 0.0).then_some((change, CaseChange { case, live, idle }))
        })
        .collect();
    changed.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.case.cmp(&b.1.case)));
    changed.into_iter().map(|(_, change)| change).collect()
}

fn flaky(samples: &[Sample<'_>]) -> Vec<FlakyCase> {
    let mut found: Vec<FlakyCase> = samples
        .iter()
        .filter(|sample| sample.live.is_mixed() || sample.idle.is_mixed())
        .map(|sample| FlakyCase {
            case: sample.case.case.clone(),
            live_passed: sample.live.passed,
            live_attempts: sample.live.attempts(),
            idle_passed: sample.idle.passed,
            idle_attempts: sample.idle.attempts(),
            new: sample.live.failed == 0 && sample.live.passed > 0,
        })
        .collect();
    found.sort_by(|a, b| a.case.cmp(&b.case));
    found
}

fn names<'a>(samples: impl Iterator<Item = &'a Sample<'a>>) -> Vec<String> {
    let names: BTreeSet<&str> = samples.map(|sample| sample.case.case.as_str()).collect();
    names.into_iter().map(str::to_owned).collect()
}

/// Whether something that passes would not, had idle failed every attempt that only it lost. A
/// candidate must not pass by not answering.
fn suspicious(rules: &Rules, samples: &[&Sample<'_>], result: &SuiteVerdict) -> bool {
    if result.errors.idle_only == 0 {
        return false;
    }
    let passes = |samples: &[&Sample<'_>], margin: f64| {
        Differences::of(samples, true).p_noninferior(margin, rules.alpha) <= rules.alpha
    };
    let category_turns = result.categories.iter().any(|category| {
        let of_it =
            |sample: &&&Sample<'_>| sample.case.category.as_ref() == Some(&category.category);
        let members: Vec<&Sample<'_>> = samples.iter().filter(of_it).copied().collect();
        category.verdict == Verdict::Pass && !passes(&members, rules.category_margin)
    });
    let overall = result.overall.as_ref().is_some_and(|found| found.verdict == Verdict::Pass);
    category_turns || (overall && !passes(samples, rules.margin))
}
