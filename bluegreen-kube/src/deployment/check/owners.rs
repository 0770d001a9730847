//! Who else writes what a release writes, by the API server's own notes.

use std::collections::BTreeSet;

use bluegreen_core::Problem;

use super::Report;
use crate::FIELD_MANAGER;
use crate::deployment::object::Seen;

/// Managers that put back whatever others change.
const RECONCILERS: [&str; 7] = [
    "argocd-controller",
    "argocd-application-controller",
    "kustomize-controller",
    "helm-controller",
    "fleetagent",
    "config-sync",
    "configsync.gke.io",
];

/// What an object carries that such a manager keeps, and who that is. A manager that applied it
/// from the client's side shows only here.
const MARKS: [(&str, &str); 4] = [
    ("argocd.argoproj.io/tracking-id", "argocd-controller"),
    ("argocd.argoproj.io/instance", "argocd-controller"),
    ("kustomize.toolkit.fluxcd.io/name", "kustomize-controller"),
    ("helm.toolkit.fluxcd.io/name", "helm-controller"),
];

/// The fields that a release writes.
const FIELDS: [&str; 3] = ["/f:spec/f:template", "/f:spec/f:replicas", "/f:spec/f:strategy"];

pub(super) fn check(report: &mut Report<'_>, seen: Seen<'_>) {
    for owner in owners(seen) {
        let is_reconciler = RECONCILERS.contains(&owner.as_str());
        let object = format!("{}, spec", report.object);
        let problem = if is_reconciler {
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

fn owners(seen: Seen<'_>) -> BTreeSet<String> {
    let metadata = seen.metadata();
    let entries = metadata.managed_fields.as_deref().unwrap_or_default();
    let mut owners: BTreeSet<String> = entries
        .iter()
        .filter(|entry| entry.subresource.as_deref().unwrap_or_default().is_empty())
        .filter(|entry| {
            let fields = entry.fields_v1.as_ref();
            fields.is_some_and(|fields| {
                FIELDS.iter().any(|pointer| fields.0.pointer(pointer).is_some())
            })
        })
        .filter_map(|entry| entry.manager.clone())
        .collect();
    for (mark, owner) in MARKS {
        let has = |map: Option<&std::collections::BTreeMap<String, String>>| {
            map.is_some_and(|map| map.contains_key(mark))
        };
        if has(seen.annotations()) || has(seen.labels()) {
            owners.insert(owner.to_owned());
        }
    }
    owners.remove(FIELD_MANAGER);
    owners
}
