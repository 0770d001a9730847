//! What the gateway, the agent and judges tell: a line of JSON each.

use std::time::Duration;

use bluegreen_core::{Color, Timestamp};
use bluegreen_validate::Exposures;
use bluegreen_validate::experiment::{Exposed, Noted};
use serde::{Deserialize, Serialize};

/// How far ahead of ours the clocks of others may be.
const AHEAD: Duration = Duration::from_mins(1);

/// The most lines of which it is told what is wrong with them.
const MOST: usize = 20;

/// One thing that is told.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case", deny_unknown_fields)]
enum Event {
    /// A unit was served by this version of a slot.
    Exposed {
        unit: String,
        slot: Color,
        version: String,
        #[serde(default)]
        at: Option<Timestamp>,
    },
    /// What came of it.
    Outcome {
        unit: String,
        metric: String,
        value: f64,
        #[serde(default)]
        at: Option<Timestamp>,
    },
}

/// What events are recorded in, and the metrics that the experiment knows.
#[derive(Clone, Copy)]
pub(crate) struct Book<'a> {
    pub(crate) exposures: &'a Exposures,
    pub(crate) metrics: &'a [String],
}

/// What became of lines.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub(crate) struct Taken {
    /// How many were recorded.
    pub(crate) recorded: u64,
    /// How many were understood, and are of no use: no room, too early, of a unit that nobody has exposed.
    pub(crate) left_out: u64,
    /// How many could not be understood.
    pub(crate) wrong: u64,
    /// Why not, of the first of them.
    pub(crate) problems: Vec<String>,
}

impl Taken {
    /// Takes all lines of a text. Empty ones are none.
    pub(crate) fn all(book: Book<'_>, text: &[u8], now: Timestamp) -> Self {
        let mut taken = Self::default();
        for (number, line) in (1..).zip(text.split(|byte| *byte == b'\n')) {
            taken.line(book, number, line, now);
        }
        taken
    }

    /// Takes the line with this number.
    pub(crate) fn line(&mut self, book: Book<'_>, number: u64, line: &[u8], now: Timestamp) {
        if line.trim_ascii().is_empty() {
            return;
        }
        match take(book, line, now) {
            Ok(true) => self.recorded += 1,
            Ok(false) => self.left_out += 1,
            Err(why) => {
                self.wrong += 1;
                if self.problems.len() < MOST {
                    self.problems.push(format!("line {number}: {why}"));
                }
            }
        }
    }
}

/// Whether it was recorded.
fn take(book: Book<'_>, line: &[u8], now: Timestamp) -> Result<bool, String> {
    let Book { exposures, metrics } = book;
    let event: Event = serde_json::from_slice(line)
        .map_err(|error| format!("{error}, wanted an event such as {EXAMPLE}"))?;
    let (Event::Exposed { at, .. } | Event::Outcome { at, .. }) = &event;
    let at = at.unwrap_or(now);
    if at > now.plus(AHEAD) {
        return Err(format!("found the time {at}, wanted one until now, {now}"));
    }
    // A misspelt one would count as an outcome that never came, and decide the experiment.
    if let Event::Outcome { metric, .. } = &event
        && !metrics.contains(metric)
    {
        return Err(format!("found metric {metric:?}, wanted one of {}", metrics.join(", ")));
    }
    Ok(match event {
        Event::Exposed { unit, slot, version, .. } => !matches!(
            exposures.expose(&unit, slot, &version, at),
            Exposed::Early | Exposed::Refused
        ),
        Event::Outcome { unit, metric, value, .. } => {
            matches!(exposures.outcome(&unit, &metric, value, at), Noted::Kept | Noted::Replaced)
        }
    })
}

const EXAMPLE: &str =
    r#"{"event":"outcome","unit":"conversation-17","metric":"completed","value":1}"#;

#[cfg(test)]
mod tests {
    use bluegreen_core::{Clock as _, SystemClock};

    use super::*;

    #[test]
    fn lines_are_taken_and_what_is_wrong_is_named_by_line() {
        let (exposures, metrics) = (Exposures::new(), ["completed".to_owned()]);
        let book = Book { exposures: &exposures, metrics: &metrics };
        let text = r#"{"event":"exposed","unit":"c1","slot":"green","version":"2"}

{"event":"outcome","unit":"c1","metric":"completed","value":1}
{"event":"outcome","unit":"c2","metric":"completed","value":1}
{"event":"outcome","unit":"c1","metric":"completed","value":1,"mood":"good"}
{"event":"exposed","unit":"c1","slot":"red","version":"2"}
{"event":"exposed","unit":"c3","slot":"blue","version":"1","at":"2999-01-01T00:00:00Z"}
?
{"event":"outcome","unit":"c1","metric":"complete","value":0}"#;
        let taken = Taken::all(book, text.as_bytes(), SystemClock.now());
        assert_eq!((taken.recorded, taken.left_out, taken.wrong), (2, 1, 5), "{taken:?}");
        let wanted = [
            "line 5: unknown field `mood`",
            "line 6: unknown variant `red`",
            "line 7: found the time",
            "line 8: expected value",
            "line 9: found metric \"complete\", wanted one of completed",
        ];
        for (problem, wanted) in taken.problems.iter().zip(wanted) {
            assert!(problem.starts_with(wanted), "{problem}");
        }
        assert_eq!(exposures.len(), 1);
    }
}
