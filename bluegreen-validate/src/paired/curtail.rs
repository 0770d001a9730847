//! Stopping when the verdict is decided.

use bluegreen_core::{Finding, Verdict};
use serde::{Deserialize, Serialize};

use super::assess::{Look, assess};
use super::cases::{Cases, Filled};
use super::clusters::Gathered;
use super::sample::{Missing, Sample};
use super::{Attempt, CaseOutcomes, Rules, SuiteVerdict, reasons};

/// More cases than any suite has, so that a mistaken number fills no memory.
const MOST_UNLISTED: usize = 100_000;
/// Into how many stakes the evidence for a fail is divided.
const STAKES: u32 = 20;

/// What is decided before all cases have been run.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Curtailed {
    /// The verdict is this one, whatever the attempts come to that are missing.
    Verdict(Verdict),
    /// It cannot become a pass any more. Whether it would be a fail or inconclusive is open.
    NeverPass,
}

/// What is decided already, given what has been run; `None` while it is not known whether the
/// candidate passes.
///
/// It takes the best and the worst that the missing attempts can come to, so to stop does not
/// change the risk of an error: a run that is stopped passes if, and only if, it would have passed
/// whole. (Missing attempts are taken to come to something. Had they been lost, a pass could have
/// become inconclusive.)
///
/// # What is missing
/// `planned` is the number of cases of the suite, and `outcomes` should list them all: attempts
/// that are not there yet are those that are missing. The more is listed, the sooner one can stop.
/// A **recorded baseline** is worth most: with the live attempts of every case listed and only
/// idle's missing, a candidate that fails one case in five is stopped after a quarter of the calls.
/// When live is asked anew for each case, nothing is known of it in the cases to come, and little
/// is saved. Cases that are not listed at all count as independent ones that may come out in any
/// way; while there are some, a pass is never decided.
///
/// Ask the cases in random order, so that the first ones are not all of one category.
///
/// ```
/// use bluegreen_validate::paired::{Attempt, CaseOutcomes, Curtailed, Rules, curtail};
///
/// let mut rules = Rules::default();
/// rules.repeats = 1;
/// // Live passed all of 100 cases when the baseline was recorded; of the first 10, idle failed 6.
/// let suite: Vec<CaseOutcomes> = (0..100)
///     .map(|number| {
///         let idle = match number {
///             0..6 => vec![Attempt::failed()],
///             6..10 => vec![Attempt::passed()],
///             _ => vec![],
///         };
///         CaseOutcomes::new(format!("case {number}"), [Attempt::passed()], idle)
///     })
///     .collect();
/// assert_eq!(curtail(&rules, 100, &suite), Some(Curtailed::NeverPass));
/// ```
pub fn curtail(rules: &Rules, planned: usize, outcomes: &[CaseOutcomes]) -> Option<Curtailed> {
    curtail_cases(rules, planned, outcomes)
}

/// [`curtail`] of outcomes that are kept otherwise.
pub(crate) fn curtail_cases<C: Cases + ?Sized>(
    rules: &Rules,
    planned: usize,
    cases: &C,
) -> Option<Curtailed> {
    if !rules.problems().is_empty() {
        return Some(Curtailed::Verdict(Verdict::Inconclusive));
    }
    let unlisted = planned.saturating_sub(cases.count());
    if unlisted > MOST_UNLISTED {
        return None;
    }
    let repeats = rules.repeats as usize;
    let listed = |index| cases.attempts(index).filter(|(live, _)| live.is_some()).count();
    let live_known = unlisted == 0 && (0..cases.count()).all(|index| listed(index) >= repeats);
    // What live passes of what is missing is not the best for idle, but it may make live good
    // enough to compare with. So with some of it missing that is left open, until all else passes.
    let look = Look { missing: Missing::Lost, baseline: live_known, scores: false, lists: false };
    let filled = |live, idle| Filled { cases, repeats, live, idle, unlisted };
    let filled_best = filled(Attempt::failed(), Attempt::passed());
    let best = assess(rules, &filled_best, look).verdict;
    if best == Verdict::Fail {
        return Some(Curtailed::Verdict(Verdict::Fail));
    }
    if best == Verdict::Pass && (unlisted > 0 || rules.score_margin.is_some()) {
        return None;
    }
    if unlisted > 0 {
        return Some(Curtailed::NeverPass);
    }
    let worst = filled(Attempt::passed(), Attempt::failed());
    let worst = assess(rules, &worst, look).verdict;
    match (best, worst) {
        (Verdict::Pass, Verdict::Pass) => {
            // There live fails all that is missing.
            let whole = assess(rules, &filled_best, Look { baseline: true, ..look });
            (whole.verdict == Verdict::Pass).then_some(Curtailed::Verdict(Verdict::Pass))
        }
        (Verdict::Pass, _) => None,
        (_, Verdict::Inconclusive) if rules.score_margin.is_none() => {
            Some(Curtailed::Verdict(Verdict::Inconclusive))
        }
        _ => Some(Curtailed::NeverPass),
    }
}

/// The verdict on a suite whose run was stopped because [`curtail`] said so.
///
/// `outcomes` are those that `curtail` was given. The numbers are those of the attempts that were
/// made; the verdict is the one that was decided. Where only a pass was ruled out, it is a fail if
/// the attempts made prove that at any time of stopping, and inconclusive otherwise: the evidence
/// is a bet against idle being as good as the margin allows, whose capital has grown to 1 / alpha
/// (Waudby-Smith and Ramdas, J. R. Stat. Soc. B 86:1, 2024).
pub fn judge_curtailed(
    rules: &Rules,
    outcomes: &[CaseOutcomes],
    curtailed: Curtailed,
) -> SuiteVerdict {
    judge_curtailed_cases(rules, outcomes, curtailed)
}

/// [`judge_curtailed`] of outcomes that are kept otherwise.
pub(crate) fn judge_curtailed_cases<C: Cases + ?Sized>(
    rules: &Rules,
    cases: &C,
    curtailed: Curtailed,
) -> SuiteVerdict {
    let look = Look { missing: Missing::NotWanted, ..Look::COMPLETE };
    let mut result = assess(rules, cases, look);
    let both = |index| {
        let pairs = cases.attempts(index);
        pairs.filter(|(live, idle)| live.is_some() && idle.is_some()).count()
    };
    let made: usize = (0..cases.count()).map(both).sum();
    let wanted = cases.count() * rules.repeats as usize;
    let (verdict, why) = match curtailed {
        Curtailed::Verdict(verdict) => (verdict, format!("{verdict}, whatever the others come to")),
        Curtailed::NeverPass => {
            let proven = is_proven(rules, cases);
            let verdict = if proven { Verdict::Fail } else { Verdict::Inconclusive };
            (verdict, "it cannot pass any more, even if idle passes all others".to_owned())
        }
    };
    let found = format!("stopped after {made} of {wanted} pairs: {why}");
    let stopped = Finding::new("suite", "all pairs, or a verdict that is decided", found);
    // What is said for a pass says nothing against one, nor the other way round.
    if verdict == Verdict::Pass {
        result.reasons = reasons::for_a_pass(&result);
    } else if result.verdict == Verdict::Pass {
        result.reasons.clear();
    }
    result.reasons.insert(0, stopped);
    result.verdict = verdict;
    result.curtailed = Some(curtailed);
    result
}

/// Whether the attempts made prove a fail of what can't pass any more, whenever it is stopped.
pub(crate) fn is_proven<C: Cases + ?Sized>(rules: &Rules, cases: &C) -> bool {
    capital(rules, cases) >= 1.0 / rules.alpha
}

/// What a unit of capital has become that was bet on idle being worse by more than the margin.
/// While it is not, the chance that it ever grows to 1 / alpha is at most alpha.
fn capital<C: Cases + ?Sized>(rules: &Rules, cases: &C) -> f64 {
    let mut gathered = Gathered::default();
    for index in 0..cases.count() {
        let traits = cases.traits(index);
        let sample = Sample::of(cases, index, rules, Missing::NotWanted);
        if let Some(difference) = sample.difference(false).filter(|_| traits.counts()) {
            gathered.add(traits.conversation, difference);
        }
    }
    let clusters = gathered.done();
    let largest = clusters.largest() as f64;
    let margin = rules.margin;
    let stakes = (1..=STAKES).map(|stake| {
        let stake = f64::from(stake) / f64::from(STAKES + 1) / (1.0 + margin);
        clusters
            .each()
            .map(|cluster| cluster.iter().map(|d| d + margin).sum::<f64>() / largest)
            .map(|over| 1.0 - stake * over)
            .product::<f64>()
    });
    stakes.sum::<f64>() / f64::from(STAKES)
}
