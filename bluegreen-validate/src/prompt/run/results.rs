//! What is known so far.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::attempt::{Pair, Tried, Without};
use super::code::Code;
use super::schedule::Slotted;
use super::state::Kept;
use super::{Ended, Suite};
use crate::excerpt::Mask;
use crate::paired::{self, Attempt, Cases, Rules, Traits};
use crate::prompt::assess::Outcome;
use crate::prompt::prepare::{Prepared, PreparedCases};
use crate::prompt::report::scrubbed;

/// More examples than anybody reads, and the state of a look has room for.
const MOST_REGRESSED: usize = 200;
const MOST_LOST: usize = 10;

/// What is known so far, pair by pair, in four bytes each.
pub(in crate::prompt) struct Results {
    cases: usize,
    repeats: usize,
    /// By case and repeat: live and idle.
    pairs: Vec<[Code; 2]>,
    pub(in crate::prompt) regressed: Vec<Regressed>,
    pub(in crate::prompt) lost: Vec<Lost>,
    counts: Counts,
    mask: Mask,
}

#[derive(Clone, Copy, Default)]
struct Counts {
    known: usize,
    worse: usize,
    lost: usize,
    /// Of the lost ones those in which there was no answer from both, from live alone, from the
    /// candidate alone, or for which some request could not be made; of the others it could not be
    /// told how good the answers are.
    both: usize,
    live_only: usize,
    idle_only: usize,
    unasked: usize,
    /// Those of which the cassette lacks a side.
    unrecorded: usize,
    /// Those whose case could not be read any more.
    unread: usize,
    /// Those that were begun, and for which the budget had no room. They are not lost.
    unpaid: usize,
}

/// The first run in which a case got worse, for people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::prompt) struct Regressed {
    pub(in crate::prompt) case: usize,
    pub(in crate::prompt) wanted: String,
    pub(in crate::prompt) found: String,
    pub(in crate::prompt) live: String,
    pub(in crate::prompt) idle: String,
}

/// A run that came to nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::prompt) struct Lost {
    pub(in crate::prompt) case: usize,
    pub(in crate::prompt) slot: String,
    pub(in crate::prompt) why: String,
}

impl Results {
    pub(super) fn new(prepared: &Prepared, rules: &Rules, kept: Kept) -> Self {
        let (cases, repeats) = (prepared.cases.len(), rules.repeats as usize);
        let mut results = Self {
            cases,
            repeats,
            pairs: vec![[Code::NOT_RUN; 2]; cases * repeats],
            regressed: kept.regressed,
            lost: Vec::new(),
            counts: Counts::default(),
            mask: prepared.asker.mask().clone(),
        };
        for (case, repeat, live, idle) in kept.pairs {
            results.keep(case, repeat, live, idle);
        }
        results.regressed.retain(|it| it.case < cases);
        results
    }

    fn place(&self, case: usize, repeat: usize) -> Option<usize> {
        (case < self.cases && repeat < self.repeats).then(|| case * self.repeats + repeat)
    }

    pub(super) fn is_known(&self, it: Slotted) -> bool {
        let place = self.place(it.case, it.repeat as usize);
        place.is_some_and(|place| self.pairs[place] != [Code::NOT_RUN; 2])
    }

    /// Takes what a run came to; whether it counts as one that was run.
    pub(super) fn add(&mut self, pair: &Pair) -> bool {
        if [&pair.live, &pair.idle].iter().any(|it| it.without == Some(Without::Budget)) {
            // It counts as never run, and is nobody's fault.
            self.counts.unpaid += 1;
            return false;
        }
        let Slotted { case, repeat, .. } = pair.slotted;
        let (live, idle) = (attempt(&pair.live), attempt(&pair.idle));
        for (slot, tried) in [("live", &pair.live), ("the candidate", &pair.idle)] {
            if let Outcome::Unknown(why) = &tried.outcome
                && self.lost.len() < MOST_LOST
            {
                let why = self.shown(why);
                self.lost.push(Lost { case, slot: slot.to_owned(), why });
            }
        }
        if let (Outcome::Held(_), Outcome::Broken(broken)) =
            (&pair.live.outcome, &pair.idle.outcome)
            && self.regressed.len() < MOST_REGRESSED
            && !self.regressed.iter().any(|it| it.case == case)
        {
            self.regressed.push(Regressed {
                case,
                wanted: self.shown(&broken.wanted),
                found: self.shown(&broken.found),
                live: self.shown(&pair.live.shown()),
                idle: self.shown(&pair.idle.shown()),
            });
        }
        match (pair.live.without, pair.idle.without) {
            (Some(Without::Case), _) | (_, Some(Without::Case)) => {
                self.counts.unread += 1;
                self.counts.lost += 1;
                return false;
            }
            (Some(Without::Recording), _) | (_, Some(Without::Recording)) => {
                self.counts.unrecorded += 1;
            }
            (Some(Without::Answer), Some(Without::Answer)) => self.counts.both += 1,
            (Some(_), Some(_)) => {
                self.counts.unasked += 1;
                // It counts as never run: it is not upstream that made both come to nothing.
                self.counts.lost += 1;
                return false;
            }
            (Some(Without::Answer), None) => self.counts.live_only += 1,
            (None, Some(Without::Answer)) => self.counts.idle_only += 1,
            (None, None) => {}
            (Some(_), None) | (None, Some(_)) => self.counts.unasked += 1,
        }
        self.keep(case, repeat as usize, live, idle);
        true
    }

    fn keep(&mut self, case: usize, repeat: usize, live: Attempt, idle: Attempt) {
        let Some(place) = self.place(case, repeat) else { return };
        let before = std::mem::replace(&mut self.pairs[place], [live, idle].map(Code::of));
        if before != [Code::NOT_RUN; 2] {
            return;
        }
        let counts = &mut self.counts;
        counts.known += 1;
        match (live.outcome(), idle.outcome()) {
            (None, _) | (_, None) => counts.lost += 1,
            (Some(true), Some(false)) => counts.worse += 1,
            _ => {}
        }
    }

    /// The outcomes as far as they are known.
    pub(in crate::prompt) fn outcomes<'a>(&'a self, cases: &'a PreparedCases) -> Outcomes<'a> {
        Outcomes { results: self, cases }
    }

    /// What is worth keeping: what came to nothing is run again by a later look.
    /// By place: the repeats of the first case, then those of the next.
    pub(super) fn kept(&self) -> impl Iterator<Item = (usize, [Code; 2])> + '_ {
        let is_known = |pair: &[Code; 2]| {
            pair.iter().all(|it| it.attempt().is_some_and(|it| it.outcome().is_some()))
        };
        self.pairs.iter().copied().enumerate().filter(move |(_, pair)| is_known(pair))
    }

    pub(in crate::prompt) fn known(&self) -> usize {
        self.counts.known
    }

    pub(super) fn worse(&self) -> usize {
        self.counts.worse
    }

    pub(in crate::prompt) fn lost_pairs(&self) -> usize {
        self.counts.lost
    }

    /// Whether the budget had no room for something that was begun.
    pub(super) fn has_unpaid(&self) -> bool {
        self.counts.unpaid > 0
    }

    /// Whether so much is lost that no pass is possible any more; it would be no use to go on. That a
    /// case is another one than the suite was read with is too much at once: what else of the file
    /// has changed is not known, and no budget for errors is meant for that.
    pub(super) fn away(&self, suite: &Suite) -> Option<Ended> {
        if self.counts.unread > 0 {
            return Some(Ended::Away("a case could not be read as it was when the suite was read"));
        }
        let Counts { lost, both, live_only, idle_only, unasked, unrecorded, .. } = self.counts;
        #[allow(clippy::cast_precision_loss, reason = "there are at most a million pairs")]
        let share = lost as f64 / self.pairs.len().max(1) as f64;
        if share <= suite.rules.error_budget {
            return None;
        }
        let untold = lost.saturating_sub(both + live_only + idle_only + unasked + unrecorded);
        let reasons = [
            (unrecorded, "the cassette lacks their answers"),
            (unasked, "the suite's requests could not be made"),
            (both, "upstream: neither slot answered"),
            (idle_only, "the candidate did not answer"),
            (live_only, "live did not answer"),
            (untold, "it could not be told how good answers are"),
        ];
        // The first of those that are as many.
        let most = reasons.into_iter().rev().max_by_key(|(count, _)| *count);
        most.map(|(_, why)| Ended::Away(why))
    }

    /// A text from outside, made fit to be shown.
    pub(in crate::prompt) fn shown(&self, text: &str) -> String {
        scrubbed(&self.mask, text)
    }
}

/// Outcomes with the cases that they are of.
pub(in crate::prompt) struct Outcomes<'a> {
    results: &'a Results,
    cases: &'a PreparedCases,
}

impl Cases for Outcomes<'_> {
    fn count(&self) -> usize {
        self.results.cases
    }

    fn name(&self, index: usize) -> Cow<'_, str> {
        self.cases.name(index)
    }

    fn traits(&self, index: usize) -> Traits<'_> {
        self.cases.traits(index)
    }

    fn attempts(&self, index: usize) -> impl Iterator<Item = paired::Pair> + '_ {
        let begin = index * self.results.repeats;
        let pairs = self.results.pairs.get(begin..begin + self.results.repeats);
        pairs.unwrap_or_default().iter().map(|[live, idle]| (live.attempt(), idle.attempt()))
    }

    /// A suite in which two cases have one name is refused before it is run.
    fn twice(&self) -> Vec<String> {
        Vec::new()
    }
}

pub(super) fn attempt(tried: &Tried) -> Attempt {
    // To four digits, which is what the state of a look keeps.
    let rounded = |score: f64| Some((score.clamp(0.0, 1.0) * 1e4).round() / 1e4);
    match &tried.outcome {
        Outcome::Held(score) => Attempt::Passed { score: rounded(*score) },
        Outcome::Broken(broken) => {
            Attempt::Failed { score: rounded(broken.score), beaten: tried.beaten }
        }
        Outcome::Unknown(_) => Attempt::Error,
    }
}
