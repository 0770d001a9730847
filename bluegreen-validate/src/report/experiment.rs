//! What is told of an experiment.

use bluegreen_core::{Color, Result, Timestamp, Winner};
use serde::{Deserialize, Serialize};

use crate::experiment::{
    Conclusion, Effect, ExperimentConfig, Kind, Memory, OutcomeConfig, Side, Unit, amount, level,
};
use crate::guard::Better;

pub(super) mod html;
mod markdown;
mod plot;
#[cfg(test)]
mod tests;

/// An experiment as it stands: what was compared, the effect with its bounds look after look, and how it
/// ended, if it has.
///
/// It is made from what a look of the experiment leaves, which whoever listens to the release gets:
///
/// ```
/// use bluegreen_core::Progress;
/// use bluegreen_validate::ExperimentConfig;
/// use bluegreen_validate::report::ExperimentReport;
///
/// fn page(progress: &Progress, config: &ExperimentConfig) -> Option<String> {
///     let Progress::Judged { validator, judgement } = progress else { return None };
///     let state = judgement.state.as_ref().filter(|_| *validator == config.name)?;
///     Some(ExperimentReport::of(config, state).ok()?.to_html())
/// }
/// ```
///
/// It names versions and metrics and holds no units.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ExperimentReport {
    /// What it is called.
    pub name: String,
    /// What was assigned.
    pub unit: Unit,
    /// The candidate's share of the units, as planned.
    pub share: f64,
    /// The probability of a difference where there is none.
    pub alpha: f64,
    /// The candidate.
    pub candidate: ArmReport,
    /// Live.
    pub live: ArmReport,
    /// Units on neither of these versions.
    pub foreign: u64,
    /// Units that there was no room for.
    pub refused: u64,
    /// The most evidence that units do not arrive as planned: the logarithm of the e-value.
    pub ratio: f64,
    /// How much of it voids the experiment.
    pub ratio_limit: f64,
    /// When it began.
    pub began: Timestamp,
    /// The time of the last look that had numbers.
    pub until: Timestamp,
    /// When it ended, if it has.
    pub ended: Option<Timestamp>,
    /// How it ended.
    pub conclusion: Option<Conclusion>,
    /// Who has won, if anybody.
    pub winner: Option<Winner>,
    /// The outcome that decides.
    pub primary: OutcomeReport,
    /// Those of which the candidate must not be worse.
    pub guardrails: Vec<OutcomeReport>,
    /// The effect on the primary outcome at looks from the first to the last.
    pub looks: Vec<LookReport>,
}

/// One of both versions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ArmReport {
    /// Its slot.
    pub color: Color,
    /// Its version, if it has one.
    pub version: Option<String>,
    /// The digest of everything that it runs.
    pub digest: String,
    /// Units that were first exposed to it.
    pub exposed: u64,
    /// Those of them that were seen on another version too.
    pub contaminated: u64,
}

/// One outcome.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct OutcomeReport {
    /// Its name.
    pub metric: String,
    /// What its values are.
    pub kind: Kind,
    /// Which way is better.
    pub better: Better,
    /// The smallest difference that matters.
    pub margin: f64,
    /// What is known of the difference.
    pub effect: Option<Effect>,
}

/// The effect that one look has found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct LookReport {
    /// When.
    pub at: Timestamp,
    /// The effect.
    pub effect: Effect,
}

impl ExperimentReport {
    /// The report on an experiment with these settings, from the state of its last
    /// [`Judgement`](bluegreen_core::Judgement).
    ///
    /// # Errors
    /// [`Rejected`](bluegreen_core::ErrorKind::Rejected) for a state that no experiment has left, or one of
    /// another version of this crate.
    pub fn of(config: &ExperimentConfig, state: &[u8]) -> Result<Self> {
        // There is a state, so there is a memory.
        let memory = Memory::read(&config.name, Some(state))?.ok_or_else(|| {
            let action = format!("{}: report", config.name);
            bluegreen_core::Error::new(bluegreen_core::ErrorKind::Rejected, action)
        })?;
        let arm = |side: &Side, place: usize| ArmReport {
            color: side.arm.color,
            version: side.arm.version.clone(),
            digest: side.digest.to_string(),
            exposed: memory.state.exposed[place],
            contaminated: memory.state.contaminated[place],
        };
        let outcome = |(place, outcome): (usize, &OutcomeConfig)| OutcomeReport {
            metric: outcome.metric.clone(),
            kind: outcome.kind,
            better: outcome.better,
            margin: outcome.margin,
            effect: memory.state.effects.get(place).copied().flatten(),
        };
        let looks = memory.points.iter();
        let looks = looks.map(|point| LookReport { at: point.at, effect: point.effect }).collect();
        let (ended, conclusion) = memory.ended.clone().unzip();
        Ok(Self {
            name: config.name.clone(),
            unit: config.unit,
            share: config.share,
            alpha: config.alpha,
            candidate: arm(&memory.candidate, 0),
            live: arm(&memory.live, 1),
            foreign: memory.state.foreign,
            refused: memory.state.refused,
            ratio: memory.ratio,
            ratio_limit: (1.0 / config.ratio_alpha).ln(),
            began: memory.began,
            until: memory.until,
            ended,
            winner: conclusion.as_ref().and_then(|it| it.winner(config.equal)),
            conclusion,
            primary: outcome((0, &config.primary)),
            guardrails: (1..).zip(&config.guardrails).map(outcome).collect(),
            looks,
        })
    }

    /// As JSON, from which it can be read again.
    ///
    /// # Errors
    /// Those of `serde_json`; numbers that are not finite become `null`.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self)
    }

    /// The decision in a few words.
    pub(super) fn decision(&self) -> String {
        self.conclusion.as_ref().map_or("not decided".to_owned(), ToString::to_string)
    }

    /// Why it ended so, where that is more than the effect.
    fn why(&self) -> Option<String> {
        match &self.conclusion {
            Some(Conclusion::Void { found, wanted, .. }) => {
                Some(format!("found {found}, wanted {wanted}"))
            }
            Some(Conclusion::Harm { found, .. }) => Some(found.clone()),
            _ => None,
        }
    }

    /// The color of the decision.
    pub(super) fn mood(&self) -> &'static str {
        match (&self.conclusion, self.winner) {
            (Some(Conclusion::Harm { .. } | Conclusion::LiveBetter), _) => "fail",
            (_, Some(Winner::Candidate)) => "pass",
            _ => "inconclusive",
        }
    }

    pub(super) fn outcomes(&self) -> impl Iterator<Item = &OutcomeReport> {
        std::iter::once(&self.primary).chain(&self.guardrails)
    }

    /// Names and values of what is good to know besides.
    fn facts(&self) -> Vec<(&'static str, String)> {
        let arm = |arm: &ArmReport| {
            let version = arm.version.as_deref().unwrap_or("without a version");
            format!("{version} on {}, {} units", arm.color, arm.exposed)
        };
        let contaminated = self.candidate.contaminated.saturating_add(self.live.contaminated);
        let mut facts = vec![
            ("candidate", arm(&self.candidate)),
            ("live", arm(&self.live)),
            ("planned share", format!("{} %", (1e6 * self.share).round() / 1e4)),
            ("began", self.began.to_string()),
            ("last look", self.until.to_string()),
        ];
        facts.extend(self.ended.map(|at| ("ended", at.to_string())));
        facts.push(("on both versions", contaminated.to_string()));
        let ratio = crate::guard::rounded;
        let (found, limit) = (ratio(self.ratio), ratio(self.ratio_limit));
        facts.push(("sample ratio", format!("ln e {found}, void from {limit} on")));
        for (name, count) in [("other versions", self.foreign), ("no room for", self.refused)] {
            if count > 0 {
                facts.push((name, count.to_string()));
            }
        }
        facts
    }
}

impl OutcomeReport {
    /// The cells of its row: candidate, live, difference, bounds, margin.
    pub(super) fn cells(&self) -> [String; 5] {
        let effect =
            |cell: &dyn Fn(&Effect) -> String| self.effect.as_ref().map_or("–".to_owned(), cell);
        let (kind, dash) = (self.kind, " to ");
        [
            effect(&|it| format!("{} of {}", level(kind, it.candidate), it.candidate_units)),
            effect(&|it| format!("{} of {}", level(kind, it.live), it.live_units)),
            effect(&|it| amount(kind, it.difference)),
            effect(&|it| format!("{}{dash}{}", amount(kind, it.lower), amount(kind, it.upper))),
            amount(kind, self.margin).trim_start_matches('+').to_owned(),
        ]
    }

    fn wanted(&self) -> &'static str {
        match self.better {
            Better::Higher => "higher",
            Better::Lower => "lower",
        }
    }
}
