//! What is known of one run.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bluegreen_core::{Digest, Side, Timestamp};

use super::begun::Begun;
use super::facts;
use super::pairs::{Pairs, Spool};
use super::progress::RunProgress;
use super::room::{Kind, Room};
use super::saved::SavedBook;
use super::seen::{NOT_KEPT, Seen, usage};
use crate::excerpt::Mask;
use crate::paired::{Attempt, Rules, SuiteVerdict};
use crate::prompt::assess::Outcome;
use crate::prompt::made::Made;
use crate::prompt::report::{found, scrubbed};
use crate::prompt::run::attempt::{Pair, Without};
use crate::prompt::run::code::Code;
use crate::prompt::run::ledger::Spent;
use crate::prompt::run::schedule::Slotted;
use crate::prompt::run::state::identity;
use crate::prompt::run::{Ended, Results};
use crate::prompt::suite::{Budget, Prices};
use crate::report::Usage;

mod told;

/// The bytes of what was seen that the state of a look has, where that is in a file.
const SPOOLED: usize = 64 * 1024;
/// More reasons for which attempts are lost than anybody reads.
const MOST_REASONS: usize = 100;

/// What is known of one run: of one suite, on the same pods.
pub(super) struct Book {
    of: (Digest, String, String),
    name: String,
    live: String,
    idle: String,
    rules: Rules,
    budget: Budget,
    prices: Option<Prices>,
    facts: BTreeMap<String, String>,
    /// The suite made ready, which has what a report says of cases.
    made: Arc<Made>,
    cases: usize,
    /// By place: what live and idle came to, and what is kept of it.
    codes: Vec<[Code; 2]>,
    pairs: Pairs,
    /// Why attempts came to nothing, by slot and reason.
    reasons: BTreeMap<(&'static str, String), u64>,
    mask: Mask,
    room: Room,
    most: usize,
    clock: Times,
    planned: usize,
    /// Pairs that have come in this look.
    came: usize,
    lost: usize,
    spent: Spent,
    ended: Option<Ended>,
}

#[derive(Clone, Copy)]
struct Times {
    /// When the first look began.
    started: Timestamp,
    /// How long the looks before this one lasted.
    before: Duration,
    /// When this look began, when something last happened, and until when it may last.
    begun: Timestamp,
    last: Timestamp,
    until: Timestamp,
}

impl Book {
    /// A new one; with what `before` has of the same run, or else the state of the last look.
    pub(super) fn new(
        before: Option<Self>,
        begun: &Begun<'_, '_>,
        most: usize,
        folder: Option<&Path>,
    ) -> Self {
        let Begun { suite, prepared, trial, .. } = begun;
        let (live, idle) = (identity(&trial.live), identity(&trial.candidate));
        let cases = prepared.cases.len();
        let count = cases * suite.rules.repeats as usize;
        let mut facts = facts::of(begun);
        let before =
            before.filter(|it| it.of == (begun.digest.clone(), live.clone(), idle.clone()));
        let spool = folder.filter(|_| before.is_none()).map(Spool::new);
        let pairs = match spool {
            None => Pairs::held(if before.is_none() { count } else { 0 }),
            Some(Ok(spool)) => Pairs::spooled(count, spool),
            Some(Err(error)) => {
                let why = format!("in memory: no file can be made for them: {error}");
                facts.insert("answers".to_owned(), why);
                Pairs::held(count)
            }
        };
        let mut book = Self {
            of: (begun.digest.clone(), live, idle),
            name: suite.name.clone(),
            live: shown(&trial.live),
            idle: shown(&trial.candidate),
            rules: suite.rules.clone(),
            budget: suite.budget,
            prices: suite.prices,
            facts,
            made: begun.made.clone(),
            cases,
            codes: Vec::new(),
            pairs,
            reasons: BTreeMap::new(),
            mask: prepared.asker.mask().clone(),
            room: Room::new(),
            most,
            clock: Times {
                started: begun.now,
                before: Duration::ZERO,
                begun: begun.now,
                last: begun.now,
                until: begun.until,
            },
            planned: begun.planned,
            came: 0,
            lost: 0,
            spent: Spent::default(),
            ended: None,
        };
        if let Some(before) = before {
            book.room = before.room;
            (book.clock.started, book.clock.before) = (before.clock.started, before.took());
            (book.codes, book.pairs) = (before.codes, before.pairs);
        } else {
            book.codes = vec![[Code::NOT_RUN; 2]; count];
            book.take_saved(begun);
        }
        book.take_known(begun.results);
        let facts = begun.facts.iter().map(|(name, fact)| ((*name).to_owned(), fact.clone()));
        book.facts.extend(facts);
        book
    }

    fn place(&self, case: usize, repeat: usize) -> Option<usize> {
        let repeats = self.rules.repeats as usize;
        (case < self.cases && repeat < repeats).then(|| case * repeats + repeat)
    }

    fn set(&mut self, place: usize, live: Seen, idle: Seen) {
        if let Some(codes) = self.codes.get_mut(place) {
            *codes = [Code::of(live.outcome), Code::of(idle.outcome)];
            self.pairs.set(place, live, idle);
        }
    }

    fn take_saved(&mut self, begun: &Begun<'_, '_>) {
        let Some(saved) = &begun.book else { return };
        self.clock.started = saved.started.min(begun.now);
        self.clock.before = Duration::from_millis(saved.millis);
        for (case, repeat, live, idle) in &saved.pairs {
            if let Some(place) = self.place(*case, *repeat) {
                self.set(place, live.clone(), idle.clone());
            }
        }
    }

    /// Makes the pairs those that the run knows, which is what the verdict rests on.
    fn take_known(&mut self, results: &Results) {
        let mut known = vec![[Code::NOT_RUN; 2]; self.codes.len()];
        for (place, pair) in results.kept() {
            if let Some(known) = known.get_mut(place) {
                *known = pair;
            }
        }
        let before = std::mem::replace(&mut self.codes, known);
        for (place, (before, now)) in before.into_iter().zip(&self.codes).enumerate() {
            if before != *now {
                self.pairs.clear(place);
            }
        }
    }

    /// Something else that a report says of the run.
    pub(super) fn note(&mut self, name: &str, fact: String) {
        self.facts.insert(name.to_owned(), fact);
    }

    /// Takes what a run of a case came to, if it counts as one that was run.
    pub(super) fn add(&mut self, pair: &Pair, counts: bool, results: &Results) {
        self.came += 1;
        self.lost = results.lost_pairs();
        let both = [&pair.live, &pair.idle];
        if !counts {
            let unknown = both.iter().find_map(|tried| match &tried.outcome {
                Outcome::Unknown(why)
                    if matches!(tried.without, Some(Without::Request | Without::Case)) =>
                {
                    Some(if self.most == 0 { NOT_KEPT.into() } else { scrubbed(&self.mask, why) })
                }
                _ => None,
            });
            if let Some(why) = unknown {
                self.facts.entry("not asked".to_owned()).or_insert(why);
            }
            return;
        }
        let passed = both.iter().all(|tried| matches!(tried.outcome, Outcome::Held(_)));
        let (kind, most) =
            if passed { (Kind::Passed, self.most / 8) } else { (Kind::Other, self.most) };
        let [live, idle] =
            both.map(|tried| Seen::of(tried, most, kind, &self.mask, &mut self.room));
        let preferences = &pair.preferences;
        let idle = idle.comparing(preferences, most, kind, &self.mask, &mut self.room);
        for (slot, seen) in [("live", &live), ("idle", &idle)] {
            if let Some(why) = &seen.error {
                self.count_lost(slot, why);
            }
        }
        let Slotted { case, repeat, .. } = pair.slotted;
        if let Some(place) = self.place(case, repeat as usize) {
            self.set(place, live, idle);
        }
    }

    /// Counts a reason for which an attempt came to nothing, if there is room for another one.
    fn count_lost(&mut self, slot: &'static str, why: &str) {
        let is_full = self.reasons.len() >= MOST_REASONS;
        match self.reasons.get_mut(&(slot, why.to_owned())) {
            Some(count) => *count += 1,
            None if is_full => {}
            None => _ = self.reasons.insert((slot, why.to_owned()), 1),
        }
    }

    /// Why attempts of this look came to nothing: slot, reason, and how often. What happened most often
    /// comes first.
    pub(super) fn reasons(&self) -> Vec<(&'static str, String, u64)> {
        let reasons = self.reasons.iter().map(|((slot, why), count)| (*slot, why.clone(), *count));
        let mut reasons: Vec<_> = reasons.collect();
        reasons.sort_by_key(|(.., count)| std::cmp::Reverse(*count));
        reasons
    }

    /// Takes what has been spent until now.
    pub(super) fn look(&mut self, spent: Spent, now: Timestamp) {
        (self.spent, self.clock.last) = (spent, now.max(self.clock.last));
    }

    /// What has been spent.
    pub(super) fn spent(&self) -> Usage {
        let mut all = usage(self.spent.calls, self.spent.usage(), self.prices.as_ref());
        all.cost = all.cost.map(|cost| (cost + self.spent.extra()).max(0.0));
        all
    }

    /// How far the run has come.
    pub(super) fn progress(&self, running: usize, results: &Results) -> RunProgress {
        let elapsed = self.clock.last.since(self.clock.begun);
        let rest = self.planned.saturating_sub(results.known());
        let left = (self.came > 0 && self.ended.is_none()).then(|| {
            let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
            let left = elapsed.saturating_mul(number(rest)) / number(self.came);
            left.min(self.clock.until.since(self.clock.last))
        });
        RunProgress {
            planned: self.planned,
            known: results.known(),
            running,
            worse: results.worse(),
            lost: results.lost_pairs(),
            spent: self.spent(),
            budget: self.budget,
            elapsed,
            left,
            over: self.ended.is_some(),
        }
    }

    pub(super) fn end(&mut self, ended: Ended) {
        self.ended = Some(ended);
    }

    /// As much as there is room for of what a later look will know.
    pub(super) fn saved(&self, room: usize) -> Vec<u8> {
        let room = if self.pairs.are_spooled() { room.min(SPOOLED) } else { room };
        let repeats = self.rules.repeats as usize;
        let known = self.codes.iter().enumerate().filter_map(|(place, codes)| {
            let [live, idle] = codes.map(|code| code.attempt().and_then(Attempt::outcome));
            let both_passed = live? && idle?;
            Some((place, both_passed))
        });
        SavedBook::written(self.clock.started, self.took(), &known, room, |place| {
            let pair = self.seen(place);
            let (live, idle) = (pair.as_ref().0.clone(), pair.as_ref().1.clone());
            (place / repeats, place % repeats, live, idle)
        })
    }

    /// What is kept of a pair, or at least its outcomes.
    fn seen(&self, place: usize) -> Cow<'_, (Seen, Seen)> {
        self.pairs.get(place).unwrap_or_else(|| {
            let codes = self.codes.get(place).copied().unwrap_or([Code::NOT_RUN; 2]);
            let [live, idle] = codes.map(|it| Seen::bare(it.attempt().unwrap_or(Attempt::Error)));
            Cow::Owned((live, idle))
        })
    }

    fn verdict(&self) -> SuiteVerdict {
        found(&self.rules, self, self.ended.as_ref().unwrap_or(&Ended::Whole))
    }

    fn took(&self) -> Duration {
        self.clock.before.saturating_add(self.clock.last.since(self.clock.begun))
    }
}

/// What a slot runs, for people.
fn shown(side: &Side) -> String {
    side.state.running.to_string()
}
