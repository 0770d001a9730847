//! What an object's status says.

use bluegreen_core::{Outcome, Status, Timestamp, Winner};
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// How much of a message is shown.
const LONGEST: usize = 2000;

/// What an object has come to.
#[derive(Clone, Debug, Default, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AgentReleaseStatus {
    /// The generation of the spec that this is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) observed_generation: Option<i64>,
    /// `Ready` (the agent runs what the spec says), `Reconciling` (it is being worked on) and `Stalled`
    /// (nothing happens until somebody does something).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".to_owned()]))]
    pub(crate) conditions: Vec<Condition>,
    /// The agent's current release, or its last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) release: Option<String>,
    /// The version of that release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<String>,
    /// How far it has come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) phase: Option<String>,
    /// Who gets traffic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) traffic: Option<String>,
    /// What the operator did last for this object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) attempt: Option<Attempt>,
}

/// One condition, as Kubernetes has them everywhere.
#[derive(Clone, Debug, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Condition {
    /// Of what.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// `True`, `False` or `Unknown`.
    pub(crate) status: String,
    /// Why, for programs.
    pub(crate) reason: String,
    /// Why, for people.
    pub(crate) message: String,
    /// Since when it has this status.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub(crate) last_transition_time: Timestamp,
    /// The generation of the spec that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) observed_generation: Option<i64>,
}

/// What the operator did for a change.
#[derive(Clone, Debug, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Attempt {
    /// The digest of the change as it was asked for.
    pub(crate) change: String,
    /// What `spec.retry` was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) retry: Option<String>,
    /// Since when.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub(crate) since: Timestamp,
    /// The agent's last release when it began: what has this name is not its own, whatever clocks say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<String>,
    /// The gates that it began with: whoever resumes it needs the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) smoke: Vec<String>,
    /// The release, once it has begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) release: Option<String>,
    /// The digest of all that it makes of what live ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) digest: Option<String>,
    /// How it ended: `released`, `rolledBack`, `refused`, `upToDate` (live ran it already), `blocked` (it
    /// ended rolled back before).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub(crate) end: Option<End>,
    /// Why it ended so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<String>,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum End {
    Released,
    RolledBack,
    Refused,
    UpToDate,
    Blocked,
}

impl End {
    /// How an outcome is told, and why. `None` for a release that is not over.
    pub(crate) fn of(outcome: &Outcome) -> Option<(Self, String)> {
        Some(match outcome {
            Outcome::Released => (Self::Released, "all traffic is on it".to_owned()),
            Outcome::Concluded { winner: Winner::Candidate } => {
                (Self::Released, outcome.to_string())
            }
            Outcome::RolledBack { reason } => (Self::RolledBack, reason.to_string()),
            Outcome::Refused { problems } => {
                let refusals = problems.iter().filter(|problem| problem.is_refusal());
                (Self::Refused, refusals.map(ToString::to_string).collect::<Vec<_>>().join("; "))
            }
            Outcome::Stuck { .. } => return None,
            other => (Self::RolledBack, other.to_string()),
        })
    }
}

/// What all conditions say, in one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Say {
    pub(crate) is: Is,
    pub(crate) reason: String,
    pub(crate) message: String,
}

/// Which of the conditions is true: exactly one of them is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Is {
    Ready,
    Reconciling,
    Stalled,
}

impl Say {
    pub(crate) fn new(is: Is, reason: impl Into<String>, message: impl Into<String>) -> Self {
        let message: String = message.into();
        let message = message.chars().take(LONGEST).collect();
        Self { is, reason: reason.into(), message }
    }
}

impl AgentReleaseStatus {
    /// The status that follows `self`.
    pub(crate) fn next(
        &self,
        generation: Option<i64>,
        say: &Say,
        attempt: Option<&Attempt>,
        release: Option<&Status>,
        at: Timestamp,
    ) -> Self {
        // Of a release of a newer version there is no more than the envelope.
        let envelope = release.and_then(|it| it.envelope.as_ref());
        let record = release.and_then(|it| it.record.as_ref());
        Self {
            release: envelope.map(|it| it.release.to_string()),
            version: record.map(|it| it.change.version().to_owned()),
            phase: record.map(|it| it.phase.name().key().to_owned()),
            traffic: envelope.map(|it| it.routing.to_string()),
            attempt: attempt.cloned(),
            ..self.saying(generation, say, at)
        }
    }

    /// The same status with other conditions.
    pub(crate) fn saying(&self, generation: Option<i64>, say: &Say, at: Timestamp) -> Self {
        let conditions =
            [("Ready", Is::Ready), ("Reconciling", Is::Reconciling), ("Stalled", Is::Stalled)];
        Self {
            observed_generation: generation,
            conditions: conditions
                .map(|(kind, is)| {
                    let status = if say.is == is { "True" } else { "False" }.to_owned();
                    let before = self.conditions.iter().find(|it| it.kind == kind);
                    let same = before.filter(|before| before.status == status);
                    Condition {
                        kind: kind.to_owned(),
                        reason: say.reason.clone(),
                        message: say.message.clone(),
                        last_transition_time: same.map_or(at, |it| it.last_transition_time),
                        observed_generation: generation,
                        status,
                    }
                })
                .into(),
            ..self.clone()
        }
    }
}

/// A reason for programs out of the name of a phase: `rolling_out` is `RollingOut`.
pub(crate) fn camel(key: &str) -> String {
    let words = key.split('_').map(|word| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_uppercase() + rest
    });
    words.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> Timestamp {
        Timestamp::from_unix_millis(1_764_000_000_000 + second * 1000)
    }

    fn truths(status: &AgentReleaseStatus) -> Vec<(&str, &str, Timestamp)> {
        let all = status.conditions.iter();
        all.map(|it| (it.kind.as_str(), it.status.as_str(), it.last_transition_time)).collect()
    }

    #[test]
    fn one_condition_is_true_and_each_says_since_when_it_is_so() {
        let none = AgentReleaseStatus::default();
        let baking = Say::new(Is::Reconciling, "Baking", "waits for the end of the bake");
        let first = none.next(Some(1), &baking, None, None, at(1));
        let again = first.next(Some(1), &baking, None, None, at(2));
        assert_eq!(first, again, "nothing has changed");
        let ready = Say::new(Is::Ready, "Released", "all traffic is on it");
        let last = again.next(Some(2), &ready, None, None, at(3));
        assert_eq!(
            truths(&last),
            [
                ("Ready", "True", at(3)),
                ("Reconciling", "False", at(3)),
                ("Stalled", "False", at(1))
            ]
        );
        assert!(last.conditions.iter().all(|it| it.observed_generation == Some(2)));
    }

    #[test]
    fn a_status_is_read_as_it_was_written_and_one_of_nothing_as_well() {
        let ready = Say::new(Is::Ready, "Released", "x".repeat(5000));
        let status = AgentReleaseStatus::default().next(Some(1), &ready, None, None, at(1));
        assert_eq!(status.conditions[0].message.len(), LONGEST);
        let text = serde_json::to_string(&status).unwrap();
        assert_eq!(serde_json::from_str::<AgentReleaseStatus>(&text).unwrap(), status);
        assert_eq!(
            serde_json::from_str::<AgentReleaseStatus>("{}").unwrap(),
            AgentReleaseStatus::default()
        );
    }

    #[test]
    fn reasons_are_words_without_spaces() {
        assert_eq!(camel("rolling_out"), "RollingOut");
        assert_eq!(camel("done"), "Done");
    }
}
