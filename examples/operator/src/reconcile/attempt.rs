//! What the operator did last for an object, and what has become of it.

use bluegreen_core::{Clock as _, Outcome, Phase, Reason, Record, SystemClock};

use super::Look;
use crate::status::{Attempt, End};
use crate::wanted::Wanted;

impl Look<'_> {
    /// What was done last. What this process remembers is newer than what it has read of the status.
    pub(super) fn attempt(&self, record: Option<&Record>) -> Option<Attempt> {
        let written = || self.object.status.as_ref().and_then(|status| status.attempt.clone());
        let attempt = self.context.drivers.attempt(&self.uid()).or_else(written)?;
        Some(self.settled(attempt, record))
    }

    /// The same with what is known by now.
    fn settled(&self, mut attempt: Attempt, record: Option<&Record>) -> Attempt {
        if attempt.end.is_some_and(|end| end != End::Refused) {
            return attempt;
        }
        let own = record.filter(|it| {
            it.started.by.as_str() == self.actor()
                && match attempt.after.as_deref() {
                    Some(before) => it.envelope.release.as_str() != before,
                    None => it.started.at >= attempt.since,
                }
        });
        if let Some(record) = own {
            attempt.release = Some(record.envelope.release.to_string());
            attempt.digest = Some(record.change.digest.to_string());
            (attempt.end, attempt.message) = (None, None);
            if let Phase::Done { outcome } = &record.phase
                && !self.is_own_doing(outcome)
            {
                (attempt.end, attempt.message) = End::of(outcome).unzip();
            }
        } else if let Some(ended) = self.context.drivers.ended(&self.uid())
            // Another task may have ended the release before this one.
            && ended.began
            && let Ok(outcome) = &ended.result
            && let Some((end, message)) = End::of(outcome)
        {
            // One that was refused leaves no record behind.
            (attempt.end, attempt.message) = (Some(end), Some(message));
        }
        attempt
    }

    /// Whether it was taken back because the object asked for something else. That says nothing about
    /// the change: if it is asked for again, it begins again.
    fn is_own_doing(&self, outcome: &Outcome) -> bool {
        matches!(outcome, Outcome::RolledBack { reason: Reason::Aborted { actor, .. } }
            if actor.as_str() == self.actor())
    }

    /// An attempt that begins now, with this record there.
    pub(super) fn first(&self, wanted: &Wanted, record: Option<&Record>) -> Attempt {
        Attempt {
            change: wanted.digest.clone(),
            retry: self.object.spec.retry.clone(),
            since: SystemClock.now(),
            after: record.map(|it| it.envelope.release.to_string()),
            smoke: wanted.smoke.clone(),
            release: None,
            digest: None,
            end: None,
            message: None,
        }
    }

    /// The attempt of a release that is under way, also where the status has been lost. Then it is not
    /// known for which change it was, and once it is over that has to be looked at.
    pub(super) fn known(&self, attempt: Option<Attempt>, record: Option<&Record>) -> Attempt {
        attempt.unwrap_or_else(|| Attempt {
            change: String::new(),
            retry: self.object.spec.retry.clone(),
            since: record.map_or_else(|| SystemClock.now(), |it| it.started.at),
            after: None,
            smoke: self.object.spec.smoke.clone(),
            release: record.map(|it| it.envelope.release.to_string()),
            digest: record.map(|it| it.change.digest.to_string()),
            end: None,
            message: None,
        })
    }

    /// Why the last task of this object came to nothing, if it did.
    pub(super) fn failure(&self) -> Option<String> {
        self.context.drivers.ended(&self.uid())?.result.err()
    }
}
