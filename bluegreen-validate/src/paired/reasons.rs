//! What speaks against a pass, and what for it, in words.

use bluegreen_core::{Finding, Problem, Verdict};

use super::assess::{Against, Look};
use super::cases::Cases;
use super::{Comparison, Interval, SuiteVerdict, critical, scores};

/// What the whole suite is called in findings.
const SUITE: &str = "suite";

/// Everything that speaks against a pass.
///
/// `beaten` are the pairs in which all that is wrong with live's answer is that idle's was preferred,
/// `kept_out` the cases in quarantine.
pub(super) fn against<C: Cases + ?Sized>(
    result: &SuiteVerdict,
    cases: &C,
    look: Look,
    suspicious: bool,
    (beaten, kept_out): (u64, usize),
) -> Against {
    let mut against = Against::default();
    against.holds.extend(result.rules.problems().iter().map(of_problem));
    against.holds.extend(twice(cases));
    for case in &result.critical {
        let finding = critical::finding(&result.rules, case);
        against.list(case.verdict).push(finding);
    }
    let lost = errors(result);
    let trusted = lost.is_none();
    against.holds.extend(lost);
    against.compared(result, trusted, look);
    if suspicious {
        let found = format!(
            "{} attempts lost on idle alone: had it failed them, it would not pass",
            result.errors.idle_only
        );
        against.holds.push(Finding::new(SUITE, "an answer from idle where live answers", found));
    }
    against.holds.extend(too_little(result, (kept_out, cases.count()), look, beaten));
    against
}

impl Against {
    fn list(&mut self, verdict: Verdict) -> &mut Vec<Finding> {
        if verdict == Verdict::Fail { &mut self.fails } else { &mut self.holds }
    }

    /// What the comparisons say. Where too much was lost, what is left may be what is easy, and
    /// proves no fail either.
    fn compared(&mut self, result: &SuiteVerdict, trusted: bool, look: Look) {
        let verdict_on = |verdict| if trusted { verdict } else { Verdict::Inconclusive };
        match &result.overall {
            Some(overall) if overall.verdict != Verdict::Pass => {
                let mut finding = of_comparison(SUITE.to_owned(), overall);
                if overall.verdict == Verdict::Inconclusive {
                    finding.found = format!("{}; {}", finding.found, result.power);
                }
                self.list(verdict_on(overall.verdict)).push(finding);
            }
            Some(_) => {}
            None => self.holds.push(Finding::new(SUITE, "cases to compare", "not one")),
        }
        for category in &result.categories {
            let subject = format!("category {}", category.category);
            let finding = match &category.comparison {
                Some(comparison) => of_comparison(subject, comparison),
                None => Finding::new(subject, "cases to compare", "not one"),
            };
            match category.verdict {
                Verdict::Pass => {}
                Verdict::Inconclusive if !category.judged => {}
                verdict => self.list(verdict_on(verdict)).push(finding),
            }
        }
        let Some(margin) = result.rules.score_margin.filter(|_| look.scores) else { return };
        let wanted = format!("idle's mean score at most {margin} below live's");
        match &result.scores {
            Some(scores) if scores.verdict == Verdict::Pass => {}
            Some(scores) => {
                let Interval { estimate, low, high, level } = scores.interval;
                let interval = if (low, high) == scores::UNBOUNDED {
                    "unbounded".to_owned()
                } else {
                    format!("{low:+.3} to {high:+.3}")
                };
                // Three hundred digits tell nobody anything.
                let estimate = if estimate.abs() < 1e6 {
                    format!("{estimate:+.3}")
                } else {
                    format!("{estimate:+.1e}")
                };
                let found = format!(
                    "{estimate}, {:.0} % interval {interval}, {} cases",
                    100.0 * level,
                    scores.cases
                );
                let finding = Finding::new("scores", wanted, found);
                self.list(verdict_on(scores.verdict)).push(finding);
            }
            None => self.holds.push(Finding::new("scores", wanted, "no scores")),
        }
    }
}

/// Too many errors for anything to be shown.
fn errors(result: &SuiteVerdict) -> Option<Finding> {
    let errors = result.errors;
    if errors.share() <= result.rules.error_budget {
        return None;
    }
    let wanted =
        format!("at most {:.1} % of pairs lost to errors", 100.0 * result.rules.error_budget);
    if errors.pairs == 0 {
        return Some(Finding::new(SUITE, wanted, "no pairs at all"));
    }
    let mut found = format!("{} of {} lost", errors.lost(), errors.pairs);
    let parts = [
        (errors.upstream, "on both slots at once, which is upstream of them"),
        (errors.idle_only, "on idle alone"),
        (errors.live_only, "on live alone"),
        (errors.missing, "never run"),
    ];
    for (count, what) in parts.into_iter().filter(|(count, _)| *count > 0) {
        found = format!("{found}, {count} {what}");
    }
    Some(Finding::new(SUITE, wanted, found))
}

/// What there is too little or too much of for a pass.
fn too_little(
    result: &SuiteVerdict,
    (kept_out, all): (usize, usize),
    look: Look,
    beaten: u64,
) -> impl Iterator<Item = Finding> {
    let rules = &result.rules;
    let cases = result.overall.as_ref().map_or(0, |overall| overall.cases);
    let few = (cases < u64::from(rules.min_cases)).then(|| {
        let wanted = format!("at least {} cases compared", rules.min_cases);
        Finding::new(SUITE, wanted, format!("{cases}"))
    });
    let share = by_itself(result, beaten);
    let bad = look.baseline && share < rules.min_live_rate;
    let baseline = bad.then(|| {
        let wanted = format!("live itself to pass {:.0} %", 100.0 * rules.min_live_rate);
        Finding::new("live", wanted, format!("{:.1} %", 100.0 * share))
    });
    let kept_out = kept_out as f64;
    let most = rules.max_quarantined * all as f64;
    let quarantine = (kept_out > most).then(|| {
        let wanted =
            format!("at most {:.0} % of cases in quarantine", 100.0 * rules.max_quarantined);
        let found = format!("{kept_out} of {all}");
        Finding::new(SUITE, wanted, found)
    });
    [few, baseline, quarantine].into_iter().flatten()
}

/// The share of attempts that live passes, whatever is thought of idle's beside it.
fn by_itself(result: &SuiteVerdict, beaten: u64) -> f64 {
    if beaten == 0 {
        return result.live.share;
    }
    (result.live.passed as f64 + beaten as f64) / result.live.attempts as f64
}

/// Cases with one name: which of them is which cannot be told, and one may be another again.
fn twice<C: Cases + ?Sized>(cases: &C) -> Option<Finding> {
    let names = cases.twice();
    let found = format!("more than one case named {}", names.join(", "));
    (!names.is_empty()).then(|| Finding::new(SUITE, "a name for each case", found))
}

/// What a pass rests on.
pub(super) fn for_a_pass(result: &SuiteVerdict) -> Vec<Finding> {
    let overall = result.overall.iter().map(|found| of_comparison(SUITE.to_owned(), found));
    let categories = result.categories.iter().filter_map(|category| {
        let comparison = category.comparison.as_ref()?;
        let mut finding = of_comparison(format!("category {}", category.category), comparison);
        if !category.judged {
            finding.found = format!(
                "{}; too few to be judged by itself, {} are asked for",
                finding.found, result.rules.min_category_cases
            );
        }
        Some(finding)
    });
    let errors = result.errors;
    let lost = (errors.lost() > 0).then(|| {
        let found = format!("{} of {} pairs lost to errors", errors.lost(), errors.pairs);
        let budget = format!("at most {:.1} %", 100.0 * result.rules.error_budget);
        Finding::new(SUITE, budget, found)
    });
    let quarantine = (!result.quarantined.is_empty()).then(|| {
        let found = format!("left out, in quarantine: {}", result.quarantined.join(", "));
        Finding::new(SUITE, "every case", found)
    });
    overall.chain(categories).chain(lost).chain(quarantine).collect()
}

fn of_problem(problem: &Problem) -> Finding {
    Finding::new(&problem.object, &problem.wanted, &problem.found)
}

/// A comparison in one line.
fn of_comparison(subject: String, comparison: &Comparison) -> Finding {
    let Comparison { interval, margin, cases, worse, better, .. } = comparison;
    let Interval { estimate, low, high, level } = interval;
    let wanted = format!("idle at most {} points below live", short(100.0 * margin));
    let mut found = format!(
        "{:+.1} points, {:.0} % interval {:+.1} to {:+.1}, {cases} cases: {worse} worse, {better} \
         better",
        100.0 * estimate,
        100.0 * level,
        100.0 * low,
        100.0 * high,
    );
    if comparison.clusters < comparison.cases {
        found = format!("{found}, in {} conversations", comparison.clusters);
    }
    Finding::new(subject, wanted, found)
}

/// A number without digits that say nothing.
fn short(number: f64) -> String {
    let rounded = (number * 10.0).round() / 10.0;
    rounded.to_string()
}
