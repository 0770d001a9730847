//! Critical cases, of which one is enough.

use bluegreen_core::{Finding, Verdict};

use super::sample::Sample;
use super::{CriticalCase, Rules};

/// What is wrong with a critical case of this name, if anything is.
///
/// It is a regression if idle failed it `k` times and live certainly fewer: a case that live fails
/// too tells nothing about the candidate. It cannot be told if the attempts that were lost could
/// make the difference.
pub(super) fn of(rules: &Rules, name: &str, sample: &Sample) -> Option<CriticalCase> {
    let k = u64::from(rules.critical_failures());
    let (live, idle) = (sample.live, sample.idle);
    let excused = live.failed >= k;
    if excused || idle.failed + idle.lost < k {
        return None;
    }
    let certain = idle.failed >= k && live.failed + live.lost < k;
    Some(CriticalCase {
        case: name.to_owned(),
        verdict: if certain { Verdict::Fail } else { Verdict::Inconclusive },
        live_failed: live.failed,
        live_lost: live.lost,
        idle_failed: idle.failed,
        idle_lost: idle.lost,
        never_run: sample.errors.missing,
    })
}

/// The case as a reason.
pub(super) fn finding(rules: &Rules, case: &CriticalCase) -> Finding {
    let wanted = format!("idle to fail fewer than {} times", rules.critical_failures());
    // What was never run is missing on both sides, and neither lost it.
    let side = |failed: u64, lost: u64| match lost.saturating_sub(case.never_run) {
        0 => format!("failed {failed} times"),
        lost => format!("failed {failed} times and lost {lost} attempts"),
    };
    let never_run = match case.never_run {
        0 => String::new(),
        pairs => format!("; {pairs} pairs were never run"),
    };
    let found = format!(
        "idle {}, live {}{never_run}",
        side(case.idle_failed, case.idle_lost),
        side(case.live_failed, case.live_lost)
    );
    Finding::new(format!("critical case {}", case.case), wanted, found)
}
