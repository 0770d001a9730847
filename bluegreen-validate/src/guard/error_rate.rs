//! The rate of errors, compared with live.

use std::sync::Arc;

use bluegreen_core::{MetricSource, Timestamp};
use serde::{Deserialize, Serialize};

use super::compare::{Compare, Decision, Frame, Levels, Seen, Told, short};
use super::counts::{Counts, Needs};
use super::render::{evidence, percent};
use super::settings::guard;
use super::{Bounded, ErrorRateConfig, Scale};
use crate::sequential::{ProportionBounds, RateTest, Sides, binomial_tail, proportion};

/// About how many units there are when the bounds of rates are narrowest.
const BEST: f64 = 1000.0;

/// How improbable it must be that live is as it was before.
const SURGE: f64 = 1e-4;

/// Compares the candidate's rate of errors with live's while both have traffic.
///
/// The metric counts units (requests, conversations; best is what a user would count, as the turns of one
/// conversation fail together) and how many of them went wrong. Completed tasks are counted by those that
/// were not.
///
/// ```
/// use bluegreen_core::memory::MemoryMetrics;
/// use bluegreen_validate::ErrorRate;
///
/// let prometheus = MemoryMetrics::new(); // or any other source
/// let guard = ErrorRate::from(prometheus).margin(0.005).alpha(0.01);
/// assert!(guard.problems().is_empty());
/// ```
///
/// # What it comes to
/// * [`Fail`](bluegreen_core::Verdict::Fail): errors fall on the candidate more often than its share of the
///   units says, and it is not known to stay within the margin. However often one looks, a candidate that
///   is as good as live fails with a probability of at most α.
/// * [`Pass`](bluegreen_core::Verdict::Pass): its rate is certainly less than the margin above live's.
///   However often one looks, one that is worse by the margin passes, at a given routing, with a
///   probability of at most α.
/// * [`Inconclusive`](bluegreen_core::Verdict::Inconclusive): neither is known yet; or there are too few
///   units or none for some time; or the source can't be reached or can't be believed; or live itself has
///   more errors than before (*upstream*), so that the candidate is not to blame.
///
/// # How it goes about it
/// [`RateTest`] is the test: the shares are those of the units that were counted between two looks, so that
/// weights, pins and retries may change them. Bounds of rates ([`proportion`]) begin anew when the routing
/// changes, as rates of different times would be mixed. When all traffic is the candidate's, it is compared
/// with what live was like before: in the test so far, and in the hour before it
/// ([`Sampling::history`](super::Sampling::history)). All of it is kept between looks, with the time until
/// which units are counted, and a process that takes over goes on with the same test.
#[derive(Clone)]
pub struct ErrorRate {
    config: ErrorRateConfig,
    source: Arc<dyn MetricSource>,
}

guard!(ErrorRate, ErrorRateConfig);

impl ErrorRate {
    /// The probability of an error of either kind; 0.05 unless told otherwise.
    #[must_use]
    pub fn alpha(mut self, alpha: f64) -> Self {
        self.config.alpha = alpha;
        self
    }

    /// By how much the rate may be higher than live's; 0.01, one point, unless told otherwise.
    #[must_use]
    pub fn margin(mut self, margin: f64) -> Self {
        self.config.margin = margin;
        self
    }

    pub(super) fn levels(&self) -> Levels {
        Levels::both(self.config.alpha)
    }
}

/// Units and those that went wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tally {
    units: f64,
    hits: f64,
}

impl Tally {
    fn of(counts: &Counts) -> Self {
        Self { units: counts.units, hits: counts.hits() }
    }

    fn add(&mut self, counts: &Counts) {
        self.units += counts.units;
        self.hits += counts.hits();
    }

    /// Each bound is wrong with a probability of at most `alpha`.
    fn bounds(self, alpha: f64) -> ProportionBounds {
        proportion(self.hits, self.units, alpha, BEST, Sides::One)
    }
}

/// What is kept between looks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Test {
    rate: RateTest,
    candidate: Tally,
    live: Tally,
    /// What live's rate certainly does not exceed, where only the candidate has traffic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reference: Option<f64>,
}

impl Compare for ErrorRate {
    type Test = Test;

    fn frame(&self) -> Frame<'_> {
        let ErrorRateConfig { name, metric, query, sampling, .. } = &self.config;
        Frame { name, metric, query, sampling, needs: Needs::Hits }
    }

    fn fold(&self, test: &mut Test, seen: &Seen<'_>, levels: Levels) -> Result<(), [String; 2]> {
        let (units, hits) = (seen.candidate.units, seen.candidate.hits());
        test.candidate.add(seen.candidate);
        if !seen.alone {
            test.live.add(seen.live);
            test.rate.fold([(units, hits), (seen.live.units, seen.live.hits())]);
            return Ok(());
        }
        let known = Tally::of(seen.baseline);
        if known.units > 0.0 {
            let reference =
                *test.reference.get_or_insert_with(|| known.bounds(levels.reference()).upper);
            test.rate.fold_against(units, hits, reference);
        }
        Ok(())
    }

    fn next_stretch(&self, test: &mut Test) {
        *test = Test { rate: test.rate, ..Test::default() };
    }

    fn surge(&self, seen: &Seen<'_>) -> Option<[String; 2]> {
        let (now, before) = (Tally::of(seen.live), Tally::of(seen.baseline));
        #[allow(clippy::cast_precision_loss, reason = "nobody waits for 2^53 units")]
        if seen.alone || before.units < self.config.sampling.min_units as f64 {
            return None;
        }
        let (rate, usual) = (now.hits / now.units, before.hits / before.units);
        let most = before.bounds(0.01).upper;
        // Improbable and large: much data makes the slightest drift improbable.
        let rises = rate > usual + self.config.margin && rate > 2.0 * usual;
        (rises && binomial_tail(now.hits, now.units, most) < SURGE).then(|| {
            [
                format!("{} errors of its {:.0} units now", percent(rate), now.units),
                format!("about {}, as before", percent(usual)),
            ]
        })
    }

    fn decide(
        &self,
        test: &Test,
        baseline: &Counts,
        alone: bool,
        levels: Levels,
        _: Timestamp,
    ) -> Decision {
        let live = if alone { Tally::of(baseline) } else { test.live };
        let candidate = test.candidate;
        // Both bounds are needed at once, so each gets half.
        let bounds = [candidate, live].map(|tally| tally.bounds(levels.margin / 2.0));
        let log_e = test.rate.log_e();
        let slots = [("the candidate", candidate.units), ("live", live.units)];
        let told = |tally: Tally, bounds: ProportionBounds| {
            format!(
                "{} ({} to {}) of {:.0} units",
                percent(tally.hits / tally.units),
                percent(bounds.lower),
                percent(bounds.upper),
                tally.units
            )
        };
        let number = |tally: Tally, it: ProportionBounds| {
            Bounded::new(tally.hits / tally.units, [it.lower, it.upper], tally.units)
        };
        Decision {
            told: Told::new(Scale::Share, number(candidate, bounds[0]), number(live, bounds[1])),
            worse: log_e >= levels.threshold(),
            within: bounds[0].upper - bounds[1].lower < self.config.margin,
            log_e: Some(log_e),
            short: short(slots, self.config.sampling.min_units),
            wanted: format!("less than {} points above live", 100.0 * self.config.margin),
            found: format!(
                "candidate {}, live {}{}; {}",
                told(candidate, bounds[0]),
                told(live, bounds[1]),
                if alone { " before" } else { "" },
                evidence(log_e, levels.threshold())
            ),
        }
    }
}
