//! What was seen of a Lease, and when: two clocks that differ do not matter then.

use std::time::Duration;

use bluegreen_core::{HolderId, Timestamp, Vitality};
use k8s_openapi::api::coordination::v1::Lease;
use kube::ResourceExt as _;

use super::TIME_TO_LIVE;

/// A Lease as it was seen at one moment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Seen {
    uid: Option<String>,
    resource_version: Option<String>,
    time_to_live: Duration,
    at: Timestamp,
}

impl Seen {
    /// What a Lease shows of `holder`; nothing if it was given back or is another one's.
    pub(super) fn of(lease: &Lease, holder: &HolderId, now: Timestamp) -> Option<Self> {
        let spec = lease.spec.as_ref()?;
        if spec.holder_identity.as_deref() != Some(holder.as_str()) {
            return None;
        }
        let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
        Some(Self {
            uid: lease.uid(),
            resource_version: lease.resource_version(),
            time_to_live: seconds.map_or(TIME_TO_LIVE, Duration::from_secs),
            at: now,
        })
    }

    /// Whether the Lease did not change between the two.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        (&self.uid, &self.resource_version) == (&other.uid, &other.resource_version)
    }

    /// What it means that it is still as it was `before`.
    pub(super) fn vitality(&self, before: &Self) -> Vitality {
        if self.at.since(before.at) >= self.time_to_live { Vitality::Gone } else { Vitality::Alive }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn seen(version: &str, holder: &serde_json::Value, at: u64) -> Option<Seen> {
        let lease: Lease = serde_json::from_value(json!({
            "metadata": {"name": "bluegreen-a", "uid": "u", "resourceVersion": version},
            "spec": {"holderIdentity": holder, "leaseDurationSeconds": 15,
                     "renewTime": "1999-01-01T00:00:00.000000Z"},
        }))
        .unwrap();
        Seen::of(&lease, &"a".into(), Timestamp::from_unix_millis(at))
    }

    #[test]
    fn only_the_own_clock_counts_and_only_from_the_last_change() {
        let first = seen("1", &json!("a"), 1_000_000).unwrap();
        let just = seen("1", &json!("a"), 1_014_999).unwrap();
        assert!(just.is_same(&first));
        assert_eq!(just.vitality(&first), Vitality::Alive);
        let late = seen("1", &json!("a"), 1_015_000).unwrap();
        assert_eq!(late.vitality(&first), Vitality::Gone);
        assert!(!seen("2", &json!("a"), 1_015_000).unwrap().is_same(&first));
    }

    #[test]
    fn what_was_given_back_or_is_another_ones_is_nothing() {
        for holder in [json!(""), json!(null), json!("b")] {
            assert_eq!(seen("1", &holder, 0), None, "{holder}");
        }
    }
}
