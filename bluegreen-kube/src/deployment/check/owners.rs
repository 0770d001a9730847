//! Who else writes what a release writes, by the API server's own notes.

use bluegreen_core::Problem;

use super::Report;
use crate::deployment::object::Seen;
use crate::owners;

/// The fields that a release writes.
const FIELDS: [&str; 3] = ["/f:spec/f:template", "/f:spec/f:replicas", "/f:spec/f:strategy"];

pub(super) fn check(report: &mut Report<'_>, seen: Seen<'_>) {
    for owner in owners::of(seen.metadata(), &FIELDS) {
        let object = format!("{}, spec", report.object);
        let problem = if owners::is_reconciler(&owner) {
            Problem::new("gitops-owner", object)
                .found(format!("owned by {owner}, which puts back what others change"))
                .wanted("no such owner")
                .mend(format!(
                    "tell it to ignore spec.template, spec.replicas and spec.strategy, and then \
                     allow gitops-owner for {owner}"
                ))
        } else {
            Problem::new("foreign-owner", object)
                .found(format!("last written by {owner}"))
                .wanted("that it does not write it again: the release takes it over")
                .warning()
        };
        report.add(problem, &owner);
    }
}
