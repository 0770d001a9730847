//! A metric of the candidate against a limit.

use std::sync::Arc;

use bluegreen_core::{MetricSource, Timestamp};
use serde::{Deserialize, Serialize};

use super::compare::{Compare, Decision, Frame, Levels, Seen, Told};
use super::counts::{Counts, Needs};
use super::render::rounded;
use super::settings::guard;
use super::{Bounded, Scale, Statistic, ThresholdConfig};

/// Fewer units than this do not tell that live is beyond the limit too.
const FEW: f64 = 20.0;

/// Compares a metric of the candidate with a limit, sample by sample: what an agreement with clients says,
/// whatever live does.
///
/// ```
/// use std::time::Duration;
///
/// use bluegreen_core::Metric;
/// use bluegreen_core::memory::MemoryMetrics;
/// use bluegreen_validate::{Statistic, Threshold};
///
/// let source = MemoryMetrics::new(); // or any other one
/// let guard = Threshold::from(source)
///     .metric(Metric::new("latency"))
///     .statistic(Statistic::Quantile(0.99))
///     .at_most(2.5)
///     .failures(3)
///     .lasting(Duration::from_secs(60));
/// assert!(guard.problems().is_empty());
/// ```
///
/// # What it comes to
/// * [`Fail`](bluegreen_core::Verdict::Fail): so many samples in a row are beyond the limit, for so long.
/// * [`Pass`](bluegreen_core::Verdict::Pass): the last sample is within it, of the same routing and no older
///   than [`stale`](super::Sampling::stale).
/// * [`Inconclusive`](bluegreen_core::Verdict::Inconclusive): it is beyond the limit, but not yet often or
///   long enough; or there is no sample yet; or live is beyond the limit at the same time (*upstream*); or
///   the source can't be reached or can't be believed.
///
/// A sample has at least [`min_units`](Self::min_units) units: windows are joined until it has. This is no
/// test of statistics: a sample that is beyond the limit by chance counts as beyond, and with few units that
/// happens often. [`failures`](Self::failures) are what there is against it; where live has traffic too, a
/// comparison with it is better.
#[derive(Clone)]
pub struct Threshold {
    config: ThresholdConfig,
    source: Arc<dyn MetricSource>,
}

guard!(Threshold, ThresholdConfig);

impl Threshold {
    /// What of the metric: its mean, or the rate of what it counts, unless told otherwise.
    #[must_use]
    pub fn statistic(mut self, statistic: Statistic) -> Self {
        self.config.statistic = statistic;
        self
    }

    /// The most it may be.
    #[must_use]
    pub fn at_most(mut self, limit: f64) -> Self {
        self.config.at_most = Some(limit);
        self
    }

    /// The least it must be.
    #[must_use]
    pub fn at_least(mut self, limit: f64) -> Self {
        self.config.at_least = Some(limit);
        self
    }

    /// How many samples in a row must be beyond the limit; one unless told otherwise.
    #[must_use]
    pub fn failures(mut self, failures: u32) -> Self {
        self.config.failures = failures;
        self
    }

    /// For how long they must be, from the first of them on; no time unless told otherwise.
    #[must_use]
    pub fn lasting(mut self, lasting: std::time::Duration) -> Self {
        self.config.lasting = lasting;
        self
    }

    #[allow(clippy::unused_self, reason = "every guard has its levels")]
    pub(super) fn levels(&self) -> Levels {
        // A limit has no probabilities.
        Levels::both(0.05)
    }

    fn value(&self, counts: &Counts) -> Option<f64> {
        match self.config.statistic {
            Statistic::Mean => (counts.units > 0.0).then(|| counts.sum / counts.units),
            Statistic::Quantile(p) => counts.sketch.as_ref()?.quantile(p),
        }
    }

    fn is_beyond(&self, value: f64) -> bool {
        self.config.at_most.is_some_and(|most| value > most)
            || self.config.at_least.is_some_and(|least| value < least)
    }

    fn wanted(&self) -> String {
        let what = match self.config.statistic {
            Statistic::Mean => "a mean of".to_owned(),
            Statistic::Quantile(p) => format!("p{}", rounded(100.0 * p)),
        };
        let limits = [("at least", self.config.at_least), ("at most", self.config.at_most)];
        let limits: Vec<String> = limits
            .into_iter()
            .filter_map(|(word, limit)| limit.map(|limit| format!("{word} {limit}")))
            .collect();
        format!("{what} {}", limits.join(" and "))
    }
}

/// What is kept between looks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Test {
    /// The sample that is being collected.
    sample: Counts,
    /// The value of the last one, and its units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last: Option<(f64, f64)>,
    /// How many in a row were beyond the limit, and since when.
    beyond: u32,
    since: Timestamp,
    until: Timestamp,
}

impl Compare for Threshold {
    type Test = Test;

    fn frame(&self) -> Frame<'_> {
        let ThresholdConfig { name, metric, query, sampling, statistic, .. } = &self.config;
        let needs = match statistic {
            Statistic::Mean => Needs::Sum,
            Statistic::Quantile(_) => Needs::Distribution,
        };
        Frame { name, metric, query, sampling, needs }
    }

    fn fold(&self, test: &mut Test, seen: &Seen<'_>, _: Levels) -> Result<(), [String; 2]> {
        test.sample.add(seen.candidate)?;
        #[allow(clippy::cast_precision_loss, reason = "nobody waits for 2^53 units")]
        let least = self.config.sampling.min_units.max(1) as f64;
        let Some(value) = self.value(&test.sample).filter(|_| test.sample.units >= least) else {
            return Ok(());
        };
        // A value beyond all bounds of a distribution is beyond any limit, and can't be stored as it is.
        test.last = Some((value.clamp(f64::MIN, f64::MAX), test.sample.units));
        test.sample = Counts::default();
        if self.is_beyond(value) {
            if test.beyond == 0 {
                test.since = seen.until;
            }
            test.beyond = test.beyond.saturating_add(1);
        } else {
            test.beyond = 0;
        }
        test.until = seen.until;
        Ok(())
    }

    fn next_stretch(&self, test: &mut Test) {
        // A sample of another share is no sample of this one. But a row of those beyond the limit goes on.
        (test.last, test.sample) = (None, Counts::default());
    }

    fn surge(&self, seen: &Seen<'_>) -> Option<[String; 2]> {
        let value = self.value(seen.live).filter(|_| !seen.alone && seen.live.units >= FEW)?;
        let found = format!("{} of its {:.0} units now", rounded(value), seen.live.units);
        self.is_beyond(value).then(|| [found, self.wanted()])
    }

    fn decide(&self, test: &Test, _: &Counts, _: bool, _: Levels, now: Timestamp) -> Decision {
        let ThresholdConfig { failures, lasting, sampling, .. } = &self.config;
        let Some((value, units)) = test.last else {
            let found = format!("{:.0} units of the candidate", test.sample.units);
            let short = Some([found, format!("at least {}", sampling.min_units.max(1))]);
            return Decision { short, ..Decision::default() };
        };
        let age = now.since(test.until);
        // What was beyond the limit then has to be seen within it again.
        if age > sampling.stale && test.beyond == 0 {
            let age = humantime::format_duration(std::time::Duration::from_secs(age.as_secs()));
            let units = test.sample.units;
            let found =
                format!("{units:.0} units of the candidate since the last sample, {age} ago");
            let stale = humantime::format_duration(sampling.stale);
            let wanted = format!("at least {} within {stale}", sampling.min_units.max(1));
            return Decision { short: Some([found, wanted]), ..Decision::default() };
        }
        let lasted = test.until.since(test.since);
        let mut found = format!("candidate {} of {units:.0} units", rounded(value));
        if test.beyond > 0 {
            let lasted =
                humantime::format_duration(std::time::Duration::from_secs(lasted.as_secs()));
            found = format!("{found}; {} of {failures} in a row, for {lasted}", test.beyond);
        }
        let value = Bounded::new(value, [f64::NAN; 2], units);
        Decision {
            told: Told::new(Scale::Number, value, None),
            worse: test.beyond >= *failures && test.beyond > 0 && lasted >= *lasting,
            within: test.beyond == 0,
            found,
            wanted: self.wanted(),
            ..Decision::default()
        }
    }
}
