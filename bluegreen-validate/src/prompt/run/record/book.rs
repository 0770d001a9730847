//! What is known of one run.

use std::collections::BTreeMap;
use std::time::Duration;

use bluegreen_core::{Digest, Finding, Side, Timestamp};

use super::begun::Begun;
use super::facts;
use super::progress::RunProgress;
use super::room::{Kind, Room};
use super::saved::SavedBook;
use super::seen::{NOT_KEPT, Seen, usage};
use crate::excerpt::Mask;
use crate::paired::Rules;
use crate::prompt::assess::Outcome;
use crate::prompt::prepare::PreparedCase;
use crate::prompt::report::{Counts, found, scrubbed, scrubbed_lines, stopped};
use crate::prompt::run::attempt::{Pair, Without};
use crate::prompt::run::code::Code;
use crate::prompt::run::ledger::Spent;
use crate::prompt::run::schedule::Slotted;
use crate::prompt::run::state::identity;
use crate::prompt::run::{Ended, Results};
use crate::prompt::suite::{Budget, Prices};
use crate::report::{CaseReport, RunReport, Usage};

/// The characters that are kept of what is asked.
const ASKED: usize = 2_000;

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
    heads: Vec<Head>,
    /// By case and repeat: live and idle.
    pairs: Vec<Vec<Option<(Seen, Seen)>>>,
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

/// What a report says of a case before it is run.
struct Head {
    case: CaseReport,
    assertions: Vec<String>,
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
    pub(super) fn new(before: Option<Self>, begun: &Begun<'_, '_>, most: usize) -> Self {
        let Begun { suite, prepared, trial, .. } = begun;
        let (live, idle) = (identity(&trial.live), identity(&trial.candidate));
        let mask = prepared.asker.mask().clone();
        let mut room = Room::new();
        let cases = (0..prepared.cases.len()).filter_map(|index| prepared.cases.get(index).ok());
        let heads = cases.map(|case| Head::of(&case, &mask, &mut room)).collect();
        let mut book = Self {
            of: (begun.digest.clone(), live, idle),
            name: suite.name.clone(),
            live: shown(&trial.live),
            idle: shown(&trial.candidate),
            rules: suite.rules.clone(),
            budget: suite.budget,
            prices: suite.prices,
            facts: facts::of(begun),
            heads,
            pairs: vec![vec![None; suite.rules.repeats as usize]; prepared.cases.len()],
            mask,
            room,
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
        match before.filter(|before| before.of == book.of) {
            Some(before) => {
                book.room = before.room;
                (book.clock.started, book.clock.before) = (before.clock.started, before.took());
                book.pairs = before.pairs;
            }
            None => book.take_saved(begun),
        }
        book.take_known(begun.results);
        let facts = begun.facts.iter().map(|(name, fact)| ((*name).to_owned(), fact.clone()));
        book.facts.extend(facts);
        book
    }

    fn take_saved(&mut self, begun: &Begun<'_, '_>) {
        let Some(saved) = &begun.book else { return };
        self.clock.started = saved.started.min(begun.now);
        self.clock.before = Duration::from_millis(saved.millis);
        for (case, repeat, live, idle) in &saved.pairs {
            let place = self.pairs.get_mut(*case).and_then(|pairs| pairs.get_mut(*repeat));
            if let Some(place) = place {
                *place = Some((live.clone(), idle.clone()));
            }
        }
    }

    /// Makes the pairs those that the run knows, which is what the verdict rests on.
    fn take_known(&mut self, results: &Results) {
        let repeats = self.rules.repeats as usize;
        let mut known = vec![vec![None; repeats]; self.pairs.len()];
        for (place, pair) in results.kept() {
            let (case, repeat) = (place / repeats, place % repeats);
            let [Some(live), Some(idle)] = pair.map(Code::attempt) else { continue };
            let Some(place) = known.get_mut(case).and_then(|pairs| pairs.get_mut(repeat)) else {
                continue;
            };
            let seen = self.pairs.get_mut(case).and_then(|pairs| pairs.get_mut(repeat)?.take());
            let seen = seen.filter(|seen| (seen.0.outcome, seen.1.outcome) == (live, idle));
            *place = Some(seen.unwrap_or_else(|| (Seen::bare(live), Seen::bare(idle))));
        }
        self.pairs = known;
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
                Outcome::Unknown(why) if tried.without == Some(Without::Request) => {
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
        let Slotted { case, repeat, .. } = pair.slotted;
        let place = self.pairs.get_mut(case).and_then(|pairs| pairs.get_mut(repeat as usize));
        if let Some(place) = place {
            *place = Some((live, idle));
        }
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
        let pairs = self.seen().filter(|(_, _, live, idle)| {
            [live, idle].iter().all(|seen| seen.outcome.outcome().is_some())
        });
        SavedBook::written(self.clock.started, self.took(), &pairs, room)
    }

    fn seen(&self) -> impl Iterator<Item = (usize, usize, &Seen, &Seen)> + Clone {
        self.pairs.iter().enumerate().flat_map(|(case, pairs)| {
            let pairs = pairs.iter().enumerate();
            pairs.filter_map(move |(repeat, pair)| {
                pair.as_ref().map(|(live, idle)| (case, repeat, live, idle))
            })
        })
    }

    fn took(&self) -> Duration {
        self.clock.before.saturating_add(self.clock.last.since(self.clock.begun))
    }

    pub(super) fn report(&self) -> RunReport {
        let prices = self.prices.as_ref();
        let cases = self.heads.iter().zip(&self.pairs).map(|(head, pairs)| {
            let mut case = head.case.clone();
            for (live, idle) in pairs.iter().flatten() {
                let of = |seen: &Seen| seen.report(&head.assertions, prices);
                case.add_pair(of(live), of(idle));
                if let Some(pair) = case.pairs.last_mut() {
                    pair.preferences.clone_from(&idle.preferences);
                }
            }
            case
        });
        let cases: Vec<CaseReport> = cases.collect();
        let known = self.seen().count();
        let outcomes: Vec<_> = cases.iter().map(CaseReport::outcomes).collect();
        let ended = self.ended.as_ref();
        let verdict = found(&self.rules, &outcomes[..], ended.unwrap_or(&Ended::Whole));
        let mut report = RunReport::new(&self.name, verdict, cases, self.clock.started);
        let counts = Counts { known, lost: self.lost, planned: self.planned };
        let why = if let Some(ended) = ended {
            stopped(&self.name, ended, counts)
        } else {
            let found = format!("{known}, when the run was stopped");
            Some(Finding::new(self.name.as_str(), format!("all {} pairs", self.planned), found))
        };
        if let Some(why) = why {
            report = report.stopped_by(why);
        }
        (report.live, report.idle) = (self.live.clone(), self.idle.clone());
        report.took = self.took();
        report.facts.clone_from(&self.facts);
        report.facts.insert("pairs".to_owned(), format!("{known} of {}", self.planned));
        if matches!(ended, Some(Ended::Decided(_))) {
            let text = format!("decided after {known} of {} pairs", self.planned);
            report.facts.insert("pairs".to_owned(), text);
        }
        if self.room.left_out > 0 {
            let text = format!("{} for which there was no room", self.room.left_out);
            report.facts.insert("texts left out".to_owned(), text);
        }
        report.spent = self.spent();
        report
    }
}

impl Head {
    fn of(case: &PreparedCase, mask: &Mask, room: &mut Room) -> Self {
        let asked = room.take(Kind::Asked, scrubbed_lines(mask, &case.all_asked(), ASKED));
        let mut report = CaseReport::new(&case.id, asked);
        report.category.clone_from(&case.category);
        report.conversation.clone_from(&case.group);
        (report.critical, report.quarantined) = (case.critical, case.quarantined);
        let names = case
            .assertions()
            .map(|it| room.take(Kind::Asked, scrubbed(mask, &it.assertion().described())));
        Self { assertions: names.collect(), case: report }
    }
}

/// What a slot runs, for people.
fn shown(side: &Side) -> String {
    side.state.running.to_string()
}
