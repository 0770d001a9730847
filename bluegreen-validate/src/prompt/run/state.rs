//! What one look leaves for the next, so that no crash pays twice.

use bluegreen_core::{Digest, Side, Trial};
use serde::{Deserialize, Serialize};

use super::ledger::Spent;
use super::record::{Recording, SavedBook};
use super::{Regressed, Results};
use crate::paired::Attempt;

mod runs;

/// The most bytes that a state may have.
const LARGEST: usize = 500 * 1024;
/// What of it is left for what is not outcomes.
const ROOM: usize = 40 * 1024;

/// What is known from before.
#[derive(Default)]
pub(super) struct Kept {
    pub(super) pairs: Vec<(usize, usize, Attempt, Attempt)>,
    pub(super) regressed: Vec<Regressed>,
}

/// A state: of which suite and which slots it is, and what is known.
#[derive(Serialize, Deserialize)]
pub(super) struct Saved {
    suite: Digest,
    live: String,
    idle: String,
    pub(super) spent: Spent,
    /// Case, repeat, live and idle, each a score; that of a failed run is less than 0 by it and 1,
    /// or by it and 3 where the other answer was preferred and nothing else is wrong.
    ///
    /// Only states of before have them so.
    #[serde(default, skip_serializing)]
    pairs: Vec<(usize, usize, f64, f64)>,
    /// The same case by case and repeat by repeat, shorter.
    #[serde(default)]
    runs: String,
    regressed: Vec<Regressed>,
    /// What a report shows of the pairs, if somebody wants one.
    #[serde(default, skip_serializing)]
    pub(super) book: Option<SavedBook>,
}

impl Saved {
    /// The state that the trial brings. What is known of another suite or other pods is nothing;
    /// what was spent stays spent.
    pub(super) fn of(suite: &Digest, trial: &Trial) -> Self {
        let mut saved = Self {
            suite: suite.clone(),
            live: identity(&trial.live),
            idle: identity(&trial.candidate),
            spent: Spent::default(),
            pairs: Vec::new(),
            runs: String::new(),
            regressed: Vec::new(),
            book: None,
        };
        let before = trial.state.as_ref();
        let before: Option<Self> = before.and_then(|it| serde_json::from_slice(it).ok());
        if let Some(before) = before {
            saved.spent = before.spent;
            let ours = (&saved.suite, &saved.live, &saved.idle);
            if ours == (&before.suite, &before.live, &before.idle) {
                saved.pairs = before.pairs;
                saved.runs = before.runs;
                saved.regressed = before.regressed;
                saved.book = before.book;
            }
        }
        saved
    }

    /// What is known of a suite of so many cases and repeats.
    pub(super) fn take(&mut self, cases: usize, repeats: usize) -> Kept {
        let pairs = std::mem::take(&mut self.pairs).into_iter();
        let pairs = pairs.map(|(c, r, live, idle)| (c, r, decoded(live), decoded(idle)));
        let runs = std::mem::take(&mut self.runs);
        let runs = runs::read(&runs, cases * repeats).into_iter();
        let runs = runs.filter_map(|(place, [live, idle])| {
            Some((place / repeats, place % repeats, live.attempt()?, idle.attempt()?))
        });
        let regressed = std::mem::take(&mut self.regressed);
        Kept { pairs: pairs.chain(runs).collect(), regressed }
    }

    /// The state with what is known now.
    pub(super) fn bytes(
        &mut self,
        results: &Results,
        spent: Spent,
        recording: &Recording<'_>,
    ) -> Vec<u8> {
        let mut bytes = self.without_book(results, spent);
        // What the verdict rests on comes first; `,"book":…` and what is in it besides pairs needs
        // less than 200 bytes.
        let book = recording.saved(LARGEST.saturating_sub(bytes.len() + 200));
        if let Some(book) = book.filter(|book| bytes.len() + book.len() + 10 <= LARGEST)
            && bytes.pop() == Some(b'}')
        {
            bytes.extend_from_slice(b",\"book\":");
            bytes.extend(book);
            bytes.push(b'}');
        }
        bytes
    }

    fn without_book(&mut self, results: &Results, spent: Spent) -> Vec<u8> {
        // The rest of a state needs less than is left of the room, but for what got worse.
        self.runs = runs::written(results.kept(), LARGEST - ROOM);
        self.regressed.clone_from(&results.regressed);
        self.spent = spent;
        loop {
            // It has text keys and finite numbers only, so this does not fail.
            let bytes = serde_json::to_vec(self).unwrap_or_default();
            if bytes.len() <= LARGEST || self.regressed.is_empty() {
                return bytes;
            }
            let half = self.regressed.len() / 2;
            self.regressed.truncate(half);
        }
    }
}

/// What is judged: other pods are another agent.
pub(super) fn identity(side: &Side) -> String {
    format!("{} {} {}", side.state.uid, side.state.template_hash, side.state.digest())
}

/// An attempt from one number, as states of before have it.
fn decoded(number: f64) -> Attempt {
    if number >= 0.0 {
        Attempt::Passed { score: Some(number) }
    } else if number >= -2.0 {
        Attempt::Failed { score: Some(-1.0 - number), beaten: false }
    } else if number >= -4.0 {
        Attempt::Failed { score: Some(-3.0 - number), beaten: true }
    } else {
        Attempt::Error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_states_of_before_say_is_read() {
        let score = Some(0.25);
        for (number, attempt) in [
            (0.25, Attempt::Passed { score }),
            (0.0, Attempt::Passed { score: Some(0.0) }),
            (-1.25, Attempt::Failed { score, beaten: false }),
            (-2.0, Attempt::Failed { score: Some(1.0), beaten: false }),
            (-3.25, Attempt::Failed { score, beaten: true }),
            (-3.0, Attempt::Failed { score: Some(0.0), beaten: true }),
            (-9.0, Attempt::Error),
        ] {
            assert_eq!(decoded(number), attempt);
        }
    }
}
