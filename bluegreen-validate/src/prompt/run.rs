//! A run: every case several times in both slots, interleaved, within its budgets.

use std::future::{Future, poll_fn, ready};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bluegreen_core::{Digest, Progress, Result, Trial, Verdict};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Fuse};
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::task::yield_now;
use tokio::time::Instant;

use super::cassette::{Baseline, Cassette, Known, Session};
use super::judge::Judging;
use super::made::Made;
use super::prepare::{Prepared, PreparedCases};
use super::suite::Suite;
use crate::paired::{Cases, Curtailed, curtail_cases, is_proven};

mod attempt;
mod audit;
mod before;
mod code;
mod dialogue;
mod ledger;
mod looks;
mod pace;
mod record;
mod results;
mod schedule;
mod settle;
mod state;

pub(super) use attempt::PAUSE;
use attempt::{Attempts, Pair};
use before::Before;
pub(super) use ledger::Ledger;
use looks::Looks;
pub(super) use pace::Pace;
use record::{Begun, Recording};
pub use record::{Recorder, RunProgress};
pub(super) use results::{Regressed, Results};
use schedule::{Schedule, Todo};
use state::Saved;

/// How long keeping a state may take.
const SAVE: Duration = Duration::from_secs(10);
/// What is left of the deadline for the verdict.
const GRACE: Duration = Duration::from_secs(5);

/// Why a run ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Ended {
    /// Everything was run.
    Whole,
    /// It was decided before.
    Decided(Curtailed),
    /// A budget is spent: this one.
    Budget(&'static str),
    /// The time is over.
    Time,
    /// Too much was lost, mostly for this reason.
    Away(&'static str),
    /// It must not be asked again before this time is over.
    Busy(Duration),
}

/// What a run has besides the suite.
#[derive(Clone, Copy)]
pub(super) struct Aids<'a> {
    /// The suite's digest.
    pub(super) digest: &'a Digest,
    /// The suite made ready, of which `prepared` is a part.
    pub(super) made: &'a Arc<Made>,
    pub(super) recorder: Option<&'a Recorder>,
    pub(super) cassette: Option<&'a Cassette>,
    pub(super) baseline: Option<&'a Baseline>,
}

/// What a run came to.
pub(super) struct Ran {
    pub(super) results: Results,
    pub(super) ended: Ended,
    /// What the next look begins with.
    pub(super) state: Vec<u8>,
    /// Pairs that were planned.
    pub(super) planned: usize,
    pub(super) spent: ledger::Spent,
}

/// Runs what is not yet known from the state of the last look.
///
/// # Cancel safety
/// Everything it does it does in itself: dropping it closes all connections. What was kept by the
/// last checkpoint is not run again.
pub(super) async fn run(
    suite: &Suite,
    prepared: &Prepared,
    judging: &Judging,
    trial: &Trial,
    aids: Aids<'_>,
) -> Result<Ran> {
    let mask = prepared.asker.mask();
    let open = |cassette| Session::begin(cassette, suite, mask, trial);
    let session = aids.cassette.map(open).transpose()?;
    let mut saved = Saved::of(aids.digest, trial);
    let (cases, repeats) = (&prepared.cases, suite.rules.repeats as usize);
    let planned = cases.len() * repeats;
    let mut results = Results::new(prepared, &suite.rules, saved.take(cases.len(), repeats));
    let ledger = Ledger::new(suite, saved.spent);
    let pace = Pace::new(suite.concurrency);
    let session = session.as_ref();
    let replayed = session.filter(|session| session.replays());
    let known = aids.baseline.map(|it| Known::of(it, suite, mask, trial));
    // A replay asks nobody, so there is nothing to be saved.
    let known = known.filter(|_| replayed.is_none());
    let (mut todo, before) = plan(suite, prepared, &results, replayed, known.as_ref());
    let before = before.as_ref();
    let attempts =
        Attempts { suite, prepared, judging, trial, ledger: &ledger, pace: &pace, session, before };
    announce(suite, prepared, &results, todo.left(), trial);

    let now = trial.clock.now();
    let left = left(trial);
    let time = suite.budget.time.map_or(left, |time| time.min(left));
    let begun = Begun {
        suite,
        digest: aids.digest,
        prepared,
        made: aids.made,
        trial,
        results: &results,
        book: saved.book.take(),
        planned,
        now,
        until: now.plus(time),
        facts: session.map(|session| ("cassette", session.shown())).into_iter().collect(),
    };
    let recording = Recording::begin(aids.recorder, &begun, &ledger);
    recording.tell(0, &results);
    let mut over = pin!(trial.clock.sleep(time));
    let mut saving: Pin<Box<Fuse<Saving<'_>>>> = Box::pin(Fuse::terminated());
    let mut running = FuturesUnordered::new();
    let mut looks = Looks::new(planned, replayed.is_some());
    // A run that is decided leaves conversations that were begun. A replay may be decided without
    // them, as that run was: so they count only when nothing else is left.
    let mut unrecorded = Vec::new();
    let mut ended = results.decided(suite, cases);
    while ended.is_none() {
        while pace.has_place(running.len()) && ledger.exhausted().is_none() {
            let Some(next) = todo.next(&results) else { break };
            let pair = sent(attempts.pair(next).boxed()).await;
            running.push(pair);
            recording.tell(running.len(), &results);
            // Connections are tasks of their own: what was asked goes out now, and not when all that has
            // come meanwhile has been looked at. Else answers come in waves, and places wait.
            yield_now().await;
        }
        if looks.is_due() {
            // Connections are tasks of their own, and what follows takes some milliseconds.
            yield_now().await;
            let at = Instant::now();
            tell(suite, &results, planned, &ledger, trial);
            saving.set(save(saved.bytes(&results, ledger.spent(), &recording), trial).fuse());
            ended = results.decided(suite, cases);
            if ended.is_some() {
                break;
            }
            looks.over(at.elapsed());
        }
        if running.is_empty() && !unrecorded.is_empty() {
            ended = results.settled(suite, cases, unrecorded.drain(..), &recording);
            continue;
        }
        if running.is_empty() {
            let budget = ledger.exhausted().filter(|_| todo.left() > 0 || results.has_unpaid());
            ended = Some(budget.map_or(Ended::Whole, Ended::Budget));
            break;
        }
        tokio::select! {
            // What has already come counts, also when the time is over.
            biased;
            Some(pair) = running.next() => {
                if pair.is_unrecorded() {
                    unrecorded.push(pair);
                    continue;
                }
                let counts = results.add(&pair);
                recording.add(&pair, counts, &results);
                recording.tell(running.len(), &results);
                // What stands in the way says more than that it is decided by it.
                ended = pace.forbidden().map(Ended::Busy).or_else(|| results.away(suite));
                looks.came();
            }
            problem = &mut saving => {
                if let Some(problem) = problem {
                    trial.progress.report(&Progress::note(format!("{}: {problem}", suite.name)));
                }
            }
            () = &mut over => ended = Some(late(suite, left)),
        }
    }
    drop(running);
    let spent = ledger.spent();
    let ended = ended.unwrap_or(Ended::Whole);
    told(&recording, &ended, before, &results);
    let state = saved.bytes(&results, spent, &recording);
    Ok(Ran { results, ended, state, planned, spent })
}

/// What is still to be run, and what of it may be taken from an earlier run.
fn plan<'a>(
    suite: &Suite,
    prepared: &Prepared,
    results: &Results,
    replayed: Option<&Session<'_>>,
    known: Option<&'a Known<'a>>,
) -> (Todo, Option<Before<'a>>) {
    let cases = &prepared.cases;
    let schedule = Schedule::new(cases.len(), &suite.rules);
    if replayed.is_none() && known.is_none() {
        let planned = cases.len() * suite.rules.repeats as usize;
        return (Todo::Drawn(schedule, planned.saturating_sub(results.known())), None);
    }
    let mut todo: Vec<_> = schedule.filter(|it| !results.is_known(*it)).collect();
    if let Some(session) = replayed {
        // A run that was decided early has not asked everything: what decided it comes first.
        todo.sort_by_cached_key(|it| !session.has(&cases.name(it.case), it.repeat));
    }
    let before = known.map(|known| Before::new(known, suite, prepared, &todo));
    (Todo::Listed(todo.into_iter()), before)
}

/// Tells that the run has ended.
fn told(recording: &Recording<'_>, ended: &Ended, before: Option<&Before<'_>>, results: &Results) {
    if let Some(before) = before {
        recording.note("baseline", before.known.shown());
    }
    recording.end(ended);
    recording.tell(0, results);
}

/// The time until the deadline, less what the verdict takes.
fn left(trial: &Trial) -> Duration {
    let left = trial.deadline.since(trial.clock.now());
    left.saturating_sub(GRACE.min(left / 10))
}

/// What is over, where so much was left until the deadline.
fn late(suite: &Suite, left: Duration) -> Ended {
    match suite.budget.time {
        Some(budget) if budget <= left => Ended::Budget("time"),
        _ => Ended::Time,
    }
}

/// Work of which the first part, to send its questions, is done at once, whatever is done before it is
/// waited for.
async fn sent<'a, T: Send + 'a>(mut work: BoxFuture<'a, T>) -> BoxFuture<'a, T> {
    let first = poll_fn(|context| Poll::Ready(work.poll_unpin(context))).await;
    match first {
        Poll::Ready(done) => ready(done).boxed(),
        Poll::Pending => work,
    }
}

type Saving<'a> = Pin<Box<dyn Future<Output = Option<String>> + Send + 'a>>;

/// Keeps a state; what went wrong, if anything did. The run goes on all the same: all that is lost
/// is that a crash would pay twice.
fn save(state: Vec<u8>, trial: &Trial) -> Saving<'_> {
    Box::pin(async move {
        tokio::select! {
            biased;
            kept = trial.checkpoint.save(state.into()) => {
                kept.err().map(|error| format!("the results so far are not kept: {}", error.chain()))
            }
            () = trial.clock.sleep(SAVE) => {
                Some("the results so far are not kept: no answer within 10s".to_owned())
            }
        }
    })
}

fn announce(suite: &Suite, prepared: &Prepared, results: &Results, todo: usize, trial: &Trial) {
    let (name, cases, repeats) = (&suite.name, prepared.cases.len(), suite.rules.repeats);
    let mut text = format!("{name}: {cases} cases, {repeats} times each in both slots");
    let known = results.known();
    if known > 0 {
        text = format!("{text}; {known} pairs are known from before, {todo} are left");
    }
    trial.progress.report(&Progress::note(text));
}

fn tell(suite: &Suite, results: &Results, planned: usize, ledger: &Ledger<'_>, trial: &Trial) {
    let spent = ledger.spent();
    let text = format!(
        "{}: {} of {planned} pairs, {} got worse, {} lost, {} calls, {} tokens",
        suite.name,
        results.known(),
        results.worse(),
        results.lost_pairs(),
        spent.calls,
        spent.usage().total(),
    );
    trial.progress.report(&Progress::note(text));
}

impl Results {
    /// What a replay comes to that has nothing left but pairs of which the cassette lacks a side. They
    /// count only where nothing is decided without them.
    fn settled(
        &mut self,
        suite: &Suite,
        cases: &PreparedCases,
        unrecorded: impl Iterator<Item = Pair>,
        recording: &Recording<'_>,
    ) -> Option<Ended> {
        let unknown = Ended::Decided(Curtailed::Verdict(Verdict::Inconclusive));
        let decided = self.decided(suite, cases).filter(|it| *it != unknown);
        if decided.is_some() {
            return decided;
        }
        for pair in unrecorded {
            let counts = self.add(&pair);
            recording.add(&pair, counts, self);
        }
        self.away(suite)
    }

    /// What is decided, whatever comes. What can't pass any more is run on until it is shown to fail.
    fn decided(&self, suite: &Suite, cases: &PreparedCases) -> Option<Ended> {
        let (rules, outcomes) = (&suite.rules, self.outcomes(cases));
        match curtail_cases(rules, outcomes.count(), &outcomes)? {
            it @ Curtailed::Verdict(_) => Some(Ended::Decided(it)),
            it => is_proven(rules, &outcomes).then_some(Ended::Decided(it)),
        }
    }
}
