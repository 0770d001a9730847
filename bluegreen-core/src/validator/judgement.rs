//! What a look came to.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Pass, fail, or not known yet. No data is never a pass.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The candidate is good enough.
    Pass,
    /// It is not.
    Fail,
    /// There is not enough to tell.
    Inconclusive,
}

impl Verdict {
    /// The verdict as programs write it, in `snake_case`.
    pub fn key(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Inconclusive => "inconclusive",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Inconclusive => "inconclusive",
        })
    }
}

/// Who won an experiment.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Winner {
    /// The candidate.
    Candidate,
    /// The live slot, also when neither was better.
    Live,
}

/// What a look came to: a verdict, why, and the state to go on from.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// One line for people.
    pub summary: String,
    /// What it rests on, worst first.
    pub evidence: Vec<Finding>,
    /// What the next look begins with. At most 512 KiB.
    pub state: Option<Bytes>,
    /// Who has won, if the validator is what an experiment is decided by and it is decided. In a step that
    /// it decides, the release is then concluded whatever the verdict: who lost has not failed.
    pub winner: Option<Winner>,
}

impl Judgement {
    /// A verdict with one line for people.
    pub fn new(verdict: Verdict, summary: impl Into<String>) -> Self {
        Self { verdict, summary: summary.into(), evidence: Vec::new(), state: None, winner: None }
    }

    /// The same with what it rests on.
    #[must_use]
    pub fn with_evidence(mut self, evidence: Vec<Finding>) -> Self {
        self.evidence = evidence;
        self
    }

    /// The same with the state for the next look.
    #[must_use]
    pub fn with_state(mut self, state: impl Into<Bytes>) -> Self {
        self.state = Some(state.into());
        self
    }
}

impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.verdict, self.summary)
    }
}

/// One thing that a judgement rests on.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Finding {
    /// What was looked at: a pod, a metric, a case.
    pub subject: String,
    /// What was done or asked: `GET /readyz`.
    #[serde(default)]
    pub asked: String,
    /// What was wanted.
    pub wanted: String,
    /// What was found.
    pub found: String,
}

impl Finding {
    /// What was looked at, wanted and found.
    pub fn new(
        subject: impl Into<String>,
        wanted: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self {
            subject: subject.into(),
            asked: String::new(),
            wanted: wanted.into(),
            found: found.into(),
        }
    }

    /// Says what was done or asked.
    #[must_use]
    pub fn asked(mut self, asked: impl Into<String>) -> Self {
        self.asked = asked.into();
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.subject)?;
        if !self.asked.is_empty() {
            write!(f, ", {}", self.asked)?;
        }
        write!(f, ": wanted {}, found {}", self.wanted, self.found)
    }
}
