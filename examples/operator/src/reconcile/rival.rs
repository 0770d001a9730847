//! Which of several objects for one agent counts.

use bluegreen_core::Record;
use k8s_openapi::jiff::Timestamp;
use kube::{Resource as _, ResourceExt as _};

use super::Look;
use super::object::FINALIZER;
use crate::crd::AgentRelease;
use crate::decide::ACTOR;
use crate::status::Attempt;

/// What speaks for an object, what weighs most first: the least one counts. Creation times have whole
/// seconds, so that they alone would let a name decide over a release that is under way.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Claim {
    /// The agent's current or last release is not its own.
    has_other_release: bool,
    /// Nothing is driven for it, and nothing keeps it there.
    is_idle: bool,
    /// Nothing was ever done for it. One that somebody else has overtaken stays the one that counts.
    is_untried: bool,
    created: Option<Timestamp>,
    name: String,
}

impl Look<'_> {
    /// Another object for the same agent, which counts more than this one.
    pub(super) fn rival(&self, record: Option<&Record>) -> Option<String> {
        let all = self.context.objects.state();
        let own = self.claim(self.object, record);
        let others = all.iter().filter(|other| {
            other.spec.service == self.object.spec.service
                && other.name_any() != self.name()
                && other.meta().deletion_timestamp.is_none()
        });
        let first = others.map(|other| self.claim(other, record)).min()?;
        (first < own).then_some(first.name)
    }

    /// Whether a release was begun for an object that is gone (its finalizer was taken away, as the
    /// operator lets none go in the middle of one), and no task of that object still drives it. Another
    /// object may have its name by now, which is told by its age.
    pub(super) fn is_orphan(&self, record: &Record, attempt: Option<&Attempt>) -> bool {
        let all = self.context.objects.state();
        let name = record.started.by.as_str().strip_prefix(ACTOR);
        let is_gone = |name| {
            all.iter().all(|it| it.name_any() != name)
                || name == self.name() && self.is_younger(record, attempt)
        };
        name.is_some_and(is_gone)
            && !self.context.drivers.is_another_at(&self.object.spec.service, &self.uid())
    }

    /// Whether this object was made after the release had begun. What is known to have been tried for it
    /// says more than two clocks.
    fn is_younger(&self, record: &Record, attempt: Option<&Attempt>) -> bool {
        let is_untried = attempt.is_none_or(|it| it.change.is_empty());
        // Creation times have whole seconds.
        let began = i64::try_from(record.started.at.unix_millis() / 1000).unwrap_or(i64::MAX);
        let made = self.object.creation_timestamp().map(|it| it.0.as_second());
        is_untried && made.is_some_and(|made| made > began)
    }

    fn claim(&self, object: &AgentRelease, record: Option<&Record>) -> Claim {
        let (name, uid) = (object.name_any(), object.uid().unwrap_or_default());
        let drivers = &self.context.drivers;
        let is_kept = object.finalizers().iter().any(|it| it == FINALIZER);
        let is_noted = object.status.as_ref().is_some_and(|it| it.attempt.is_some());
        Claim {
            has_other_release: record
                .is_none_or(|it| it.started.by.as_str() != format!("{ACTOR}{name}")),
            is_idle: !is_kept && !drivers.is_driving(&uid),
            is_untried: !is_noted && drivers.attempt(&uid).is_none(),
            created: object.creation_timestamp().map(|it| it.0),
            name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(name: &str) -> Claim {
        Claim {
            has_other_release: true,
            is_idle: true,
            is_untried: true,
            created: Some(Timestamp::from_second(1_764_000_000).unwrap()),
            name: name.to_owned(),
        }
    }

    #[test]
    fn age_decides_only_where_nothing_was_done_and_the_name_only_where_age_does_not() {
        let older = Claim { created: Timestamp::from_second(1_763_999_999).ok(), ..claim("z") };
        let all = [
            Claim { has_other_release: false, ..claim("z") },
            Claim { is_idle: false, ..older.clone() },
            Claim { is_idle: false, ..claim("y") },
            Claim { is_untried: false, ..claim("z") },
            older,
            claim("a"),
            claim("b"),
        ];
        assert!(all.is_sorted(), "{all:#?}");
    }
}
