//! What the numbers of an experiment come to.

use std::collections::BTreeMap;
use std::fmt;

use bluegreen_core::{Timestamp, Winner};
use serde::{Deserialize, Serialize};

use super::effect::{Effect, Gain};
use super::memory::{Memory, Point, State};
use super::render::found;
use super::{Arm, ExperimentConfig, OutcomeConfig, Tally, ratio};

/// The number of effective units at which intervals are narrowest, where no number of units is planned: that
/// of 10,000 units in equal shares.
const BEST: f64 = 2_500.0;

/// How many units may turn out to have no part in it however few there are.
const MOST_MOVED: u64 = 3;

/// Of how many versions that have no part in it is told.
const MOST_STRANGERS: usize = 3;

/// How an experiment ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Conclusion {
    /// The candidate's primary outcome is better, not certainly by less than matters, and no guardrail is worse
    /// by its margin.
    CandidateBetter,
    /// Live's primary outcome is better.
    LiveBetter,
    /// The difference is certainly smaller than the one that matters, even if there certainly is one.
    NoDifference,
    /// None of these was known at the horizon.
    UndecidedAtHorizon,
    /// By a guardrail the candidate is worse, and not known to be within the margin.
    Harm {
        /// Its metric.
        metric: String,
        /// By how much.
        found: String,
    },
    /// Nothing can be concluded from it, and nobody wins.
    Void {
        /// Why.
        reason: Void,
        /// What was found.
        found: String,
        /// What was wanted.
        wanted: String,
    },
}

/// Why nothing can be concluded from an experiment.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Void {
    /// Units did not arrive in the planned shares: something loses or adds them.
    SampleRatio,
    /// Too many units were seen on both versions.
    Contamination,
    /// Candidate or live was changed meanwhile: a hotfix.
    Superseded,
    /// The share of the candidate was changed meanwhile.
    Weights,
    /// Units that had been counted are not known any more, and what comes anew is not the same experiment: a
    /// recorder has begun anew.
    LostUnits,
}

impl fmt::Display for Void {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::SampleRatio => "sample ratio",
            Self::Contamination => "contamination",
            Self::Superseded => "superseded",
            Self::Weights => "weights",
            Self::LostUnits => "lost units",
        })
    }
}

impl fmt::Display for Conclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CandidateBetter => f.write_str("candidate better"),
            Self::LiveBetter => f.write_str("live better"),
            Self::NoDifference => f.write_str("no difference that matters"),
            Self::UndecidedAtHorizon => f.write_str("undecided at horizon"),
            Self::Harm { metric, .. } => write!(f, "harm by {metric}"),
            Self::Void { reason, .. } => write!(f, "void, {reason}"),
        }
    }
}

impl Conclusion {
    /// Who has won by it, if anybody; `equal` is who does when there is no difference.
    pub fn winner(&self, equal: Winner) -> Option<Winner> {
        match self {
            Self::CandidateBetter => Some(Winner::Candidate),
            Self::NoDifference => Some(equal),
            Self::LiveBetter | Self::UndecidedAtHorizon => Some(Winner::Live),
            Self::Harm { .. } | Self::Void { .. } => None,
        }
    }
}

impl ExperimentConfig {
    /// The number of effective units at which intervals are narrowest: half of the planned ones have come.
    fn best(&self) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
        let planned = self.horizon.units.map(|units| units as f64);
        planned.map_or(BEST, |units| (0.5 * units * self.share * (1.0 - self.share)).max(1.0))
    }

    /// Why outcomes can't be compared yet, or not be believed: found and wanted by metric.
    fn doubts(&self, tally: &Tally) -> BTreeMap<String, [String; 2]> {
        let doubt = |outcome: &OutcomeConfig| {
            let doubt = tally.doubt(outcome).or_else(|| tally.sameness(outcome))?;
            Some((outcome.metric.clone(), doubt))
        };
        self.outcomes().filter_map(doubt).collect()
    }

    /// The effects that a tally shows: the primary outcome's at α; of guardrails, of which each may raise a
    /// false alarm, at their part of it. What there is a doubt about has none.
    fn effects(
        &self,
        tally: &Tally,
        doubts: &BTreeMap<String, [String; 2]>,
    ) -> Vec<Option<Effect>> {
        let effect = |outcome: &OutcomeConfig, alpha: f64| {
            if doubts.contains_key(&outcome.metric) {
                return None;
            }
            let [candidate, live] = tally.moments(&outcome.metric);
            Effect::of(outcome, [&candidate, &live], alpha, self.best())
        };
        #[allow(clippy::cast_precision_loss, reason = "there are at most twenty")]
        let parts = self.guardrails.len().max(1) as f64;
        let primary = effect(&self.primary, self.alpha);
        let guardrails = self.guardrails.iter().map(|it| effect(it, self.alpha / parts));
        std::iter::once(primary).chain(guardrails).collect()
    }

    /// What an outcome is known to gain, if enough units have it.
    fn gain(&self, outcome: &OutcomeConfig, effect: Option<&Effect>) -> Option<Gain> {
        effect.filter(|it| it.has(self.min_units)).map(|it| it.gain(outcome.better))
    }
}

/// Takes in the numbers of one look, and ends the experiment if they decide it.
pub(super) fn take_in(
    config: &ExperimentConfig,
    memory: &mut Memory,
    tally: &Tally,
    now: Timestamp,
) {
    if let Some(conclusion) = lost(memory, tally) {
        // What was found before the loss is kept for people, and the loss is not made good by new units.
        memory.ended = Some((now, conclusion));
        return;
    }
    let arms = [&tally.candidate, &tally.live];
    let doubts = config.doubts(tally);
    memory.until = now;
    memory.state = State {
        exposed: arms.map(|arm| arm.exposed),
        contaminated: arms.map(|arm| arm.contaminated),
        foreign: tally.foreign,
        refused: tally.refused,
        strangers: tally.strangers.iter().take(MOST_STRANGERS).map(Arm::shortened).collect(),
        effects: config.effects(tally, &doubts),
        doubts,
    };
    if config.horizon.units.is_some_and(|units| tally.exposed() >= units) {
        memory.full.get_or_insert(now);
    }
    let [candidate, live] = memory.state.exposed;
    memory.ratio = memory.ratio.max(ratio::log_e(config.share, candidate, live));
    if let Some(Some(effect)) = memory.state.effects.first() {
        memory.note(Point { at: now, effect: *effect });
    }
    memory.ended = conclude(config, memory, tally).map(|conclusion| (now, conclusion));
}

/// Whether more units are missing than exposures that are told of late may move out of the experiment: a
/// hundredth, or a few where there are few.
fn lost(memory: &mut Memory, tally: &Tally) -> Option<Conclusion> {
    let known = tally.exposed().saturating_add(tally.foreign);
    let before = memory.most;
    memory.most = before.max(known);
    (known < before.saturating_sub(MOST_MOVED.max(before / 100))).then(|| Conclusion::Void {
        reason: Void::LostUnits,
        found: format!("{known} units"),
        wanted: format!("about {before}, which there were before"),
    })
}

fn conclude(config: &ExperimentConfig, memory: &Memory, tally: &Tally) -> Option<Conclusion> {
    void(config, memory, tally)
        .or_else(|| harm(config, memory))
        .or_else(|| decided(config, memory))
        .or_else(|| at_horizon(config, memory).then_some(Conclusion::UndecidedAtHorizon))
}

/// Why these numbers mean nothing.
fn void(config: &ExperimentConfig, memory: &Memory, tally: &Tally) -> Option<Conclusion> {
    let [candidate, live] = memory.state.exposed;
    if memory.ratio >= (1.0 / config.ratio_alpha).ln() {
        let found = format!("{candidate} units of the candidate and {live} of live");
        let wanted = format!("{} % of them with the candidate", percent(config.share));
        return Some(Conclusion::Void { reason: Void::SampleRatio, found, wanted });
    }
    #[allow(clippy::cast_precision_loss, reason = "beyond 2^53 there is no last digit")]
    let share = tally.contaminated() as f64 / tally.exposed().max(1) as f64;
    if candidate.min(live) >= config.min_units && share > config.contamination {
        let (contaminated, exposed) = (tally.contaminated(), tally.exposed());
        let found = format!("{contaminated} of {exposed} units on both versions");
        let wanted = format!("at most {} %", percent(config.contamination));
        return Some(Conclusion::Void { reason: Void::Contamination, found, wanted });
    }
    None
}

fn percent(share: f64) -> f64 {
    (share * 1e6).round() / 1e4
}

fn harm(config: &ExperimentConfig, memory: &Memory) -> Option<Conclusion> {
    guardrails(config, memory).find_map(|(outcome, effect)| {
        let gain = config.gain(outcome, effect)?;
        (gain.upper < 0.0 && gain.lower <= -outcome.margin).then(|| Conclusion::Harm {
            metric: outcome.metric.clone(),
            found: found(outcome, effect),
        })
    })
}

fn decided(config: &ExperimentConfig, memory: &Memory) -> Option<Conclusion> {
    let outcome = &config.primary;
    let gain = config.gain(outcome, memory.state.effects.first()?.as_ref())?;
    let conclusion = if -outcome.margin < gain.lower && gain.upper < outcome.margin {
        Conclusion::NoDifference
    } else if gain.lower > 0.0 {
        Conclusion::CandidateBetter
    } else if gain.upper < 0.0 {
        Conclusion::LiveBetter
    } else {
        return None;
    };
    let promotes = conclusion.winner(config.equal) == Some(Winner::Candidate);
    let within = |(outcome, effect): (&OutcomeConfig, Option<&Effect>)| {
        config.gain(outcome, effect).is_some_and(|gain| gain.lower > -outcome.margin)
    };
    (!promotes || guardrails(config, memory).all(within)).then_some(conclusion)
}

fn guardrails<'a>(
    config: &'a ExperimentConfig,
    memory: &'a Memory,
) -> impl Iterator<Item = (&'a OutcomeConfig, Option<&'a Effect>)> {
    let effects = memory.state.effects.iter().skip(1).map(Option::as_ref);
    config.guardrails.iter().zip(effects)
}

fn at_horizon(config: &ExperimentConfig, memory: &Memory) -> bool {
    // A little earlier than said: a plan's step with the same horizon has begun a little earlier too, and
    // would be over before the look that says so.
    let is_late = config
        .horizon
        .time
        .is_some_and(|time| memory.until >= memory.began.plus(time.saturating_sub(time / 1000)));
    // The last of the planned units count once they have settled, as all others.
    let settle = config.outcomes().map(|outcome| outcome.settle).max().unwrap_or_default();
    is_late || memory.full.is_some_and(|full| memory.until >= full.plus(settle))
}

#[cfg(test)]
pub(super) mod tests;
