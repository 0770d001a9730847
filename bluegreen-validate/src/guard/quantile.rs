//! A quantile of a metric, compared with live.

use std::sync::Arc;

use bluegreen_core::{MetricSource, Timestamp};
use serde::{Deserialize, Serialize};

use super::compare::{Compare, Decision, Frame, Levels, Seen, Told, short};
use super::counts::{Counts, Needs};
use super::render::rounded;
use super::settings::guard;
use super::{Bounded, QuantileConfig, Scale};
use crate::sequential::{QuantileBounds, Sketch, binomial_tail, quantile_bounds, quantile_ranks};

/// About how many units there are when the bounds of quantiles are narrowest.
const BEST: f64 = 1000.0;

/// How improbable it must be that live is as it was before.
const SURGE: f64 = 1e-4;

/// Compares a quantile of the candidate's metric with live's: the 95th percentile of latency, or of time to
/// the first token.
///
/// ```
/// use bluegreen_core::Metric;
/// use bluegreen_core::memory::MemoryMetrics;
/// use bluegreen_validate::Quantile;
///
/// let source = MemoryMetrics::new(); // one that knows distributions
/// let guard = Quantile::from(source)
///     .named("first-token")
///     .metric(Metric::new("time-to-first-token"))
///     .quantile(0.99)
///     .ratio(1.5);
/// assert!(guard.problems().is_empty());
/// ```
///
/// # What it comes to
/// * [`Fail`](bluegreen_core::Verdict::Fail): the candidate's quantile is certainly higher than live's, and
///   not certainly within the ratio. The bands of both hold at all looks together, but for α.
/// * [`Pass`](bluegreen_core::Verdict::Pass): it is certainly less than the ratio times live's, wherever
///   values lie within the source's buckets: from the upper end of the candidate's bucket to the lower end of
///   live's. So buckets have to be narrower than the ratio.
/// * [`Inconclusive`](bluegreen_core::Verdict::Inconclusive): as for [`ErrorRate`](super::ErrorRate); and
///   while a quantile may be above the source's largest bound, or buckets are too wide.
///
/// # How it goes about it
/// Bounds of quantiles ([`quantile_bounds`]) make no assumption about the distribution. To fail, values are
/// taken to lie evenly within the source's buckets, as Prometheus has it too: of two distributions that are
/// the same, that makes two that are. Where both slots have other bounds it would not, and what counts is
/// that the candidate's bucket is above live's. Of more than 512 bounds each 4th, 8th or 16th part of a power
/// of two becomes one bucket, where they are narrower than that. When the routing changes, bands begin anew;
/// the α of failing is shared out among all stretches that there may be.
#[derive(Clone)]
pub struct Quantile {
    config: QuantileConfig,
    source: Arc<dyn MetricSource>,
}

guard!(Quantile, QuantileConfig);

impl Quantile {
    /// The probability of an error of either kind; 0.05 unless told otherwise.
    #[must_use]
    pub fn alpha(mut self, alpha: f64) -> Self {
        self.config.alpha = alpha;
        self
    }

    /// Which quantile: 0.95 unless told otherwise.
    #[must_use]
    pub fn quantile(mut self, quantile: f64) -> Self {
        self.config.quantile = quantile;
        self
    }

    /// By which factor it may be higher than live's; 1.25 unless told otherwise.
    #[must_use]
    pub fn ratio(mut self, ratio: f64) -> Self {
        self.config.ratio = ratio;
        self
    }

    pub(super) fn levels(&self) -> Levels {
        Levels::both(self.config.alpha)
    }

    fn bounds(&self, sketch: Option<&Sketch>, alpha: f64) -> Option<QuantileBounds> {
        quantile_bounds(sketch?, self.config.quantile, alpha, BEST)
    }
}

/// What is kept between looks: the current stretch, and how many there were before.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Test {
    candidate: Counts,
    live: Counts,
    before: u32,
}

impl Test {
    /// The part of α that the current stretch gets: all together get all of it, however many come.
    fn part(&self) -> f64 {
        let number = f64::from(self.before) + 1.0;
        6.0 / (std::f64::consts::PI * number).powi(2)
    }
}

impl Compare for Quantile {
    type Test = Test;

    fn frame(&self) -> Frame<'_> {
        let QuantileConfig { name, metric, query, sampling, .. } = &self.config;
        Frame { name, metric, query, sampling, needs: Needs::Distribution }
    }

    fn fold(&self, test: &mut Test, seen: &Seen<'_>, _: Levels) -> Result<(), [String; 2]> {
        test.candidate.add(seen.candidate)?;
        if seen.alone { Ok(()) } else { test.live.add(seen.live) }
    }

    fn next_stretch(&self, test: &mut Test) {
        let empty = test.candidate.units == 0.0 && test.live.units == 0.0;
        let before = if empty { test.before } else { test.before.saturating_add(1) };
        *test = Test { before, ..Test::default() };
    }

    fn surge(&self, seen: &Seen<'_>) -> Option<[String; 2]> {
        let QuantileConfig { quantile: p, ratio, sampling, .. } = &self.config;
        let (now, before) = (seen.live.sketch.as_ref()?, seen.baseline.sketch.as_ref()?);
        #[allow(clippy::cast_precision_loss, reason = "nobody waits for 2^53 units")]
        if seen.alone || seen.baseline.units < sampling.min_units as f64 {
            return None;
        }
        let (usual, found) = (before.quantile(*p)?, now.quantile(*p)?);
        let units = seen.live.units;
        let above = (units - now.at_most(usual)).max(0.0);
        let (low, _) = quantile_ranks(*p, seen.baseline.units, 0.01, BEST);
        let rises = found > ratio * usual && above > 2.0 * (1.0 - p) * units;
        (rises && binomial_tail(above, units, 1.0 - low) < SURGE).then(|| {
            [
                format!("p{} is {} now", rounded(100.0 * p), rounded(found)),
                format!("about {}, as before", rounded(usual)),
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
        let live = if alone { baseline } else { &test.live };
        let QuantileConfig { quantile: p, ratio, sampling, .. } = &self.config;
        let at = |alpha: f64| {
            // Both bands are needed at once, so each gets half.
            let bounds = |counts: &Counts| self.bounds(counts.sketch.as_ref(), alpha / 2.0);
            bounds(&test.candidate).zip(bounds(live))
        };
        let slots = [("the candidate", test.candidate.units), ("live", live.units)];
        let mut decision = Decision {
            short: short(slots, sampling.min_units.max(1)),
            wanted: format!("p{} less than {ratio} times live's", rounded(100.0 * p)),
            ..Decision::default()
        };
        let worse = at(levels.worse * test.part());
        decision.worse = worse.is_some_and(|(candidate, live)| {
            let (above, below) = (candidate.lower_bucket, live.upper_bucket);
            // Of two buckets that overlap and are not the same nobody knows which has the larger values.
            candidate.lower > live.upper && (above == below || above.0 >= below.1)
        });
        let Some((candidate, known)) = at(levels.margin) else {
            return Decision { found: "no distribution".to_owned(), ..decision };
        };
        // Two that are in one bucket may be as far apart as its ends are.
        decision.within = candidate.upper_bucket.1 < ratio * known.lower_bucket.0;
        let told = |it: QuantileBounds, units: f64| {
            let [estimate, lower, upper] = [it.estimate, it.lower, it.upper].map(rounded);
            format!("{estimate} ({lower} to {upper}) of {units:.0} units")
        };
        let number =
            |it: QuantileBounds, units: f64| Bounded::new(it.estimate, [it.lower, it.upper], units);
        let of_live = number(known, live.units);
        decision.told = Told::new(Scale::Number, number(candidate, test.candidate.units), of_live);
        decision.found = format!(
            "candidate {}, live {}{}",
            told(candidate, test.candidate.units),
            told(known, live.units),
            if alone { " before" } else { "" },
        );
        if !decision.within && candidate.upper < ratio * known.lower {
            let (from, to) = (rounded(known.lower_bucket.0), rounded(candidate.upper_bucket.1));
            let wide =
                format!("buckets are too wide, live's from {from} and the candidate's to {to}");
            decision.found = format!("{}; {wide}", decision.found);
        }
        decision
    }
}
