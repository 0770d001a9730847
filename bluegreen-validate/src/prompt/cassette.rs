//! Answers in a file, so that none is paid for twice.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bluegreen_core::{Error, ErrorKind, Result};

mod baseline;
mod line;
mod session;
mod tape;

pub use baseline::{Baseline, BaselineCounts};
pub(super) use baseline::{Found, Known};
pub(super) use session::{Asked, Session, Sought};
use tape::Tape;

/// The most bytes of a file, and of one exchange in it.
const LARGEST: u64 = 256 << 20;
const LONGEST: usize = 1 << 20;

/// What is done with a [`Cassette`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[allow(clippy::exhaustive_enums, reason = "a fourth would be another promise about who is asked")]
pub enum CassetteMode {
    /// What is in the file is taken from there; what is missing is asked, and added. A run that was
    /// interrupted goes on so.
    Record,
    /// No agent is asked. What is missing is lost, and said to be: it is never a pass. Models and services
    /// that grade answers are asked as ever.
    Replay,
    /// Everything is asked anew. What is in the file goes when the first run begins, and is not looked at.
    Refresh,
}

/// The exchanges of runs of a [`PromptRegression`](crate::PromptRegression) in a file of JSON Lines.
///
/// Clones are one and the same. Give one to
/// [`PromptRegression::with_cassette`](crate::PromptRegression::with_cassette).
///
/// ```no_run
/// use bluegreen_validate::PromptRegression;
/// use bluegreen_validate::prompt::{Cassette, CassetteMode};
///
/// # async fn run(trial: bluegreen_core::Trial) -> Result<(), Box<dyn std::error::Error>> {
/// use bluegreen_core::Validator;
///
/// let cassette = Cassette::open("answers.jsonl", CassetteMode::Record)?;
/// let gate = PromptRegression::from_file("suite.yaml")?.with_cassette(&cassette);
/// let judgement = gate.judge(&trial).await?;
/// eprintln!("{judgement}; {}", cassette.counts());
/// # Ok(())
/// # }
/// ```
///
/// # What is in it
/// The first line says the version of the format, the suite, what both slots run (the images that their
/// pods have, where those are known), and when it was recorded. Every other line is one exchange: slot, case, turn, repeat, what was asked, and the
/// answer with its tokens and times. Its key is a digest of what the slot runs, the case, the turn,
/// the repeat, and the request without its headers; so a changed question is one that is missing.
/// Assertions, rules and limits are not part of it: answers may be judged anew by other ones. A run
/// that came to nothing (a timeout, status 5xx) is not kept, and so is asked again.
///
/// Times of a replayed answer are those that were measured when it was given. Its tokens count for
/// assertions and for no budget, since nothing was spent.
///
/// # Secrets
/// No header is in it. What reports hide is `***` here, too: what the suite takes from the environment,
/// and what looks like a key. An answer of which something had to be hidden is not the one that
/// was given, so it is kept for people, but never judged again: it counts as missing.
///
/// # The file
/// One process at a time writes it, and it is locked meanwhile, where the file system can. A line is
/// written as soon as the answer is there, with blocking calls of the standard library. When the
/// process is killed the last line may be torn; it counts as missing, and [`counts`](Self::counts) tells
/// of it. When the machine fails, more may be.
/// An exchange has at most 1 MiB, a file 256 MiB: what has no room is not kept, and that is told.
#[derive(Clone)]
pub struct Cassette(Arc<Shared>);

struct Shared {
    path: PathBuf,
    mode: CassetteMode,
    state: Mutex<State>,
}

struct State {
    tape: Tape,
    counts: CassetteCounts,
    /// Why nothing is kept any more.
    problem: Option<String>,
}

/// What came of a [`Cassette`] since it was opened.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct CassetteCounts {
    /// Exchanges that it had when it was opened.
    pub had: usize,
    /// Answers that were taken from it.
    pub replayed: usize,
    /// Answers that were added to it.
    pub recorded: usize,
    /// Answers that a replay did not find in it, or that could not be read.
    pub missing: usize,
    /// Answers for which there was no room.
    pub left_out: usize,
    /// Bytes of a last line that was not written to its end, and does not count.
    pub torn: u64,
}

impl fmt::Display for CassetteCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { had, replayed, recorded, missing, left_out, torn } = self;
        write!(f, "{had} answers were there, {replayed} were used, {recorded} were added")?;
        if *missing > 0 {
            write!(f, ", {missing} were missing")?;
        }
        if *left_out > 0 {
            write!(f, ", {left_out} were too long or too many to be kept")?;
        }
        if *torn > 0 {
            write!(f, "; the last line was torn, {torn} bytes of it do not count")?;
        }
        Ok(())
    }
}

impl Cassette {
    /// Opens a file, and makes one where there is none, unless it is to be replayed.
    ///
    /// Reads all of it with the blocking calls of the standard library.
    ///
    /// # Errors
    /// [`ErrorKind::Rejected`]: it can't be opened, another process writes it, it is too large, of
    /// another version, or has a line that is no exchange, which is named.
    pub fn open(path: impl AsRef<Path>, mode: CassetteMode) -> Result<Self> {
        let path = path.as_ref();
        let tape = Tape::open(path, mode).map_err(|why| refused(path, why))?;
        let counts =
            CassetteCounts { had: tape.count(), torn: tape.torn, ..CassetteCounts::default() };
        let state = Mutex::new(State { tape, counts, problem: None });
        Ok(Self(Arc::new(Shared { path: path.to_owned(), mode, state })))
    }

    /// What is done with it.
    pub fn mode(&self) -> CassetteMode {
        self.0.mode
    }

    /// What came of it until now.
    pub fn counts(&self) -> CassetteCounts {
        self.state().counts
    }

    /// Why answers are not kept any more, if they are not: a full disk, say. The run goes on.
    pub fn problem(&self) -> Option<String> {
        self.state().problem.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Cassette {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shared { path, mode, .. } = &*self.0;
        f.debug_struct("Cassette").field("path", path).field("mode", mode).finish_non_exhaustive()
    }
}

fn refused(path: &Path, why: impl Into<String>) -> Error {
    let action = format!("use cassette {}", path.display());
    Error::new(ErrorKind::Rejected, action).with_source(why.into())
}
