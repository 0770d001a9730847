//! One attempt as it is kept: as much as a report shows, and no more.

use std::fmt::Write;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::room::{Kind, NO_ROOM, Room};
use crate::excerpt::Mask;
use crate::paired::Attempt;
use crate::prompt::answer::{Answer, Usage as Tokens};
use crate::prompt::assess::{Broken, Outcome};
use crate::prompt::report::{scrubbed, scrubbed_lines};
use crate::prompt::run::attempt::Tried;
use crate::prompt::run::results::attempt;
use crate::prompt::suite::Prices;
use crate::report::{AnswerReport, AssertionReport, PreferenceReport, Usage};

/// In place of a reason that may quote an answer, where none is kept.
pub(super) const NOT_KEPT: &str = "no answer that can be judged; nothing of it is kept";

/// One attempt as it is kept. What is the default is not written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Seen {
    #[serde(rename = "o")]
    pub(super) outcome: Attempt,
    #[serde(rename = "t", default, skip_serializing_if = "String::is_empty")]
    pub(super) text: String,
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
    /// Whether assertions were looked at; those that are not named below held.
    #[serde(rename = "a", default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) assessed: bool,
    #[serde(rename = "b", default, skip_serializing_if = "Vec::is_empty")]
    pub(super) broken: Vec<NotHeld>,
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    millis: Option<u64>,
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    first_token: Option<u64>,
    /// Calls, and the tokens that were read and written.
    #[serde(rename = "u", default)]
    took: (u64, u64, u64),
    /// Those of the tokens read that the model had read before.
    #[serde(rename = "c", default, skip_serializing_if = "crate::report::is_zero")]
    cached: u64,
    /// Of the candidate's: what judges said of it and of live's side by side.
    #[serde(rename = "p", default, skip_serializing_if = "Vec::is_empty")]
    pub(super) preferences: Vec<PreferenceReport>,
}

/// What did not hold: which assertion, or what else by its name; whether that is known; and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct NotHeld {
    #[serde(rename = "i", default, skip_serializing_if = "Option::is_none")]
    assertion: Option<usize>,
    #[serde(rename = "n", default, skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(rename = "k", default, skip_serializing_if = "std::ops::Not::not")]
    known: bool,
    #[serde(rename = "w", default, skip_serializing_if = "String::is_empty")]
    why: String,
}

impl Seen {
    /// An attempt of which nothing but the outcome is known.
    pub(super) fn bare(outcome: Attempt) -> Self {
        Self {
            outcome,
            text: String::new(),
            error: None,
            assessed: false,
            broken: Vec::new(),
            millis: None,
            first_token: None,
            took: (0, 0, 0),
            cached: 0,
            preferences: Vec::new(),
        }
    }

    /// What is kept of an attempt: at most so many characters of its answer.
    pub(super) fn of(tried: &Tried, most: usize, kind: Kind, mask: &Mask, room: &mut Room) -> Self {
        let mut seen = Self::bare(attempt(tried));
        let last = tried.answers.last();
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        seen.millis = last.map(|answer| millis(answer.total));
        seen.first_token = last.and_then(|answer| answer.first_token).map(millis);
        let usage = tried.took.usage;
        seen.took = (tried.took.calls, usage.input, usage.output);
        seen.cached = usage.cached;
        if let Outcome::Unknown(why) = &tried.outcome {
            // The reason may quote an answer.
            let why = if most == 0 { NOT_KEPT.to_owned() } else { scrubbed(mask, why) };
            seen.error = Some(room.reason(kind, why));
        }
        let not_held = |outcome: &&Outcome| !matches!(outcome, Outcome::Held(_));
        let count = tried.assertions.iter().filter(not_held).count();
        seen.assessed = !tried.assertions.is_empty();
        if !room.has(kind, count, size_of::<NotHeld>()) {
            // Those that are not named would be taken for ones that held.
            seen.assessed = false;
            let known = !matches!(tried.outcome, Outcome::Unknown(_));
            let name = format!("{count} assertions");
            seen.broken.push(NotHeld { assertion: None, name, known, why: NO_ROOM.to_owned() });
            return seen;
        }
        let mut shown = |text: &str| {
            let text = if most == 0 { String::new() } else { scrubbed(mask, text) };
            room.reason(kind, text)
        };
        for (index, outcome) in tried.assertions.iter().enumerate() {
            let (known, why) = match outcome {
                Outcome::Held(_) => continue,
                Outcome::Broken(Broken { wanted, found, .. }) => {
                    (true, format!("wanted {wanted}, found {found}"))
                }
                Outcome::Unknown(why) => (false, why.clone()),
            };
            let (assertion, why) = (Some(index), shown(&why));
            seen.broken.push(NotHeld { assertion, name: String::new(), known, why });
        }
        if let (Outcome::Broken(broken), true) = (&tried.outcome, seen.broken.is_empty()) {
            let (name, why) = (shown(&broken.wanted), shown(&broken.found));
            seen.broken.push(NotHeld { assertion: None, name, known: true, why });
        }
        if most > 0 {
            seen.text = room.take(kind, scrubbed_lines(mask, &transcript(&tried.answers), most));
        }
        seen
    }

    /// The same with what judges said of both answers.
    pub(super) fn comparing(
        mut self,
        preferences: &[PreferenceReport],
        most: usize,
        kind: Kind,
        mask: &Mask,
        room: &mut Room,
    ) -> Self {
        // What judges say may quote an answer.
        let mut shown = |text: &str| {
            let text = if most == 0 { String::new() } else { scrubbed(mask, text) };
            room.reason(kind, text)
        };
        for preference in preferences {
            let mut kept = preference.clone();
            kept.criteria = scrubbed(mask, &kept.criteria);
            for judge in &mut kept.judges {
                judge.error = judge.error.as_deref().map(&mut shown);
                for order in &mut judge.orders {
                    order.reason = shown(&order.reason);
                }
            }
            self.preferences.push(kept);
        }
        self
    }

    /// The same with a short text, or none, for the state of a look.
    pub(super) fn shortened(&self, most: usize) -> Self {
        let text = match self.text.char_indices().nth(most) {
            Some((end, _)) if most > 0 => format!("{}…", &self.text[..end]),
            Some(_) => String::new(),
            None => self.text.clone(),
        };
        let preferences = if most == 0 { Vec::new() } else { self.preferences.clone() };
        Self {
            outcome: self.outcome,
            text,
            error: self.error.clone(),
            assessed: self.assessed,
            broken: self.broken.clone(),
            millis: self.millis,
            first_token: self.first_token,
            took: self.took,
            cached: self.cached,
            preferences,
        }
    }

    /// What a report says of it. `names` are those of the case's assertions.
    pub(super) fn report(&self, names: &[String], prices: Option<&Prices>) -> AnswerReport {
        let mut report = AnswerReport::new(self.outcome, self.text.as_str());
        report.error.clone_from(&self.error);
        (report.millis, report.first_token_millis) = (self.millis, self.first_token);
        let (calls, input, output) = self.took;
        let tokens = Tokens { input, output, cached: self.cached };
        report.usage = usage(calls, tokens, prices);
        if self.assessed {
            let held = |name: &String| AssertionReport::new(name.as_str(), Some(true), "");
            report.assertions = names.iter().map(held).collect();
        }
        for it in &self.broken {
            let held = it.known.then_some(false);
            match it.assertion.map(|index| report.assertions.get_mut(index)) {
                Some(Some(assertion)) => {
                    (assertion.held, assertion.reason) = (held, it.why.clone());
                }
                // The state of a look that names none such.
                Some(None) => {}
                None => {
                    let name = if it.name.is_empty() { "an answer" } else { it.name.as_str() };
                    report.assertions.push(AssertionReport::new(name, held, it.why.as_str()));
                }
            }
        }
        report
    }
}

/// What was taken, with what it costs; nobody knows that of tokens that were not told.
pub(super) fn usage(calls: u64, tokens: Tokens, prices: Option<&Prices>) -> Usage {
    let cost = prices.filter(|_| tokens.total() > 0).map(|prices| tokens.cost(prices));
    let Tokens { input, output, cached } = tokens;
    Usage { calls, input_tokens: input, output_tokens: output, cached_tokens: cached, cost }
}

/// The answers of all turns, with their tool calls.
fn transcript(answers: &[Answer]) -> String {
    let mut text = String::new();
    for (number, answer) in (1..).zip(answers) {
        if answers.len() > 1 {
            let line = if number == 1 { "" } else { "\n" };
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{line}turn {number}:");
        }
        text.push_str(&answer.text);
        for call in &answer.tool_calls {
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            text.push_str("calls ");
            text.push_str(&call.shown());
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::prompt::answer::ToolCall;
    use crate::prompt::run::attempt::Took;

    fn call() -> ToolCall {
        ToolCall { id: None, name: "find_order".to_owned(), arguments: Ok(json!({"id": 7})) }
    }

    fn tried() -> Tried {
        let first = Answer { tool_calls: vec![call()], ..Answer::default() };
        let total = Duration::from_millis(1_200);
        let last = Answer { text: "the-key is 7".to_owned(), total, ..Answer::default() };
        let broken = Broken { score: 0.5, wanted: "8".to_owned(), found: "the-key".to_owned() };
        Tried {
            outcome: Outcome::Broken(broken.clone()),
            assertions: vec![Outcome::Held(1.0), Outcome::Broken(broken)],
            answers: vec![first, last],
            took: Took { calls: 3, usage: Tokens { input: 10, output: 4, cached: 0 } },
            without: None,
            beaten: false,
        }
    }

    #[test]
    fn an_attempt_is_kept_with_all_turns_and_without_secrets() {
        let (mut mask, mut room) = (Mask::default(), Room::new());
        mask.hide("the-key");
        let seen = Seen::of(&tried(), 1_000, Kind::Other, &mask, &mut room);
        let written = serde_json::to_string(&seen).unwrap();
        assert_eq!(serde_json::from_str::<Seen>(&written).unwrap(), seen);
        let names = ["contains 7".to_owned(), "contains 8".to_owned()];
        let report = seen.report(&names, Some(&Prices::new(1e6, 1e6)));
        assert_eq!(report.text, "turn 1:\ncalls find_order({\"id\":7})\nturn 2:\n*** is 7");
        assert_eq!(report.outcome, Attempt::Failed { score: Some(0.5), beaten: false });
        let held: Vec<_> = report.assertions.iter().map(|it| it.held).collect();
        assert_eq!(held, [Some(true), Some(false)]);
        assert_eq!(report.assertions[1].reason, "wanted 8, found ***");
        assert_eq!((report.millis, report.usage.calls), (Some(1_200), 3));
        assert_eq!(report.usage.cost, Some(14.0));
    }

    #[test]
    fn where_the_room_is_used_up_reasons_say_so_and_entries_have_an_end() {
        let (mask, mut room) = (Mask::default(), Room::new());
        let broken = Broken { score: 0.0, wanted: "w".repeat(100), found: "f".repeat(100) };
        let assertions = vec![Outcome::Broken(broken.clone()); 300];
        let tried = Tried { assertions, outcome: Outcome::Broken(broken), ..tried() };
        let names: Vec<_> = (0..300).map(|number| format!("contains {number}")).collect();
        let all: Vec<_> =
            (0..1_000).map(|_| Seen::of(&tried, 1_000, Kind::Other, &mask, &mut room)).collect();
        let entries: usize = all.iter().map(|seen| seen.broken.len()).sum();
        assert!(entries < 120_000, "{entries}");
        for seen in &all {
            let report = seen.report(&names, None);
            for it in &report.assertions {
                assert!(it.held == Some(false) && !it.reason.is_empty(), "{it:?}");
            }
            assert!(!report.assertions.is_empty());
        }
        let unknown = Tried {
            outcome: Outcome::Unknown("status 503".repeat(20)),
            assertions: Vec::new(),
            ..tried
        };
        let last = Seen::of(&unknown, 1_000, Kind::Other, &mask, &mut room);
        assert_eq!(last.error.as_deref(), Some(NO_ROOM));
    }

    #[test]
    fn an_attempt_of_which_nothing_is_to_be_kept_has_no_texts() {
        let (mask, mut room) = (Mask::default(), Room::new());
        let seen = Seen::of(&tried(), 0, Kind::Other, &mask, &mut room);
        assert!(!serde_json::to_string(&seen).unwrap().contains("key"));
        let report = seen.report(&["a".to_owned(), "b".to_owned()], None);
        assert_eq!(report.assertions[1], AssertionReport::new("b", Some(false), ""));
        assert_eq!(report.usage.cost, None);
    }
}
