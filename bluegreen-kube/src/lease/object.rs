//! The Lease as it is written.

use bluegreen_core::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff;
use kube::ResourceExt as _;
use kube::api::ObjectMeta;

use super::LeaseLiveness;
use crate::names::MANAGED_BY;
use crate::{FIELD_MANAGER, Purpose, Settings, lease_name};

/// The Lease of this process, renewed at `now`. Of `last`, the one that was there before, it
/// keeps when it was acquired.
pub(super) fn renewed(of: &LeaseLiveness, last: Option<&Lease>, now: Timestamp) -> Lease {
    let now = micro_time(now);
    let spec = last.and_then(|lease| lease.spec.clone()).unwrap_or_default();
    let seconds = i32::try_from(of.time_to_live.as_secs()).unwrap_or(i32::MAX);
    let labels = [
        (MANAGED_BY.to_owned(), FIELD_MANAGER.to_owned()),
        (of.settings.purpose_label(), Purpose::Lease.as_str().to_owned()),
    ];
    let process = (process_annotation(&of.settings), of.process.clone());
    Lease {
        metadata: ObjectMeta {
            name: Some(lease_name(&of.holder)),
            namespace: Some(of.settings.namespace.clone()),
            labels: Some(labels.into()),
            annotations: Some([process].into()),
            ..ObjectMeta::default()
        },
        spec: Some(LeaseSpec {
            acquire_time: spec.acquire_time.or_else(|| now.clone()),
            holder_identity: Some(of.holder.to_string()),
            lease_duration_seconds: Some(seconds),
            renew_time: now,
            ..LeaseSpec::default()
        }),
    }
}

/// Which process wrote it.
pub(super) fn process<'a>(lease: &'a Lease, settings: &Settings) -> Option<&'a String> {
    lease.annotations().get(&process_annotation(settings))
}

fn process_annotation(settings: &Settings) -> String {
    settings.own("process")
}

fn micro_time(at: Timestamp) -> Option<MicroTime> {
    let millis = i64::try_from(at.unix_millis()).ok()?;
    jiff::Timestamp::from_millisecond(millis).ok().map(MicroTime)
}
