//! What was answered before by what is live now, so that live need not be asked for it again.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bluegreen_core::{Digest, Result, Timestamp, Trial};
use bytes::Bytes;
use http::Request;

use super::session::{Asked, key, runs};
use super::tape::Tape;
use super::{CassetteMode, refused};
use crate::excerpt::Mask;
use crate::prompt::ask::Reply;
use crate::prompt::report::redacted;
use crate::prompt::suite::Suite;

/// The answers of what is live now, from the [`Cassette`](super::Cassette) of an earlier run.
///
/// What is live today was the candidate of the last release, so the cassette of that release's gate
/// has its answers. With them the next gate asks the new candidate, and of live only what is missing:
/// about half of the calls. Give it to
/// [`PromptRegression::with_baseline`](crate::PromptRegression::with_baseline).
///
/// ```no_run
/// use std::time::Duration;
///
/// use bluegreen_validate::PromptRegression;
/// use bluegreen_validate::prompt::{Baseline, Cassette, CassetteMode};
///
/// # async fn run(trial: bluegreen_core::Trial) -> Result<(), Box<dyn std::error::Error>> {
/// use bluegreen_core::Validator;
///
/// let before = Baseline::open("release-41.jsonl", Duration::from_hours(24))?;
/// let now = Cassette::open("release-42.jsonl", CassetteMode::Record)?;
/// let gate = PromptRegression::from_file("suite.yaml")?.with_baseline(&before).with_cassette(&now);
/// let judgement = gate.judge(&trial).await?;
/// eprintln!("{judgement}; {}", before.counts());
/// # Ok(())
/// # }
/// ```
///
/// # What is taken from it
/// An answer to the same request, in the same turn and repeat of the same case, from a run that spoke to
/// agents in the same way, by a slot that ran what live runs (its configuration with the images of its
/// pods, as [`Cassette`](super::Cassette) says), not older than it may be. It is assessed anew, and by judges
/// as the candidate's is: other assertions, rules and judges need no other baseline. An answer keeps
/// its age when it goes into the cassette of this run, so none gets younger by being used.
///
/// Live is asked all the same
/// * for every case that looks at times, since those of another day are no measure, and for every case
///   with `pairwise`, whose drift a sample can't show; for everything where `score_margin` is set;
/// * for what was lost, hidden in part, or is of a conversation that can't be taken whole;
/// * for a tenth of the pairs, and at least ten, that could have been taken, the first ones in the
///   order of the run. When live passes them significantly more or less often than its old
///   answers do (exact test of `McNemar`, two-sided, at 5 %), the provider of the model has changed:
///   nothing more is taken, and the run says so. Ten pairs only show what is gross. Nothing is taken,
///   either, where fewer than four in five of them could be compared.
#[derive(Clone)]
pub struct Baseline(Arc<Shared>);

struct Shared {
    path: PathBuf,
    oldest: Duration,
    state: Mutex<State>,
}

struct State {
    tape: Tape,
    counts: BaselineCounts,
}

/// What came of a [`Baseline`] since it was opened.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct BaselineCounts {
    /// Answers that it has.
    pub had: usize,
    /// Answers for which live was not asked.
    pub used: usize,
    /// Pairs for which live was asked although they could have been taken, to see whether it still
    /// answers so.
    pub audited: u64,
    /// Of those, pairs that pass now and did not.
    pub better: u64,
    /// Of those, pairs that passed and do not now.
    pub worse: u64,
    /// Whether nothing was taken any more, because live answers otherwise than it did.
    pub drifted: bool,
}

impl fmt::Display for BaselineCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { had, used, audited, better, worse, drifted } = self;
        write!(f, "{used} of {had} answers were used, {audited} pairs were asked anew")?;
        if better + worse > 0 {
            write!(f, " ({better} pass that did not, {worse} fail that did not)")?;
        }
        if *drifted {
            f.write_str(
                "; live answers otherwise than it did, so all others were asked anew, too",
            )?;
        }
        Ok(())
    }
}

impl Baseline {
    /// Opens the cassette of an earlier run, of which nothing `older` than this is taken.
    ///
    /// Reads all of it with the blocking calls of the standard library.
    ///
    /// # Errors
    /// [`ErrorKind::Rejected`](bluegreen_core::ErrorKind::Rejected): it is not there, another process
    /// writes it, it is too large, of another version, or has a line that is no exchange.
    pub fn open(path: impl AsRef<Path>, older: Duration) -> Result<Self> {
        let path = path.as_ref();
        let tape = Tape::open(path, CassetteMode::Replay).map_err(|why| refused(path, why))?;
        let counts = BaselineCounts { had: tape.count(), ..BaselineCounts::default() };
        let state = Mutex::new(State { tape, counts });
        Ok(Self(Arc::new(Shared { path: path.to_owned(), oldest: older, state })))
    }

    /// What came of it until now.
    pub fn counts(&self) -> BaselineCounts {
        self.state().counts
    }

    /// Notes what came of the pairs that were asked anew.
    pub(in crate::prompt) fn audited(&self, audited: u64, better: u64, worse: u64, drifted: bool) {
        let counts = &mut self.state().counts;
        (counts.audited, counts.better, counts.worse) = (audited, better, worse);
        counts.drifted |= drifted;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Baseline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shared { path, oldest, .. } = &*self.0;
        f.debug_struct("Baseline")
            .field("path", path)
            .field("oldest", oldest)
            .finish_non_exhaustive()
    }
}

/// A baseline in a run.
pub(in crate::prompt) struct Known<'a> {
    baseline: &'a Baseline,
    live: Digest,
    /// Which slots of the earlier run ran what live runs.
    slots: Vec<&'static str>,
    mask: &'a Mask,
    now: Timestamp,
}

/// An answer from before.
pub(in crate::prompt) struct Found {
    pub(in crate::prompt) reply: Reply,
    /// What the agent was told that the conversation is called.
    pub(in crate::prompt) conversation: String,
    pub(in crate::prompt) at: Timestamp,
}

impl<'a> Known<'a> {
    pub(in crate::prompt) fn of(
        baseline: &'a Baseline,
        suite: &Suite,
        mask: &'a Mask,
        trial: &Trial,
    ) -> Self {
        let live = runs(&trial.live);
        let state = baseline.state();
        let agent = suite.agent_digest();
        let head = state.tape.head.as_ref();
        // Answers stand there as they were read: by other rules they would be others.
        let head = head.filter(|head| head.agent.as_deref() == Some(agent.as_str()));
        // What was live then comes first: it was asked beside something else than itself.
        let both = head.map(|head| [("live", &head.live), ("idle", &head.idle)]);
        let ours = both.into_iter().flatten().filter(|(_, ran)| ran.digest == live.as_str());
        let slots = ours.map(|(slot, _)| slot).collect();
        drop(state);
        Self { baseline, live, slots, mask, now: trial.clock.now() }
    }

    /// Whether it has anything of what is live.
    pub(in crate::prompt) fn is_ours(&self) -> bool {
        !self.slots.is_empty()
    }

    pub(in crate::prompt) fn baseline(&self) -> &Baseline {
        self.baseline
    }

    /// Whether there is something of a case, be it fit to be taken or not.
    pub(in crate::prompt) fn has(&self, case: &str, repeat: u32) -> bool {
        let state = self.baseline.state();
        self.slots.iter().any(|slot| state.tape.has_heard(slot, case, repeat))
    }

    /// The slots of the earlier run that may be meant. A conversation is one slot's alone.
    pub(in crate::prompt) fn slots(&self) -> &[&'static str] {
        &self.slots
    }

    /// What a slot of the earlier run answered to a question, whose `request` is made with a
    /// conversation of a fixed name.
    pub(in crate::prompt) fn find(
        &self,
        asked: Asked<'_>,
        request: &Request<Bytes>,
    ) -> Option<Found> {
        let mut state = self.baseline.state();
        let key = key(asked, &self.live, request, self.mask);
        // A line that can't be read any more is none.
        let line = state.tape.find(key.as_str()).ok().flatten()?;
        // One from the future would never be too old.
        let is_fresh = line.at <= self.now && self.now.since(line.at) <= self.baseline.0.oldest;
        if !is_fresh || line.hidden {
            return None;
        }
        let reply = line.reply.reply();
        Some(Found { reply, conversation: line.conversation, at: line.at })
    }

    /// Counts answers for which live was not asked.
    pub(in crate::prompt) fn used(&self, answers: usize) {
        self.baseline.state().counts.used += answers;
    }

    /// How reports call it.
    pub(in crate::prompt) fn shown(&self) -> String {
        let path = self.baseline.0.path.display();
        let text = if self.is_ours() {
            let oldest = humantime::format_duration(self.baseline.0.oldest);
            format!("{}, in {path}, none older than {oldest}", self.baseline.counts())
        } else {
            format!("nothing in {path} is of what live runs, so live was asked for everything")
        };
        redacted(self.mask, &text)
    }
}
