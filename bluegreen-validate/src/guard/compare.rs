//! What a guard makes of the numbers of both slots.

use bluegreen_core::{Metric, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::counts::{Counts, Needs};
use super::{Bounded, Sampling, Scale};

/// The probabilities of error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Levels {
    /// Of a candidate that is as good as live and fails.
    pub(crate) worse: f64,
    /// Of one that is worse by the margin and passes.
    pub(crate) margin: f64,
}

impl Levels {
    pub(crate) const fn both(alpha: f64) -> Self {
        Self { worse: alpha, margin: alpha }
    }

    /// The part that goes to what is known of live, where only the candidate has traffic.
    pub(crate) fn reference(self) -> f64 {
        0.1 * self.worse
    }

    /// The logarithm of the e-value that is enough to fail with what is left.
    pub(crate) fn threshold(self) -> f64 {
        (1.0 / (0.9 * self.worse)).ln()
    }
}

/// What is looked at, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) name: &'a str,
    pub(crate) metric: &'a str,
    pub(crate) query: &'a str,
    pub(crate) sampling: &'a Sampling,
    pub(crate) needs: Needs,
}

impl Frame<'_> {
    pub(crate) fn metric(&self) -> Metric {
        Metric::new(self.metric).with_query(self.query)
    }
}

/// What was seen of both slots in one stretch of time, and what is known of live besides.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'a> {
    pub(crate) candidate: &'a Counts,
    pub(crate) live: &'a Counts,
    /// Live before the test, and during it.
    pub(crate) baseline: &'a Counts,
    /// Whether only the candidate has traffic.
    pub(crate) alone: bool,
    pub(crate) until: Timestamp,
}

/// What is known now.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Decision {
    /// The candidate is worse than live, or beyond the limit.
    pub(crate) worse: bool,
    /// It is not worse by the margin, or within the limit.
    pub(crate) within: bool,
    /// The logarithm of the evidence that it is worse, where there is such a number.
    pub(crate) log_e: Option<f64>,
    /// Too few units to say so: found and wanted.
    pub(crate) short: Option<[String; 2]>,
    pub(crate) wanted: String,
    pub(crate) found: String,
    /// The numbers, where there are any.
    pub(crate) told: Option<Told>,
}

/// What is known of both slots in numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Told {
    pub(crate) scale: Scale,
    pub(crate) candidate: Bounded,
    pub(crate) live: Option<Bounded>,
}

impl Told {
    /// Nothing where there is nothing of the candidate.
    pub(crate) fn new(
        scale: Scale,
        candidate: Option<Bounded>,
        live: Option<Bounded>,
    ) -> Option<Self> {
        candidate.map(|candidate| Self { scale, candidate, live })
    }
}

/// A test that goes on from look to look.
pub(crate) trait Compare: Send + Sync {
    /// What it keeps between looks.
    type Test: Clone + Default + Serialize + DeserializeOwned + Send + Sync;

    fn frame(&self) -> Frame<'_>;

    /// Folds in what has come.
    ///
    /// # Errors
    /// It does not fit to what came before: found and wanted.
    fn fold(
        &self,
        test: &mut Self::Test,
        seen: &Seen<'_>,
        levels: Levels,
    ) -> Result<(), [String; 2]>;

    /// Traffic is shared in another way from now on.
    fn next_stretch(&self, test: &mut Self::Test);

    /// Whether live itself is in trouble in what was seen, compared with what it was before: found and
    /// wanted.
    fn surge(&self, seen: &Seen<'_>) -> Option<[String; 2]>;

    /// What is known `now`, where only the candidate may have traffic.
    fn decide(
        &self,
        test: &Self::Test,
        baseline: &Counts,
        alone: bool,
        levels: Levels,
        now: Timestamp,
    ) -> Decision;
}

/// That a slot has too few units.
pub(crate) fn short(slots: [(&str, f64); 2], wanted: u64) -> Option<[String; 2]> {
    #[allow(clippy::cast_precision_loss, reason = "nobody waits for 2^53 units")]
    let least = wanted as f64;
    let (slot, units) = slots.into_iter().find(|(_, units)| *units < least)?;
    Some([format!("{units:.0} units of {slot}"), format!("at least {wanted}")])
}
