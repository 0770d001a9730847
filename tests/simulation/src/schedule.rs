//! What happens in one run: how the world begins, and everything that is done to it, as data.

use std::fmt;

use bluegreen_core::plan::OnDrift;
use bluegreen_core::{Color, PhaseName};

/// One run of the simulation. The seed makes it; without some of its actions it is a smaller one.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// What it was made from.
    pub seed: u64,
    /// How the world begins.
    pub setting: Setting,
    /// What is done to it, by the place of each in what the seed made.
    pub actions: Vec<(usize, Action)>,
}

/// How the world begins.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "each field is what it is called")]
#[allow(clippy::struct_excessive_bools, reason = "they have nothing to do with each other")]
#[non_exhaustive]
pub struct Setting {
    pub policy: Policy,
    pub replicas: u32,
    pub idle_replicas: u32,
    pub standby: u32,
    /// Seconds until a pod is ready.
    pub slow_pods: Option<u32>,
    pub candidate: Candidate,
    pub autoscalers: bool,
    /// Seconds for which a failed candidate is kept.
    pub keep_failed: u32,
    pub on_drift: OnDrift,
    pub clocks: [Skew; 4],
    /// Whether the processes that live when the trouble ends go on.
    pub survivors: bool,
    /// Whether another release follows, which nobody disturbs.
    pub encore: bool,
}

/// How traffic moves, and what the old slot does then.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[allow(missing_docs, reason = "each variant is what it is called")]
#[non_exhaustive]
pub enum Policy {
    AtOnce,
    Bake,
    DrainAndKeep,
    DrainAndCut,
    Approval,
    Steps,
    ApprovedStep,
}

/// What becomes of the candidate's pods.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[allow(missing_docs, reason = "each variant is what it is called")]
#[non_exhaustive]
pub enum Candidate {
    Starts,
    NeverReady,
    CannotStart,
}

/// How wrong a process's clock is.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Skew {
    /// How far it is ahead of the right one, in seconds.
    pub ahead: i32,
    /// How fast it is, in parts per million more or less.
    pub rate: i32,
}

/// Something that is done, and when.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Action {
    /// When.
    pub at: Point,
    /// What.
    pub deed: Deed,
}

/// A moment of a run.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Point {
    /// Just before the call of this number, after the record first said this phase. Without a
    /// phase, after the beginning. Calls of all processes count, heartbeats included.
    Call {
        /// The phase.
        phase: Option<PhaseName>,
        /// The number, from 0.
        number: u32,
    },
    /// So many milliseconds after the beginning.
    Time(u32),
}

/// Something that is done.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "each variant is what it is called")]
#[non_exhaustive]
pub enum Deed {
    /// The call goes wrong.
    Fault(Mishap),
    /// Whoever makes the call dies, before or after its effect, or some steps later.
    DieBefore,
    DieAfter,
    DieLater {
        polls: u32,
    },
    /// Whoever makes the call is stopped before it, for so many milliseconds, and goes on.
    Sleep {
        millis: u32,
    },
    /// Every call of everybody is unavailable for so many milliseconds.
    Outage {
        millis: u32,
    },
    /// Another process begins this.
    Start(Operation),
    /// The rest of the world does this.
    World(World),
}

/// How a call goes wrong. What makes no sense for a call makes it unavailable instead.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[allow(missing_docs, reason = "each variant is what it is called")]
#[non_exhaustive]
pub enum Mishap {
    Unavailable,
    Conflict,
    LostRequest,
    LostAnswer,
    Hang,
    HangAfter,
    Delay { millis: u32 },
    Slow { millis: u32 },
    Late { millis: u32 },
    Stale,
}

/// What another process begins.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[allow(missing_docs, reason = "each variant is what it is called")]
#[non_exhaustive]
pub enum Operation {
    Run,
    Resume,
    Abort,
    Rollback,
    Approve,
    Promote,
    Pause,
    Unpause,
    Finish,
}

/// What the rest of the world does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[allow(missing_docs, reason = "each variant is what it is called")]
#[non_exhaustive]
pub enum World {
    Kill { color: Color, count: u32 },
    Unready { color: Color, count: u32 },
    MarkReady { color: Color },
    StopReplacing { color: Color },
    Restart { color: Color },
    Route { to: Color },
    RouteForeign,
    EditTemplate { color: Color },
    EditReplicas { color: Color, replicas: u32 },
    Autoscale { color: Color, replicas: u32 },
    StopFollowing,
    ResumeFollowing,
    Load { color: Color, in_flight: u32 },
    Verdict(Judged),
}

/// What the gate says the next time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[allow(missing_docs, reason = "each variant is what it is called")]
#[non_exhaustive]
pub enum Judged {
    Fail,
    Inconclusive,
    Unreachable,
}

impl World {
    /// Whether it writes to what a release writes to.
    pub(crate) fn is_foreign_write(self) -> bool {
        matches!(
            self,
            Self::Route { .. }
                | Self::RouteForeign
                | Self::EditTemplate { .. }
                | Self::EditReplicas { .. }
                | Self::Autoscale { .. }
        )
    }
}

impl Schedule {
    /// The same with only these of its actions.
    #[must_use]
    pub fn only(&self, places: &[usize]) -> Self {
        let actions = self.actions.iter().filter(|(place, _)| places.contains(place));
        Self { seed: self.seed, setting: self.setting.clone(), actions: actions.copied().collect() }
    }

    /// The places of its actions in what the seed made.
    pub fn places(&self) -> Vec<usize> {
        self.actions.iter().map(|(place, _)| *place).collect()
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}: {:?}", self.seed, self.setting)?;
        for (place, action) in &self.actions {
            match action.at {
                Point::Call { phase: Some(phase), number } => {
                    write!(f, "  [{place}] at call {number} since {phase}")?;
                }
                Point::Call { phase: None, number } => write!(f, "  [{place}] at call {number}")?,
                Point::Time(millis) => write!(f, "  [{place}] after {millis} ms")?,
            }
            writeln!(f, ": {:?}", action.deed)?;
        }
        Ok(())
    }
}
