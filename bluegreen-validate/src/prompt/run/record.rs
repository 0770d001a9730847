//! What a run sees, kept for a report, and how far it has come.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bluegreen_core::Clock;
use tokio::sync::watch;

use super::attempt::Pair;
use super::ledger::Ledger;
use super::{Ended, Results};
use crate::report::RunReport;

mod begun;
mod book;
mod facts;
mod pairs;
mod progress;
mod room;
mod saved;
mod seen;

pub(super) use begun::Begun;
use book::Book;
pub use progress::RunProgress;
pub(super) use saved::SavedBook;

/// The characters that are kept of an answer unless told otherwise.
const USUAL: usize = 4_000;

/// Keeps what a run of a [`PromptRegression`](crate::PromptRegression) sees, and tells how far it
/// has come while it goes on.
///
/// Clones are one and the same. Give one to
/// [`PromptRegression::recorded_by`](crate::PromptRegression::recorded_by) and keep the other: it has
/// the [`report`](Self::report) at any time, also after the run was dropped, and
/// [`progress`](Self::progress) while it goes on. A later look at the same slots adds to what is
/// there; a run of something else begins anew.
///
/// ```
/// use bluegreen_validate::PromptRegression;
/// use bluegreen_validate::prompt::Recorder;
///
/// # async fn run(trial: bluegreen_core::Trial) -> Result<(), Box<dyn std::error::Error>> {
/// use bluegreen_core::Validator;
///
/// let recorder = Recorder::new();
/// let gate = PromptRegression::from_file("suite.yaml")?.recorded_by(&recorder);
/// let mut progress = recorder.progress();
/// let mut judging = std::pin::pin!(gate.judge(&trial));
/// let judgement = loop {
///     tokio::select! {
///         judgement = &mut judging => break judgement?,
///         Ok(()) = progress.changed() => eprintln!("{}", *progress.borrow_and_update()),
///     }
/// };
/// if let Some(report) = recorder.report() {
///     assert_eq!(report.verdict.verdict, judgement.verdict);
///     std::fs::write("report.json", report.to_json()?)?;
/// }
/// # Ok(())
/// # }
/// ```
///
/// # What it keeps
/// Of every attempt the outcome, times, tokens, and the assertions that did not hold; of its answer
/// at most 4,000 characters, or as many as [`keeping`](Self::keeping) says, and an eighth of that
/// where both slots passed. All texts together have at most 16 MiB: what comes later is left out,
/// and the report says so. Headers, and what the suite takes from the environment, are never in it;
/// wherever an agent repeats them, or shows what looks like a key, it is `***`.
///
/// # What a later look knows
/// A look that goes on in another process has what fits into the state of the one before, 500 KiB:
/// all outcomes, and of the attempts, those that failed first, times, tokens and 160 characters.
#[derive(Clone)]
pub struct Recorder(Arc<Shared>);

struct Shared {
    most: usize,
    /// Where what is seen is kept, if that is not in memory.
    folder: Option<PathBuf>,
    progress: watch::Sender<RunProgress>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Counts runs, so that one that is late writes nothing into the book of another.
    run: u64,
    book: Option<Book>,
}

impl Recorder {
    /// One that has seen nothing.
    pub fn new() -> Self {
        Self::keeping(USUAL)
    }

    /// One that keeps so many characters of each answer. With 0 it keeps neither answers nor what
    /// assertions found in them.
    pub fn keeping(characters: usize) -> Self {
        Self::made(characters, None)
    }

    /// The same with what it sees in a file in this folder, for suites of many thousands of cases: in
    /// memory it has a few bytes of each run. The file has no name where the system can do without,
    /// and is gone with the recorder; no other user can read it. It is written with the blocking calls of the standard
    /// library as pairs come. Where it can't be made, all is in memory, and where there is no room
    /// in it, answers are left out; the report says so then.
    #[must_use]
    pub fn in_folder(self, folder: impl AsRef<Path>) -> Self {
        Self::made(self.0.most, Some(folder.as_ref().to_owned()))
    }

    fn made(most: usize, folder: Option<PathBuf>) -> Self {
        let (progress, _) = watch::channel(RunProgress::default());
        Self(Arc::new(Shared { most, folder, progress, state: Mutex::default() }))
    }

    /// How far the run has come. The value changes with every pair of attempts that begins or
    /// ends, and when the run is over. Before there is one everything is 0.
    ///
    /// # Cancel safety
    /// That of [`watch::Receiver`]: who waits too long misses values in between, never the last.
    pub fn progress(&self) -> watch::Receiver<RunProgress> {
        self.0.progress.subscribe()
    }

    /// The report of what was seen so far, `None` before anything has begun. Of a run that still
    /// goes on, or was dropped, it says that it was stopped, and its verdict is no pass.
    ///
    /// Computes the verdict, which takes as long as [`judge`](crate::paired::judge) does: well below
    /// a second for a thousand cases.
    pub fn report(&self) -> Option<RunReport> {
        self.state().book.as_ref().map(Book::report)
    }

    /// Writes the JSON of the [`report`](Self::report), case by case, so that it needs little memory
    /// however many there are. `false` where nothing has begun, and nothing is written.
    ///
    /// # Errors
    /// Those of [`RunReport::to_json`], and what went wrong with writing.
    pub fn write_json(&self, to: impl io::Write) -> serde_json::Result<bool> {
        match &self.state().book {
            Some(book) => book.write_json(to).map(|()| true),
            None => Ok(false),
        }
    }

    /// The same without its cases, which is little also where they are many: the verdict, what was
    /// spent, and what else the run was.
    pub fn outline(&self) -> Option<RunReport> {
        self.state().book.as_ref().map(Book::outline)
    }

    /// Why attempts of the last look came to nothing: slot, reason, and how often. What happened most
    /// often comes first, and of more than a hundred reasons some are not counted.
    pub fn lost(&self) -> Vec<(&'static str, String, u64)> {
        self.state().book.as_ref().map(Book::reasons).unwrap_or_default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("progress", &*self.0.progress.borrow()).finish()
    }
}

/// One run that is recorded, or not, if nobody wants it to be.
pub(super) struct Recording<'a>(Option<Open<'a>>);

struct Open<'a> {
    recorder: &'a Recorder,
    run: u64,
    ledger: &'a Ledger<'a>,
    clock: &'a dyn Clock,
}

impl<'a> Recording<'a> {
    /// Begins a book, or goes on with that of the same run.
    pub(super) fn begin(
        recorder: Option<&'a Recorder>,
        begun: &Begun<'a, '_>,
        ledger: &'a Ledger<'a>,
    ) -> Self {
        let Some(recorder) = recorder else { return Self(None) };
        let mut state = recorder.state();
        let before = state.book.take();
        state.run += 1;
        let folder = recorder.0.folder.as_deref();
        state.book = Some(Book::new(before, begun, recorder.0.most, folder));
        let clock = begun.trial.clock.as_ref();
        Self(Some(Open { recorder, run: state.run, ledger, clock }))
    }

    /// Takes what a run of a case came to.
    pub(super) fn add(&self, pair: &Pair, counts: bool, results: &Results) {
        self.with(|book, _| book.add(pair, counts, results));
    }

    /// Tells how far the run has come.
    pub(super) fn tell(&self, running: usize, results: &Results) {
        let told = self.with(|book, open| {
            book.look(open.ledger.spent(), open.clock.now());
            (open.recorder, book.progress(running, results))
        });
        if let Some((recorder, progress)) = told {
            recorder.0.progress.send_replace(progress);
        }
    }

    /// What the state of the look has room for.
    pub(super) fn saved(&self, room: usize) -> Option<Vec<u8>> {
        self.with(|book, _| book.saved(room))
    }

    /// Something else that a report says of the run.
    pub(super) fn note(&self, name: &str, fact: String) {
        self.with(|book, _| book.note(name, fact));
    }

    /// The run has ended like this.
    pub(super) fn end(&self, ended: &Ended) {
        self.with(|book, _| book.end(ended.clone()));
    }

    /// Acts on the book, if there is one and it is still that of this run.
    fn with<T>(&self, act: impl FnOnce(&mut Book, &Open<'a>) -> T) -> Option<T> {
        let open = self.0.as_ref()?;
        let mut state = open.recorder.state();
        let is_ours = state.run == open.run;
        let book = state.book.as_mut().filter(|_| is_ours)?;
        Some(act(book, open))
    }
}

/// Also one that is dropped is over, and what it has spent is spent.
impl Drop for Recording<'_> {
    fn drop(&mut self) {
        let told = self.with(|book, open| {
            book.look(open.ledger.spent(), open.clock.now());
            (open.recorder.clone(), book.spent())
        });
        if let Some((recorder, spent)) = told {
            recorder.0.progress.send_modify(|progress| {
                progress.spent = spent;
                progress.end();
            });
        }
    }
}
