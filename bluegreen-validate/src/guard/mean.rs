//! The mean of a metric, compared with live.

use std::sync::Arc;

use bluegreen_core::{MetricSource, Timestamp};

use super::compare::{Compare, Decision, Frame, Levels, Seen, Told, short};
use super::counts::{Counts, Needs};
use super::render::{evidence, rounded};
use super::settings::guard;
use super::{Better, Bounded, Margin, MeanConfig, Scale};
use crate::sequential::{MeanTest, Moments, effective, margin_of_error};

/// How many standard errors live must be off before that is more than chance.
const SURGE: f64 = 4.5;

/// Fewer units than this say nothing about a mean.
const FEW: f64 = 20.0;

/// Compares the mean of a metric of the candidate with live's: cost or tokens of a conversation, latency, a
/// score.
///
/// ```
/// use bluegreen_core::Metric;
/// use bluegreen_core::memory::MemoryMetrics;
/// use bluegreen_validate::{Better, Margin, Mean};
///
/// let source = MemoryMetrics::new(); // or any other one
/// let cost = Mean::from(source.clone()); // at most a fifth more than live's
/// let score = Mean::from(source)
///     .named("score")
///     .metric(Metric::new("score").with_query("judge_score"))
///     .better(Better::Higher)
///     .margin(Margin::Difference(0.1));
/// assert!(cost.problems().is_empty() && score.problems().is_empty());
/// ```
///
/// # What it comes to
/// As [`ErrorRate`](super::ErrorRate): worse than live and not known to be within the margin fails, within
/// the margin passes, everything else is undecided.
///
/// # How it goes about it
/// [`MeanTest`] is the test, and the bounds are those of asymptotic confidence sequences: they hold at all
/// looks for means that are nearly normal, as those of a hundred units of most metrics are. Where one
/// unit in a thousand is a thousand times as large as the others they are not; use a
/// [`Quantile`](super::Quantile) there, or set [`min_units`](Self::min_units) higher. The source has to
/// know the sum of squares. From a distribution alone it is estimated, and rather too large.
#[derive(Clone)]
pub struct Mean {
    config: MeanConfig,
    source: Arc<dyn MetricSource>,
}

guard!(Mean, MeanConfig);

impl Mean {
    /// The probability of an error of either kind; 0.05 unless told otherwise.
    #[must_use]
    pub fn alpha(mut self, alpha: f64) -> Self {
        self.config.alpha = alpha;
        self
    }

    /// By how much it may be worse; by a factor of 1.2 unless told otherwise.
    #[must_use]
    pub fn margin(mut self, margin: Margin) -> Self {
        self.config.margin = margin;
        self
    }

    /// Which way is better; lower unless told otherwise.
    #[must_use]
    pub fn better(mut self, better: Better) -> Self {
        self.config.better = better;
        self
    }

    pub(super) fn levels(&self) -> Levels {
        Levels::both(self.config.alpha)
    }

    /// The moments of units, turned round where more is better: then less is better always.
    fn moments(&self, counts: &Counts) -> Moments {
        let it = counts.moments();
        match self.config.better {
            Better::Lower => it,
            Better::Higher => Moments::new(it.count, -it.sum, it.squares),
        }
    }

    /// A factor `r` and a difference `d`: a mean is within the margin below `r` times live's, plus `d`.
    fn limit(&self) -> (f64, f64) {
        match (self.config.margin, self.config.better) {
            (Margin::Ratio(ratio), Better::Lower) => (ratio, 0.0),
            (Margin::Ratio(ratio), Better::Higher) => (1.0 / ratio, 0.0),
            (Margin::Difference(difference), _) => (1.0, difference),
        }
    }

    fn wanted(&self) -> String {
        match (self.config.margin, self.config.better) {
            (Margin::Ratio(ratio), Better::Lower) => format!("less than {ratio} times live's mean"),
            (Margin::Ratio(ratio), Better::Higher) => format!("more than live's mean by {ratio}"),
            (Margin::Difference(it), Better::Lower) => format!("less than {it} above live's mean"),
            (Margin::Difference(it), Better::Higher) => format!("less than {it} below live's mean"),
        }
    }
}

impl Compare for Mean {
    type Test = MeanTest;

    fn frame(&self) -> Frame<'_> {
        let MeanConfig { name, metric, query, sampling, .. } = &self.config;
        Frame { name, metric, query, sampling, needs: Needs::Spread }
    }

    fn fold(
        &self,
        test: &mut MeanTest,
        seen: &Seen<'_>,
        levels: Levels,
    ) -> Result<(), [String; 2]> {
        let candidate = self.moments(seen.candidate);
        if !seen.alone {
            test.fold(candidate, self.moments(seen.live));
            return finite(test);
        }
        let known = self.moments(seen.baseline);
        if known.count < FEW {
            return Ok(());
        }
        if test.against().is_none() {
            let deviation = known.variance_of_mean().sqrt();
            let most = known.mean() + margin_of_error(deviation, known.count, levels.reference());
            test.next_stretch_against(most);
        }
        test.fold(candidate, Moments::default());
        finite(test)
    }

    fn next_stretch(&self, test: &mut MeanTest) {
        test.next_stretch();
    }

    fn surge(&self, seen: &Seen<'_>) -> Option<[String; 2]> {
        let (now, before) = (self.moments(seen.live), self.moments(seen.baseline));
        #[allow(clippy::cast_precision_loss, reason = "nobody waits for 2^53 units")]
        let least = (self.config.sampling.min_units as f64).max(FEW);
        if seen.alone || before.count < least || now.count < FEW {
            return None;
        }
        let (ratio, difference) = self.limit();
        // A window of values that happen to be alike must not make any difference a large one.
        let variance = now.variance_of_mean().max(before.variance() / now.count);
        let error = (variance + before.variance_of_mean()).sqrt();
        let rises = now.mean() > ratio * before.mean() + difference;
        (rises && now.mean() - before.mean() > SURGE * error).then(|| {
            let of = |moments: Moments| rounded(moments.mean().abs());
            [format!("a mean of {} now", of(now)), format!("about {}, as before", of(before))]
        })
    }

    fn decide(
        &self,
        test: &MeanTest,
        baseline: &Counts,
        alone: bool,
        levels: Levels,
        _: Timestamp,
    ) -> Decision {
        let (candidate, mut live) = test.stretch();
        if alone {
            live = self.moments(baseline);
        }
        let (ratio, difference) = self.limit();
        let variance = candidate.variance_of_mean() + ratio * ratio * live.variance_of_mean();
        let units = effective(candidate.count, live.count);
        let error = margin_of_error(variance.sqrt(), units, levels.margin);
        let log_e = test.log_e();
        let slots = [("the candidate", candidate.count), ("live", live.count)];
        // What comes of the candidate is left out while too little is known of live, so that is what lacks.
        let unknown = (alone && live.count < FEW)
            .then(|| [format!("{:.0} units of live", live.count), format!("at least {FEW}")]);
        let told = |moments: Moments| {
            let (mean, deviation) = (moments.mean().abs(), moments.variance_of_mean().sqrt());
            let error = margin_of_error(deviation, moments.count, levels.margin / 2.0);
            format!("{} ± {} of {:.0} units", rounded(mean), rounded(error), moments.count)
        };
        let number = |moments: Moments| {
            let deviation = moments.variance_of_mean().sqrt();
            let error = margin_of_error(deviation, moments.count, levels.margin / 2.0);
            let mean = match self.config.better {
                Better::Lower => moments.mean(),
                Better::Higher => -moments.mean(),
            };
            Bounded::new(mean, [mean - error, mean + error], moments.count)
        };
        Decision {
            told: Told::new(Scale::Number, number(candidate), number(live)),
            worse: log_e >= levels.threshold(),
            within: candidate.mean() + error < ratio * live.mean() + difference,
            log_e: Some(log_e),
            short: unknown.or_else(|| short(slots, self.config.sampling.min_units.max(2))),
            wanted: self.wanted(),
            found: format!(
                "candidate {}, live {}{}; {}",
                told(candidate),
                told(live),
                if alone { " before" } else { "" },
                evidence(log_e, levels.threshold())
            ),
        }
    }
}

/// Refuses sums beyond all numbers: they can't be stored, and nothing can be made of them.
fn finite(test: &MeanTest) -> Result<(), [String; 2]> {
    let (candidate, live) = test.stretch();
    for (slot, it) in [("the candidate", candidate), ("live", live)] {
        if !(it.sum.is_finite() && it.squares.is_finite()) {
            let found = format!("a sum of {} and of squares of {} of {slot}", it.sum, it.squares);
            return Err([found, "finite ones".to_owned()]);
        }
    }
    Ok(())
}
