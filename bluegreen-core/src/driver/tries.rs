//! Bounds and tries: every call is bounded, and only what certainly had no effect, or is read
//! again first, is tried again.

use std::future::Future;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Driver, LONGEST_PAUSE};
use crate::{Error, ErrorKind, Progress, Result, Timestamp};

/// How often in a row somebody else may be first before that is taken for a fight.
const CONFLICTS: u32 = 4;

/// Growing pauses between tries, each of a length between its half and its whole that its seed
/// decides. Many releases are cut off by the same outage, and must not all come back in the same
/// moment.
pub(crate) struct Pause {
    tries: u32,
    seed: u64,
}

impl Pause {
    pub(super) fn new(seed: u64) -> Self {
        Self { tries: 0, seed }
    }

    pub(super) fn next(&mut self) -> Duration {
        let longest = Duration::from_millis(100).saturating_mul(1 << self.tries.min(6));
        self.tries += 1;
        let mut hasher = DefaultHasher::new();
        (self.seed, self.tries).hash(&mut hasher);
        // A thousand steps between nothing and all of the second half.
        let step = u32::try_from(hasher.finish() % 1_000).unwrap_or_default();
        let half = longest.min(LONGEST_PAUSE) / 2;
        half + half * step / 1_000
    }
}

impl Driver {
    /// A write under a bound: when it runs out the outcome is unknown, which is kept in mind.
    pub(crate) async fn bounded<T>(
        &self,
        action: &str,
        limit: Duration,
        call: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let _place = self.place().await;
        self.bounded_unqueued(action, limit, call).await
    }

    /// The same for a call that has its place already.
    pub(super) async fn bounded_unqueued<T>(
        &self,
        action: &str,
        limit: Duration,
        call: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let result = self.within(action, limit, ErrorKind::Unknown, call).await;
        if result.as_ref().is_err_and(|error| error.kind() == ErrorKind::Unknown) {
            self.doubt.store(true, Ordering::Release);
        }
        result
    }

    /// A read under a bound: when it runs out it has had no effect.
    pub(crate) async fn bounded_read<T>(
        &self,
        action: &str,
        limit: Duration,
        call: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let _place = self.place().await;
        self.bounded_read_unqueued(action, limit, call).await
    }

    /// A read under a bound that neither waits for a place nor takes one: one that mostly waits, and
    /// would keep others from their calls meanwhile, or one that a way back waits for.
    pub(super) async fn bounded_read_unqueued<T>(
        &self,
        action: &str,
        limit: Duration,
        call: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        self.within(action, limit, ErrorKind::Unavailable, call).await
    }

    async fn within<T>(
        &self,
        action: &str,
        limit: Duration,
        kind: ErrorKind,
        call: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        tokio::select! {
            biased;
            result = call => {
                if let Err(error) = &result {
                    self.away.note(error, self.now());
                }
                result
            }
            () = self.ports.clock.sleep(limit) => {
                Err(Error::new(kind, action).with_source(format!("no answer in {limit:?}")))
            }
        }
    }

    /// Tries `attempt` again for as long as it is unavailable or its outcome unknown, and a few
    /// times when somebody else was first. Each attempt reads before it writes, which is what
    /// makes that safe.
    pub(crate) async fn until_available<T, F>(
        &self,
        _limit: Duration,
        mut attempt: impl FnMut() -> F,
    ) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let mut pause = self.pauses();
        let mut conflicts = 0;
        loop {
            let error = match attempt().await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            match error.kind() {
                ErrorKind::Unavailable | ErrorKind::Unknown => {}
                ErrorKind::Conflict if conflicts < CONFLICTS => conflicts += 1,
                _ if self.may_pass(&error) => {}
                ErrorKind::Conflict | ErrorKind::NotFound | ErrorKind::Rejected => {
                    return Err(error);
                }
            }
            self.away.note(&error, self.now());
            self.pause(&mut pause, &error).await;
        }
    }

    /// Tries `attempt` again until `deadline`: what is unavailable or unknown, and a few times
    /// what was changed by someone else, because the attempt reads anew.
    pub(crate) async fn tried<T, F>(
        &self,
        deadline: Timestamp,
        mut attempt: impl FnMut() -> F,
    ) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let mut pause = self.pauses();
        let mut conflicts = 0;
        loop {
            let error = match attempt().await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let again = match error.kind() {
                ErrorKind::Unavailable | ErrorKind::Unknown => true,
                ErrorKind::Conflict => {
                    conflicts += 1;
                    conflicts <= CONFLICTS
                }
                ErrorKind::Rejected => self.may_pass(&error),
                ErrorKind::NotFound => false,
            };
            let now = self.now();
            if !again || now >= deadline {
                return Err(error);
            }
            self.away.note(&error, now);
            self.pause(&mut pause, &error).await;
        }
    }

    /// Pauses that no other agent makes alike.
    pub(crate) fn pauses(&self) -> Pause {
        let mut hasher = DefaultHasher::new();
        (&self.ports.cluster, &self.ports.namespace, self.ports.agent.as_str()).hash(&mut hasher);
        Pause::new(hasher.finish())
    }

    pub(crate) async fn pause(&self, pause: &mut Pause, error: &Error) {
        let after = pause.next();
        self.report(&Progress::Retrying { message: error.chain(), after });
        self.ports.clock.sleep(after).await;
    }

    /// Waits until `deadline`.
    pub(crate) async fn sleep_until(&self, deadline: Timestamp) {
        self.ports.clock.sleep(deadline.since(self.now())).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_those_of_two_agents_differ() {
        let pauses = |seed| {
            let mut pause = Pause::new(seed);
            let next = std::iter::repeat_with(move || pause.next());
            next.take(10).collect::<Vec<_>>()
        };
        let (one, other) = (pauses(1), pauses(2));
        assert_eq!(one, pauses(1), "the seed decides");
        assert_ne!(one, other);
        for (number, pause) in one.iter().enumerate() {
            let whole = Duration::from_millis(100 << number.min(6)).min(LONGEST_PAUSE);
            assert!(*pause >= whole / 2 && *pause <= whole, "{pause:?} of {whole:?}");
        }
    }

    #[test]
    fn a_thousand_that_were_cut_off_together_do_not_come_back_together() {
        // The last pause: half of it is 2.5 s long, so 250 places of 10 ms for a thousand tries.
        let mut places = [0_usize; 500];
        for seed in 0..1_000 {
            let mut pause = Pause::new(seed);
            let last = std::iter::repeat_with(|| pause.next()).take(8).last().unwrap();
            places[usize::try_from(last.as_millis()).unwrap() / 10] += 1;
        }
        assert!(places.iter().all(|count| *count <= 16), "{:?}", places.iter().max());
    }
}
