//! Numbers of units and their outcomes, from whatever records them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bluegreen_core::{Color, Result, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Kind, Missing, OutcomeConfig, Unit};
use crate::sequential::Moments;

/// How many units of each arm must have another value than most of them before their mean is believed.
///
/// With fewer, an amount that few units have, such as a purchase, is misjudged too often: of those that did
/// come the variance is smaller than that of those that did not. Measured in the tests of this crate with
/// log-normal amounts of a σ up to 1.5 that one unit in three to one in 300 has.
pub(super) const LEAST_VARIED: u64 = 50;

/// Tells how the units of an experiment fared: [`Exposures`](super::Exposures) in this process, or a
/// warehouse of the host program's.
///
/// Whatever tells it keeps the rules of [`Exposures`](super::Exposures): a unit belongs to the version of
/// its first exposure within the cohort's time, and has one value of each metric.
#[async_trait]
pub trait Outcomes: Send + Sync {
    /// All units of the cohort that were first exposed since it began, and until `until`: not what is new
    /// since the last question. A unit that was counted once stays counted: when more than a hundredth of
    /// them are missing the experiment is void. A source that does not know all of them says so by an error.
    ///
    /// # Cancel safety
    /// May be dropped at any await.
    async fn tally(&self, cohort: &Cohort) -> Result<Tally>;
}

/// One that several share.
#[async_trait]
impl<T: Outcomes + ?Sized> Outcomes for Arc<T> {
    async fn tally(&self, cohort: &Cohort) -> Result<Tally> {
        (**self).tally(cohort).await
    }
}

/// One arm: a slot and the version that it runs.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Arm {
    /// The slot.
    pub color: Color,
    /// The version of the slot's configuration; any, where it has none.
    pub version: Option<String>,
}

impl Arm {
    /// The version of a slot.
    pub fn new(color: Color, version: Option<String>) -> Self {
        Self { color, version }
    }

    /// With so little of the version's name that it can be kept, whatever it is.
    pub(super) fn shortened(&self) -> Self {
        let version = self.version.as_ref().map(|it| it.chars().take(100).collect());
        Self { color: self.color, version }
    }

    /// Whether an exposure to this slot and version is one to this arm.
    pub fn has(&self, color: Color, version: &str) -> bool {
        self.color == color && self.version.as_deref().is_none_or(|it| it == version)
    }
}

/// A slot and its version: "1.3.0 on green".
impl fmt::Display for Arm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = self.version.as_deref().unwrap_or("any version");
        write!(f, "{version} on {}", self.color)
    }
}

/// Which outcome is asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Asked {
    /// Its name.
    pub metric: String,
    /// What its values are.
    pub kind: Kind,
    /// How long after its first exposure a unit counts at the earliest.
    pub settle: Duration,
    /// What becomes of settled units without one.
    pub missing: Missing,
}

impl Asked {
    pub(super) fn of(outcome: &OutcomeConfig) -> Self {
        let OutcomeConfig { metric, kind, settle, missing, .. } = outcome.clone();
        Self { metric, kind, settle, missing }
    }
}

/// Whose outcomes are asked for.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Cohort {
    /// What a unit is.
    pub unit: Unit,
    /// The candidate's arm.
    pub candidate: Arm,
    /// Live's arm.
    pub live: Arm,
    /// When the experiment began.
    pub since: Timestamp,
    /// Until when exposures and outcomes count.
    pub until: Timestamp,
    /// The outcomes that are asked for.
    pub outcomes: Vec<Asked>,
}

/// How the units of a cohort fared.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Tally {
    /// Those that were first seen on the candidate.
    pub candidate: ArmTally,
    /// Those that were first seen on live.
    pub live: ArmTally,
    /// Units that were first seen on another version. They have no part in it.
    pub foreign: u64,
    /// Units that there was no room for, whenever that was.
    pub refused: u64,
    /// On what the foreign units were first seen, the most frequent first; as far as that is known. A judgement
    /// names the first few.
    pub strangers: Vec<Arm>,
}

/// How the units of one arm fared.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ArmTally {
    /// How many were first exposed to it.
    pub exposed: u64,
    /// How many of these were seen on another version later. Their outcomes are left out.
    pub contaminated: u64,
    /// The outcomes of the others by metric: how many units have one, the sum of the values, and of their
    /// squares.
    pub outcomes: BTreeMap<String, Moments>,
    /// By metric, of at least how many of these units the value is another than the one that most of them have.
    /// A [mean](Kind::Mean) is believed when that is known and large enough; of rates it is not asked.
    ///
    /// A warehouse has it as the number of values less the largest number of equal ones. Moments do not tell
    /// it: of an amount that few units have nothing is known before some do, and none or one looks like
    /// certainty.
    pub varied: BTreeMap<String, u64>,
}

impl Tally {
    /// Units of both arms.
    pub(super) fn exposed(&self) -> u64 {
        self.candidate.exposed.saturating_add(self.live.exposed)
    }

    pub(super) fn contaminated(&self) -> u64 {
        self.candidate.contaminated.saturating_add(self.live.contaminated)
    }

    /// The moments of an outcome of the candidate and of live; what was told of nobody is none.
    pub(super) fn moments(&self, metric: &str) -> [Moments; 2] {
        [&self.candidate, &self.live]
            .map(|arm| arm.outcomes.get(metric).copied().unwrap_or_default())
    }

    /// What is not known yet of how a mean's values vary: found and wanted.
    pub(super) fn sameness(&self, outcome: &OutcomeConfig) -> Option<[String; 2]> {
        let metric = &outcome.metric;
        let arms = [(&self.candidate, "the candidate"), (&self.live, "live")];
        let is_mean = outcome.kind == Kind::Mean;
        arms.into_iter().filter(|_| is_mean).find_map(|(arm, name)| {
            let count = arm.outcomes.get(metric).map_or(0.0, |it| it.count);
            let found = match arm.varied.get(metric) {
                _ if count <= 0.0 => return None,
                Some(varied) if *varied >= LEAST_VARIED => return None,
                Some(varied) => format!("{varied} of {count} units of {name}"),
                None => format!("no number of units of {name}"),
            };
            let wanted = format!(
                "at least {LEAST_VARIED} of each whose {metric} is another than that of most units"
            );
            Some([found, wanted])
        })
    }

    /// What can't be of its units, whatever came of them: found and wanted.
    pub(super) fn contradiction(&self) -> Option<[String; 2]> {
        let arms = [(&self.candidate, "the candidate"), (&self.live, "live")];
        arms.into_iter().find(|(arm, _)| arm.contaminated > arm.exposed).map(|(arm, name)| {
            let found = format!("{} contaminated units of {name}", arm.contaminated);
            [found, format!("at most {}, those exposed", arm.exposed)]
        })
    }

    /// What can't be believed of an outcome: found and wanted. The others may be.
    pub(super) fn doubt(&self, outcome: &OutcomeConfig) -> Option<[String; 2]> {
        for (arm, name) in [(&self.candidate, "the candidate"), (&self.live, "live")] {
            let it = arm.outcomes.get(&outcome.metric).copied().unwrap_or_default();
            let metric = &outcome.metric;
            let say = |what: String, wanted: String| {
                Some([format!("{what} of {metric} of {name}"), wanted])
            };
            #[allow(clippy::cast_precision_loss, reason = "beyond 2^53 there is no last digit")]
            let most = arm.exposed.saturating_sub(arm.contaminated) as f64;
            if !(0.0 <= it.count && it.count <= most && it.count.fract() == 0.0) {
                let wanted = format!("a whole number up to {most}, of clean exposed units");
                return say(format!("{} values", it.count), wanted);
            }
            let varied = arm.varied.get(metric).copied().unwrap_or_default();
            #[allow(clippy::cast_precision_loss, reason = "beyond 2^53 there is no last digit")]
            if varied > 0 && varied as f64 >= it.count {
                let found = format!("{varied} values that most units do not have");
                return say(found, format!("fewer than {}, of all units", it.count));
            }
            if !(it.sum.is_finite() && it.squares.is_finite()) {
                let found = format!("a sum of {} with squares of {}", it.sum, it.squares);
                return say(found, "finite ones".to_owned());
            }
            let is_rate = outcome.kind == Kind::Rate;
            if is_rate
                && !(0.0 <= it.sum
                    && it.sum <= it.count
                    && it.sum.to_bits() == it.squares.to_bits())
            {
                let found = format!("a sum of {} with squares of {}", it.sum, it.squares);
                return say(found, format!("0 or 1 for each of {} units", it.count));
            }
            // The square of a mean exceeds no mean of squares.
            let least = it.sum * it.sum / it.count.max(1.0);
            if it.squares < least - 1e-6 * least.abs() {
                let found = format!("squares of {} with a sum of {}", it.squares, it.sum);
                return say(found, format!("at least {least}"));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
