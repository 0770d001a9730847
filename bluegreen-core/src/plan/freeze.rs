//! When no traffic is given to a candidate: nights, weekends, holidays.

use std::fmt;
use std::time::Duration;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::{Actor, Problem, Timestamp};

mod window;

use window::Window;

/// The most windows, so that a record has room for them.
const MOST: usize = 50;
/// How soon it is looked again when the zone cannot be read: on another machine, say.
const UNKNOWN: Duration = Duration::from_mins(5);
/// How many windows may follow one another without a gap before the end of a freeze is said to be
/// that of the last of them.
const LONGEST_CHAIN: usize = 500;

/// When no traffic is given to a candidate.
///
/// A release that comes into such a time waits: before its first traffic, or with the share that it
/// has, under the eyes of its guards. What was begun before goes on to the end of its step; the
/// old slot drains and retires, and every way back is open at any time.
///
/// ```
/// use bluegreen_core::plan::Freeze;
///
/// let freeze = Freeze::new("Europe/Berlin")
///     .window("Fri 16:00 - Mon 08:00")            // every week
///     .window("2026-12-24 12:00 - 2027-01-02 00:00")
///     .window("2026-10-03");                      // all day
/// assert!(freeze.problems().is_empty());
/// ```
///
/// Times are those of the zone's wall clocks. Where clocks are changed, and a time comes twice or not at
/// all, the window is the longer one of those that it could be.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Freeze {
    /// The time zone by its IANA name: `Europe/Berlin`, `UTC`.
    pub zone: String,
    /// The times: `Fri 16:00 - Mon 08:00`, `2026-12-24`, `2026-12-24 - 2026-12-26` (the last day
    /// included), `2026-12-24 12:00 - 2027-01-02 08:00`.
    pub windows: Vec<String>,
}

/// Somebody who lets traffic move in spite of a freeze.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct FreezeOverride {
    /// Who.
    pub by: Actor,
    /// Why.
    pub reason: String,
}

/// That nothing moves.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Frozen {
    /// Until then, or until it is looked again.
    pub(crate) until: Timestamp,
    /// By what.
    pub(crate) why: String,
}

impl Freeze {
    /// No time yet, in this zone.
    pub fn new(zone: impl Into<String>) -> Self {
        Self { zone: zone.into(), windows: Vec::new() }
    }

    /// Adds a time.
    #[must_use]
    pub fn window(mut self, window: impl Into<String>) -> Self {
        self.windows.push(window.into());
        self
    }

    /// Everything that is wrong with it, all at once.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut say = |object: String, found: String, wanted: &str| {
            let problem = Problem::new("plan-freeze", format!("plan, freeze.{object}"));
            problems.push(problem.found(found).wanted(wanted));
        };
        if TimeZone::get(&self.zone).is_err() {
            let wanted = "an IANA name like `Europe/Berlin`";
            say("zone".to_owned(), format!("`{}`", self.zone), wanted);
        }
        if self.windows.is_empty() || self.windows.len() > MOST {
            let found = format!("{} windows", self.windows.len());
            say("windows".to_owned(), found, "1 to 50 windows");
        }
        let mut known: Vec<Window> = Vec::new();
        for (number, text) in self.windows.iter().enumerate() {
            let object = format!("windows[{number}]");
            match text.parse::<Window>() {
                Err(wanted) => say(object, format!("`{text}`"), wanted),
                Ok(window) if known.contains(&window) => {
                    say(object, format!("`{text}`, a second time"), "each window once");
                }
                Ok(window) => known.push(window),
            }
        }
        if Window::fill_the_week(&known) {
            let found = "no time at all that is left".to_owned();
            say("windows".to_owned(), found, "a time in each week at which traffic may move");
        }
        problems
    }

    /// Whether nothing moves at this time.
    pub(crate) fn at(&self, at: Timestamp) -> Option<Frozen> {
        let windows: Result<Vec<Window>, _> = self.windows.iter().map(|it| it.parse()).collect();
        // A plan with problems begins no release. What is not known is not open.
        let (Ok(zone), Ok(windows)) = (TimeZone::get(&self.zone), windows) else {
            let why = format!("the time zone `{}` is not known here", self.zone);
            return Some(Frozen { until: at.plus(UNKNOWN), why });
        };
        let ending = |at| {
            windows
                .iter()
                .zip(&self.windows)
                .find_map(|(window, text)| window.end_at(at, &zone).map(|until| (until, text)))
        };
        let (mut until, text) = ending(at)?;
        for _ in 0..LONGEST_CHAIN {
            let Some((later, _)) = ending(until) else { break };
            until = later;
        }
        Some(Frozen { until, why: format!("{text} {}", self.zone) })
    }
}

impl FreezeOverride {
    /// Somebody, and why.
    pub fn new(by: impl Into<Actor>, reason: impl Into<String>) -> Self {
        Self { by: by.into(), reason: reason.into() }
    }

    /// Whether it says who, and why.
    pub(crate) fn is_complete(&self) -> bool {
        !self.by.as_str().trim().is_empty() && !self.reason.trim().is_empty()
    }
}

impl fmt::Display for FreezeOverride {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} lets traffic move in spite of the freeze: {}", self.by, self.reason)
    }
}

#[cfg(test)]
mod tests;
