//! The parts of a plan.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::HookPoint;
use crate::clock::{days, duration_text, minutes};
use crate::{Color, Mirror, Pin, Share};

/// One routing, and how long it is held.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Step {
    /// The candidate's share.
    pub share: Share,
    /// Requests that choose their slot.
    #[serde(default)]
    pub pins: Vec<Pin>,
    /// A copy of live's traffic for the candidate.
    #[serde(default)]
    pub mirror: Option<Mirror>,
    /// What ends the step. The last step goes straight to the bake.
    #[serde(default)]
    pub until: Until,
    /// What becomes of it when guards are undecided at its end.
    #[serde(default)]
    pub on_undecided: OnUndecided,
}

impl Step {
    /// A share for the candidate, held ten minutes.
    pub fn new(share: Share) -> Self {
        Self {
            share,
            pins: Vec::new(),
            mirror: None,
            until: Until::default(),
            on_undecided: OnUndecided::default(),
        }
    }

    /// The same step with another end.
    #[must_use]
    pub fn until(mut self, until: Until) -> Self {
        self.until = until;
        self
    }
}

/// What holds a conversation on the slot on which it began: a header or cookie with the slot's color
/// as its value, `blue` or `green`, which the agent sets and its clients send.
///
/// Whatever share each slot has, such a request goes to its slot: from the first step until the old
/// slot has drained, or has had its time. Then nothing is held any more. What goes back goes back
/// at once, with all conversations.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Conversations {
    /// The header of this name.
    Header {
        /// Its name.
        name: String,
    },
    /// The cookie of this name.
    Cookie {
        /// Its name.
        name: String,
    },
}

impl Conversations {
    /// The name of the header or cookie.
    pub fn name(&self) -> &str {
        match self {
            Self::Header { name } | Self::Cookie { name } => name,
        }
    }

    /// The pins that hold them, one for each slot.
    pub fn pins(&self) -> [Pin; 2] {
        Color::BOTH.map(|color| {
            let (name, value) = (self.name().to_owned(), color.as_str().to_owned());
            match self {
                Self::Header { .. } => Pin::Header { name, value, color },
                Self::Cookie { .. } => Pin::Cookie { name, value, color },
            }
        })
    }
}

/// What ends a step.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Until {
    /// Time, with all guards passing at its end.
    Elapsed {
        /// How long.
        #[serde(with = "duration_text")]
        hold: Duration,
    },
    /// An experiment that is decided, or its horizon.
    Decided {
        /// When it ends undecided.
        #[serde(with = "duration_text")]
        horizon: Duration,
    },
    /// Somebody who says `promote` or `approve`.
    Approved {
        /// How long that is waited for, before traffic goes back.
        #[serde(with = "duration_text")]
        timeout: Duration,
    },
}

impl Default for Until {
    fn default() -> Self {
        Self::Elapsed { hold: minutes(10) }
    }
}

impl Until {
    /// How long the step lasts at most.
    pub fn length(&self) -> Duration {
        match self {
            Self::Elapsed { hold } => *hold,
            Self::Decided { horizon } => *horizon,
            Self::Approved { timeout } => *timeout,
        }
    }
}

/// What becomes of a step, or the bake, when guards are undecided at its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum OnUndecided {
    /// It goes on until it has lasted so many times its length, then traffic goes back.
    Extend {
        /// How many times; at least one.
        times: u32,
    },
    /// Traffic goes back.
    Return,
    /// The release goes on.
    Proceed,
}

impl Default for OnUndecided {
    fn default() -> Self {
        Self::Extend { times: 3 }
    }
}

/// The time after the last step in which guards watch and rollback is one write.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Bake {
    /// How long.
    #[serde(with = "duration_text")]
    pub hold: Duration,
    /// What becomes of it when guards are undecided at its end.
    pub on_undecided: OnUndecided,
}

impl Default for Bake {
    fn default() -> Self {
        Self { hold: minutes(30), on_undecided: OnUndecided::default() }
    }
}

/// Real work for the candidate's pods until they are fast.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct WarmUp {
    /// How long that may take.
    #[serde(with = "duration_text")]
    pub timeout: Duration,
}

impl WarmUp {
    /// A warm-up that may take so long.
    pub fn new(timeout: Duration) -> Self {
        Self { timeout }
    }
}

/// Somebody must say yes before traffic moves.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Approval {
    /// How long that is waited for.
    #[serde(with = "duration_text")]
    pub timeout: Duration,
}

impl Default for Approval {
    fn default() -> Self {
        Self { timeout: days(1) }
    }
}

/// A comparison of two versions under real traffic.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Experiment {
    /// The validator that decides it, by name. In the bake there is nothing left to compare: what it
    /// leaves undecided there has no consequence, but it may still fail.
    pub primary: Option<String>,
}

/// A point where a release waits for the others of its group. A [`Group`](crate::Group) sets them
/// itself; a release of its own that has one is refused, as nobody would let it pass.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Barrier {
    /// The name that all of the group share.
    pub name: String,
    /// Where it waits: before [`Shifting`](HookPoint::Shifting) with everything but the traffic done,
    /// or before [`Retiring`](HookPoint::Retiring) when the bake is over, with guards that go on
    /// looking and nothing asked of the old slot yet.
    pub before: HookPoint,
    /// How long it waits.
    #[serde(with = "duration_text", default = "a_day")]
    pub timeout: Duration,
}

fn a_day() -> Duration {
    days(1)
}

impl Barrier {
    /// A wait of at most `timeout` for the others of the group `name`.
    pub fn before(before: HookPoint, name: impl Into<String>, timeout: Duration) -> Self {
        Self { name: name.into(), before, timeout }
    }
}

/// What it leads to that somebody else writes to what a release works on: the routing, the
/// candidate or the record.
///
/// Whatever it says, all traffic that somebody moves back to the slot that had it ends the release,
/// a candidate that is changed between two steps goes back, as more traffic would go to what no gate
/// has seen, and on the way back every foreign write is a pause: two who move traffic against each other
/// would be a fight.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OnDrift {
    /// The release pauses and says so. Guards go on looking at a candidate that has traffic, and
    /// `continue` accepts what it is now. One without traffic is judged again by `resume`. What runs
    /// another configuration, or gets other traffic, has to be put back, or `rollback`.
    #[default]
    Hold,
    /// Traffic goes back to the slot that had it.
    Return,
    /// The release goes on with what was written, as far as that can be: a candidate that somebody
    /// restarted is judged again (with traffic on it: kept), another size is taken over, traffic
    /// that was moved to a candidate whose gates have passed stays there, and so does a record that
    /// can be read. Anything else is a pause.
    Accept,
}

/// A problem that a release may have.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Allowance {
    /// The problem's code.
    pub code: String,
    /// The name it is allowed for (a field manager, say); without one, for all.
    #[serde(default)]
    pub name: Option<String>,
}
