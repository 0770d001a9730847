//! What became of everything that clients sent, and of the releases meanwhile.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use bluegreen_core::{Clock as _, SystemClock};

use crate::Size;
use crate::releases::Job;

/// A kind of client.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Kind {
    /// A connection for each request.
    Fresh,
    /// One request after the other over a connection of HTTP/1.1.
    First,
    /// The same over HTTP/2.
    Second,
    /// A stream over HTTP/1.1.
    FirstStream,
    /// A stream over HTTP/2.
    SecondStream,
}

/// What became of what one kind of client sent.
#[derive(Debug, Default)]
pub(crate) struct Row {
    pub(crate) connections: u64,
    /// Answered to the end.
    pub(crate) answered: u64,
    /// Sent again, because no agent had begun with it when its connection was closed.
    pub(crate) again: u64,
    /// Answered by the other slot when there was evidence that it has no traffic.
    pub(crate) other: u64,
    lost: u64,
}

/// What became of all of it.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    rows: Mutex<BTreeMap<Kind, Row>>,
    jobs: Mutex<BTreeMap<Job, Vec<Duration>>>,
    wrong: Mutex<Vec<String>>,
}

impl Ledger {
    pub(crate) fn count(&self, kind: Kind, change: impl FnOnce(&mut Row)) {
        change(lock(&self.rows).entry(kind).or_default());
    }

    /// A request that was not answered, or not to its end.
    pub(crate) fn lost(&self, kind: Kind, what: &str) {
        self.count(kind, |row| row.lost += 1);
        self.wrong(&format!("{}: {what}", kind.name()));
    }

    /// Anything that must not happen. Told at once, because other logs have times, too.
    pub(crate) fn wrong(&self, what: &str) {
        let text = format!("{} {what}", SystemClock.now());
        eprintln!("WRONG {text}");
        lock(&self.wrong).push(text);
    }

    pub(crate) fn ended(&self, job: Job, took: Duration) {
        let mut jobs = lock(&self.jobs);
        jobs.entry(job).or_default().push(took);
        let all: usize = jobs.values().map(Vec::len).sum();
        eprintln!("{all:4} {job:?} in {took:.1?}");
    }

    pub(crate) fn is_clean(&self) -> bool {
        lock(&self.wrong).is_empty()
    }

    /// Whether there was as much of everything as there was to be.
    pub(crate) fn is_whole(&self, size: Size) -> bool {
        let jobs = lock(&self.jobs);
        let count = |job| jobs.get(&job).map_or(0, Vec::len);
        let is_there = |kind| lock(&self.rows).get(&kind).is_some_and(|row| row.answered > 0);
        count(Job::Switch) == size.switches
            && count(Job::Rollback) == size.rollbacks
            && Kind::ALL.into_iter().all(is_there)
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n| clients | connections | requests, streams | lost, cut | not begun, \
             sent again | by the other slot after the evidence |\n|---|---|---|---|---|---|"
        )?;
        for (kind, row) in lock(&self.rows).iter() {
            let Row { connections, answered, again, other, lost } = row;
            let (name, all) = (kind.name(), answered + lost);
            writeln!(f, "| {name} | {connections} | {all} | {lost} | {again} | {other} |")?;
        }
        for (job, took) in lock(&self.jobs).iter() {
            let longest = took.iter().max().copied().unwrap_or_default();
            let sum: Duration = took.iter().sum();
            let mean = sum / u32::try_from(took.len()).unwrap_or(u32::MAX).max(1);
            write!(f, "\n{} × {job:?}: {mean:.1?} each, at most {longest:.1?}.", took.len())?;
        }
        let wrong = lock(&self.wrong);
        write!(f, "\n{} things went wrong.", wrong.len())?;
        wrong.iter().try_for_each(|what| write!(f, "\n* {what}"))
    }
}

impl Kind {
    const ALL: [Self; 5] =
        [Self::Fresh, Self::First, Self::Second, Self::FirstStream, Self::SecondStream];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Fresh => "a fresh connection each",
            Self::First => "HTTP/1.1, kept",
            Self::Second => "HTTP/2, kept",
            Self::FirstStream => "streams of 30 s, HTTP/1.1",
            Self::SecondStream => "streams of 30 s, HTTP/2",
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap()
}
