//! What is known so far.

use serde::{Deserialize, Serialize};

use super::attempt::{Pair, Tried, Without};
use super::schedule::Slotted;
use super::state::Kept;
use super::{Ended, Suite};
use crate::excerpt::Mask;
use crate::paired::{Attempt, CaseOutcomes, Rules};
use crate::prompt::assess::Outcome;
use crate::prompt::prepare::{Prepared, PreparedCase};
use crate::prompt::report::scrubbed;

/// More examples than anybody reads, and the state of a look has room for.
const MOST_REGRESSED: usize = 200;
const MOST_LOST: usize = 10;

/// What is known so far, pair by pair.
pub(in crate::prompt) struct Results {
    cases: Vec<CaseOutcomes>,
    asked: Vec<String>,
    repeats: usize,
    /// By case and repeat: live and idle.
    pairs: Vec<Vec<Option<(Attempt, Attempt)>>>,
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
        let repeats = rules.repeats as usize;
        let mut cases = Vec::with_capacity(prepared.cases.len());
        for case in &prepared.cases {
            let mut outcomes = CaseOutcomes::new(&case.id, [], []);
            outcomes.category.clone_from(&case.category);
            outcomes.conversation.clone_from(&case.group);
            outcomes.critical = case.critical;
            outcomes.quarantined = case.quarantined;
            cases.push(outcomes);
        }
        let mut results = Self {
            asked: prepared.cases.iter().map(PreparedCase::asked).collect(),
            pairs: vec![vec![None; repeats]; cases.len()],
            cases,
            repeats,
            regressed: kept.regressed,
            lost: Vec::new(),
            counts: Counts::default(),
            mask: prepared.asker.mask().clone(),
        };
        for (case, repeat, live, idle) in kept.pairs {
            results.keep(case, repeat, live, idle);
        }
        results.regressed.retain(|it| it.case < results.cases.len());
        results
    }

    pub(super) fn is_known(&self, it: Slotted) -> bool {
        let pair = self.pairs.get(it.case).and_then(|pairs| pairs.get(it.repeat as usize));
        pair.is_some_and(Option::is_some)
    }

    /// Takes what a run came to; whether it counts as one that was run.
    pub(super) fn add(&mut self, pair: &Pair) -> bool {
        if [&pair.live, &pair.idle].iter().any(|it| it.without == Some(Without::Budget)) {
            // It counts as never run, and is nobody's fault.
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
        let Some(pair) = self.pairs.get_mut(case).and_then(|pairs| pairs.get_mut(repeat)) else {
            return;
        };
        if pair.replace((live, idle)).is_some() {
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
    pub(in crate::prompt) fn outcomes(&self) -> Vec<CaseOutcomes> {
        let mut cases = self.cases.clone();
        for (case, pairs) in cases.iter_mut().zip(&self.pairs) {
            for (live, idle) in pairs.iter().flatten() {
                case.live.push(*live);
                case.idle.push(*idle);
            }
        }
        cases
    }

    /// What is worth keeping: what came to nothing is run again by a later look.
    pub(super) fn kept(&self) -> Kept {
        let mut kept = Kept { pairs: Vec::new(), regressed: self.regressed.clone() };
        for (case, pairs) in self.pairs.iter().enumerate() {
            for (repeat, pair) in pairs.iter().enumerate() {
                if let Some((live, idle)) = pair
                    && live.outcome().is_some()
                    && idle.outcome().is_some()
                {
                    kept.pairs.push((case, repeat, *live, *idle));
                }
            }
        }
        kept
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

    /// Whether so much is lost that no pass is possible any more; it would be no use to go on.
    pub(super) fn away(&self, suite: &Suite) -> Option<Ended> {
        let Counts { lost, both, live_only, idle_only, unasked, unrecorded, .. } = self.counts;
        #[allow(clippy::cast_precision_loss, reason = "there are at most 10,000 pairs")]
        let share = lost as f64 / (self.cases.len() * self.repeats).max(1) as f64;
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

    pub(in crate::prompt) fn case(&self, index: usize) -> (&str, &str) {
        let id = self.cases.get(index).map_or("", |case| case.case.as_str());
        (id, self.asked.get(index).map_or("", String::as_str))
    }

    pub(in crate::prompt) fn index(&self, id: &str) -> Option<usize> {
        self.cases.iter().position(|case| case.case == id)
    }

    /// A text from outside, made fit to be shown.
    pub(in crate::prompt) fn shown(&self, text: &str) -> String {
        scrubbed(&self.mask, text)
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
