//! What a state of a look has of a book, so that a report comes out whole that another process
//! writes.

use std::time::Duration;

use bluegreen_core::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::seen::Seen;

/// The characters of an answer that are worth their place in a state.
const SHORT: usize = 160;

/// As much of a book as there is room for.
#[derive(Deserialize)]
pub(in crate::prompt::run) struct SavedBook {
    pub(super) started: Timestamp,
    /// How long all looks have lasted, in milliseconds.
    pub(super) millis: u64,
    /// Case, repeat, live, idle.
    pub(super) pairs: Vec<(usize, usize, Seen, Seen)>,
}

impl SavedBook {
    /// The JSON of one with as many of the pairs as there is room for, in bytes: those first that did
    /// not pass on both slots, then the others without their answers.
    ///
    /// `known` are the places of pairs and whether both passed; `seen` gives case, repeat, live and idle.
    pub(super) fn written(
        started: Timestamp,
        took: Duration,
        known: &(impl Iterator<Item = (usize, bool)> + Clone),
        room: usize,
        seen: impl Fn(usize) -> (usize, usize, Seen, Seen),
    ) -> Vec<u8> {
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let mut text =
            serde_json::to_vec(&json!({"started": started, "millis": millis})).unwrap_or_default();
        text.pop();
        text.extend_from_slice(b",\"pairs\":[");
        let begin = text.len();
        'all: for both_passed in [false, true] {
            let short = if both_passed { 0 } else { SHORT };
            for (place, _) in known.clone().filter(|(_, it)| *it == both_passed) {
                let (case, repeat, live, idle) = seen(place);
                let before = text.len();
                if before > begin {
                    text.push(b',');
                }
                let pair = (case, repeat, live.shortened(short), idle.shortened(short));
                // It has text keys and finite numbers only, so this does not fail.
                let is_written = serde_json::to_writer(&mut text, &pair).is_ok();
                if !is_written || text.len() - begin > room {
                    text.truncate(before);
                    break 'all;
                }
            }
        }
        text.extend_from_slice(b"]}");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paired::Attempt;

    #[test]
    fn what_failed_comes_first_and_there_is_an_end() {
        let seen = |outcome: Attempt| {
            let mut seen = Seen::bare(outcome);
            seen.text = "x".repeat(500);
            seen
        };
        let (good, bad) = (seen(Attempt::passed()), seen(Attempt::failed()));
        let known = (0..100).map(|case| (case, case < 90));
        let seen = |case| (case, 0, good.clone(), if case < 90 { &good } else { &bad }.clone());
        let room = 8_000;
        let (now, took) = (Timestamp::default(), Duration::ZERO);
        let written = SavedBook::written(now, took, &known, room, seen);
        let saved: SavedBook = serde_json::from_slice(&written).unwrap();
        assert!(written.len() <= room + 100 && saved.pairs.len() > 20, "{}", saved.pairs.len());
        assert_eq!(saved.pairs[9].0, 99);
        assert_eq!(saved.pairs[9].3.text.chars().count(), SHORT + 1);
        assert_eq!((saved.pairs[10].0, saved.pairs[10].3.text.as_str()), (0, ""));
    }
}
