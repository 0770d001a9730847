//! Which unit saw which version, and what came of it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bluegreen_core::{Color, Error, ErrorKind, Result, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Cohort, Outcomes, Tally};

mod book;
mod count;

use book::Book;

/// The most units that are kept unless told otherwise: about 200 MB with two outcomes of each.
const MOST_UNITS: usize = 1_000_000;

/// Records which unit (a conversation, a user) saw which version, and what came of it hours later. Clones
/// are the same.
///
/// ```
/// use bluegreen_core::{Clock as _, Color, SystemClock};
/// use bluegreen_validate::experiment::{Exposed, Exposures, Noted};
///
/// let exposures = Exposures::new();
/// let now = SystemClock.now();
/// assert_eq!(exposures.expose("conversation-17", Color::Green, "1.3.0", now), Exposed::First);
/// // Hours later, from a judge that knows nothing of versions:
/// assert_eq!(exposures.outcome("conversation-17", "completed", 1.0, now), Noted::Kept);
/// assert_eq!(exposures.outcome("conversation-18", "completed", 1.0, now), Noted::UnknownUnit);
/// ```
///
/// # The rules
/// * A unit belongs to the version of its **first exposure**, by time and not by when that is told.
///   Outcomes come to it whenever they come, whatever runs by then.
/// * A unit that was seen on two versions is **contaminated**: its outcomes are left out, and it is counted.
/// * A unit has **one outcome of each metric: the latest**, by its time, and of two at the same time the one
///   that was told later. So a judge may correct itself, and what is told twice counts once. Whoever has
///   sums (the cost of a conversation) tells the total at its end.
/// * An outcome from before the first exposure, of a unit that nobody has exposed, or that is no finite
///   number, is ignored and counted. From the first look on, so is a rate's that is neither 0 nor 1; one that
///   came before puts that outcome in doubt.
/// * When an experiment begins, it forgets [users](super::Unit::User) that were exposed before, so that they
///   begin anew; [conversations](super::Unit::Conversation) that were are under way, and left out for good,
///   unless they began more than a week before: then they are forgotten too. One recorder serves one
///   experiment at a time: when another one asks, it begins.
///
/// # What it takes
/// Of a unit its digest is kept (128 bits of SHA-256), and not its name. There is room for a million units
/// ([`with_room`](Self::with_room) says otherwise): then new ones are refused, of both versions alike, and
/// counted, while outcomes of the others are still taken. What the next experiment forgets gives its room
/// back. An exposure takes one SHA-256
/// and a look-up. A look goes through all units, and others wait meanwhile.
///
/// What is recorded lives in this process. [`to_json`](Self::to_json) and [`from_json`](Self::from_json) carry
/// it over a restart; where several processes serve, implement [`Outcomes`] on what they all write to.
#[derive(Clone)]
pub struct Exposures {
    book: Arc<Mutex<Book>>,
}

/// What became of an exposure.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Exposed {
    /// The unit was not known.
    First,
    /// It was seen on this version before.
    Again,
    /// It was seen on another version before, or since.
    Contaminated,
    /// It is of a time before the experiment, and of no use to it.
    Early,
    /// There is no room for another unit or version, or the version has more than 256 bytes.
    Refused,
}

/// What became of an outcome.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Noted {
    /// It is the unit's first of the metric.
    Kept,
    /// It takes the place of an earlier one.
    Replaced,
    /// A later one is known.
    Outdated,
    /// Nobody has exposed the unit.
    UnknownUnit,
    /// It is from before the unit's first exposure.
    Early,
    /// It is no finite number, or above 1e149: the squares of such have no finite sum.
    NotANumber,
    /// It is neither 0 nor 1, and the experiment has asked for a [rate](super::Kind::Rate).
    NotARate,
    /// There is no room for another metric, or its name has more than 256 bytes.
    Refused,
}

/// How much was recorded and how much was not.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ExposureCounts {
    /// Exposures that were refused, as there was no room.
    pub refused: u64,
    /// Exposures from before the experiment.
    pub early: u64,
    /// Outcomes of units that nobody has exposed.
    pub unknown: u64,
    /// Outcomes that took the place of others, or came after later ones.
    pub repeated: u64,
    /// Outcomes that were ignored for any other reason.
    pub invalid: u64,
}

impl Exposures {
    /// Nothing recorded, with room for a million units.
    pub fn new() -> Self {
        Self::with_room(MOST_UNITS)
    }

    /// Nothing recorded, with room for so many units, at most 4,294,967,295.
    pub fn with_room(units: usize) -> Self {
        Self::of(Book::new(units))
    }

    fn of(book: Book) -> Self {
        Self { book: Arc::new(Mutex::new(book)) }
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that a unit was served by this version of a slot: at the beginning of a conversation, or at
    /// every request. The version is what the slot's label says, which agents echo in a header.
    pub fn expose(&self, unit: &str, color: Color, version: &str, at: Timestamp) -> Exposed {
        let key = book::key(unit);
        self.lock().expose(key, color, version, at)
    }

    /// Records what came of a unit: 1 or 0 for a rate, any number for a mean.
    pub fn outcome(&self, unit: &str, metric: &str, value: f64, at: Timestamp) -> Noted {
        let key = book::key(unit);
        self.lock().outcome(key, metric, value, at)
    }

    /// How many units are known.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How much was not recorded, and why.
    pub fn counts(&self) -> ExposureCounts {
        self.lock().counts()
    }

    /// All of it as JSON, about 100 bytes for each unit; with digests of units, and not their names.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(&*self.lock()).map_err(|error| failed("write exposures", error))
    }

    /// What [`to_json`](Self::to_json) has written. An experiment goes on with it as if nothing had been.
    ///
    /// # Errors
    /// [`Rejected`](ErrorKind::Rejected) for anything else.
    pub fn from_json(json: &[u8]) -> Result<Self> {
        let book = serde_json::from_slice(json).map_err(|error| failed("read exposures", error))?;
        Ok(Self::of(book))
    }
}

fn failed(action: &str, error: serde_json::Error) -> Error {
    Error::new(ErrorKind::Rejected, action).with_source(error)
}

impl Default for Exposures {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Exposures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let book = self.lock();
        f.debug_struct("Exposures")
            .field("units", &book.len())
            .field("counts", &book.counts())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Outcomes for Exposures {
    async fn tally(&self, cohort: &Cohort) -> Result<Tally> {
        Ok(count::tally(&mut self.lock(), cohort))
    }
}

#[cfg(test)]
mod tests;
