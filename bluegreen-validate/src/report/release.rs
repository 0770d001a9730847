//! What is told of a release.

use bluegreen_core::release::Entry;
use bluegreen_core::{Color, Error, ErrorKind, Outcome, PhaseName, Result, Timestamp, Verdict};
use serde::{Deserialize, Serialize};

use super::ExperimentReport;
use crate::guard::{Bounded, Scale};

mod html;
mod lines;
mod log;
mod markdown;
mod plot;
mod series;
#[cfg(test)]
mod tests;

pub use log::ReleaseLog;
pub use series::Series;

/// The format of the JSON that this version writes, and the only one that it reads.
const FORMAT: u32 = 1;

/// A release as it stands: where traffic went, what guards found out about both slots, and when what was
/// decided. A [`ReleaseLog`] makes it.
///
/// It names versions, validators and metrics, and what these say of themselves; it holds no requests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ReleaseReport {
    /// The number of its format.
    pub format: u32,
    /// The agent, once the release's record was seen.
    pub agent: Option<String>,
    /// The release, as the record calls it.
    pub release: Option<String>,
    /// The version that it brings, once the record was seen.
    pub version: Option<String>,
    /// The version that was live, once the record was seen.
    pub baseline: Option<String>,
    /// The slot that had the traffic when it began.
    pub live: Option<Color>,
    /// When it began, as far as that was heard.
    pub began: Timestamp,
    /// When something was last heard.
    pub until: Timestamp,
    /// The phase that it is in.
    pub phase: Option<PhaseName>,
    /// How long that lasts at most, where that is known.
    pub deadline: Option<Timestamp>,
    /// How it ended, or where it is stuck.
    pub outcome: Option<Outcome>,
    /// Where traffic went.
    pub shares: Series<Shares>,
    /// What guards have found out, one after the other.
    pub metrics: Vec<MetricReport>,
    /// Gates and guards, as they looked last.
    pub validators: Vec<ValidatorReport>,
    /// What was decided, oldest first.
    pub decisions: Vec<Decision>,
    /// How many decisions there was no room for: the oldest ones but the first.
    pub left_out: u64,
    /// What the record says has happened, and who did it, oldest first.
    pub trail: Vec<Entry>,
    /// How often something had to be tried again.
    pub retries: u64,
    /// Experiments of which the settings are known.
    pub experiments: Vec<ExperimentReport>,
}

/// The share of the traffic that each slot has from then on: from 0 to 1, and 1 together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Shares {
    /// Since when.
    pub at: Timestamp,
    /// Blue's.
    pub blue: f64,
    /// Green's.
    pub green: f64,
}

/// What a guard has found out about its metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct MetricReport {
    /// The validator that told.
    pub validator: String,
    /// The guard: the validator itself, or one of several that are one.
    pub guard: String,
    /// The metric.
    pub metric: String,
    /// What its values are.
    pub scale: Scale,
    /// What was known, look after look.
    pub points: Series<Point>,
}

/// What a guard knew at one look.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Point {
    /// Until when units are counted.
    pub at: Timestamp,
    /// What the guard made of it.
    pub verdict: Verdict,
    /// The candidate.
    pub candidate: Bounded,
    /// Live, where the guard looks at it.
    pub live: Option<Bounded>,
}

/// A gate or a guard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ValidatorReport {
    /// Its name.
    pub name: String,
    /// How often it has looked, as far as that was heard.
    pub looks: u64,
    /// When it looked last.
    pub at: Timestamp,
    /// What that came to.
    pub verdict: Verdict,
    /// And why.
    pub summary: String,
}

/// Something that was decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Decision {
    /// When.
    pub at: Timestamp,
    /// What kind of decision it is.
    pub kind: DecisionKind,
    /// What, in words.
    pub what: String,
}

/// What kind of decision it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DecisionKind {
    /// Another phase began.
    Phase,
    /// Traffic follows another routing.
    Traffic,
    /// A validator passes, and did not before.
    Safe,
    /// A validator can't tell, and could before.
    Undecided,
    /// A validator fails, and did not before.
    Unfit,
    /// Traffic goes back.
    Return,
    /// Somebody holds it, lets it go on, promotes or rolls back.
    Asked,
    /// A problem that does not stop it.
    Warning,
    /// Another process drives it.
    Driver,
    /// It is over, or stuck.
    End,
}

impl DecisionKind {
    /// The class of its mark in a plot; none of what is no moment of its own.
    fn mood(self) -> Option<&'static str> {
        match self {
            Self::Safe => Some("pass"),
            Self::Unfit | Self::Return => Some("fail"),
            Self::Undecided | Self::Asked => Some("inconclusive"),
            Self::Traffic | Self::End => Some("moved"),
            Self::Phase | Self::Warning | Self::Driver => None,
        }
    }
}

impl ReleaseReport {
    /// One of which nothing is known.
    fn empty(at: Timestamp) -> Self {
        Self {
            format: FORMAT,
            agent: None,
            release: None,
            version: None,
            baseline: None,
            live: None,
            began: at,
            until: at,
            phase: None,
            deadline: None,
            outcome: None,
            shares: Series::default(),
            metrics: Vec::new(),
            validators: Vec::new(),
            decisions: Vec::new(),
            left_out: 0,
            trail: Vec::new(),
            retries: 0,
            experiments: Vec::new(),
        }
    }

    /// As JSON, from which it can be read again.
    ///
    /// # Errors
    /// Those of `serde_json`.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self)
    }

    /// What [`to_json`](Self::to_json) has written.
    ///
    /// # Errors
    /// [`Rejected`](ErrorKind::Rejected) for anything else, and for another format than this version's.
    pub fn from_json(json: &str) -> Result<Self> {
        #[derive(Deserialize)]
        struct Versioned {
            format: u32,
        }
        let refuse = |why: String| {
            Error::new(ErrorKind::Rejected, "read the report of a release").with_source(why)
        };
        let unread = |error: serde_json::Error| refuse(error.to_string());
        let Versioned { format } = serde_json::from_str(json).map_err(unread)?;
        if format != FORMAT {
            return Err(refuse(format!("found the format {format}, wanted {FORMAT}")));
        }
        serde_json::from_str(json).map_err(unread)
    }

    /// Where it is, in a few words.
    fn state(&self) -> String {
        match (&self.outcome, self.phase) {
            (Some(outcome), _) => outcome.to_string(),
            (None, Some(phase)) => phase.to_string(),
            (None, None) => "not begun".to_owned(),
        }
    }

    /// The color of that.
    fn mood(&self) -> &'static str {
        match (&self.outcome, self.phase) {
            (Some(Outcome::Released | Outcome::Concluded { .. }), _) => "pass",
            (Some(_), _) => "fail",
            (None, Some(phase)) if phase.is_backward() => "fail",
            (None, _) => "inconclusive",
        }
    }

    fn name(&self) -> String {
        let agent = self.agent.as_deref().unwrap_or("release");
        let version = self.version.as_deref().map(|it| format!(" {it}")).unwrap_or_default();
        format!("{agent}{version}")
    }

    /// Names and values of what is good to know besides.
    fn facts(&self) -> Vec<(&'static str, String)> {
        let mut facts = Vec::new();
        facts.extend(self.release.clone().map(|it| ("release", it)));
        let live = self.live.map(|it| format!(" on {it}")).unwrap_or_default();
        facts.extend(self.baseline.clone().map(|it| ("live before", format!("{it}{live}"))));
        facts.push(("began", self.began.to_string()));
        facts.push(("last heard of", self.until.to_string()));
        facts.extend(self.shares.last().map(|it| ("traffic", it.to_string())));
        for (name, count) in [("tried again", self.retries), ("decisions left out", self.left_out)]
        {
            if count > 0 {
                facts.push((name, count.to_string()));
            }
        }
        facts
    }

    /// All decisions with those that only the record tells of, in their order.
    fn history(&self) -> Vec<Decision> {
        let asked = |entry: &&Entry| {
            [" pauses", " continues", " promotes", " approves", " resumes"]
                .iter()
                .any(|it| entry.what.ends_with(it))
                || [" rolls back: ", " aborts: "].iter().any(|it| entry.what.contains(it))
        };
        let asked = self.trail.iter().filter(asked).map(|entry| Decision {
            at: entry.at,
            kind: DecisionKind::Asked,
            what: entry.what.clone(),
        });
        let mut all: Vec<Decision> = self.decisions.iter().cloned().chain(asked).collect();
        all.sort_by_key(|it| it.at);
        all
    }
}

impl Shares {
    /// One slot's.
    pub fn of(&self, color: Color) -> f64 {
        match color {
            Color::Blue => self.blue,
            Color::Green => self.green,
        }
    }
}

impl std::fmt::Display for Shares {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let percent = |share: f64| (1e6 * share).round() / 1e4;
        write!(f, "blue {} %, green {} %", percent(self.blue), percent(self.green))
    }
}
