//! Which cases are known to be flaky, and for how long they are kept out.

use std::collections::BTreeMap;
use std::time::Duration;

use bluegreen_core::clock::days;
use bluegreen_core::{Actor, Problem, Timestamp};
use serde::{Deserialize, Serialize};

use super::stats::distribution::beta_quantile;
use super::{CaseOutcomes, stats};

/// The longest that a case may be kept out. What is not mended by then is not going to be.
const LONGEST: Duration = days(90);

/// How each case did on the live slot in run after run, and which are in quarantine.
///
/// A case that fails now and then with nothing changed makes every verdict less sure. It may be
/// kept out of the verdict for a time, by somebody, for a reason; then it counts again by itself,
/// so that nothing is switched off for ever. One bad run puts no case in here.
///
/// It is plain data, to be kept with the releases: it reads back what it wrote.
///
/// ```
/// use std::time::Duration;
///
/// use bluegreen_core::{Actor, Timestamp};
/// use bluegreen_validate::paired::{Attempt, CaseOutcomes, FlakeLedger};
///
/// let monday = Timestamp::from_unix_millis(1_764_547_200_000);
/// let (pass, fail) = (Attempt::passed(), Attempt::failed());
/// let mut suite = [CaseOutcomes::new("weather", [pass, fail, pass], [pass, pass, pass])];
///
/// let mut ledger = FlakeLedger::default();
/// ledger.record(&suite, monday);
/// let week = Duration::from_secs(7 * 86_400);
/// ledger.quarantine("weather", &Actor::new("ann"), "the weather service is down", monday, week)?;
/// ledger.apply(&mut suite, monday);
/// assert!(suite[0].quarantined);
/// ledger.apply(&mut suite, monday.plus(week));
/// assert!(!suite[0].quarantined);
/// # Ok::<(), Box<bluegreen_core::Problem>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct FlakeLedger {
    /// The cases by name.
    pub cases: BTreeMap<String, CaseHistory>,
}

/// How one case did on the live slot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CaseHistory {
    /// The runs that it was in with at least one attempt that came to something.
    pub runs: u64,
    /// The runs in which it passed sometimes and failed sometimes.
    pub mixed_runs: u64,
    /// Attempts that passed.
    pub passed: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// When it was last run.
    pub last_run: Timestamp,
    /// Whether, and until when, it is kept out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<Quarantine>,
}

/// Why a case is kept out of the verdict, and until when.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Quarantine {
    /// Who said so.
    pub actor: Actor,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
    /// When it counts again.
    pub until: Timestamp,
}

impl CaseHistory {
    /// The failure rate on live with its 95 % interval: of the beta distribution that is left
    /// after what was seen, having expected nothing (Jeffreys' prior).
    pub fn failure_rate(&self) -> (f64, f64, f64) {
        let (a, b) = (self.failed as f64 + 0.5, self.passed as f64 + 0.5);
        (a / (a + b), beta_quantile(0.025, a, b), beta_quantile(0.975, a, b))
    }

    /// The chance that it passes `k` times in a row; `None` with fewer attempts than that.
    pub fn pass_all(&self, k: u64) -> Option<f64> {
        stats::pass_all(self.passed, self.passed + self.failed, k)
    }

    /// Whether it has been mixed in two runs at least: that is no accident of one bad day.
    pub const fn is_flaky(&self) -> bool {
        self.mixed_runs >= 2
    }

    /// Whether it is kept out at this time.
    pub fn is_quarantined(&self, now: Timestamp) -> bool {
        self.quarantine.as_ref().is_some_and(|quarantine| now < quarantine.until)
    }
}

impl FlakeLedger {
    /// Adds a run. Only live's attempts count: what a candidate does is not the case's doing.
    pub fn record(&mut self, outcomes: &[CaseOutcomes], now: Timestamp) {
        for case in outcomes {
            let passed = count(case, true);
            let failed = count(case, false);
            if passed + failed == 0 {
                continue;
            }
            let history = self.cases.entry(case.case.clone()).or_insert(CaseHistory {
                runs: 0,
                mixed_runs: 0,
                passed: 0,
                failed: 0,
                last_run: now,
                quarantine: None,
            });
            history.runs += 1;
            history.mixed_runs += u64::from(passed > 0 && failed > 0);
            history.passed += passed;
            history.failed += failed;
            history.last_run = history.last_run.max(now);
        }
    }

    /// Keeps a case out of the verdict for a time.
    ///
    /// # Errors
    /// The case has never been run, no reason is given, or the time is none or above 90 days.
    pub fn quarantine(
        &mut self,
        case: &str,
        actor: &Actor,
        reason: &str,
        now: Timestamp,
        time: Duration,
    ) -> Result<(), Box<Problem>> {
        let problem = |found: String, wanted: &str| {
            let problem = Problem::new("flake-quarantine", format!("case {case}"));
            Box::new(problem.found(found).wanted(wanted))
        };
        if reason.trim().is_empty() {
            return Err(problem("no reason".to_owned(), "why it is kept out"));
        }
        if time.is_zero() || time > LONGEST {
            let found = humantime::format_duration(time).to_string();
            return Err(problem(found, "more than nothing and at most 90 days"));
        }
        let Some(history) = self.cases.get_mut(case) else {
            return Err(problem("no such case".to_owned(), "a case that has been run"));
        };
        history.quarantine = Some(Quarantine {
            actor: actor.clone(),
            reason: reason.to_owned(),
            since: now,
            until: now.plus(time),
        });
        Ok(())
    }

    /// Marks the cases that are in quarantine at this time, and those that are not.
    pub fn apply(&self, outcomes: &mut [CaseOutcomes], now: Timestamp) {
        for case in outcomes {
            case.quarantined =
                self.cases.get(&case.case).is_some_and(|history| history.is_quarantined(now));
        }
    }

    /// The cases whose quarantine is over, which count again; to be looked at, and released.
    pub fn expired(&self, now: Timestamp) -> impl Iterator<Item = (&str, &Quarantine)> {
        self.cases.iter().filter_map(move |(name, history)| {
            let quarantine = history.quarantine.as_ref()?;
            (!history.is_quarantined(now)).then_some((name.as_str(), quarantine))
        })
    }

    /// Ends the quarantine of a case, and tells what it was.
    pub fn release(&mut self, case: &str) -> Option<Quarantine> {
        self.cases.get_mut(case)?.quarantine.take()
    }

    /// The cases that are flaky and count all the same.
    pub fn flaky(&self, now: Timestamp) -> impl Iterator<Item = (&str, &CaseHistory)> {
        self.cases
            .iter()
            .filter(move |(_, history)| history.is_flaky() && !history.is_quarantined(now))
            .map(|(name, history)| (name.as_str(), history))
    }

    /// The cases that were mixed on idle in this run and have never failed on live before: what
    /// is newly flaky is the candidate's doing, not the suite's.
    pub fn newly_flaky<'a>(
        &'a self,
        outcomes: &'a [CaseOutcomes],
    ) -> impl Iterator<Item = &'a str> {
        outcomes.iter().filter_map(|case| {
            let mut idle = case.idle.iter().filter_map(|attempt| attempt.outcome());
            let first = idle.next()?;
            let history = self.cases.get(&case.case)?;
            let steady = history.failed == 0 && count(case, false) == 0;
            (steady && idle.any(|outcome| outcome != first)).then_some(case.case.as_str())
        })
    }

    /// Forgets the cases that have not been run for so long.
    pub fn forget(&mut self, now: Timestamp, unused: Duration) {
        self.cases.retain(|_, history| now.since(history.last_run) < unused);
    }
}

/// Live's attempts that came to this.
fn count(case: &CaseOutcomes, wanted: bool) -> u64 {
    case.live.iter().filter(|attempt| attempt.outcome() == Some(wanted)).count() as u64
}
