//! What an experiment keeps from look to look.

use std::collections::BTreeMap;

use bluegreen_core::{Digest, Error, ErrorKind, Result, Timestamp, Trial};
use serde::{Deserialize, Serialize};

use super::{Arm, Conclusion, Effect};

/// The version of what is kept.
const VERSION: u32 = 1;

/// The most looks of which the effect is kept, for people: when there are more, every second one goes.
const MOST_POINTS: usize = 400;

/// An arm, and the digest of everything that it runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Side {
    pub(crate) arm: Arm,
    pub(crate) digest: Digest,
}

/// What one look found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Point {
    pub(crate) at: Timestamp,
    pub(crate) effect: Effect,
}

/// What the last look that had numbers found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    /// Units that were first exposed: the candidate's and live's.
    pub(crate) exposed: [u64; 2],
    pub(crate) contaminated: [u64; 2],
    pub(crate) foreign: u64,
    pub(crate) refused: u64,
    /// On what the foreign ones were, the most frequent first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) strangers: Vec<Arm>,
    /// The primary outcome's, and then that of each guardrail.
    pub(crate) effects: Vec<Option<Effect>>,
    /// Why an outcome has none, by its metric: found and wanted. None where too few units have one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) doubts: BTreeMap<String, [String; 2]>,
}

/// What is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Memory {
    version: u32,
    pub(crate) began: Timestamp,
    /// The time of the last look that had numbers.
    pub(crate) until: Timestamp,
    pub(crate) candidate: Side,
    pub(crate) live: Side,
    /// When the horizon's number of units was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) full: Option<Timestamp>,
    /// The most units of both arms and of others at any look.
    #[serde(default)]
    pub(crate) most: u64,
    /// The most evidence, at any look, that units do not arrive in the planned shares.
    pub(crate) ratio: f64,
    pub(crate) state: State,
    pub(crate) points: Vec<Point>,
    /// Of how many looks one is kept.
    every: u64,
    looks: u64,
    /// When it ended and how. Nothing changes after that.
    pub(crate) ended: Option<(Timestamp, Conclusion)>,
}

/// What is read first: another version may have fields that this one does not know.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

impl Memory {
    /// An experiment that begins now.
    pub(crate) fn begin(trial: &Trial, now: Timestamp) -> Self {
        let side = |side: &bluegreen_core::Side| Side {
            arm: Arm::new(side.state.color, side.state.running.version.clone()),
            digest: side.state.digest(),
        };
        Self {
            version: VERSION,
            began: now,
            until: now,
            candidate: side(&trial.candidate),
            live: side(&trial.live),
            full: None,
            most: 0,
            ratio: 0.0,
            state: State::default(),
            points: Vec::new(),
            every: 1,
            looks: 0,
            ended: None,
        }
    }

    /// Keeps what a look found, the last one always.
    pub(crate) fn note(&mut self, point: Point) {
        // The last one stands beyond those that are kept at regular distances, or is one of them.
        if self.looks.checked_sub(1).is_some_and(|last| !last.is_multiple_of(self.every)) {
            self.points.pop();
        }
        self.points.push(point);
        self.looks += 1;
        if self.points.len() > MOST_POINTS {
            let mut place = 0_u64;
            self.points.retain(|_| {
                place += 1;
                place % 2 == 1
            });
            self.every = self.every.saturating_mul(2);
        }
    }

    /// The experiment that the last look has left, if there was one.
    pub(crate) fn read(name: &str, bytes: Option<&[u8]>) -> Result<Option<Self>> {
        let Some(bytes) = bytes else { return Ok(None) };
        let refuse = |why: String| {
            Error::new(ErrorKind::Rejected, format!("{name}: go on with the experiment"))
                .with_source(why)
        };
        let unread = |error: serde_json::Error| {
            refuse(format!("what the last look left can't be read: {error}"))
        };
        let Versioned { version } = serde_json::from_slice(bytes).map_err(unread)?;
        if version != VERSION {
            return Err(refuse(format!(
                "found a state of the format {version}, wanted {VERSION}: another version of \
                 bluegreen-validate has begun it"
            )));
        }
        serde_json::from_slice(bytes).map(Some).map_err(unread)
    }

    pub(crate) fn write(&self, name: &str) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|error| {
            Error::new(ErrorKind::Rejected, format!("{name}: keep the experiment"))
                .with_source(error)
        })
    }
}

#[cfg(test)]
mod tests;
