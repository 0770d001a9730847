//! All pods, also those that come while others are warmed.

use std::convert::Infallible;
use std::time::Duration;

use bluegreen_core::{Error, ErrorKind, Judgement, PodRef, Result, Trial};
use futures_util::stream::{self, StreamExt};

use super::ModelWarmUpConfig;
use super::book::{Book, End};
use super::pod::WarmingUp;
use super::verdict;
use crate::prompt::ask::Asker;
use crate::prompt::template::Templates;

/// How many pods are warmed at a time.
const AT_ONCE: usize = 64;
/// After so many rounds with new pods in each it is looked again later.
const ROUNDS: usize = 10;
/// How often is kept what is known.
const KEEP: Duration = Duration::from_secs(5);
/// How long it may take to list pods.
const LIST: Duration = Duration::from_secs(10);

/// How it ended.
pub(super) enum Ended {
    /// These are ready, and for each of them it is known what became of it.
    Known(Vec<PodRef>),
    /// All calls are spent; these are ready.
    Calls(Vec<PodRef>),
    /// This time is over.
    Time(Duration),
    /// New pods came, however often the others were warm.
    Restless,
}

/// Warms the candidate's pods.
pub(super) async fn judge(
    config: &ModelWarmUpConfig,
    asker: &Asker,
    trial: &Trial,
) -> Result<Judgement> {
    let now = trial.clock.now();
    let book = Book::read(trial.state.as_ref(), now);
    let templates = Templates::new(true);
    let warming = WarmingUp { config, asker, templates: &templates, trial, book: &book };
    // A little before the deadline, at which nobody would hear any more what was found.
    let left = trial.deadline.since(now);
    let left = left.saturating_sub((left / 20).min(Duration::from_secs(1)));
    let passed = book.began().map_or(Duration::ZERO, |began| now.since(began));
    let limit = config.time.map_or(left, |time| time.saturating_sub(passed).min(left));
    let ended = tokio::select! {
        biased;
        ended = warming.rounds() => ended?,
        () = trial.clock.sleep(limit) => Ended::Time(passed.saturating_add(limit)),
        never = warming.keeping() => match never {},
    };
    let judgement = verdict::judge(config, &ended, &book.all(), trial);
    Ok(judgement.with_state(book.write()))
}

impl WarmingUp<'_> {
    async fn rounds(&self) -> Result<Ended> {
        for _ in 0..ROUNDS {
            let ready = self.list().await?;
            self.book.keep(&ready);
            let notes = self.book.all();
            let open = |pod: &&PodRef| matches!(notes.end_of(pod), None | Some(End::Gone));
            let new: Vec<&PodRef> = ready.iter().filter(open).collect();
            if new.is_empty() {
                return Ok(Ended::Known(ready));
            }
            if self.book.is_spent(self.config) {
                return Ok(Ended::Calls(ready));
            }
            let pods: Vec<_> = new.into_iter().map(|pod| self.pod(pod)).collect();
            stream::iter(pods).buffer_unordered(AT_ONCE).collect::<()>().await;
        }
        Ok(Ended::Restless)
    }

    /// The ready pods of the candidate as they are now, sorted.
    pub(super) async fn list(&self) -> Result<Vec<PodRef>> {
        let away = |why: String| {
            let action = format!("{}: list the candidate's ready pods", self.config.name);
            Error::new(ErrorKind::Unavailable, action).with_source(why)
        };
        let listed = tokio::select! {
            biased;
            pods = self.trial.candidate.client.pods() => pods,
            () = self.trial.clock.sleep(LIST) => {
                let limit = humantime::format_duration(LIST);
                return Err(away(format!("no answer within {limit}")));
            }
        };
        let mut pods = listed.map_err(|error| away(error.chain()))?;
        pods.sort();
        pods.dedup();
        Ok(pods)
    }

    /// Keeps what is known from time to time, and never ends.
    async fn keeping(&self) -> Infallible {
        let mut kept = self.book.write();
        loop {
            self.trial.clock.sleep(KEEP).await;
            let known = self.book.write();
            // What could not be kept is kept the next time.
            if known != kept && self.trial.checkpoint.save(known.clone()).await.is_ok() {
                kept = known;
            }
        }
    }
}
